"""The detector: masks that cover, likelihoods and distances against slow formulas, the head, and what loads again."""

import math

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips, touching, uneven_clips
from detectors import build, normal_set, words_of
from huggingface_hub.errors import StrictDataclassClassValidationError

from modeling_mofm import MoFMConfig, MoFMForAnomalyDetection, MoFMForMaskedMotionModeling
from modeling_mofm.anomaly.reference import part_distances
from modeling_mofm.masking import covering_masks
from modeling_mofm.part_pooling import pool_parts
from tokenization_mofm import MoFMTokenizer
from tokenization_mofm.thermal_cubes import render_volume

GRID = (2, 4, 4)


@pytest.fixture
def model():
    model = build()
    model.fit_reference(normal_set())
    return model


@pytest.mark.parametrize("num_masks", [2, 3, 7])
@pytest.mark.parametrize("span", [1, 2])
def test_masks_cover_what_is_active_and_nothing_else(num_masks, span):
    touched = touching(*uneven_clips())
    masks = covering_masks(touched, GRID, num_masks, span)
    assert masks.shape == (5, num_masks, 32)
    assert torch.equal(masks.any(1), touched.any(-1))
    assert torch.equal(masks, covering_masks(touched, GRID, num_masks, span))
    expected = torch.zeros_like(masks)
    for n, cube, k in touched.nonzero().tolist():
        expected[n, (k + cube // 16 // span) % num_masks, cube] = True
    assert torch.equal(masks, expected)
    assert masks[0].any(1).all() and not masks[0].all(0).all()


@torch.no_grad()
@pytest.mark.parametrize("predictor_layers", [0, 1])
def test_nll_is_the_slow_formula(predictor_layers):
    model = build(predictor_layers=predictor_layers)
    clips = uneven_clips()
    words = words_of(clips)
    words[0, touching(*clips)[0].any(-1).nonzero()[0]] = 32  # a cube whose word is not of the code book
    output = model(*clips, input_ids=words)
    plain = MoFMForMaskedMotionModeling(model.config).eval()
    plain.load_state_dict(
        {k: v for k, v in model.state_dict().items() if k.startswith(("mofm", "lm_head", "predictor"))}
    )
    touched = touching(*clips)
    masks = covering_masks(touched, GRID, 3, 1)
    logits = [plain(*clips, bool_masked_pos=masks[:, r]).logits.double() for r in range(3)]
    for n in range(5):
        means = {}
        for cube in range(32):
            losses = []
            for r in range(3):
                if masks[n, r, cube] and words[n, cube] < 32:
                    row = logits[r][n, cube].tolist()
                    losses.append(math.log(sum(map(math.exp, row))) - row[words[n, cube]])
            if losses:
                means[cube] = sum(losses) / len(losses)
            assert output.cube_nll[n, cube].item() == pytest.approx(means.get(cube, 0.0), rel=1e-4, abs=1e-6)
        mean = sum(means.values()) / len(means) if means else math.nan
        assert output.nll[n].item() == pytest.approx(mean, rel=1e-4, nan_ok=True)
        for frame in (0, 3, 7):
            cells = touching(clips[0][n : n + 1, frame : frame + 1], clips[1][n : n + 1, frame : frame + 1], (1, 6, 6))
            heated = [
                means[frame // 4 * 16 + c] for c in range(16) if cells[0, c].any() and frame // 4 * 16 + c in means
            ]
            expected = sum(heated) / len(heated) if heated else 0.0
            assert output.frame_nll[n, frame].item() == pytest.approx(expected, rel=1e-4, abs=1e-6)
            for k in (0, 5, 16):
                own = [
                    means[frame // 4 * 16 + c] for c in range(16) if cells[0, c, k] and frame // 4 * 16 + c in means
                ]
                expected = sum(own) / len(own) if own else 0.0
                assert output.joint_nll[n, frame, k].item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@torch.no_grad()
def test_a_word_does_not_tell_its_own_likelihood(model):
    """Whatever a joint does within the cube it is hidden in, the prediction of that cube's word stays."""
    keypoints, scores = make_clips(1, missing=0)
    keypoints[..., 0, :], keypoints[..., 1:, :] = 8.7, keypoints[..., 1:, :] % 6 + 16
    moved = keypoints.clone()
    moved[:, :4, 0] = 8.3  # in the first slice only
    assert torch.equal(touching(moved, scores), touching(keypoints, scores))
    words = words_of((keypoints, scores))
    alone = touching(keypoints, scores)[0, :16, 0].nonzero().item()
    first, second = (model(k, scores, input_ids=words).cube_nll[0] for k in (keypoints, moved))
    assert first[alone] == second[alone] and first[alone] > 0 and not torch.equal(first, second)


def test_parts_and_distances_are_the_slow_formulas():
    keypoints, scores = uneven_clips()
    touched = touching(keypoints, scores)
    tokens = torch.randn(5, 32, 6)
    parts = torch.nn.functional.normalize(pool_parts(tokens, touched, 2), dim=-1)
    for n, t, k in [(0, 0, 0), (0, 1, 16), (1, 0, 3), (2, 0, 5), (2, 1, 5), (3, 0, 0)]:
        cubes = [t * 16 + c for c in range(16) if touched[n, t * 16 + c, k]]
        mean = tokens[n, cubes].mean(0) if cubes else torch.zeros(6)
        expected = mean / mean.norm() if cubes else mean
        torch.testing.assert_close(parts[n, t, k], expected, rtol=1e-4, atol=1e-5)
    distances = part_distances(parts, parts[:3])
    for n in range(5):
        for r in range(3):
            both = [
                1 - float(a @ b)
                for a, b in zip(parts[n].flatten(0, 1), parts[r].flatten(0, 1), strict=True)
                if a.any() and b.any()
            ]
            assert distances[n, r].item() == pytest.approx(sum(both) / len(both) if both else 2.0, abs=1e-5)


@torch.no_grad()
def test_reference_distance_is_the_mean_of_the_nearest(model):
    parts = model.measure(normal_set(4, seed=1))[0]
    distance, joints = model.reference(parts)
    apart = part_distances(parts, model.reference.parts).sort(1)
    torch.testing.assert_close(distance, apart.values[:, :3].mean(1))
    for n, k in [(0, 0), (3, 16)]:
        pairs = []
        for r in apart.indices[n, :3]:
            for t in range(2):
                a, b = parts[n, t, k], model.reference.parts[r, t, k]
                pairs += [1 - float(a @ b)] if a.any() and b.any() else []
        assert joints[n, k].item() == pytest.approx(sum(pairs) / len(pairs), abs=1e-5)


@torch.no_grad()
def test_a_normal_clip_is_near_and_a_strange_one_far(model):
    normal = normal_set()
    known = model(**normal)
    strange = {**normal, "keypoints": normal["keypoints"].flip(2)}  # heads down there where feet were
    assert (model(**strange).distance > known.distance).all() and (known.distance > 0).all()


@torch.no_grad()
def test_combination_is_the_stated_one(model):
    clips = normal_set(5, seed=2)
    output = model(**clips)
    reference = model.reference
    excess = (output.nll - reference.nll_mean) / reference.nll_std
    far = (output.distance - reference.distance_mean) / reference.distance_std
    expected = torch.log1p(excess.exp()) + torch.log1p(far.exp())
    torch.testing.assert_close(output.anomaly_score, expected, rtol=1e-4, atol=1e-4)
    parts, nll = model.measure(clips)
    torch.testing.assert_close(model.score_measured(parts, nll), expected, rtol=1e-4, atol=1e-4)
    for kind, value in (("nll", excess), ("distance", far), ("classifier", output.logits.sigmoid())):
        model.config.anomaly_score = kind
        torch.testing.assert_close(model(**clips).anomaly_score, value, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="anomaly_score is 'classifier'"):
        model.score_measured(parts, nll)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["nll", "distance", "combined", "classifier"])
def test_joints_are_scored_where_they_are(model, kind):
    model.config.anomaly_score = kind
    keypoints, scores = uneven_clips()
    output = model(keypoints, scores, input_ids=words_of((keypoints, scores)))
    assert output.joint_score.shape == (5, 8, 17)
    assert not output.joint_score[scores == 0].any() and (output.joint_score[scores > 0] != 0).all()
    assert output.anomaly_score.isfinite().tolist() == [True, True, True, False, True]


@torch.no_grad()
def test_head_is_the_slow_formula():
    model = build(anomaly_score="classifier")
    keypoints, scores = uneven_clips()
    output = model(keypoints, scores)
    weight, bias = model.anomaly_head.weight.view(17, 36), model.anomaly_head.bias.item()
    for n in range(5):
        slices = {}
        for t in range(2):
            parts = {k: output.parts[n, t, k] * 6 for k in range(17) if output.parts[n, t, k].any()}
            shares = {k: float(part @ weight[k]) for k, part in parts.items()}
            if parts:
                slices[t] = sum(shares.values()) + bias
            for k, share in shares.items():
                joint = 1 / (1 + math.exp(-share * len(shares) - bias))
                for f in range(4 * t, 4 * t + 4):
                    expected = joint if scores[n, f, k] > 0 else 0.0
                    assert output.joint_score[n, f, k].item() == pytest.approx(expected, rel=1e-4)
        clip = sum(slices.values()) / len(slices) if slices else 0.0
        assert output.logits[n].item() == pytest.approx(clip, rel=1e-4, abs=1e-6)
        frames = [slices.get(f // 4, clip) for f in range(8)]
        assert output.frame_logits[n].tolist() == pytest.approx(frames, rel=1e-4, abs=1e-6)
    assert not touching(keypoints, scores)[1, 16:].any()  # a slice without anyone was among them


@torch.no_grad()
def test_what_is_missing_is_none():
    clips = make_clips()
    output = build()(*clips)
    assert output.distance is None and output.nll is None and output.anomaly_score is None
    assert output.logits.shape == (3,) and output.frame_logits.shape == (3, 8)
    assert build()(*clips, input_ids=words_of(clips)).nll.shape == (3,)


@torch.no_grad()
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_clip_has_the_same_output_in_any_batch(attention):
    model = build(attn_implementation=attention)
    model.fit_reference(normal_set())
    keypoints, scores = uneven_clips()
    words = words_of((keypoints, scores))
    together = model(keypoints, scores, input_ids=words)
    for i in range(5):
        one = model(keypoints[i : i + 1], scores[i : i + 1], input_ids=words[i : i + 1])
        for name, value in one.items():
            torch.testing.assert_close(value[0], together[name][i], rtol=1e-4, atol=1e-5, equal_nan=True)


@torch.no_grad()
def test_people_are_sequences_of_their_own(model):
    keypoints, scores = make_clips(6)
    words = words_of((keypoints, scores))
    flat = model(keypoints, scores, input_ids=words)
    people = model(*(x.unflatten(0, (2, 3)) for x in (keypoints, scores)), input_ids=words.unflatten(0, (2, 3)))
    for name, value in people.items():
        assert value.shape[:2] == (2, 3) and torch.equal(value.flatten(0, 1), flat[name]), name


@torch.no_grad()
def test_heatmaps_are_as_good_as_keypoints(model):
    clips = uneven_clips()
    words = words_of(clips)
    sparse, dense = (
        model(*clips, input_ids=words),
        model(heatmaps=render_volume(*clips, 24, 0.75, 3.0), input_ids=words),
    )
    for name, value in sparse.items():
        torch.testing.assert_close(dense[name], value, rtol=1e-3, atol=1e-4, equal_nan=True)


@torch.no_grad()
def test_tokenizer_output_goes_straight_in(model, dved):
    tokens = MoFMTokenizer(dved)(np.random.default_rng(0).random((2, 20, 17, 2)) * 100)
    assert model(**tokens).anomaly_score.shape == (1, 2)


def test_loss_of_clips_and_frames_is_the_slow_formula():
    model = build(pos_weight=2.5)
    keypoints, scores = uneven_clips()

    def slow(logits, labels):
        losses = []
        for logit, label in zip(logits.flatten().tolist(), labels.flatten().tolist(), strict=True):
            p = 1 / (1 + math.exp(-logit))
            losses += [-2.5 * math.log(p) if label == 1 else -math.log(1 - p)] if label >= 0 else []
        return sum(losses) / len(losses)

    labels = torch.tensor([1, 0, 1, 1, -1])
    output = model(keypoints, scores, labels=labels)
    known = labels.clone()
    known[3] = -1  # without a joint there is nothing to be blamed
    assert output.loss.item() == pytest.approx(slow(output.logits, known), rel=1e-5)
    frames = torch.randint(-1, 2, (5, 8))
    output = model(keypoints, scores, labels=frames)
    frames[3] = -1
    assert output.loss.item() == pytest.approx(slow(output.frame_logits, frames), rel=1e-5)
    assert model(keypoints, scores, labels=torch.full((5,), -100)).loss == 0


def test_the_most_anomalous_person_answers_for_the_clip():
    model = build()
    keypoints, scores = make_clips(6)
    scores[4:] = 0  # only one person in the second clip
    output = model(keypoints.unflatten(0, (2, 3)), scores.unflatten(0, (2, 3)), labels=torch.tensor([1, 0]))
    worst = torch.stack((output.logits[0].max(), output.logits[1, 0]))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(worst, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(output.loss, expected)
    output.loss.backward()
    assert model.anomaly_head.weight.grad.abs().max() > 0 and model.lm_head.weight.grad is None


def test_loss_falls_on_one_batch():
    model = build().train()
    keypoints, scores = make_clips(8)
    labels = torch.arange(8) % 2
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = model(keypoints, scores, labels=labels).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.5 and losses[-1] < 0.1


@torch.no_grad()
@pytest.mark.parametrize("fitted", [True, False])
def test_save_and_load(fitted, tmp_path):
    model = build()
    clips = normal_set(3, seed=5)
    if fitted:
        model.fit_reference(normal_set())
        model.config.anomaly_score = "distance"
    model.save_pretrained(tmp_path)
    loaded, info = MoFMForAnomalyDetection.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert loaded.config.reference_size == (12 if fitted else 0)
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    for name, value in model(**clips).items():
        torch.testing.assert_close(loaded(**clips)[name], value, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_a_pretrained_model_becomes_a_detector(tmp_path):
    torch.manual_seed(0)
    plain = MoFMForMaskedMotionModeling(MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES, codebook_size=32)).eval()
    plain.save_pretrained(tmp_path)
    detector, info = MoFMForAnomalyDetection.from_pretrained(tmp_path, output_loading_info=True)
    assert {name.split(".")[0] for name in info["missing_keys"]} == {"reference"}, "a head is not worth a warning"
    assert detector.new_parts == {"anomaly_head", "reference"} and detector.head_is_new
    detector.save_pretrained(tmp_path / "whole")
    whole = MoFMForAnomalyDetection.from_pretrained(tmp_path / "whole")
    assert not whole.new_parts and not whole.head_is_new
    assert torch.equal(detector.lm_head.weight, plain.lm_head.weight)
    assert detector.reference.nll_std == 1 and detector.reference.distance_mean == 0
    detector.fit_reference(normal_set())
    assert detector(**normal_set(2, seed=3)).anomaly_score.isfinite().all()


@torch.no_grad()
def test_compiled_equals_eager(model):
    keypoints, scores = uneven_clips()
    inputs = {"keypoints": torch.nan_to_num(keypoints), "scores": scores, "input_ids": words_of((keypoints, scores))}
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")(**inputs)
    for name, value in model(**inputs).items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-4, atol=1e-5, equal_nan=True)


@torch.no_grad()
def test_half_precision_is_near(model):
    clips = normal_set(4, seed=4)
    expected = model(**clips)
    half = build().bfloat16()
    half.fit_reference(normal_set())  # a reference fitted in half precision keeps its constants in single
    assert half.reference.nll_mean.dtype == torch.float32
    for other in (half, model.bfloat16()):
        output = other(**clips)
        torch.testing.assert_close(output.nll.float(), expected.nll, rtol=0.05, atol=0.05)
        torch.testing.assert_close(output.distance.float(), expected.distance, rtol=0.1, atol=0.02)
        assert output.anomaly_score.isfinite().all()


@torch.no_grad()
def test_exported_equals_eager(model):
    keypoints, scores = make_clips(3)
    inputs = {"keypoints": keypoints, "scores": scores, "input_ids": words_of((keypoints, scores))}
    exported = torch.export.export(model, (), inputs, strict=False).module()(**inputs)
    for name, value in model(**inputs).items():
        torch.testing.assert_close(exported[name], value, rtol=1e-4, atol=1e-5)
    assert len(model(**inputs, return_dict=False)) == len(model(**inputs).to_tuple())


@torch.no_grad()
def test_held_out_motion_scales_both_scores(model):
    normal, held_out = normal_set(), normal_set(6, seed=9)
    model.fit_reference(normal, held_out)
    output = model(**held_out)
    for values, name in ((output.nll, "nll"), (output.distance, "distance")):
        torch.testing.assert_close(getattr(model.reference, f"{name}_mean"), values.mean(), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(getattr(model.reference, f"{name}_std"), values.std(), rtol=1e-4, atol=1e-6)
    alone = build()
    alone.fit_reference(normal)
    left_out = []
    for i in range(12):
        others = [j for j in range(12) if j != i]
        left_out.append(
            part_distances(alone.reference.parts[i : i + 1], alone.reference.parts[others]).sort().values[0, :3].mean()
        )
    torch.testing.assert_close(alone.reference.distance_mean, torch.stack(left_out).mean(), rtol=1e-4, atol=1e-6)
    assert alone.reference.distance_mean > 0


def test_a_reference_has_at_most_max_size_clips_and_no_empty_one():
    model = build()
    normal = normal_set()
    model.fit_reference(normal, max_size=7)
    assert model.config.reference_size == len(model.reference.parts) == 7
    normal["scores"][:2] = 0
    model.fit_reference(normal)
    assert model.config.reference_size == 10 and model.reference.parts.any(-1).flatten(1).any(1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda clips: {k: v[:3] for k, v in clips.items()}, "normal has 3 clips .* at least 4 are needed"),
        (lambda clips: {k: v[:1].repeat(5, *[1] * (v.ndim - 1)) for k, v in clips.items()}, "5 normal clips does not"),
    ],
)
def test_normal_sets_that_say_nothing_are_refused(change, message):
    model = build()
    with pytest.raises(ValueError, match=message):
        model.fit_reference(change(normal_set()))
    assert model.config.reference_size == 0 and model.reference.parts is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": torch.zeros(2)}, r"labels must be \[3\] of clips or \[3, 8\] of frames, got \[2\]"),
        ({"labels": torch.zeros(3, 7)}, r"labels must be \[3\] of clips or \[3, 8\] of frames, got \[3, 7\]"),
        ({"input_ids": torch.zeros(3, 31)}, r"input_ids must be \[3, 32\], one word for .*, got \[3, 31\]"),
        ({"input_ids": torch.zeros(2, 32)}, r"input_ids must be \[3, 32\], one word for .*, got \[2, 32\]"),
    ],
)
def test_wrong_inputs_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        build()(*make_clips(), **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"anomaly_score": "best"}, r"anomaly_score must be one of \('nll', .*\), got 'best'"),
        ({"num_nll_masks": 1}, "num_nll_masks must be at least 2, got 1"),
        ({"num_neighbors": 0}, "num_neighbors must be at least 1, got 0"),
        ({"window_seconds": 0.05}, "window_seconds must be at least 0.0667, two frames, got 0.05"),
        ({"pos_weight": 0}, "pos_weight must be positive and finite, got 0"),
    ],
)
def test_wrong_configurations_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        build(**fields)


