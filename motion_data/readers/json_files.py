"""What the readers of pose estimators' JSON files share: safe parsing, and numbers checked.

Key-point lists become arrays while a file is parsed, so that a file needs little more memory than its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np

from .frames import MAX_NUMBER, picture_frames, whole_number
from .registry import MAX_FILE_BYTES, FormatError
from .text_files import encoding_of

MAX_FPS = 1e6
_FRACTION = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(?:/(\d{1,12}(?:\.\d{1,12})?))?")
MAX_PIXEL = 1e6  # no picture is larger
HEAD_BYTES = 2**20  # people may come late: a file may start with thousands of empty frames

_NUMBERS = (int, float, np.integer, np.floating, type(None))  # NumPy's: in what is handed over in Python
_TOGETHER = 256  # lists of key-points that become one array
_KEYPOINT_LISTS = ("keypoints", "keypoint_scores", "joints", "pose_keypoints_2d", "pose_keypoints")


def read_json(path: Path) -> object:
    """Return what a JSON file holds, of JSON lines the list of them; lists of key-points that are numbers are arrays.

    Raises:
        FormatError: if it is no file that can be read, is larger than `MAX_FILE_BYTES`, or holds no JSON. NaN and
            Infinity are read as numbers.
    """
    try:
        if not path.is_file():
            raise FormatError(path, "is no file")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FormatError(path, f"has {size} bytes; files of at most {MAX_FILE_BYTES} are read, split it")
        packing = _Packing()
        content = _parsed(path.read_bytes(), packing)
        packing.finish()
        return content
    except FormatError:
        raise
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(path, f"is no valid JSON ({error})") from error


def _parsed(content: bytes, packing: _Packing) -> object:
    """Return what JSON holds, or the list of what each line of JSON lines holds."""
    try:
        return json.loads(content, object_hook=packing)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data" or "\n" not in error.doc[: error.pos]:
            raise
        lines = [(number, line) for number, line in enumerate(error.doc.splitlines(), 1) if line.strip()]
    found = []
    for number, line in lines:
        try:
            found.append(json.loads(line, object_hook=packing))
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number}: {error}") from error
    return found


def json_head(path: Path) -> str:
    """Return the first `HEAD_BYTES` of a file as text, with "" for whatever cannot be read; never raises."""
    try:
        if not path.is_file():
            return ""
        status = path.stat()
        return _head(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError):
        return ""


@lru_cache(maxsize=4)
def _head(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return head.decode(encoding_of(head), "ignore")


def as_mapping(path: Path, value: object, what: str) -> Mapping:
    """Return `value` if it is a JSON object; raise a FormatError that names `what` if not."""
    if not isinstance(value, dict):
        raise FormatError(path, f"{what} is {brief(value)}; it must be an object")
    return value


def as_list(path: Path, value: object, what: str) -> list:
    """Return `value` if it is a JSON list; raise a FormatError that names `what` if not."""
    if isinstance(value, np.ndarray):
        return list(value)
    if not isinstance(value, list):
        raise FormatError(path, f"{what} is {brief(value)}; it must be a list")
    return value


def item(path: Path, entry: Mapping, key: str, what: str) -> object:
    """Return `entry[key]`; raise a FormatError if it is not there."""
    if key not in entry:
        raise FormatError(path, f"{what} lacks {key!r}; it has {brief(list(entry))}")
    return entry[key]


def brief(value: object) -> str:
    """Return `value` as it appears in an error message: at most 60 characters."""
    if isinstance(value, (dict, np.ndarray)) or isinstance(value, list) and len(value) > 10:
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, list):
        text = f"[{', '.join('[...]' if isinstance(entry, list) else brief(entry) for entry in value)}]"
    elif isinstance(value, int) and abs(value) > MAX_NUMBER:
        text = "a number of more than 15 digits"
    else:
        text = ascii(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def frame_number(path: Path, value: object) -> int:
    """Return the number of a frame: a whole number, or that in the name of a picture ("000123.jpg" is 123).

    Names of many pictures are read together by `frames.picture_frames`.

    Raises:
        FormatError: if there is no such number, or it is negative or above `MAX_NUMBER`.
    """
    number = whole_number(value)
    if number is not None and 0 <= number <= MAX_NUMBER:  # nearly always, and once for each person of a file
        return number
    return picture_frames(path, [value])[value][1]


def person_number(path: Path, value: object) -> int:
    """Return the track id of a person: a whole number, its text, or the first of a list; -1 for None and [] and -1.

    Raises:
        FormatError: for anything else.
    """
    while isinstance(value, (list, np.ndarray)) and len(value):
        value = value[0]
    if value is None or isinstance(value, (list, np.ndarray)):
        return -1
    number = whole_number(value)
    if number is None or not -1 <= number <= MAX_NUMBER:
        raise FormatError(path, f"track id {brief(value)} must be a whole number from -1 (none) to {MAX_NUMBER}")
    return number


def person_numbers(path: Path, values: Sequence[object]) -> np.ndarray:
    """Return the track ids of D people, `[D]` int64; see `person_number`."""
    if set(map(type, values)) == {int} and min(values) >= -1 and max(values) <= MAX_NUMBER:
        return np.array(values, np.int64)
    return np.array([person_number(path, value) for value in values], np.int64)


def stated_fps(path: Path, header: Mapping, names: Sequence[str] = ("fps",)) -> float:
    """Return the rate that a file states under one of `names`, a number or a fraction in text; 0 is none.

    Raises:
        FormatError: it is no number from 0 to `MAX_FPS`.
    """
    value = next((header[name] for name in names if header.get(name) is not None), None)
    if value is None or value == "":
        return 0.0
    rate = value
    if isinstance(value, str) and (fraction := _FRACTION.fullmatch(value.strip())):  # 30000/1001, as ffprobe has it
        over = float(fraction[2] or 1)
        rate = float(fraction[1]) / over if over else float("nan")
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= MAX_FPS:
        raise FormatError(path, f"fps is {brief(value)}; it must be a number from 0 (not known) to {MAX_FPS:g}")
    return float(rate)


def numbers(path: Path, value: object, what: str) -> np.ndarray:
    """Return a list of numbers, nested evenly or not at all, as float64; null is NaN.

    Raises:
        FormatError: if it holds anything else, or is nested unevenly.
    """
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):  # of a pickle
        alike = {getattr(one, "shape", None) for one in value} == {value[0].shape}
        value = np.stack(value) if alike else value
    array = value if isinstance(value, np.ndarray) else _packed(value)
    if array is not None and array.dtype != np.float64:  # of a pickle
        array = array.astype(np.float64) if array.dtype.kind in "fiu" else None
    if array is None:
        raise FormatError(path, f"{what} is {brief(value)}; it must be a list of numbers")
    return array


def picture_side(path: Path, value: object) -> int:
    """Return the width or height of a picture, pixels; raise a FormatError if it is no whole number from 1 to 1e6."""
    side = whole_number(value)
    if side is None or not 1 <= side <= MAX_PIXEL:
        raise FormatError(path, f"the picture's size {brief(value)} must be a whole number of pixels, from 1 to 1e6")
    return side


def joint_rows(path: Path, value: object, frame: int) -> np.ndarray:
    """Return x, y, score of each joint, `[K, 3]`, of numbers that are flat or in rows; none is nobody.

    Rows of x and y alone are joints of score 1.

    Raises:
        FormatError: for anything else.
    """
    joints = numbers(path, value, f"keypoints in frame {frame}")
    if joints.ndim == 2 and joints.shape[1] == 2:
        joints = np.concatenate([joints, np.ones((len(joints), 1))], 1)
    if joints.size and not (joints.ndim == 1 and len(joints) % 3 == 0 or joints.ndim == 2 and joints.shape[1] == 3):
        raise FormatError(path, f"keypoints in frame {frame} have shape {joints.shape}; they must be x, y, score each")
    return joints.reshape(-1, 3)


def all_joint_rows(path: Path, values: Sequence[object], frames: Sequence[int]) -> Sequence[np.ndarray] | np.ndarray:
    """Return the joints of D people, `[D, K, 3]` if all have as many; see `joint_rows`.

    Args:
        frames: of each, for errors.
    """
    shapes = {value.shape if isinstance(value, np.ndarray) else None for value in values}
    if len(shapes) == 1 and None not in shapes and values[0].shape[1:] != (2,):
        shape = joint_rows(path, values[0], frames[0]).shape  # all have the same, or are refused like the first
        return np.concatenate(values).reshape(len(values), *shape)
    return [joint_rows(path, value, frame) for value, frame in zip(values, frames, strict=True)]


def all_boxes(path: Path, values: Sequence[object], has_size: bool) -> Sequence[np.ndarray | None] | np.ndarray:
    """Return the boxes of D people, `[D, 4]` if all have one; see `box_corners`."""
    together = _packed_together(values) if set(map(type, values)) == {list} else None
    if together is None or together.shape[1:] != (4,):
        return [box_corners(path, value, has_size) for value in values]
    return np.concatenate([together[:, :2], together[:, :2] + together[:, 2:]], 1) if has_size else together


def box_corners(path: Path, value: object, has_size: bool) -> np.ndarray | None:
    """Return a box as x0, y0, x1, y1; None where there is none.

    Args:
        value: four numbers, possibly in a list of their own.
        has_size: they are x, y, width, height.
    """
    if value is None:
        return None
    box = numbers(path, value, "box").reshape(-1)
    if not len(box):
        return None
    if len(box) != 4:
        raise FormatError(path, f"box has {len(box)} numbers; it must have 4")
    return np.concatenate([box[:2], box[:2] + box[2:]]) if has_size else box


class _Packing:
    """Turns lists of key-points into arrays while a file is parsed, many of a kind at once."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[dict]] = {key: [] for key in _KEYPOINT_LISTS}

    def __call__(self, entry: dict) -> dict:
        for key in self.waiting.keys() & entry.keys():
            if isinstance(entry[key], list):
                self.waiting[key].append(entry)
                if len(self.waiting[key]) == _TOGETHER:
                    self._pack(key)
        return entry

    def finish(self) -> None:
        for key in self.waiting:
            self._pack(key)

    def _pack(self, key: str) -> None:
        entries, self.waiting[key] = self.waiting[key], []
        lists = [entry[key] for entry in entries]
        together = _packed_together(lists)
        for entry, packed in zip(entries, map(_packed, lists) if together is None else together, strict=True):
            if packed is not None:
                entry[key] = packed


def _packed(value: object) -> np.ndarray | None:
    """Return lists of numbers and nulls as a float64 array; None if they are anything else."""
    together = _packed_together([value]) if isinstance(value, list) else None
    return None if together is None else together[0]


def _packed_together(lists: Sequence[list]) -> np.ndarray | None:
    """Return lists that are nested alike as one float64 array; None if they are not, or hold anything but numbers."""
    shape, values = [len(lists)], lists
    while True:
        lengths = set(map(len, values))
        if len(lengths) != 1:
            return None
        shape.append(lengths.pop())
        values = list(chain.from_iterable(values))
        kinds = set(map(type, values))
        if bool not in kinds and all(issubclass(kind, _NUMBERS) for kind in kinds):
            break
        if kinds != {list}:
            return None
    try:
        return np.array(values, np.float64).reshape(shape)
    except (ValueError, OverflowError):
        return None
