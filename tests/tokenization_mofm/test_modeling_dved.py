import pytest
import torch
from clips import TINY_GEOMETRY, make_clips
from huggingface_hub.errors import StrictDataclassClassValidationError
from transformers import AutoConfig, AutoModel

from tokenization_mofm import DVEDConfig, DVEDModel
from tokenization_mofm.clip_inputs import ClipInputs
from tokenization_mofm.configuration_dved import DVED_PRESETS
from tokenization_mofm.reconstruction_metrics import codebook_use, ssim_map
from tokenization_mofm.thermal_cubes import cut_cubes, render_map, render_volume, touched_cubes

GAUSSIAN = (24, 0.75, 3.0)
QUANTIZERS = ("gumbel", "vq", "rvq", "fsq")
RECONSTRUCTIONS = ("max", "joints")


def build(**fields):
    sizes = {"hidden_size": 16, "codebook_size": 32, "levels": (4, 8), "code_size": 8, "num_decoder_blocks": 1}
    return DVEDModel(DVEDConfig(**{**TINY_GEOMETRY, **sizes, **fields})).eval()


@pytest.fixture(params=[(q, r) for q in QUANTIZERS for r in RECONSTRUCTIONS], ids="-".join)
def model(request):
    return build(quantizer=request.param[0], reconstruction=request.param[1])


def few_and_many():
    """Return five clips: all joints there, none, one joint in one frame, a fifth and nearly all joints missing."""
    keypoints, scores = make_clips(5)
    scores[0] = 1
    scores[1] = 0
    scores[2] = 0
    scores[2, 3, 5] = 0.8
    scores[4] *= torch.rand(scores[4].shape) < 0.05
    keypoints[scores == 0] = torch.nan
    return keypoints, scores


