"""People per frame to people over time: detections are linked, short tracks dropped, and the rest cut into recordings.

Linking follows SORT (Bewley et al. 2016) with poses: each frame, tracks are moved on at their last speed and assigned
to detections by the object key-point similarity (OKS) of COCO and the overlap of boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..layouts import COCO_KEYPOINTS, SkeletonLayout, get_layout
from .registry import ReadOptions, Recording

# One standard deviation of a human annotator per COCO key-point, as a share of the person's size (COCO evaluation).
COCO_SIGMAS = np.array(
    [0.026, *[0.025] * 2, *[0.035] * 2, *[0.079] * 2, *[0.072] * 2, *[0.062] * 2]
    + [*[0.107] * 2, *[0.087] * 2, *[0.089] * 2]
)
UNIFORM_SIGMA = 0.067  # the mean of COCO_SIGMAS
MIN_SIMILARITY = 0.1  # of OKS and box overlap together; below it, a detection starts a new track
MAX_PEOPLE_PER_FRAME = 1000
MAX_RECORDING_JOINTS = 2**27  # M * F * K of one recording; 1.5 GiB of key-points and scores
_PAIRS_AT_ONCE = 2**18


@dataclass
class Detections:
    """Everything a pose estimator saw in one file; D detections in any order.

    Args:
        frames: `[D]` int64, 0 or more.
        people: `[D]` int64 track id; -1 where the file has none.
        keypoints: `[D, K, 2]` float32, pixels.
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


