"""Explain an anomaly in a sentence: which joint, when, and how it differs from the nearest normal motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from motion_data.layouts import get_layout

from ..events import run_around

# each joint between two others: its angle describes a difference as people would
BENDS = {
    "elbow": ("shoulder", "elbow", "wrist"),
    "knee": ("hip", "knee", "ankle"),
    "shoulder": ("elbow", "shoulder", "hip"),
    "hip": ("shoulder", "hip", "knee"),
}
SMALL_BEND, SMALL_SHIFT = 5.0, 0.03  # degrees, and fractions of the person's height, too small to be seen
RELATED = 0.5  # slices next to the highest score with at least this fraction of it belong to the anomaly


@dataclass(frozen=True)
class Explanation:
    """
    Args:
        joint: the joint with the highest score, such as "left_knee".
        start, end: seconds.
        sentence: the explanation, in English.
        degrees: how many degrees more (negative: less) it bends than in the nearest normal motion; None if unknown.
        normal: `[F, 17, 2]` the nearest normal motion in map pixels, NaN for missing joints; None if unknown.
    """

    joint: str
    start: float
    end: float
    sentence: str
    degrees: float | None = None
    normal: np.ndarray | None = None


def explain(
    keypoints: np.ndarray,
    joint_scores: np.ndarray,
    times: np.ndarray,
    num_slices: int,
    normal: np.ndarray | None = None,
) -> Explanation:
    """Explain the score of a clip.

    Args:
        keypoints: `[F, 17, 2]` map pixels; NaN is missing.
        joint_scores: `[F, 17]`, `joint_score` of `MoFMForAnomalyDetection`; NaN is missing.
        times: `[F]` seconds.
        num_slices: time slices T of the model.
        normal: `[F, 17, 2]` the nearest normal motion; None if unknown.

    Raises:
        ValueError: no joint has a score.
    """
    if np.isnan(joint_scores).all():
        raise ValueError("joint_scores has no joint with a score; the clip must hold one")
    frames = len(times) // num_slices
    of_slices = np.nan_to_num(_mean(joint_scores.reshape(num_slices, frames, -1), 1), nan=-np.inf)  # T K
    slice_, joint = np.unravel_index(of_slices.argmax(), of_slices.shape)
    odd = of_slices[:, joint] >= RELATED * of_slices[slice_, joint]
    first, last = run_around(odd, int(slice_))
    part = slice(first * frames, (last + 1) * frames)
    start, end = float(times[part][0]), float(times[part][-1])
    name = get_layout("coco17").joints[joint]
    said, degrees = _difference(name, keypoints[part], None if normal is None else normal[part])
    sentence = f"{name.replace('_', ' ')} {said}, {start:.1f} to {end:.1f} s"
    return Explanation(name, start, end, sentence, degrees, normal)


def _difference(name: str, keypoints: np.ndarray, normal: np.ndarray | None) -> tuple[str, float | None]:
    """Return how a joint differs from normal, in words, and how many degrees more it bends."""
    if normal is None:
        return "moves as is not expected", None
    side, _, part = name.rpartition("_")
    joints = get_layout("coco17").joints
    joint = joints.index(name)
    if part in BENDS:
        corner = [joints.index(f"{side}_{other}") for other in BENDS[part]]
        bend, usual = (float(_mean(bending(motion[:, corner]), 0)) for motion in (keypoints, normal))
        difference = bend - usual
        if np.isfinite(difference) and abs(difference) >= SMALL_BEND:
            how = "more" if difference > 0 else "less"
            return f"bends {abs(difference):.0f} degrees {how} than in the nearest normal motion", difference
    shift = _mean(keypoints[:, joint] - normal[:, joint], 0)
    height = float(np.nanmax(normal[..., 1]) - np.nanmin(normal[..., 1])) or 1.0
    if np.isnan(shift).any() or np.abs(shift).max() < SMALL_SHIFT * height:
        return "moves otherwise than in the nearest normal motion, about as far", None
    axis = int(np.abs(shift).argmax())
    where = (("left", "right") if axis == 0 else ("higher", "lower"))[int(shift[axis] > 0)]
    amount = f"{abs(shift[axis]) / height:.0%} of the person's height"
    where = f"farther to the {where} of the picture" if axis == 0 else where
    return f"is {amount} {where} than in the nearest normal motion", None


def bending(corners: np.ndarray) -> np.ndarray:
    """Return by how many degrees limbs bend, `[F]`, 0 is straight; `corners` [F, 3, 2], the joint in the middle."""
    one, other = corners[:, 0] - corners[:, 1], corners[:, 2] - corners[:, 1]
    cross = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return 180 - np.degrees(np.abs(np.arctan2(cross, (one * other).sum(-1))))


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Average the values that are not NaN; NaN where all are."""
    there = ~np.isnan(values)
    total, count = np.where(there, values, 0).sum(axis), there.sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
