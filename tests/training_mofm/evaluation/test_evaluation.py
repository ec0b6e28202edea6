"""Held-out figures: what a perfect and a useless model get, and references computed by hand."""

import copy

import pytest
import torch
from clips import TINY_GEOMETRY, make_clips

from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from tokenization_mofm.clip_inputs import ClipInputs
from training_mofm.evaluation.dved import evaluate_dved
from training_mofm.evaluation.pretraining import evaluate_mofm, neighbour_words


@pytest.fixture(params=[{}, {"sigma": 1.5, "input_stride": 3}], ids=["sharp", "broad"])
def mofm(request):
    """The heat of the second reaches cubes that have no word."""
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "intermediate_size": 32, "codebook_size": 32}
    return MoFMForMaskedMotionModeling(MoFMConfig(**TINY_GEOMETRY, **sizes, **request.param))


@pytest.fixture
def batch():
    keypoints, scores = make_clips(6)
    return {"keypoints": keypoints, "scores": scores}


def test_a_perfect_reconstruction(dved, batch, monkeypatch):
    targets = {}

    def encode(**clips):
        encoded = type(dved).encode(dved, **clips)
        targets["maps"] = dved.target(ClipInputs.check(dved.config, dved.dtype, **clips))
        return encoded

    monkeypatch.setattr(dved, "encode", encode)
    monkeypatch.setattr(dved, "decode", lambda ids: targets["maps"])
    figures = evaluate_dved(dved, batch, batch_size=4)
    assert figures["ssim"] == pytest.approx(1, abs=1e-5) and figures["active_ssim"] == pytest.approx(1, abs=1e-5)
    assert figures["l1"] == 0 and figures["ghost"] == 0 and figures["psnr"] == pytest.approx(100)


def test_what_anyone_could_draw_stands_beside_it(dved, batch, monkeypatch):
    monkeypatch.setattr(dved, "decode", lambda ids: torch.zeros(len(ids), 1, 8, 24, 24))
    figures = evaluate_dved(dved, batch, batch_size=4)
    for name in ("ssim", "psnr", "l1"):
        assert figures[f"black_{name}"] == pytest.approx(figures[name], rel=1e-5)
    target = dved.target(ClipInputs.check(dved.config, dved.dtype, **batch)).amax(1)
    mean = target.mean((0, 1)).expand_as(target)
    assert figures["mean_l1"] == pytest.approx((mean - target).abs().mean().item(), rel=1e-4)
    assert figures["mean_psnr"] > figures["black_psnr"]
    assert figures["peak_lost"] == 1 and "peak_error" not in figures and figures["true_peak_error"] > 0


def test_an_untrained_reconstruction_is_worse_and_independent_of_the_batch(dved, batch):
    figures = evaluate_dved(dved, batch, batch_size=4)
    assert figures["ssim"] < 0.9 and figures["l1"] > 0 and 0 < figures["codebook_usage"] <= 1
    assert figures == pytest.approx(evaluate_dved(dved, batch, batch_size=2), rel=1e-5)


def test_masked_figures_repeat_and_a_model_that_knows_the_words_gets_all(mofm, dved, batch, monkeypatch):
    figures = evaluate_mofm(mofm, dved, batch, seed=1)
    assert figures == pytest.approx(evaluate_mofm(mofm, dved, batch, seed=1))
    assert 0.2 < figures["masked_fraction"] < 0.6 and figures["top1"] <= figures["top5"]
    forward = mofm.forward

    def knowing(**inputs):
        outputs = forward(**inputs)
        ids = dved.encode(inputs["keypoints"], inputs["scores"]).input_ids
        outputs.logits = 100.0 * torch.nn.functional.one_hot(ids.clamp(max=31), 32)
        return outputs

    monkeypatch.setattr(mofm, "forward", knowing)
    perfect = evaluate_mofm(mofm, dved, batch, seed=1)
    assert perfect["top1"] == 1 and perfect["loss"] == pytest.approx(0, abs=1e-5)
    assert perfect["ratio"] == pytest.approx(1 / max(perfect["unigram_top1"], perfect["neighbour_top1"]))


def test_a_model_without_numbers_has_no_figures(mofm, dved, batch):
    lost = copy.deepcopy(mofm)
    lost.lm_head.bias.data[3] = torch.nan
    with pytest.raises(ValueError, match="scores of words that are no numbers"):
        evaluate_mofm(lost, dved, batch)


def test_neighbour_words_take_the_slice_before_and_else_the_one_after():
    E = 9
    words = torch.tensor([[[1, E], [2, 3], [E, 4]]])  # 3 slices of 1 x 2 cubes
    expected = torch.tensor([[[2, 3], [1, 4], [2, 3]]])
    assert torch.equal(neighbour_words(words.flatten(1), (3, 1, 2), E), expected.flatten(1))
