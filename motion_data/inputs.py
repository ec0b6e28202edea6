"""What the pipelines take: paths of any known format, arrays, mappings and recordings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .keypoints import ArrayLike
from .readers.registry import FormatError, ReadOptions, format_of, formats
from .readers.video.estimation_options import PoseEstimation
from .recording import Recording

MAX_FRAMES = 10**6  # of a recording: an answer should not depend on where a file is cut

MotionInput = str | os.PathLike | ArrayLike | Mapping | Recording


def as_recordings(
    inputs: MotionInput, layout: str = "coco17", fps: float = 0.0, poses: PoseEstimation | None = None
) -> list[Recording]:
    """Return the recordings of one input.

    Args:
        inputs: a path of a known format, an array `[(M,) F, K, 2 or 3]`, a mapping with `keypoints` and any other
            field of `Recording`, or a `Recording`.
        layout, fps: of arrays and mappings that do not tell; of files, the frame rate.
        poses: which models see the people in a video.

    Raises:
        FileNotFoundError: a path that is not there.
        ValueError: a path of no known format or one that cannot be read (`FormatError`), or a field that is unknown
            or missing.
    """
    if isinstance(inputs, Recording):
        return [inputs]
    if isinstance(inputs, (str, os.PathLike)):
        return _read(Path(inputs), ReadOptions(fps=fps, max_frames=MAX_FRAMES, min_track=1, poses=poses))
    fields = {"layout": layout, "fps": fps, "name": "", **(inputs if isinstance(inputs, Mapping) else {})}
    if not isinstance(inputs, Mapping):
        fields["keypoints"] = inputs
    if "keypoints" not in fields:
        raise ValueError(f"inputs has {', '.join(inputs) or 'nothing'}; it must have keypoints")
    unknown = set(fields) - set(Recording.__dataclass_fields__)
    if unknown:
        raise ValueError(f"inputs has {sorted(unknown)}; allowed are {', '.join(Recording.__dataclass_fields__)}")
    fields["keypoints"] = np.asarray(fields["keypoints"], np.float32)
    if fields.get("scores") is None:
        fields["scores"] = np.isfinite(fields["keypoints"]).all(-1)
    fields["scores"] = np.asarray(fields["scores"], np.float32)
    for name in ("keypoints", "scores"):
        if fields[name].ndim == (3 if name == "keypoints" else 2):
            fields[name] = fields[name][None]
    people = len(fields["keypoints"]) if fields["keypoints"].ndim == 4 else 1
    track_ids = fields.setdefault("track_ids", [])
    if len(track_ids) not in (0, people):
        raise ValueError(f"track_ids must be {people} ids, one for each person, got {len(track_ids)}")
    return [Recording(**fields)]


def _read(path: Path, options: ReadOptions) -> list[Recording]:
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} is neither a file nor a folder")
    known = format_of(path)
    if known is None:
        raise FormatError(path, f"is of no known format; known are {', '.join(formats())}")
    recordings = list(known.read(path, options))
    if not recordings:
        raise FormatError(path, "holds nobody")
    return recordings
