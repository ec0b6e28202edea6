"""`motion_data.keypoints.normalise_clip` in torch: as a part of a graph, and of models."""

from __future__ import annotations

import torch
from torch import Tensor

from motion_data.keypoints import NUM_FACE, PATH_ROUNDS, STEADY_FRAMES, WILD


def fit_into_map(
    keypoints: Tensor,
    scores: Tensor,
    size: int,
    scale: float = 0.9,
    center_frames: bool = False,
    shared_box: bool = False,
) -> Tensor:
    """Scale each track `[..., F, K, 2]` into the map, as `normalise_clip` does.

    Args:
        keypoints: `[..., F, K, 2]` of at least 3 frames; coordinates of missing joints are not read.
        scores: `[..., F, K]`, 0 is missing.
        size, scale, center_frames, shared_box: as there.
    """
    present = scores > 0
    keypoints = torch.where(present[..., None], keypoints, 0.0)
    if center_frames:
        keypoints = keypoints - _body_path(keypoints, present)
    low, high = _edge(keypoints, scores), -_edge(-keypoints, scores)
    if center_frames:
        high = torch.maximum(high, -low)
        low = -high
    alone = (present.sum(-1) < 2).all(-1)[..., None]
    if shared_box and not center_frames:
        seen = present.any(-1).any(-1)[..., None]  # ... M 1
        low, high = _lowest_corner(low, seen), -_lowest_corner(-high, seen)
        alone = alone.all(-2, keepdim=True)
    span = (high - low).amax(-1, keepdim=True)
    span = torch.where(alone, span.clamp(min=scale * size), span)
    factor = scale * size / torch.where(span > 0, span, 1.0)
    middle = ((low + high) / 2)[..., None, None, :]
    fitted = (keypoints - middle) * factor[..., None, None] + (size - 1) / 2
    return torch.where(present[..., None], fitted, 0.0)


def _lowest_corner(corners: Tensor, seen: Tensor) -> Tensor:
    """Return the lowest of the corners `[..., M, 2]` of people who are seen; 0 where nobody is."""
    lowest = torch.where(seen, corners, torch.inf).amin(-2, keepdim=True)
    return torch.where(seen.any(-2, keepdim=True), lowest, 0.0)


def _body_path(keypoints: Tensor, present: Tensor) -> Tensor:
    """Return `motion_data.keypoints.body_path` of tracks, `[..., F, 1, 2]`."""
    below = present & (torch.arange(present.shape[-1], device=present.device) >= NUM_FACE)
    none = ~below.any(-1).any(-1)[..., None, None]
    there = (below | (present & none)).to(keypoints.dtype)  # onnxruntime chooses between no booleans
    keypoints = keypoints * there[..., None]
    of_frame, of_joint = (there.sum(axis).clamp(min=1)[..., None] for axis in (-1, -2))
    in_frame, of_each = keypoints.sum(-2), keypoints.sum(-3)
    path = in_frame / of_frame
    for _ in range(PATH_ROUNDS):
        offset = (of_each - there.transpose(-2, -1) @ path) / of_joint
        path = (in_frame - there @ offset) / of_frame
    seen = there.amax(-2)[..., None]
    middle = (offset * seen).sum(-2, keepdim=True) / seen.sum(-2, keepdim=True).clamp(min=1)
    return torch.where(there.any(-1)[..., None], path + middle, 0.0)[..., None, :]


def _edge(keypoints: Tensor, scores: Tensor) -> Tensor:
    """Return the lowest coordinates `[..., 2]` of tracks, one wild joint left out."""
    present = scores > 0
    count = present.sum((-2, -1))
    mean = scores.sum((-2, -1)) / count.clamp(min=1)
    reach = torch.where(present[..., None], keypoints, torch.inf)
    frames = reach.amin(-2)
    lowest = frames.amin(-2)
    if frames.shape[-2] >= STEADY_FRAMES:
        sure = (scores >= 0.5 * mean[..., None, None]) & present
        sure = torch.where(sure[..., None], keypoints, torch.inf).amin((-3, -2))
        first, second, third = frames.topk(3, dim=-2, largest=False).values.unbind(-2)
        largest = torch.where(frames.isfinite(), frames, -torch.inf).amax(-2) - second
        far = torch.maximum(WILD * largest.amax(-1, keepdim=True), 2 * (third - second))
        steady = (present.any(-1).sum(-1) >= STEADY_FRAMES)[..., None]
        lowest = torch.where((second - first > far) & steady, torch.minimum(second, sure), lowest)
    return torch.where(count[..., None] > 0, lowest, 0.0)
