"""Which cubes to hide in masked pre-training (MoFM, section 3.3).

Keypoint-wise masking hides key-points, not cubes: a key-point is chosen for a span of time, and every cube that its
heat touches in that span is masked, so that the answer cannot be copied from other heat of the same joint. Uniform and
tube masking are there for comparison. Each orders the cubes by random numbers that the caller gives and masks the
first ones; the same numbers give the same mask on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor

MASKINGS = ("keypoint", "uniform", "tube")


def noise_shape(masking: str, grid_size: tuple[int, int, int], num_keypoints: int) -> tuple[int, ...]:
    """Return the shape of the random numbers in [0, 1) from which the mask of one clip is made."""
    slices, rows, columns = grid_size
    shapes = {"keypoint": (num_keypoints, slices), "uniform": (slices * rows * columns,), "tube": (rows * columns,)}
    if masking not in shapes:
        raise ValueError(f"masking must be one of {MASKINGS}, got {masking!r}")
    return shapes[masking]


def mask_cubes(
    touched: Tensor, noise: Tensor, grid_size: tuple[int, int, int], masking: str, ratio: float, span: int
) -> Tensor:
    """Choose the masked cubes of each clip.

    Args:
        touched: bool `[N, L, K]`, whether key-point k heats cube l. Cubes that nothing touches are never masked.
        noise: `[N, *noise_shape]` in [0, 1), no two equal.
        grid_size: cubes along time, rows and columns.
        masking: "keypoint", "uniform" or "tube" (the same places in every time slice).
        ratio: target fraction of active cubes to mask; whole key-points are masked, so the nearest reachable fraction
            is used.
        span: time slices for which a key-point is hidden in one go; "keypoint" only.

    Returns:
        bool `[N, L]`, True is masked: at least one active cube, and not all, of every clip that has two or more.
    """
    active = touched.any(-1)
    if masking == "keypoint":
        order = spread_over_span(noise, span)  # N K T
        cells = grid_size[1] * grid_size[2]
        per_cube = order.transpose(1, 2).repeat_interleave(cells, dim=1)  # N L K
        order = torch.where(touched, per_cube, torch.inf).amin(-1)  # a cube falls with the first key-point touching it
    elif masking == "tube":
        order = noise.repeat(1, grid_size[0])
    elif masking == "uniform":
        order = noise
    else:
        raise ValueError(f"masking must be one of {MASKINGS}, got {masking!r}")
    order = torch.where(active, order, torch.inf)
    masked = _cut(order, active, ratio)
    # a clip in which every cut takes all or nothing (all joints in the same few cubes) is masked cube by cube
    by_cube = torch.arange(active.shape[1], device=active.device, dtype=order.dtype).expand_as(order)
    by_cube = torch.where(active, by_cube, torch.inf)
    undecided = ~masked.any(1, keepdim=True)
    return torch.where(undecided, _cut(by_cube, active, ratio), masked)


def covering_masks(touched: Tensor, grid_size: tuple[int, int, int], num_masks: int, span: int) -> Tensor:
    """Return key-point masks of each clip that together hide every active cube at least once.

    Mask r hides key-point k in span s of time where k + s = r modulo the number of masks: every `num_masks`-th of the
    skeleton's joints, so that one mask hides parts from all over the body.

    Args:
        touched: bool `[N, L, K]`, whether key-point k heats cube l.
        grid_size: cubes along time, rows and columns.
        num_masks: masks R of each clip.
        span: time slices for which a key-point is hidden in one go.

    Returns:
        bool `[N, R, L]`, True is masked.
    """
    slices, rows, columns = grid_size
    spans = torch.arange(slices, device=touched.device) // span
    keypoints = torch.arange(touched.shape[-1], device=touched.device)
    turn = (keypoints + spans.repeat_interleave(rows * columns)[:, None]) % num_masks  # L K
    masks = torch.arange(num_masks, device=touched.device)
    hidden = (turn == masks[:, None, None]).to(torch.float32)  # R L K
    return torch.einsum("nlk,rlk->nrl", touched.to(torch.float32), hidden) > 0


def spread_over_span(noise: Tensor, span: int) -> Tensor:
    """Give all time slices of a span the same random number, `[N, K, T]`; spans start at a random slice."""
    slices = noise.shape[-1]
    span = min(max(span, 1), slices)
    starts = span if span < slices else 1  # a span of the whole clip has one place
    start = (noise[..., :1] * 4096 % 1 * starts).long()  # low bits of the first number: independent of its order
    index = (torch.arange(slices, device=noise.device) + start) // span  # N K T
    return noise.gather(-1, index.clamp(max=slices - 1))


def _cut(order: Tensor, active: Tensor, ratio: float) -> Tensor:
    """Mask `order <= threshold`, the threshold that masks nearest to `ratio` of the active cubes, but not 0 or all."""
    count = active.sum(1, keepdim=True)
    masked_upto = torch.searchsorted(order.sort(1).values, order.contiguous(), right=True)  # if cut behind this cube
    miss = (masked_upto - ratio * count).abs()
    miss = torch.where(active & (masked_upto < count), miss, torch.inf)
    best = miss.argmin(1, keepdim=True)
    threshold = torch.where(miss.gather(1, best).isfinite(), order.gather(1, best), -torch.inf)
    return active & (order <= threshold)
