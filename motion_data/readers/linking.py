"""People per frame to people over time: detections without a track id are linked.

Linking follows SORT (Bewley et al. 2016) with poses: each frame, tracks are moved on at their last speed and assigned
to detections by the object key-point similarity (OKS) of COCO and the overlap of boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..layouts import COCO_KEYPOINTS, SkeletonLayout, get_layout
from .detections import Detections

# One standard deviation of a human annotator per COCO key-point, as a share of the person's size (COCO evaluation).
COCO_SIGMAS = np.array(
    [0.026, *[0.025] * 2, *[0.035] * 2, *[0.079] * 2, *[0.072] * 2, *[0.062] * 2]
    + [*[0.107] * 2, *[0.087] * 2, *[0.089] * 2]
)
UNIFORM_SIGMA = 0.067  # the mean of COCO_SIGMAS
MIN_SIMILARITY = 0.1  # of OKS and box overlap together; below it, a detection starts a new track
MAX_PEOPLE_PER_FRAME = 1000
_PAIRS_AT_ONCE = 2**18


def link_people(detections: Detections, max_gap: int, layout: str | None = None) -> np.ndarray:
    """Return track ids in which detections without one are linked over time.

    Frame by frame, each open track is moved on by its mean speed and the detections are assigned to the tracks with
    the highest total similarity: the mean of the OKS of their common joints and the overlap (IoU) of their boxes, or
    the overlap alone where no joint is common. The OKS takes the 17 joints and the sigmas of COCO in layouts that
    have them all; in others every joint, with `UNIFORM_SIGMA`. A pair below `MIN_SIMILARITY` is not linked. A box that
    holds none of its person's joints does not count: the joints span one.
    Only ids come of this: no key-point is moved, and none is made for the frames of a gap.

    Args:
        detections: ids that are there stay, and no detection is linked to them.
        max_gap: a track goes on after at most this many frames without a detection.
        layout: layout of the joints; None weighs all joints alike.

    Returns:
        `[D]` int64, none negative. New ids count up from 0, or from the highest id there is, in the order of the
        frames and then from the left of the picture; the order of the detections does not matter.

    Raises:
        ValueError: a frame has more than `MAX_PEOPLE_PER_FRAME` detections without an id.
    """
    people = detections.people.astype(np.int64)
    unknown = np.flatnonzero(people < 0)
    if not len(unknown):
        return people
    poses = _compared(detections, get_layout(layout) if layout else None)
    frames = detections.frames.astype(np.int64)
    left, top = poses.boxes[unknown, 0], poses.boxes[unknown, 1]
    unknown = unknown[np.lexsort((top, left, frames[unknown]))]
    starts = np.flatnonzero(np.diff(frames[unknown])) + 1
    next_id = max(int(people.max()), -1) + 1
    last = np.empty(0, np.int64)  # of each open track: its latest detection
    speed = np.empty((0, 2))  # pixels per frame
    for current in np.split(unknown, starts):
        frame = frames[current[0]]
        if len(current) > MAX_PEOPLE_PER_FRAME:
            raise ValueError(
                f"frame {frame} has {len(current)} people without ids; at most {MAX_PEOPLE_PER_FRAME} link"
            )
        is_open = frame - frames[last] <= max_gap + 1
        last, speed = last[is_open], speed[is_open]
        moved = speed * (frame - frames[last])[:, None]
        tracks, found = _assign(poses, last, moved, current)
        earlier, later = last[tracks], current[found]
        people[later] = people[earlier]
        step = _shift(poses, earlier, later) / (frame - frames[earlier])[:, None]
        is_first_step = (speed[tracks] == 0).all(1, keepdims=True)
        speed[tracks] = np.where(is_first_step, step, (speed[tracks] + step) / 2)
        last[tracks] = later
        new = np.delete(current, found)
        people[new] = np.arange(next_id, next_id + len(new))
        next_id += len(new)
        last, speed = np.concatenate([last, new]), np.concatenate([speed, np.zeros((len(new), 2))])
    return people


class LiveLinker:
    """Link people frame by frame, as `link_people` does for a whole file.

    Args:
        max_gap: a track goes on after at most this many frames without a detection.
        layout: layout of the joints; None weighs all joints alike.
    """

    def __init__(self, max_gap: int, layout: str | None = None):
        self.max_gap, self.layout = max_gap, layout
        self._recent: list[tuple[int, Detections]] = []  # with their ids, no longer ago than matters
        self._frame = self._next_id = 0

    def push(self, keypoints: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return the ids `[M]` of the people of the next frame, `[M, K, 2]` and `[M, K]`."""
        frame, self._frame = self._frame, self._frame + 1
        # twice the gap: a track needs two detections to have a speed
        self._recent = [(number, seen) for number, seen in self._recent if frame - number <= 2 * self.max_gap + 2]
        unknown = np.full(len(keypoints), -1)
        new = Detections(np.full(len(keypoints), frame), unknown, keypoints, scores)
        parts = [seen for _, seen in self._recent] + [new]
        names = ("frames", "keypoints", "scores")
        together = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        known = np.concatenate([part.people for part in parts])
        linked = link_people(Detections(people=np.full(len(known), -1), **together), self.max_gap, self.layout)
        ids = unknown.copy()
        for place, track in enumerate(linked[len(known) - len(new.frames) :]):
            before = known[(linked == track) & (known >= 0)]
            if len(before) and before[-1] not in ids:
                ids[place] = before[-1]
            else:
                ids[place], self._next_id = self._next_id, self._next_id + 1
        if len(ids):
            new.people = ids
            self._recent.append((frame, new))
        return ids


