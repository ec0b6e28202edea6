"""Reader of the skeletons of PKU-MMD: long takes with many actions, which files of labels beside them cut out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...layouts import get_layout
from ...notes import note
from ...recording import Recording
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions, register_format
from ..text_files import parse_rows, read_text, text_head

LAYOUT, PEOPLE, FPS = "ntu25", 2, 30.0
_NAME = re.compile(r"(?:\d{4}|A\d{2}N(\d{2}))-([LMR])\.txt")  # of the first and the second part
_SEPARATORS = re.compile(r"[,\s]+")


def _is_pku(path: Path) -> bool:
    if not _NAME.fullmatch(path.name):
        return False
    return len(text_head(path).partition("\n")[0].split()) == PEOPLE * 3 * get_layout(LAYOUT).num_joints


@register_format("pku-mmd", "skeletons of PKU-MMD, with their labels (.txt)", (".txt",), _is_pku)
def read_pku(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read x, y, z of 25 joints of two people in each line, metres in camera space, 30 frames a second; 0 is nobody.

    Where a folder beside that of the file is called after labels and has a file of its name, each of its lines,
    `action, first frame, last frame, confidence`, is a recording, and its label the number of the action. The last
    letter of the name is the camera, the number behind the N of the second part the subject.

    Raises:
        FormatError: lines of another length or that are no numbers, in the file or in that of its labels.
    """
    rows = parse_rows(path, [line.split() for line in read_text(path).splitlines() if line.strip()])
    joints = get_layout(LAYOUT).num_joints
    if rows.shape[1] != PEOPLE * joints * 3:
        raise FormatError(path, f"has {rows.shape[1]} numbers a line; two people need {PEOPLE * joints * 3}")
    poses = rows.reshape(len(rows), PEOPLE, joints, 3)
    labels = labels_of(path)
    read = replace(options, axes="FMKC", coordinates="xyz", layout=LAYOUT)
    facts: dict = {"space": "camera"}
    if name := _NAME.fullmatch(path.name):
        facts |= {"camera": name[2]} | ({"subject": int(name[1])} if name[1] else {})
    stretches = _stretches(labels, len(rows)) if labels else [("", 0, len(rows))]
    if not labels:
        note("no labels lie beside it: the whole take is a recording")
    for label, first, end in stretches:
        part = poses[first:end]
        part = part[:, part.any((0, 2, 3))]
        if not part.size:
            continue
        own = facts | ({"label": label, "name": f"{first:06d}"} if labels else {})
        for recording in array_recordings(path, part, {"fps": np.array(FPS)}, read):
            yield replace(recording, **{**own, "first_frame": first + recording.first_frame})


def labels_of(path: Path) -> Path | None:
    """Return the file of the labels of a take; None if there is none."""
    if not _NAME.fullmatch(path.name):
        return None
    try:
        folders = sorted(one for one in path.absolute().parent.parent.iterdir() if "label" in one.name.lower())
    except OSError:
        return None
    return next((file for folder in folders if (file := folder / path.name).is_file()), None)


def _stretches(labels: Path, num_frames: int) -> list[tuple[str, int, int]]:
    """Return label, first frame and the one after the last of each line."""
    lines = [_SEPARATORS.split(line.strip()) for line in read_text(labels).splitlines() if line.strip()]
    rows = parse_rows(labels, lines)
    if rows.shape[1] not in (3, 4) or (rows[:, :3] != rows[:, :3].round()).any():
        raise FormatError(labels, "has other lines than action, first frame, last frame and confidence")
    found = [(str(int(action)), int(first), min(int(last) + 1, num_frames)) for action, first, last in rows[:, :3]]
    for _, first, end in found:
        if not 0 <= first < end:
            raise FormatError(labels, f"has an action from frame {first} to {end - 1} of {num_frames}")
    return found