def link_people(detections: Detections, max_gap: int, layout: str | None = None) -> np.ndarray:
    """Return track ids in which detections without one are linked over time.

    Frame by frame, each open track is moved on by its mean speed and the detections are assigned to the tracks with
    the highest total similarity: the mean of the OKS of their common joints and the overlap (IoU) of their boxes, or
    the overlap alone where no joint is common. The OKS takes the 17 joints and the sigmas of COCO in layouts that
    have them all; in others every joint, with `UNIFORM_SIGMA`. A pair below `MIN_SIMILARITY` is not linked.
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
    bodies = _bodies(detections, get_layout(layout) if layout else None)
    frames = detections.frames.astype(np.int64)
    left, top = bodies.boxes[unknown, 0], bodies.boxes[unknown, 1]
    unknown = unknown[np.lexsort((top, left, frames[unknown]))]
    starts = np.flatnonzero(np.diff(frames[unknown])) + 1
    next_id = max(int(people.max()), -1) + 1
    last = np.empty(0, np.int64)  # of each open track: its latest detection
    speed = np.empty((0, 2))  # pixels per frame
    for seen in np.split(unknown, starts):
        frame = frames[seen[0]]
        if len(seen) > MAX_PEOPLE_PER_FRAME:
            raise ValueError(f"frame {frame} has {len(seen)} people without ids; at most {MAX_PEOPLE_PER_FRAME} link")
        is_open = frame - frames[last] <= max_gap + 1
        last, speed = last[is_open], speed[is_open]
        moved = speed * (frame - frames[last])[:, None]
        tracks, found = _assign(bodies, last, moved, seen)
        earlier, later = last[tracks], seen[found]
        people[later] = people[earlier]
        step = _shift(bodies, earlier, later) / (frame - frames[earlier])[:, None]
        is_first_step = (speed[tracks] == 0).all(1, keepdims=True)
        speed[tracks] = np.where(is_first_step, step, (speed[tracks] + step) / 2)
        last[tracks] = later
        new = np.delete(seen, found)
        people[new] = np.arange(next_id, next_id + len(new))
        next_id += len(new)
        last, speed = np.concatenate([last, new]), np.concatenate([speed, np.zeros((len(new), 2))])
    return people


def cut_recordings(
    detections: Detections, layout: str, options: ReadOptions, name: str = "", **fields
) -> Iterator[Recording]:
    """Yield the people of a file as recordings of at most `options.max_frames` frames.

    1. Detections without a joint are dropped; those without an id are linked (`link_people`).
    2. Of several detections of one person in one frame, the one with the highest mean score stays.
    3. A person who is away for more than `options.max_gap` frames comes back as another track, with the same id.
    4. Tracks with key-points in fewer than `options.min_track` frames are dropped.
    5. The file is cut before each frame number that is a multiple of `options.max_frames`, and each stretch trimmed
       to the frames in which anyone is seen. A stretch without people gives no recording.

    Args:
        detections: what the file has; joints with a coordinate that is not finite are missing.
        layout: name of the skeleton layout.
        options: how people become tracks; its `fps` and `frame_size` stand in for those `fields` lack.
        name: name of the recording; stretches of a longer one add the number of their first frame, as "000600".
        fields: the other fields of `Recording`; `frame_labels` is `[frames of the file]` and is cut likewise.

    Yields:
        Recordings with dense `[M, F, K, 2]` key-points, ordered by track id and time; where a person or a joint is
        missing, score and coordinates are 0. Nothing if no track is long enough.

    Raises:
        ValueError: the arrays contradict each other or the layout, a frame is negative or beyond the end of the file,
            `frame_labels` is too short, or a recording would be larger than `MAX_RECORDING_JOINTS`.
    """
    skeleton = get_layout(layout)
    _check_detections(detections, skeleton)
    fields = {"fps": options.fps, "frame_size": options.frame_size, **fields}
    frame_labels = fields.pop("frame_labels", None)
    present = (detections.scores > 0) & np.isfinite(detections.keypoints).all(-1)
    rows, tracks, people = _tracks(detections, present, options, layout)
    frames = detections.frames[rows]
    if frame_labels is not None and len(rows) and len(frame_labels) <= frames.max():
        raise ValueError(f"frame_labels has {len(frame_labels)} frames, but people are seen in frame {frames.max()}")
    order = np.argsort(frames // options.max_frames, kind="stable")
    starts = np.flatnonzero(np.diff(frames[order] // options.max_frames)) + 1
    stretches = np.split(order, starts) if len(rows) else []
    for stretch in stretches:
        first, last = int(frames[stretch].min()), int(frames[stretch].max())
        inside, person = np.unique(tracks[stretch], return_inverse=True)
        shape = (len(inside), last - first + 1, skeleton.num_joints)
        if np.prod(shape, dtype=np.float64) > MAX_RECORDING_JOINTS:
            raise ValueError(
                f"frames {first} to {last} have {shape[0]} people of {shape[2]} joints, more than one recording "
                f"holds; read with max_frames less than {options.max_frames}"
            )
        source, frame = rows[stretch], frames[stretch] - first
        keypoints, scores = np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32)
        keypoints[person, frame] = np.where(present[source][..., None], detections.keypoints[source], 0)
        scores[person, frame] = np.where(present[source], detections.scores[source], 0)
        stretch_name = name
        if len(stretches) > 1:
            stretch_name = f"{name}/{first:06d}" if name else f"{first:06d}"
        yield Recording(
            name=stretch_name,
            keypoints=keypoints,
            scores=scores,
            layout=layout,
            track_ids=people[inside].tolist(),
            first_frame=first,
            frame_labels=None if frame_labels is None else np.asarray(frame_labels[first : last + 1], np.uint8),
            **fields,
        )


def _tracks(
    detections: Detections, present: np.ndarray, options: ReadOptions, layout: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the detections that stay, the number of the track of each, and the person id of each track number."""
    rows = np.flatnonzero(present.any(1))
    boxes = None if detections.boxes is None else detections.boxes[rows]
    people = link_people(
        replace(
            detections,
            frames=detections.frames[rows],
            people=detections.people[rows],
            keypoints=detections.keypoints[rows],
            scores=np.where(present[rows], detections.scores[rows], 0),
            boxes=boxes,
        ),
        options.max_gap,
        layout,
    )
    frames = detections.frames[rows]
    score = np.where(present[rows], detections.scores[rows], 0).mean(1)
    order = np.lexsort((-score, frames, people))
    rows, people, frames = rows[order], people[order], frames[order]
    is_copy = np.zeros(len(rows), bool)
    is_copy[1:] = (np.diff(people) == 0) & (np.diff(frames) == 0)
    rows, people, frames = rows[~is_copy], people[~is_copy], frames[~is_copy]
    is_start = np.ones(len(rows), bool)
    is_start[1:] = (np.diff(people) != 0) | (np.diff(frames) > options.max_gap + 1)
    tracks = np.cumsum(is_start) - 1
    is_long = np.bincount(tracks)[tracks] >= options.min_track if len(rows) else np.zeros(0, bool)
    return rows[is_long], tracks[is_long], people[is_start]