def test_the_picture_shows_every_slice(tmp_path):
    pytest.importorskip("matplotlib")
    from modeling_mofm.anomaly.drawing import draw_anomaly

    model = build()
    model.fit_reference(normal_set())
    keypoints, scores = uneven_clips()
    with torch.no_grad():
        output = model(keypoints, scores, input_ids=words_of((keypoints, scores)))
    for i in range(5):  # the fourth has no joint
        figure = draw_anomaly(
            model.config, torch.nan_to_num(keypoints[i]), scores[i], output.joint_score[i], output.cube_nll[i]
        )
        assert len(figure.axes) == 2 + 2  # slices and colour bars
        figure.savefig(tmp_path / f"{i}.png")


@torch.no_grad()
def test_a_gate_asks_only_about_the_words_of_suspicious_clips(model):
    clips = make_clips(6, seed=5)
    given = {"keypoints": clips[0], "scores": clips[1], "input_ids": words_of(clips)}
    model.fit_reference(normal_set())
    whole = model(**given)
    excess = model.reference.standardise("distance", whole.distance)
    gate = float(excess.sort().values[2:4].mean())
    asked = []
    original = model.word_nll
    model.word_nll = lambda chosen, *rest: asked.append(chosen.number) or original(chosen, *rest)
    found = model(**given, gate=gate)
    del model.word_nll
    suspicious = excess >= gate
    assert asked == [3] and suspicious.sum() == 3
    for name in ("anomaly_score", "nll", "joint_score", "cube_nll"):
        torch.testing.assert_close(found[name][suspicious], whole[name][suspicious], rtol=1e-4, atol=1e-5)
    softplus = torch.nn.functional.softplus
    others = softplus(excess[~suspicious]) + softplus(torch.zeros(3))
    torch.testing.assert_close(found.anomaly_score[~suspicious], others)
    nobody = model(**given, gate=1e6)
    torch.testing.assert_close(nobody.nll, model.reference.nll_mean.expand(6))
    torch.testing.assert_close(model(**given, gate=-1e6).anomaly_score, whole.anomaly_score, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="gate is 1.0, but there is no reference"):
        build(anomaly_score="nll")(**given, gate=1.0)
