"""Rows of a corpus as recordings; what the columns mean is in `schema`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .recording import Recording


def decode_row(row: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return (`keypoints` [M, F, K, C], `scores` [M, F, K]), float32, of a corpus row."""
    shape = tuple(int(n) for n in row["shape"])
    keypoints = np.asarray(row["keypoints"], np.float32).reshape(shape)
    return keypoints, np.asarray(row["scores"], np.float32).reshape(shape[:-1])


def row_recording(row: Mapping) -> Recording:
    """Return a corpus row as a `Recording`; what it lacks is unknown, and a label that is a number is none."""
    keypoints, scores = decode_row(row)
    known = {name: row[name] for name in ("space", "fps", "first_frame", "subject", "camera", "split") if name in row}
    frame_labels = row.get("frame_labels")
    label = row.get("label", "")
    return Recording(
        keypoints,
        scores,
        str(row["layout"]),
        name=row.get("source", ""),
        frame_size=tuple(int(side) for side in row.get("frame_size", (0, 0))),
        track_ids=[int(name) for name in row.get("track_ids", ())],
        frame_labels=None if frame_labels is None or not len(frame_labels) else np.asarray(frame_labels, np.uint8),
        label=label if isinstance(label, str) else "",
        **{name: value if isinstance(value, str) else np.asarray(value).item() for name, value in known.items()},
    )
