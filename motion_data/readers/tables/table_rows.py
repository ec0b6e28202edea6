"""From the rows of a table of key-points to recordings.

`table_columns` says how columns are called. Frames are numbered by a column, else by their times, else by their rows,
which must be of one person then; a column of times tells the rate. People are numbered, or have names.

A z beside them is the depth that MediaPipe guesses, and left out, where x and y are fractions of a picture or the
score is called visibility; elsewhere an option tells it from 3D.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..cutting import MAX_RECORDING_JOINTS
from ..detections import Detection, gather
from ..estimates import check_guessed_depth, estimated_recordings
from ..frame_actions import with_actions
from ..frames import as_time, frames_of_times, picture_frames, rate_of_times
from ..joint_names import map_joints
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions
from .table_columns import HEAD_ROWS, Columns, find_columns, joint_name, one_by_one

MAX_CELLS = 10**8
MISSING_CELLS = ("", "-", "na", "n/a", "nan", "none", "null", "<na>")  # in small letters
DELIMITERS = "\t;|,"
TABLE_LAYOUTS = {17: "coco17", 26: "halpe26", 33: "mediapipe33", 133: "coco-wholebody"}
_FLOAT = re.compile(r"\d{1,20}(\.\d*)?([eE][+-]?\d{1,2})?")
_COMMA = re.compile(r"(?<![\d.,])(-?\d+),(\d+)(?![\d.,])")


def text_recordings(path: Path, text: str, options: ReadOptions) -> Iterator[Recording]:
    """Read a table as text, whose cells any of `DELIMITERS` or spaces part; see `tables.read_table`."""
    try:
        rows = split_rows(text)
    except csv.Error as error:
        raise FormatError(path, f"is no table that can be read ({error})") from error
    yield from table_recordings(path, rows, options)


def table_recordings(path: Path, rows: list[list[str]], options: ReadOptions) -> Iterator[Recording]:
    """Read a table that is taken apart into cells, the titles first; see `tables.read_table`."""
    rows = one_by_one(rows)
    columns = find_columns(rows[:HEAD_ROWS])
    if columns is None:
        raise FormatError(path, no_columns(rows[0] if rows else []))
    if columns.twice:
        raise FormatError(path, f"has two columns for one co-ordinate of a joint, {columns.twice}; leave one out")
    header, rows = rows[0], rows[columns.first_row :]
    if rows and _are_units(rows[0]):
        rows = rows[1:]
    if max(columns.frame, columns.time, columns.joint) >= 0:  # else a row without anything is a frame without anybody
        rows = [row for row in rows if any(row)]
    width = max((len(row) for row in rows), default=0)
    if len(rows) * width > MAX_CELLS:
        raise FormatError(path, f"has {len(rows)} rows of {width} cells, which is more than is read at once")
    people = _track_numbers(path, rows, columns.person)
    frames = _frame_places(path, rows, people, columns)
    joints = _joint_numbers(path, rows, columns.places)
    if columns.joint >= 0:
        names, found = _gathered(path, [_cell(row, columns.joint) for row in rows], frames, people, joints[:, 0])
    else:
        names, found = columns.joints, list(map(_detection, frames, joints, people))
    times = _times(rows, columns)
    fps = rate_of_times([frame for _, frame in frames], times, header[columns.time].strip()) if times else 0.0
    known = None if all(name.isdecimal() for name in names) else names
    if _is_space(path, found, columns, options):
        recordings = _in_space(path, found, known, replace(options, **options.facts({"fps": fps})))
    else:
        flat = (person._replace(joints=person.joints[:, [0, 1, 3]]) for person in found)
        recordings = estimated_recordings(path, flat, TABLE_LAYOUTS, options, known, fps=fps)
    labels = [_cell(row, columns.label) for row in rows]
    yield from with_actions(recordings, frames, labels)


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


def no_columns(titles: list[str]) -> str:
    """Return why a table is not read."""
    shown = ", ".join(titles)[:300] or "nothing"
    return f"has no columns of key-points such as nose_x and nose_y, or x0 and y0; it has {shown}"


def split_rows(text: str) -> list[list[str]]:
    """Return the cells of a table as text; decimal commas are points then.

    Lines above the titles that start with "#" are left out; titles may start with it, as NumPy writes them.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    while lines and lines[0].startswith("#"):
        titles = lines[0].lstrip("# ")
        if len(lines) > 1 and max(map(titles.count, DELIMITERS)) == max(map(lines[1].count, DELIMITERS)) > 0:
            lines[0] = titles
        else:
            del lines[0]
    delimiter = delimiter_of(lines)
    if lines and delimiter not in lines[0]:
        return [line.split() for line in lines]
    rows = list(csv.reader(lines, delimiter=delimiter))
    if delimiter == "," or not _COMMA.search(text):
        return rows
    return [[_COMMA.sub(r"\1.\2", cell) for cell in row] for row in rows]  # 3,5 where a comma is in numbers


def delimiter_of(lines: Sequence[str]) -> str:
    """Return the one of `DELIMITERS` that the first line has most of; a comma where there is no line."""
    return max(DELIMITERS, key=lines[0].count) if lines else ","


