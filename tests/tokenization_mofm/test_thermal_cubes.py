import math

import numpy as np
import pytest
import torch

from tokenization_mofm.configuration_cubes import ThermalCubeConfig
from tokenization_mofm.thermal_cubes import (
    active_cubes,
    cut_cubes,
    gaussian_profile,
    join_cubes,
    render_map,
    render_volume,
    touched_cubes,
)

GAUSSIANS = [(0.45, 3.0), (0.75, 3.0), (0.6, 2.0), (2.5, 3.0), (1.3, 0.7)]  # sigma, truncate


def scattered_joints(*lead, size=12, missing=0.25, beyond=6.0, seed=0, dtype=torch.float32):
    """Return joints on the map and up to `beyond` pixels outside it; missing ones have NaN coordinates."""
    generator = np.random.default_rng(seed)
    keypoints = generator.uniform(-beyond, size - 1 + beyond, (*lead, 2))
    scores = generator.uniform(0.1, 1, lead)
    gone = generator.random(lead) < missing
    keypoints[gone], scores[gone] = np.nan, 0
    return torch.tensor(keypoints, dtype=dtype), torch.tensor(scores, dtype=dtype)


def slow_volume(keypoints, scores, size, sigma, truncate):
    """Paint joints `[F, K, 2]` pixel by pixel, `[K, F, H, W]`."""
    frames, joints, _ = keypoints.shape
    volume = np.zeros((joints, frames, size, size))
    reach = truncate * sigma
    for f in range(frames):
        for k in range(joints):
            if scores[f, k] == 0:
                continue
            x, y = keypoints[f, k].tolist()
            for j in range(size):
                for i in range(size):
                    if abs(i - x) <= reach and abs(j - y) <= reach:
                        squared = (i - x) ** 2 + (j - y) ** 2
                        volume[k, f, j, i] = float(scores[f, k]) * math.exp(-squared / (2 * sigma**2))
    return volume


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("sigma", "truncate"), GAUSSIANS)
def test_volume_is_the_textbook_loop(sigma, truncate, dtype):
    keypoints, scores = scattered_joints(3, 9, dtype=dtype)
    volume = render_volume(keypoints, scores, 12, sigma, truncate)
    expected = slow_volume(keypoints, scores, 12, sigma, truncate)
    assert (volume.dtype, volume.shape) == (dtype, (9, 3, 12, 12))
    assert expected.any() and (expected == 0).any()
    np.testing.assert_allclose(volume, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "y"),
    [(0, 0), (11, 11), (0, 11), (-0.5, 5), (11.5, 5), (5, -2.25), (5, 13.25), (-2.2, -2.2), (5.25, 7.75)],
)
def test_volume_at_the_border(x, y):
    keypoints, scores = torch.tensor([[[float(x), float(y)]]]), torch.tensor([[0.8]])
    volume = render_volume(keypoints, scores, 12, 0.75, 3.0)
    expected = slow_volume(keypoints, scores, 12, 0.75, 3.0)
    assert expected.any()
    np.testing.assert_allclose(volume, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(volume > 0, expected > 0)


@pytest.mark.parametrize(("x", "y"), [(-3, 5), (5, -2.3), (14, 5), (5, 13.3), (-1e6, 5), (5, 1e6)])
def test_joint_out_of_reach_leaves_the_map_empty(x, y):
    keypoints, scores = torch.tensor([[[float(x), float(y)]]]), torch.ones(1, 1)
    assert not render_volume(keypoints, scores, 12, 0.75, 3.0).any()
    assert not render_map(keypoints, scores, 12, 0.75, 3.0).any()
    assert not touched_cubes(keypoints, scores, 12, (1, 3, 4), 0.75, 3.0).any()


def test_peak_lies_at_the_joint_and_is_its_score():
    keypoints, scores = torch.tensor([[[4.0, 7.0]]]), torch.tensor([[0.3]])
    volume = render_volume(keypoints, scores, 12, 0.75, 3.0)
    assert volume.argmax().item() == 7 * 12 + 4
    assert volume.max().item() == pytest.approx(0.3)


def test_window_is_square_and_closed():
    profile = gaussian_profile(torch.tensor([5.25]), torch.arange(12.0), 0.75, 3.0)[0]  # 5.25 - 2.25 is a pixel
    assert profile.nonzero().flatten().tolist() == [3, 4, 5, 6, 7]
    volume = render_volume(torch.tensor([[[5.0, 5.0]]]), torch.ones(1, 1), 12, 0.75, 3.0)[0, 0]
    assert volume[3, 3] > 0  # a corner of the window, further from the joint than the radius
    assert (volume > 0).sum() == 25


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30, 5.0])
def test_missing_joints_are_nowhere(value):
    keypoints, scores = scattered_joints(4, 4, 9)
    missing = scores == 0
    other = torch.where(missing[..., None], torch.tensor(value), keypoints)
    for render in (render_volume, render_map):
        heat = render(other, scores, 12, 0.75, 3.0)
        assert heat.isfinite().all()
        torch.testing.assert_close(heat, render(keypoints, scores, 12, 0.75, 3.0), rtol=0, atol=0)
    touched = touched_cubes(other, scores, 12, (2, 4, 4), 0.75, 3.0).unflatten(1, (2, 9))
    assert not touched.any(2)[missing.unflatten(1, (2, 2)).all(2)].any()
    assert not render_volume(other, torch.zeros_like(scores), 12, 0.75, 3.0).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
