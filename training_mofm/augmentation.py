"""Augmentations of a clip of 2D key-points, vectorised over frames and joints, with a given random generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motion_data.layouts import get_layout

# Bones of a COCO-17 body: start joint, end joint, number of its length; left and right bones share theirs.
# 17 and 18 are the middles of the hips and of the shoulders; the middle of the hips stays in place.
_BONES = np.array(
    [(17, 18, 0), (17, 11, 1), (17, 12, 1), (18, 5, 2), (18, 6, 2)]
    + [(18, head, 3) for head in range(5)]
    + [(5, 7, 4), (6, 8, 4), (7, 9, 5), (8, 10, 5), (11, 13, 6), (12, 14, 6), (13, 15, 7), (14, 16, 7)]
)
KNEES_AND_ANKLES, HIPS, HIPS_TO_ANKLES = slice(13, 17), slice(11, 13), slice(11, 17)
NUM_LENGTHS = 8  # trunk, widths of hips and shoulders, head, upper arm, forearm, thigh, shank


def _bones_above() -> np.ndarray:
    """Return which bones lie between the middle of the hips and each joint, `[17, bones]` of 0 and 1."""
    above = np.zeros((19, len(_BONES)), np.float32)
    for number, (start, end, _) in enumerate(_BONES):  # a bone comes after those above it
        above[end] = above[start]
        above[end, number] = 1
    return above[:17]


_ABOVE = _bones_above()


def stretch_bones(keypoints: np.ndarray, scores: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Change people's proportions: each bone keeps its direction in every frame, and its length is multiplied.

    Args:
        keypoints: `[M, F, 17, 2]` COCO-17, any unit.
        scores: `[M, F, 17]`; a bone with a missing end keeps its length.
        factors: `[M, NUM_LENGTHS]`.

    Returns:
        new key-points of the same shape; those of missing joints have no meaning.
    """
    known = scores > 0
    middles, both = [], []
    for left, right in ((11, 12), (5, 6)):
        middles.append((keypoints[:, :, left] + keypoints[:, :, right]) / 2)
        both.append(known[:, :, left] & known[:, :, right])
    places = np.concatenate([keypoints, np.stack(middles, 2)], 2)
    known = np.concatenate([known, np.stack(both, 2)], 2)
    start, end, length = _BONES.T
    there = (known[:, :, start] & known[:, :, end])[..., None]
    bones = np.where(there, places[:, :, end] - places[:, :, start], 0)
    grown = bones * (factors[:, None, length, None] - 1)  # M F bones 2
    return keypoints + (_ABOVE @ grown).astype(keypoints.dtype)


@dataclass(frozen=True)
class Augmentation:
    """How strongly a training clip is varied.

    Args:
        flip_prob: probability of a mirror image, with left and right joints exchanged.
        rotation: largest rotation in the picture plane, degrees.
        scale: smallest factor by which the person is shrunk inside the map, in (0, 1].
        translation: largest shift, as a fraction of the map.
        joint_dropout: probability that a joint is missing for a span of the clip.
        score_noise: largest fraction by which a score is lowered.
        jitter: standard deviation of the noise on coordinates, as a fraction of the map.
        proportions: largest change of the lengths of limbs, trunk, head and widths, as a fraction of each.
        half_body_prob: probability that a person is seen from the hips up, and in half of these cases without the
            hips, as before a camera on a desk.
        center_prob: probability that a person stands in the middle of the map in each frame (`center_frames` of
            `normalise_clip`), for a model that reads clips both ways (`MoFMConfig.embed_centered`).
    """

    flip_prob: float = 0.5
    rotation: float = 10.0
    scale: float = 0.85
    translation: float = 0.03
    joint_dropout: float = 0.05
    score_noise: float = 0.1
    jitter: float = 0.0
    proportions: float = 0.15
    half_body_prob: float = 0.0
    center_prob: float = 0.0

    def __post_init__(self) -> None:
        for field in ("flip_prob", "joint_dropout", "score_noise", "half_body_prob", "center_prob"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be from 0 to 1")
        if not 0 < self.scale <= 1:
            raise ValueError(f"scale is {self.scale}; it must be above 0 and at most 1")
        if not 0 <= self.proportions < 1:
            raise ValueError(f"proportions is {self.proportions}; it must be from 0 to below 1")
        for field in ("rotation", "translation", "jitter"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be 0 or more")

    def vary_picture(
        self, keypoints: np.ndarray, scores: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Flip, rotate, thin out and re-proportion a clip, before it is normalised.

        Args:
            keypoints: [M, F, 17, 2] COCO-17, any unit.
            scores: [M, F, 17]; 0 is a missing joint.

        Returns:
            New key-points and scores. The last joint of a clip is never dropped.
        """
        M, F, K = scores.shape
        if generator.random() < self.flip_prob:
            swap = list(get_layout("coco17").flip_permutation)
            keypoints, scores = keypoints[:, :, swap] * np.array([-1, 1], np.float32), scores[:, :, swap]
        if self.proportions:
            factors = 1 + generator.uniform(-self.proportions, self.proportions, (M, NUM_LENGTHS))
            keypoints = stretch_bones(keypoints, scores, factors.astype(np.float32))
        angle = np.deg2rad(generator.uniform(-self.rotation, self.rotation))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
        keypoints = keypoints @ turn
        scores = scores * (1 - self.score_noise * generator.random((M, F, K), np.float32))
        dropped = generator.random((M, 1, K)) < self.joint_dropout
        start, end = np.sort(generator.integers(0, F + 1, (2, M, 1, K)), axis=0)
        frames = np.arange(F)[:, None]
        thinned = np.where(dropped & (frames >= start) & (frames < end), 0, scores)
        if self.half_body_prob:
            half, without_hips = generator.random((2, M)) < [[self.half_body_prob], [0.5]]
            thinned[half, :, KNEES_AND_ANKLES] = 0
            thinned[half & without_hips, :, HIPS] = 0
        return keypoints, thinned if thinned.any() else scores

    def vary_map(self, keypoints: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
        """Shrink, shift and jitter a normalised clip `[M, F, 17, 2]` in map pixels."""
        centre = (size - 1) / 2
        factor = generator.uniform(self.scale, 1)
        shift = generator.uniform(-self.translation, self.translation, 2).astype(np.float32) * size
        varied = (keypoints - centre) * np.float32(factor) + np.float32(centre) + shift
        if self.jitter:
            varied = varied + generator.normal(0, self.jitter * size, varied.shape).astype(np.float32)
        return varied
