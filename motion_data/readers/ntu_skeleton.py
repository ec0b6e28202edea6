"""Reader of the `.skeleton` files of NTU RGB+D: what a Kinect v2 tracked, frame by frame.

A frame is its number of bodies; a body is a line of ten values that starts with its id, the number of joints, and a
line of twelve values for each: x, y, z in metres, places in the depth and the colour picture, a quaternion, and how
well the joint was tracked. Camera space has y up, z away from the sensor, and x to the left of its picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..layouts import get_layout
from .joint_names import given_layout
from .registry import FormatError, ReadOptions, Recording, register_format
from .stretches import clean_joints
from .text_files import parse_numbers, read_text

LAYOUT = "ntu25"
MAX_BODIES = 6  # in a frame; a Kinect v2 tracks no more
TRACKING_SCORES = (0.0, 0.5, 1.0)  # of a joint that was not tracked, inferred, tracked
_BODY_VALUES, _JOINT_VALUES, _TRACKING = 10, 12, 11
_NAME = re.compile(r"S\d{3}C(\d{3})P(\d{3})R\d{3}A(\d{3})")


@dataclass
class Bodies:
    """The bodies of a file: frame, id and joint lines of each."""

    frames: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    joints: list[str] = field(default_factory=list)


@register_format("ntu", "Kinect skeletons of NTU RGB+D (.skeleton)", (".skeleton",))
def read_ntu(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the bodies as people in camera space, whose y is up; scores are `TRACKING_SCORES`.

    Bodies in fewer than `options.min_track` frames are left out. A name like `S001C002P003R002A013` gives camera
    "C002", subject 3 and label "A013".

    Raises:
        FormatError: the lines are not what they must be, or are too few or too many.
    """
    num_joints = get_layout(LAYOUT).num_joints
    layout = LAYOUT if options.layout is None else given_layout(path, options.layout, num_joints)
    num_frames, bodies = _read_bodies(path, num_joints)
    values = parse_numbers(
        path, "\n".join(bodies.joints), len(bodies.joints) * num_joints * _JOINT_VALUES, "the values of joints"
    ).reshape(-1, num_joints, _JOINT_VALUES)
    tracking = values[..., _TRACKING]
    if not np.isin(tracking, (0, 1, 2)).all():
        raise FormatError(path, "has joints whose last value is not 0, 1 or 2: how well they were tracked")
    xyz, scores = clean_joints(values[..., :3], np.array(TRACKING_SCORES)[tracking.astype(np.int64)])
    scores = np.where((xyz != 0).any(-1), scores, 0)
    frames, ids = np.array(bodies.frames, np.int64), np.array(bodies.ids, np.int64)
    is_seen = scores.any(1)
    people, lengths = np.unique(ids[is_seen], return_counts=True)
    people = people[lengths >= options.min_track]
    for first in range(0, num_frames, options.max_frames):
        end = min(first + options.max_frames, num_frames)
        rows = np.flatnonzero(is_seen & (frames >= first) & (frames < end) & np.isin(ids, people))
        if not len(rows):
            continue
        inside, person = np.unique(ids[rows], return_inverse=True)
        keypoints = np.zeros((len(inside), end - first, num_joints, 3), np.float32)
        keypoint_scores = np.zeros(keypoints.shape[:-1], np.float32)
        keypoints[person, frames[rows] - first] = xyz[rows]
        keypoint_scores[person, frames[rows] - first] = scores[rows]
        yield Recording(
            name=f"{first:06d}" if num_frames > options.max_frames else "",
            keypoints=keypoints,
            scores=keypoint_scores,
            layout=layout,
            fps=options.fps,
            frame_size=options.frame_size,
            track_ids=inside.tolist(),
            first_frame=first,
            **performance(path.name),
        )


def performance(name: str) -> dict:
    """Return `camera`, `subject` and `label` that a name of NTU RGB+D tells; nothing for other names."""
    match = _NAME.search(name)
    return {"camera": f"C{match[1]}", "subject": int(match[2]), "label": f"A{match[3]}"} if match else {}


def _read_bodies(path: Path, num_joints: int) -> tuple[int, Bodies]:
    """Return the number of frames and the bodies."""
    lines = [line for line in map(str.strip, read_text(path).splitlines()) if line]
    bodies = Bodies()
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
            bodies.frames.append(frame)
            bodies.ids.append(int(body[0]))
            bodies.joints.append("\n".join(lines[place - count : place]))
    if place != len(lines):
        raise FormatError(path, f"goes on for {len(lines) - place} lines after its {num_frames} frames")
    return num_frames, bodies


def _whole(path: Path, lines: list[str], place: int, most: int, what: str) -> int:
    text = lines[place] if place < len(lines) else ""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) > most:
        raise FormatError(path, f"has {text[:60]!r} where the number of {what} must be, from 0 to {most}")
    return int(text)
