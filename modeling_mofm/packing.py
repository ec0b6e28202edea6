"""Sequence packing: clips of different lengths are concatenated instead of padded to the longest.

A clip has as many tokens as cubes with heat, so that a sixth of a padded batch would be padding, on which layers would
spend as much time as on other tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedConfig

try:  # of torch 2.10 and later
    from torch.nn.attention.varlen import varlen_attn
except ImportError:
    varlen_attn = None

HALF_DTYPES = (torch.float16, torch.bfloat16)
FIRST_WITH_FLASH, MAX_HEAD_DIM = (8, 0), 256  # compute capability, and what its kernel takes


class PackedClips:
    """Positions of the tokens of N clips in a padded batch.

    Args:
        kept: bool `[N, P]`, False is padding; each clip has at least one token.
        most: upper bound of the tokens of a clip in any batch, so that compiled layers fit the next batch.

    Attributes:
        places: int64 `[tokens]`, index of each token in N * P.
        lengths: int64 `[N]`, tokens of each clip.
        starts: int32 `[N + 1]`, where each clip starts in the packed sequence, and where the last one ends.
    """

    def __init__(self, kept: Tensor, most: int):
        self.kept, self.most = kept, most
        self.places = kept.flatten().nonzero()[:, 0]
        self.lengths = kept.sum(1)
        self.starts = F.pad(self.lengths.cumsum(0), (1, 0)).to(torch.int32)

    def pack(self, values: Tensor) -> Tensor:
        """Return `values` [N, P, ...] without padding, `[1, tokens, ...]`."""
        return values.flatten(0, 1).index_select(0, self.places)[None]

    def unpack(self, values: Tensor) -> Tensor:
        """Return `values` [1, tokens, D] padded with 0, `[N, P, D]`."""
        padded = values.new_zeros(self.kept.numel(), values.shape[-1])
        return padded.index_copy(0, self.places, values[0]).view(*self.kept.shape, -1)


def can_pack(config: PreTrainedConfig, tokens: Tensor, training: bool, recorded: bool) -> bool:
    """Tell whether layers may run over packed clips.

    Args:
        tokens: input of the layers.
        training: whether the model is training, so that attention dropout is active.
        recorded: whether the outputs of each layer are returned, which have padding.

    On a GPU it needs half precision, for which torch has a kernel for sequences of different lengths, and a head size
    that the kernel supports. A graph that is compiled or exported as a whole has one length for all.
    """
    if recorded or config._attn_implementation != "sdpa" or torch.compiler.is_compiling():
        return False
    if tokens.device.type == "cpu":
        return True
    if tokens.device.type != "cuda" or varlen_attn is None or (training and config.attention_probs_dropout_prob):
        return False
    head_dim = config.hidden_size // config.num_attention_heads
    if head_dim % 8 or head_dim > MAX_HEAD_DIM:
        return False
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else tokens.dtype
    return dtype in HALF_DTYPES and torch.cuda.get_device_capability(tokens.device) >= FIRST_WITH_FLASH


def packed_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packed: tuple[PackedClips, PackedClips],
    dropout: float = 0.0,
    scaling: float | None = None,
) -> Tensor:
    """Let the tokens of each clip attend to those of the same clip.

    Args:
        query, key, value: `[1, heads, tokens, head_dim]`.
        packed: clips of the query, and of key and value.

    Returns:
        `[1, tokens, heads, head_dim]`.
    """
    if query.device.type == "cpu":
        return _clip_by_clip(query, key, value, packed, dropout, scaling)
    asking, asked = packed
    rows = [heads[0].transpose(0, 1) for heads in (query, key, value)]
    return varlen_attn(*rows, asking.starts, asked.starts, asking.most, asked.most, scale=scaling)[None]


@torch.compiler.disable  # a graph for these lengths would not fit the next batch
def _clip_by_clip(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packed: tuple[PackedClips, PackedClips],
    dropout: float,
    scaling: float | None,
) -> Tensor:
    asking, asked = (clips.lengths.tolist() for clips in packed)
    clips = zip(query.split(asking, 2), key.split(asked, 2), value.split(asked, 2), strict=True)
    attended = [F.scaled_dot_product_attention(*clip, dropout_p=dropout, scale=scaling) for clip in clips]
    return torch.cat(attended, 2).transpose(1, 2)
