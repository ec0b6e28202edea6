"""Key-points of a whole file to recordings: short tracks dropped, long files cut, missing joints marked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..interpret import is_joint
from ..layouts import SkeletonLayout, get_layout
from ..notes import note
from ..recording import Recording
from .detections import Detections
from .linking import link_people
from .registry import ReadOptions

MAX_RECORDING_JOINTS = 2**27  # M * F * K of one recording; 1.5 GiB of key-points and scores

PosesBetween = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


def cut_recordings(
    detections: Detections, layout: str, options: ReadOptions, name: str = "", **fields
) -> Iterator[Recording]:
    """Yield the people of a file as recordings of at most `options.max_frames` frames.

    1. Detections without a joint are dropped; those without an id are linked (`link_people`).
    2. Of several detections of one person in one frame, the one with the highest mean score stays.
    3. A person who is away for more than `options.max_gap` frames comes back as another track, with the same id.
    4. Tracks with key-points in fewer than `options.min_track` frames are dropped.
    5. The file is cut before each frame number that is a multiple of `options.max_frames`, and each segment trimmed
       to the frames in which anyone is seen. A segment without people gives no recording.

    Args:
        detections: what the file has; joints that have no place (`interpret.is_joint`) are missing.
        layout: name of the skeleton layout.
        options: how people become tracks; its `fps` and `frame_size` stand in for those that `fields` lack, or win
            over them (`ReadOptions.facts`).
        name: name of the recording; segments of a longer one share it.
        fields: the other fields of `Recording`; `frame_labels` is `[frames of the file]` and is cut likewise.

    Yields:
        Recordings with dense `[M, F, K, C]` key-points, ordered by track id and time; where a person or a joint is
        missing, score and coordinates are 0. Nothing if no track is long enough.

    Raises:
        ValueError: the arrays contradict each other or the layout, a frame is negative or beyond the end of the file,
            `frame_labels` is too short, or a recording would be larger than `MAX_RECORDING_JOINTS`.
    """
    skeleton = get_layout(layout)
    _check_detections(detections, skeleton)
    fields = options.facts(fields)
    frame_labels = fields.pop("frame_labels", None)
    present = (detections.scores > 0) & is_joint(detections.keypoints)
    rows, tracks, people = _tracks(detections, present, options, layout)
    frames = detections.frames[rows]
    if frame_labels is not None and len(rows) and len(frame_labels) <= frames.max():
        raise ValueError(f"frame_labels has {len(frame_labels)} frames, but people are seen in frame {frames.max()}")
    order = np.argsort(frames // options.max_frames, kind="stable")
    starts = np.flatnonzero(np.diff(frames[order] // options.max_frames)) + 1
    segments = np.split(order, starts) if len(rows) else []
    for chosen in segments:
        first, last = int(frames[chosen].min()), int(frames[chosen].max())
        inside, person = np.unique(tracks[chosen], return_inverse=True)
        shape = (len(inside), last - first + 1, skeleton.num_joints)
        if np.prod(shape, dtype=np.float64) > MAX_RECORDING_JOINTS:
            raise ValueError(
                f"frames {first} to {last} have {shape[0]} people of {shape[2]} joints, more than one recording "
                f"holds; read with max_frames less than {options.max_frames}"
            )
        source, frame = rows[chosen], frames[chosen] - first
        keypoints, scores = np.zeros((*shape, detections.keypoints.shape[-1]), np.float32), np.zeros(shape, np.float32)
        keypoints[person, frame] = np.where(present[source][..., None], detections.keypoints[source], 0)
        scores[person, frame] = np.where(present[source], detections.scores[source], 0)
        yield Recording(
            name=name,
            segment=f"{first:06d}" if len(segments) > 1 else "",
            keypoints=keypoints,
            scores=scores,
            layout=layout,
            track_ids=people[inside].tolist(),
            first_frame=first,
            frame_labels=None if frame_labels is None else np.asarray(frame_labels[first : last + 1], np.uint8),
            **fields,
        )


def cut_dense(
    num_frames: int,
    poses: PosesBetween,
    layout: str,
    options: ReadOptions,
    name: str = "",
    track_ids: Sequence[int] = (),
    **fields,
) -> Iterator[Recording]:
    """Yield recordings of at most `options.max_frames` frames; no more than one is in memory.

    People without a joint are left out of a segment, and a segment without people gives no recording.

    Args:
        num_frames: frames of the file.
        poses: given a first frame and the one after the last, returns key-points `[M, F, K, C]` and scores
            `[M, F, K]` of these frames, of any dtype. A joint is missing where its score is not above 0 or a
            coordinate is not finite in float32; scores above 1 count as 1.
        layout: name of the skeleton layout.
        options: its `fps` and `frame_size` stand in for those that `fields` lack, or win over them.
        name: name of the recording; segments of a longer one share it.
        track_ids: the file's own id of each of the M people; () numbers them from 0.
        fields: the other fields of `Recording`.
    """
    fields = options.facts(fields)
    for first in range(0, num_frames, options.max_frames):
        with np.errstate(over="ignore", invalid="ignore"):
            keypoints, scores = clean_joints(*poses(first, min(first + options.max_frames, num_frames)))
        inside = np.flatnonzero(scores.any((1, 2)))
        if not len(inside):
            continue
        ids = track_ids or range(len(scores))
        yield Recording(
            name=name,
            segment=f"{first:06d}" if num_frames > options.max_frames else "",
            keypoints=keypoints[inside],
            scores=scores[inside],
            layout=layout,
            track_ids=[int(ids[person]) for person in inside],
            first_frame=first,
            **fields,
        )


def clean_joints(keypoints: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return key-points `[..., C]` and scores `[...]` as float32; both are 0 where a joint is missing (`is_joint`)."""
    with np.errstate(over="ignore", invalid="ignore"):
        keypoints, scores = np.asarray(keypoints).astype(np.float32), np.asarray(scores).astype(np.float32)
        present = (scores > 0) & is_joint(keypoints)
    return np.where(present[..., None], keypoints, 0), np.where(present, scores.clip(0, 1), 0)


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
    if is_copy.any():
        note(
            f"{int(is_copy.sum())} of {len(rows)} detections have the track id of a better one in the same frame "
            "and are dropped"
        )
    rows, people, frames = rows[~is_copy], people[~is_copy], frames[~is_copy]
    is_start = np.ones(len(rows), bool)
    is_start[1:] = (np.diff(people) != 0) | (np.diff(frames) > options.max_gap + 1)
    tracks = np.cumsum(is_start) - 1
    is_long = np.bincount(tracks)[tracks] >= options.min_track if len(rows) else np.zeros(0, bool)
    if not is_long.all():
        note(
            f"{int((~is_long).sum())} of {len(rows)} detections are of tracks shorter than min_track = "
            f"{options.min_track} frames and are dropped"
        )
    return rows[is_long], tracks[is_long], people[is_start]


def _check_detections(detections: Detections, layout: SkeletonLayout) -> None:
    num_detections, num_joints = len(detections.frames), layout.num_joints
    shapes = {
        "people": (num_detections,),
        "keypoints": (num_detections, num_joints, detections.keypoints.shape[-1]),
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
