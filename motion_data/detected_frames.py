"""People frame by frame, as pose models and trackers hand them over in Python, to recordings.

A frame is one of:

- a `Results` of ultralytics: `keypoints`, `boxes` (with `id` where people were tracked), `orig_shape`;
- a list with a dict for each person, as ViTPose's `post_process_pose_estimation` returns for one picture: `keypoints`
  `[K, 2]`, `scores` (or `keypoint_scores`) `[K]` and perhaps `track_id`;
- an array `[M, K, 2 or 3]`, in which people may come, go and change places;
- None, or an empty list or array: nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from .interpret import as_numbers, choose_coordinates, layout_of, stated_layout
from .options import ReadOptions
from .readers.detections import Detection
from .readers.estimates import estimated_recordings
from .recording import Recording

# a list of MANY_FRAMES arrays or more with fewer than FEW rows each: rows are people, not frames
MANY_FRAMES, FEW = 5, 5


def is_result(frame: object) -> bool:
    """Tell whether an object is a `Results` of ultralytics."""
    return hasattr(frame, "keypoints") and hasattr(frame, "orig_shape")


def is_frames(inputs: object) -> bool:
    """Tell a list of frames of one recording from a list of recordings.

    It is one if an item is a `Results` or a list of dicts, if the items are `[K, C]`, or if there are at least
    `MANY_FRAMES` and each is `[M, K, C]` with M below `FEW`: hardly anyone has five clips of so few frames.
    """
    if not isinstance(inputs, (list, tuple)):
        return False
    known = [frame for frame in inputs if frame is not None]
    if any(is_result(frame) or is_people(frame) for frame in known):
        return True
    shapes = [_shape(frame) for frame in known]
    if not shapes or any(shape is None for shape in shapes):
        return False
    sizes = {len(shape) for shape in shapes if 0 not in shape}
    return sizes == {2} or sizes == {3} and len(shapes) >= MANY_FRAMES and all(shape[0] < FEW for shape in shapes)


def is_one_person(frames: Sequence[object]) -> bool:
    """Tell whether each frame is the `[K, C]` of the same person, so that the list is an array."""
    return all(len(_shape(frame) or ()) == 2 for frame in frames)


def detected_recordings(
    frames: Sequence[object], options: ReadOptions, layout: str | None = None, default_layout: str | None = None
) -> list[Recording]:
    """Return the recordings of a list of frames for which `is_frames` holds.

    Args:
        options: what the user says; people without an id are linked over at most `max_gap` frames.
        layout: that the source states.
        default_layout: where it fits and nothing else says which.

    Raises:
        ValueError: frames of different kinds or joints, nobody in any, or numbers without a known meaning.
    """
    found = [detection for number, frame in enumerate(frames) for detection in frame_people(frame, number)]
    if not found:
        raise ValueError(f"inputs has {len(frames)} frames with nobody in any")
    widths = {detection.joints.shape for detection in found}
    if len(widths) > 1:
        raise ValueError(f"frames have people of different shapes {sorted(widths)}; they must have the same joints")
    ((joints, size),) = widths
    if choose_coordinates(np.stack([detection.joints for detection in found])[None], options) not in ("xy", "xyc"):
        raise ValueError("3D key-points of several people must be one array [people, frames, joints, 3]")
    if size == 2:
        found = [
            detection._replace(joints=np.concatenate([detection.joints, np.isfinite(detection.joints[:, :1])], 1))
            for detection in found
        ]
    sizes = {tuple(reversed(frame.orig_shape)) for frame in frames if is_result(frame)}
    fields = {"frame_size": tuple(map(int, sizes.pop()))} if len(sizes) == 1 else {}
    name = layout_of(joints, stated_layout(options, layout), default_layout)
    return list(estimated_recordings(Path("inputs"), found, {joints: name}, options, **fields))


def frame_people(frame: object, number: int = 0) -> Iterator[Detection]:
    """Yield everybody in a frame: joints `[K, 2]`, or `[K, 3]` with the score last.

    Raises:
        ValueError: it is no frame, or has ids that are no whole numbers.
    """
    if frame is None or isinstance(frame, (list, tuple)) and not len(frame):
        return
    if is_result(frame):
        if frame.keypoints is None:
            return
        bodies = as_numbers("keypoints", frame.keypoints.data)
        boxes = getattr(frame, "boxes", None)
        ids = getattr(boxes, "id", None)
        names = [-1] * len(bodies) if ids is None else whole_ids(ids)
        yield from (Detection(number, body, name) for body, name in zip(bodies, names, strict=True))
    elif is_people(frame):
        for person in frame:
            body = as_numbers("keypoints", person["keypoints"])
            marks = person.get("scores", person.get("keypoint_scores"))
            if marks is not None:
                body = np.concatenate([body, as_numbers("scores", marks).reshape(-1, 1)], 1)
            name = person.get("track_id")
            yield Detection(number, body, -1 if name is None else whole_ids([name])[0])
    else:
        bodies = as_numbers(f"frame {number}", frame)
        if bodies.size and bodies.ndim not in (2, 3):
            raise ValueError(f"frame {number} has shape {bodies.shape}; it must be [people, joints, 2 or 3]")
        if bodies.size:
            yield from (Detection(number, body) for body in bodies.reshape(-1, *bodies.shape[-2:]))


def whole_ids(ids: object) -> list[int]:
    """Return track ids, a tensor, an array or a list of whole numbers, as a list of int.

    Raises:
        ValueError: one is anything but a whole number; names are refused, since corpora store numbers.
    """
    values = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    values = values if isinstance(values, list) else [values]
    values = [value.item() if hasattr(value, "item") else value for value in values]
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
            raise ValueError(f"track_ids has {value!r}; an id must be a whole number")
    return [int(value) for value in values]


def is_people(frame: object) -> bool:
    """Tell whether a frame is a list with a dict for each person."""
    return (
        isinstance(frame, (list, tuple))
        and len(frame) > 0
        and all(isinstance(person, Mapping) and "keypoints" in person for person in frame)
        and all(len(_shape(person["keypoints"]) or ()) == 2 for person in frame)
    )


def _shape(values: object) -> tuple[int, ...] | None:
    if hasattr(values, "shape"):
        return tuple(values.shape)
    try:
        array = np.asarray(values)
    except ValueError:
        return None
    return array.shape if array.dtype.kind in "fiub" else None