def _check_detections(detections: Detections, layout: SkeletonLayout) -> None:
    num_detections, num_joints = len(detections.frames), layout.num_joints
    shapes = {
        "people": (num_detections,),
        "keypoints": (num_detections, num_joints, 2),
        "scores": (num_detections, num_joints),
        "boxes": (num_detections, 4),
    }
    for field, shape in shapes.items():
        values = getattr(detections, field)
        if values is not None and values.shape != shape:
            raise ValueError(f"{field} has shape {values.shape}; for layout {layout.name!r} it must be {shape}")
    if num_detections and detections.frames.min() < 0:
        raise ValueError(f"frame {detections.frames.min()} is negative")
    if detections.num_frames and num_detections and detections.frames.max() >= detections.num_frames:
        raise ValueError(f"frame {detections.frames.max()} is beyond the {detections.num_frames} frames of the file")


@dataclass(frozen=True)
class _Bodies:
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


def _bodies(detections: Detections, layout: SkeletonLayout | None) -> _Bodies:
    keypoints = detections.keypoints.astype(np.float64)
    present = (detections.scores > 0) & np.isfinite(keypoints).all(-1)
    boxes = _spanned_boxes(keypoints, present)
    if detections.boxes is not None:
        given = detections.boxes.astype(np.float64)
        boxes = np.where(np.isfinite(given).all(1, keepdims=True), given, boxes)
    sigmas = np.full(keypoints.shape[1], UNIFORM_SIGMA)
    if layout and set(COCO_KEYPOINTS) <= set(layout.joints):
        joints = list(layout.canonical)
        keypoints, present, sigmas = keypoints[:, joints], present[:, joints], COCO_SIGMAS
    return _Bodies(np.where(present[..., None], keypoints, 0), present, boxes, sigmas)


def _spanned_boxes(keypoints: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return `[D, 4]` boxes around the joints that are present; zeros where none is."""
    low = np.where(present[..., None], keypoints, np.inf).min(1)
    high = np.where(present[..., None], keypoints, -np.inf).max(1)
    return np.where(present.any(1)[:, None], np.concatenate([low, high], 1), 0)


def _assign(bodies: _Bodies, last: np.ndarray, moved: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of indices into the T open tracks and the N people `seen` in a frame.

    Args:
        last: `[T]` latest detection of each track.
        moved: `[T, 2]` how far it is thought to have moved since, pixels.
        seen: `[N]` detections of the frame.
    """
    if not len(last):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    chunk = max(_PAIRS_AT_ONCE // len(seen), 1)
    parts = [slice(start, start + chunk) for start in range(0, len(last), chunk)]
    similarity = np.concatenate([_similarity(bodies, last[part], moved[part], seen) for part in parts])
    similarity[similarity < MIN_SIMILARITY] = 0
    tracks, found = linear_sum_assignment(similarity, maximize=True)
    is_linked = similarity[tracks, found] > 0
    return tracks[is_linked], found[is_linked]


def _similarity(bodies: _Bodies, last: np.ndarray, moved: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return `[T, N]` similarities in [0, 1] of tracks that moved on to the people seen."""
    track_boxes, seen_boxes = bodies.boxes[last] + np.tile(moved, 2), bodies.boxes[seen]
    low = np.maximum(track_boxes[:, None, :2], seen_boxes[:, :2])
    high = np.minimum(track_boxes[:, None, 2:], seen_boxes[:, 2:])
    track_areas, seen_areas = _areas(track_boxes)[:, None], _areas(seen_boxes)
    overlap = (high - low).clip(0).prod(-1)
    iou = overlap / (track_areas + seen_areas - overlap).clip(1)

    common = bodies.present[last][:, None] & bodies.present[seen]  # T N J
    offset = bodies.keypoints[last][:, None] + moved[:, None, None] - bodies.keypoints[seen]
    scale = ((track_areas + seen_areas) / 2).clip(1)[..., None]
    oks = np.exp(-(offset**2).sum(-1) / (2 * scale * (2 * bodies.sigmas) ** 2))
    num_common = common.sum(-1)
    mean_oks = (oks * common).sum(-1) / num_common.clip(1)
    return np.where(num_common > 0, (mean_oks + iou) / 2, iou)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1)


def _shift(bodies: _Bodies, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return `[N, 2]` mean movement of the common joints, pixels; of the box centres where no joint is common."""
    common = (bodies.present[earlier] & bodies.present[later])[..., None]
    moved = np.where(common, bodies.keypoints[later] - bodies.keypoints[earlier], 0).sum(1) / common.sum(1).clip(1)
    boxes = bodies.boxes[later] - bodies.boxes[earlier]
    return np.where(common.any(1), moved, (boxes[:, :2] + boxes[:, 2:]) / 2)
