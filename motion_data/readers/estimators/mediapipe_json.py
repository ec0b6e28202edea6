"""Reader of MediaPipe pose landmarks as people write them to JSON; MediaPipe itself has no file format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ...layouts import get_layout, standard_name
from ...recording import Recording
from ..detections import Detection
from ..estimates import estimated_recordings
from ..frames import MAX_NUMBER, TIMES, rate_of_times
from ..json_files import (
    as_list,
    as_mapping,
    frame_number,
    item,
    json_head,
    numbers,
    picture_side,
    read_json,
    stated_fps,
)
from ..registry import FormatError, ReadOptions, register_format

MEDIAPIPE_LAYOUTS = {33: "mediapipe33"}
_NAMED = "name"  # of a landmark in a list
MAX_SHARE = 10.0  # landmarks lie near the picture, which spans 0 to 1
_LANDMARKS = ("landmarks", "pose_landmarks", "poseLandmarks", "normalized_landmarks", "normalizedLandmarks")
_WORLD = ("world_landmarks", "worldLandmarks", "pose_world_landmarks", "poseWorldLandmarks")
_SCORES = ("visibility", "v", "presence", "score")
_HIPS = (23, 24)
_AT_ORIGIN = 0.02  # of the middle of the hips of world landmarks, metres
_FRAME_NUMBERS = ("frame", "frame_id", "frame_index", "frame_number", "frame_idx", "frameNumber", "frameIndex")


def _is_mediapipe(path: Path) -> bool:
    head = json_head(path)
    named = any(f'"{key}"' in head for key in _LANDMARKS[1:])
    return bool(re.match(r"\s*[\[{]", head)) and (named or all(f'"{key}"' in head for key in ("x", "y", "visibility")))


@register_format("mediapipe-json", "MediaPipe pose landmarks per frame (.json)", (".json",), _is_mediapipe)
def read_mediapipe(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the landmarks of each frame: a list of frames, or an object with `frames` and, at best, the picture's size.

    A frame is the 33 landmarks of a person or a list of people, or an object that has them as `landmarks`,
    `pose_landmarks` or `poseLandmarks`; null or an empty list is a frame without people. Frames are numbered as the
    file says, else from 0; an object in place of the list of frames has their numbers as names. The landmarks of a
    person are a list, in order or each with its `name`, or an object that names or numbers them; those that it lacks
    are missing. A landmark is an object with `x` and `y`, shares of the picture's width and height, and `visibility`,
    its score, or a list x, y, z, visibility; where no visibility was written the score is 1. `z` is not used.

    World landmarks, which are metres around the hips, lie beside these and are left alone; where there is nothing
    else they are refused: they do not tell where a person is in the picture.

    Without a rate the times of frames, `timestamp` and the like, tell it.

    Args:
        options: its `frame_size` is needed where the file has no `width` and `height`.

    Raises:
        FormatError: see `json_files`; also if nothing tells the picture's size, or coordinates are no shares of it.
    """
    content = read_json(path)
    header = content if isinstance(content, dict) else {}
    frames = content
    if isinstance(content, dict) and not all(key.isdecimal() for key in content):
        frames = item(path, content, "frames", "the file")
    if isinstance(frames, dict):
        frames = [{"frame": number, "landmarks": _of_frame(frame)} for number, frame in frames.items()]
    size, fps = _frame_size(path, header, options), stated_fps(path, header)
    frames = as_list(path, frames, "frames")
    found = list(_detections(path, frames, size))
    fps = fps or _rate(frames)
    yield from estimated_recordings(path, found, MEDIAPIPE_LAYOUTS, options, fps=fps, frame_size=size)


def _detections(path: Path, frames: list, size: tuple[int, int]) -> Iterator[Detection]:
    numbered = set()
    for position, entry in enumerate(frames):
        number, landmarks = _frame(path, entry, position)
        if number in numbered:
            raise FormatError(path, f"has frame {number} twice")
        numbered.add(number)
        for person in _people(path, landmarks, number):
            yield Detection(number, person * [*size, 1])


def _rate(frames: list) -> float:
    """Return the rate that the times of frames tell; 0 is none."""
    there = [(place, frame) for place, frame in enumerate(frames) if isinstance(frame, dict)]
    for name in TIMES:
        times = [frame.get(name) for _, frame in there]
        if times and all(isinstance(time, (int, float)) and abs(time) < MAX_NUMBER for time in times):
            numbers = [_number(frame, place) for place, frame in there]
            return rate_of_times(numbers, times, name) if all(isinstance(one, int) for one in numbers) else 0.0
    return 0.0


