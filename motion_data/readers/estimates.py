"""What a pose estimator saw, in pixels, to recordings: layout, missing joints, scores and units are settled here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ..layouts import COCO_KEYPOINTS, get_layout, layout_names, layouts_with, match_joint_names
from ..recording import Recording
from .cutting import cut_recordings
from .detections import Detection, Detections, gather
from .registry import FormatError, ReadOptions

MAX_PIXEL = 1e6  # no picture is larger
# A Halpe body of 136 joints starts with those of halpe26; its face and hands are left out.
HALPE_FULL, HALPE_BODY = 136, "halpe26"


def estimated_recordings(
    path: Path,
    found: Iterable[Detection] | Detections,
    layouts: Mapping[int, str],
    options: ReadOptions,
    names: list[str] | None = None,
    **fields,
) -> Iterator[Recording]:
    """Yield the people of a file as recordings (`cut_recordings`).

    Scores are clipped to [0, 1]: heatmap peaks exceed 1 a little. A joint is missing where its score or a coordinate
    is not finite, or its score is 0 or less.

    Args:
        found: everybody in the file.
        layouts: layout by number of joints, of this format.
        options: its `layout`, if given, is the layout.
        names: the file's own names of the joints, if it has them.
        fields: further fields of `Recording`.

    Raises:
        FormatError: nobody is in the file, the layout cannot be told, or coordinates are no pixels.
    """
    people = found if isinstance(found, Detections) else gather(path, found)
    layout = _layout(path, people.keypoints.shape[1], layouts, options.layout, names)
    num_joints = get_layout(layout).num_joints
    xy, scores = people.keypoints[:, :num_joints], people.scores[:, :num_joints]
    present = np.isfinite(xy).all(-1) & np.isfinite(scores) & (scores > 0)
    if not present.any():
        raise FormatError(path, "nobody is in it: all joints are missing")
    largest = np.abs(xy[present]).max()
    if not 1 < largest <= MAX_PIXEL:
        raise FormatError(
            path, f"coordinates reach {largest:.3g}; they must be pixels, with the largest from 1 to 1e6"
        )
    boxes = people.boxes
    detections = Detections(
        frames=people.frames,
        people=people.people,
        keypoints=np.where(present[..., None], xy, 0).astype(np.float32),
        scores=np.where(present, scores.clip(0, 1), 0).astype(np.float32),
        boxes=None if boxes is None else boxes.clip(-MAX_PIXEL, MAX_PIXEL).astype(np.float32),
        num_frames=people.num_frames,
    )
    try:
        yield from cut_recordings(detections, layout, options, **fields)
    except ValueError as error:
        raise FormatError(path, str(error)) from error


def _layout(
    path: Path, num_joints: int, layouts: Mapping[int, str], wanted: str | None, names: list[str] | None
) -> str:
    """Return the layout asked for, or else that of the joints' names, or else that of their number."""
    if wanted is not None:
        if wanted not in layout_names():
            raise FormatError(path, f"layout {wanted!r} is unknown; it must be one of {', '.join(layout_names())}")
        allowed = get_layout(wanted).num_joints
        if num_joints != allowed and (num_joints, wanted) != (HALPE_FULL, HALPE_BODY):
            raise FormatError(path, f"people have {num_joints} joints; layout {wanted!r} has {allowed}")
        return wanted
    if names is not None:
        if len(names) != num_joints:
            raise FormatError(path, f"people have {num_joints} joints, but {len(names)} joints are named")
        try:
            return match_joint_names(names).name
        except ValueError as error:
            # Faces, feet and hands have other names elsewhere; with a COCO body in front, the number tells.
            if tuple(names[: len(COCO_KEYPOINTS)]) != COCO_KEYPOINTS:
                raise FormatError(path, f"{error}; or name the layout") from error
    if num_joints not in layouts:
        candidates = ", ".join(layouts_with(num_joints)) or "none known"
        raise FormatError(
            path,
            f"people have {num_joints} joints; this format has {', '.join(map(str, sorted(layouts)))}. "
            f"Name the layout if it is another (with {num_joints} joints: {candidates})",
        )
    return layouts[num_joints]
