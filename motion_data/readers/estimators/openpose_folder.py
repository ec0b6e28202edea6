"""Reader of OpenPose's `--write_json` folders: one `<video>_<frame>_keypoints.json` per frame.

Pose2Sim, Sports2D and others write the same without `_keypoints`, and people rename their files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...recording import Recording
from ..detections import Detection
from ..estimates import estimated_recordings
from ..json_files import (
    as_list,
    as_mapping,
    item,
    joint_rows,
    json_head,
    person_number,
    read_json,
)
from ..registry import ReadOptions, register_format
from .picture_files import people_in_files, pictures

FOLDER_LAYOUTS = {18: "openpose18", 25: "openpose25", 26: "halpe26"}  # OpenPose, and others that write its files
SUFFIX = "_keypoints.json"
_START = re.compile(r'\s*\{(\s*"version"\s*:\s*[\d.]+\s*,)?\s*"people"\s*:\s*\[\s*(\]|\{.*"pose_keypoints)', re.DOTALL)


def _suffix(path: Path) -> str | None:
    """Return how the files of people end: `SUFFIX`, or ".json" where all are such and the first is one of these."""
    try:
        with os.scandir(path) as entries:
            if any(entry.name.endswith(SUFFIX) for entry in entries):
                return SUFFIX
    except (OSError, ValueError):
        return None
    return ".json" if any(_START.match(json_head(first)) for first in pictures(path, ".json")[:1]) else None


@register_format(
    "openpose", "OpenPose folder of one .json per frame", recognises=lambda path: _suffix(path) is not None
)
def read_openpose(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the bodies of an OpenPose folder; faces and hands are left out.

    The frame is the number in a file's name; files of several videos are several recordings. `person_id` is the track
    id where tracking was on, and [-1] elsewhere. Where OpenPose wrote fractions of the picture (`--keypoint_scale 3`),
    `options.frame_size` must tell its size.

    Args:
        path: the folder; other files in it are ignored.

    Raises:
        FormatError: see `json_files`; also if it has no such file.
    """

    def people(file: Path, frame: int) -> Iterator[Detection]:
        content = as_mapping(file, read_json(file), "the file")
        for entry in as_list(file, item(file, content, "people", "the file"), "people"):
            person = as_mapping(file, entry, "a person")
            key = "pose_keypoints" if "pose_keypoints" in person else "pose_keypoints_2d"
            rows = joint_rows(file, item(file, person, key, "a person"), frame)
            yield Detection(frame, rows, person_number(file, person.get("person_id")))

    found = people_in_files(path, _suffix(path) or SUFFIX, people)
    yield from estimated_recordings(path, found, FOLDER_LAYOUTS, options, states_joints=True)
