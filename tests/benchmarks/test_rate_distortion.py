"""Bits of a clip: the entropy of the words of its cubes with heat."""

from types import SimpleNamespace

import pytest
import torch

from benchmarks.rate_distortion import rate


def speaker(words, **config):
    """Return what says these words, four of which there are; 4 is an empty cube."""

    def encode(keypoints, scores):
        return SimpleNamespace(input_ids=words[keypoints[:, 0].long()])

    return SimpleNamespace(config=SimpleNamespace(codebook_size=4, empty_id=4, **config), device="cpu", encode=encode)


def test_bits_are_the_entropy_of_words_of_cubes_with_heat():
    words = torch.tensor([[0, 0, 4, 1], [2, 4, 4, 3], [0, 0, 4, 4]])
    dved = speaker(words, quantizer="gumbel", levels=(8, 8, 8))
    clips = {"keypoints": torch.arange(3.0)[:, None], "scores": torch.ones(3, 1)}
    for batch_size in (1, 32):
        found = rate(dved, clips, batch_size)
        # seven cubes: 0 four times, 1, 2 and 3 once each
        bits = 4 / 7 * 0.80735492 + 3 / 7 * 2.80735492
        assert found == pytest.approx({"cubes": 7 / 3, "bits": bits, "clip_bits": 7 / 3 * bits})


def test_words_that_are_said_in_steps_take_the_entropy_of_each_step():
    words = torch.tensor([[0, 2, 2, 4], [3, 4, 4, 4]])  # first steps 0 0 0 1, second ones 0 1 1 1
    clips = {"keypoints": torch.arange(2.0)[:, None], "scores": torch.ones(2, 1)}
    found = rate(speaker(words, quantizer="rvq", levels=(2, 2)), clips)
    assert found == pytest.approx({"cubes": 2, "bits": 2 * 0.81127812, "clip_bits": 4 * 0.81127812})
