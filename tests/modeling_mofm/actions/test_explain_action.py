"""By which part of the body, and when, an action is recognised: of a head whose answer is known."""

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips
from transformers import pipeline

from modeling_mofm import MoFMConfig, MoFMFeatureExtractor, MoFMForSequenceClassification
from modeling_mofm.actions.drawing import draw_action
from modeling_mofm.actions.explain import BODY_PARTS, explain_action


class ArmCounter(MoFMForSequenceClassification):
    """The logit of "wave" is how much of the right arm is seen in the second slice."""

    def forward(self, keypoints=None, scores=None, **kwargs):
        outputs = super().forward(keypoints, scores, **kwargs)
        seen = scores.unflatten(-2, (2, 4))[..., 1, :, [8, 10]].flatten(-2).mean(-1)
        seen = seen.mean(1) if seen.ndim == 2 else seen
        outputs.logits = torch.stack((seen * 0, 6 * seen - 2), -1)
        return outputs


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES, codebook_size=32, id2label={0: "walk", 1: "wave"})
    return ArmCounter(config).eval()


def test_the_part_and_the_time_that_count_are_named(model):
    keypoints, scores = make_clips(1, missing=0)
    found = explain_action(model, keypoints[0], torch.ones(8, 17), batch_size=5)
    arm = list(BODY_PARTS).index("right arm")
    assert found.label == "wave" and found.part == "right arm"
    assert found.score == pytest.approx(1 / (1 + np.exp(-4)), rel=1e-5)
    assert found.losses[arm] == pytest.approx(6, abs=1e-4) and np.abs(np.delete(found.losses, arm)).max() < 1e-5
    assert found.slice_losses.shape == (2, len(BODY_PARTS))
    assert found.slice_losses[:, arm] == pytest.approx([0, 6], abs=1e-4)
    assert found.sentence(3.0, 10.0) == "recognised by the right arm most, at 11.5 to 13.0 s"
    against = explain_action(model, keypoints[0], torch.ones(8, 17), label=0)
    assert against.label == "walk" and against.losses[arm] == pytest.approx(-6, abs=1e-4)


def test_what_is_missing_is_not_named(model):
    keypoints, _ = make_clips(2, missing=0)
    scores = torch.ones(2, 8, 17)
    scores[..., [8, 10]] = 0
    found = explain_action(model, keypoints, scores)  # two people
    assert np.isnan(found.losses[list(BODY_PARTS).index("right arm")]) and found.part is None
    assert found.sentence(1.0) == "recognised by no part of the body in particular"
    with pytest.raises(ValueError, match="nobody is in the clip"):
        explain_action(model, keypoints, scores * 0)


def test_the_pipeline_says_it(model):
    recognise = pipeline(
        "motion-classification", model=model, feature_extractor=MoFMFeatureExtractor.for_config(model.config)
    )
    keypoints = make_clips(1, missing=0)[0][0].numpy()
    clip = {"keypoints": keypoints, "scores": np.ones((8, 17)), "fps": 4.0}
    answer = recognise(clip, explain=True)
    assert answer[0]["explanation"] == "recognised by the right arm most, at 1.0 to 2.0 s" and len(answer) == 2
    assert (
        "explanation" not in recognise(clip)[0]
        and recognise({**clip, "scores": np.zeros((8, 17))}, explain=True) == []
    )
    with pytest.raises(ValueError, match="explain is True and so is events"):
        recognise(clip, explain=True, events=True)


def test_it_is_drawn_in_the_colours_of_what_counts(model):
    keypoints, _ = make_clips(1, missing=0)
    found = explain_action(model, keypoints[0], torch.ones(8, 17))
    figure = draw_action(keypoints[0], torch.ones(8, 17), found, 24)
    first, second = figure.axes[:2]
    colours = [{tuple(np.round(dots.get_facecolor()[0], 3)) for dots in axes.collections} for axes in (first, second)]
    assert len(colours[0]) == 1 and len(colours[1]) == 2  # only in the second slice a part stands out
    assert "wave" in figure.get_suptitle()
