"""Folders with one file per picture: which frame of which video each file is, and who is in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..detections import Detection
from ..frames import picture_frames
from ..registry import MAX_FILE_BYTES, FormatError

MIN_FILES = 2  # a single file is no sequence
MAX_EMPTY = 100  # files of a folder among which one with people is looked for
NOT_PICTURES = ("classes.txt",)  # beside the labels of YOLO


def pictures(path: Path, suffix: str) -> list[Path]:
    """Return the files of a folder if all of them have the suffix, or are hidden, in order; never raises."""
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    except (OSError, ValueError):
        return []
    names = sorted(name for name in names if name not in NOT_PICTURES)
    if len(names) < MIN_FILES or not all(name.lower().endswith(suffix) for name in names):
        return []
    return [path / name for name in names]


def people_in_files(
    path: Path, suffix: str, people: Callable[[Path, int], Iterator[Detection]]
) -> Iterator[Detection]:
    """Yield everybody in the files of a folder that end in `suffix`, whatever else lies there.

    Args:
        suffix: in small letters; those of files may be large.
        people: given a file and its frame, yields those in it.

    Raises:
        FormatError: the folder cannot be read, has no such file, or has more bytes of them than one file may; or what
            `picture_frames` and `people` raise, with the name of the file.
    """
    files, size = {}, 0
    try:
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.lower().endswith(suffix) and entry.name not in NOT_PICTURES:
                    files[entry.name[: -len(suffix)]] = Path(entry.path)
                    size += entry.stat().st_size
    except OSError as error:
        raise FormatError(path, f"is no folder that can be read ({error.strerror})") from error
    if not files:
        raise FormatError(path, f"has no file that ends in {suffix!r}")
    if size > MAX_FILE_BYTES:
        raise FormatError(path, f"has {size} bytes; folders of at most {MAX_FILE_BYTES} are read, split it")
    frames = picture_frames(path, list(files))
    for name, file in files.items():
        video, frame = frames[name]
        try:
            for detection in people(file, frame):
                yield detection._replace(video=video)
        except FormatError as error:
            raise FormatError(path, f"{file.name}: {error.reason}") from error
