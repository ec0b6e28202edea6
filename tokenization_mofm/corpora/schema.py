"""The columns of every MoFM corpus: one row is one clip of one or more people.

Key-points are stored flat beside their shape: nested Arrow lists read two orders of magnitude slower than flat ones.
"""

from __future__ import annotations

import numpy as np
from datasets import ClassLabel, Features, List, Value

KEYPOINT_COLUMNS = ("keypoints", "scores", "shape", "layout")


def motion_features(class_names: list[str] | None = None) -> Features:
    """Return the `datasets.Features` of a motion corpus.

    Args:
        class_names: names of the action classes; without them `label` is a plain integer and -1 means no label.

    Columns:
        keypoints: `M * F * K * C` float32, flat; pixels, x right, y down (C = 2), or metres in a y-up world (C = 3).
        scores: `M * F * K` float32 in [0, 1], flat; 0 is a missing joint.
        shape: `[M, F, K, C]`.
        layout: name of the skeleton layout (`tokenization_mofm.layouts`).
        fps: frames per second.
        label, subject, source: action class, person id (-1 unknown) and where the clip comes from.
    """
    return Features(
        {
            "keypoints": List(Value("float32")),
            "scores": List(Value("float32")),
            "shape": List(Value("int32"), length=4),
            "layout": Value("string"),
            "fps": Value("float32"),
            "label": ClassLabel(names=class_names) if class_names else Value("int64"),
            "subject": Value("int32"),
            "source": Value("string"),
        }
    )


def encode_row(
    keypoints: np.ndarray,
    scores: np.ndarray,
    layout: str,
    fps: float = 30.0,
    label: int = -1,
    subject: int = -1,
    source: str = "",
) -> dict:
    """Return a corpus row for `keypoints` [M, F, K, C] and `scores` [M, F, K]."""
    return {
        "keypoints": np.ascontiguousarray(keypoints, np.float32).reshape(-1),
        "scores": np.ascontiguousarray(scores, np.float32).reshape(-1),
        "shape": list(keypoints.shape),
        "layout": layout,
        "fps": float(fps),
        "label": int(label),
        "subject": int(subject),
        "source": source,
    }


def decode_row(row: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return (`keypoints` [M, F, K, C], `scores` [M, F, K]), float32, of a corpus row."""
    shape = tuple(int(n) for n in row["shape"])
    keypoints = np.asarray(row["keypoints"], np.float32).reshape(shape)
    return keypoints, np.asarray(row["scores"], np.float32).reshape(shape[:-1])
