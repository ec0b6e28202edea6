"""What a 2D pose estimator does to clean COCO-17 key-points: jitter, scores, missing joints and swapped sides.

The failures are those that Ronchi and Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation"
(ICCV 2017), tell apart: jitter, miss and swap. Everything is vectorised over clips, frames and joints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

# Standard deviation of the jitter by joint, 1 on average: a face is sharp, ends of limbs and hips are not. The ratios
# follow the per-joint spread of human annotators in the COCO key-point similarity.
_SPREAD = np.array([0.4, 0.4, 0.4, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.1, 1.1, 1.4, 1.4, 1.2, 1.2, 1.4, 1.4], np.float32)
JITTER_BY_JOINT = _SPREAD / _SPREAD.mean()
# How much lower than the rest of the body a joint scores, in units of `score_drop`.
_SCORE_DROP_BY_JOINT = np.array([0.5] * 5 + [0.5, 0.5, 0.9, 0.9, 1.4, 1.4, 0.8, 0.8, 0.9, 0.9, 1.3, 1.3], np.float32)

MIRRORED = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])
# Joints that are lost together: an arm or a leg from some joint outwards, or the face.
_CHAINS = np.array([[5, 7, 9], [6, 8, 10], [11, 13, 15], [12, 14, 16]])
# Joints whose sides are exchanged together: the legs, the arms, or the whole body.
_SWAPS = np.zeros((3, 17), bool)
_SWAPS[0, 11:], _SWAPS[1, 5:11], _SWAPS[2] = True, True, True
# Self-occlusion of the far half of the body: arms vanish behind the trunk, legs only now and then behind each other.
_FAR = np.array([0, 0.8, 0.8, 0.9, 0.9, 0.5, 0.5, 0.9, 0.9, 0.7, 0.7, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], np.float32)
_LOWEST_SCORE = 0.05


@dataclass(frozen=True)
class EstimatorNoise:
    """Strengths of the noise; 0 turns a kind off.

    Args:
        jitter: standard deviation of the position of an average, well seen joint, as a fraction of the body's size.
        score_drop: how far the score of an average, well seen joint is below 1.
        self_occlusion: how far the score of a joint hidden by the body itself is lowered.
        occlusion_ratio: share of the joints of all frames that are missing in spans, at most 0.5.
        occlusion_frames: shortest and longest span of frames in which joints are missing.
        dropout_ratio: share of the joints of all frames that are missing on their own, at most 0.5.
        swap_ratio: share of the frames in which left and right are exchanged, at most 0.5.
        swap_frames: shortest and longest span of frames in which left and right are exchanged.
    """

    jitter: float = 0.006
    score_drop: float = 0.12
    self_occlusion: float = 0.45
    occlusion_ratio: float = 0.04
    occlusion_frames: tuple[int, int] = (4, 24)
    dropout_ratio: float = 0.01
    swap_ratio: float = 0.01
    swap_frames: tuple[int, int] = (1, 6)

    def __post_init__(self) -> None:
        highest = {"jitter": 0.1, "score_drop": 0.5, "self_occlusion": 1.0}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_frames"):
                check_range(field.name, value, 1)
            elif not (math.isfinite(value) and 0 <= value <= highest.get(field.name, 0.5)):
                raise ValueError(f"{field.name} is {value}; it must be from 0 to {highest.get(field.name, 0.5)}")

    @classmethod
    def none(cls) -> EstimatorNoise:
        """Return the noise of a perfect estimator: every joint is where it is, with score 1."""
        return cls(jitter=0, score_drop=0, self_occlusion=0, occlusion_ratio=0, dropout_ratio=0, swap_ratio=0)


def check_range(name: str, value: tuple[int, int], lowest: int) -> None:
    """Check that `value` is two integers, `lowest` or more, that rise or are equal.

    Raises:
        ValueError: if it is not.
    """
    integers = isinstance(value, (tuple, list)) and len(value) == 2 and all(type(v) is int for v in value)
    if not (integers and lowest <= value[0] <= value[1]):
        raise ValueError(f"{name} is {value}; it must be two integers (low, high) with {lowest} <= low <= high")


def hidden_by_body(joints: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return how much each joint is hidden by the body it belongs to, from 0 to 1.

    Args:
        joints: [N, F, 17, 3], COCO-17 in metres.
        depth: [N, F, 17], distance from the picture plane in metres.

    Notes:
        The far shoulder, hip and ear tell how far a body is turned to its side; a face is hidden from behind.
    """
    hidden = np.zeros(depth.shape, np.float32)
    for pair, members in (((3, 4), slice(1, 5)), ((5, 6), slice(5, 11)), ((11, 12), slice(11, 17))):
        left, right = pair
        breadth = np.linalg.norm(joints[..., left, :] - joints[..., right, :], axis=-1)
        farther = ((depth[..., left] - depth[..., right]) / breadth)[..., None]  # of the left side: -1 to 1
        sign = np.where(np.arange(17)[members] % 2, 1, -1)
        hidden[..., members] = np.maximum(sign * farther, 0) ** 2 * _FAR[members]
    ears = (joints[..., 3, :] + joints[..., 4, :]) / 2
    turned = (depth[..., 0] - (depth[..., 3] + depth[..., 4]) / 2) / np.linalg.norm(joints[..., 0, :] - ears, axis=-1)
    behind = np.clip(2 * turned, 0, 1)[..., None]
    hidden[..., :3] = np.maximum(hidden[..., :3], behind)
    return hidden


