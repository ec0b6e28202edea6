import json
import math

import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips, touching, uneven_clips
from huggingface_hub.errors import StrictDataclassClassValidationError
from transformers import AutoConfig, AutoModel, AutoModelForPreTraining

from modeling_mofm import (
    MoFMConfig,
    MoFMForAnomalyDetection,
    MoFMForMaskedMotionModeling,
    MoFMForSequenceClassification,
    MoFMModel,
)
from modeling_mofm.configuration_mofm import PRESETS
from modeling_mofm.masking import MASKINGS, noise_shape
from modeling_mofm.modeling_mofm import apply_rotary_pos_emb, keep_cubes, rotary_positions, sincos_positions
from tokenization_mofm import MoFMFeatureExtractor
from tokenization_mofm.thermal_cubes import join_cubes, render_volume

GAUSSIAN = (24, 0.75, 3.0)
SIZES = {**TINY_SIZES, "codebook_size": 32}
WAYS = [{}, {"drop_empty_cubes": False}, {"predictor_layers": 1}]  # of what is in the sequence


def build(model=MoFMForMaskedMotionModeling, **fields):
    torch.manual_seed(3)
    built = model(MoFMConfig(**{**TINY_GEOMETRY, **SIZES, **fields})).eval()
    for name, parameter in built.named_parameters():
        if "bias" in name or "mask_token" in name:  # zeros hide mistakes
            torch.nn.init.normal_(parameter, std=0.3)
    return built


@pytest.fixture
def model():
    return build()


@pytest.fixture
def encoder():
    return build(MoFMModel)


def random_mask(active, ratio=0.5):
    return active & (torch.rand(active.shape) < ratio)


def random_labels(active):
    """Return words of active cubes, and the word of empty ones elsewhere, as the dVED gives them."""
    return torch.where(active, torch.randint(0, 32, active.shape), 32)


@torch.no_grad()
def test_shapes_and_what_the_sequence_holds(encoder):
    keypoints, scores = uneven_clips()
    active = touching(keypoints, scores).any(-1)
    output = encoder(keypoints, scores)
    longest = int(active.sum(1).max())
    assert output.last_hidden_state.shape == (5, longest, 36) and output.pooler_output.shape == (5, 36)
    assert output.attention_mask.sum(1).tolist() == active.sum(1).clamp(min=1).tolist()
    for i in range(5):
        kept = output.cube_ids[i, output.attention_mask[i] > 0].tolist()
        assert kept == (active[i].nonzero().flatten().tolist() or [0])
        assert not output.last_hidden_state[i, len(kept) :].any()
        mean = output.last_hidden_state[i, : len(kept)].mean(0)
        torch.testing.assert_close(output.pooler_output[i], mean)


@torch.no_grad()
def test_logits_lie_at_the_cubes_of_the_grid(model):
    clips = uneven_clips()
    active = touching(*clips).any(-1)
    output = model(*clips)
    assert output.logits.shape == (5, 32, 32) and output.loss is None and output.bool_masked_pos is None
    assert (output.logits[active].abs().amax(-1) > 0).all()
    left_out = ~active
    left_out[3, 0] = False  # a clip without any heat keeps its first cube
    assert not output.logits[left_out].any()


