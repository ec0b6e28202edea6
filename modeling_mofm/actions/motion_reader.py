"""A small convolutional network on coordinates, beside the encoder: fine motion that broad heat-maps blur.

Cubes tell where a key-point is and roughly how it moves. Many actions differ in the distance between two key-points,
or in how fast one moves for a few frames, wherever the person stands and whenever it happens. A few convolutions along
time read that from the coordinates.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tokenization_mofm.clip_inputs import known_scores

from ..configuration_mofm import MoFMConfig

FRAMES_BETWEEN = (1, 4)  # frame gaps over which velocities are computed, for fast and for slow motion
VELOCITY_SCALE = 8.0  # brings velocities, in half sides of the map a frame, to the size of distances
CHANNEL_DROPOUT = 0.1


class TimeConvolution(nn.Conv1d):
    """A convolution along time with an initialisation of its own, instead of `initializer_range`."""


class MotionReader(nn.Module):
    """Logits of actions from distances between key-points and their velocities, max-pooled over time and people.

    Args:
        config: gives `num_keypoints` and `heatmap_size`.
        sizes: width and number of classes; None takes `config.classifier_motion_size` and `config.num_labels`.

    Attributes:
        sizes: width and number of classes.
        embedding_size: width of its embedding of a clip.
    """

    def __init__(self, config: MoFMConfig, sizes: tuple[int, int] | None = None):
        super().__init__()
        self.sizes = sizes or (config.classifier_motion_size, config.num_labels)
        (size, num_labels), K = self.sizes, config.num_keypoints
        self.embedding_size = 4 * size
        self.half = (config.heatmap_size - 1) / 2
        self.streams = nn.ModuleList(
            nn.Sequential(_along_time(inputs, size, 1), _along_time(size, size // 2, 3))
            for inputs in (K * (K - 1) // 2, 2 * K, 2 * K)
        )
        self.layers = nn.Sequential(
            *(_along_time(3 * (size // 2), size, 3), _along_time(size, size, 3), nn.MaxPool1d(2, ceil_mode=True)),
            *(_along_time(size, 2 * size, 3), _along_time(2 * size, 2 * size, 3), nn.MaxPool1d(2, ceil_mode=True)),
            *(_along_time(2 * size, 4 * size, 3), _along_time(4 * size, 4 * size, 3)),
        )
        self.head = nn.Sequential(
            nn.Linear(self.embedding_size, 2 * size),
            nn.GELU(),
            nn.Dropout(0.5),
            nn.Linear(2 * size, num_labels),
        )

    def forward(self, keypoints: Tensor, scores: Tensor) -> Tensor:
        """Return the logits `[B, num_labels]` of clips; for the arguments see `embed`."""
        return self.head(self.embed(keypoints, scores))

    def embed(self, keypoints: Tensor, scores: Tensor) -> Tensor:
        """Return the embeddings of clips, `[B, embedding_size]`; 0 for a clip without people.

        Args:
            keypoints: `[B, (M,) F, K, 2]` in map pixels.
            scores: `[B, (M,) F, K]`; joints whose score is not above 0, or whose coordinates are not finite, are
                missing: their coordinates are ignored.
        """
        scores = known_scores(keypoints, scores)
        if keypoints.ndim == 4:
            keypoints, scores = keypoints[:, None], scores[:, None]
        people = (scores > 0).any(-1).any(-1)  # B M
        keypoints, scores = keypoints.flatten(0, 1), scores.flatten(0, 1)
        if self.training:  # people who are only padding would count in the batch statistics
            there = people.flatten().nonzero()[:, 0]
            read = self.read(keypoints[there], scores[there])
            motion = read.new_zeros(len(scores), read.shape[-1]).index_copy(0, there, read)
        else:
            motion = self.read(keypoints, scores)
        motion = motion.unflatten(0, people.shape).masked_fill(~people[..., None], -torch.inf).amax(1)
        return torch.where(people.any(1, keepdim=True), motion, 0.0)

    def read(self, keypoints: Tensor, scores: Tensor) -> Tensor:
        """Return the embeddings `[N, C]` of people from `keypoints` [N, F, K, 2] and `scores` [N, F, K]."""
        dtype = self.head[0].weight.dtype
        places, seen = hold_places(keypoints.float() / self.half, scores > 0)  # half precision blurs small motion
        first, second = torch.triu_indices(*[seen.shape[1]] * 2, 1, device=seen.device)
        apart = (places[:, :, first] - places[:, :, second]).square().sum(-1).clamp(min=1e-12).sqrt()
        apart = apart * (seen[:, first] & seen[:, second])[:, None]
        read = (apart - apart.mean((1, 2), keepdim=True), *(moved_places(places, gap) for gap in FRAMES_BETWEEN))
        streams = [stream(x.transpose(1, 2).to(dtype)) for stream, x in zip(self.streams, read, strict=True)]
        return self.layers(torch.cat(streams, 1)).amax(-1)


def hold_places(places: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Fill in missing key-points: with the last position seen, or before that with the first one.

    Args:
        places: `[N, F, K, 2]`.
        seen: bool `[N, F, K]`.

    Returns:
        the filled positions, 0 for a key-point that is never seen, and bool `[N, K]`, which are seen at all.
    """
    number = seen.shape[1]
    frames = torch.arange(number, device=seen.device)
    until = (frames[:, None] >= frames)[..., None]  # F F 1: graphs have no running maximum
    last = torch.where(seen[:, None] & until, frames[:, None], -1).amax(2)  # N F K
    first = torch.where(seen, frames[:, None], number).amin(1, keepdim=True)
    ever = seen.any(1)
    source = torch.where(last < 0, first, last).clamp(max=number - 1)
    filled = places.gather(1, source[..., None].expand_as(places))
    return torch.where(ever[:, None, :, None], filled, 0.0), ever


def moved_places(places: Tensor, gap: int) -> Tensor:
    """Return velocities per frame over a gap of frames, `[N, F, 2 K]`, of positions `[N, F, K, 2]`; 0 at the ends."""
    gap = min(gap, places.shape[1] - 1)
    moved = (places[:, gap:] - places[:, :-gap]).flatten(2) * (VELOCITY_SCALE / gap)
    return F.pad(moved, (0, 0, gap // 2, gap - gap // 2))


def _along_time(inputs: int, outputs: int, frames: int) -> nn.Module:
    return nn.Sequential(
        TimeConvolution(inputs, outputs, frames, padding=frames // 2, bias=False),
        nn.BatchNorm1d(outputs),
        nn.GELU(),
        nn.Dropout1d(CHANNEL_DROPOUT),
    )
