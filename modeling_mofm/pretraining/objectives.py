"""Objectives of pre-training besides words: actions, coordinates of hidden key-points, agreement of two views.

Hidden is not masked: a masked cube leaves its mask embedding, which tells where heat was; a hidden key-point has no
heat at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tokenization_mofm.clip_inputs import ClipInputs

from ..configuration_mofm import MoFMConfig
from ..masking import spread_over_span

ACTION_DROPOUT = 0.3
SMALL_ERROR = 0.05  # half sides of the map, below which the error of a coordinate counts by its square


class CoordinateDecoder(nn.Module):
    """Predict the position of each key-point in each frame, from the tokens of a clip in which some are hidden.

    One learned query for each key-point and time slice attends to the other queries and to the tokens, and is mapped
    to the coordinates of all frames of its slice.
    """

    def __init__(self, config: MoFMConfig):
        super().__init__()
        D = config.hidden_size
        self.grid = (config.grid_size[0], config.num_keypoints)
        self.frames = config.cube_size[0]
        self.queries = nn.Parameter(torch.zeros(self.grid[0] * self.grid[1], D))
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                D, config.num_attention_heads, 2 * D, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(config.coordinate_decoder_layers)
        )
        self.layernorm = nn.LayerNorm(D, eps=config.layer_norm_eps)
        self.coordinates = nn.Linear(D, self.frames * 2)

    def forward(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Return coordinates `[N, F, K, 2]`, the map from -1 to 1, of `tokens` [N, P, D]; False is padding."""
        queries = self.queries.to(tokens.dtype).expand(len(tokens), -1, -1)
        for layer in self.layers:
            queries = layer(queries, tokens, memory_key_padding_mask=attention_mask == 0)
        places = self.coordinates(self.layernorm(queries))
        return places.unflatten(-1, (self.frames, 2)).unflatten(1, self.grid).transpose(2, 3).flatten(1, 2)


class ActionHead(nn.Module):
    """Linear head from the parts of a clip, `[N, T, K, D]`, to logits of `config.action_names`, `[N, C]`.

    The labels of other corpora shape features that tell actions apart; the head itself is dropped after pre-training.
    """

    def __init__(self, config: MoFMConfig):
        super().__init__()
        self.dropout = nn.Dropout(ACTION_DROPOUT)
        size = config.grid_size[0] * config.num_keypoints * config.hidden_size
        self.classifier = nn.Linear(size, len(config.action_names))

    def forward(self, parts: Tensor) -> Tensor:
        return self.classifier(self.dropout(parts.flatten(1)))


class ViewProjector(nn.Module):
    """Map the joints of a clip, `[N, K, D]`, to the space in which two views are compared, `[N, C]`."""

    def __init__(self, config: MoFMConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.num_keypoints * config.hidden_size, config.view_size)
        self.layernorm = nn.LayerNorm(config.view_size, eps=config.layer_norm_eps)
        self.fc2 = nn.Linear(config.view_size, config.view_size)

    def forward(self, joints: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.layernorm(self.fc1(joints.flatten(1)))))


def hidden_keypoints(noise: Tensor, span: int, ratio: float) -> Tensor:
    """Choose which key-points are hidden in which time slices, bool `[N, K, T]`.

    Args:
        noise: `[N, K, T]` in [0, 1).
        span: time slices for which a key-point is hidden in one go.
        ratio: probability of hiding each.
    """
    return spread_over_span(noise, span) < ratio


def hide(clips: ClipInputs, hidden: Tensor, config: MoFMConfig) -> ClipInputs:
    """Return clips without hidden key-points, bool `[N, K, T]`; a clip that would be empty stays as it is.

    People are folded into the batch.
    """
    frames = hidden.repeat_interleave(config.cube_size[0], -1).transpose(1, 2)  # N F K
    scores = torch.where(frames, 0.0, clips.scores)
    scores = torch.where((scores > 0).any((1, 2), keepdim=True), scores, clips.scores)
    return ClipInputs.check(config, clips.keypoints.dtype, clips.keypoints, scores)


def coordinate_loss(places: Tensor, clips: ClipInputs, shown: ClipInputs, map_size: int) -> tuple[Tensor, Tensor]:
    """Compare coordinates with those of the key-points that were hidden.

    Args:
        places: predicted coordinates, `[N, F, K, 2]`.
        clips: the whole clips.
        shown: the clips without their hidden key-points.
        map_size: side of the map, pixels.

    Returns:
        the mean smooth L1 error (the map from -1 to 1), and the mean distance in pixels; 0 if nothing was hidden.
    """
    half = (map_size - 1) / 2
    wanted = ((clips.scores > 0) & (shown.scores == 0)).to(torch.float32)
    true = torch.where(wanted[..., None] > 0, clips.keypoints / half - 1, 0.0)
    places = places.float()
    count = wanted.sum().clamp(min=1)
    errors = F.smooth_l1_loss(places, true.float(), reduction="none", beta=SMALL_ERROR).sum(-1)
    apart = (places.detach() - true).norm(dim=-1) * half
    return (errors * wanted).sum() / count, (apart * wanted).sum() / count


def action_loss(logits: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of labelled clips over several looks at them; 0 if no clip has a label.

    With several processes, each averages over its own labelled clips.

    Args:
        logits: `[N, C]` of each look.
        labels: `[N]`; negative ones are unknown.
    """
    known = (labels >= 0).float()
    losses = [F.cross_entropy(one.float(), labels.clamp(min=0), reduction="none") for one in logits]
    return (torch.stack(losses).mean(0) * known).sum() / known.sum().clamp(min=1)


def view_loss(first: Tensor, second: Tensor) -> Tensor:
    """Compare two views of N motions, `[N, C]` each (VICReg, Bardes et al. 2022, section 4.1).

    Vectors of the same motion are pulled together; over different motions every axis should vary, and no two axes
    should be correlated. With several processes, each compares its own motions.
    """
    first, second = first.float(), second.float()
    loss = F.mse_loss(first, second)
    size = first.shape[1]
    for vectors in (first, second):
        centred = vectors - vectors.mean(0)
        spread = (centred.square().sum(0) / max(len(vectors) - 1, 1) + 1e-4).sqrt()
        covariance = centred.T @ centred / max(len(vectors) - 1, 1)
        off_diagonal = covariance.square().sum() - covariance.diagonal().square().sum()
        loss = loss + F.relu(1 - spread).mean() / 2 + off_diagonal / size / 25
    return loss
