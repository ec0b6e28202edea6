import pytest
import torch

from tokenization_mofm.cube_embedding import CubeEmbedding
from tokenization_mofm.thermal_cubes import render_volume

# frames, map, cube, sigma, truncate; the last three touch more than four cubes per joint and frame
GEOMETRIES = [
    (48, 72, (12, 9, 9), 0.75, 3.0),
    (8, 24, (4, 6, 6), 0.75, 3.0),
    (6, 20, (3, 4, 10), 0.45, 3.0),
    (4, 12, (2, 12, 12), 1.0, 3.0),
    (4, 24, (4, 6, 4), 4.0, 3.0),
    (4, 12, (1, 2, 3), 2.0, 3.0),
    (2, 12, (2, 1, 1), 0.75, 3.0),
]
WAYS = ("embed_reached", "embed_rendered")
NAMES = [f"{frames}x{size}-{'x'.join(map(str, cube))}-{sigma}" for frames, size, cube, sigma, _ in GEOMETRIES]


def joints(n, frames, size, num_keypoints=17, dtype=torch.float32):
    """Return joints on the map and a little outside it, a third of them missing with NaN coordinates."""
    keypoints = torch.rand(n, frames, num_keypoints, 2, dtype=dtype) * (size + 8) - 4
    scores = torch.rand(n, frames, num_keypoints, dtype=dtype) * 0.9 + 0.1
    scores[torch.rand(scores.shape) < 0.3] = 0
    keypoints[scores == 0] = torch.nan
    return keypoints, scores


def embedding(frames, size, cube, sigma, truncate, hidden_size=6, dtype=torch.float32):
    module = CubeEmbedding(17, hidden_size, size, cube, sigma, truncate).to(dtype)
    torch.nn.init.normal_(module.projection.weight)
    torch.nn.init.normal_(module.projection.bias)
    return module


def largest_error(result, expected):
    return ((result - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=NAMES)
def test_both_ways_are_the_dense_one(geometry, way):
    frames, size, cube, sigma, truncate = geometry
    module = embedding(*geometry)
    keypoints, scores = joints(2, frames, size)
    sparse = getattr(module, way)(keypoints, scores)
    dense = module.embed_heatmaps(render_volume(keypoints, scores, size, sigma, truncate))
    assert sparse.shape == (2, (frames // cube[0]) * (size // cube[1]) * (size // cube[2]), 6)
    assert largest_error(sparse, dense) < 1e-5
    assert (dense - module.projection.bias).abs().max() > 1


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=NAMES)
def test_joints_at_pixel_centres_reach_as_far(geometry):
    """There a profile covers most pixels: one more than between two centres."""
    frames, size, cube, sigma, truncate = geometry
    module = embedding(*geometry)
    keypoints, scores = joints(2, frames, size)
    keypoints = keypoints.round()
    sparse = module.embed_keypoints(keypoints, scores)
    assert largest_error(sparse, module.embed_heatmaps(render_volume(keypoints, scores, size, sigma, truncate))) < 1e-5
    stepped = CubeEmbedding(17, 6, 72, (12, 9, 9), 3.0, 3.0, 3)
    keypoints, scores = joints(1, 48, 72)
    keypoints = (keypoints / 3).round() * 3 + 1  # the middles of steps
    dense = stepped.embed_heatmaps(render_volume(keypoints, scores, 72, 3.0, 3.0))
    assert largest_error(stepped.embed_keypoints(keypoints, scores), dense) < 1e-5


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stride", [1, 3, 9])
def test_a_map_that_is_looked_at_in_steps(stride, way):
    module = CubeEmbedding(17, 6, 72, (12, 9, 9), 3.0, 3.0, stride)
    assert module.projection.weight.shape == (6, 17, 12, 9 // stride, 9 // stride)
    torch.nn.init.normal_(module.projection.weight)
    keypoints, scores = joints(2, 48, 72)
    volume = render_volume(keypoints, scores, 72, 3.0, 3.0)
    sparse, dense = getattr(module, way)(keypoints, scores), module.embed_heatmaps(volume)
    assert sparse.shape == (2, 256, 6) and largest_error(sparse, dense) < 1e-5
    middle = stride // 2
    seen = torch.nn.functional.conv3d(
        volume[..., middle::stride, middle::stride], module.projection.weight, module.projection.bias, module.cube_size
    )
    torch.testing.assert_close(dense, seen.flatten(2).transpose(1, 2))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=NAMES)
def test_gradients_are_those_of_the_dense_path(geometry, way):
    frames, size, _, sigma, truncate = geometry
    n, dtype = (1, torch.float32) if geometry == GEOMETRIES[0] else (2, torch.float64)  # the default one is large
    module = embedding(*geometry, dtype=dtype)
    keypoints, scores = joints(n, frames, size, dtype=dtype)
    keypoints = torch.nan_to_num(keypoints, nan=5.0).requires_grad_()
    scores.requires_grad_()
    inputs = (module.projection.weight, module.projection.bias, keypoints, scores)
    sparse = getattr(module, way)(keypoints, scores)
    dense = module.embed_heatmaps(render_volume(keypoints, scores, size, sigma, truncate))
    direction = torch.randn_like(dense)
    expected = torch.autograd.grad(dense, inputs, direction)
    for name, result, reference in zip(
        ("weight", "bias", "keypoints", "scores"),
        torch.autograd.grad(sparse, inputs, direction),
        expected,
        strict=True,
    ):
        assert reference.abs().max() > 0, name
        assert largest_error(result, reference) < 1e-5, name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -3.0, 1e30])
