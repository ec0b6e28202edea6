"""Reader of OpenPose's `--write_json` folders: one `<video>_<frame>_keypoints.json` per frame."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..recording import Recording
from .detections import Detection
from .estimates import estimated_recordings
from .json_files import (
    MAX_FILE_BYTES,
    as_list,
    as_mapping,
    frame_number,
    item,
    joint_rows,
    person_number,
    read_json,
)
from .registry import FormatError, ReadOptions, register_format

LAYOUTS = {18: "openpose18", 25: "openpose25"}
SUFFIX = "_keypoints.json"
_NAME = re.compile(r"(.*?)_?(\d+)_keypoints\.json", re.ASCII | re.DOTALL)


def _is_openpose(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(entry.name.endswith(SUFFIX) for entry in entries)
    except (OSError, ValueError):
        return False


@register_format("openpose", "OpenPose folder of one _keypoints.json per frame", recognises=_is_openpose)
def read_openpose(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the bodies of an OpenPose folder; faces and hands are left out.

    The frame is the number in a file's name. `person_id` is the track id where tracking was on, and [-1] elsewhere.
    OpenPose must have written pixels (`--keypoint_scale 0`).

    Args:
        path: the folder; other files in it are ignored.

    Raises:
        FormatError: see `json_people`; also if it has no such file, or those of several videos.
    """
    yield from estimated_recordings(path, _detections(path), LAYOUTS, options)


def _detections(path: Path) -> Iterator[Detection]:
    for frame, file in sorted(_files(path).items()):
        try:
            content = as_mapping(file, read_json(file), "the file")
            for entry in as_list(file, item(file, content, "people", "the file"), "people"):
                person = as_mapping(file, entry, "a person")
                key = "pose_keypoints" if "pose_keypoints" in person else "pose_keypoints_2d"
                joints = item(file, person, key, "a person")
                yield Detection(frame, joint_rows(file, joints, frame), person_number(file, person.get("person_id")))
        except FormatError as error:
            raise FormatError(path, f"{file.name}: {error.reason}") from error


def _files(path: Path) -> dict[int, Path]:
    """Return the files of a folder by frame."""
    files, videos, size = {}, set(), 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.name.endswith(SUFFIX):
                    continue
                match = _NAME.fullmatch(entry.name)
                if match is None:
                    raise FormatError(path, f"{entry.name!r} has no frame number before {SUFFIX!r}")
                frame = frame_number(path, match.group(2))
                videos.add(match.group(1))
                if len(videos) > 1 or frame in files:
                    raise FormatError(path, f"has files of several videos: {sorted(videos)}; give each its own folder")
                files[frame] = Path(entry.path)
                size += entry.stat().st_size
    except OSError as error:
        raise FormatError(path, f"is no folder that can be read ({error.strerror})") from error
    if not files:
        raise FormatError(path, f"has no file that ends in {SUFFIX!r}")
    if size > MAX_FILE_BYTES:
        raise FormatError(path, f"has {size} bytes; folders of at most {MAX_FILE_BYTES} are read, split it")
    return files
