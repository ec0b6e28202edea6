"""Objectives of pre-training besides the MotionBook's words: a teacher's, actions, hidden coordinates, two views."""

import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips
from huggingface_hub.errors import StrictDataclassClassValidationError
from torch.nn import functional as F

from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from modeling_mofm.masking import noise_shape
from modeling_mofm.pretraining.objectives import coordinate_loss, hidden_keypoints, hide, view_loss

ACTIONS = ["fall", "walk", "wave"]
SIZES = {**TINY_SIZES, "codebook_size": 32, "view_size": 24, "num_teacher_words": 20, "action_names": ACTIONS}
ALL = {"teacher_loss_weight": 0.3, "action_loss_weight": 0.7, "coordinate_loss_weight": 5.0, "view_loss_weight": 0.5}


def build(**fields):
    torch.manual_seed(3)
    return MoFMForMaskedMotionModeling(MoFMConfig(**{**TINY_GEOMETRY, **SIZES, **ALL, **fields}))


def inputs(model, num_clips=4):
    keypoints, scores = make_clips(num_clips)
    config = model.config
    return {
        "keypoints": keypoints,
        "scores": scores,
        "other_keypoints": keypoints.flip(1),
        "other_scores": scores.flip(1),
        "labels": torch.randint(0, 32, (num_clips, config.num_cubes)),
        "teacher_labels": torch.randint(-1, 20, (num_clips, config.num_cubes)),
        "action_labels": torch.tensor([0, 2, -100, 1])[:num_clips],
        "mask_noise": torch.rand(num_clips, *noise_shape("keypoint", config.grid_size, config.num_keypoints)),
    }


def test_hidden_key_points_leave_no_heat():
    model = build()
    keypoints, scores = make_clips(3)
    clips = model.read_clips(keypoints, scores)
    K, T = model.config.num_keypoints, model.config.grid_size[0]
    hidden = torch.zeros(3, K, T, dtype=torch.bool)
    hidden[0, 5] = True
    hidden[1, :, 0] = True
    hidden[2] = True  # nothing would be left
    shown = hide(clips, hidden, model.config)
    frames = model.config.cube_size[0]
    assert not shown.touched[0, :, 5].any() and not shown.scores[0, :, 5].any()
    others = [k for k in range(K) if k != 5]
    assert torch.equal(shown.touched[0][:, others], clips.touched[0][:, others])
    assert not shown.scores[1, :frames].any() and torch.equal(shown.scores[1, frames:], clips.scores[1, frames:])
    assert torch.equal(shown.scores[2], clips.scores[2])
    moved = keypoints.clone()
    moved[0, :, 5] += 3
    seen, same = (
        model.eval().mofm(clips=hide(model.read_clips(k, scores), hidden, model.config)) for k in (keypoints, moved)
    )
    assert torch.equal(seen.last_hidden_state[0], same.last_hidden_state[0])


def test_share_and_span_of_what_is_hidden():
    noise = torch.rand(200, 17, 4)
    hidden = hidden_keypoints(noise, 1, 0.6)
    assert abs(float(hidden.float().mean()) - 0.6) < 0.02
    whole = hidden_keypoints(noise, 4, 0.6)
    assert ((whole.sum(-1) == 0) | (whole.sum(-1) == 4)).all()


def test_coordinate_loss_is_of_hidden_present_joints_in_pixels():
    model = build()
    keypoints, scores = make_clips(2)
    scores[0, :, 3] = 0  # missing: nothing to be asked
    clips = model.read_clips(keypoints, scores)
    hidden = torch.zeros(2, 17, model.config.grid_size[0], dtype=torch.bool)
    hidden[0, 3] = hidden[1, 7] = True
    shown = hide(clips, hidden, model.config)
    side = model.config.heatmap_size
    true = keypoints / ((side - 1) / 2) - 1
    exact, error = coordinate_loss(true, clips, shown, side)
    assert float(exact) < 1e-9 and float(error) < 1e-4
    wrong = true.clone()
    wrong[0, :, 3] += 1  # not asked
    wrong[1, :, 6] += 1  # not hidden
    assert float(coordinate_loss(wrong, clips, shown, side)[0]) < 1e-9
    wrong[1, :, 7, 0] += 4 / ((side - 1) / 2)
    assert float(coordinate_loss(wrong, clips, shown, side)[1]) == pytest.approx(4, abs=1e-3)


