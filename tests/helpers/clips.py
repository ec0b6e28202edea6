"""Clips that many tests share."""

import numpy as np
import torch

from tokenization_mofm.thermal_cubes import touched_cubes

TINY_GEOMETRY = {"num_frames": 8, "heatmap_size": 24, "cube_size": (4, 6, 6)}
TINY_SIZES = {"hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 72}


def make_clips(n=3, frames=8, size=24, missing=0.2, seed=0):
    """Return key-points [n, frames, 17, 2] that wander over the map and scores with missing joints."""
    generator = np.random.default_rng(seed)
    start = generator.uniform(4, size - 4, (n, 1, 17, 2))
    steps = generator.normal(0, 0.5, (n, frames, 17, 2)).cumsum(1)
    scores = generator.uniform(0.3, 1, (n, frames, 17))
    scores[generator.random(scores.shape) < missing] = 0
    return torch.tensor(start + steps, dtype=torch.float32), torch.tensor(scores, dtype=torch.float32)


def uneven_clips():
    """Return clips with very different numbers of active cubes; the fourth has no joint at all."""
    keypoints, scores = make_clips(5)
    scores[0] = 1
    scores[1, 1:] = 0
    scores[2] = 0
    scores[2, 3, 5] = 0.8
    scores[3] = 0
    keypoints[scores == 0] = torch.nan
    return keypoints, scores


def touching(keypoints, scores, cube=(4, 6, 6)):
    return touched_cubes(keypoints, scores, 24, cube, 0.75, 3.0)
