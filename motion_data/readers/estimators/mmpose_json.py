"""Reader of MMPose's predictions of a video."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..detections import Detection
from ..estimates import RESULT_LAYOUTS, estimated_recordings
from ..json_files import (
    as_list,
    as_mapping,
    box_corners,
    frame_number,
    item,
    json_head,
    numbers,
    person_number,
    read_json,
)
from ..plain.named_joints import joint_titles
from ..registry import FormatError, ReadOptions, register_format


def _is_mmpose(path: Path) -> bool:
    head = json_head(path)
    is_demo = re.match(r"\s*\{", head) and re.search(r'"(meta_info|instance_info)"\s*:', head)
    is_inferencer = re.match(r"\s*\[\s*\{", head) and '"frame_id"' in head and '"instances"' in head
    return bool(is_demo or is_inferencer)


@register_format("mmpose", "predictions of MMPose demos and inferencers (.json)", (".json",), _is_mmpose)
def read_mmpose(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read MMPose predictions of a video, with `meta_info` as its demos write them or without as its inferencer does.

    Demos count frames from 1, the inferencer from 0; numbers stay as they are. Track ids are `track_id` or
    `instance_id`, which some tools add.

    Raises:
        FormatError: see `json_files`; 3D predictions are refused.
    """
    content = read_json(path)
    names = joint_titles(content)
    if isinstance(content, dict):
        names = _meta_joints(path, content.get("meta_info")) or names
        content = item(path, content, "instance_info", "the file")
    found = _instances(path, as_list(path, content, "instance_info"))
    yield from estimated_recordings(path, found, RESULT_LAYOUTS, options, names)


def _instances(path: Path, entries: list) -> Iterator[Detection]:
    for entry in entries:
        picture = as_mapping(path, entry, "a frame")
        frame = frame_number(path, item(path, picture, "frame_id", "a frame"))
        for person in as_list(path, item(path, picture, "instances", "a frame"), "instances"):
            yield mmpose_instance(path, frame, as_mapping(path, person, "a person"))


def mmpose_instance(path: Path, frame: int, person: Mapping) -> Detection:
    """Return a person with `keypoints` [K, 2] and `keypoint_scores` [K], as MMPose writes them."""
    xy = numbers(path, item(path, person, "keypoints", "a person"), f"keypoints in frame {frame}")
    scores = numbers(path, item(path, person, "keypoint_scores", "a person"), f"keypoint_scores in frame {frame}")
    if not xy.size and not scores.size:
        return Detection(frame, np.empty((0, 3)))
    if scores.ndim != 1 or xy.shape != (len(scores), 2):
        raise FormatError(
            path,
            f"keypoints in frame {frame} have shape {xy.shape} and keypoint_scores {scores.shape}; they must be "
            "[joints, 2] and [joints]",
        )
    return Detection(
        frame,
        np.concatenate([xy, scores[:, None]], 1),
        person_number(path, person.get("track_id", person.get("instance_id"))),
        box_corners(path, person.get("bbox"), has_size=False),
    )


def _meta_joints(path: Path, meta: object) -> list[str] | None:
    """Return the joint names of MMPose's `meta_info`; None if it has none."""
    by_number = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(by_number, dict):
        return None
    names = {frame_number(path, number): str(name) for number, name in by_number.items()}
    return [names[number] for number in sorted(names)]
