"""The motion contract: what key-points are, everywhere in MoFM.

`keypoints` are [M, F, K, 2] (people, frames, joints; x then y in pixels, y down) and `scores` [M, F, K] in [0, 1].
A joint whose score is 0 is missing: its coordinates, NaN included, never influence anything.
Frames are sampled as in PoseC3D (Duan et al., "Revisiting Skeleton-based Action Recognition", section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

import numpy as np

from .cameras import Camera, SensorCamera
from .interpret import as_numbers, as_scores, is_joint, layout_of
from .layouts import SkeletonLayout, get_layout

if TYPE_CHECKING:
    import torch

MIN_FRAMES = 2
PATH_ROUNDS = 8  # of `body_path`
NUM_FACE = 5  # the first joints of COCO-17 are nose, eyes and ears
WILD = 0.05  # of the box: what one frame alone may add to it
STEADY_FRAMES = 8

ArrayLike = Union[np.ndarray, "torch.Tensor", Sequence]


class NobodyVisibleError(ValueError):
    """No joint of the model's skeleton is present in any frame."""


@dataclass
class Motion:
    """A checked clip of `M` people in COCO-17 key-points.

    Args:
        keypoints: [M, F, 17, 2], pixels, x right and y down; 0 where a joint is missing, never NaN. In float64, so
            that a small body far from the origin keeps its shape, until it is fitted into the map.
        scores: [M, F, 17] float32 in [0, 1]; 0 is a missing joint.
    """

    keypoints: np.ndarray
    scores: np.ndarray


def as_motion(
    keypoints: ArrayLike,
    scores: ArrayLike | None = None,
    layout: str = "coco17",
    camera: Camera | SensorCamera | None = None,
) -> Motion:
    """Check key-points of any layout and bring them to COCO-17.

    Args:
        keypoints: [M, F, K, 2], or [F, K, 2] for one person, in pixels; or the same with 3 coordinates in metres and a
            `camera`. A NumPy array, a tensor or nested lists; never modified.
        scores: [M, F, K] or [F, K], in [0, 1]. None gives 1 to each joint whose coordinates are finite, else 0.
        layout: name of the skeleton layout of `keypoints`.
        camera: what views 3D key-points in 2D; 2D key-points are already a picture and need none.

    Returns:
        The `Motion`, whose arrays are new.

    Raises:
        ValueError: if the shapes do not fit each other or the layout, there are no people or fewer than 2 frames, a
            score has no known meaning, a present joint is infinitely far away, or no joint is present at all
            (`NobodyVisibleError`).

    Notes:
        A joint is missing where its score is 0 or less, where a coordinate is NaN, where it is exactly at the origin
        or at (-1, -1) (whatever its score: `interpret.is_joint`), where the layout lacks it, and where the camera
        cannot see it. For scores above 1 see `interpret.as_scores`. Scores of different pose estimators are not
        comparable.
    """
    skeleton = get_layout(layout)
    keypoints = _as_people(keypoints, skeleton, camera)
    scores = _scores_of(scores, keypoints)
    if keypoints.shape[-1] == 3:
        keypoints = camera.project(keypoints, scores)
        scores = np.where(np.isfinite(keypoints).all(-1), scores, 0)
    canonical = np.array(skeleton.canonical)
    # An index of -1 reads the last joint, which `known` then removes.
    known = canonical >= 0
    scores = np.where(known, scores[..., canonical], 0).astype(np.float32)
    keypoints = np.where((scores > 0)[..., None], keypoints[..., canonical, :], 0)
    if not (scores > 0).any():
        raise NobodyVisibleError(
            f"keypoints: all joints are missing in all {scores.shape[1]} frames (NaN, score 0, or not one of the "
            "COCO-17 key-points); at least one must be present"
        )
    return Motion(keypoints, scores)


