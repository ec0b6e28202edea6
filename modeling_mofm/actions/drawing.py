"""Draw the explanation of an action. Needs matplotlib (`pip install mofm[plot]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from motion_data.drawing import frame_map
from motion_data.layouts import get_layout

from .explain import BODY_PARTS, ActionExplanation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_action(keypoints: Tensor, scores: Tensor, explanation: ActionExplanation, size: int) -> Figure:
    """Draw a person slice by slice, each part of the body coloured by how much the action loses without it.

    Args:
        keypoints: `[F, 17, 2]` in map pixels.
        scores: `[F, 17]`; 0 is missing.
        explanation: of `explain_action`.
        size: of the map.

    Returns:
        A matplotlib figure with the middle frame of each slice; hiding an orange part lowers the score, hiding a
        purple part raises it.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    losses = explanation.slice_losses
    strongest = float(np.nanmax(np.abs(losses))) or 1.0
    scale = ScalarMappable(Normalize(-strongest, strongest), colormaps["PuOr_r"])
    keypoints, scores = np.asarray(keypoints), np.asarray(scores)
    part_of = {joint: part for part, joints in enumerate(BODY_PARTS.values()) for joint in joints}
    figure = Figure(figsize=(2.4 * len(losses) + 0.8, 3.2), layout="constrained")
    grid = figure.subplots(1, len(losses), squeeze=False)[0]
    depth = len(keypoints) // len(losses)
    for t, axes in enumerate(grid):
        middle = t * depth + depth // 2
        colours = [scale.to_rgba(value) for value in np.nan_to_num(losses[t])]
        for ends in get_layout("coco17").limbs:
            if (scores[middle, list(ends)] > 0).all():
                limb = colours[max(part_of[end] for end in ends)]  # of an arm or leg rather than of the trunk
                axes.plot(*keypoints[middle, list(ends)].T, color="black", linewidth=5, solid_capstyle="round")
                axes.plot(*keypoints[middle, list(ends)].T, color=limb, linewidth=3.5, solid_capstyle="round")
        for joint in np.flatnonzero(scores[middle] > 0):
            axes.scatter(*keypoints[middle, joint], color=colours[part_of[joint]], edgecolors="black", s=28, zorder=3)
        axes.set_title(f"frame {middle}", fontsize=9)
        frame_map(axes, size)
    figure.suptitle(f"{explanation.label}, {explanation.score:.0%}")
    figure.colorbar(scale, ax=list(grid), label="log-odds lost without it", shrink=0.8)
    return figure
