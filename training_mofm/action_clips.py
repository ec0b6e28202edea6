"""Clips of whole recordings with all their people, to learn actions from and to recognise them in.

A recording is sampled uniformly over its whole length (PoseC3D, Duan et al. 2022, section 3.2), whatever that is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset

from motion_data.keypoints import Motion, as_motion
from motion_data.readers.packed import packed_camera
from motion_data.schema import decode_row, first_row
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor, collate_people

from .augmentation import Augmentation

COLUMNS = ["keypoints", "scores", "shape", "layout", "source"]
SHORTEST_STRETCH = 0.8  # of a recording, that a training clip covers
TURN = 20.0  # degrees by which 3D bodies are turned about the vertical, either way, before the fixed view


def people_in_view(row: dict, generator: np.random.Generator | None = None) -> Motion:
    """Return the people of a row who have a joint, in 2D; 3D recordings in the fixed view.

    Args:
        row: of a corpus, with `COLUMNS`.
        generator: turns 3D bodies by up to `TURN` degrees and cuts a stretch; None leaves both as they are.

    Raises:
        ValueError: no joint is in sight; see `as_motion`.
    """
    keypoints, scores = decode_row(row)
    if generator is not None:
        frames = keypoints.shape[1]
        length = int(generator.integers(max(round(SHORTEST_STRETCH * frames), min(frames, 2)), frames + 1))
        start = int(generator.integers(0, frames - length + 1))
        keypoints, scores = keypoints[:, start : start + length], scores[:, start : start + length]
    camera = None
    if keypoints.shape[-1] == 3:
        camera = packed_camera(row["source"].split("/")[0])
        if generator is not None:
            keypoints = turn_bodies(keypoints, scores, float(generator.uniform(-TURN, TURN)))
    motion = as_motion(keypoints, scores, row["layout"], camera)
    seen = motion.scores.any((1, 2))
    return Motion(motion.keypoints[seen], motion.scores[seen])


def turn_bodies(keypoints: np.ndarray, scores: np.ndarray, degrees: float) -> np.ndarray:
    """Turn `[M, F, K, 3]` (y up) about the vertical through the mean of its joints."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]], np.float32)
    there = scores > 0
    middle = keypoints[there].mean(0) if there.any() else np.zeros(3, np.float32)
    return (keypoints - middle) @ turn.T + middle


class ActionClips(torch.utils.data.Dataset):
    """One training clip of each row, with its label; another one each epoch.

    A sample is a function of (seed, epoch, row) alone. `DataLoader`s of `Trainer` call `set_epoch`.

    Args:
        corpus: rows with `COLUMNS`.
        labels: `[rows]`, or `[rows, num_labels]`.
        extractor: fits clips into the map.
        seed: of everything random.
        augmentation: None varies nothing but the stretch, the frames and the view.
    """

    def __init__(
        self,
        corpus: Dataset,
        labels: np.ndarray,
        extractor: MoFMFeatureExtractor,
        seed: int,
        augmentation: Augmentation | None = None,
    ):
        self.corpus = corpus.select_columns(COLUMNS).with_format("arrow")
        self.labels = labels
        self.extractor = extractor
        self.seed = seed
        self.augmentation = augmentation
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.corpus)

    def __getitem__(self, index: int) -> tuple[Motion, np.ndarray]:
        generator = np.random.default_rng([self.seed, self.epoch, index])
        row = first_row(self.corpus[index])
        try:
            motion = people_in_view(row, generator)
        except ValueError:  # nobody in this stretch: the whole recording has someone
            motion = people_in_view(row)
        if self.augmentation is None:
            return self.extractor.clip(motion, generator), self.labels[index]
        varied = self.augmentation.vary_picture(motion.keypoints, motion.scores, generator)
        motion = self.extractor.clip(Motion(*varied), generator)
        keypoints = self.augmentation.vary_map(motion.keypoints, self.extractor.heatmap_size, generator)
        return Motion(keypoints, motion.scores), self.labels[index]

    @staticmethod
    def collate(samples: Sequence[tuple[Motion, np.ndarray]]) -> dict[str, torch.Tensor]:
        """Return `keypoints` [B, M, F, 17, 2], `scores` [B, M, F, 17] and `labels`."""
        clips, labels = zip(*samples, strict=True)
        return {**collate_people(clips), "labels": torch.as_tensor(np.stack(labels))}
