"""The columns of every MoFM corpus: one row is one clip of one or more people.

Key-points are stored flat beside their shape: nested Arrow lists read two orders of magnitude slower than flat ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from .recording import Recording

if TYPE_CHECKING:
    from datasets import Dataset, Features

KEYPOINT_COLUMNS = ("keypoints", "scores", "shape", "layout")
VIEW_COLUMNS = [*KEYPOINT_COLUMNS, "space", "fps"]  # what `views.view` needs of a row
# what a row has where nothing is known
UNKNOWN = {
    "space": "",
    "unit": "",
    "fps": 0.0,
    "frame_size": [0, 0],
    "recording": "",
    "first_frame": 0,
    "num_segments": 1,
    "track_ids": [],
    "label": -1,
    "frame_labels": [],
    "subject": -1,
    "camera": "",
    "split": "",
    "source": "",
    "license": "",
}


def label_names(corpus: Dataset) -> list[str]:
    """Return the names of the action classes of a corpus; [] if its labels have no names."""
    return list(getattr(corpus.features["label"], "names", ()))


def motion_features(class_names: list[str] | None = None) -> Features:
    """Return the `datasets.Features` of a motion corpus.

    Args:
        class_names: names of the action classes; without them `label` is a plain integer and -1 means no label.

    Columns:
        keypoints: `M * F * K * C` float32, flat; see `Recording`.
        scores: `M * F * K` float32 in [0, 1], flat; 0 is a missing joint.
        shape: `[M, F, K, C]`.
        layout: name of the skeleton layout (`motion_data.layouts`).
        space: "image", "camera" or "world"; see `Recording`. "" takes "image" for 2D and "world" for 3D.
        unit: of the coordinates, "pixels" or "metres".
        fps: frames per second; 0 is unknown.
        frame_size: `[width, height]` of the picture, pixels; zeros are unknown.
        recording: which recording the row is a segment of; "" is unknown.
        first_frame: frame of the source at which the clip starts.
        num_segments: rows that this recording was cut into.
        track_ids: the source's id of each of the M people; empty is unknown.
        label: action class; -1 is none.
        frame_labels: `F` numbers, 1 is an anomalous frame; empty is none.
        subject: who acts; -1 is unknown.
        camera, source, license: names, "" is unknown.
        split: split that the source states; "" is none.
    """
    from datasets import ClassLabel, Features, List, Value  # which takes a quarter of a second

    return Features(
        {
            "keypoints": List(Value("float32")),
            "scores": List(Value("float32")),
            "shape": List(Value("int32"), length=4),
            "layout": Value("string"),
            "space": Value("string"),
            "unit": Value("string"),
            "fps": Value("float32"),
            "frame_size": List(Value("int32"), length=2),
            "recording": Value("string"),
            "first_frame": Value("int64"),
            "num_segments": Value("int32"),
            "track_ids": List(Value("int64")),
            "label": ClassLabel(names=class_names) if class_names else Value("int64"),
            "frame_labels": List(Value("uint8")),
            "subject": Value("int32"),
            "camera": Value("string"),
            "split": Value("string"),
            "source": Value("string"),
            "license": Value("string"),
        }
    )


def encode_row(keypoints: np.ndarray, scores: np.ndarray, layout: str, **columns: object) -> dict:
    """Return a corpus row for `keypoints` [M, F, K, C] and `scores` [M, F, K].

    Args:
        columns: values of other columns; those left out are unknown.
    """
    space = columns.pop("space", "") or ("image" if keypoints.shape[-1] == 2 else "world")
    return {
        **UNKNOWN,
        "keypoints": np.ascontiguousarray(keypoints, np.float32).reshape(-1),
        "scores": np.ascontiguousarray(scores, np.float32).reshape(-1),
        "shape": list(keypoints.shape),
        "layout": layout,
        "space": space,
        "unit": "pixels" if space == "image" else "metres",
        **columns,
    }


def recording_row(recording: Recording, source: str, **columns: object) -> dict:
    """Return the corpus row of a recording, its label by name.

    Args:
        source: name of the file that it was read from.
        columns: values of other columns.
    """
    whole = "/".join(part for part in (source, recording.name) if part)
    return encode_row(
        recording.keypoints,
        recording.scores,
        recording.layout,
        space=recording.space,
        fps=recording.fps,
        frame_size=list(recording.frame_size),
        recording=whole,
        first_frame=recording.first_frame,
        track_ids=list(recording.track_ids),
        label=recording.label,
        frame_labels=np.asarray([] if recording.frame_labels is None else recording.frame_labels, np.uint8),
        subject=recording.subject,
        camera=recording.camera,
        split=recording.split,
        source=f"{whole}/{recording.segment}" if recording.segment else whole,
        **columns,
    )


def corpus_table(columns: Mapping[str, pa.Array], features: Features) -> pa.Table:
    """Return Arrow columns as the table of a corpus with these features; those left out are unknown."""
    schema = features.arrow_schema
    num_rows = len(columns["layout"])

    def unknown(name: str) -> pa.Array:
        return pa.array([UNKNOWN[name]], schema.field(name).type).take(pa.array(np.zeros(num_rows, np.int32)))

    return pa.table([columns[name] if name in columns else unknown(name) for name in schema.names], schema=schema)


def first_row(table: pa.Table) -> dict:
    """Return the first row of an Arrow table, its lists as arrays that are not copied."""
    row = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        value = column[0]
        row[name] = value.values.to_numpy() if isinstance(value, pa.ListScalar) else value.as_py()
    return row