def test_view_loss_wants_agreement_spread_and_different_axes():
    torch.manual_seed(0)
    vectors = torch.randn(512, 8)
    best = view_loss(vectors, vectors)
    assert float(best) < 0.1
    assert float(view_loss(vectors, vectors.roll(1, 0))) > float(best) + 1  # motions do not agree
    assert float(view_loss(vectors * 0.01, vectors * 0.01)) > float(best) + 0.9  # everything is the same
    same = vectors[:, :1].expand(-1, 8)
    assert float(view_loss(same, same)) > float(best) + 0.3  # every axis says the same


@pytest.mark.parametrize("predictor_layers", [0, 2])
def test_loss_is_the_weighted_sum_and_every_parameter_learns(predictor_layers):
    model = build(predictor_layers=predictor_layers).train()
    outputs = model(**inputs(model))
    terms = sum(weight * outputs[name.removesuffix("_weight")] for name, weight in ALL.items())
    assert torch.allclose(outputs.loss, outputs.word_loss + terms)
    outputs.loss.backward()
    learnt = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert learnt == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    still = model.state_dict().keys() - learnt
    assert still == ({"mofm.embeddings.mask_token"} if predictor_layers else set())


@pytest.mark.parametrize("left_out", ["word", "teacher", "action", "coordinate", "view"])
def test_an_objective_of_no_weight_has_no_parameters_and_no_term(left_out):
    model = build(**{f"{left_out}_loss_weight": 0}).train()
    outputs = model(**inputs(model))
    assert f"{left_out}_loss" not in outputs
    outputs.loss.backward()
    learns = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert len(learns) >= len(list(model.parameters())) - 1 and all(parameter.grad is not None for parameter in learns)


@pytest.mark.parametrize("predictor_layers", [0, 1, 2])
@torch.no_grad()
def test_training_scores_words_of_masked_cubes_alone_and_its_loss_is_the_same(predictor_layers):
    # so that positions matter, and without dropout
    model = build(predictor_layers=predictor_layers, initializer_range=0.3, action_loss_weight=0).train()
    given = inputs(model)
    given["labels"][:, ::3] = -100
    given["scores"][..., 3:] = 0  # of whom most cubes are empty
    answers = []
    model.lm_head.register_forward_hook(lambda module, args, output: answers.append(args[0].shape[1]))
    training = model(**given)
    evaluated = model.eval()(**given)
    wanted = evaluated.bool_masked_pos & (given["labels"] >= 0)
    active = model.read_clips(given["keypoints"], given["scores"]).active
    assert training.logits is None and answers[0] == wanted.sum(1).max() < answers[-1] < active.shape[1]
    losses = F.cross_entropy(evaluated.logits.transpose(1, 2), given["labels"], reduction="none")
    expected = ((losses * wanted).sum(1) / wanted.sum(1)).mean()
    torch.testing.assert_close(training.word_loss, expected)
    torch.testing.assert_close(evaluated.word_loss, expected)
    torch.testing.assert_close(training.loss, evaluated.loss)


@pytest.mark.parametrize("predictor_layers", [0, 1])
@pytest.mark.parametrize("words", [0.0, 1.0])
@torch.no_grad()
def test_words_of_a_teacher_are_asked_of_masked_cubes_that_have_one(words, predictor_layers):
    model = build(word_loss_weight=words, predictor_layers=predictor_layers, initializer_range=0.3).train()
    given = inputs(model)
    given["labels"][:, 1::2] = -100  # other cubes have a word of the MotionBook than have one of the teacher
    answers = []
    model.teacher_head.register_forward_hook(lambda module, args, output: answers.append((args[0], output)))
    found = model(**given)
    masked = model.eval()(**{**given, "labels": None}).bool_masked_pos
    wanted = masked & (given["teacher_labels"] >= 0)
    tokens, scores = answers[0]
    assert tokens.shape[1] == wanted.sum(1).max()
    losses = []
    for clip, cubes in enumerate(wanted):
        count = int(cubes.sum())
        losses.append(F.cross_entropy(scores[clip, :count], given["teacher_labels"][clip][cubes]))
    torch.testing.assert_close(found.teacher_loss, torch.stack(losses).mean())
    assert model(keypoints=given["keypoints"], scores=given["scores"]).get("teacher_loss") is None


