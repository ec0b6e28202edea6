"""Cubes embedded frame by frame: against the slow formula on rendered heat, and what a token may know."""

import pytest
import torch
from torch.nn import functional as F

from tokenization_mofm.clip_inputs import ClipInputs
from tokenization_mofm.configuration_cubes import ThermalCubeConfig
from tokenization_mofm.cube_embedding import CubeEmbedding
from tokenization_mofm.frame_embedding import FAST, FrameCubeEmbedding, velocities
from tokenization_mofm.thermal_cubes import render_volume

SIZE, CUBE, FRAMES = 24, (4, 6, 6), 12


def make_embedding(sigma=1.0, truncate=2.0, stride=1):
    torch.manual_seed(0)
    module = FrameCubeEmbedding(17, 5, SIZE, CUBE, sigma, truncate, stride)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def make_clip(seed=0):
    generator = torch.Generator().manual_seed(seed)
    start = torch.rand(2, 1, 17, 2, generator=generator) * SIZE
    keypoints = start + torch.randn(2, FRAMES, 17, 2, generator=generator).cumsum(1) * 0.4
    scores = torch.rand(2, FRAMES, 17, generator=generator) * 0.9 + 0.1
    scores[torch.rand(scores.shape, generator=generator) < 0.2] = 0
    keypoints[scores == 0] = torch.nan
    return keypoints, scores


def slow_velocities(keypoints, scores):
    found = torch.zeros_like(keypoints)
    for frame in range(FRAMES):
        slice_start = frame // CUBE[0] * CUBE[0]
        first, last = max(frame - 2, slice_start), min(frame + 2, slice_start + CUBE[0] - 1)
        for n in range(2):
            for k in range(17):
                if scores[n, first, k] > 0 and scores[n, last, k] > 0:
                    found[n, frame, k] = (keypoints[n, last, k] - keypoints[n, first, k]) / (last - first)
    return found


def test_velocities_are_those_of_the_slow_formula():
    keypoints, scores = make_clip()
    assert torch.allclose(velocities(keypoints, scores, CUBE[0]), slow_velocities(keypoints, scores), atol=1e-6)


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 0, 2), (1, 2, 0)])
def test_key_points_may_lie_in_memory_in_any_order(order):
    module = make_embedding()
    keypoints, scores = make_clip()
    back = tuple(order.index(axis) for axis in range(3))
    laid_out = [
        keypoints.permute(*order, 3).contiguous().permute(*back, 3),
        scores.permute(order).contiguous().permute(back),
    ]
    assert not laid_out[0].is_contiguous() and not laid_out[1].is_contiguous()
    assert torch.allclose(module.embed_keypoints(*laid_out), module.embed_keypoints(keypoints, scores), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 3])
def test_tokens_are_those_of_rendered_frames(stride):
    sigma = 1.0 * stride
    module = make_embedding(sigma, stride=stride)
    keypoints, scores = make_clip()
    heat = render_volume(keypoints, scores, SIZE, sigma, 2.0)[..., stride // 2 :: stride, stride // 2 :: stride]
    velocity = torch.tanh(slow_velocities(keypoints, scores) / (FAST * SIZE)).permute(3, 0, 2, 1)  # 2 N K F
    moving = torch.cat([heat * one[..., None, None] for one in velocity], 1)  # N 2K F H W
    frames = module.projection(heat) + module.motion(moving)
    frames = F.relu(frames).unflatten(2, (-1, CUBE[0]))  # N D T t Y X
    expected = (frames * module.frames.T[None, :, None, :, None, None]).sum(3).flatten(2).transpose(1, 2) + module.bias
    found = module.embed_keypoints(keypoints, scores)
    assert found.shape == (2, 3 * 16, 5)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    assert (expected - module.bias).abs().max() > 1


def test_a_token_knows_its_own_frames_only():
    module = make_embedding()
    keypoints, scores = make_clip()
    before = module.embed_keypoints(keypoints, scores).unflatten(1, (3, -1))
    later = keypoints.clone()
    later[:, 8:] += 3.0
    after = module.embed_keypoints(later, scores).unflatten(1, (3, -1))
    assert torch.equal(before[:, :2], after[:, :2]) and not torch.allclose(before[:, 2], after[:, 2])


def test_heat_maps_are_refused():
    with pytest.raises(ValueError, match="heatmaps do not say how fast joints move.*'frames'.*give keypoints"):
        make_embedding().embed_heatmaps(torch.zeros(1, 17, FRAMES, SIZE, SIZE))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_cubes_that_nobody_looks_at_are_as_empty_ones(share):
    module = make_embedding()
    keypoints, scores = make_clip()
    whole = module.embed_keypoints(keypoints, scores)
    nothing = module.embed_keypoints(keypoints, torch.zeros_like(scores))
    active = torch.rand(whole.shape[:2], generator=torch.Generator().manual_seed(1)) < share
    expected = torch.where(active[..., None], whole, nothing)
    found = module.embed_keypoints(keypoints, scores, active)
    torch.testing.assert_close(found, expected)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
    gradients = [
        torch.autograd.grad((tokens * weights).sum(), list(module.parameters())) for tokens in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("kind", [CubeEmbedding, FrameCubeEmbedding])
def test_a_model_looks_at_active_cubes_alone(monkeypatch, kind):
    module = make_embedding() if kind is FrameCubeEmbedding else CubeEmbedding(17, 5, SIZE, CUBE, 1.0, 2.0)
    config = ThermalCubeConfig(num_frames=FRAMES, heatmap_size=SIZE, cube_size=CUBE, sigma=1.0, truncate=2.0)
    clips = ClipInputs.check(config, torch.float32, *make_clip())
    assert not clips.active.all()
    looked_at = []
    embed = kind.embed_keypoints
    monkeypatch.setattr(kind, "embed_keypoints", lambda *args: looked_at.append(args[3:]) or embed(*args))
    tokens = module(clips)
    assert torch.equal(looked_at[0][0], clips.active)
    torch.testing.assert_close(tokens, embed(module, clips.keypoints, clips.scores))
