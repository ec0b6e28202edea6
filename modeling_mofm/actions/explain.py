"""Explain an action: how much its score drops without each part of the body, overall and in each time slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..events import run_around
from .modeling import MoFMForSequenceClassification

# numbers in COCO's order; grouped, since hiding one joint among its neighbours hardly changes the score
BODY_PARTS = {
    "head": (0, 1, 2, 3, 4),
    "trunk": (5, 6, 11, 12),
    "left arm": (7, 9),
    "right arm": (8, 10),
    "left leg": (13, 15),
    "right leg": (14, 16),
}
SHARE = 0.5  # slices next to the strongest one that lose at least this share of its loss are named with it


@dataclass(frozen=True)
class ActionExplanation:
    """
    Args:
        label: the action.
        score: its probability.
        losses: `[P]` drop of its log-odds when one of `BODY_PARTS` is hidden; negative where the log-odds rise, NaN
            where the part is missing anyway.
        slice_losses: `[T, P]` the same with the part hidden in one time slice only.
    """

    label: str
    score: float
    losses: np.ndarray
    slice_losses: np.ndarray

    @property
    def part(self) -> str | None:
        """The part of the body whose absence costs most; None where hiding no part lowers the score."""
        known = np.nan_to_num(self.losses, nan=-np.inf)
        return list(BODY_PARTS)[int(known.argmax())] if known.max() > 0 else None

    def sentence(self, seconds: float, begin: float = 0.0) -> str:
        """Return the explanation as a sentence: "recognised by the left leg most, at 0.5 to 1.5 s".

        Args:
            seconds: length of the clip.
            begin: time of its first frame, seconds.
        """
        if self.part is None:
            return "recognised by no part of the body in particular"
        along = np.nan_to_num(self.slice_losses[:, list(BODY_PARTS).index(self.part)], nan=-np.inf)
        strong = (along >= SHARE * along.max()) & (along.max() > 0)
        first, last = run_around(strong, int(along.argmax()))
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
    """Explain the score of an action by occlusion: hide each part of the body, in all time slices and in each one.

    Args:
        model: a classifier.
        keypoints: `[F, 17, 2]` or `[M, F, 17, 2]` of one clip, as the feature extractor makes it; a part is hidden
            for all people at once.
        scores: `[F, 17]` or `[M, F, 17]`.
        label: class id of the action; None takes the most likely one.
        batch_size: clips in one forward pass, of 1 + P * (T + 1) in all.

    Raises:
        ValueError: nobody is in the clip.
    """
    model.eval()
    config = model.config
    keypoints, scores = keypoints.cpu(), scores.cpu()
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
        shown = torch.where(chosen, 0.0, scores)
        clips = keypoints.expand(*shown.shape, 2)
        logits.append(model(clips.to(model.device), shown.to(model.device)).logits.float().cpu())
    probabilities = model.probabilities(torch.cat(logits)).double()
    number = int(probabilities[0].argmax()) if label is None else label
    odds = probabilities[:, number].clamp(1e-9, 1 - 1e-9).logit()
    losses = (odds[0] - odds[1:]).view(T + 1, -1)
    there = (hidden[1:] & (scores > 0)).flatten(1).any(1).view(T + 1, -1)
    losses = torch.where(there, losses, torch.nan).numpy()
    return ActionExplanation(config.id2label[number], float(probabilities[0, number]), losses[0], losses[1:])
