"""Tiny anomaly detectors and motions for them."""

import numpy as np
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips, touching

from modeling_mofm import AnomalyScorer, MoFMConfig, MoFMForAnomalyDetection
from motion_data import Motion
from tokenization_mofm import MoFMTokenizer


def build(**fields):
    torch.manual_seed(3)
    small = {**TINY_GEOMETRY, **TINY_SIZES, "codebook_size": 32, "num_nll_masks": 3, "mask_span": 1}
    config = MoFMConfig(**{**small, "anomaly_score": "combined", **fields})
    model = MoFMForAnomalyDetection(config).eval()
    for name, parameter in model.named_parameters():
        if "bias" in name or "mask_token" in name:  # zeros hide mistakes
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def words_of(clips):
    active = touching(*clips).any(-1)
    return torch.where(active, torch.randint(0, 32, active.shape), 32)


def normal_set(n=12, seed=7):
    clips = make_clips(n, seed=seed)
    return {"keypoints": clips[0], "scores": clips[1], "input_ids": words_of(clips)}


def make_motion(people=2, frames=30, seed=0):
    generator = np.random.default_rng(seed)
    start = generator.uniform(0, 200, (people, 1, 17, 2))
    keypoints = start + generator.normal(0, 4, (people, frames, 17, 2)).cumsum(1)
    return Motion(keypoints.astype(np.float32), generator.uniform(0.3, 1, (people, frames, 17)).astype(np.float32))


def make_scorer(dved, kind="combined", rate=30.0, **options):
    """Return a scorer of windows of 12 frames at 30 frames a second."""
    model = build(anomaly_score=kind, fps=rate)
    model.fit_reference(normal_set())
    return AnomalyScorer(model, MoFMTokenizer(dved), **{"window": 0.4, "max_gap": 0.1, **options})
