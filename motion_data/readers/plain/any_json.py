"""Readers of files of people's own: JSON, JSON lines and pickles, whatever the fields are called.

`plain_data` says what is found in them. They are asked last, after all formats with a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from ...recording import Recording
from ..data_fields import NAMES, depth_of
from ..detections import Detection
from ..estimates import estimated_recordings
from ..estimators.picture_files import MAX_EMPTY, people_in_files, pictures
from ..joint_names import are_joint_names
from ..json_files import json_head, person_number, read_json
from ..pickle_data import pickle_head, read_pickle
from ..registry import FormatError, ReadOptions, register_format
from ..tables.table_columns import find_columns
from ..tables.table_content import content_recordings
from .named_joints import joint_titles
from .plain_data import LAYOUTS
from .plain_joints import detection_of, same_joints
from .plain_people import people_in
from .unnamed_keypoints import LOOSE, with_keypoints

_JOINTS = "(?i:nose|neck|left[ _]?shoulder|l[ _]?shoulder|left[ _]?hip)"
_AXES = r'"(x|X|xs)"\s*:\s*\[\s*[\[\d-]'
_MARK = re.compile(rf'"({"|".join([*NAMES["keypoints"], _JOINTS])})"\s*:\s*[\[{{]')
_LOOSE = re.compile(rf'{_AXES}|"({"|".join(LOOSE)})"\s*:\s*\[\s*\[|:\s*\[\s*\[\s*\[\s*-?\d|\d"\s*:\s*\[\s*\[\s*-?\d')
_LISTS = re.compile(r":\s*\[\s*\[\s*-?\d")  # of numbers, beside names of joints
# nothing but numbers, in lists or by the number or name of a picture
_NUMBERS = re.compile(r'\s*(\[\s*\[|\{\s*"[^"]{0,200}\d[^"]{0,200}"\s*:)[\s\[]*-?\d')
SUFFIXES = (".json", ".jsonl", ".ndjson")
PICKLES = (".pkl", ".pickle")
_TEXTS = re.compile(r'"([^"\\]{1,100})"')  # titles of a table among them
_ARRAYS = {"ndarray", "_frombuffer"}  # what makes the arrays of NumPy
_FIRST = 4  # lists and objects in each other
MAX_LOOK = 2**28  # bytes of a pickle that is read to see what is in it
MAX_PICTURE = 2**20  # bytes of a file with the people of one picture


def _is_pickle(path: Path) -> bool:
    texts = [text for _, text in pickle_head(path) if isinstance(text, str)]
    if not {*NAMES["keypoints"], *LOOSE}.isdisjoint(texts) or {"x", "y"} <= set(texts) or find_columns([texts]):
        return True
    if _ARRAYS.isdisjoint(texts):
        return False
    try:
        state = path.stat()
        return state.st_size < MAX_LOOK and _has_keypoints(path, state.st_mtime_ns, state.st_size)
    except (FormatError, OSError):
        return False


@lru_cache(maxsize=4)
def _has_keypoints(path: Path, modified: int, size: int) -> bool:
    """Tell whether a pickle of arrays without names holds key-points, by their form.

    Raises:
        FormatError: it is no pickle of plain data.
    """
    content = read_pickle(path)
    for _ in range(_FIRST):
        if depth_of(content):
            return with_keypoints({LOOSE[0]: content}) is not None
        if isinstance(content, dict):
            if with_keypoints(content) is not None:
                return True
            content = list(content.values())
        content = content[0] if isinstance(content, (list, tuple)) and content else None
    return False


def _is_json(path: Path) -> bool:
    head = json_head(path)
    if not re.match(r"\s*[\[{]", head):
        return False
    if _MARK.search(head) or _LOOSE.search(head) or _NUMBERS.match(head):
        return True
    texts = list(dict.fromkeys(_TEXTS.findall(head)))
    return bool(find_columns([texts]) or _LISTS.search(head) and are_joint_names(texts))


def _is_folder(path: Path) -> bool:
    """Tell whether the first file with people has no frames of its own: then each file is a picture, not a video."""
    for file in pictures(path, ".json")[:MAX_EMPTY]:
        if _MARK.search(json_head(file)):
            try:
                people = list(people_in(file, read_json(file))) if file.stat().st_size < MAX_PICTURE else []
            except (FormatError, OSError):
                return False
            return bool(people) and all(person.frame is None for person in people)
    return False


@register_format("any-json", "JSON or JSON lines of scripts of one's own (.json, .jsonl)", SUFFIXES, _is_json)
def read_any_json(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read people in frames; a frame is what a field or a key says, else the place in a list of frames.

    Key-points are x, y, score in rows or flat; x, y where scores stand apart; or objects with x and y, by name or with
    one, of all joints or of those that were seen; joints by name may also stand in the person itself. Without scores
    each joint is certain. People with times and no frames are in frames as far apart as most times are. Key-points of
    several people and all frames in one array are read as `npz` files are, a table of pandas as `table` files are. A
    rate and a width and height that stand beside them are those of the recording; without a rate, times of frames tell
    it.

    Raises:
        FormatError: see `json_files`; a person whose frame nothing tells, or joints that are none of these.
    """
    yield from content_recordings(path, read_json(path), options)


@register_format("any-pickle", "a pickle of the same, or of arrays (.pkl)", PICKLES, _is_pickle)
def read_any_pickle(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a pickle as `read_any_json` reads JSON.

    Raises:
        FormatError: as there; see `read_pickle`.
    """
    yield from content_recordings(path, read_pickle(path), options)


@register_format("any-json-folder", "folder of such JSON files, one for each picture", recognises=_is_folder)
def read_any_folder(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a folder with a file for each picture, whose number is in its name.

    Raises:
        FormatError: as for one file.
    """
    names: list[str] = []
    stated: list[str] = []

    def people(file: Path, frame: int) -> Iterator[Detection]:
        content = read_json(file)
        titles = joint_titles(content) or []
        if titles != stated and titles and stated:
            raise FormatError(file, f"names other joints than the file before it: {', '.join(titles)[:200]}")
        stated[:] = titles or stated
        for person in people_in(file, content, frame):
            yield detection_of(
                file, person, ("", frame), person_number(file, person.track), names, options.coordinates
            )

    found = same_joints(list(people_in_files(path, ".json", people)), names)
    yield from estimated_recordings(path, found, LAYOUTS, options, names or stated or None)