@torch.no_grad()
def test_leaving_cubes_out_equals_hiding_them_from_attention():
    clips = uneven_clips()
    dropping, keeping = build(), build(drop_empty_cubes=False)
    keeping.load_state_dict(dropping.state_dict())
    active = touching(*clips).any(-1)
    active[3, 0] = True
    tokens = keeping.mofm.embeddings(keeping.read_clips(*clips), None)
    bias = torch.where(active, 0.0, -torch.inf)[:, None, None]
    places = torch.arange(tokens.shape[1]).expand(len(tokens), -1)
    positions = rotary_positions(places, (2, 4, 4), 12)
    for layer in keeping.mofm.layers:
        tokens = layer(tokens, positions, bias)
    logits = keeping.lm_head(keeping.mofm.layernorm(tokens))
    torch.testing.assert_close(dropping(*clips).logits[active], logits[active], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_dropping_changes_nothing_where_no_cube_is_empty():
    places = torch.tensor([3.0, 9.0, 15.0, 21.0])
    keypoints = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1).view(1, 1, 16, 2).repeat(2, 8, 1, 1)
    keypoints = torch.cat((keypoints, torch.full((2, 8, 1, 2), 12.0)), 2) + torch.rand(2, 8, 17, 2)
    assert touching(keypoints, torch.ones(2, 8, 17)).any(-1).all()
    dropping, keeping = build(), build(drop_empty_cubes=False)
    keeping.load_state_dict(dropping.state_dict())
    torch.testing.assert_close(dropping(keypoints).logits, keeping(keypoints).logits, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_without_dropping_every_cube_is_a_token():
    model = build(MoFMModel, drop_empty_cubes=False)
    output = model(*uneven_clips())
    assert output.last_hidden_state.shape == (5, 32, 36) and output.attention_mask.all()
    assert torch.equal(output.cube_ids, torch.arange(32).expand(5, 32))
    torch.testing.assert_close(output.pooler_output, output.last_hidden_state.mean(1))


@torch.no_grad()
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_clip_has_the_same_output_in_any_batch(attention, masked):
    model = build(attn_implementation=attention)
    keypoints, scores = uneven_clips()
    mask = random_mask(touching(keypoints, scores).any(-1)) if masked else None
    together = model(keypoints, scores, bool_masked_pos=mask)
    pooled = model.mofm(keypoints, scores, bool_masked_pos=mask).pooler_output
    for i in range(5):
        clip = {"keypoints": keypoints[i : i + 1], "scores": scores[i : i + 1]}
        clip["bool_masked_pos"] = mask[i : i + 1] if masked else None
        torch.testing.assert_close(model(**clip).logits[0], together.logits[i], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.mofm(**clip).pooler_output[0], pooled[i], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fields", WAYS)
@pytest.mark.parametrize("people", [None, 2])
def test_clips_without_joints_are_finite(people, fields):
    model = build(**fields).train()
    lead = (2,) if people is None else (2, people)
    keypoints, scores = torch.full((*lead, 8, 17, 2), torch.nan), torch.zeros(*lead, 8, 17)
    output = model(keypoints, scores, labels=torch.full((math.prod(lead), 32), 32))
    assert output.loss == 0 and not output.bool_masked_pos.any()
    output.loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert model.mofm(keypoints, scores).pooler_output.isfinite().all()
    assert model.eval()(keypoints, scores).logits.isfinite().all()


@torch.no_grad()
def test_people_are_sequences_of_their_own(model):
    keypoints, scores = uneven_clips()
    keypoints, scores = torch.cat((keypoints, keypoints[:1])), torch.cat((scores, scores[:1]))
    people = keypoints.unflatten(0, (2, 3)), scores.unflatten(0, (2, 3))
    folded, output = model.mofm(keypoints, scores), model.mofm(*people)
    assert output.pooler_output.shape == (2, 3, 36)
    assert torch.equal(output.pooler_output.flatten(0, 1), folded.pooler_output)
    assert torch.equal(output.last_hidden_state, folded.last_hidden_state)
    assert torch.equal(model(*people).logits, model(keypoints, scores).logits)
    volume = render_volume(keypoints, scores, *GAUSSIAN)
    assert model.mofm(heatmaps=volume.unflatten(0, (2, 3))).pooler_output.shape == (2, 3, 36)
    assert model.mofm(heatmaps=volume).pooler_output.shape == (6, 36)


@torch.no_grad()
def test_heatmaps_are_as_good_as_keypoints(model):
    keypoints, scores = uneven_clips()
    volume = render_volume(keypoints, scores, *GAUSSIAN)
    noise = torch.rand(5, 17, 2)
    dense, sparse = model(heatmaps=volume, mask_noise=noise), model(keypoints, scores, mask_noise=noise)
    assert torch.equal(dense.bool_masked_pos, sparse.bool_masked_pos) and dense.bool_masked_pos.any()
    torch.testing.assert_close(dense.logits, sparse.logits, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("content", ["other", "faint", "empty"])
@pytest.mark.parametrize("fields", WAYS)
def test_what_masked_cubes_hold_has_no_influence(content, fields):
    model = build(**fields)
    clips = uneven_clips()
    volume = render_volume(*clips, *GAUSSIAN)
    active = touching(*clips).any(-1)
    mask = random_mask(active)
    labels = random_labels(active)
    where = join_cubes(mask[..., None, None, None, None].expand(-1, -1, 1, 4, 6, 6), (2, 4, 4))
    other = {"other": torch.rand_like(volume), "faint": volume * 0.5, "empty": torch.zeros_like(volume)}[content]
    changed = torch.where(where, other, volume)
    assert mask.any() and not torch.equal(changed, volume)
    expected = model(heatmaps=volume, bool_masked_pos=mask, labels=labels)
    output = model(heatmaps=changed, bool_masked_pos=mask, labels=labels)
    assert torch.equal(output.logits, expected.logits) and torch.equal(output.loss, expected.loss)
    assert not torch.equal(model(heatmaps=changed).logits, model(heatmaps=volume).logits)


@torch.no_grad()
def test_hidden_keypoints_may_move_within_masked_cubes(model):
    keypoints, scores = make_clips(1, missing=0)
    keypoints[..., 0, :] = 8.7  # alone it touches the cube of rows and columns 6 to 11
    keypoints[..., 1:, :] = keypoints[..., 1:, :] % 6 + 16
    mask = touching(keypoints, scores)[..., 0]
    moved = keypoints.clone()
    moved[..., 0, :] = 8.3
    assert mask.sum() == 2 and torch.equal(touching(moved, scores), touching(keypoints, scores))
    expected = model(keypoints, scores, bool_masked_pos=mask)
    assert torch.equal(model(moved, scores, bool_masked_pos=mask).logits, expected.logits)
    assert not torch.equal(model(moved, scores).logits, model(keypoints, scores).logits)


@torch.no_grad()
def test_masked_cubes_differ_by_their_place_only(encoder):
    keypoints, scores = uneven_clips()
    mask = touching(keypoints, scores).any(-1)
    tokens = encoder.embeddings(encoder.read_clips(keypoints, scores), mask)
    positions = sincos_positions((2, 4, 4), 36, tokens.device, tokens.dtype)
    expected = (encoder.embeddings.mask_token + positions).expand(5, -1, -1)
    torch.testing.assert_close(tokens[mask], expected[mask])


@pytest.mark.parametrize("fields", WAYS)
def test_loss_is_the_slow_formula(fields):
    model = build(**fields)
    clips = uneven_clips()
    active = touching(*clips).any(-1)
    mask, labels = random_mask(active), random_labels(active)
    mask[2] = False  # a clip without masked cubes does not count
    mask[0, 5] = True
    labels[0, 5] = -100  # nor does a cube without a label
    empty = (~active[4]).nonzero()[0]
    mask[4, empty] = True  # nor one whose word is not of the code book
    output = model(*clips, bool_masked_pos=mask, labels=labels)
    means = []
    for clip in range(5):
        losses = []
        for cube in range(32):
            if mask[clip, cube] and 0 <= labels[clip, cube] < 32:
                scores = output.logits[clip, cube].double().tolist()
                losses.append(math.log(sum(map(math.exp, scores))) - scores[labels[clip, cube]])
        if losses:
            means.append(sum(losses) / len(losses))
    assert len(means) in (2, 3)
    assert output.loss.item() == pytest.approx(sum(means) / len(means), rel=1e-5)


@torch.no_grad()
def test_loss_ignores_empty_and_unmasked_cubes(model):
    clips = uneven_clips()
    active = touching(*clips).any(-1)
    mask = random_mask(active)
    labels = random_labels(active)
    expected = model(*clips, bool_masked_pos=mask, labels=labels).loss
    others = torch.where(mask, labels, torch.randint(0, 37, labels.shape))
    assert torch.equal(model(*clips, bool_masked_pos=mask, labels=others).loss, expected)
    wrong = torch.where(mask, (labels + 1) % 32, labels)
    assert not torch.equal(model(*clips, bool_masked_pos=mask, labels=wrong).loss, expected)
    assert model(*clips, bool_masked_pos=torch.zeros_like(mask), labels=labels).loss == 0


@torch.no_grad()
@pytest.mark.parametrize("masking", MASKINGS)
def test_mask_follows_from_its_noise(masking):
    model = build(masking=masking)
    clips = uneven_clips()
    active = touching(*clips).any(-1)
    noise = torch.rand(5, *noise_shape(masking, (2, 4, 4), 17))
    masks = [model(*clips, mask_noise=noise).bool_masked_pos for _ in range(2)]
    assert torch.equal(*masks) and torch.equal(masks[0], model.train()(*clips, mask_noise=noise).bool_masked_pos)
    assert not (masks[0] & ~active).any() and masks[0].any(1).tolist() == (active.sum(1) > 1).tolist()
    other = model(*clips, mask_noise=torch.rand_like(noise)).bool_masked_pos
    assert not torch.equal(other, masks[0])


def test_masks_are_drawn_in_training_only(model, clips):
    assert model(*clips).bool_masked_pos is None
    model.train()
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(model(*clips).bool_masked_pos)
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    given = random_mask(touching(*clips).any(-1))
    assert torch.equal(model(*clips, bool_masked_pos=given).bool_masked_pos, given)


@pytest.mark.parametrize("fields", WAYS)
def test_eager_equals_sdpa(fields):
    models = [build(attn_implementation=name, **fields) for name in ("eager", "sdpa")]
    assert [model.config._attn_implementation for model in models] == ["eager", "sdpa"]
    models[1].load_state_dict(models[0].state_dict())
    clips = uneven_clips()
    mask = random_mask(touching(*clips).any(-1))
    with torch.no_grad():
        eager, sdpa = (model(*clips, bool_masked_pos=mask).logits for model in models)
    torch.testing.assert_close(eager, sdpa, rtol=1e-5, atol=1e-5)
    labels = random_labels(touching(*clips).any(-1))
    eager, sdpa = (gradients(model.train(), clips, mask, labels)[1] for model in models)
    for name, gradient in eager.items():
        torch.testing.assert_close(sdpa[name], gradient, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_hidden_states_and_attentions_where_asked_for():
    model = build(attn_implementation="eager")
    clips = uneven_clips()
    output = model(*clips, output_hidden_states=True, output_attentions=True)
    length = int(touching(*clips).any(-1).sum(1).max())
    assert [state.shape for state in output.hidden_states] == [(5, length, 36)] * 3
    assert [weights.shape for weights in output.attentions] == [(5, 3, length, length)] * 2
    kept = model.mofm(*clips).attention_mask > 0
    for weights in output.attentions:
        torch.testing.assert_close(weights.sum(-1), torch.ones(5, 3, length))
        assert weights.movedim(3, 1)[~kept].abs().max() == 0  # nothing attends to padding
    assert model(*clips).hidden_states is None and model(*clips).attentions is None


def gradients(model, clips, mask, labels):
    model.zero_grad()
    loss = model(*clips, bool_masked_pos=mask, labels=labels).loss
    loss.backward()
    return loss.detach(), {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning")
def test_gradient_checkpointing_gives_the_same_gradients(model, clips):
    active = touching(*clips).any(-1)
    mask, labels = random_mask(active), random_labels(active)
    model.train()
    loss, expected = gradients(model, clips, mask, labels)
    model.gradient_checkpointing_enable()
    assert all(layer.gradient_checkpointing for layer in model.mofm.layers)
    again, result = gradients(model, clips, mask, labels)
    assert torch.equal(again, loss)
    for name, gradient in expected.items():
        assert gradient is not None and gradient.abs().max() > 0, name
        torch.testing.assert_close(result[name], gradient, rtol=1e-5, atol=1e-7)


def test_loss_falls_on_one_batch(model, clips):
    active = touching(*clips).any(-1)
    mask, labels = random_mask(active), random_labels(active)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(40):
        loss, _ = gradients(model.train(), clips, mask, labels)
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 2.5 and losses[-1] < 0.3 * losses[0]


@torch.no_grad()
@pytest.mark.parametrize("fields", WAYS)
def test_compiled_equals_eager(fields):
    model = build(**fields)
    keypoints, scores = uneven_clips()
    inputs = {"keypoints": torch.nan_to_num(keypoints), "scores": scores}
    active = touching(*inputs.values()).any(-1)
    inputs |= {"labels": random_labels(active), "mask_noise": torch.rand(5, 17, 2)}
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")(**inputs)
    expected = model(**inputs)
    assert torch.equal(compiled.bool_masked_pos, expected.bool_masked_pos) and expected.bool_masked_pos.any()
    torch.testing.assert_close(compiled.loss, expected.loss, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(compiled.logits, expected.logits, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_save_and_load(model, clips, tmp_path):
    model.save_pretrained(tmp_path)
    loaded, info = MoFMForMaskedMotionModeling.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert not loaded.training
    assert torch.equal(loaded(*clips).logits, model(*clips).logits)


@torch.no_grad()
@pytest.mark.parametrize("kind", [MoFMForMaskedMotionModeling, MoFMForSequenceClassification, MoFMForAnomalyDetection])
def test_a_loaded_model_learns_what_a_new_one_learns(kind, tmp_path):
    new = kind(MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES, predictor_layers=1))
    new.save_pretrained(tmp_path)
    still = {name for name, weights in new.named_parameters() if not weights.requires_grad}
    loaded = kind.from_pretrained(tmp_path)
    assert "mofm.embeddings.mask_token" in still
    assert still == {name for name, weights in loaded.named_parameters() if not weights.requires_grad}


def test_auto_classes_load_it(model, clips, tmp_path):
    model.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert type(config) is MoFMConfig and (config.model_type, config.grid_size) == ("mofm", (2, 4, 4))
    pretraining, encoder = AutoModelForPreTraining.from_pretrained(tmp_path), AutoModel.from_pretrained(tmp_path)
    assert type(pretraining) is MoFMForMaskedMotionModeling and type(encoder) is MoFMModel
    assert torch.equal(pretraining(*clips).logits, model(*clips).logits)
    assert torch.equal(encoder(*clips).pooler_output, model.mofm(*clips).pooler_output)
    encoder.save_pretrained(tmp_path / "encoder")
    again = AutoModel.from_pretrained(tmp_path / "encoder")
    assert torch.equal(again(*clips).pooler_output, encoder(*clips).pooler_output)


@torch.no_grad()
def test_attention_may_be_chosen_when_loading(model, clips, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path, attn_implementation="eager")
    assert loaded.config._attn_implementation == "eager"
    torch.testing.assert_close(loaded(*clips).pooler_output, model.mofm(*clips).pooler_output, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("grid", [(2, 4, 4), (4, 8, 8), (1, 1, 3)])
@pytest.mark.parametrize("width", [36, 192, 64])
def test_positions_are_distinct_and_bounded(grid, width):
    table = sincos_positions(grid, width, torch.device("cpu"), torch.float32)
    assert table.shape == (math.prod(grid), width) and table.abs().max() <= 1
    apart = torch.cdist(table, table) + torch.eye(len(table)) * 9
    assert apart.min() > 0.05
    # a step along an axis is the same move wherever it starts
    spread = table.unflatten(0, grid)
    steps = (spread[:, :, 1:] - spread[:, :, :-1]).norm(dim=-1)
    torch.testing.assert_close(steps, steps[:1, :1].expand_as(steps), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head_dim", [2, 8, 12, 64])
def test_turned_heads_see_differences_of_places(head_dim):
    slices, rows, columns = 3, 4, 5
    query, key = torch.randn(2, 1, 1, 1, head_dim, dtype=torch.float64)

    def score(at, of):
        cubes = torch.tensor([[(t * rows + y) * columns + x for t, y, x in (at, of)]])
        cos, sin = rotary_positions(cubes, (slices, rows, columns), head_dim)
        heads = apply_rotary_pos_emb(torch.cat((query, key), 2), (cos, sin))
        torch.testing.assert_close(heads.norm(dim=-1), torch.cat((query, key), 2).norm(dim=-1))
        return float(heads[0, 0, 0] @ heads[0, 0, 1])

    plain = float(query.flatten() @ key.flatten())
    assert score((1, 2, 3), (1, 2, 3)) == pytest.approx(plain, abs=1e-6)
    assert score((0, 1, 2), (1, 0, 4)) == pytest.approx(score((1, 2, 0), (2, 1, 2)), abs=1e-6)
    if head_dim >= 6:  # each axis turns a pair
        for place in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
            assert abs(score((0, 0, 0), place) - plain) > 1e-4


def test_cubes_are_kept_by_hand():
    tokens = torch.arange(12.0).view(3, 4, 1)
    active = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]]).bool()
    before = active.clone()
    packed, cube_ids, kept = keep_cubes(tokens, active)
    assert torch.equal(active, before)
    assert kept.tolist() == [[True, True], [True, False], [True, False]]
    assert cube_ids[kept].tolist() == [1, 3, 0, 2]
    assert packed[kept].flatten().tolist() == [1, 3, 4, 10]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keypoints": (3, 8, 16, 2)}, r"keypoints must be \[B, \(M,\) 8, 17, 2\], got \[3, 8, 16, 2\]"),
        ({"keypoints": (3, 2, 9, 17, 2)}, r"keypoints must be \[B, \(M,\) 8, 17, 2\], got \[3, 2, 9, 17, 2\]"),
        ({"keypoints": (8, 17, 2)}, r"keypoints must be \[B, \(M,\) 8, 17, 2\], got \[8, 17, 2\]"),
        (
            {"keypoints": (3, 8, 17, 2), "scores": (3, 8)},
            r"scores must be \[3, 8, 17\] as keypoints are, got \[3, 8\]",
        ),
        ({"heatmaps": (3, 17, 8, 24, 25)}, r"heatmaps must be \[B, \(M,\) 17, 8, 24, 24\], got \[3, 17, 8, 24, 25\]"),
        ({}, "give either keypoints or heatmaps, got neither"),
        (
            {"keypoints": (3, 8, 17, 2), "heatmaps": (3, 17, 8, 24, 24)},
            "give either keypoints or heatmaps, got both",
        ),
    ],
)
def test_wrong_inputs_are_refused(model, fields, message):
    inputs = {name: torch.zeros(shape) for name, shape in fields.items()}
    for module in (model, model.mofm, model.train()):
        with pytest.raises(ValueError, match=message):
            module(**inputs)


def test_what_a_newer_version_may_have_added_is_said(tmp_path, caplog):
    MoFMConfig(num_labels=3, output_attentions=True).save_pretrained(tmp_path)
    MoFMConfig.from_pretrained(tmp_path)
    assert "does not know" not in caplog.text
    fields = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**fields, "cube_colour": "red"}))
    assert MoFMConfig.from_pretrained(tmp_path).hidden_size == MoFMConfig().hidden_size
    assert "MoFMConfig has cube_colour, which this version of MoFM does not know" in caplog.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 190}, "hidden_size must be a multiple of twice num_attention_heads = 3 .*, got 190"),
        ({"codebook_size": 1}, "codebook_size must be at least 2, got 1"),
        ({"masking": "random"}, r"masking must be one of \('keypoint', 'uniform', 'tube'\), got 'random'"),
        ({"mask_ratio": 0.0}, r"mask_ratio must be in \(0, 1\), got 0.0"),
        ({"mask_ratio": 1.0}, r"mask_ratio must be in \(0, 1\), got 1.0"),
        ({"mask_span": 0}, r"mask_span must be in \[1, 4\] time slices, got 0"),
        ({"mask_span": 5}, r"mask_span must be in \[1, 4\] time slices, got 5"),
        ({"sigma": 0}, "sigma must be positive, got 0"),
        ({"input_stride": 4}, r"input_stride must divide the rows and columns of cube_size \(12, 9, 9\), got 4"),
        ({"cube_size": (12, 8, 8), "input_stride": 2}, "input_stride must be odd, so that a step has a middle, got 2"),
        ({"num_frames": 47}, r"num_frames must be a multiple of cube_size\[0\] = 12, got 47"),
        ({"heatmap_size": 71}, "heatmap_size must be a multiple of 9 and 9, got 71"),
        ({"cube_size": (12, 9)}, r"cube_size must be three positive integers .* got \(12, 9\)"),
    ],
)
def test_wrong_configurations_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        MoFMConfig(**fields)


