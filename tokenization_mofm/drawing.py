"""Pictures of motion and its tokens, after the paper's Fig. 1 and 3. Needs matplotlib (`pip install mofm[plot]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .configuration_cubes import ThermalCubeConfig
from .layouts import SkeletonLayout, get_layout
from .tokenization_mofm import MoFMTokenizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# colour-blind-safe (Okabe and Ito): left limbs, right limbs, the rest
LEFT, RIGHT, MIDDLE = "#D55E00", "#0072B2", "#555555"


def draw_body(
    axes: Axes, layout: SkeletonLayout, keypoints: np.ndarray, scores: np.ndarray, width: float, dot: float
) -> None:
    """Draw the limbs and joints of one person in one frame; missing joints are left out.

    Args:
        layout: of the K joints.
        keypoints: `[K, 2]`.
        scores: `[K]`.
        width, dot: of a limb (points) and a joint (square points).
    """
    for a, b in layout.limbs:
        if scores[a] > 0 and scores[b] > 0:
            sides = {layout.joints[joint].split("_")[0] for joint in (a, b)}
            colour = LEFT if sides == {"left"} else RIGHT if sides == {"right"} else MIDDLE
            axes.plot(*keypoints[[a, b]].T, color=colour, linewidth=width, solid_capstyle="round")
    axes.scatter(*keypoints[scores > 0].T, s=dot, color="black", zorder=3)


def draw_clip(tokenizer: MoFMTokenizer, keypoints: Tensor, scores: Tensor, num_slices: int | None = None) -> Figure:
    """Draw a clip above its tokens, its heat and the heat that its tokens decode to, one column per time slice.

    Args:
        tokenizer: names the tokens and draws them.
        keypoints: `[F, 17, 2]` in map pixels, as the tokenizer returns them.
        scores: `[F, 17]`.
        num_slices: time slices to draw; None draws all.

    Returns:
        A matplotlib figure. The colour of a cube is its token id over T (viridis), white is `<empty>`. In the bottom
        row, orange is heat drawn where no joint is: the ghost.
    """
    from matplotlib.figure import Figure

    config = tokenizer.dved.config
    T, Y, X = config.grid_size
    slices = min(num_slices or T, T)
    with torch.no_grad():
        encoded = tokenizer.dved.encode(keypoints[None], scores[None])
        drawn = tokenizer.dved.decode(encoded.input_ids)[0].amax(0).cpu().numpy()
        target = tokenizer.dved.target(keypoints[None], scores[None], None)[0].amax(0).cpu().numpy()
    ids = encoded.input_ids.view(T, Y, X).cpu().numpy()
    tokens = np.where(ids < config.codebook_size, ids / config.codebook_size, np.nan)
    size, depth = config.heatmap_size, config.cube_size[0]
    figure = Figure(figsize=(2.1 * slices, 8.4), layout="constrained")
    grid = figure.subplots(4, slices, squeeze=False)
    for t in range(slices):
        middle = t * depth + depth // 2
        body = (keypoints[middle].cpu().numpy(), scores[middle].cpu().numpy())
        draw_body(grid[0, t], get_layout("coco17"), *body, width=1.6, dot=6)
        _frame(grid[0, t], size)
        grid[0, t].set_title(f"frame {middle}", fontsize=9)
        image = grid[1, t].imshow(tokens[t], cmap="viridis", vmin=0, vmax=1, extent=(0, size, size, 0))
        _frame(grid[1, t], size)
        grid[2, t].imshow(target[middle], cmap="gray_r", vmin=0, vmax=1)
        _frame(grid[2, t], size)
        grid[3, t].imshow(_with_ghost(drawn[middle], target[middle]))
        _frame(grid[3, t], size)
    for row, label in enumerate(("key-points", "MotionBook tokens", "heat", "heat decoded from tokens")):
        grid[row, 0].set_ylabel(label, fontsize=9)
    figure.colorbar(image, ax=grid[1], label="token id / T", shrink=0.8)
    return figure


def draw_anomaly(
    config: ThermalCubeConfig, keypoints: Tensor, scores: Tensor, joint_scores: Tensor, cube_scores: Tensor
) -> Figure:
    """Draw how anomalous each joint and cube of a clip is over its skeleton, one column per time slice.

    Args:
        config: of the model.
        keypoints: `[F, 17, 2]` in map pixels.
        scores: `[F, 17]`.
        joint_scores: `[F, 17]`, `joint_score` of `MoFMForAnomalyDetection`.
        cube_scores: `[L]`, its `cube_nll`; 0 is an empty cube.

    Returns:
        A matplotlib figure: the middle frame of each slice with its joints coloured, above the cubes of the slice.
    """
    from matplotlib.figure import Figure

    T, Y, X = config.grid_size
    size, depth = config.heatmap_size, config.cube_size[0]
    keypoints, scores, joints = (values.cpu().numpy() for values in (keypoints, scores, joint_scores))
    cubes = cube_scores.view(T, Y, X).cpu().numpy()
    cubes = np.where(cubes > 0, cubes, np.nan)
    coco, present = get_layout("coco17"), scores > 0
    low, high = (joints[present].min(), joints[present].max()) if present.any() else (0, 1)
    colours = {"cmap": "plasma", "vmin": low, "vmax": high}
    words = {"cmap": "Greys", "vmin": 0, "vmax": np.nanmax(cubes) if np.isfinite(cubes).any() else 1}
    figure = Figure(figsize=(2.6 * T + 0.6, 3.2), layout="constrained")
    grid = figure.subplots(1, T, squeeze=False)[0]
    for t, axes in enumerate(grid):
        middle = t * depth + depth // 2
        ground = axes.imshow(cubes[t], extent=(-0.5, size - 0.5, size - 0.5, -0.5), alpha=0.6, **words)
        seen = present[middle]
        draw_body(axes, coco, keypoints[middle], scores[middle], width=1.2, dot=0)
        places = keypoints[middle][seen].T
        dots = axes.scatter(
            *places, c=joints[middle][seen], s=36, edgecolors="white", linewidths=0.5, zorder=4, **colours
        )
        axes.set_title(f"frame {middle}", fontsize=9)
        _frame(axes, size)
    figure.colorbar(dots, ax=list(grid), label="score of joint", shrink=0.8)
    figure.colorbar(ground, ax=list(grid), label="nll of cube, nats", shrink=0.8)
    return figure


def _with_ghost(drawn: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return `[H, W, 3]`: heat in black where there is a joint, in orange where there is none."""
    ghost = np.where(target > 0, 0, drawn)[..., None]
    true = np.where(target > 0, drawn, 0)[..., None]
    orange = np.array([0.84, 0.37, 0.0])
    return np.clip(1 - true - ghost * (1 - orange), 0, 1)


def _frame(axes: Axes, size: int) -> None:
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xticks=[], yticks=[], aspect="equal")
