"""Tiny models and clips that every test shares."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch

from tokenization_mofm.configuration_dved import DVEDConfig
from tokenization_mofm.modeling_dved import DVEDModel

TINY_GEOMETRY = {"num_frames": 8, "heatmap_size": 24, "cube_size": (4, 6, 6)}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def make_clips(n=3, frames=8, size=24, missing=0.2, seed=0):
    """Return key-points [n, frames, 17, 2] that wander over the map and scores with missing joints."""
    generator = np.random.default_rng(seed)
    start = generator.uniform(4, size - 4, (n, 1, 17, 2))
    steps = generator.normal(0, 0.5, (n, frames, 17, 2)).cumsum(1)
    scores = generator.uniform(0.3, 1, (n, frames, 17))
    scores[generator.random(scores.shape) < missing] = 0
    return torch.tensor(start + steps, dtype=torch.float32), torch.tensor(scores, dtype=torch.float32)


@pytest.fixture
def clips():
    return make_clips()


@pytest.fixture
def dved():
    config = DVEDConfig(**TINY_GEOMETRY, hidden_size=16, codebook_size=32, code_size=8, num_decoder_blocks=1)
    return DVEDModel(config).eval()
