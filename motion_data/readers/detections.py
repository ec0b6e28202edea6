"""What every estimator gives: people in frames, as a reader finds them one by one, and all of a file together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..interpret import x_first
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


def scored(found: Iterable[Detection], coordinates: str) -> list[Detection]:
    """Return people of arrays, whose joints are `[K, 2 or 3]`, with x first and a score last.

    Args:
        coordinates: what the last axis holds, one of `options.COORDINATES`; without a score finite joints are there.
    """
    people = [person._replace(joints=x_first(person.joints, coordinates)) for person in found]
    return [
        person
        if person.joints.shape[1] == 3
        else person._replace(joints=np.column_stack((person.joints, np.isfinite(person.joints[:, 0]))))
        for person in people
    ]


def gather(path: Path, found: Iterable[Detection]) -> dict[str, Detections]:
    """Return all people of a file by video.

    Coordinates and scores stay as they are, NaN included; boxes count where everybody has one.

    Raises:
        FormatError: nobody is in the file, or people have different numbers of joints.
    """
    rows = list(found)
    return by_video(
        path,
        [(row.video, row.frame) for row in rows],
        np.array([row.person for row in rows], np.int64),
        [row.joints for row in rows],
        [row.box for row in rows],
    )


def by_video(
    path: Path,
    frames: Sequence[tuple[str, int]],
    people: np.ndarray,
    joints: Sequence[np.ndarray] | np.ndarray,
    boxes: Sequence[np.ndarray | None] | np.ndarray,
) -> dict[str, Detections]:
    """Return the D people of a file by video; see `gather`.

    Args:
        frames: video and frame of each.
        people: `[D]` int64 track ids.
        joints: of each `[K, C + 1]` coordinates and score, or `[0, ...]` for nobody; `[D, K, C + 1]` is as well.
        boxes: of each x0, y0, x1, y1, or None; `[D, 4]` is as well.
    """
    seen = [place for place, rows in enumerate(joints) if len(rows)]
    if not seen:
        raise FormatError(path, "nobody is in it: it has no key-points to read")
    num_joints = len(joints[seen[0]])
    for place in seen:
        if len(joints[place]) != num_joints:
            raise FormatError(
                path,
                f"a person in frame {frames[place][1]} has {len(joints[place])} joints, one before has {num_joints}; "
                "all people of a file must have the same joints",
            )
    videos: dict[str, list[int]] = {}
    for place in seen:
        videos.setdefault(frames[place][0], []).append(place)
    found = {}
    for video in sorted(videos):
        places = videos[video]
        poses, corners = _chosen(joints, places), [boxes[place] for place in places]
        has_boxes = all(box is not None for box in corners) and np.isfinite(corners).all()
        found[video] = Detections(
            frames=np.array([frames[place][1] for place in places], np.int64),
            people=people[places],
            keypoints=poses[..., :-1],
            scores=poses[..., -1],
            boxes=np.array(corners) if has_boxes else None,
        )
    return found


def _chosen(joints: Sequence[np.ndarray] | np.ndarray, places: list[int]) -> np.ndarray:
    """Return `[D, K, C + 1]` of the people at `places`."""
    return joints[places] if isinstance(joints, np.ndarray) else np.stack([joints[place] for place in places])


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