def _detection(place: tuple[str, int], joints: np.ndarray, person: int) -> Detection:
    video, frame = place
    return Detection(frame, joints, person, None, video)


def _frame_places(path: Path, rows: list[list[str]], people: list[int], columns: Columns) -> list[tuple[str, int]]:
    """Return (video, frame) of each row."""
    if columns.frame >= 0:
        numbers = [_as_whole(_cell(row, columns.frame)) for row in rows]
        found = picture_frames(path, numbers)
        return [found[number] for number in numbers]
    times = _times(rows, columns)
    if columns.joint >= 0 and not times:
        raise FormatError(path, "has times that are no numbers, and no column of frames; name one frame")
    if columns.joint < 0:
        if not times and len(set(people)) == 1:
            return [("", place) for place in range(len(rows))]
        if not times or len(set(zip(times, people, strict=True))) < len(rows):
            raise FormatError(
                path,
                "has several rows of one time, or of several people without times: it needs a column called frame",
            )
    return [("", int(frame)) for frame in frames_of_times(times)]


def _as_whole(text: str) -> str:
    """Return a whole number that is written with a point or an exponent without these; other text as it is."""
    if not _FLOAT.fullmatch(text):
        return text
    value = float(text)
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else text


def _times(rows: list[list[str]], columns: Columns) -> list[float]:
    """Return the time of each row; [] without a column that has nothing but times."""
    cells = [_cell(row, columns.time) for row in rows] if columns.time >= 0 else []
    times = [time for cell in cells if (time := as_time(cell)) is not None]
    return times if len(times) == len(cells) else []


def _gathered(
    path: Path, titles: list[str], frames: list[tuple[str, int]], people: list[int], places: np.ndarray
) -> tuple[list[str], list[Detection]]:
    """Return the joints and the people of a table with a row for each joint.

    Args:
        titles: what the joint of each row is called.
        frames: its video and frame.
        people: whose it is.
        places: its x, y, z, score, `[rows, 4]`.
    """
    joints = [joint_name(title) for title in titles]
    names = list(dict.fromkeys(joints))
    numbered = all(name.isdecimal() for name in names)
    first = 1 if numbered and "0" not in names and max(map(int, names)) in TABLE_LAYOUTS else 0  # numbered from 1
    count = max(map(int, names), default=0) + 1 - first if numbered else len(names)
    if count > 1000:
        raise FormatError(path, f"has {count} joints; at most 1000 are read")
    names = [str(first + number) for number in range(count)] if numbered else names
    order = {name: place for place, name in enumerate(names)}
    bodies: dict[tuple, np.ndarray] = {}
    seen: set[tuple] = set()
    for joint, place, person, values in zip(joints, frames, people, places, strict=True):
        if (joint, place, person) in seen:
            raise FormatError(
                path,
                f"has joint {joint[:60]!r} twice in frame {place[1]}; several people need a column called person",
            )
        seen.add((joint, place, person))
        bodies.setdefault((place, person), np.full((count, 4), np.nan))[order[joint]] = values
    return names, [_detection(place, body, person) for (place, person), body in bodies.items()]


def _cell(row: list[str], place: int) -> str:
    return row[place].strip() if 0 <= place < len(row) else ""


def _joint_numbers(path: Path, rows: list[list[str]], places: np.ndarray) -> np.ndarray:
    """Return x, y, z, score of each joint, `[rows, K, 4]`; NaN where a cell is empty or missing."""
    order = places[:, [0, 1, 3, 2]].reshape(-1)
    cells = [
        ["nan" if (cell := _cell(row, place)).lower() in MISSING_CELLS else cell for place in order] for row in rows
    ]
    try:
        values = np.array(cells, dtype=object).astype(np.float64)
    except ValueError:
        wrong = next(cell for row in cells for cell in row if not _is_number(cell))
        raise FormatError(path, f"has {wrong[:40]!r} where a number must be") from None
    values = values.reshape(len(rows), len(places), 4)
    values[..., 3] = np.where(places[:, 2] < 0, 1.0, values[..., 3])
    return values


def _are_units(row: list[str]) -> bool:
    """Tell whether the row below the titles has words and no numbers."""
    cells = [cell.strip() for cell in row]
    return not any(map(_is_number, cells)) and any(cell.lower() not in MISSING_CELLS for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _track_numbers(path: Path, rows: list[list[str]], place: int) -> list[int]:
    """Return the track id of each row's person: a whole number, or the place of a name among all names."""
    if place < 0:
        return [0] * len(rows)
    cells = [_cell(row, place) for row in rows]
    if "" in cells:
        raise FormatError(path, "has a row without a person; write the number or the name of each")
    if not all(map(_is_number, cells)):
        order = {name: number for number, name in enumerate(dict.fromkeys(cells))}
        return [order[cell] for cell in cells]
    people = np.array(cells, dtype=object).astype(np.float64)
    wrong = ~((people >= 0) & (people < 2**53) & (people == np.floor(people)))
    if wrong.any():
        raise FormatError(path, f"has person {cells[int(wrong.argmax())][:40]!r}; it must be a whole number or a name")
    return [int(person) for person in people]
