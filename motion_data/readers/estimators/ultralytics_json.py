"""Reader of the JSON of ultralytics' YOLO: a list of people for each frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..data_fields import list_of
from ..detections import Detection
from ..estimates import estimated_recordings
from ..json_files import as_list, as_mapping, frame_number, item, json_head, numbers, person_number, read_json
from ..plain.named_joints import joint_titles
from ..registry import FormatError, ReadOptions, register_format

YOLO_LAYOUTS = {17: "coco17"}


def _is_ultralytics(path: Path) -> bool:
    head = json_head(path)
    return bool(re.match(r"\s*\[", head) and re.search(r'"keypoints"\s*:\s*\{\s*"x"', head))


@register_format(
    "ultralytics", "what YOLO's tojson or to_json gives, frame by frame (.json)", (".json",), _is_ultralytics
)
def read_ultralytics(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a list of frames, each a list of people with `keypoints` x, y and perhaps visible, and perhaps `track_id`.

    Raises:
        FormatError: see `json_files`; a list of people alone, which does not tell their frames.
    """
    frames = as_list(path, read_json(path), "the file")
    if frames and isinstance(frames[0], dict):
        if "frame" not in frames[0]:
            raise FormatError(path, "is a list of people without frames; write a list with a list of people per frame")
        people = [as_mapping(path, entry, "a person") for entry in frames]
        groups = [(frame_number(path, item(path, person, "frame", "a person")), [person]) for person in people]
    else:
        groups = list(enumerate(frames))
    yield from estimated_recordings(path, _yolo_people(path, groups), YOLO_LAYOUTS, options, joint_titles(frames))


def _yolo_people(path: Path, groups: list[tuple[int, object]]) -> Iterator[Detection]:
    """Yield the people of frames (number, list of people)."""
    for frame, people in groups:
        for entry in as_list(path, people, f"frame {frame}"):
            person = as_mapping(path, entry, "a person")
            points = as_mapping(path, item(path, person, "keypoints", "a person"), "keypoints")
            x, y = (numbers(path, item(path, points, axis, "keypoints"), f"{axis} in frame {frame}") for axis in "xy")
            visible = list_of(points, "scores")
            scores = np.ones(x.shape) if visible is None else numbers(path, visible, f"visible in frame {frame}")
            if x.ndim != 1 or x.shape != y.shape or x.shape != scores.shape:
                raise FormatError(path, f"a person in frame {frame} has x, y and visible of different lengths")
            yield Detection(frame, np.stack([x, y, scores], 1), person_number(path, person.get("track_id")))
