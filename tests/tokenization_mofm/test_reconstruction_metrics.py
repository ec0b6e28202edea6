import math

import numpy as np
import pytest
import torch

from tokenization_mofm.reconstruction_metrics import (
    codebook_use,
    frame_metrics,
    ghosting,
    peak_error,
    pixel_metrics,
    pool_frames,
    ssim_map,
    temporal_std,
)
from tokenization_mofm.thermal_cubes import render_map


def slow_ssim(x, y):
    """Return the structural similarity of two `[H, W]` pictures pixel by pixel; outside them is 0."""
    height, width = x.shape
    offsets = range(-5, 6)
    weights = {(j, i): math.exp(-(i * i + j * j) / (2 * 1.5**2)) for j in offsets for i in offsets}
    total = sum(weights.values())
    result = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            mean_x = mean_y = square_x = square_y = product = 0.0
            for (j, i), weight in weights.items():
                if 0 <= row + j < height and 0 <= column + i < width:
                    a, b, w = x[row + j, column + i], y[row + j, column + i], weight / total
                    mean_x, mean_y = mean_x + w * a, mean_y + w * b
                    square_x, square_y, product = square_x + w * a * a, square_y + w * b * b, product + w * a * b
            var_x, var_y, cov = square_x - mean_x**2, square_y - mean_y**2, product - mean_x * mean_y
            luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
            result[row, column] = luminance * (2 * cov + 9e-4) / (var_x + var_y + 9e-4)
    return result


