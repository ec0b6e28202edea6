"""Embeddings of a motion: the encoder's tokens, pooled by joint and time slice.

A mean over all tokens loses which joint was where: a linear probe on it has half the accuracy of one on the same
tokens pooled by joint and time slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.utils import ModelOutput

from tokenization_mofm.clip_inputs import ClipInputs

from .fitting import fit_into_map
from .part_pooling import pool_parts


@dataclass
class MotionEmbeddings(ModelOutput):
    """
    Args:
        parts: `[N, T, K, D]` (`[B, M, T, K, D]` if the input has a people axis), a vector for each key-point and time
            slice: the mean over the cubes that its heat touches; 0 where it is missing.
        present: bool `[..., T, K]`, whether the key-point is seen in the slice.
    """

    parts: Tensor | None = None
    present: Tensor | None = None

    @property
    def joints(self) -> Tensor:
        """Each key-point over the whole clip, `[..., K, D]`."""
        return _mean_over(self.parts, self.present, -3)

    @property
    def slices(self) -> Tensor:
        """All key-points in each time slice, `[..., T, D]`."""
        return _mean_over(self.parts, self.present, -2)

    @property
    def vectors(self) -> Tensor:
        """All parts concatenated, `[..., T * K * D]`, of unit length: dot products are cosines. 0 without people."""
        return F.normalize(self.parts.flatten(-3).float(), dim=-1)

    def beside(self, other: MotionEmbeddings) -> MotionEmbeddings:
        """Return two embeddings of the same parts concatenated, `[..., T, K, 2 D]`."""
        return MotionEmbeddings(torch.cat((self.parts, other.parts), -1), self.present | other.present)

    def over_people(self) -> MotionEmbeddings:
        """Return the parts of a scene, `[B, T, K, D]`: each the mean over the people who have it."""
        if self.parts.ndim == 4:
            return self
        return MotionEmbeddings(_mean_over(self.parts, self.present, 1), self.present.any(1))


def embed_clips(
    model: torch.nn.Module, clips: ClipInputs, layers: int | Sequence[int] = -1, **kwargs: object
) -> MotionEmbeddings:
    """Return a `MoFMModel`'s embeddings of clips; see `MoFMModel.get_embeddings`."""
    chosen = [layers] if isinstance(layers, int) else list(layers)
    depth = model.config.num_hidden_layers
    wrong = [layer for layer in chosen if not -depth - 1 <= layer <= depth]
    if wrong or not chosen:
        raise ValueError(f"layers must be from 0 (the embedded cubes) to {depth}, or -1 for the last, got {layers}")
    outputs = model(clips=clips, output_hidden_states=any(layer % (depth + 1) != depth for layer in chosen), **kwargs)
    hidden = [
        outputs.last_hidden_state
        if layer % (depth + 1) == depth
        else F.layer_norm(outputs.hidden_states[layer], outputs.hidden_states[layer].shape[-1:])
        for layer in chosen
    ]
    return parts_of(outputs.on_grid(torch.stack(hidden).mean(0), model.config.num_cubes), clips, model.config)


def parts_of(tokens: Tensor, clips: ClipInputs, config: PreTrainedConfig) -> MotionEmbeddings:
    """Return the embeddings of clips from their tokens on the grid, `[N, L, D]`."""
    num_slices = config.grid_size[0]
    present = clips.touched.unflatten(1, (num_slices, -1)).any(2)
    parts = pool_parts(tokens, clips.touched, num_slices)
    if clips.people is None:
        return MotionEmbeddings(parts, present)
    return MotionEmbeddings(parts.unflatten(0, clips.people), present.unflatten(0, clips.people))


def centred_in_map(keypoints: Tensor | None, scores: Tensor | None, config: PreTrainedConfig, option: str) -> Tensor:
    """Return key-points in map pixels with each person in the middle of each frame, for the second reading of a clip.

    Raises:
        ValueError: there are no key-points, or no scores; naming the option that asks for this.
    """
    if keypoints is None or scores is None:
        raise ValueError(f"{option} is true and centres people by key-points; keypoints or scores is None")
    return fit_into_map(keypoints, scores, config.heatmap_size, center_frames=True)


def _mean_over(parts: Tensor, present: Tensor, axis: int) -> Tensor:
    """Average over an axis of `parts`, counting what is present."""
    weights = present[..., None].to(parts.dtype)
    return (parts * weights).sum(axis) / weights.sum(axis).clamp(min=1)
