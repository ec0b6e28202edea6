"""People frame by frame, as pose models and trackers hand them over in Python, to recordings.

A frame is one of:

- the result of a pose estimator for one picture (`pose_results`);
- an array `[M, K, 2 or 3]`, in which people may come, go and change places, or `[1, M, K, 2 or 3]`, as MoveNet has it;
- None, or an empty list or array: nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from .interpret import as_numbers, choose_coordinates, layout_of, stated_layout
from .layouts import get_layout
from .options import ReadOptions
from .pose_results import are_numbered, is_in_fractions, is_result, named_joints, people_of, picture_size, shape_of
from .readers.detections import Detection, scored
from .readers.estimates import estimated_recordings
from .readers.joint_names import are_joint_names, map_joints
from .readers.json_files import brief
from .readers.plain.plain_joints import detection_of, same_joints
from .readers.plain.plain_people import people_in
from .readers.registry import FormatError
from .recording import Recording

# a list of MANY_FRAMES arrays or more with fewer than FEW rows each: rows are people, not frames
MANY_FRAMES, FEW = 5, 5
# joints that the models of ViTPose have: of the first it is no guess which they are
COMMON, OTHERS = (17, 133), (14, 16)


def is_frames(inputs: object) -> bool:
    """Tell a list of frames of one recording from a list of recordings.

    It is one if an item is the result of a pose estimator, if the items are `[K, C]`, or if there are at least
    `MANY_FRAMES` and each is `[M, K, C]` or `[1, M, K, C]` with M below `FEW`: hardly anyone has five clips of so few
    frames.
    """
    if not isinstance(inputs, (list, tuple)):
        return False
    known = [frame for frame in inputs if frame is not None]
    if any(map(is_result, known)):
        return True
    shapes = [shape_of(frame) for frame in known]
    if not shapes or any(shape is None for shape in shapes):
        return False
    shapes = [shape[1:] if len(shape) == 4 and shape[0] == 1 else shape for shape in shapes]
    sizes = {len(shape) for shape in shapes if 0 not in shape}
    return sizes == {2} or sizes == {3} and len(shapes) >= MANY_FRAMES and all(shape[0] < FEW for shape in shapes)


def is_one_person(frames: Sequence[object]) -> bool:
    """Tell whether each frame is the `[K, C]` of the same person, so that the list is an array."""
    return all(len(shape_of(frame) or ()) == 2 for frame in frames)


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
    found, named = [], set()
    for number, frame in enumerate(frames):
        if has_names(frame) and not options.overrides("layout"):
            own, people = named_people(frame, options.coordinates)
            named.add(own)
            found += [person._replace(frame=number) for person in people]
        else:
            found += frame_people(frame, number, options.frame_size)
    if len(named) > 1:
        raise ValueError(f"frames have the joints of several skeletons, {', '.join(sorted(map(str, named)))}")
    if not found:
        raise ValueError(f"inputs has {len(frames)} frames with nobody in any")
    found = _numbered_alike(frames, found, stated_layout(options, layout))
    widths = {detection.joints.shape for detection in found}
    if len(widths) > 1:
        raise ValueError(f"frames have people of different shapes {sorted(widths)}; they must have the same joints")
    ((joints, size),) = widths
    of_results = any(map(is_result, frames))
    if size == 2 or not of_results:  # of results a third value is a score; of arrays `interpret` tells
        stack = np.stack([detection.joints for detection in found])[None]
        kind = choose_coordinates(stack, options)
        if kind.startswith("xyz"):
            raise ValueError("3D key-points of several people must be one array [people, frames, joints, 3]")
        found = scored(found, "" if of_results else kind)  # results say which is which
    sizes = {picture_size(frame) for frame in frames if frame is not None and is_result(frame)} - {(0, 0)}
    fields = {"frame_size": sizes.pop()} if len(sizes) == 1 else {}
    name = named.pop() if named else layout_of(joints, stated_layout(options, layout), default_layout)
    return list(estimated_recordings(Path("inputs"), found, {joints: name}, options, **fields))


def _numbered_alike(frames: Sequence[object], found: list[Detection], layout: str | None) -> list[Detection]:
    """Return people whose joints are numbered, of whom each lacks some, with as many rows each.

    Raises:
        ValueError: numbers do not go as far as those of a model do, so that the layout must tell how many there are.
    """
    counts = {len(detection.joints) for detection in found}
    seen_in = [frame for frame in frames if frame is not None and not (isinstance(frame, (list, tuple)) and not frame)]
    is_whole = len(counts) == 1 and counts <= {*COMMON, *OTHERS}
    if is_whole or not all(map(are_numbered, seen_in)):
        return found
    most = get_layout(layout).num_joints if layout else max(counts)
    if max(counts) > most or not layout and most not in COMMON:
        raise ValueError(
            f"joints are numbered up to {max(counts) - 1}, and some may be left out; name the layout that they are of"
        )
    return with_rows(found, most)


def with_rows(people: list[Detection], num_joints: int) -> list[Detection]:
    """Return people with at least so many joints each; those that are left out at the end are missing."""
    return [
        person._replace(joints=np.pad(person.joints, ((0, max(num_joints - len(person.joints), 0)), (0, 0))))
        for person in people
    ]


def frame_people(frame: object, number: int = 0, frame_size: tuple[int, int] = (0, 0)) -> Iterator[Detection]:
    """Yield everybody in a frame: joints `[K, 2]`, or `[K, 3]` with the score last.

    Args:
        number: of the frame.
        frame_size: width and height of the picture, needed where a result is in fractions of it.

    Raises:
        ValueError: it is no frame, has ids that are no whole numbers, or needs the size of the picture.
    """
    if frame is None or isinstance(frame, (list, tuple)) and not len(frame):
        return
    if is_result(frame):
        in_fractions = is_in_fractions(frame)
        if in_fractions and 0 in frame_size:
            raise ValueError("landmarks are fractions of the picture; give frame_size (its width and height)")
        for person in people_of(frame):
            if in_fractions:
                person.joints[:, :2] *= frame_size
            yield Detection(number, person.joints, -1 if person.track is None else whole_ids([person.track])[0])
    else:
        bodies = of_one_picture(as_numbers(f"frame {number}", frame))
        if bodies.size and bodies.ndim not in (2, 3):
            raise ValueError(f"frame {number} has shape {bodies.shape}; it must be [people, joints, 2 or 3]")
        if bodies.size:
            yield from (Detection(number, body) for body in bodies.reshape(-1, *bodies.shape[-2:]))


def is_named(frame: object) -> bool:
    """Tell whether a frame is an object, or a list of them, that is no result of a library: one of a JSON file."""
    people = frame if isinstance(frame, (list, tuple)) and len(frame) else [frame]
    return all(isinstance(person, Mapping) for person in people) and not is_result(frame)


def has_names(frame: object) -> bool:
    """Tell whether the result for a picture says what its joints are called: then that counts, not their order."""
    return are_joint_names(named_joints(frame))


def named_people(frame: object, coordinates: str | None = None) -> tuple[str | None, list[Detection]]:
    """Return everybody in a frame for which `is_named` or `has_names` holds, as `plain_data` reads one of a file.

    Returns:
        the layout that names of joints make, None if they have none; people with `[K, 3]` joints, the score last.

    Raises:
        FormatError: it holds no key-points, or too few joints whose names are known.
    """
    path, names = Path("frame"), []
    people = [person._replace(frame=0) for person in people_in(path, frame, 0)]
    tracks = [-1 if person.track is None else whole_ids([person.track])[0] for person in people]
    found = [
        detection_of(path, person, ("", 0), track, names, coordinates)
        for person, track in zip(people, tracks, strict=True)
    ]
    if not found:
        raise FormatError(path, f"has no key-points to read; it is {brief(frame)}")
    if not names:
        return None, found
    joints = map_joints(path, names)
    return joints.layout, [seen._replace(joints=joints(seen.joints)) for seen in same_joints(found, names)]


def of_one_picture(bodies: np.ndarray) -> np.ndarray:
    """Return the bodies of a frame without the axis before them that MoveNet has, `[1, M, K, C]`."""
    return bodies[0] if bodies.ndim == 4 and len(bodies) == 1 else bodies


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
