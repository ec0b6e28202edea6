"""Say by which part of the body, and when, an action is recognised: what its score loses without each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from motion_data.drawing import frame_map
from motion_data.layouts import get_layout

from .modeling import MoFMForSequenceClassification

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# in COCO's order; a joint alone says little that its neighbours do not say as well
BODY_PARTS = {
    "head": (0, 1, 2, 3, 4),
    "trunk": (5, 6, 11, 12),
    "left arm": (7, 9),
    "right arm": (8, 10),
    "left leg": (13, 15),
    "right leg": (14, 16),
}
SHARE = 0.5  # slices of a part that lose so much of what its best one loses, next to it, belong to it


@dataclass(frozen=True)
class ActionExplanation:
    """
    Args:
        label: the action.
        score: its probability.
        losses: `[P]` by how much its log-odds fall without each of `BODY_PARTS`; negative where a part speaks against
            the action, NaN where it is missing.
        slice_losses: `[T, P]` the same where the part is missing in one time slice only.
    """

    label: str
    score: float
    losses: np.ndarray
    slice_losses: np.ndarray

    @property
    def part(self) -> str | None:
        """The part of the body that says most; None where none speaks for the action."""
        known = np.nan_to_num(self.losses, nan=-np.inf)
        return list(BODY_PARTS)[int(known.argmax())] if known.max() > 0 else None

    def sentence(self, seconds: float, begin: float = 0.0) -> str:
        """Say it: "recognised by the left leg most, at 0.5 to 1.5 s".

        Args:
            seconds: that the clip is long.
            begin: seconds at its first frame.
        """
        if self.part is None:
            return "recognised by no part of the body in particular"
        along = np.nan_to_num(self.slice_losses[:, list(BODY_PARTS).index(self.part)], nan=-np.inf)
        first = last = int(along.argmax())
        while first > 0 and along[first - 1] >= SHARE * along[along.argmax()] > 0:
            first -= 1
        while last < len(along) - 1 and along[last + 1] >= SHARE * along[along.argmax()] > 0:
            last += 1
        start, end = (begin + place * seconds / len(along) for place in (first, last + 1))
        return f"recognised by the {self.part} most, at {start:.1f} to {end:.1f} s"


@torch.no_grad()
def explain_action(
    model: MoFMForSequenceClassification,
    keypoints: Tensor,
    scores: Tensor,
    label: int | None = None,
    batch_size: int = 32,
) -> ActionExplanation:
    """Explain the score of an action by leaving out each part of the body, always and in each time slice (occlusion).

    Args:
        model: a classifier.
        keypoints: `[F, 17, 2]` or `[M, F, 17, 2]` of one clip, as the feature extractor makes it; a part is left out
            of all people at once.
        scores: `[F, 17]` or `[M, F, 17]`.
        label: which action; None takes the likeliest.
        batch_size: clips at a time, of the 1 + P * (T + 1) that are asked about.

    Raises:
        ValueError: nobody is in the clip.
    """
    model.eval()
    config = model.config
    if not bool((scores > 0).any()):
        raise ValueError("nobody is in the clip; there is nothing that an action could be recognised by")
    T, depth = config.grid_size[0], config.cube_size[0]
    times = torch.cat((torch.ones(1, T), torch.eye(T))).bool().repeat_interleave(depth, 1)  # T + 1, F
    joints = torch.zeros(len(BODY_PARTS), scores.shape[-1], dtype=torch.bool)
    for part, members in enumerate(BODY_PARTS.values()):
        joints[part, list(members)] = True
    hidden = (times[:, None, :, None] & joints[None, :, None]).flatten(0, 1)  # (T + 1) * P, F, K
    hidden = torch.cat((torch.zeros_like(hidden[:1]), hidden))
    if scores.ndim == 3:
        hidden = hidden[:, None]
    logits = []
    for chosen in hidden.split(batch_size):
        shown = torch.where(chosen, 0.0, scores.cpu())
        clips = keypoints.cpu().expand(*shown.shape, 2)
        logits.append(model(clips.to(model.device), shown.to(model.device)).logits.float().cpu())
    probabilities = model.probabilities(torch.cat(logits)).double()
    number = int(probabilities[0].argmax()) if label is None else label
    odds = probabilities[:, number].clamp(1e-9, 1 - 1e-9).logit()
    losses = (odds[0] - odds[1:]).view(T + 1, -1)
    there = (hidden[1:] & (scores.cpu() > 0)).flatten(1).any(1).view(T + 1, -1)
    losses = torch.where(there, losses, torch.nan).numpy()
    return ActionExplanation(config.id2label[number], float(probabilities[0, number]), losses[0], losses[1:])


def draw_action(keypoints: Tensor, scores: Tensor, explanation: ActionExplanation, size: int) -> Figure:
    """Draw a person slice by slice, each part of the body by what the action loses without it there.

    Args:
        keypoints: `[F, 17, 2]` in map pixels.
        scores: `[F, 17]`; 0 is missing.
        explanation: of `explain_action`.
        size: of the map.

    Returns:
        A matplotlib figure (`mofm[plot]`): the middle frame of each slice; orange speaks for the action, purple
        against it.
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