@pytest.mark.parametrize(
    ("preset", "millions"), [("tiny", 2.67), ("small", 21.3), ("base", 85.1), ("large", 302.3)], ids=list(PRESETS)
)
def test_presets_are_the_vits(preset, millions):
    config = MoFMConfig.from_preset(preset, mask_ratio=0.6)
    assert config.mask_ratio == 0.6
    with torch.device("meta"):
        model = MoFMModel(config)
    blocks = sum(parameter.numel() for parameter in model.layers.parameters())
    assert blocks / 1e6 == pytest.approx(millions, rel=0.01)  # of the ViT of that name
    cubes = 17 * 12 * 3 * 3 * config.hidden_size  # in steps of three pixels, instead of a ViT's patches
    assert model.num_parameters() == pytest.approx(blocks + cubes, rel=0.001)


def test_unknown_preset_is_refused():
    with pytest.raises(ValueError, match=r"preset must be one of \('tiny', 'small', 'base', 'large'\), got 'huge'"):
        MoFMConfig.from_preset("huge")


@pytest.mark.parametrize("shape", [(32,), (1, 32), (3, 1, 32), (3, 31)])
@pytest.mark.parametrize("name", ["bool_masked_pos", "labels"])
def test_masks_and_labels_of_another_shape_are_refused(model, clips, name, shape):
    values = torch.zeros(shape, dtype=torch.bool if name == "bool_masked_pos" else torch.long)
    with pytest.raises(ValueError, match=rf"{name} must be \[3, 32\] .*, got \[{', '.join(map(str, shape))}\]"):
        model.eval()(*clips, **{name: values})


