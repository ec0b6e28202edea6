"""Readers of folders with one file per picture: MMPose's inferencer (.json) and YOLO's `save_txt` (.txt)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..detections import Detection
from ..estimates import RESULT_LAYOUTS, estimated_recordings
from ..json_files import as_list, as_mapping, json_head, read_json
from ..registry import FormatError, ReadOptions, register_format
from ..text_files import parse_numbers, read_text
from .mmpose_json import mmpose_instance
from .picture_files import MAX_EMPTY, people_in_files, pictures

YOLO_BOX = 5  # class and box, before the joints
YOLO_JOINTS = {17: "coco17"}


def _is_mmpose_folder(path: Path) -> bool:
    files = pictures(path, ".json")[:MAX_EMPTY]
    filled = (head for head in map(json_head, files) if not re.match(r"\s*\[\s*\]\s*$", head))
    first = next(filled, '[{"keypoints": [], "keypoint_scores": []}]' if files else "")
    return bool(re.match(r"\s*\[\s*\{\s*\"keypoints\"", first) and '"keypoint_scores"' in first)


def _is_yolo_folder(path: Path) -> bool:
    files = pictures(path, ".txt")
    try:
        words = files[0].read_text()[:4096].split("\n")[0].split() if files else []
        return len(words) > YOLO_BOX and len([float(word) for word in words]) > YOLO_BOX and words[0].isdigit()
    except (OSError, ValueError):
        return False


@register_format("mmpose-folder", "MMPose's inferencer over pictures, a file each", recognises=_is_mmpose_folder)
def read_mmpose_folder(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read predictions of pictures: a file each, with a list of people (`keypoints`, `keypoint_scores`).

    The order is that of the numbers in the names (`frames.picture_frames`).

    Raises:
        FormatError: see `json_files`.
    """

    def people(file: Path, frame: int) -> Iterator[Detection]:
        for entry in as_list(file, read_json(file), "the file"):
            yield mmpose_instance(file, frame, as_mapping(file, entry, "a person"))

    yield from estimated_recordings(path, people_in_files(path, ".json", people), RESULT_LAYOUTS, options)


@register_format("yolo-folder", "YOLO's save_txt labels, a file a frame", recognises=_is_yolo_folder)
def read_yolo_folder(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read lines of class, box, and x, y and perhaps score of each joint, all as fractions of the picture.

    A line may end with the confidence of the box and a track id. `options.frame_size` must tell the picture's size.

    Raises:
        FormatError: see `text_files`; or lines that are no key-points.
    """

    def people(file: Path, frame: int) -> Iterator[Detection]:
        for line in read_text(file, may_be_empty=True).splitlines():
            if words := line.split():
                yield _yolo_person(file, frame, parse_numbers(file, line, len(words), f"a line of frame {frame}"))

    yield from estimated_recordings(path, people_in_files(path, ".txt", people), YOLO_JOINTS, options)


def _yolo_person(path: Path, frame: int, values: np.ndarray) -> Detection:
    count = len(values) - YOLO_BOX
    for size in (3, 2):  # values of a joint; then perhaps the confidence of the box, and then perhaps a track id
        for rest in (0, 1, 2):
            if count - rest > 0 and (count - rest) % size == 0 and (count - rest) // size in YOLO_JOINTS:
                joints = values[YOLO_BOX : len(values) - rest].reshape(-1, size)
                if size == 2:
                    joints = np.concatenate([joints, np.ones((len(joints), 1))], 1)
                return Detection(frame, joints, int(values[-1]) if rest == 2 else -1)
    raise FormatError(path, f"has a line of {len(values)} numbers; class, box and x, y, score of 17 joints are 56")
