"""Reader of the `.skeleton` files of NTU RGB+D: what a Kinect v2 tracked, frame by frame.

A frame is its number of bodies; a body is a line of ten values that starts with its id, the number of joints, and a
line of twelve values for each: x, y, z in metres, places in the depth and the colour picture, a quaternion, and how
well the joint was tracked. Camera space has y up, z away from the sensor, and x to the left of its picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...layouts import get_layout
from ...recording import Recording
from ..cutting import clean_joints, cut_recordings
from ..detections import Detections
from ..joint_names import given_layout
from ..registry import FormatError, ReadOptions, register_format
from ..text_files import parse_numbers, read_text

LAYOUT = "ntu25"
MAX_BODIES = 6  # in a frame; a Kinect v2 tracks no more
TRACKING_STATES, TRACKING_SCORES = (0, 1, 2), (0.0, 0.5, 1.0)  # of a joint that was not tracked, inferred, tracked
_BODY_VALUES, _JOINT_VALUES, _TRACKING = 10, 12, 11
_NAME = re.compile(r"S\d{3}C(\d{3})P(\d{3})R\d{3}A(\d{3})")


@register_format("ntu", "Kinect skeletons of NTU RGB+D (.skeleton)", (".skeleton",))
def read_ntu(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the bodies as people in camera space; scores are `TRACKING_SCORES`.

    Bodies become tracks as people do everywhere (`cut_recordings`). A name like `S001C002P003R002A013` gives camera
    "C002", subject 3 and label "A013".

    Raises:
        FormatError: the lines are not what they must be, or are too few or too many.
    """
    num_joints = get_layout(LAYOUT).num_joints
    layout = given_layout(path, options.layout, num_joints) if options.overrides("layout") else LAYOUT
    num_frames, frames, ids, lines = _read_bodies(path, num_joints)
    values = parse_numbers(
        path, "\n".join(lines), len(lines) * num_joints * _JOINT_VALUES, "the values of joints"
    ).reshape(-1, num_joints, _JOINT_VALUES)
    tracking = values[..., _TRACKING]
    if not np.isin(tracking, TRACKING_STATES).all():
        raise FormatError(path, "has joints whose last value is not 0, 1 or 2: how well they were tracked")
    keypoints, scores = tracked_joints(values[..., :3], tracking)
    detections = Detections(
        frames=np.array(frames, np.int64),
        people=np.array(ids, np.int64),
        keypoints=keypoints,
        scores=scores,
        num_frames=num_frames,
    )
    yield from cut_recordings(detections, layout, options, space="camera", **performance(path.name))


def tracked_joints(places: np.ndarray, tracking: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return key-points `[..., K, 3]` and their scores, of `TRACKING_STATES`; what is at the sensor is missing."""
    keypoints, scores = clean_joints(places, np.array(TRACKING_SCORES)[tracking.astype(np.int64)])
    return keypoints, np.where((keypoints != 0).any(-1), scores, 0)


def performance(name: str) -> dict:
    """Return `camera`, `subject` and `label` that a name of NTU RGB+D tells; nothing for other names."""
    match = _NAME.search(name)
    return {"camera": f"C{match[1]}", "subject": int(match[2]), "label": f"A{match[3]}"} if match else {}


def _read_bodies(path: Path, num_joints: int) -> tuple[int, list[int], list[int], list[str]]:
    """Return the number of frames, and frame, id and joint lines of each body."""
    lines = [line for line in map(str.strip, read_text(path).splitlines()) if line]
    frames, ids, joints = [], [], []
    num_frames, place = _whole(path, lines, 0, len(lines), "frames"), 1
    if not num_frames:
        raise FormatError(path, "has no frames")
    for frame in range(num_frames):
        num_bodies, place = _whole(path, lines, place, MAX_BODIES, f"bodies in frame {frame}"), place + 1
        seen = set()
        for _ in range(num_bodies):
            body = lines[place].split() if place < len(lines) else []
            if len(body) != _BODY_VALUES or not re.fullmatch(r"\d{1,18}", body[0], re.ASCII) or body[0] in seen:
                raise FormatError(
                    path, f"has a body of frame {frame} that is cut off, is not numbered, or twice there"
                )
            seen.add(body[0])
            count = _whole(path, lines, place + 1, num_joints, f"joints of a body in frame {frame}")
            place += 2 + count
            if count != num_joints or place > len(lines):
                raise FormatError(path, f"has a body of frame {frame} with other than {num_joints} joints")
            frames.append(frame)
            ids.append(int(body[0]))
            joints.append("\n".join(lines[place - count : place]))
    if place != len(lines):
        raise FormatError(path, f"goes on for {len(lines) - place} lines after its {num_frames} frames")
    return num_frames, frames, ids, joints


def _whole(path: Path, lines: list[str], place: int, most: int, what: str) -> int:
    text = lines[place] if place < len(lines) else ""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) > most:
        raise FormatError(path, f"has {text[:60]!r} where the number of {what} must be, from 0 to {most}")
    return int(text)