@pytest.mark.parametrize(("sigma", "truncate"), GAUSSIANS)
def test_map_is_the_maximum_over_joints(sigma, truncate, lead, dtype):
    keypoints, scores = scattered_joints(*lead, 4, 17, dtype=dtype)
    heat = render_map(keypoints, scores, 12, sigma, truncate)
    expected = render_volume(keypoints, scores, 12, sigma, truncate).amax(-4)
    assert (heat.dtype, heat.shape) == (dtype, (*lead, 4, 12, 12))
    torch.testing.assert_close(heat, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("render", [render_volume, render_map])
def test_heat_in_unit_interval_and_linear_in_the_score(render):
    keypoints, scores = scattered_joints(4, 17)
    heat = render(keypoints, scores, 12, 0.75, 3.0)
    assert heat.min() == 0 and 0 < heat.max() <= 1
    torch.testing.assert_close(render(keypoints, scores * 0.5, 12, 0.75, 3.0), heat * 0.5)


@pytest.mark.parametrize("render", [render_volume, render_map])
def test_gradients(render):
    # distances to pixels end in .3, .7, .4 or .6, the window ends at 2.1: finite differences do not cross its edge
    keypoints = torch.tensor([[[2.3, 1.4], [4.7, 3.6]], [[0.4, 4.3], [-0.7, 2.6]]], dtype=torch.float64)
    scores = torch.tensor([[0.9, 0.5], [0.7, 0.0]], dtype=torch.float64)

    def rendered(keypoints, amplitudes):
        return render(keypoints, amplitudes * (scores > 0), 6, 0.7, 3.0)

    keypoints.requires_grad_()
    amplitudes = (scores + 0.05).requires_grad_()
    assert torch.autograd.gradcheck(rendered, (keypoints, amplitudes))
    gradient = torch.autograd.grad(rendered(keypoints, amplitudes).square().sum(), keypoints)[0]
    assert gradient[scores > 0].abs().min() > 0 and not gradient[scores == 0].any()


@pytest.mark.parametrize(
    ("shape", "cube"),
    [
        ((2, 8, 24, 24), (4, 6, 6)),
        ((3, 4, 6, 6), (2, 3, 3)),
        ((1, 6, 4, 10), (3, 2, 5)),
        ((3, 4, 6, 6), (4, 6, 6)),
        ((3, 2, 3, 3), (1, 1, 1)),
    ],
)
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_join_inverts_cut(lead, shape, cube):
    volume = torch.randn(*lead, *shape)
    cubes = cut_cubes(volume, cube)
    grid = tuple(side // part for side, part in zip(shape[1:], cube, strict=True))
    assert cubes.shape == (*lead, math.prod(grid), shape[0], *cube)
    assert torch.equal(join_cubes(cubes, grid), volume)
    assert torch.equal(cut_cubes(join_cubes(cubes, grid), cube), cubes)


def test_cubes_are_ordered_by_time_row_column():
    volume = torch.arange(2 * 6 * 4 * 10).view(2, 6, 4, 10)
    cubes = cut_cubes(volume, (3, 2, 5))
    place = 0
    for time in range(0, 6, 3):
        for row in range(0, 4, 2):
            for column in range(0, 10, 5):
                expected = volume[:, time : time + 3, row : row + 2, column : column + 5]
                assert torch.equal(cubes[place], expected)
                place += 1
    assert place == len(cubes)


@pytest.mark.parametrize(
    ("cube", "sides"), [((4, 6, 6), (6, 12, 12)), ((3, 5, 6), (6, 12, 12)), ((3, 6, 5), (6, 12, 12))]
)
def test_cut_needs_whole_cubes(cube, sides):
    message = rf"a volume of \({sides[0]}, 12, 12\) \(frames, height, width\) cannot be cut into cubes of \({cube[0]},"
    with pytest.raises(ValueError, match=message):
        cut_cubes(torch.zeros(2, *sides), cube)


@pytest.mark.parametrize("cube", [(1, 3, 4), (2, 6, 3), (4, 12, 12), (2, 1, 1)])
@pytest.mark.parametrize(("sigma", "truncate"), GAUSSIANS)
def test_touched_and_active_are_what_the_volume_says(sigma, truncate, cube):
    keypoints, scores = scattered_joints(40, 4, 5, missing=0.6)
    volume = render_volume(keypoints, scores, 12, sigma, truncate)
    heat = cut_cubes(volume, cube) > 0  # N L K t h w
    touched = touched_cubes(keypoints, scores, 12, cube, sigma, truncate)
    assert touched.dtype == torch.bool and touched.any()
    assert torch.equal(touched, heat.flatten(-3).any(-1))
    assert torch.equal(active_cubes(volume, cube), touched.any(-1))
    assert torch.equal(
        active_cubes(render_map(keypoints, scores, 12, sigma, truncate)[:, None], cube), touched.any(-1)
    )


def test_touched_at_whole_and_quarter_pixels():
    places = torch.arange(-4, 16, 0.25)
    keypoints = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1).view(-1, 1, 1, 2)
    scores = torch.ones(keypoints.shape[:-1])
    heat = cut_cubes(render_volume(keypoints, scores, 12, 0.75, 3.0), (1, 3, 4)) > 0
    assert torch.equal(touched_cubes(keypoints, scores, 12, (1, 3, 4), 0.75, 3.0), heat.flatten(-3).any(-1))


@pytest.mark.parametrize("sigma", [0.15, 0.6, 1.1])  # 0.15: a window narrower than a pixel
def test_touched_where_the_window_ends_at_a_pixel(sigma):
    places = torch.arange(-40, 160) / 10
    keypoints = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1).view(-1, 1, 1, 2)
    scores = torch.ones(keypoints.shape[:-1])
    heat = cut_cubes(render_volume(keypoints, scores, 12, sigma, 3.0), (1, 3, 4)) > 0
    assert torch.equal(touched_cubes(keypoints, scores, 12, (1, 3, 4), sigma, 3.0), heat.flatten(-3).any(-1))


