"""Pooling by body part: the tokens of a clip, averaged over the cubes that each key-point heats in each time slice.

A mean over all tokens loses which limb did what; parts keep it, wherever the person is in the map.
"""

import torch
from torch import Tensor


def pool_parts(tokens: Tensor, touched: Tensor, num_slices: int) -> Tensor:
    """Average the tokens that the heat of each key-point touches in each time slice.

    Args:
        tokens: `[N, L, D]` on the grid of cubes; values of left-out cubes are ignored.
        touched: bool `[N, L, K]`, whether key-point k heats cube l.
        num_slices: time slices T of the grid.

    Returns:
        `[N, T, K, D]`; 0 where a key-point is missing.
    """
    weights = touched.to(tokens.dtype).unflatten(1, (num_slices, -1))
    total = torch.einsum("ntck,ntcd->ntkd", weights, tokens.unflatten(1, (num_slices, -1)))
    return total / weights.sum(2)[..., None].clamp(min=1)
