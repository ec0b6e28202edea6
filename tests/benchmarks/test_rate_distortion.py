"""Bits of a clip: the entropy of the words of its cubes with heat."""

from types import SimpleNamespace

import pytest
import torch

from benchmarks.rate_distortion import rate


def test_bits_are_the_entropy_of_words_of_cubes_with_heat():
    words = torch.tensor([[0, 0, 4, 1], [2, 4, 4, 3], [0, 0, 4, 4]])  # of four; 4 is empty

    def encode(keypoints, scores):
        return SimpleNamespace(input_ids=words[keypoints[:, 0].long()])

    config = SimpleNamespace(codebook_size=4, empty_id=4)
    dved = SimpleNamespace(config=config, device="cpu", encode=encode)
    clips = {"keypoints": torch.arange(3.0)[:, None], "scores": torch.ones(3, 1)}
    for batch_size in (1, 32):
        found = rate(dved, clips, batch_size)
        # seven cubes: 0 four times, 1, 2 and 3 once each
        bits = 4 / 7 * 0.80735492 + 3 / 7 * 2.80735492
        assert found == pytest.approx({"cubes": 7 / 3, "bits": bits, "clip_bits": 7 / 3 * bits})
