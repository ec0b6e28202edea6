"""Reader of the skeletons of Kinetics that ST-GCN came with, one JSON file a clip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..data_fields import label_text
from ..detections import Detection
from ..estimates import estimated_recordings
from ..json_files import as_list, as_mapping, frame_number, item, json_head, numbers, read_json
from ..plain.named_joints import joint_titles
from ..registry import FormatError, ReadOptions, register_format

KINETICS_LAYOUTS = {18: "openpose18"}


def _is_kinetics(path: Path) -> bool:
    head = json_head(path)
    return bool(re.match(r"\s*\{", head) and '"skeleton"' in head and '"frame_index"' in head)


@register_format(
    "kinetics-skeleton", "skeletons of ST-GCN's Kinetics, a file a clip (.json)", (".json",), _is_kinetics
)
def read_kinetics(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read OpenPose's 18 joints as fractions of the picture, whose size `options.frame_size` must tell.

    Raises:
        FormatError: see `json_files`.
    """
    content = as_mapping(path, read_json(path), "the file")
    found = _skeletons(path, as_list(path, item(path, content, "data", "the file"), "data"))
    fields = {"label": label_text(content.get("label"))}
    yield from estimated_recordings(
        path, found, KINETICS_LAYOUTS, options, joint_titles(content), states_joints=True, **fields
    )


def _skeletons(path: Path, frames: list) -> Iterator[Detection]:
    for entry in frames:
        picture = as_mapping(path, entry, "a frame")
        frame = frame_number(path, item(path, picture, "frame_index", "a frame"))
        for body in as_list(path, item(path, picture, "skeleton", "a frame"), "skeleton"):
            person = as_mapping(path, body, "a person")
            xy = numbers(path, item(path, person, "pose", "a person"), f"pose in frame {frame}")
            scores = numbers(path, item(path, person, "score", "a person"), f"score in frame {frame}")
            if xy.ndim != 1 or scores.ndim != 1 or len(xy) != 2 * len(scores):
                raise FormatError(path, f"a person in frame {frame} has pose {xy.shape} and score {scores.shape}")
            yield Detection(frame, np.concatenate([xy.reshape(-1, 2), scores[:, None]], 1))