@pytest.mark.parametrize("shape", [(13, 12), (7, 15), (1, 9)])
@pytest.mark.parametrize("noise", [0.05, 1.0])
def test_ssim_is_the_formula_per_pixel(shape, noise):
    generator = np.random.default_rng(0)
    x = generator.random(shape)
    y = (x + noise * generator.normal(size=shape)).clip(0, 1)
    result = ssim_map(torch.tensor(x), torch.tensor(y))
    np.testing.assert_allclose(result, slow_ssim(x, y), rtol=0, atol=1e-10)
    np.testing.assert_allclose(ssim_map(torch.tensor(x).float(), torch.tensor(y).float()), result, rtol=0, atol=1e-3)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_ssim_properties(lead):
    x, y = torch.rand(*lead, 12, 14), torch.rand(*lead, 12, 14)
    score = ssim_map(x, y)
    assert score.shape == x.shape and score.max() <= 1 + 1e-6 and score.mean() < 0.5
    torch.testing.assert_close(ssim_map(y, x), score)
    torch.testing.assert_close(ssim_map(x, x), torch.ones_like(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ssim_map(x, y), score)
    assert ssim_map(x.half(), y.half()).dtype == torch.float32
    torch.testing.assert_close(ssim_map(torch.zeros_like(x), torch.zeros_like(x)), torch.ones_like(x))


def test_pictures_of_a_batch_are_independent():
    x, y = torch.rand(2, 3, 12, 14), torch.rand(2, 3, 12, 14)
    torch.testing.assert_close(ssim_map(x, y)[1, 2], ssim_map(x[1, 2], y[1, 2]))
    together, alone = frame_metrics(x, y), frame_metrics(x[1], y[1])
    for name, values in together.items():
        assert values.shape == (2, 3), name
        torch.testing.assert_close(values[1], alone[name])


def test_psnr_and_l1_by_hand():
    target = torch.zeros(3, 2, 2)
    prediction = torch.tensor([[[0.1, 0.1], [0.1, 0.1]], [[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    metrics = frame_metrics(prediction, target)
    assert metrics["l1"].tolist() == pytest.approx([0.1, 0.25, 0])
    assert metrics["psnr"].tolist() == pytest.approx([20, 10 * math.log10(4), 100], abs=1e-4)
    torch.testing.assert_close(metrics["ssim"], ssim_map(prediction, target).mean((-2, -1)))
    assert metrics["ssim"][2] == 1


def test_the_similarity_of_a_frame_is_the_standard_one():
    """Over the windows that are whole: what lies beyond the border does not count."""
    generator = np.random.default_rng(0)
    x, y = generator.random((2, 17, 19))
    expected = slow_ssim(x, y)[5:-5, 5:-5].mean()
    found = frame_metrics(torch.tensor(x), torch.tensor(y))["ssim"].item()
    assert found == pytest.approx(expected, abs=1e-6)
    padded = [np.pad(picture, 5, mode="reflect") for picture in (x, y)]
    assert slow_ssim(*padded)[10:-10, 10:-10].mean() == pytest.approx(expected, abs=1e-9)
    assert ssim_map(torch.tensor(x), torch.tensor(y)).mean().item() != pytest.approx(expected, abs=1e-3)


def test_equal_maps_are_perfect():
    target = torch.rand(2, 5, 12, 12)
    metrics = frame_metrics(target, target.clone())
    for name, perfect in {"psnr": 100.0, "ssim": 1.0, "l1": 0.0}.items():
        torch.testing.assert_close(metrics[name], torch.full((2, 5), perfect))


def test_only_the_region_counts():
    target, prediction = torch.rand(4, 24, 24), torch.rand(4, 24, 24)
    region = torch.zeros(4, 24, 24, dtype=torch.bool)
    region[0, 2:9, 7:13] = region[1, 11, 12] = region[2] = True
    inner = torch.zeros(24, 24, dtype=torch.bool)
    inner[5:-5, 5:-5] = True
    metrics = frame_metrics(prediction, target, region)
    whole = frame_metrics(prediction, target)
    for i in range(3):
        error = (prediction - target)[i][region[i]]
        assert metrics["l1"][i].item() == pytest.approx(error.abs().mean().item(), rel=1e-5)
        assert metrics["psnr"][i].item() == pytest.approx(-10 * math.log10(error.square().mean().item()), rel=1e-5)
        similarity = ssim_map(prediction, target)[i][region[i] & inner]
        assert metrics["ssim"][i].item() == pytest.approx(similarity.mean().item(), rel=1e-4)
    for name, perfect in {"psnr": 100.0, "ssim": 1.0, "l1": 0.0}.items():
        torch.testing.assert_close(metrics[name][2], whole[name][2])
        assert metrics[name][3].item() == pytest.approx(perfect)  # no pixel in the region


def test_pixels_measured_once_serve_every_region():
    prediction, target = torch.rand(2, 3, 12, 14), torch.rand(2, 3, 12, 14)
    pixels = pixel_metrics(prediction, target)
    assert {name: values.shape for name, values in pixels.items()} == dict.fromkeys(
        ("mse", "ssim", "l1"), target.shape
    )
    for region in (None, target > 0.5):
        for name, values in frame_metrics(prediction, target, region).items():
            assert torch.equal(pool_frames(pixels, region)[name], values), name


def test_temporal_std_of_known_series():
    metrics = {"psnr": torch.tensor([[20.0, 25.0, 30.0], [7.0, 7.0, 9.0]]), "l1": torch.full((2, 3), 0.4)}
    # scaled to 0, 1/2, 1 and 0, 0, 1; the second metric is steady
    expected = torch.tensor([0.5, math.sqrt(1 / 3)]) / 2
    torch.testing.assert_close(temporal_std(metrics), expected)
    torch.testing.assert_close(temporal_std({"psnr": metrics["psnr"]}), expected * 2)
    assert not temporal_std({"l1": metrics["l1"]}).any()


def test_temporal_std_ignores_scale_and_offset():
    series = torch.rand(3, 10)
    torch.testing.assert_close(temporal_std({"a": series}), temporal_std({"a": 40 * series + 7}))


def test_ghosting_known_cases():
    target = torch.zeros(5, 2, 6, 6)
    target[:, 0, 1, 1] = 0.02  # however faint, a joint is there
    prediction = torch.zeros_like(target)
    prediction[0] = target[0]
    prediction[1, 1, 1, 1] = 0.7  # the right place in the wrong frame
    prediction[2, 0, 1, 1], prediction[2, 0, 2, 2], prediction[2, 0, 3, 1] = 0.4, 0.2, 0.2  # a pixel away, and two
    prediction[3, 0, 1, 1] = 0.01  # too faint is no ghost
    ghosts = ghosting(prediction, target)
    assert ghosts.tolist() == pytest.approx([0, 1, 0.25, 0, 0])
    torch.testing.assert_close(ghosting(prediction[2], target[2]), ghosts[2])


@pytest.mark.parametrize(
    ("counts", "share", "perplexity"),
    [
        ([5, 5, 5, 5], 1, 4),
        ([9, 0, 0, 0], 0.25, 1),
        ([3, 3, 0, 0], 0.5, 2),
        ([1, 3], 1, math.exp(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))),
        ([0, 0], 0, 1),
    ],
)
@pytest.mark.parametrize("dtype", [torch.long, torch.float32])
def test_codebook_use_known_cases(counts, share, perplexity, dtype):
    assert codebook_use(torch.tensor(counts, dtype=dtype)) == pytest.approx((share, perplexity))


def test_peaks_are_as_far_as_they_were_moved_and_lost_where_nothing_is_drawn():
    keypoints = torch.tensor([[8.0, 6.0], [20.0, 17.0], [3.0, 21.0]]).expand(4, 5, 3, 2).clone()
    scores = torch.ones(4, 5, 3)
    scores[:, :, 2] = 0
    keypoints[:, :, 2] = torch.nan
    true = render_map(keypoints, scores, 24, 0.75, 3.0)
    drawn = true.clone()
    drawn[1] = true[1].roll(2, dims=-1)  # two pixels to the right
    drawn[2] = 0
    drawn[3, :, :12] = 0  # the upper joint is gone
    error, lost = peak_error(drawn, keypoints, scores)
    assert error.tolist() == pytest.approx([0, 2, 0, 0]) and lost.tolist() == pytest.approx([0, 0, 1, 0.5])
    error, _ = peak_error(render_map(keypoints + 0.25, scores, 24, 0.75, 3.0), keypoints + 0.25, scores)
    assert error.tolist() == pytest.approx([0.125**0.5] * 4)  # pixels are whole
    assert [float(value.sum()) for value in peak_error(drawn, keypoints, torch.zeros_like(scores))] == [0, 0]
