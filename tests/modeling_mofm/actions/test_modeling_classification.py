"""MoFMForSequenceClassification: who counts, what the loss is, and that it behaves as a transformers model."""

import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips
from huggingface_hub.errors import StrictDataclassClassValidationError
from torch.nn import functional as F
from transformers import AutoModelForSequenceClassification

from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling, MoFMForSequenceClassification
from modeling_mofm.fitting import fit_into_map
from tokenization_mofm.thermal_cubes import render_volume

LABELS = {0: "walk", 1: "run", 2: "jump"}


def build(**fields):
    torch.manual_seed(3)
    config = MoFMConfig(**{**TINY_GEOMETRY, **TINY_SIZES, "codebook_size": 32, "id2label": LABELS, **fields})
    model = MoFMForSequenceClassification(config).eval()
    torch.nn.init.normal_(model.classifier.bias)
    if config.classifier_part_size:
        for layer in (model.part_projection, model.slice_mixer, model.classifier):
            torch.nn.init.normal_(layer.weight, std=0.5)
    return model


HIDDEN = {"classifier_part_size": 5, "classifier_slice_size": 7}  # layers of a head that is not linear


@pytest.fixture(params=[{}, {**HIDDEN, "classifier_centered": True}], ids=["linear", "hidden, read twice"])
def model(request):
    return build(**request.param)


def make_people(clips=3, people=2, seed=0):
    """Return key-points `[B, M, F, 17, 2]` and scores `[B, M, F, 17]`."""
    keypoints, scores = make_clips(clips * people, seed=seed)
    return keypoints.unflatten(0, (clips, people)), scores.unflatten(0, (clips, people))


@torch.no_grad()
@pytest.mark.parametrize("people", [None, 1, 2])
def test_one_answer_a_clip(model, people):
    keypoints, scores = make_people(people=people or 1)
    if people is None:
        keypoints, scores = keypoints[:, 0], scores[:, 0]
    outputs = model(keypoints, scores)
    assert outputs.logits.shape == (3, 3) and outputs.loss is None
    size = 36 * (2 if model.config.classifier_centered else 1)
    assert outputs.parts.shape == (3, 2, 17, size)
    assert torch.equal(model.classify_parts(outputs.parts), outputs.logits)


@torch.no_grad()
def test_a_head_reads_clips_as_they_are_and_centred():
    keypoints, scores = make_clips(3)
    both = build(classifier_centered=True)
    both.norm = torch.nn.Identity()
    plain, centred = both(keypoints, scores).parts.split(36, -1)
    alone = build()
    alone.mofm.load_state_dict(both.mofm.state_dict())
    alone.norm = torch.nn.Identity()
    torch.testing.assert_close(plain, alone(keypoints, scores).parts)
    middle = fit_into_map(keypoints, scores, 24, center_frames=True)
    torch.testing.assert_close(centred, alone(middle, scores).parts)
    assert (plain - centred).abs().max() > 0.1
    with pytest.raises(ValueError, match="classifier_centered is true and centres people by key-points; keypoints"):
        both(heatmaps=render_volume(keypoints, scores, 24, both.config.sigma, both.config.truncate))


@torch.no_grad()
def test_padded_people_do_not_count(model):
    keypoints, scores = make_people()
    padded = torch.cat((keypoints, torch.full_like(keypoints, torch.nan)), 1)
    nobody = torch.cat((scores, torch.zeros_like(scores)), 1)
    assert torch.allclose(model(padded, nobody).logits, model(keypoints, scores).logits, atol=1e-5)


@torch.no_grad()
def test_ignored_key_points_change_nothing():
    model = build()
    keypoints, scores = make_clips(3)
    ignoring = build(ignored_keypoints=[1, 2, 9])
    others = torch.where(torch.isin(torch.arange(17), torch.tensor([1, 2, 9])), 0.0, scores)
    assert not torch.allclose(model(keypoints, scores).logits, model(keypoints, others).logits, atol=1e-3)
    assert torch.equal(ignoring(keypoints, scores).logits, model(keypoints, others).logits)
    heatmaps = [
        render_volume(keypoints, shown, 24, model.config.sigma, model.config.truncate) for shown in (scores, others)
    ]
    assert torch.equal(ignoring(heatmaps=heatmaps[0]).logits, model(heatmaps=heatmaps[1]).logits)
    present = torch.ones(3, 8, 17)
    assert torch.equal(ignoring(keypoints).logits, ignoring(keypoints, present).logits)
    for wrong in ([17], list(range(17))):
        with pytest.raises(StrictDataclassClassValidationError, match="ignored_keypoints must be some of 0 to 16"):
            build(ignored_keypoints=wrong)


