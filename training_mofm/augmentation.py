"""Augmentations of a clip of 2D key-points, all vectorised over frames and joints, all from a given generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motion_data.layouts import get_layout


@dataclass(frozen=True)
class Augmentation:
    """How strongly a training clip is varied.

    Args:
        flip_prob: chance of a mirror image, left and right joints swapped.
        rotation: largest turn in the picture plane, degrees.
        scale: smallest factor by which the person is shrunk inside the map, in (0, 1].
        translation: largest shift, as a part of the map.
        joint_dropout: chance that a joint goes missing for a span of the clip.
        score_noise: largest part by which a score is lowered.
        jitter: standard deviation of the noise on coordinates, as a part of the map.
    """

    flip_prob: float = 0.5
    rotation: float = 10.0
    scale: float = 0.85
    translation: float = 0.03
    joint_dropout: float = 0.05
    score_noise: float = 0.1
    jitter: float = 0.0

    def __post_init__(self) -> None:
        for field in ("flip_prob", "joint_dropout", "score_noise"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be from 0 to 1")
        if not 0 < self.scale <= 1:
            raise ValueError(f"scale is {self.scale}; it must be above 0 and at most 1")
        for field in ("rotation", "translation", "jitter"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be 0 or more")

    def vary_picture(
        self, keypoints: np.ndarray, scores: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Flip, turn and thin out a clip before it is normalised.

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
        angle = np.deg2rad(generator.uniform(-self.rotation, self.rotation))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
        keypoints = keypoints @ turn
        scores = scores * (1 - self.score_noise * generator.random((M, F, K), np.float32))
        dropped = generator.random((M, 1, K)) < self.joint_dropout
        start, end = np.sort(generator.integers(0, F + 1, (2, M, 1, K)), axis=0)
        frames = np.arange(F)[:, None]
        thinned = np.where(dropped & (frames >= start) & (frames < end), 0, scores)
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
