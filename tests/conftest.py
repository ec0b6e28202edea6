"""Tiny models and clips that every test shares."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path

import pytest
import torch
from clips import TINY_GEOMETRY, make_clips

from tokenization_mofm.configuration_dved import DVEDConfig
from tokenization_mofm.modeling_dved import DVEDModel


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The folder that a test is in: what a clone holds of what README and pages name."""
    root = Path(__file__).resolve().parents[1]
    for name in ("docs", "mofm"):
        (tmp_path / name).symlink_to(root / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def clips():
    return make_clips()


@pytest.fixture
def dved():
    config = DVEDConfig(**TINY_GEOMETRY, hidden_size=16, codebook_size=32, code_size=8, num_decoder_blocks=1)
    return DVEDModel(config).eval()
