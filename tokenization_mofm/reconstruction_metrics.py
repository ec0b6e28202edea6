"""How well heat-maps are reconstructed, and how well the MotionBook is used. All functions are batched and exact."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # for values in [0, 1]


def ssim_map(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of single-channel pictures around each pixel (Wang et al. 2004, Gaussian window of 11).

    Args:
        prediction, target: `[..., H, W]` in [0, 1].

    Returns:
        `[..., H, W]`, at most 1. Two empty pictures have 1.
    """
    lead, (H, W) = prediction.shape[:-2], prediction.shape[-2:]
    offsets = torch.arange(SSIM_WINDOW, device=prediction.device, dtype=prediction.dtype) - SSIM_WINDOW // 2
    kernel = torch.softmax(-offsets.square() / (2 * SSIM_SIGMA**2), 0)

    def blur(picture: Tensor) -> Tensor:
        picture = F.conv2d(picture, kernel.view(1, 1, -1, 1), padding=(SSIM_WINDOW // 2, 0))
        return F.conv2d(picture, kernel.view(1, 1, 1, -1), padding=(0, SSIM_WINDOW // 2))

    x, y = prediction.reshape(-1, 1, H, W), target.reshape(-1, 1, H, W)
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    cov = blur(x * y) - mean_x * mean_y
    score = (2 * mean_x * mean_y + SSIM_C1) * (2 * cov + SSIM_C2)
    score = score / ((mean_x**2 + mean_y**2 + SSIM_C1) * (var_x + var_y + SSIM_C2))
    return score.view(*lead, H, W)


def frame_metrics(prediction: Tensor, target: Tensor, region: Tensor | None = None) -> dict[str, Tensor]:
    """Measure each frame of maps `[..., F, H, W]`, over all pixels or those of a `region` (bool, the same shape).

    Returns:
        `psnr` (dB, at most 100), `ssim` and `l1`, each `[..., F]`. Frames without any pixel in the region are perfect.
    """
    weight = torch.ones_like(target) if region is None else region.to(target.dtype)
    total = weight.sum((-2, -1))

    def mean(values: Tensor, perfect: float) -> Tensor:
        return torch.where(total > 0, (values * weight).sum((-2, -1)) / total.clamp(min=1), perfect)

    error = prediction - target
    return {
        "psnr": -10 * torch.log10(mean(error.square(), 0.0).clamp(min=1e-10)),
        "ssim": mean(ssim_map(prediction, target), 1.0),
        "l1": mean(error.abs(), 0.0),
    }


def temporal_std(metrics: dict[str, Tensor]) -> Tensor:
    """T-Std (arXiv 2509.19252): how unsteady a reconstruction is along time, `[...]` of per-frame metrics `[..., F]`.

    The mean over the metrics of the standard deviation over frames of the min-max normalised metric.
    """
    spreads = []
    for values in metrics.values():
        low, high = values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)
        scaled = torch.where(high > low, (values - low) / (high - low).clamp(min=1e-12), 0.0)
        spreads.append(scaled.std(-1))
    return torch.stack(spreads).mean(0)


def ghosting(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of the drawn heat that lies where no joint is in that frame, `[...]` of maps `[..., F, H, W]`."""
    ghost = torch.where(target > 0, 0.0, prediction).sum((-3, -2, -1))
    return ghost / prediction.sum((-3, -2, -1)).clamp(min=1e-6)


def codebook_use(counts: Tensor) -> tuple[float, float]:
    """Return (share of the code words that occur, perplexity of their distribution) of counts `[T]`."""
    share = counts.double() / counts.sum().clamp(min=1)
    entropy = -(share * share.clamp(min=1e-12).log()).sum()
    return float((counts > 0).double().mean()), float(entropy.exp())