def test_scores_that_are_not_a_number_are_missing(model, clips):
    keypoints, scores = clips
    broken = torch.where(scores == 0, torch.nan, scores)
    with torch.no_grad():
        assert torch.equal(model.eval()(keypoints, broken).logits, model(keypoints, scores).logits)


def test_training_leaves_logits_packed():
    model = build().train()
    keypoints, scores = make_clips()
    labels = random_labels(touching(keypoints, scores).any(-1))
    assert model(keypoints, scores, labels=labels).logits is None
    assert model(keypoints, scores).logits.shape == model.eval()(keypoints, scores, labels=labels).logits.shape


@torch.no_grad()
def test_empty_inputs_of_language_models_are_let_pass(model, encoder):
    clips = make_clips(2)
    empty = {"input_ids": None, "attention_mask": None, "inputs_embeds": None, "position_ids": None}
    assert torch.equal(encoder(*clips, **empty).last_hidden_state, encoder(*clips).last_hidden_state)
    assert torch.equal(model(*clips, **empty).logits, model(*clips).logits)
    with pytest.raises(ValueError, match="attention_mask is an input of language models"):
        encoder(*clips, attention_mask=torch.ones(2, 32))


def test_a_push_takes_the_extractor_along_that_lies_beside_the_model(model, tmp_path):
    model.save_pretrained(tmp_path / "mine")
    mine = MoFMFeatureExtractor(num_frames=8, heatmap_size=24, box_scale=0.7, layout="openpose25")
    mine.save_pretrained(tmp_path / "mine")
    MoFMForMaskedMotionModeling.from_pretrained(tmp_path / "mine").save_companions(tmp_path / "pushed")
    pushed = MoFMFeatureExtractor.from_pretrained(tmp_path / "pushed")
    assert (pushed.box_scale, pushed.layout) == (0.7, "openpose25")
    model.save_companions(tmp_path / "new")  # of a model that was never saved
    assert MoFMFeatureExtractor.from_pretrained(tmp_path / "new").num_frames == model.config.num_frames


def test_a_pickle_is_not_opened_and_damaged_weights_are_named(model, tmp_path):
    model.save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match="are cut off or damaged .*; get them again"):
        MoFMForMaskedMotionModeling.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="no file named model.safetensors"):
        MoFMForMaskedMotionModeling.from_pretrained(tmp_path)
