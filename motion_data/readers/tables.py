"""Readers of tables of key-points: CSV with a column for each number, or a row for each joint, and DeepLabCut's.

Columns are told by their names. A name has a joint and one of the axes below, in either order: `nose_x`, `x_nose`,
`x0`, `landmark_0_visibility`, `LEFT_HIP.x`. Tables with a row for each joint have a column for its name or number and
`x` and `y`. Frames are numbered by a column, else by their times where several rows have the same, else by their rows,
which must be of one person then; a column of times tells the rate.

A z beside them is the depth that MediaPipe guesses, and left out, where x and y are fractions of a picture or the
score is called visibility; elsewhere an option tells it from 3D.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..layouts import standard_name
from ..recording import Recording
from .cutting import MAX_RECORDING_JOINTS
from .detections import Detection, gather
from .estimates import check_guessed_depth, estimated_recordings
from .frames import TIMES, frames_of_times, picture_frames, rate_of_times
from .joint_names import map_joints
from .pose_arrays import array_recordings
from .registry import FormatError, ReadOptions, register_format
from .text_files import text_head

SUFFIXES = (".csv", ".tsv")
MAX_CELLS = 10**8
TABLE_LAYOUTS = {17: "coco17", 26: "halpe26", 33: "mediapipe33", 133: "coco-wholebody"}
_AXES = {"x": 0, "y": 1, "z": 3}
_VISIBILITY = ("v", "vis", "visibility")
_SCORE_AXES = (*_VISIBILITY, "c", "conf", "confidence", "score", "likelihood", "prob", "p")
_AXIS = "|".join([*_AXES, *sorted(_SCORE_AXES, key=len, reverse=True)])
_LAST = re.compile(rf"(.+?)(?:[_. \-:/]+|(?-i:(?<=[a-z0-9])(?=[A-Z])))({_AXIS})", re.IGNORECASE)
_FIRST = re.compile(rf"({_AXIS})(?:[_. \-:/]+(.+)|(\d+))", re.IGNORECASE)
_FRAMES = (
    *("frame", "frame_id", "frame_number", "frame_num", "frame_no", "frame_idx", "frame_index", "fnum"),
    *("image", "image_id", "image_name", "file_name", "filename"),
)
_TIMES = tuple(map(str.lower, TIMES))
_JOINTS = tuple(f"{what}{end}" for what in ("landmark", "keypoint", "joint") for end in ("", "_id", "_index", "_name"))
_JOINTS += ("bodypart", "body_part")
_PEOPLE = ("person", "person_id", "track_id", "id", "subject_id")
_MIN_JOINTS = 6
_COMMA = re.compile(r"(?<![\d.,])(-?\d+),(\d+)(?![\d.,])")


@dataclass
class Columns:
    """Where the numbers of a table stand.

    Args:
        joints: name or number of each joint, in order.
        places: `[K, 4]` columns of x, y, score and z; -1 is none.
        frame, person, time: column; -1 is none.
        joint: column of the joint's name, where a row is one joint and `places` has one row; -1 is none.
        first_row: first row of numbers.
    """

    joints: list[str]
    places: np.ndarray
    frame: int = -1
    person: int = -1
    joint: int = -1
    first_row: int = 1
    time: int = -1
    has_visibility: bool = False

    @property
    def may_be_space(self) -> bool:
        """Whether each joint has a z that is not known to be a guess."""
        return bool((self.places[:, 3] >= 0).all()) and not self.has_visibility


def _is_table(path: Path) -> bool:
    try:
        return _columns(_rows(text_head(path))[:4]) is not None
    except (ValueError, csv.Error):
        return False


@register_format(
    "table", "key-points in columns or rows of a table, DeepLabCut's too (.csv, .tsv)", SUFFIXES, _is_table
)
def read_table(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a table of one video.

    A cell that is empty is missing. Without a score a joint is there where it has coordinates. Numbered joints make
    the layout of so many that pose models with tables have (17, 26, 33, 133), names the one that has them.

    Raises:
        FormatError: no columns of key-points, or cells that are no numbers; see `estimated_recordings`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise FormatError(path, f"is no table that can be read ({error})") from error
    yield from _recordings(path, text, options)


def is_data_frame(values: object) -> bool:
    """Tell a DataFrame of pandas or polars; neither is imported here."""
    return (hasattr(values, "to_csv") or hasattr(values, "write_csv")) and hasattr(values, "columns")


def frame_recordings(path: Path, frame: Any, options: ReadOptions) -> Iterator[Recording]:
    """Read a DataFrame as `read_table` reads the file that it would be saved as.

    The index of pandas counts where it has a name, or where columns are those of DeepLabCut, which numbers frames so.

    Args:
        path: for errors.
    """
    if hasattr(frame, "write_csv"):
        text = frame.write_csv()
    else:
        text = frame.to_csv(index=frame.index.name is not None or frame.columns.nlevels > 1)
    return _recordings(path, text, options)


def _recordings(path: Path, text: str, options: ReadOptions) -> Iterator[Recording]:
    try:
        rows = _rows(text)
    except csv.Error as error:
        raise FormatError(path, f"is no table that can be read ({error})") from error
    columns = _columns(rows[:4])
    if columns is None:
        shown = ", ".join(rows[0])[:300] if rows else "nothing"
        raise FormatError(
            path, f"has no columns of key-points such as nose_x and nose_y, or x0 and y0; it has {shown}"
        )
    header, rows = rows[0], rows[columns.first_row :]
    width = max((len(row) for row in rows), default=0)
    if len(rows) * width > MAX_CELLS:
        raise FormatError(path, f"has {len(rows)} rows of {width} cells, which is more than is read at once")
    found = list(_people_in_rows(path, rows, columns))  # fills in the joints of a table with a row for each
    names = None if all(name.isdecimal() for name in columns.joints) else columns.joints
    title = header[columns.time].strip() if columns.time >= 0 else ""
    fps = _rate_of_column(rows, columns, found, title)
    if _is_space(path, found, columns, options):
        yield from _in_space(path, found, names, replace(options, **options.facts({"fps": fps})))
    else:
        flat = (person._replace(joints=person.joints[:, [0, 1, 3]]) for person in found)
        yield from estimated_recordings(path, flat, TABLE_LAYOUTS, options, names, fps=fps)


def _is_space(path: Path, found: list[Detection], columns: Columns, options: ReadOptions) -> bool:
    """Tell 3D from x and y beside a z that is left out."""
    if (options.coordinates or "").startswith("xyz") and (columns.places[:, 3] < 0).any():
        raise FormatError(path, f"coordinates is {options.coordinates!r}, but not every joint has a z")
    if options.coordinates or not columns.may_be_space:
        return bool((options.coordinates or "").startswith("xyz"))
    points = np.concatenate([person.joints[:, :2] for person in found]) if found else np.zeros((0, 2))
    check_guessed_depth(
        path, points, "give coordinates='xyz' if they are 3D, or 'xy' if they are pixels and z is to be left out"
    )
    return False


def _in_space(
    path: Path, found: list[Detection], names: list[str] | None, options: ReadOptions
) -> Iterator[Recording]:
    """Yield everybody as 3D recordings."""
    for video, people in gather(path, found).items():
        joints = map_joints(path, names, options) if names else None
        first, ids = int(people.frames.min()), np.unique(people.people)
        shape = (len(ids), int(people.frames.max()) - first + 1, people.keypoints.shape[1], 4)
        if np.prod(shape, dtype=np.float64) > MAX_RECORDING_JOINTS:
            raise FormatError(path, f"has frames from {first} to {people.frames.max()}, which are too many in 3D")
        dense = np.full(shape, np.nan)
        dense[np.searchsorted(ids, people.people), people.frames - first] = np.concatenate(
            [people.keypoints, people.scores[..., None]], -1
        )
        dense = joints(dense) if joints else dense
        scores = np.where(np.isfinite(dense).all(-1), dense[..., 3], 0)
        read = replace(options, axes="MFKC", coordinates="xyz", layout=joints.layout if joints else options.layout)
        yield from array_recordings(path, dense[..., :3], {"scores": scores}, read, video)


def _rate_of_column(rows: list[list[str]], columns: Columns, found: list[Detection], title: str) -> float:
    """Return the rate that a column of times tells; 0 is none."""
    if columns.time < 0 or columns.joint >= 0 and columns.frame >= 0:
        return 0.0
    times, frames = _times(rows, columns), [person.frame for person in found]
    if columns.joint >= 0:  # a row for each joint: those of a frame have its time
        times, frames = sorted(set(times)), sorted(set(frames))
    return rate_of_times(frames, times, title) if times else 0.0


def _rows(text: str) -> list[list[str]]:
    head = text[: text.find("\n") if "\n" in text else len(text)]
    delimiter = max("\t;,", key=head.count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)]
    if delimiter == "," or not _COMMA.search(text):
        return rows
    return [[_COMMA.sub(r"\1.\2", cell) for cell in row] for row in rows]  # 3,5 where a comma is in numbers


def _columns(head: list[list[str]]) -> Columns | None:
    """Return where the numbers stand, from the first rows; None if it is no table of key-points."""
    if len(head) > 2 and [row[0].strip().lower() for row in head[:3]] == ["scorer", "bodyparts", "coords"]:
        names = [f"{part}_{axis}" for part, axis in zip(head[1], head[2], strict=False)]
        return _wide(["frame", *names[1:]], 3)
    return (_long(head[0]) or _wide(head[0], 1)) if head else None


def _wide(header: list[str], first_row: int) -> Columns | None:
    places: dict[str, list[int]] = {}
    has_visibility = False
    for column, title in enumerate(header):
        title = title.strip()
        last, first = _LAST.fullmatch(title), _FIRST.fullmatch(title)
        if last:
            joint, axis = _joint(last[1]), last[2].lower()
        elif first:
            joint, axis = _joint(first[2] or first[3]), first[1].lower()
        else:
            continue
        place = 2 if axis in _SCORE_AXES else _AXES[axis]
        places.setdefault(joint, [-1] * 4)[place] = column
        has_visibility |= axis in _VISIBILITY
    places = {joint: found for joint, found in places.items() if found[0] >= 0 and found[1] >= 0}
    if len(places) < _MIN_JOINTS:
        return None
    joints = list(places)
    if all(joint.isdecimal() for joint in joints):
        joints = sorted(joints, key=int)
    lower = [title.strip().lower() for title in header]
    frame, person, time = (
        next((lower.index(name) for name in names if name in lower), -1) for names in (_FRAMES, _PEOPLE, _TIMES)
    )
    columns = np.array([places[joint] for joint in joints])
    return Columns(joints, columns, frame, person, -1, first_row, time, has_visibility)


def _long(header: list[str]) -> Columns | None:
    lower = [title.strip().lower() for title in header]
    if not {"x", "y"} <= set(lower):
        return None
    joint, frame, person, score, time = (
        next((lower.index(name) for name in names if name in lower), -1)
        for names in (_JOINTS, _FRAMES, _PEOPLE, _SCORE_AXES, _TIMES)
    )
    if joint < 0 or frame < 0 and time < 0:
        return None
    z = lower.index("z") if "z" in lower else -1
    columns = np.array([[lower.index("x"), lower.index("y"), score, z]])
    has_visibility = score >= 0 and lower[score] in _VISIBILITY
    return Columns([], columns, frame, person, joint, time=time, has_visibility=has_visibility)


def _joint(text: str) -> str:
    """Return the standard name of a joint, or its number alone (landmark_3, kp3)."""
    name = standard_name(text)
    number = re.fullmatch(r"(?:landmark|lm|kp|keypoint|joint|point|p)?_?(\d{1,4})", name)
    return str(int(number[1])) if number else name


def _people_in_rows(path: Path, rows: list[list[str]], columns: Columns) -> Iterator[Detection]:
    numbers = _frame_numbers(path, rows, columns)
    numbers = [str(int(float(name))) if re.fullmatch(r"\d{1,15}\.0*", name) else name for name in numbers]
    frames = picture_frames(path, numbers)
    if columns.joint >= 0:
        yield from _gathered(path, rows, numbers, frames, columns)
        return
    for row, number in zip(rows, numbers, strict=True):
        video, frame = frames[number]
        joints = np.stack([_cells(path, row, place) for place in columns.places])
        yield Detection(frame, joints, _person(path, row, columns.person), None, video)


def _frame_numbers(path: Path, rows: list[list[str]], columns: Columns) -> list[str]:
    """Return the frame of each row as text."""
    if columns.frame >= 0:
        return [row[columns.frame] if columns.frame < len(row) else "" for row in rows]
    times = _times(rows, columns)
    if columns.joint >= 0 and not times:
        raise FormatError(path, "has times that are no numbers, and no column of frames; name one frame")
    if columns.joint < 0:
        people = [_person(path, row, columns.person) for row in rows]
        if len(set(times)) == len(rows) or not times and len(set(people)) == 1:
            return [str(place) for place in range(len(rows))]
        if not times or len(set(zip(times, people, strict=True))) < len(rows):
            raise FormatError(
                path,
                "has several rows of one time, or of several people without times: it needs a column called frame",
            )
    return [str(frame) for frame in frames_of_times(times)]


def _times(rows: list[list[str]], columns: Columns) -> list[float]:
    """Return the time of each row; [] without a column of times that are all numbers."""
    try:
        times = [float(row[columns.time]) for row in rows] if columns.time >= 0 else []
    except (ValueError, IndexError):
        return []
    return times if np.isfinite(times).all() else []


def _gathered(
    path: Path, rows: list[list[str]], numbers: list[str], frames: dict, columns: Columns
) -> Iterator[Detection]:
    """Yield the people of a table with a row for each joint; `columns.joints` is filled."""
    names = list(dict.fromkeys(_joint(row[columns.joint]) for row in rows))
    numbered = all(name.isdecimal() for name in names)
    first = 1 if numbered and "0" not in names and max(map(int, names)) in TABLE_LAYOUTS else 0  # numbered from 1
    count = max(map(int, names), default=0) + 1 - first if numbered else len(names)
    if count > 1000:
        raise FormatError(path, f"has {count} joints; at most 1000 are read")
    columns.joints[:] = [str(first + number) for number in range(count)] if numbered else names
    order = {name: place for place, name in enumerate(columns.joints)}
    bodies: dict[tuple, np.ndarray] = {}
    for row, number in zip(rows, numbers, strict=True):
        key = (*frames[number], _person(path, row, columns.person))
        body = bodies.setdefault(key, np.full((count, 4), np.nan))
        body[order[_joint(row[columns.joint])]] = _cells(path, row, columns.places[0])
    for (video, frame, person), body in bodies.items():
        yield Detection(frame, body, person, None, video)


def _cells(path: Path, row: list[str], places: np.ndarray) -> list[float]:
    """Return x, y, z, score of a joint; NaN where a cell is empty or missing."""
    values = []
    for place in places:
        cell = row[place].strip() if 0 <= place < len(row) else ""
        try:
            values.append(float(cell) if cell else float("nan"))
        except ValueError:
            raise FormatError(path, f"has {cell[:40]!r} where a number must be") from None
    x, y, score, z = values
    return [x, y, z, 1.0 if places[2] < 0 else score]


def _person(path: Path, row: list[str], place: int) -> int:
    if place < 0:
        return 0
    try:
        number = float(row[place])
    except (ValueError, IndexError):
        number = -0.5
    if number != number // 1 or not 0 <= number < 2**53:
        raise FormatError(path, f"has person {row[place : place + 1]}; it must be a whole number")
    return int(number)
