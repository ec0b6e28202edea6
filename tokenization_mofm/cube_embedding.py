"""The linear map of each thermal cube, shared by the dVED's encoder and MoFM.

From key-points it is computed exactly without keeping the heat-map volume. Heat is a product of two 1-D profiles.
Where a joint reaches few cubes per frame (four of the dVED's), the embedding of a cube is the sum, over the joints and
frames that reach it, of a small outer product times the weights of that joint and frame. Where it reaches much of a
coarse map, as MoFM's broad heat does, rendering that map and one large matrix product move less memory.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .clip_inputs import ClipInputs
from .thermal_cubes import gaussian_profile, map_profiles, put_missing_at_origin


class CubeProjection(nn.Conv3d):
    """The weights of a cube embedding: `[D, K, t, h, w]` and a bias `[D]`; as a convolution, the dense path.

    Attributes:
        spread: standard deviation of the initial weights, in that of the model's other weights.
    """

    spread = 1.5

    @torch.no_grad()
    def smooth_weights(self, std: float) -> Tensor:
        """Return initial weights `[D, K, t, h, w]`: random waves over a cube, of random amplitude per key-point.

        A key-point lights a handful of the thousands of voxels of a cube. With independent weights, what is learnt at
        one place says nothing about its neighbours; waves make near places look alike from the start.
        """
        D, K = self.weight.shape[:2]
        device = self.weight.device
        axes = [torch.arange(side, device=device, dtype=torch.float32) for side in self.kernel_size]
        places = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)  # t h w 3
        highest = torch.tensor([1.0 / side for side in self.kernel_size], device=device) * (2 * torch.pi)
        frequencies = (torch.rand(D, 3, device=device) * 2 - 1) * highest  # at most one period per cube
        phases = torch.rand(D, device=device) * (2 * torch.pi)
        waves = torch.cos(torch.einsum("thwa,da->dthw", places, frequencies) + phases[:, None, None, None])
        amplitudes = torch.randn(D, K, device=device) * (std * 2**0.5)
        return amplitudes[:, :, None, None, None] * waves[:, None]


class CubeEmbedding(nn.Module):
    """Embed thermal cubes of key-points or of given heat-maps with the same weights.

    Args:
        num_keypoints: channels of the volume.
        hidden_size: width D of the embedding.
        heatmap_size: height and width of the map, pixels.
        cube_size: frames, rows and columns of a cube.
        sigma, truncate: the Gaussian, as in `thermal_cubes`.
        stride: the map is looked at in every so many rows and columns, an odd number that divides those of a cube. A
            Gaussian as wide as that loses hardly anything, and costs the square less.
    """

    def __init__(
        self,
        num_keypoints: int,
        hidden_size: int,
        heatmap_size: int,
        cube_size: tuple[int, int, int],
        sigma: float,
        truncate: float,
        stride: int = 1,
    ):
        super().__init__()
        frames, rows, columns = cube_size
        # in steps of the stride, from the middle of the first
        self.cube_size = (frames, rows // stride, columns // stride)
        self.heatmap_size = heatmap_size // stride
        self.sigma = sigma / stride
        self.truncate = truncate
        self.stride = stride
        self.add_weights(num_keypoints, hidden_size)

    def add_weights(self, num_keypoints: int, hidden_size: int) -> None:
        """Make what is learnt, of the sizes above."""
        self.projection = CubeProjection(num_keypoints, hidden_size, kernel_size=self.cube_size, stride=self.cube_size)

    def forward(self, clips: ClipInputs) -> Tensor:
        """Embed the cubes of clips, `[N, L, D]`, unless they are already."""
        if clips.embeds is not None:
            return clips.embeds
        if clips.heatmaps is not None:
            return self.embed_heatmaps(clips.heatmaps)
        # a graph that is compiled or exported has as many rows whatever is in the clips
        fixed = torch.compiler.is_compiling() or torch.compiler.is_exporting()
        return self.embed_keypoints(clips.keypoints, clips.scores, None if fixed else clips.active)

    def embed_heatmaps(self, heatmaps: Tensor) -> Tensor:
        """Embed `heatmaps` [N, K, F, H, W] as they are, the dense way: [N, L, D]."""
        first = self.stride // 2
        return self.projection(heatmaps[..., first :: self.stride, first :: self.stride]).flatten(2).transpose(1, 2)

    def embed_keypoints(self, keypoints: Tensor, scores: Tensor, active: Tensor | None = None) -> Tensor:
        """Embed `keypoints` [N, F, K, 2] (map pixels) with `scores` [N, F, K] without keeping maps: [N, L, D].

        Args:
            active: bool `[N, L]`, cubes that are looked at; others may be embedded as if they were empty. Where few
                are, it is several times as fast. None looks at all.
        """
        # numbers to be moved for a joint in a frame: the pixels of its map, or an embedding for each cube it reaches
        _, rows, columns = self.cube_size
        if self.heatmap_size**2 <= self._num_reached(rows) * self._num_reached(columns) * self.projection.out_channels:
            return self.embed_rendered(keypoints, scores, active)
        return self.embed_reached(keypoints, scores)

    def embed_rendered(self, keypoints: Tensor, scores: Tensor, active: Tensor | None = None) -> Tensor:
        """Embed as `embed_keypoints` does, from rendered maps, which are made once more in the backward pass."""
        N, F, K, _ = keypoints.shape
        t, h, w = self.cube_size

        def by_cells(profile: Tensor, side: int) -> Tensor:  # N F K H -> N * T, cells, pixels of a cell, t * K
            profile = profile.to(self.projection.weight.dtype).view(N, F // t, t, K, -1, side)
            return profile.permute(0, 1, 4, 5, 2, 3).contiguous().flatten(4).flatten(0, 1)  # products of it are quick

        places = self._in_steps(keypoints)
        profiles = map_profiles(places, scores, self.heatmap_size, self.sigma, self.truncate)
        rows, columns = (by_cells(profile, side) for profile, side in zip(profiles, (h, w), strict=True))
        weight = self.projection.weight.permute(0, 3, 4, 2, 1).flatten(3)  # D h w t * K
        project = _HeatProjection.apply if torch.is_grad_enabled() else _HeatProjection.forward
        bias = self.projection.bias
        if active is None:
            cubes = project(rows[:, :, None, :, None], columns[:, None, :, None], weight)
            return cubes.reshape(N, -1, len(weight)) + bias
        grid = active.view(len(rows), rows.shape[1], -1)  # N * T, Y, X
        of_slice, y, x = grid.nonzero(as_tuple=True)
        cubes = project(rows[of_slice, y][:, :, None], columns[of_slice, x][:, None], weight)
        places = (of_slice * grid.shape[1] + y) * grid.shape[2] + x
        empty = cubes.new_zeros(grid.numel(), len(weight))
        return empty.index_copy(0, places, cubes).view(*active.shape, -1) + bias

    def embed_reached(self, keypoints: Tensor, scores: Tensor) -> Tensor:
        """Embed as `embed_keypoints` does, from what each joint adds to the cubes that it reaches."""
        N, F, K, _ = keypoints.shape
        t, h, w = self.cube_size
        T, Y, X = F // t, self.heatmap_size // h, self.heatmap_size // w
        D = self.projection.out_channels

        cell, patch = self.patches(keypoints, scores)  # N F K R, N F K R h*w
        reach = cell.shape[-1]
        # one matrix product per (frame of the cube, joint), then a sum of what falls into the same cube
        patch = (
            patch.to(self.projection.weight.dtype)
            .reshape(N, T, t, K, reach, h * w)
            .permute(2, 3, 0, 1, 4, 5)
            .reshape(t * K, N * T * reach, h * w)
        )
        weight = self.projection.weight.permute(2, 1, 3, 4, 0).reshape(t * K, h * w, D)
        parts = torch.bmm(patch, weight).view(t * K, N * T, reach, D)
        cell = cell.view(N, T, t, K, reach).permute(2, 3, 0, 1, 4).reshape(t * K, N * T, reach)
        return sum_by_cell(parts, cell, Y * X).view(N, T * Y * X, D) + self.projection.bias

    def patches(self, keypoints: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cells that each joint heats, int64 `[N, F, K, R]`, and its heat there, `[N, F, K, R, h * w]`."""
        _, h, w = self.cube_size
        Y, X = self.heatmap_size // h, self.heatmap_size // w
        x, y = put_missing_at_origin(self._in_steps(keypoints), scores).unbind(-1)
        columns, column_profile = self._reach(x, w, X)  # N F K R, N F K R w
        rows, row_profile = self._reach(y, h, Y)
        row_profile = row_profile * scores[..., None, None]
        patch = row_profile[..., :, None, :, None] * column_profile[..., None, :, None, :]  # N F K Ry Rx h w
        cell = rows[..., :, None] * X + columns[..., None, :]  # N F K Ry Rx
        return cell.flatten(-2), patch.flatten(-2).flatten(-3, -2)

    def _in_steps(self, keypoints: Tensor) -> Tensor:
        """Return where key-points are in the map as it is looked at."""
        return (keypoints - self.stride // 2) / self.stride

    def _num_reached(self, side: int) -> int:
        """Return how many cells a 1-D profile reaches at most, wherever in a cell it begins."""
        # at most 2 radius + 1 pixels, and so many steps between them
        return math.ceil(int(2 * self.truncate * self.sigma + 1e-6) / side) + 1

    def _reach(self, centre: Tensor, side: int, cells: int) -> tuple[Tensor, Tensor]:
        """Return the cells that a 1-D profile reaches, `[..., R]`, and its values there, `[..., R, side]`.

        Cells outside the map get an all-zero profile and an index inside it.
        """
        radius = self.truncate * self.sigma
        first = torch.floor(torch.ceil(centre.detach() - radius) / side)
        cell = first[..., None] + torch.arange(self._num_reached(side), device=centre.device, dtype=centre.dtype)
        pixels = cell[..., None] * side + torch.arange(side, device=centre.device, dtype=centre.dtype)
        profile = gaussian_profile(centre[..., None], pixels, self.sigma, self.truncate)
        inside = (cell >= 0) & (cell < cells)
        return cell.clamp(0, cells - 1).long(), profile * inside[..., None]


def sum_by_cell(parts: Tensor, cell: Tensor, num_cells: int) -> Tensor:
    """Add up what falls into the same cell of the same frame or slice.

    Args:
        parts: `[G, n, R, D]`, of each of G joints (or frames and joints) in n maps, what it gives the R cells that it
            reaches.
        cell: int64 `[G, n, R]`, which these are.
        num_cells: of a map.

    Returns:
        `[n, num_cells, D]`.
    """
    number, D = parts.shape[1], parts.shape[-1]
    if torch.compiler.is_exporting():  # onnxruntime's form of `index_add` loses sums when several threads add
        inside = cell[..., None] == torch.arange(num_cells, device=cell.device)  # G n R cells
        inside = inside.to(parts.dtype).transpose(0, 1).flatten(1, 2)
        return inside.transpose(1, 2) @ parts.transpose(0, 1).flatten(1, 2)
    slot = cell + torch.arange(number, device=cell.device)[:, None] * num_cells
    start = parts.new_zeros(D)
    return sum_rows(parts.flatten(0, 2), slot.flatten(), start, number * num_cells).view(number, num_cells, D)


def sum_rows(rows: Tensor, numbers: Tensor, start: Tensor, size: int) -> Tensor:
    """Add up `rows` [N, D] of the same number, int64 `[N]` below `size`, and `start` [D] to each sum: `[size, D]`."""
    return _IndexSum.apply(rows, numbers, start, size)


class _HeatProjection(torch.autograd.Function):
    """Heat times weights; the backward pass renders the heat again instead of keeping it.

    Kept, it would be a tenth of all that a training step of a small encoder keeps.
    """

    @staticmethod
    def forward(rows: Tensor, columns: Tensor, weight: Tensor) -> Tensor:
        """Return `[..., D]`, the heat of cubes with profiles `[..., h, 1, C]` and `[..., 1, w, C]` by `weight`
        [D, h, w, C].
        """
        return (rows * columns).flatten(-3) @ weight.flatten(1).T

    @staticmethod
    def setup_context(ctx: torch.autograd.function.FunctionCtx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, columns, weight = ctx.saved_tensors
        of_rows = of_columns = of_weight = None
        dtype = gradient.dtype  # that of the products, which under autocast is not that of the weights
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
            of_heat = (gradient @ weight.flatten(1).to(dtype)).unflatten(-1, weight.shape[1:])  # ... h w C
            of_rows = (of_heat * columns).sum_to_size(rows.shape).to(rows.dtype)
            of_columns = (of_heat * rows).sum_to_size(columns.shape).to(columns.dtype)
        if ctx.needs_input_grad[2]:
            heat = (rows * columns).flatten(-3).flatten(0, -2).to(dtype)
            of_weight = (gradient.flatten(0, -2).T @ heat).view_as(weight).to(weight.dtype)
        return of_rows, of_columns, of_weight


class _IndexSum(torch.autograd.Function):
    """Rows added up by their number, as `index_add` does, which would keep all rows for the backward pass.

    They are a quarter of all that a training step of a small encoder keeps, and it needs none of them.
    """

    @staticmethod
    def forward(rows: Tensor, numbers: Tensor, start: Tensor, size: int) -> Tensor:
        """Return `[size, D]`, of each number the sum of its `rows` [N, D] and of `start`; numbers int64 `[N]`."""
        return start.to(rows.dtype).repeat(size, 1).index_add_(0, numbers, rows)

    @staticmethod
    def setup_context(ctx: torch.autograd.function.FunctionCtx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: Tensor
    ) -> tuple[Tensor, None, Tensor | None, None]:
        (numbers,) = ctx.saved_tensors
        of_start = gradient.sum(0) if ctx.needs_input_grad[2] else None
        return gradient.index_select(0, numbers), None, of_start, None
