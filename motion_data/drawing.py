"""Draw people with matplotlib (`pip install mofm[plot]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .layouts import SkeletonLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# colour-blind-safe (Okabe and Ito): left limbs, right limbs, the rest
LEFT, RIGHT, MIDDLE = "#D55E00", "#0072B2", "#555555"


def limb_colour(layout: SkeletonLayout, limb: tuple[int, int]) -> str:
    """Return the colour of a limb: that of its side, where both of its joints are on one."""
    sides = {layout.joints[joint].split("_")[0] for joint in limb}
    return LEFT if sides == {"left"} else RIGHT if sides == {"right"} else MIDDLE


def draw_body(
    axes: Axes,
    layout: SkeletonLayout,
    keypoints: np.ndarray,
    scores: np.ndarray,
    width: float,
    dot: float,
    colour: str | None = None,
) -> None:
    """Draw the limbs and joints of one person in one frame; missing joints are left out.

    Args:
        layout: of the K joints.
        keypoints: `[K, 2]`.
        scores: `[K]`.
        width, dot: of a limb (points) and a joint (square points).
        colour: of all limbs; None colours them by side.
    """
    for a, b in layout.limbs:
        if scores[a] > 0 and scores[b] > 0:
            shade = colour or limb_colour(layout, (a, b))
            axes.plot(*keypoints[[a, b]].T, color=shade, linewidth=width, solid_capstyle="round")
    axes.scatter(*keypoints[scores > 0].T, s=dot, color="black", zorder=3)


def frame_map(axes: Axes, size: int) -> None:
    """Show the pixels of a map `size` wide and high, without ticks."""
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xticks=[], yticks=[], aspect="equal")