@torch.no_grad()
def test_encode_decode_and_forward_agree(model):
    keypoints, scores = few_and_many()
    encoded, output = model.encode(keypoints, scores), model(keypoints, scores)
    assert torch.equal(encoded.input_ids, output.input_ids)
    assert encoded.input_ids.shape == (5, 32) and encoded.latents.shape == (5, 32, 8)
    assert encoded.input_ids[encoded.input_ids != 32].unique().numel() > 1
    torch.testing.assert_close(model.decode(encoded.input_ids), output.heatmaps, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_shapes_and_range(model):
    output = model(*few_and_many())
    channels = {"max": 1, "joints": 17}[model.config.reconstruction]
    assert output.heatmaps.shape == (5, channels, 8, 24, 24)
    assert output.heatmaps.min() >= 0 and 0.05 < output.heatmaps.max() <= 1
    for name in ("loss", "reconstruction_loss", "kl", "usage", "commitment"):
        assert output[name].shape == () and output[name].isfinite(), name
    assert model(*few_and_many(), return_loss=False).loss is None
    assert model.train()(*few_and_many()).heatmaps is None


@torch.no_grad()
def test_empty_cubes_have_the_empty_word_and_are_exact_zeros(model):
    keypoints, scores = few_and_many()
    encoded = model.encode(keypoints, scores)
    touched = touched_cubes(keypoints, scores, 24, (4, 6, 6), 0.75, 3.0).any(-1)
    assert torch.equal(encoded.input_ids == 32, ~touched)
    assert not touched[1].any() and 0 < touched[2].sum() <= 4 and touched[0].sum() > 12
    cubes = cut_cubes(model.decode(encoded.input_ids), (4, 6, 6)).flatten(2)
    assert not cubes[~touched].any()
    assert (cubes[touched].amax(-1) > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("special", [32, 33, 36])
def test_special_words_are_drawn_as_nothing(dved, special):
    ids = torch.full((2, 32), special)
    assert not dved.decode(ids).any()
    ids[0, 5] = 3
    drawn = cut_cubes(dved.decode(ids), (4, 6, 6)).flatten(2).any(-1)
    assert drawn.nonzero().tolist() == [[0, 5]]


@torch.no_grad()
def test_deterministic(model):
    keypoints, scores = few_and_many()
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        ids = model.encode(keypoints, scores).input_ids
        results.append((ids, model.decode(ids), model(keypoints, scores).loss))
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


@torch.no_grad()
def test_clips_of_a_batch_are_independent(model):
    keypoints, scores = few_and_many()
    together = model.encode(keypoints, scores)
    heat = model.decode(together.input_ids)
    for i in range(5):
        alone = model.encode(keypoints[i : i + 1], scores[i : i + 1])
        assert torch.equal(alone.input_ids[0], together.input_ids[i])
        torch.testing.assert_close(alone.latents[0], together.latents[i], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model.decode(alone.input_ids)[0], heat[i], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_people_are_folded_into_the_batch(model):
    keypoints, scores = make_clips(6)
    folded, output = model(keypoints, scores), model(keypoints.unflatten(0, (2, 3)), scores.unflatten(0, (2, 3)))
    assert output.input_ids.shape == (6, 32)
    for name, value in folded.items():
        assert torch.equal(output[name], value), name
    volume = render_volume(keypoints, scores, *GAUSSIAN)
    encoded = model.encode(heatmaps=volume.unflatten(0, (2, 3)))
    assert torch.equal(encoded.input_ids, model.encode(heatmaps=volume).input_ids)


@torch.no_grad()
def test_heatmaps_are_as_good_as_keypoints(model):
    keypoints, scores = few_and_many()
    volume = render_volume(keypoints, scores, *GAUSSIAN)
    encoded, dense = model.encode(keypoints, scores), model.encode(heatmaps=volume)
    assert torch.equal(dense.input_ids, encoded.input_ids)
    torch.testing.assert_close(dense.latents, encoded.latents, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model(heatmaps=volume).loss, model(keypoints, scores).loss, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_without_scores_every_joint_is_there(dved, clips):
    keypoints, scores = clips
    expected = dved.encode(keypoints, torch.ones_like(scores)).input_ids
    assert torch.equal(dved.encode(keypoints).input_ids, expected)
    assert not torch.equal(dved.encode(keypoints, scores).input_ids, expected)


def target(model, *clips, **heatmaps):
    return model.target(ClipInputs.check(model.config, model.dtype, *clips, **heatmaps))


@torch.no_grad()
def test_target_is_what_is_reconstructed(clips):
    volume = render_volume(*clips, *GAUSSIAN)
    for reconstruction, expected in {"max": render_map(*clips, *GAUSSIAN)[:, None], "joints": volume}.items():
        model = build(reconstruction=reconstruction)
        torch.testing.assert_close(target(model, *clips), expected)
        torch.testing.assert_close(target(model, heatmaps=volume), expected)


def test_reconstruction_loss_by_a_loop():
    model = build(heat_weight=2.5, structure_weight=7.0)
    cubes, target = torch.rand(5, 1, 4, 6, 6), torch.rand(5, 1, 4, 6, 6) * (torch.rand(5, 1, 4, 6, 6) < 0.3)
    active = torch.tensor([True, True, False, True, False])
    expected = 0.0
    for n in (0, 1, 3):
        voxels = zip(cubes[n].flatten().tolist(), target[n].flatten().tolist(), strict=True)
        squared = sum((1 + 2.5 * y) * (x - y) ** 2 for x, y in voxels)
        similarity = sum(ssim_map(cubes[n, 0, t], target[n, 0, t]).mean().item() for t in range(4)) / 4
        expected += (squared + 7 * (1 - similarity)) / 3
    assert model.reconstruction_loss(cubes, target, active).item() == pytest.approx(expected, rel=1e-4)
    assert model.reconstruction_loss(target, target, active).item() == pytest.approx(0, abs=1e-3)


def test_loss_is_the_weighted_sum_of_its_parts(clips):
    for quantizer in QUANTIZERS:
        model = build(quantizer=quantizer, kl_weight=0.3, usage_weight=0.7, commitment_weight=2.0)
        output = model(*clips)
        expected = output.reconstruction_loss + 0.3 * output.kl + 0.7 * output.usage + 2 * output.commitment
        torch.testing.assert_close(output.loss, expected)


def test_every_parameter_learns(model, clips):
    model.train()(*clips).loss.backward()
    still = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert still == []
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("quantizer", "reconstruction"),
    [(q, r) for q in QUANTIZERS for r in RECONSTRUCTIONS if (q, r) != ("fsq", "joints")],
    # mostly black maps of each joint are first drawn black; a grid has no term that keeps its words in use meanwhile
)
def test_loss_falls_on_one_batch_and_the_code_book_stays_in_use(quantizer, reconstruction):
    # by default words first restart after 150 steps
    fields = {"restart_threshold": 0.3, "usage_decay": 0.9}
    model = build(quantizer=quantizer, reconstruction=reconstruction, **fields)
    clips = make_clips(4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    with torch.no_grad():
        before = model(*clips)
    model.train()
    for step in range(60):
        model.quantizer.temperature = 0.1 ** (step / 59)
        loss = model(*clips).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        after = model.eval()(*clips)
    assert after.loss < 0.6 * before.loss
    error = [(output.heatmaps - target(model, *clips)).abs().mean() for output in (before, after)]
    assert error[1] < 0.6 * error[0]
    counts = torch.bincount(after.input_ids[after.input_ids < 32], minlength=32)
    assert codebook_use(counts)[1] > 12  # of 32; a collapsed code book has a perplexity of 1


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_training_survives_a_batch_without_joints(quantizer):
    keypoints, scores = make_clips(2)
    output = build(quantizer=quantizer).train()(keypoints, torch.zeros_like(scores))
    assert output.loss.isfinite()
    output.loss.backward()


@torch.no_grad()
@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_clips_without_joints_are_empty(quantizer):
    output = build(quantizer=quantizer)(torch.full((2, 8, 17, 2), torch.nan), torch.zeros(2, 8, 17))
    assert (output.input_ids == 32).all()
    assert not output.heatmaps.any() and output.reconstruction_loss == 0 and output.loss.isfinite()


@torch.no_grad()
def test_save_and_load(model, clips, tmp_path):
    model.quantizer.share.uniform_()
    model.save_pretrained(tmp_path)
    loaded, info = DVEDModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert not loaded.training and loaded.config.to_dict() == {**model.config.to_dict(), **changed(model, loaded)}
    state = loaded.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    expected, output = model(*clips), loaded(*clips)
    assert torch.equal(output.input_ids, expected.input_ids) and torch.equal(output.heatmaps, expected.heatmaps)


@torch.no_grad()
def test_compiled_equals_eager(dved):
    keypoints, scores = few_and_many()
    keypoints = torch.nan_to_num(keypoints)
    torch._dynamo.reset()
    expected = dved(keypoints, scores)
    output = torch.compile(dved, fullgraph=True, backend="eager")(keypoints, scores)
    assert torch.equal(output.input_ids, expected.input_ids)
    for name in ("loss", "kl", "usage", "heatmaps"):
        torch.testing.assert_close(output[name], expected[name], rtol=1e-5, atol=1e-5)
    decoded = torch.compile(dved.decode, fullgraph=True, backend="eager")(expected.input_ids)
    torch.testing.assert_close(decoded, expected.heatmaps, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_runs_in_half_precision(model, clips, dtype):
    expected = model(*clips)
    output = model.to(dtype)(*clips)
    assert torch.equal(output.input_ids == 32, expected.input_ids == 32) and output.heatmaps.dtype == dtype
    assert output.loss.item() == pytest.approx(expected.loss.item(), rel=0.05)


def changed(model, loaded):
    """Return the fields that saving itself writes."""
    fields = ("architectures", "dtype", "transformers_version", "_name_or_path")
    return {name: value for name, value in loaded.config.to_dict().items() if name in fields}


@torch.no_grad()
def test_auto_classes_load_it(dved, clips, tmp_path):
    dved.save_pretrained(tmp_path)
    config, loaded = AutoConfig.from_pretrained(tmp_path), AutoModel.from_pretrained(tmp_path)
    assert type(config) is DVEDConfig and type(loaded) is DVEDModel
    assert (config.model_type, config.grid_size) == ("mofm_dved", (2, 4, 4))
    assert torch.equal(loaded.encode(*clips).input_ids, dved.encode(*clips).input_ids)


def test_hidden_states_of_each_block_where_asked_for(dved, clips):
    assert dved(*clips).hidden_states is None
    states = dved(*clips, output_hidden_states=True).hidden_states
    assert all(state.shape == (3, 32, 16) for state in states) and len(states) >= 6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keypoints": (3, 8, 16, 2)}, r"keypoints must be \[B, \(M,\) 8, 17, 2\], got \[3, 8, 16, 2\]"),
        ({"keypoints": (3, 9, 17, 2)}, r"keypoints must be \[B, \(M,\) 8, 17, 2\], got \[3, 9, 17, 2\]"),
        ({"keypoints": (8, 17, 2)}, r"keypoints must be \[B, \(M,\) 8, 17, 2\], got \[8, 17, 2\]"),
        ({"keypoints": (3, 8, 17, 3)}, r"keypoints must be \[B, \(M,\) 8, 17, 2\], got \[3, 8, 17, 3\]"),
        (
            {"keypoints": (3, 8, 17, 2), "scores": (3, 8, 16)},
            r"scores must be \[3, 8, 17\] as keypoints are, got \[3, 8, 16\]",
        ),
        (
            {"heatmaps": (3, 8, 17, 24, 24)},
            r"heatmaps must be \[B, \(M,\) 17, 8, 24, 24\], got \[3, 8, 17, 24, 24\]",
        ),
        ({"heatmaps": (17, 8, 24, 24)}, r"heatmaps must be \[B, \(M,\) 17, 8, 24, 24\], got \[17, 8, 24, 24\]"),
        ({}, "give either keypoints or heatmaps, got neither"),
        (
            {"keypoints": (3, 8, 17, 2), "heatmaps": (3, 17, 8, 24, 24)},
            "give either keypoints or heatmaps, got both",
        ),
    ],
)
def test_wrong_inputs_are_refused(dved, fields, message):
    inputs = {name: torch.zeros(shape) for name, shape in fields.items()}
    for method in (dved, dved.encode):
        with pytest.raises(ValueError, match=message):
            method(**inputs)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.zeros(2, 31), r"input_ids must be \[N, 32\], one per cube, got \[2, 31\]"),
        (torch.zeros(32), r"input_ids must be \[N, 32\], one per cube, got \[32\]"),
        (torch.zeros(1, 2, 32), r"input_ids must be \[N, 32\], one per cube, got \[1, 2, 32\]"),
        (torch.full((2, 32), -100), "input_ids must be 0 or more, got -100"),
    ],
)
def test_wrong_ids_are_refused(dved, ids, message):
    with pytest.raises(ValueError, match=message):
        dved.decode(ids.long())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"cube_size": (12, 9)},
            r"cube_size must be three positive integers \(frames, rows, columns\), got \(12, 9\)",
        ),
        ({"cube_size": (12, 0, 9)}, r"cube_size must be three positive integers .* got \(12, 0, 9\)"),
        ({"num_keypoints": 0}, "num_keypoints must be positive, got 0"),
        ({"num_frames": -48}, "num_frames must be positive, got -48"),
        ({"heatmap_size": 0}, "heatmap_size must be positive, got 0"),
        ({"sigma": 0.0}, "sigma must be positive, got 0"),
        ({"truncate": -1.0}, "truncate must be positive, got -1"),
        ({"num_frames": 50}, r"num_frames must be a multiple of cube_size\[0\] = 12, got 50"),
        ({"heatmap_size": 70}, "heatmap_size must be a multiple of 9 and 9, got 70"),
        ({"cube_size": (12, 9, 7)}, "heatmap_size must be a multiple of 9 and 7, got 72"),
        ({"quantizer": "lfq"}, r"quantizer must be one of \('gumbel', 'vq', 'rvq', 'fsq'\), got 'lfq'"),
        ({"quantizer": "fsq", "levels": (8, 8)}, r"levels .* product codebook_size = 512, got \[8, 8\]"),
        ({"quantizer": "rvq", "levels": (8, 8)}, r"levels .* product codebook_size = 512, got \[8, 8\]"),
        ({"quantizer": "fsq", "levels": (512, 1)}, r"levels must be 2 or more each, .* got \[512, 1\]"),
        ({"reconstruction": "sum"}, r"reconstruction must be one of \('max', 'joints'\), got 'sum'"),
        ({"codebook_size": 1}, "codebook_size must be at least 2, got 1"),
        ({"final_temperature": 0}, r"final_temperature must be in \(0, initial_temperature\], got 0 with"),
        ({"final_temperature": 2.0}, r"final_temperature must be in .* got 2.0 with initial_temperature = 1.0"),
        ({"usage_decay": 1.0}, r"usage_decay must be in \(0, 1\), got 1.0"),
        ({"usage_decay": 0.0}, r"usage_decay must be in \(0, 1\), got 0.0"),
    ],
)
def test_wrong_configurations_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        DVEDConfig(**fields)


@pytest.mark.parametrize("preset", DVED_PRESETS)
def test_presets(preset):
    config = DVEDConfig.from_preset(preset, codebook_size=64, quantizer="vq")
    assert (config.codebook_size, config.quantizer, config.num_cubes, config.empty_id) == (64, "vq", 256, 64)
    for name, value in DVED_PRESETS[preset].items():
        assert getattr(config, name) == value
    default = DVEDConfig().to_dict()
    assert {name for name, value in DVEDConfig.from_preset(preset).to_dict().items() if value != default[name]} <= set(
        DVED_PRESETS[preset]
    )


def test_presets_grow():
    with torch.device("meta"):
        sizes = [
            DVEDModel(DVEDConfig.from_preset(name)).num_parameters() for name in ("tiny", "small", "base", "large")
        ]
    assert sizes == sorted(sizes) and sizes[0] > 1e6 and sizes[-1] < 1e8
    assert DVEDConfig.from_preset("tiny").to_dict() == DVEDConfig().to_dict()


def test_unknown_preset_is_refused():
    with pytest.raises(ValueError, match=r"preset must be one of \('tiny', 'small', 'base', 'large'\), got 'huge'"):
        DVEDConfig.from_preset("huge")
