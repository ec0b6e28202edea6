import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips
from torch.nn import functional as F

from modeling_mofm import MoFMConfig, MoFMForSequenceClassification
from modeling_mofm.actions.motion_reader import hold_places, moved_places

SIZES = {**TINY_GEOMETRY, **TINY_SIZES, "num_labels": 3, "classifier_motion_size": 8}


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = MoFMForSequenceClassification(MoFMConfig(**SIZES)).train()
    for layer in model.motion_reader.head:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight)
    for _ in range(20):  # statistics of batches
        model.read_motion(*make_clips(8))
    return model.eval()


def test_missing_places_are_held_by_hand():
    places = torch.arange(1.0, 7).view(1, 6, 1, 1).expand(1, 6, 2, 2)
    seen = torch.tensor([[0, 0], [1, 0], [0, 0], [1, 0], [0, 0], [0, 0]]).bool()[None]
    held, ever = hold_places(places, seen)
    assert held[0, :, 0, 1].tolist() == [2, 2, 2, 4, 4, 4] and held[0, :, 1].abs().max() == 0
    assert ever.tolist() == [[True, False]]


def test_velocities_are_differences_by_hand():
    places = torch.tensor([0.0, 1, 3, 6, 10]).view(1, 5, 1, 1).expand(1, 5, 1, 2)
    assert moved_places(places, 1)[0, :, 0].tolist() == [8, 16, 24, 32, 0]
    assert moved_places(places, 4)[0, :, 0].tolist() == [0, 0, 20, 0, 0]
    assert moved_places(places[:, :3], 4)[0, :, 0].tolist() == [0, 12, 0]


@torch.no_grad()
def test_where_people_stand_and_who_comes_first_does_not_matter(model):
    keypoints, scores = make_clips(4)
    keypoints, scores = torch.stack((keypoints[:2], keypoints[2:]), 1), torch.stack((scores[:2], scores[2:]), 1)
    expected = model.read_motion(keypoints, scores)
    assert expected.shape == (2, 3) and (expected[0] - expected[1]).abs().max() > 1e-3
    torch.testing.assert_close(
        model.read_motion(keypoints.flip(1) + 3, scores.flip(1)), expected, rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(
        model.read_motion(keypoints[:, 0], scores[:, 0]), model.read_motion(keypoints[:, :1], scores[:, :1])
    )
    scores[:, 1] = 0  # nobody
    torch.testing.assert_close(model.read_motion(keypoints, scores), model.read_motion(keypoints[:, 0], scores[:, 0]))
    assert model.read_motion(keypoints, scores * 0).isfinite().all()


def test_people_who_are_not_there_do_not_count_in_training(model):
    keypoints, scores = make_clips(4)
    model.train()
    for module in model.modules():
        if isinstance(module, (torch.nn.Dropout, torch.nn.Dropout1d)):
            module.p = 0.0
    expected = model.read_motion(keypoints[:, None], scores[:, None])
    crowd = torch.stack((keypoints, torch.rand_like(keypoints)), 1), torch.stack((scores, scores * 0), 1)
    torch.testing.assert_close(model.read_motion(*crowd), expected)


@torch.no_grad()
@pytest.mark.parametrize("problem", ["single_label_classification", "multi_label_classification"])
def test_probabilities_are_averaged_and_losses_added(model, problem):
    model.config.problem_type = problem
    single = problem[:6] == "single"
    labels = torch.tensor([2, 0]) if single else torch.tensor([[1.0, 0, 1], [0, 0, 1]])
    found = model(*make_clips(2), labels=labels)
    parts = [model.probabilities(logits) for logits in (found.head_logits, found.motion_logits)]
    torch.testing.assert_close(model.probabilities(found.logits), sum(parts) / 2)
    loss = F.cross_entropy if single else F.binary_cross_entropy_with_logits
    torch.testing.assert_close(found.loss, loss(found.head_logits, labels) + loss(found.motion_logits, labels))
    model.motion_reader = None
    alone = model(*make_clips(2))
    torch.testing.assert_close(alone.logits, found.head_logits)
    assert alone.head_logits is None and alone.motion_logits is None


@torch.no_grad()
def test_ignored_and_missing_keypoints_are_not_read(model):
    keypoints, scores = make_clips(2)
    model.config.ignored_keypoints = [3]
    scores[:, :, 5] = 0
    expected = model.read_motion(keypoints, scores)
    keypoints[:, :, 3] = torch.rand_like(keypoints[:, :, 3])
    keypoints[:, :, 5] = torch.nan
    torch.testing.assert_close(model.read_motion(keypoints, scores), expected)


@torch.no_grad()
def test_it_is_saved_with_the_model_and_needs_keypoints(model, tmp_path):
    model.save_pretrained(tmp_path)
    again = MoFMForSequenceClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(*make_clips(2)).logits, model(*make_clips(2)).logits)
    half = MoFMForSequenceClassification.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    torch.testing.assert_close(half(*make_clips(2)).logits, model(*make_clips(2)).logits, rtol=0.1, atol=0.1)
    with pytest.raises(ValueError, match="classifier_motion_size is 8 and reads how key-points move"):
        model(heatmaps=torch.rand(1, 17, 8, 24, 24))
    with pytest.raises(Exception, match="classifier_motion_size must be even, got 7"):
        MoFMConfig(**{**SIZES, "classifier_motion_size": 7})
