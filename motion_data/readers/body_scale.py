"""Metres per unit of a recording that does not tell its unit, from the length of the limbs.

A pose that every file has does not exist (many have no rest pose that is a body), but limbs keep their length: thigh
and shin make up 0.49 of a person's height, upper arm and forearm 0.33 (Winter, Biomechanics and Motor Control of
Human Movement). The unit is the one that brings the height nearest to `HEIGHT`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..layouts import COCO_KEYPOINTS, get_layout
from .registry import FormatError

HEIGHT = 1.7  # metres
# Metres, centimetres, millimetres, inches, and the unit of CMU's skeletons (inches / 0.45), which its BVH files keep.
UNITS = (1.0, 0.01, 0.001, 0.0254, 0.0254 / 0.45)
_LIMBS = ((("hip", "knee", "ankle"), 0.49), (("shoulder", "elbow", "wrist"), 0.33))


def metres_per_unit(path: Path, keypoints: np.ndarray, layout: str) -> float:
    """Return the one of `UNITS` in which a person would be nearest to `HEIGHT`.

    Args:
        path: the file, for errors.
        keypoints: `[F, K, 3]`; NaN is missing.
        layout: name of the skeleton layout.

    Raises:
        FormatError: neither a leg nor an arm can be measured in any frame.
    """
    canonical = np.array(get_layout(layout).canonical)
    for joints, share in _LIMBS:
        lengths = []
        for side in ("left", "right"):
            limb = canonical[[COCO_KEYPOINTS.index(f"{side}_{joint}") for joint in joints]]
            if (limb >= 0).all():
                with np.errstate(invalid="ignore", over="ignore"):
                    lengths.append(np.linalg.norm(np.diff(keypoints[:, limb], axis=1), axis=-1).sum(-1))
        length = np.concatenate(lengths) if lengths else np.empty(0)
        length = length[np.isfinite(length) & (length > 0)]
        if len(length):
            height = float(np.median(length)) / share
            return min(UNITS, key=lambda unit: abs(np.log(height * unit / HEIGHT)))
    raise FormatError(path, "has no unit, and no leg or arm whose length would tell it")
