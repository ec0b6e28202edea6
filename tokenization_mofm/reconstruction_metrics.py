"""How well heat-maps are reconstructed, and how well the MotionBook is used. All functions are batched and exact."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
NEAR_PEAK, DRAWN = 4, 0.1  # pixels, and part of a joint's score
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # for values in [0, 1]


def ssim_map(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of single-channel pictures around each pixel (Wang et al. 2004, Gaussian window of 11).

    Args:
        prediction, target: `[..., H, W]` in [0, 1].

    Returns:
        `[..., H, W]`, at most 1, in single precision at least: the variances are differences of close numbers. Two
        empty pictures have 1.
    """
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    prediction, target = prediction.to(dtype), target.to(dtype)
    H, W = prediction.shape[-2:]
    rows, columns = (_blur_matrix(side, prediction) for side in (H, W))

    def blur(picture: Tensor) -> Tensor:
        return rows @ picture @ columns  # on a CPU several times faster than a convolution of one channel

    with torch.autocast(prediction.device.type, enabled=False):
        mean_x, mean_y = blur(prediction), blur(target)
        var_x, var_y = blur(prediction**2) - mean_x**2, blur(target**2) - mean_y**2
        cov = blur(prediction * target) - mean_x * mean_y
    score = (2 * mean_x * mean_y + SSIM_C1) * (2 * cov + SSIM_C2)
    return score / ((mean_x**2 + mean_y**2 + SSIM_C1) * (var_x + var_y + SSIM_C2))


def _blur_matrix(side: int, like: Tensor) -> Tensor:
    """Return the symmetric `[side, side]` matrix that blurs one axis with SSIM's window, zeros beyond the border."""
    offsets = torch.arange(SSIM_WINDOW, device=like.device, dtype=like.dtype) - SSIM_WINDOW // 2
    window = torch.softmax(-offsets.square() / (2 * SSIM_SIGMA**2), 0)
    pixels = torch.arange(side, device=like.device)
    distance = (pixels[:, None] - pixels).abs()
    place = (distance + SSIM_WINDOW // 2).clamp(max=SSIM_WINDOW - 1)
    return torch.where(distance <= SSIM_WINDOW // 2, window[place], 0)


def frame_metrics(prediction: Tensor, target: Tensor, region: Tensor | None = None) -> dict[str, Tensor]:
    """Measure each frame of maps `[..., F, H, W]`, over all pixels or those of a `region` (bool, the same shape).

    Returns:
        `psnr` (dB, at most 100), `ssim` and `l1`, each `[..., F]`. Frames without any pixel in the region are perfect.
    """
    return pool_frames(pixel_metrics(prediction, target), region)


def pixel_metrics(prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Return `mse`, `ssim` and `l1` of every pixel of maps `[..., H, W]`."""
    error = prediction - target
    return {"mse": error.square(), "ssim": ssim_map(prediction, target), "l1": error.abs()}


def pool_frames(pixels: dict[str, Tensor], region: Tensor | None = None) -> dict[str, Tensor]:
    """Average `pixel_metrics` over each frame, or over its part in a `region`; see `frame_metrics`.

    The structural similarity is the standard one (Wang et al. 2004; scikit-image): over the pixels whose whole window
    is in the picture. In a picture smaller than the window it is that of all pixels.
    """
    weight = torch.ones_like(pixels["mse"]) if region is None else region.to(pixels["mse"])
    inner, border = torch.ones_like(weight), SSIM_WINDOW // 2
    if min(weight.shape[-2:]) >= SSIM_WINDOW:
        inner = torch.zeros_like(weight)
        inner[..., border:-border, border:-border] = 1

    def mean(values: Tensor, weight: Tensor, perfect: float) -> Tensor:
        total = weight.sum((-2, -1))
        return torch.where(total > 0, (values * weight).sum((-2, -1)) / total.clamp(min=1), perfect)

    return {
        "psnr": -10 * torch.log10(mean(pixels["mse"], weight, 0.0).clamp(min=1e-10)),
        "ssim": mean(pixels["ssim"], weight * inner, 1.0),
        "l1": mean(pixels["l1"], weight, 0.0),
    }


def temporal_std(metrics: dict[str, Tensor]) -> Tensor:
    """T-Std (arXiv 2509.19252): how unsteady a reconstruction is along time, `[...]` of per-frame metrics `[..., F]`.

    The mean over the metrics of the standard deviation over frames of the min-max normalised metric.
    """
    spreads = []
    for values in metrics.values():
        low, high = values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)
        scaled = torch.where(high > low, (values - low) / (high - low).clamp(min=1e-12), 0.0)
        spreads.append(scaled.std(-1) if values.shape[-1] > 1 else torch.zeros_like(low.squeeze(-1)))
    return torch.stack(spreads).mean(0)


def ghosting(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of the drawn heat that lies more than a pixel from that of any joint, `[...]` of maps `[..., F, H, W]`.

    Within a pixel it is blur, which the other metrics see.
    """
    near = F.max_pool2d(target.flatten(0, -3)[:, None], 3, stride=1, padding=1)[:, 0].view_as(target)
    ghost = torch.where(near > 0, 0.0, prediction).sum((-3, -2, -1))
    return ghost / prediction.sum((-3, -2, -1)).clamp(min=1e-6)


def peak_error(prediction: Tensor, keypoints: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """How far the brightest drawn pixel near each joint is from it.

    Args:
        prediction: `[N, F, H, W]` in [0, 1], the maximum over joints.
        keypoints: `[N, F, K, 2]` map pixels.
        scores: `[N, F, K]`; 0 is missing.

    Returns:
        of each clip the mean distance, pixels, of the joints near which something is drawn, and the share of those
        near which nothing is: brighter than `DRAWN` times the score, at most `NEAR_PEAK` pixels away in x and y. Other
        joints may be nearer and brighter, and pixels are whole: true maps have an error too. A clip without a joint
        has 0 and 0.
    """
    N, F_, K, _ = keypoints.shape
    H, W = prediction.shape[-2:]
    present = scores > 0
    places = torch.where(present[..., None], keypoints, 0.0)
    steps = torch.arange(-NEAR_PEAK, NEAR_PEAK + 1, device=prediction.device)
    window = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).flatten(0, 1)  # P 2
    pixels = places.round().long()[..., None, :] + window  # N F K P 2
    x, y = pixels.unbind(-1)
    inside = (x >= 0) & (x < W) & (y >= 0) & (y < H)
    index = (y.clamp(0, H - 1) * W + x.clamp(0, W - 1)).flatten(2)
    heat = prediction.flatten(2).gather(2, index).view(N, F_, K, -1)
    brightest, which = torch.where(inside, heat, -1.0).max(-1)
    peaks = pixels.gather(3, which[..., None, None].expand(-1, -1, -1, 1, 2))[..., 0, :]
    distance = (peaks - places).norm(dim=-1)
    drawn = present & (brightest > DRAWN * scores)
    error = (distance * drawn).sum((1, 2)) / drawn.sum((1, 2)).clamp(min=1)
    return error, (present & ~drawn).sum((1, 2)) / present.sum((1, 2)).clamp(min=1)


def codebook_use(counts: Tensor) -> tuple[float, float]:
    """Return (share of the code words that occur, perplexity of their distribution) of counts `[T]`."""
    share = counts.double() / counts.sum().clamp(min=1)
    entropy = -(share * share.clamp(min=1e-12).log()).sum()
    return float((counts > 0).double().mean()), float(entropy.exp())
