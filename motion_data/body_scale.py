"""How long and which way up bodies are in 3D coordinates of unknown unit and axes, from limbs and the trunk.

A pose that every file has does not exist (many have no rest pose that is a body), but limbs keep their length: thigh
and shin make up 0.49 of a person's height, upper arm and forearm 0.33 (Winter, Biomechanics and Motor Control of
Human Movement).
"""

from __future__ import annotations

import numpy as np

from .layouts import COCO_KEYPOINTS, get_layout

_LIMBS = ((("hip", "knee", "ankle"), 0.49), (("shoulder", "elbow", "wrist"), 0.33))
HEIGHT = 1.7  # metres
# Metres, centimetres, millimetres, inches, and the unit of CMU's skeletons (inches / 0.45), which its BVH files keep.
FILE_UNITS = (1.0, 0.01, 0.001, 0.0254, 0.0254 / 0.45)
CLEAR = 0.8  # of the frames, in which bodies point along one axis, for that axis to be up
ALONG = 0.8  # cosine of the angle to an axis, above which a body points along it


def limb_length(coordinates: np.ndarray, scores: np.ndarray, layout: str, joints: tuple[str, ...]) -> float | None:
    """Return the median length of a chain of joints, such as ("hip", "knee", "ankle"), of both sides; None if unseen.

    Args:
        coordinates: `[..., K, C]`.
        scores: `[..., K]`; 0 is missing.
    """
    canonical = np.array(get_layout(layout).canonical)
    lengths = []
    for side in ("left", "right"):
        chain = canonical[[COCO_KEYPOINTS.index(f"{side}_{joint}") for joint in joints]]
        if (chain >= 0).all():
            with np.errstate(invalid="ignore", over="ignore"):
                steps = np.linalg.norm(np.diff(coordinates[..., chain, :], axis=-2), axis=-1).sum(-1)
            lengths.append(steps[(scores[..., chain] > 0).all(-1)])
    length = np.concatenate(lengths) if lengths else np.empty(0)
    length = length[np.isfinite(length) & (length > 0)]
    return float(np.median(length)) if len(length) else None


def body_height(coordinates: np.ndarray, scores: np.ndarray, layout: str) -> float | None:
    """Return how high a person is, from a leg or else an arm; None where neither is in sight."""
    for joints, fraction in _LIMBS:
        length = limb_length(coordinates, scores, layout, joints)
        if length is not None:
            return length / fraction
    return None


def metres_per_unit(coordinates: np.ndarray, scores: np.ndarray, layout: str) -> float | None:
    """Return the one of `FILE_UNITS` in which a person would be nearest to `HEIGHT`; None where nothing tells it."""
    height = body_height(coordinates, scores, layout)
    if height is None:
        return None
    return min(FILE_UNITS, key=lambda unit: abs(np.log(height * unit / HEIGHT)))


def body_up(coordinates: np.ndarray, scores: np.ndarray, layout: str) -> str | None:
    """Return the axis ("x" to "-z") along which most bodies point, from ankles to shoulders; None if none."""
    canonical = np.array(get_layout(layout).canonical)
    ends = []
    for joint in ("ankle", "shoulder"):
        pair = canonical[[COCO_KEYPOINTS.index(f"{side}_{joint}") for side in ("left", "right")]]
        if (pair < 0).any():
            return None
        ends.append((coordinates[..., pair, :].mean(-2), (scores[..., pair] > 0).all(-1)))
    (low, low_present), (high, high_present) = ends
    both = low_present & high_present
    with np.errstate(over="ignore", invalid="ignore"):
        direction = high[both] - low[both]
    direction = direction[np.isfinite(direction).all(-1)]
    length = np.linalg.norm(direction, axis=-1, keepdims=True)
    direction = direction[length[:, 0] > 0] / length[length[:, 0] > 0]
    if not len(direction):
        return None
    for letter, along in zip("xyz", direction.T, strict=False):
        for sign, name in ((1, letter), (-1, f"-{letter}")):
            if (sign * along > ALONG).mean() >= CLEAR:
                return name
    return None
