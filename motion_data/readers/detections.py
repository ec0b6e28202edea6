"""What every estimator gives: people in frames, as a reader finds them one by one, and all of a file together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..notes import note
from .registry import FormatError


class Detection(NamedTuple):
    """A person in a frame.

    Args:
        frame: number of the frame.
        joints: `[K, C + 1]` coordinates and score of each joint; empty is nobody.
        person: track id; -1 is none.
        box: x0, y0, x1, y1, pixels; None is none.
        video: which of the videos of a file; "" if it is of one.
    """

    frame: int
    joints: np.ndarray
    person: int = -1
    box: np.ndarray | None = None
    video: str = ""


@dataclass
class Detections:
    """Everything a pose estimator saw in one file; D detections in any order.

    Args:
        frames: `[D]` int64, 0 or more.
        people: `[D]` int64 track id; -1 where the file has none.
        keypoints: `[D, K, C]` float32; pixels (C = 2), or metres with y up (C = 3, where all have an id).
        scores: `[D, K]` float32 in [0, 1]; 0 is a missing joint.
        boxes: `[D, 4]` float32 x0, y0, x1, y1, pixels; None lets the key-points span them.
        num_frames: frames of the file where it tells; 0 ends it with the last detection.
    """

    frames: np.ndarray
    people: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray | None = None
    num_frames: int = 0


def gather(path: Path, found: Iterable[Detection]) -> dict[str, Detections]:
    """Return all people of a file by video.

    Coordinates and scores stay as they are, NaN included; boxes count where everybody has one.

    Raises:
        FormatError: nobody is in the file, or people have different numbers of joints.
    """
    rows = [detection for detection in found if len(detection.joints)]
    if not rows:
        raise FormatError(path, "nobody is in it: it has no key-points to read")
    num_joints = len(rows[0].joints)
    for row in rows:
        if len(row.joints) != num_joints:
            raise FormatError(
                path,
                f"a person in frame {row.frame} has {len(row.joints)} joints, one before has {num_joints}; "
                "all people of a file must have the same joints",
            )
    videos: dict[str, list[Detection]] = {}
    for row in rows:
        videos.setdefault(row.video, []).append(row)
    return {video: _together(videos[video]) for video in sorted(videos)}


def _together(rows: list[Detection]) -> Detections:
    joints = np.stack([row.joints for row in rows])
    boxes = [row.box for row in rows]
    has_boxes = all(box is not None and np.isfinite(box).all() for box in boxes)
    return Detections(
        frames=np.array([row.frame for row in rows], np.int64),
        people=np.array([row.person for row in rows], np.int64),
        keypoints=joints[..., :-1],
        scores=joints[..., -1],
        boxes=np.stack(boxes) if has_boxes else None,
    )


def without_shared_ids(people: Detections) -> Detections:
    """Return detections without their track ids if most frames repeat one: a tracker that was off gives everybody one.

    Frames count in which two or more people have an id.
    """
    known = people.people >= 0
    frames, counts = np.unique(people.frames[known], return_counts=True)
    _, repeats = np.unique(np.stack([people.frames[known], people.people[known]]), axis=1, return_counts=True)
    crowded = int((counts > 1).sum())
    if not crowded:
        return people
    pairs = np.unique(np.stack([people.frames[known], people.people[known]]), axis=1)
    shared = len(np.unique(pairs[0][repeats > 1]))
    if shared <= crowded / 2:
        return people
    note(f"{shared} of {crowded} frames with several people repeat a track id, which is no id then: people are linked")
    return replace(people, people=np.full_like(people.people, -1))
