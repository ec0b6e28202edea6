"""Test-time views: the clips of a recording whose predictions an action classifier averages."""

from __future__ import annotations

import numpy as np

from motion_data.keypoints import Motion
from motion_data.layouts import get_layout
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor


def views_of(motion: Motion, extractor: MoFMFeatureExtractor, num_clips: int = 1, flip: bool = False) -> list[Motion]:
    """Return the test-time views of a recording.

    Args:
        motion: all people, in 2D.
        num_clips: 1 samples the middle frame of each segment; more, random frames of each, the same every time.
        flip: add the mirror image of each.
    """
    views = [
        extractor.clip(motion, None if num_clips == 1 else np.random.default_rng(number))
        for number in range(num_clips)
    ]
    return views + [mirrored(view, extractor.heatmap_size) for view in views] if flip else views


def mirrored(motion: Motion, size: int) -> Motion:
    """Return the mirror image of a clip in map pixels; left and right joints are exchanged."""
    swap = list(get_layout("coco17").flip_permutation)
    keypoints = motion.keypoints[:, :, swap] * np.array([-1, 1], np.float32) + np.array([size - 1, 0], np.float32)
    return Motion(keypoints.astype(np.float32), motion.scores[:, :, swap])