def sample_frames(num_source: int, num_frames: int, generator: np.random.Generator | None = None) -> np.ndarray:
    """Choose `num_frames` frames that cover a clip of `num_source` frames evenly.

    The clip is cut into `num_frames` equal segments, and each gives one frame: the middle one, or a random one with a
    `generator`. A clip shorter than that repeats frames.

    Args:
        num_source: number of frames of the clip.
        num_frames: number of frames to choose.
        generator: source of randomness; None makes the choice deterministic.

    Returns:
        [num_frames] int64 indices, never decreasing, from 0 to `num_source - 1`.

    Raises:
        ValueError: if either number is below 1.
    """
    for field, value in (("num_source", num_source), ("num_frames", num_frames)):
        if value < 1:
            raise ValueError(f"{field} is {value}; it must be at least 1")
    segment = np.arange(num_frames, dtype=np.int64)
    if generator is None:
        return (2 * segment + 1) * num_source // (2 * num_frames)
    first = segment * num_source // num_frames
    length = np.maximum((segment + 1) * num_source // num_frames - first, 1)
    return first + generator.integers(0, length)


def normalise_clip(
    keypoints: np.ndarray,
    scores: np.ndarray,
    size: int = 72,
    scale: float = 0.9,
    center_frames: bool = False,
    shared_box: bool = False,
) -> np.ndarray:
    """Scale each track into the heatmap: one box per clip, so that a person's size changes remain.

    Args:
        keypoints: [..., F, K, 2]; any leading axes are separate tracks (batch, people).
        scores: [..., F, K]; a joint with score 0 is missing, and its coordinates are not read.
        size: side of the square map in pixels.
        scale: longer side of the box of the present joints of all frames, as a fraction of `size`.
        center_frames: put the middle of the body (`body_path`) into the middle of the map in each frame: what the body
            does remains, and where it goes is lost. Without it the path remains too, and leaves a small body of who
            crosses the picture.
        shared_box: fit the people of a scene, `[..., M, F, K, 2]`, by the box of all of them, so that where they stand
            to each other remains. Where `center_frames` takes that away, each has a box of their own.

    Returns:
        [..., F, K, 2] of the dtype of `keypoints` (whole numbers become float32), computed in float64. Pixel centres
        are whole numbers, so the box is centred on `(size - 1) / 2`. Missing joints are 0. A track all of whose joints
        are at one point lies in the centre, one without present joints is 0.

    Notes:
        One wild joint must not shrink a person. On each side of the box, the frame that reaches farthest is left out
        if only joints with less than half the track's mean score reach there, and if it goes beyond the next frame by
        more than `WILD` of the box and by more than twice as far as that goes beyond the third. Clips of fewer than
        `STEADY_FRAMES` frames with the person are too short to tell. A track that never has two joints at once has no
        size, and is not magnified.

    Raises:
        ValueError: if the shapes do not fit, or `size` or `scale` is out of range.
    """
    keypoints, scores = np.asarray(keypoints), np.asarray(scores)
    if keypoints.ndim < 3 or keypoints.shape[-1] != 2 or scores.shape != keypoints.shape[:-1]:
        raise ValueError(
            f"keypoints has shape {keypoints.shape} and scores {scores.shape}; they must be "
            "[..., frames, joints, 2] and [..., frames, joints]"
        )
    if size < 1:
        raise ValueError(f"size is {size}; it must be at least 1 pixel")
    if not 0 < scale <= 1:
        raise ValueError(f"scale is {scale}; it must be above 0 and at most 1")
    dtype = keypoints.dtype if keypoints.dtype.kind == "f" else np.dtype(np.float32)
    keypoints = keypoints.astype(np.float64)
    present = (scores > 0)[..., None]  # ... F K 1
    middle, factor = map_box(keypoints, scores, size, scale, center_frames, shared_box)
    offset = np.where(present, keypoints - middle, 0)
    return np.where(present, offset * factor + (size - 1) / 2, 0).astype(dtype)


def map_box(
    keypoints: np.ndarray,
    scores: np.ndarray,
    size: int = 72,
    scale: float = 0.9,
    center_frames: bool = False,
    shared_box: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the box of each track is, and by which factor it is scaled into the map.

    A point p comes to lie at `(p - middle) * factor + (size - 1) / 2`.

    Args:
        keypoints, scores, size, scale, center_frames, shared_box: as in `normalise_clip`, which checks them.

    Returns:
        middle `[..., 1, 1, 2]`, with `center_frames` that of each frame `[..., F, 1, 2]`, and factor `[..., 1, 1, 1]`;
        float64. Of people who share a box one for all of them, `[..., 1, 1, 1, 2]`.
    """
    keypoints = keypoints.astype(np.float64)
    path = body_path(keypoints, scores) if center_frames else 0.0
    keypoints = keypoints - path
    present = (scores > 0)[..., None]  # ... F K 1
    shared_box = shared_box and not center_frames
    low, high = _box(keypoints, scores)
    if center_frames:  # the middle of the body, not that of the box, is in the middle of the map
        high = np.maximum(high, -low)
        low = -high
    alone = (present.sum(-2, keepdims=True) < 2).all(-3, keepdims=True)  # ... 1 1 1
    if shared_box:
        seen = present.any((-3, -2), keepdims=True)  # ... M 1 1 1
        low, high = _lowest_of_all(low, seen), -_lowest_of_all(-high, seen)
        alone = alone.all(-4, keepdims=True)
    span = (high - low).max(-1, keepdims=True)
    span = np.where(alone, np.maximum(span, scale * size), span)
    return (low + high) / 2 + path, scale * size / np.where(span > 0, span, 1)


def body_path(keypoints: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return where the middle of a body is in each frame, `[..., F, 1, 2]`; 0 where none of its joints is seen.

    The middle is the mean of the joints below the neck that are seen in the clip (of all joints, where none of those
    is). It moves with the body that moves as one, each joint at its own offset, which is nearest to all of these
    joints (least squares, by turns), so that joints that come and go do not move it.

    Args:
        keypoints, scores: as in `normalise_clip`.
    """
    present = scores > 0  # ... F K
    body = np.arange(present.shape[-1]) >= NUM_FACE
    below = present & body
    present = np.where(below.any((-2, -1), keepdims=True), below, present).astype(np.float64)
    there = np.swapaxes(present, -2, -1)
    of_frame, of_joint = (np.maximum(present.sum(axis), 1)[..., None] for axis in (-1, -2))
    keypoints = np.where(present[..., None] > 0, keypoints, 0)
    in_frame, of_each = keypoints.sum(-2), keypoints.sum(-3)
    path = in_frame / of_frame  # ... F 2
    for _ in range(PATH_ROUNDS):
        offset = (of_each - there @ path) / of_joint  # ... K 2
        path = (in_frame - present @ offset) / of_frame
    seen = present.any(-2)[..., None]
    middle = np.where(seen, offset, 0).sum(-2) / np.maximum(seen.sum(-2), 1)  # ... 2
    return np.where(present.any(-1)[..., None], path + middle[..., None, :], 0)[..., None, :]


def _box(keypoints: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper corner [..., 1, 1, 2] of the box that `normalise_clip` fits into the map."""
    present = scores > 0  # ... F K
    count = present.sum((-2, -1), keepdims=True)
    mean = np.where(present, scores, 0).sum((-2, -1), keepdims=True) / np.maximum(count, 1)
    steady = (present.any(-1).sum(-1) >= STEADY_FRAMES)[..., None]  # ... 1

    def edge(sign: int) -> np.ndarray:
        """Return the lowest coordinates, or the negative of the highest, [..., 1, 1, 2]."""
        reach = np.where(present[..., None], sign * keypoints, np.inf)  # ... F K 2
        frames = reach.min(-2)
        lowest = frames.min(-2)
        if frames.shape[-2] >= STEADY_FRAMES:
            sure = np.where((scores >= 0.5 * mean)[..., None], reach, np.inf).min((-3, -2))
            first, second, third = np.moveaxis(np.sort(frames, -2)[..., :3, :], -2, 0)
            with np.errstate(invalid="ignore"):
                largest = (np.where(np.isfinite(frames), frames, -np.inf).max(-2) - second).max(-1, keepdims=True)
                wild = second - first > np.maximum(WILD * largest, 2 * (third - second))
            lowest = np.where(wild & steady, np.minimum(second, sure), lowest)
        return np.where(count[..., 0] > 0, lowest, 0)[..., None, None, :]

    return edge(1), -edge(-1)


def _lowest_of_all(corners: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the lowest of the corners `[..., M, 1, 1, 2]` of people who are seen; 0 where nobody is."""
    lowest = np.where(seen, corners, np.inf).min(-4, keepdims=True)
    return np.where(seen.any(-4, keepdims=True), lowest, 0)


def _as_people(keypoints: ArrayLike, skeleton: SkeletonLayout, camera: Camera | SensorCamera | None) -> np.ndarray:
    """Return checked [M, F, K, C] key-points of the layout, float64."""
    keypoints = as_numbers("keypoints", keypoints)
    shape = keypoints.shape
    if keypoints.ndim not in (3, 4):
        raise ValueError(
            f"keypoints has shape {shape}; it must be [people, frames, joints, 2], or [frames, joints, 2] for 1 person"
        )
    if shape[-1] not in (2, 3):
        raise ValueError(f"keypoints has {shape[-1]} coordinates in shape {shape}; it must be 2, or 3 with a camera")
    if shape[-1] == 3 and camera is None:
        raise ValueError(
            f"keypoints has shape {shape}: 3D key-points need a camera; if the third value is a confidence, "
            "pass it as scores, or say coordinates='xyc'"
        )
    layout_of(shape[-2], skeleton.name)
    if shape[-3] < MIN_FRAMES:
        raise ValueError(f"keypoints has {shape[-3]} frames in shape {shape}; it must have at least {MIN_FRAMES}")
    if keypoints.ndim == 3:
        return keypoints[None]
    if shape[0] == 0:
        raise ValueError(f"keypoints has 0 people in shape {shape}; it must have at least 1")
    return keypoints


def _scores_of(scores: ArrayLike | None, keypoints: np.ndarray) -> np.ndarray:
    """Return checked [M, F, K] scores for `keypoints` [M, F, K, C], 0 where a joint is missing."""
    present = is_joint(keypoints)
    if scores is None:
        return present.astype(np.float64)
    scores = as_numbers("scores", scores)
    expected = keypoints.shape[:-1]
    if scores.shape != expected and not (expected[0] == 1 and scores.shape == expected[1:]):
        raise ValueError(
            f"scores has shape {scores.shape}; it must be {expected}, or without its first axis for one person"
        )
    scores = as_scores(scores.reshape(expected))
    infinite = (scores > 0) & (np.abs(keypoints) > np.finfo(np.float32).max).any(-1)
    if infinite.any():
        person, frame, joint = np.argwhere(infinite)[0]
        raise ValueError(
            f"keypoints is infinite at person {person}, frame {frame}, joint {joint}, whose score is above 0; it must "
            "be finite, or its score 0 if the joint is missing"
        )
    return np.where(present, scores, 0)