@dataclass(frozen=True)
class ComparedPoses:
    """What linking compares, float64.

    Args:
        keypoints: `[D, J, 2]` the joints that are compared; 0 where missing.
        present: `[D, J]` bool.
        boxes: `[D, 4]` x0, y0, x1, y1.
        sigmas: `[J]`.
    """

    keypoints: np.ndarray
    present: np.ndarray
    boxes: np.ndarray
    sigmas: np.ndarray


def _compared(detections: Detections, layout: SkeletonLayout | None) -> ComparedPoses:
    keypoints = detections.keypoints.astype(np.float64)
    present = (detections.scores > 0) & np.isfinite(keypoints).all(-1)
    boxes = _spanned_boxes(keypoints, present)
    if detections.boxes is not None:
        given = detections.boxes.astype(np.float64)
        boxes = np.where(_hold(given, keypoints, present)[:, None], given, boxes)
    sigmas = np.full(keypoints.shape[1], UNIFORM_SIGMA)
    if layout and set(COCO_KEYPOINTS) <= set(layout.joints):
        joints = list(layout.canonical)
        keypoints, present, sigmas = keypoints[:, joints], present[:, joints], COCO_SIGMAS
    return ComparedPoses(np.where(present[..., None], keypoints, 0), present, boxes, sigmas)


def _hold(boxes: np.ndarray, keypoints: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return which boxes `[D]` hold a joint of their person: others are of another form than was thought."""
    inside = ((keypoints >= boxes[:, None, :2]) & (keypoints <= boxes[:, None, 2:])).all(-1) & present
    return np.isfinite(boxes).all(1) & (inside.any(1) | ~present.any(1))


def _spanned_boxes(keypoints: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return `[D, 4]` boxes around the joints that are present; zeros where none is."""
    low = np.where(present[..., None], keypoints, np.inf).min(1)
    high = np.where(present[..., None], keypoints, -np.inf).max(1)
    return np.where(present.any(1)[:, None], np.concatenate([low, high], 1), 0)


def _assign(
    poses: ComparedPoses, last: np.ndarray, moved: np.ndarray, current: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of indices into the T open tracks and the N people `current` in a frame.

    Args:
        last: `[T]` latest detection of each track.
        moved: `[T, 2]` how far it is thought to have moved since, pixels.
        current: `[N]` detections of the frame.
    """
    if not len(last):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    chunk = max(_PAIRS_AT_ONCE // len(current), 1)
    parts = [slice(start, start + chunk) for start in range(0, len(last), chunk)]
    similarity = np.concatenate([_similarity(poses, last[part], moved[part], current) for part in parts])
    similarity[similarity < MIN_SIMILARITY] = 0
    tracks, found = linear_sum_assignment(similarity, maximize=True)
    is_linked = similarity[tracks, found] > 0
    return tracks[is_linked], found[is_linked]


def _similarity(poses: ComparedPoses, last: np.ndarray, moved: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Return `[T, N]` similarities in [0, 1] of tracks that moved on to the people current."""
    track_boxes, seen_boxes = poses.boxes[last] + np.tile(moved, 2), poses.boxes[current]
    low = np.maximum(track_boxes[:, None, :2], seen_boxes[:, :2])
    high = np.minimum(track_boxes[:, None, 2:], seen_boxes[:, 2:])
    track_areas, seen_areas = _areas(track_boxes)[:, None], _areas(seen_boxes)
    overlap = (high - low).clip(0).prod(-1)
    iou = overlap / (track_areas + seen_areas - overlap).clip(1)

    common = poses.present[last][:, None] & poses.present[current]  # T N J
    offset = poses.keypoints[last][:, None] + moved[:, None, None] - poses.keypoints[current]
    scale = ((track_areas + seen_areas) / 2).clip(1)[..., None]
    oks = np.exp(-(offset**2).sum(-1) / (2 * scale * (2 * poses.sigmas) ** 2))
    num_common = common.sum(-1)
    mean_oks = (oks * common).sum(-1) / num_common.clip(1)
    return np.where(num_common > 0, (mean_oks + iou) / 2, iou)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1)


def _shift(poses: ComparedPoses, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return `[N, 2]` mean movement of the common joints, pixels; of the box centres where no joint is common."""
    common = (poses.present[earlier] & poses.present[later])[..., None]
    moved = np.where(common, poses.keypoints[later] - poses.keypoints[earlier], 0).sum(1) / common.sum(1).clip(1)
    boxes = poses.boxes[later] - poses.boxes[earlier]
    return np.where(common.any(1), moved, (boxes[:, :2] + boxes[:, 2:]) / 2)
