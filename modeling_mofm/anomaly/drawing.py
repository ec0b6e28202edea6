"""Draw where a clip is anomalous. Needs matplotlib (`pip install mofm[plot]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from motion_data.drawing import draw_body, frame_map
from motion_data.layouts import get_layout
from tokenization_mofm.configuration_cubes import ThermalCubeConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure


GHOST = "#BBBBBB"  # colour of a motion that is not there


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
        frame_map(axes, size)
    figure.colorbar(dots, ax=list(grid), label="score of joint", shrink=0.8)
    figure.colorbar(ground, ax=list(grid), label="nll of cube, nats", shrink=0.8)
    return figure


def draw_ghost(keypoints: np.ndarray, scores: np.ndarray, ghost: np.ndarray, num_poses: int = 6) -> Figure:
    """Draw a person along time over a grey ghost: the nearest normal motion, or what `repair` expects.

    Args:
        keypoints: `[F, 17, 2]` in map pixels or any other unit.
        scores: `[F, 17]`; 0 is missing.
        ghost: `[F, 17, 2]` in the same unit; NaN is missing.
        num_poses: frames that are drawn, evenly apart.
    """
    from matplotlib.figure import Figure

    frames = np.unique(np.linspace(0, len(keypoints) - 1, 2 * num_poses + 1).astype(int)[1::2])
    figure = Figure(figsize=(2 * len(frames), 2.6), layout="constrained")
    grid = figure.subplots(1, len(frames), sharex=True, sharey=True, squeeze=False)[0]
    coco = get_layout("coco17")
    both = np.concatenate([keypoints[scores > 0], ghost[np.isfinite(ghost).all(-1)]])
    low, high = both.min(0), both.max(0)
    for frame, axes in zip(frames, grid, strict=True):
        there = np.isfinite(ghost[frame]).all(-1)
        draw_body(axes, coco, ghost[frame], there, width=4, dot=0, colour=GHOST)
        draw_body(axes, coco, keypoints[frame], scores[frame], width=1.5, dot=4)
        axes.set(xlim=(low[0] - 2, high[0] + 2), ylim=(high[1] + 2, low[1] - 2), xticks=[], yticks=[], aspect="equal")
        axes.set_title(f"frame {frame}", fontsize=9)
    return figure