def test_missing_joints_have_no_influence(value):
    geometry = GEOMETRIES[1]
    module = embedding(*geometry)
    keypoints, scores = joints(2, *geometry[:2])
    missing = (scores == 0)[..., None]
    expected = module.embed_keypoints(torch.where(missing, torch.tensor(7.0), keypoints), scores)
    assert expected.isfinite().all()
    assert torch.equal(module.embed_keypoints(torch.where(missing, torch.tensor(value), keypoints), scores), expected)


def test_missing_joints_have_no_gradient():
    geometry = GEOMETRIES[1]
    module = embedding(*geometry)
    keypoints, scores = joints(2, *geometry[:2])
    keypoints.requires_grad_()
    module.embed_keypoints(keypoints, scores).square().sum().backward()
    assert not keypoints.grad[scores == 0].any()
    assert keypoints.grad[scores > 0].any()
    assert module.projection.weight.grad.isfinite().all()


def test_clip_without_joints_is_the_bias():
    module = embedding(*GEOMETRIES[1])
    tokens = module.embed_keypoints(torch.full((2, 8, 17, 2), torch.nan), torch.zeros(2, 8, 17))
    assert torch.equal(tokens, module.projection.bias.expand_as(tokens))


def test_clips_of_a_batch_are_independent():
    geometry = GEOMETRIES[1]
    module = embedding(*geometry)
    keypoints, scores = joints(4, *geometry[:2])
    together = module.embed_keypoints(keypoints, scores)
    alone = torch.cat([module.embed_keypoints(keypoints[i : i + 1], scores[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_smooth_weights_have_the_asked_spread_and_vary_slowly():
    projection = CubeEmbedding(17, 256, 72, (12, 9, 9), 0.75, 3.0).projection
    weights = projection.smooth_weights(0.03)
    assert weights.shape == projection.weight.shape
    assert weights.std().item() == pytest.approx(0.03, rel=0.1)
    for axis in (2, 3, 4):
        step = weights.diff(dim=axis).std() / weights.std()
        assert step < 0.6  # independent weights have 1.41


@pytest.mark.parametrize(("sigma", "stride", "way"), [(0.75, 1, "embed_reached"), (3.0, 3, "embed_rendered")])
def test_the_way_that_moves_less_memory_is_taken(monkeypatch, sigma, stride, way):
    module = CubeEmbedding(17, 192, 72, (12, 9, 9), sigma, 3.0, stride)
    monkeypatch.setattr(module, way, lambda *given: "taken")
    assert module.embed_keypoints(*joints(1, 48, 72)) == "taken"


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_rendered_cubes_that_nobody_looks_at_are_as_empty_ones(share):
    module = embedding(*GEOMETRIES[4])
    keypoints, scores = joints(2, *GEOMETRIES[4][:2])
    keypoints.requires_grad_()
    whole = module.embed_rendered(keypoints, scores)
    active = torch.rand(whole.shape[:2], generator=torch.Generator().manual_seed(1)) < share
    expected = torch.where(active[..., None], whole, module.projection.bias)
    found = module.embed_rendered(keypoints, scores, active)
    torch.testing.assert_close(found, expected)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
    learnt = [*module.parameters(), keypoints]
    torch.testing.assert_close(
        *(torch.autograd.grad((tokens * weights).sum(), learnt) for tokens in (found, expected))
    )


@pytest.mark.parametrize("way", WAYS)
def test_what_each_joint_adds_is_not_kept_for_the_backward_pass(way):
    module = embedding(*GEOMETRIES[1], hidden_size=40)
    keypoints, scores = joints(2, 8, 24)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.numel()) or one, lambda one: one):
        getattr(module, way)(keypoints, scores)
    # clips, frames, joints, and the cubes that each reaches times the width, or the pixels of a map
    assert kept and max(kept) < 2 * 8 * 17 * {"embed_reached": 4 * 40, "embed_rendered": 24 * 24}[way]
