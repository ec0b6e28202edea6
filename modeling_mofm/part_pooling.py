"""Pooling by body part: the tokens of a clip, averaged over the cubes that each key-point heats in each time slice.

A mean over all tokens forgets which limb did what; parts keep it, whatever the place of the person in the map.
"""

import torch
from torch import Tensor

from .modeling_mofm import MoFMModelOutput


def pool_parts(tokens: Tensor, touched: Tensor, num_slices: int) -> Tensor:
    """Average the tokens that the heat of each key-point touches in each time slice.

    Args:
        tokens: `[N, L, D]` on the grid of cubes; what left-out cubes hold is not read.
        touched: bool `[N, L, K]`, whether key-point k heats cube l.
        num_slices: time slices T of the grid.

    Returns:
        `[N, T, K, D]`; 0 where a key-point is missing.
    """
    weights = touched.to(tokens.dtype).unflatten(1, (num_slices, -1))
    total = torch.einsum("ntck,ntcd->ntkd", weights, tokens.unflatten(1, (num_slices, -1)))
    return total / weights.sum(2)[..., None].clamp(min=1)


def on_grid(values: Tensor, outputs: MoFMModelOutput, num_cubes: int) -> Tensor:
    """Put what each token of a sequence has, `[N, P, C]`, at its cube, `[N, L, C]`; 0 where a cube was left out."""
    values = values * outputs.attention_mask[..., None]
    index = outputs.cube_ids[..., None].expand_as(values)
    return values.new_zeros(len(values), num_cubes, values.shape[-1]).scatter(1, index, values)
