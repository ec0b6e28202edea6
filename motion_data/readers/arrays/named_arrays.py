"""Arrays with names, of `.npz` and `.mat` files: which is what, whatever they are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...notes import note
from ...recording import Recording
from ..data_fields import NAMES
from ..frames import rate_of_times
from ..json_files import picture_side
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions

# what an array is -> what it may be called; the first that there is counts
KINDS = {kind: NAMES[kind] for kind in ("keypoints", "scores", "fps", "time", "width", "height")}
KINDS |= {kind: (kind,) for kind in ("layout", "label", "frame_size")}
KINDS["joint_names"] = ("joint_names", "keypoint_names", "bodyparts", "node_names")
_SHOWN = 10


def kinds_of(names: Iterable[str]) -> dict[str, str]:
    """Return the name of the array of each kind that there is."""
    there = set(names)
    return {kind: found for kind, known in KINDS.items() if (found := next(filter(there.__contains__, known), None))}


def named_recordings(
    path: Path, arrays: Mapping[str, np.ndarray], called: Mapping[str, str], names: Iterable[str], options: ReadOptions
) -> Iterator[Recording]:
    """Yield the recordings of key-points and what is beside them; what is of no kind is noted.

    Args:
        arrays: by name, key-points among them.
        called: the name of each kind.
        names: of all arrays of the file.

    Raises:
        FormatError: see `array_recordings`; a size of the picture that is none, names that do not fit the joints.
    """
    others = {kind: arrays[name] for kind, name in called.items()}
    keypoints = others.pop("keypoints")
    if unread := sorted(set(names) - set(called.values())):
        shown = ", ".join(unread[:_SHOWN]) + (" ..." if len(unread) > _SHOWN else "")
        note(f"the file has {shown} too, which {'are' if len(unread) > 1 else 'is'} not read")
    if not options.overrides("frame_size"):
        options = replace(options, frame_size=_picture_size(path, others) or options.frame_size)
    times = others.pop("time", np.zeros(0)).squeeze()
    if "fps" not in others and times.ndim == 1 and len(times) in keypoints.shape and times.dtype.kind in "fiu":
        others["fps"] = np.array(rate_of_times(range(len(times)), times, called["time"]))
    yield from array_recordings(path, keypoints, others, options)


def _picture_size(path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[int, int] | None:
    """Return the width and height of the picture, pixels; None where there is none."""
    if "frame_size" in arrays:
        sides = arrays["frame_size"].reshape(-1)
    elif "width" in arrays and "height" in arrays:
        sides = np.concatenate([arrays["width"].reshape(-1), arrays["height"].reshape(-1)])
    else:
        return None
    if len(sides) != 2:
        raise FormatError(path, f"has a frame_size of {len(sides)} numbers; it must be a width and a height")
    width, height = (picture_side(path, side) for side in sides.tolist())
    return width, height