@pytest.mark.parametrize("predictor_layers", [0, 1])
@pytest.mark.parametrize("pairs", [False, True])
@torch.no_grad()
def test_actions_are_read_from_what_is_visible_in_each_look(predictor_layers, pairs):
    model = build(predictor_layers=predictor_layers, initializer_range=0.3, view_loss_weight=0).eval()
    given = inputs(model) if pairs else {k: v for k, v in inputs(model).items() if not k.startswith("other")}
    looks = []
    model.mofm.register_forward_hook(
        lambda module, args, kwargs, output: looks.append(kwargs["clips"]), with_kwargs=True
    )
    read = []
    model.action_head.register_forward_hook(lambda module, args, output: read.append((args[0], output)))
    found = model(**given)
    assert len(read) == len(looks) == (1 if predictor_layers and not pairs else 2)
    known = given["action_labels"] >= 0
    losses = [F.cross_entropy(logits[known], given["action_labels"][known]) for _, logits in read]
    torch.testing.assert_close(found.action_loss, torch.stack(losses).mean())
    for clips, (parts, _) in zip(looks, read, strict=True):
        present = clips.touched.unflatten(1, (model.config.grid_size[0], -1)).any(2)
        assert torch.equal(parts.any(-1), present)
    given["action_labels"] = torch.full((4,), -100)
    assert float(model(**given).action_loss) == 0
    assert model(**{name: value for name, value in given.items() if name != "action_labels"}).action_loss is None


@torch.no_grad()
def test_with_a_predictor_the_encoder_looks_once_and_at_visible_cubes_alone():
    model = build(predictor_layers=1, view_loss_weight=0).eval()
    given = {name: value for name, value in inputs(model).items() if not name.startswith("other")}
    looks = []
    model.mofm.register_forward_hook(lambda module, args, kwargs, output: looks.append(output), with_kwargs=True)
    outputs = model(**given)
    assert len(looks) == 1
    clips, masked = model.read_clips(given["keypoints"], given["scores"]), outputs.bool_masked_pos
    seen = looks[0].on_grid(torch.ones_like(looks[0].last_hidden_state), model.config.num_cubes)[..., 0] > 0
    assert masked.any() and torch.equal(seen, clips.active & ~masked)
    shown = clips.without(masked, model.config)
    frames = model.config.cube_size[0]
    for clip, frame, keypoint in (clips.scores > 0).nonzero().tolist():
        first = frame // frames * 16  # cube of the slice
        cubes = slice(first, first + 16)
        gone = bool(masked[clip, cubes][clips.touched[clip, cubes, keypoint]].all())
        assert (shown.scores[clip, frame, keypoint] == 0) == gone
    places = model.coordinate_decoder(looks[0].last_hidden_state, looks[0].attention_mask)
    expected = coordinate_loss(places, clips, shown, model.config.heatmap_size)
    assert float(expected[0]) > 0
    torch.testing.assert_close((outputs.coordinate_loss, outputs.coordinate_error), expected)


@torch.no_grad()
def test_with_a_predictor_the_same_key_points_are_masked_in_both_views():
    model = build(predictor_layers=1).eval()
    given = inputs(model)
    given |= {"other_keypoints": given["keypoints"], "other_scores": given["scores"]}
    looks = []
    model.mofm.register_forward_hook(lambda module, args, kwargs, output: looks.append(output), with_kwargs=True)
    model(**given)
    assert len(looks) == 2
    torch.testing.assert_close(looks[0].last_hidden_state, looks[1].last_hidden_state)


def test_hidden_coordinates_of_heat_maps_are_refused():
    model = build(view_loss_weight=0).eval()
    noise = inputs(model)["mask_noise"][:1]
    with pytest.raises(ValueError, match="heatmaps cannot be asked for hidden coordinates"):
        model(heatmaps=torch.rand(1, 17, 8, 24, 24), mask_noise=noise)


