"""The same motion at another frame rate: time is seconds, and frames are only how finely it was looked at."""

from __future__ import annotations

import numpy as np

from .keypoints import Motion
from .notes import note

FPS = 30.0  # where the frame rate is unknown
Joints = tuple[np.ndarray, np.ndarray]  # key-points [..., K, 2] and scores [..., K]
HALF = 0.5 + 1e-6  # of the way to the next frame: what rounding does to times must not decide


def known_rate(fps: float) -> float:
    """Return a frame rate, 30 where it is unknown (0), which is noted."""
    if not fps:
        note(f"the frame rate is unknown and taken for {FPS:g} frames a second; give fps if it is another")
    return fps or FPS


def resample(motion: Motion, fps: float, rate: float) -> Motion:
    """Return a motion of `fps` frames a second on a grid of `rate`, both starting at the same time.

    Joints that are present in the frames before and after a time of the grid are where a straight line between these
    puts them; others are as in the nearest frame.
    """
    if fps == rate:
        return motion
    before, after, part = _places(motion.scores.shape[1], fps, rate)
    nearest = source_frames(motion.scores.shape[1], fps, rate)
    first, second, near = ((motion.keypoints[:, at], motion.scores[:, at]) for at in (before, after, nearest))
    keypoints, scores = _on_the_way(first, second, near, part[None, :, None])
    return Motion(keypoints.astype(motion.keypoints.dtype), scores.astype(motion.scores.dtype))


def between(first: dict[int, Joints], second: dict[int, Joints], weight: float) -> dict[int, Joints]:
    """Return people between two frames, by the rule of `resample`.

    Args:
        first, second: of each person, by id, the joints `[K, 2]` and scores `[K]`.
        weight: 0 is the first frame, 1 the second.
    """
    nearest = first if weight <= HALF else second
    return {
        name: _on_the_way(first[name], second[name], body, np.asarray(weight))
        if name in first and name in second and 0 < weight < 1
        else body
        for name, body in nearest.items()
    }


def _on_the_way(first: Joints, second: Joints, nearest: Joints, weight: np.ndarray) -> Joints:
    """Return joints `weight` of the way from the first to the second; those that one of them lacks are the nearest."""
    both = (first[1] > 0) & (second[1] > 0)
    keypoints = first[0] * (1 - weight[..., None]) + second[0] * weight[..., None]
    scores = first[1] * (1 - weight) + second[1] * weight
    return np.where(both[..., None], keypoints, nearest[0]), np.where(both, scores, nearest[1])


def frames_in(seconds: float, rate: float, least: int = 1) -> int:
    """Return how many frames are nearest to a time, at least so many."""
    return max(round(seconds * rate), least)


def nearest_frame(place: np.ndarray | float) -> np.ndarray:
    """Return the whole number that is nearest to a place between frames, the lower of two, int64."""
    return np.ceil(np.asarray(place) - HALF).astype(np.int64)


def grid_frames(num_frames: int, fps: float, rate: float) -> np.ndarray:
    """Return for each of `num_frames` frames the frame of the grid that is nearest in time, int64."""
    count = len(_places(num_frames, fps, rate)[0])
    return np.minimum(nearest_frame(np.arange(num_frames) * rate / fps), count - 1)


def source_frames(num_frames: int, fps: float, rate: float) -> np.ndarray:
    """Return for each frame of the grid the nearest of `num_frames` frames, int64."""
    before, after, part = _places(num_frames, fps, rate)
    return np.where(part <= HALF, before, after)


def _places(num_frames: int, fps: float, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each frame of the grid the frame before, the one after, and how far it is on the way."""
    count = int((num_frames - 1) / fps * rate + 1e-6) + 1
    place = np.minimum(np.arange(count) * fps / rate, num_frames - 1)
    before = np.floor(place + 1e-9).astype(np.int64)
    after = np.minimum(before + 1, num_frames - 1)
    return before, after, (place - before).clip(0, 1)