def apply_noise(
    keypoints: np.ndarray, hidden: np.ndarray, noise: EstimatorNoise, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Look at clean key-points as a pose estimator would.

    Args:
        keypoints: [N, F, 17, 2] float32, COCO-17 in pixels.
        hidden: [N, F, 17], from `hidden_by_body`.
        noise: strengths.
        generator: source of the randomness.

    Returns:
        keypoints [N, F, 17, 2], 0 where a joint is missing, and scores [N, F, 17], 0 where it is missing; float32.
    """
    N, F, K, _ = keypoints.shape
    xy = np.ascontiguousarray(np.moveaxis(keypoints, -1, 0))
    size = (xy.max(-1) - xy.min(-1)).max(0)[..., None]  # of the body in pixels, [N, F, 1]

    # Some videos are worse than others, and every joint has better and worse moments.
    quality = generator.uniform(0.4, 1.6, (N, 1, 1)).astype(np.float32)
    moments = 0.6 * _smooth(generator.standard_normal((N, F, K), np.float32), 7)
    drop = noise.score_drop * quality * np.maximum(_SCORE_DROP_BY_JOINT * (1 + moments), 0.1)
    drop += noise.self_occlusion * hidden * np.clip(1 + 0.5 * moments, 0, 1)
    offsets = generator.standard_normal((2, N, F, K), np.float32)
    offsets = 0.6 * offsets + 0.8 * _smooth(offsets, 3)  # half of it lasts longer than a frame
    spread = noise.jitter * quality * JITTER_BY_JOINT * (1 + 4 * drop) * size
    # An estimator that errs far is, on average, less sure.
    scores = 1 - drop * (0.7 + 0.25 * (np.abs(offsets[0]) + np.abs(offsets[1])))
    scores = np.clip(scores, _LOWEST_SCORE, 1).astype(np.float32)
    noisy = keypoints + np.moveaxis(spread * offsets, 0, -1)

    swapped = _swapped(N, F, noise, generator)
    noisy = np.where(swapped[..., None], noisy[..., MIRRORED, :], noisy)
    scores = np.where(swapped, scores[..., MIRRORED], scores)

    missing = _occluded(N, F, noise, generator)
    missing |= generator.random((N, F, K), np.float32) < noise.dropout_ratio
    scores[missing] = 0
    noisy[missing] = 0
    return noisy, scores


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Average white noise [..., N, F, K] over `width` frames, keeping its variance."""
    F = values.shape[-2]
    padded = values[..., np.arange(F + width - 1) % F, :]
    sums = np.sum([padded[..., i : i + F, :] for i in range(width)], axis=0)
    return sums / np.float32(math.sqrt(width))


def _spans(
    shape: tuple[int, ...], num_frames: int, ratio: float, lengths: tuple[int, int], generator: np.random.Generator
) -> np.ndarray:
    """Return masks [*shape, F] with at most one span each, that cover the share `ratio` of every frame on average."""
    length = generator.integers(lengths[0], lengths[1] + 1, shape)
    # One span must be long enough to reach the share.
    length = np.maximum(length, math.ceil(ratio * (num_frames - 1) / (1 - ratio)))
    # With all starts that touch the clip equally likely, each frame is covered length / starts of the time.
    starts = num_frames + length - 1
    start = np.floor(generator.random(shape) * starts) - length + 1
    start = np.where(generator.random(shape) < ratio * starts / length, start, num_frames)[..., None]
    frames = np.arange(num_frames)
    return (frames >= start) & (frames < start + length[..., None])


def _occluded(N: int, F: int, noise: EstimatorNoise, generator: np.random.Generator) -> np.ndarray:
    """Return [N, F, 17], true where a joint is missing in a span."""
    missing = np.zeros((N, F, 17), bool)
    # A chain is cut at any of its three joints, so a joint is lost in two of three spans on average.
    chains = _spans((N, len(_CHAINS)), F, noise.occlusion_ratio * 1.5, noise.occlusion_frames, generator)
    cut = generator.integers(0, 3, (N, len(_CHAINS)))
    beyond = np.arange(3) >= cut[..., None]  # N chains 3
    missing[:, :, _CHAINS] = (chains[..., None] & beyond[:, :, None]).swapaxes(1, 2)
    missing[:, :, :5] = _spans((N,), F, noise.occlusion_ratio, noise.occlusion_frames, generator)[..., None]
    return missing


def _swapped(N: int, F: int, noise: EstimatorNoise, generator: np.random.Generator) -> np.ndarray:
    """Return [N, F, 17], true where a joint is exchanged with that of the other side."""
    frames = _spans((N,), F, noise.swap_ratio, noise.swap_frames, generator)
    return frames[..., None] & _SWAPS[generator.integers(0, len(_SWAPS), N)][:, None]