def test_default_geometry_has_256_cubes_and_a_joint_touches_at_most_four():
    config = ThermalCubeConfig()
    gaussian = (config.sigma, config.truncate)
    keypoints, scores = scattered_joints(64, 48, 17, size=72, missing=0)
    assert (config.grid_size, config.num_cubes) == ((4, 8, 8), 256)
    touched = touched_cubes(keypoints[:1], scores[:1], config.heatmap_size, config.cube_size, *gaussian)
    assert touched.shape == (1, 256, 17)
    volume = render_volume(keypoints[0], scores[0], config.heatmap_size, *gaussian)
    assert cut_cubes(volume, config.cube_size).shape == (256, 17, 12, 9, 9)
    per_frame = touched_cubes(keypoints, scores, config.heatmap_size, (1, *config.cube_size[1:]), *gaussian)
    count = per_frame.unflatten(1, (48, 64)).sum(2)  # N F K
    assert count.max() == 4 and set(count.unique().tolist()) == {0, 1, 2, 4}


def test_runs_where_its_inputs_are():
    keypoints, scores = (values.to("meta") for values in scattered_joints(2, 4, 5))
    volume = render_volume(keypoints, scores, 12, 0.75, 3.0)
    cubes = cut_cubes(volume, (2, 4, 4))
    results = {
        "volume": (volume, (2, 5, 4, 12, 12)),
        "map": (render_map(keypoints, scores, 12, 0.75, 3.0), (2, 4, 12, 12)),
        "cubes": (cubes, (2, 18, 5, 2, 4, 4)),
        "joined": (join_cubes(cubes, (2, 3, 3)), (2, 5, 4, 12, 12)),
        "touched": (touched_cubes(keypoints, scores, 12, (2, 4, 4), 0.75, 3.0), (2, 18, 5)),
        "active": (active_cubes(volume, (2, 4, 4)), (2, 18)),
    }
    for name, (result, shape) in results.items():
        assert (result.device.type, result.shape) == ("meta", shape), name


def test_inputs_are_left_alone():
    keypoints, scores = scattered_joints(4, 5)
    before = keypoints.clone(), scores.clone()
    render_volume(keypoints, scores, 12, 0.75, 3.0)
    render_map(keypoints, scores, 12, 0.75, 3.0)
    touched_cubes(keypoints, scores, 12, (2, 4, 4), 0.75, 3.0)
    np.testing.assert_array_equal(keypoints, before[0])
    np.testing.assert_array_equal(scores, before[1])
