"""Thermal cubes to tokens, frame by frame: what a linear map of whole cubes cannot say.

A linear map sees a cube as one picture of 12 frames. What tells actions apart is often how a joint moves, wherever and
whenever it does. So each frame of a cube is embedded on its own, from the heat in it and from how fast the joints move
whose heat that is, goes through a non-linearity, and the frames are then added up with learned weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cube_embedding import CubeEmbedding, CubeProjection, sum_by_cell, sum_rows

MOTION_REACH = 2  # frames before and after, between which a joint's velocity is measured
FAST = 1 / 72  # of the map's side a frame: about where a velocity begins to saturate
BIAS = 0.5  # standard deviation of the first biases before the non-linearity, so that it is one from the start


def velocities(keypoints: Tensor, scores: Tensor, frames: int) -> Tensor:
    """Return how fast joints move, `[N, F, K, 2]` in pixels a frame, 0 where a joint is missing at either end.

    Between `MOTION_REACH` frames before and after, or fewer at the ends of a slice: a cube tells of its own frames.

    Args:
        keypoints: `[N, F, K, 2]` map pixels.
        scores: `[N, F, K]`; 0 is missing.
        frames: of a slice.
    """
    places = torch.where((scores > 0)[..., None], keypoints, 0.0).unflatten(1, (-1, frames))
    seen = (scores > 0).unflatten(1, (-1, frames))
    here = torch.arange(frames, device=keypoints.device)
    first, last = (here - MOTION_REACH).clamp(min=0), (here + MOTION_REACH).clamp(max=frames - 1)
    moved = (places[:, :, last] - places[:, :, first]) / (last - first).clamp(min=1)[:, None, None]
    return torch.where((seen[:, :, last] & seen[:, :, first])[..., None], moved, 0.0).flatten(1, 2)


class FrameCubeEmbedding(CubeEmbedding):
    """Embed thermal cubes of key-points frame by frame; arguments as of `CubeEmbedding`.

    It takes no heat-maps, which do not say how fast a joint moves.
    """

    def add_weights(self, num_keypoints: int, hidden_size: int) -> None:
        """Make what is learnt, of one frame of a cube and of the frames together."""
        frames, rows, columns = self.cube_size
        # of one frame: its heat, and its heat times the velocity in x and in y of the joints whose heat it is
        cell = (1, rows, columns)
        self.projection = CubeProjection(num_keypoints, hidden_size, cell, stride=cell)
        self.motion = CubeProjection(2 * num_keypoints, hidden_size, cell, stride=cell, bias=False)
        self.projection.spread, self.motion.spread = 5.0, 10.0
        self.frames = nn.Parameter(torch.zeros(frames, hidden_size))  # weights of the frames of a cube
        self.bias = nn.Parameter(torch.zeros(hidden_size))

    def first_frames(self) -> Tensor:
        """Return initial weights of frames, `[t, D]`: half of the channels are means, the others slow waves."""
        frames, D = self.frames.shape
        device = self.frames.device
        turns, phases = torch.rand(2, D, device=device) * (2 * torch.pi)
        turns[: D // 2] = phases[: D // 2] = 0
        time = torch.arange(frames, device=device, dtype=torch.float32)[:, None] / frames
        return torch.cos(time * turns + phases) * (3 / frames)

    def embed_heatmaps(self, heatmaps: Tensor) -> Tensor:
        """Refuse heat-maps.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "heatmaps do not say how fast joints move, which a model with cube_embedding 'frames' sees; give "
            "keypoints and scores"
        )

    def embed_keypoints(self, keypoints: Tensor, scores: Tensor, active: Tensor | None = None) -> Tensor:
        """Embed as `CubeEmbedding.embed_keypoints` does, without rendering."""
        N, frames, K, _ = keypoints.shape
        t, h, w = self.cube_size
        Y, X = self.heatmap_size // h, self.heatmap_size // w
        D = self.projection.out_channels
        velocity = torch.tanh(velocities(keypoints, scores, t) / (FAST * self.heatmap_size * self.stride))
        # joints first: one matrix product for each
        vx, vy = velocity.permute(3, 2, 0, 1)[..., None, None]  # K N F 1 1
        cell, heat = self.patches(keypoints.permute(2, 0, 1, 3), scores.permute(2, 0, 1))  # K N F R (h*w)
        patch = torch.cat((heat, heat * vx, heat * vy), -1).to(self.projection.weight.dtype)
        moving = self.motion.weight.view(D, 2, K, h * w).unbind(1)
        weight = torch.cat((self.projection.weight.view(D, K, h * w), *moving), -1).permute(1, 2, 0)  # K 3*h*w D
        reach = cell.shape[-1]
        parts = torch.bmm(patch.reshape(K, -1, 3 * h * w), weight).view(K, N * frames, reach, D)
        cell = cell.reshape(K, N * frames, reach)
        if active is not None:
            return self._of_active(parts, cell, active)
        cells = sum_by_cell(parts, cell, Y * X)
        embedded = F.relu(cells + self.projection.bias).view(N, frames // t, t, Y * X, D)
        return (embedded * self.frames[:, None]).sum(2).view(N, -1, D) + self.bias

    def _of_active(self, parts: Tensor, cell: Tensor, active: Tensor) -> Tensor:
        """Return the embeddings `[N, L, D]`, those of all but active cubes as if they were empty.

        Args:
            parts: `[K, N * F, R, D]`, what each joint gives the cells that it reaches in each frame.
            cell: int64 `[K, N * F, R]`, which these are.
            active: bool `[N, L]`.
        """
        K, frames, _, D = parts.shape
        t = self.cube_size[0]
        number = torch.where(active, active.flatten().cumsum(0).view_as(active) - 1, -1)  # N L, of the active ones
        of_frame = number.view(frames // t, -1).repeat_interleave(t, 0)  # N*F cells
        number_of = of_frame.expand(K, -1, -1).gather(2, cell)  # K N*F R
        here = torch.arange(frames, device=cell.device).remainder(t)[:, None]
        # what falls into other cubes is added up in a row that is thrown away
        size = int(active.sum()) * t
        slot = torch.where(number_of >= 0, number_of * t + here, size)
        cells = sum_rows(parts.flatten(0, 2), slot.flatten(), self.projection.bias, size + 1)
        embedded = (F.relu(cells[:-1]).view(-1, t, D) * self.frames).sum(1)
        empty = (F.relu(self.projection.bias) * self.frames).sum(0, keepdim=True)
        return torch.cat((embedded, empty))[number] + self.bias  # number -1 is the last
