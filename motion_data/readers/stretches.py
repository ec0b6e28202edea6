"""Whole people over the whole file to recordings: cut into stretches, joints that are not there marked missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .registry import ReadOptions, Recording

Poses = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


def cut_stretches(
    num_frames: int,
    poses: Poses,
    layout: str,
    options: ReadOptions,
    name: str = "",
    track_ids: Sequence[int] = (),
    **fields,
) -> Iterator[Recording]:
    """Yield recordings of at most `options.max_frames` frames; no more than one is in memory.

    People without a joint are left out of a stretch, and a stretch without people gives no recording.

    Args:
        num_frames: frames of the file.
        poses: given a first frame and the one after the last, returns key-points `[M, F, K, C]` and scores
            `[M, F, K]` of these frames, of any dtype. A joint is missing where its score is not above 0 or a
            coordinate is not finite in float32; scores above 1 count as 1.
        layout: name of the skeleton layout.
        options: its `fps` and `frame_size` stand in for those `fields` lack.
        name: name of the recording; stretches of a longer one add the number of their first frame, as "000600".
        track_ids: the file's own id of each of the M people; () numbers them from 0.
        fields: the other fields of `Recording`.
    """
    fields = {"fps": options.fps, "frame_size": options.frame_size, **fields}
    for first in range(0, num_frames, options.max_frames):
        with np.errstate(over="ignore", invalid="ignore"):
            keypoints, scores = clean_joints(*poses(first, min(first + options.max_frames, num_frames)))
        inside = np.flatnonzero(scores.any((1, 2)))
        if not len(inside):
            continue
        stretch = f"{first:06d}" if num_frames > options.max_frames else ""
        ids = track_ids or range(len(scores))
        yield Recording(
            name="/".join(part for part in (name, stretch) if part),
            keypoints=keypoints[inside],
            scores=scores[inside],
            layout=layout,
            track_ids=[int(ids[person]) for person in inside],
            first_frame=first,
            **fields,
        )


def clean_joints(keypoints: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return key-points `[..., C]` and scores `[...]` as float32; both are 0 where a joint is missing."""
    with np.errstate(over="ignore", invalid="ignore"):
        keypoints, scores = np.asarray(keypoints).astype(np.float32), np.asarray(scores).astype(np.float32)
        present = (scores > 0) & np.isfinite(keypoints).all(-1)
    return np.where(present[..., None], keypoints, 0), np.where(present, scores.clip(0, 1), 0)