@torch.no_grad()
def test_the_order_of_people_does_not_matter_but_who_they_are_does(model):
    keypoints, scores = make_people()
    logits = model(keypoints, scores).logits
    assert torch.allclose(model(keypoints.flip(1), scores.flip(1)).logits, logits, atol=1e-5)
    alone = model(keypoints[:, :1], scores[:, :1])
    assert not torch.allclose(alone.logits, logits, atol=1e-3)
    other = model(keypoints[:, 1], scores[:, 1])
    theirs = torch.stack((alone.parts, other.parts))
    both = theirs.sum(0) / theirs.any(-1, keepdim=True).sum(0).clamp(min=1)
    assert torch.allclose(model(keypoints, scores).parts, both, atol=1e-5)


@torch.no_grad()
def test_a_clip_has_the_same_answer_in_any_batch(model):
    keypoints, scores = make_people(4)
    scores[1, 1] = 0
    scores[2, :, 2:] = 0
    together = model(keypoints, scores).logits
    apart = torch.cat([model(k[None], s[None]).logits for k, s in zip(keypoints, scores, strict=True)])
    assert torch.allclose(together, apart, atol=1e-5)
    scores[3] = 0
    assert model(keypoints, scores).logits.isfinite().all()


@torch.no_grad()
def test_heatmaps_are_as_good_as_keypoints():
    model = build()
    keypoints, scores = make_people()
    scores[0, 1] = 0
    flat = render_volume(keypoints.flatten(0, 1), scores.flatten(0, 1), 24, model.config.sigma, model.config.truncate)
    heatmaps = flat.unflatten(0, (3, 2))
    assert torch.allclose(model(heatmaps=heatmaps).logits, model(keypoints, scores).logits, atol=1e-4)


def test_losses(model):
    keypoints, scores = make_people()
    labels = torch.tensor([2, 0, 1])
    outputs = model(keypoints, scores, labels=labels)
    assert torch.allclose(outputs.loss, F.cross_entropy(outputs.logits, labels))
    several = build(problem_type="multi_label_classification")
    targets = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1]])
    outputs = several(keypoints, scores, labels=targets)
    shares = outputs.logits.sigmoid()
    expected = -(targets * shares.log() + (1 - targets) * (1 - shares).log()).mean()
    assert torch.allclose(outputs.loss, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "labels", "message"),
    [
        ({}, torch.zeros(3, 3), r"labels must be \[3\], one class a clip, got \[3, 3\]"),
        (
            {"problem_type": "multi_label_classification"},
            torch.zeros(3),
            r"labels must be \[3, 3\] as logits are, got \[3\]",
        ),
    ],
)
def test_labels_of_another_shape_are_refused(fields, labels, message):
    with pytest.raises(ValueError, match=message):
        build(**fields)(*make_people(), labels=labels)


def test_wrong_configurations_are_refused():
    with pytest.raises(ValueError, match="problem_type must be .*, got 'regression'"):
        build(problem_type="regression")
    with pytest.raises(Exception, match=r"classifier_dropout must be in \[0, 1\), got 1"):
        build(classifier_dropout=1)
    with pytest.raises(Exception, match="classifier_part_size must be at least 0, got -1"):
        build(classifier_part_size=-1)
    with pytest.raises(Exception, match="classifier_slice_size must be at least 1, got 0"):
        build(classifier_slice_size=0)


def test_loss_falls_on_one_batch(model):
    keypoints, scores = make_people(6)
    labels = torch.arange(6) % 3
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss = model(keypoints, scores, labels=labels).loss
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.3 * losses[0]
    unused = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert unused == {"mofm.embeddings.mask_token"}


@torch.no_grad()
def test_save_and_load(model, tmp_path):
    keypoints, scores = make_people()
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert isinstance(loaded, MoFMForSequenceClassification) and loaded.config.id2label == LABELS
    assert torch.equal(loaded(keypoints, scores).logits, model(keypoints, scores).logits)


@torch.no_grad()
def test_the_encoder_comes_from_pre_training(tmp_path):
    torch.manual_seed(5)
    pretrained = MoFMForMaskedMotionModeling(MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES, codebook_size=32))
    pretrained.save_pretrained(tmp_path)
    model, info = MoFMForSequenceClassification.from_pretrained(tmp_path, num_labels=5, output_loading_info=True)
    assert {name.split(".")[0] for name in info["missing_keys"]} == {"classifier", "norm"}
    assert not info["unexpected_keys"]  # heads of other tasks are left where they are
    theirs = pretrained.mofm.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in model.mofm.state_dict().items())
    assert model.classifier.out_features == 5
