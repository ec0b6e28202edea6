"""Thermal Cubes: key-points become Gaussian heat-maps, and these become cubes of space and time (MoFM, section 3.1).

Everything here is a pure, batched, differentiable function of tensors on any device. Coordinates are in map pixels,
pixel centres lie at the integers. A key-point at (x, y) with score s heats the pixel (column i, row j) by::

    s * exp(-((i - x)^2 + (j - y)^2) / (2 sigma^2))   where |i - x| <= r and |j - y| <= r, r = truncate * sigma,

and 0 elsewhere. The window is square, so that the heat stays a product of two 1-D profiles.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gaussian_profile(centres: Tensor, positions: Tensor, sigma: float, truncate: float) -> Tensor:
    """Evaluate the truncated 1-D Gaussian of each centre.

    Args:
        centres: `[...]` centres in map pixels; must be finite.
        positions: `[..., P]` (broadcast against `centres[..., None]`) pixel positions.
        sigma: standard deviation in pixels.
        truncate: the profile is 0 further than `truncate * sigma` from its centre.

    Returns:
        `[..., P]` in [0, 1], the dtype of `centres`.
    """
    distance = positions - centres[..., None]
    inside = distance.abs() <= truncate * sigma
    # cut before exp: exp of very negative arguments takes the slow path of the CPU's vector library
    exponent = torch.where(inside, distance.square() * (-0.5 / sigma**2), 0.0)
    return exponent.exp() * inside


def map_profiles(keypoints: Tensor, scores: Tensor, size: int, sigma: float, truncate: float) -> tuple[Tensor, Tensor]:
    """Return the two 1-D profiles whose products are the heat of each joint.

    Args:
        keypoints, scores, size: as in `render_volume`.

    Returns:
        profiles over rows, multiplied by the scores, and over columns, each `[..., F, K, size]`.
    """
    x, y = put_missing_at_origin(keypoints, scores).unbind(-1)
    pixels = torch.arange(size, device=keypoints.device, dtype=keypoints.dtype)
    rows = gaussian_profile(y, pixels, sigma, truncate) * scores[..., None]
    return rows, gaussian_profile(x, pixels, sigma, truncate)


def render_volume(keypoints: Tensor, scores: Tensor, size: int, sigma: float, truncate: float) -> Tensor:
    """Render one heat-map per key-point and frame.

    Args:
        keypoints: `[..., F, K, 2]` x, y in map pixels; finite where the score is positive.
        scores: `[..., F, K]` in [0, 1]; the amplitude of the Gaussian, 0 is a missing joint.
        size: height and width of the map in pixels.

    Returns:
        `[..., K, F, H, W]` in [0, 1].
    """
    rows, columns = map_profiles(keypoints, scores, size, sigma, truncate)
    volume = rows[..., :, None] * columns[..., None, :]  # ... F K H W
    return volume.transpose(-4, -3)


def render_map(keypoints: Tensor, scores: Tensor, size: int, sigma: float, truncate: float) -> Tensor:
    """Render the maximum over key-points without building one map each.

    Equal to `render_volume(...).amax(-4)`: only the pixels within reach of a key-point are computed, and put into the
    map with a scattered maximum. Given several people as `[K, F, M, 2]`, it renders the map of each joint.

    Args:
        keypoints: `[..., F, K, 2]`, as in `render_volume`.
        scores: `[..., F, K]`.

    Returns:
        `[..., F, H, W]` in [0, 1].
    """
    *lead, K, _ = keypoints.shape
    centres = put_missing_at_origin(keypoints, scores)
    radius = truncate * sigma
    reach = int(2 * radius) + 1  # a window of length 2r covers at most this many pixel centres
    first = torch.ceil(centres.detach() - radius)
    window = first[..., None] + torch.arange(reach, device=keypoints.device, dtype=keypoints.dtype)  # ... K 2 P
    profile = gaussian_profile(centres, window, sigma, truncate) * ((window >= 0) & (window < size))
    heat = (profile[..., 1, :] * scores[..., None])[..., :, None] * profile[..., 0, None, :]  # ... K P P
    window = window.clamp(0, size - 1).long()
    pixel = window[..., 1, :, None] * size + window[..., 0, None, :]
    # one long row: scattering in each of many rows takes three times as long on a CPU
    pixel = pixel.reshape(-1, K * reach * reach)
    pixel = pixel + size**2 * torch.arange(len(pixel), device=pixel.device)[:, None]
    flat = heat.new_zeros(len(pixel) * size**2).scatter_reduce_(0, pixel.flatten(), heat.flatten(), "amax")
    return flat.view(*lead, size, size)


def cut_cubes(volume: Tensor, cube_size: tuple[int, int, int]) -> Tensor:
    """Cut `[..., C, F, H, W]` into `[..., L, C, t, h, w]`; the L cubes are ordered by time, row, column.

    Raises:
        ValueError: a side of the volume is not a multiple of the cube's.
    """
    sides = volume.shape[-3:]
    if any(side % cube for side, cube in zip(sides, cube_size, strict=True)):
        raise ValueError(f"a volume of {tuple(sides)} (frames, height, width) cannot be cut into cubes of {cube_size}")
    (t, h, w), (F, H, W) = cube_size, sides
    cubes = volume.unflatten(-1, (W // w, w)).unflatten(-3, (H // h, h)).unflatten(-5, (F // t, t))
    n = cubes.ndim  # ... C T t Y h X w
    cubes = cubes.permute(*range(n - 7), n - 6, n - 4, n - 2, n - 7, n - 5, n - 3, n - 1)
    return cubes.flatten(n - 7, n - 5)  # ... L C t h w


def join_cubes(cubes: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """Put `[..., L, C, t, h, w]` cubes back together to `[..., C, F, H, W]`; the inverse of `cut_cubes`."""
    cubes = cubes.unflatten(-5, grid)
    n = cubes.ndim  # ... T Y X C t h w
    volume = cubes.permute(*range(n - 7), n - 4, n - 7, n - 3, n - 6, n - 2, n - 5, n - 1)
    return volume.flatten(-2).flatten(-3, -2).flatten(-4, -3)


def touched_cubes(
    keypoints: Tensor, scores: Tensor, size: int, cube_size: tuple[int, int, int], sigma: float, truncate: float
) -> Tensor:
    """Tell which key-points heat which cubes.

    Args:
        keypoints: `[..., F, K, 2]` map pixels.
        scores: `[..., F, K]`.
        size: height and width of the map.
        cube_size: frames, rows and columns of a cube.

    Returns:
        bool `[..., L, K]`: key-point k has heat in cube l. A cube is *active* where any key-point touches it.
    """
    t, h, w = cube_size
    centres = put_missing_at_origin(keypoints, scores)

    pixels = torch.arange(size, device=keypoints.device, dtype=keypoints.dtype)

    def reaches(centre: Tensor, side: int) -> Tensor:  # ... F K -> ... F K cells, by the rule of `gaussian_profile`
        inside = (pixels - centre[..., None]).abs() <= truncate * sigma
        return inside.unflatten(-1, (-1, side)).any(-1)

    columns = reaches(centres[..., 0], w) & (scores > 0)[..., None]
    rows = reaches(centres[..., 1], h)
    touch = rows[..., :, None] & columns[..., None, :]  # ... F K Y X
    touch = touch.unflatten(-4, (-1, t)).any(-4)  # ... T K Y X
    return touch.movedim(-3, -1).flatten(-4, -2)


def active_cubes(volume: Tensor, cube_size: tuple[int, int, int]) -> Tensor:
    """Tell which cubes of a given volume `[..., C, F, H, W]` hold heat: bool `[..., L]`."""
    return (cut_cubes(volume, cube_size) > 0).flatten(-4).any(-1)


def put_missing_at_origin(keypoints: Tensor, scores: Tensor) -> Tensor:
    """Put missing joints at the origin, whatever their coordinates, NaN included."""
    return torch.where((scores > 0)[..., None], keypoints, torch.zeros((), device=keypoints.device).to(keypoints))
