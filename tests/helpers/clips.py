"""Clips that many tests share."""

import numpy as np
import torch

TINY_GEOMETRY = {"num_frames": 8, "heatmap_size": 24, "cube_size": (4, 6, 6)}


def make_clips(n=3, frames=8, size=24, missing=0.2, seed=0):
    """Return key-points [n, frames, 17, 2] that wander over the map and scores with missing joints."""
    generator = np.random.default_rng(seed)
    start = generator.uniform(4, size - 4, (n, 1, 17, 2))
    steps = generator.normal(0, 0.5, (n, frames, 17, 2)).cumsum(1)
    scores = generator.uniform(0.3, 1, (n, frames, 17))
    scores[generator.random(scores.shape) < missing] = 0
    return torch.tensor(start + steps, dtype=torch.float32), torch.tensor(scores, dtype=torch.float32)