def test_words_alone_are_the_loss_of_the_paper():
    """More heads do not change what is asked of words."""
    alone = build(**dict.fromkeys(ALL, 0)).eval()
    together = build().eval()
    together.mofm.load_state_dict(alone.mofm.state_dict())
    together.lm_head.load_state_dict(alone.lm_head.state_dict())
    given = {name: value for name, value in inputs(alone).items() if not name.startswith("other")}
    first, second = alone(**given), together(**given)
    assert torch.allclose(first.loss, second.word_loss) and torch.equal(first.bool_masked_pos, second.bool_masked_pos)
    logits = first.logits.transpose(1, 2)
    asked = torch.where(first.bool_masked_pos, given["labels"], -100)
    by_clip = F.cross_entropy(logits, asked, reduction="none").sum(1) / first.bool_masked_pos.sum(1)
    assert torch.allclose(first.loss, by_clip.mean(), atol=1e-5)


def test_what_a_training_lacks_is_said():
    model = build().train()
    given = inputs(model)
    with pytest.raises(ValueError, match="other_keypoints are missing.*view_loss_weight"):
        model(**{name: value for name, value in given.items() if not name.startswith("other")})
    with pytest.raises(ValueError, match="labels are missing.*word_loss_weight"):
        model(**{name: value for name, value in given.items() if name != "labels"})
    with pytest.raises(ValueError, match=r"teacher_labels are missing; teacher_loss_weight is 0\.3"):
        model(**{name: value for name, value in given.items() if name != "teacher_labels"})
    with pytest.raises(ValueError, match=r"action_labels are missing; action_loss_weight is 0\.7"):
        model(**{name: value for name, value in given.items() if name != "action_labels"})
    with pytest.raises(ValueError, match=r"action_labels must be \[4\]"):
        model(**{**given, "action_labels": given["action_labels"][:2]})
    with pytest.raises(ValueError, match=r"teacher_labels must be \[4, 32\]"):
        model(**{**given, "teacher_labels": given["teacher_labels"][:2]})
    with pytest.raises(ValueError, match="other_keypoints has 2 clips, keypoints 4"):
        model(**{**given, "other_keypoints": given["other_keypoints"][:2], "other_scores": None})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"word_loss_weight": -1}, "word_loss_weight must be 0 or more"),
        ({"teacher_loss_weight": -0.1}, "teacher_loss_weight must be 0 or more"),
        ({"action_names": ["walk"]}, "action_loss_weight is 0.7, which needs two action_names or more"),
        ({"num_teacher_words": 1}, "num_teacher_words must be at least 2"),
        ({"word_loss_weight": 0, **dict.fromkeys(ALL, 0)}, "nothing to learn"),
        ({"masking": "uniform"}, "needs masking 'keypoint'"),
        ({"hide_ratio": 1.0}, r"hide_ratio must be in \(0, 1\)"),
        ({"view_size": 0}, "view_size must be at least 1"),
        ({"predictor_layers": -1}, "predictor_layers must be at least 0"),
        ({"predictor_layers": 1, "drop_empty_cubes": False}, "which needs drop_empty_cubes true"),
    ],
)
def test_objectives_that_cannot_be_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        build(**fields)


@pytest.mark.parametrize("predictor_layers", [0, 1])
@pytest.mark.parametrize(
    "embedding", [{}, {"sigma": 0.5, "hidden_size": 192, "num_attention_heads": 4}, {"cube_embedding": "frames"}]
)
def test_mixed_precision_learns_nearly_the_same(embedding, predictor_layers):
    model = build(predictor_layers=predictor_layers, **embedding).train()
    clips = inputs(model)
    found = {}
    for enabled in (False, True):
        torch.manual_seed(0)  # of dropout
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = model(**clips).loss
        loss.backward()
        slopes = torch.cat([weights.grad.flatten() for weights in model.parameters() if weights.grad is not None])
        found[enabled] = loss.item(), slopes
        model.zero_grad()
    (loss, slopes), (mixed_loss, mixed_slopes) = found[False], found[True]
    assert mixed_loss == pytest.approx(loss, rel=0.02)
    assert F.cosine_similarity(slopes, mixed_slopes, dim=0) > 0.98
