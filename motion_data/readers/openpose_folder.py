"""Reader of OpenPose's `--write_json` folders: one `<video>_<frame>_keypoints.json` per frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..recording import Recording
from .detections import Detection
from .estimates import estimated_recordings
from .frames import picture_frames
from .json_files import (
    MAX_FILE_BYTES,
    as_list,
    as_mapping,
    item,
    joint_rows,
    person_number,
    read_json,
)
from .registry import FormatError, ReadOptions, register_format

LAYOUTS = {18: "openpose18", 25: "openpose25", 26: "halpe26"}  # OpenPose, and others that write its files
SUFFIX = "_keypoints.json"


def _is_openpose(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(entry.name.endswith(SUFFIX) for entry in entries)
    except (OSError, ValueError):
        return False


@register_format("openpose", "OpenPose folder of one _keypoints.json per frame", recognises=_is_openpose)
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
    yield from estimated_recordings(path, _detections(path), LAYOUTS, options, states_joints=True)


def _detections(path: Path) -> Iterator[Detection]:
    files = _files(path)
    frames = picture_frames(path, [name.removesuffix(SUFFIX) for name in files])
    for name, file in files.items():
        video, frame = frames[name.removesuffix(SUFFIX)]
        try:
            content = as_mapping(file, read_json(file), "the file")
            for entry in as_list(file, item(file, content, "people", "the file"), "people"):
                person = as_mapping(file, entry, "a person")
                key = "pose_keypoints" if "pose_keypoints" in person else "pose_keypoints_2d"
                rows = joint_rows(file, item(file, person, key, "a person"), frame)
                yield Detection(frame, rows, person_number(file, person.get("person_id")), video=video)
        except FormatError as error:
            raise FormatError(path, f"{file.name}: {error.reason}") from error


def _files(path: Path) -> dict[str, Path]:
    """Return the files of a folder by name."""
    files, size = {}, 0
    try:
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith(SUFFIX):
                    files[entry.name] = Path(entry.path)
                    size += entry.stat().st_size
    except OSError as error:
        raise FormatError(path, f"is no folder that can be read ({error.strerror})") from error
    if not files:
        raise FormatError(path, f"has no file that ends in {SUFFIX!r}")
    if size > MAX_FILE_BYTES:
        raise FormatError(path, f"has {size} bytes; folders of at most {MAX_FILE_BYTES} are read, split it")
    return files