def _of_frame(frame: object) -> object:
    return next((frame[key] for key in _LANDMARKS if key in frame), frame) if isinstance(frame, dict) else frame


def _frame_size(path: Path, header: dict, options: ReadOptions) -> tuple[int, int]:
    width, height = (header.get(key, header.get(f"frame_{key}")) for key in ("width", "height"))
    if width is not None and height is not None and not options.overrides("frame_size"):
        return picture_side(path, width), picture_side(path, height)
    if 0 in options.frame_size:
        raise FormatError(path, "does not tell the width and height of the picture; give frame_size to read it")
    return options.frame_size


def _frame(path: Path, entry: object, position: int) -> tuple[int, list]:
    """Return the number of a frame and its landmarks."""
    if not isinstance(entry, dict):
        return position, [] if entry is None else as_list(path, entry, f"frame {position}")
    key = next((key for key in _LANDMARKS if key in entry), _LANDMARKS[0])
    if key not in entry and any(name in entry for name in _WORLD):
        raise FormatError(path, f"frame {position} has world landmarks only; write the landmarks of the picture too")
    landmarks = item(path, entry, key, f"frame {position}")
    number = _number(entry, position)
    landmarks = [landmarks] if isinstance(landmarks, dict) and landmarks else landmarks or []
    return frame_number(path, number), as_list(path, landmarks, f"frame {position}")


def _number(frame: Mapping, position: int) -> object:
    return next((frame[name] for name in _FRAME_NUMBERS if name in frame), position)


def _people(path: Path, landmarks: list, frame: int) -> Iterator[np.ndarray]:
    """Yield `[K, 3]` x, y, score of each person of a frame, as shares of the picture."""
    first = landmarks[0] if landmarks else None
    many = isinstance(first, list) and isinstance(first[:1], list) and not _is_point(first)
    many = many or isinstance(first, dict) and "x" not in first
    for person in landmarks if many else [landmarks]:
        rows = []
        for landmark in _in_order(path, person, frame):
            if landmark is None:
                rows.append([0.0, 0.0, 0.0])
            elif isinstance(landmark, list):
                rows.append([*landmark[:2], landmark[3] if len(landmark) > 3 else 1.0])
            else:
                point = as_mapping(path, landmark, f"a landmark of frame {frame}")
                x, y = (item(path, point, axis, f"a landmark of frame {frame}") for axis in ("x", "y"))
                rows.append([x, y, next((point[key] for key in _SCORES if key in point), 1.0)])
        if not rows:
            continue
        joints = numbers(path, rows, f"landmarks of frame {frame}")
        if joints.ndim != 2:
            raise FormatError(path, f"landmarks of frame {frame} have lists where numbers must be")
        if len(joints) > max(_HIPS) and (np.abs(joints[_HIPS, :2].mean(0)) < _AT_ORIGIN).all():
            raise FormatError(
                path, f"frame {frame} has the hips at the origin: these are world landmarks, not those of the picture"
            )
        far = np.abs(joints[:, :2][np.isfinite(joints[:, :2])]).max(initial=0)
        if far > MAX_SHARE:
            raise FormatError(path, f"a landmark of frame {frame} is at {far:.6g}; it must be a share of the picture")
        yield joints


def _is_point(values: list) -> bool:
    return len(values) in (2, 3, 4) and all(isinstance(value, (int, float)) for value in values)


def _in_order(path: Path, person: object, frame: int) -> list:
    """Return the landmarks of a person in MediaPipe's order, None where one is missing."""
    if isinstance(person, list) and person and all(isinstance(one, dict) and _NAMED in one for one in person):
        person = {str(one[_NAMED]): one for one in person}
    if not isinstance(person, dict):
        return as_list(path, person, f"landmarks of frame {frame}")
    joints = get_layout(MEDIAPIPE_LAYOUTS[33]).joints
    order: list = [None] * len(joints)
    for name, landmark in person.items():
        standard = standard_name(name)
        place = int(name) if name.isdecimal() else joints.index(standard) if standard in joints else -1
        if not 0 <= place < len(joints):
            raise FormatError(path, f"a landmark of frame {frame} is named {name[:60]!r}, which MediaPipe has not")
        order[place] = landmark
    return order
