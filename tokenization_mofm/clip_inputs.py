"""What every model checks and derives of the clips it is given."""

from __future__ import annotations

import torch
from torch import Tensor

from .configuration_cubes import ThermalCubeConfig
from .thermal_cubes import active_cubes, touched_cubes


def people_axis(keypoints: Tensor | None, heatmaps: Tensor | None) -> tuple[int, int] | None:
    """Return (B, M) if the clips have a people axis."""
    if heatmaps is not None:
        return tuple(heatmaps.shape[:2]) if heatmaps.ndim == 6 else None
    return tuple(keypoints.shape[:2]) if keypoints is not None and keypoints.ndim == 5 else None


def check_clips(
    config: ThermalCubeConfig,
    dtype: torch.dtype,
    keypoints: Tensor | None,
    scores: Tensor | None,
    heatmaps: Tensor | None,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Check clips against the configuration, fold people into the batch, cast heat-maps to the model's dtype.

    Key-points keep at least single precision, whatever the model's: a pixel of the map needs more than half has.

    Raises:
        ValueError: naming the argument, its shape and the shape that is allowed.
    """
    if (keypoints is None) == (heatmaps is None):
        raise ValueError("give either keypoints or heatmaps, got " + ("neither" if keypoints is None else "both"))
    F, K, S = config.num_frames, config.num_keypoints, config.heatmap_size
    if heatmaps is not None:
        if heatmaps.ndim not in (5, 6) or tuple(heatmaps.shape[-4:]) != (K, F, S, S):
            raise ValueError(f"heatmaps must be [B, (M,) {K}, {F}, {S}, {S}], got {list(heatmaps.shape)}")
        return None, None, heatmaps.reshape(-1, K, F, S, S).to(dtype)
    if keypoints.ndim not in (4, 5) or tuple(keypoints.shape[-3:]) != (F, K, 2):
        raise ValueError(f"keypoints must be [B, (M,) {F}, {K}, 2], got {list(keypoints.shape)}")
    if scores is None:
        scores = torch.ones_like(keypoints[..., 0])
    if scores.shape != keypoints.shape[:-1]:
        raise ValueError(f"scores must be {list(keypoints.shape[:-1])} as keypoints are, got {list(scores.shape)}")
    precise = torch.promote_types(keypoints.dtype, torch.float32)
    scores = scores.reshape(-1, F, K).to(precise)
    # NaN or negative is missing; the tokenizer refuses such scores, a model that may be compiled cannot look
    return keypoints.reshape(-1, F, K, 2).to(precise), torch.where(scores > 0, scores, 0.0), None


def touched_by_keypoints(
    config: ThermalCubeConfig, keypoints: Tensor | None, scores: Tensor | None, heatmaps: Tensor | None
) -> Tensor:
    """Tell which key-points heat which cubes, bool `[N, L, K]`, of checked clips."""
    cube = tuple(config.cube_size)
    if heatmaps is not None:
        return active_cubes(heatmaps[:, :, None], cube).transpose(1, 2)
    return touched_cubes(keypoints, scores, config.heatmap_size, cube, config.sigma, config.truncate)
