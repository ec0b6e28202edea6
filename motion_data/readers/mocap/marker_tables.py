"""Readers of the CSV files in which Motive (OptiTrack) and Nexus (Vicon) export markers and bones.

Both have lines of titles above columns of x, y and z. Empty cells are missing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...options import UNITS
from ...recording import Recording
from ..joint_names import subjects_of
from ..pose_arrays import array_recordings, stated_units
from ..registry import FormatError, ReadOptions, register_format
from ..text_files import parse_rate, read_text, text_head

SUFFIXES = (".csv", ".tsv", ".txt")
MOTIVE, LENGTH, RATES = "Format Version", "Length Units", ("Export Frame Rate", "Capture Frame Rate")
LENGTHS = {"meters": "m", "centimeters": "cm", "millimeters": "mm", "inches": "in"}
KINDS = ("Bone", "Marker")  # of Motive's columns; where there are bones, they are the joints
TRAJECTORIES = "Trajectories"  # the section of Nexus that has markers; others have forces and model outputs
_TRAJECTORIES = re.compile(rf"^{TRAJECTORIES}[\s,;]*$", re.MULTILINE)


@register_format(
    "motive",
    "markers or bones of Motive, OptiTrack (.csv)",
    (".csv",),
    lambda path: text_head(path, 100).startswith(MOTIVE),
)
def read_motive(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read bones, or markers where there are none, as COCO-17; `joint_names` says which stand for what.

    The first line states the unit and the rate. The axis along which bodies point is up.

    Raises:
        FormatError: titles or lines that contradict themselves, or too few names that are known.
    """
    rows = _cells(path, read_text(path).splitlines(), ",")
    facts = dict(zip(rows[0][::2], rows[0][1::2], strict=False))
    head = next((number for number, row in enumerate(rows) if row[:1] == ["Frame"]), len(rows))
    lines = [row for row in rows[1:head] if any(row)]
    titles = {row[1]: row for row in lines if len(row) > 1 and row[1]}
    if not titles and len(lines) > 2:  # older files have the same lines without their names
        titles = {"Type": lines[0], "Name": lines[1]}
    if head == len(rows) or not {"Type", "Name"} <= set(titles):
        raise FormatError(path, f"has lines {', '.join(titles)[:200]!r} of titles; Type, Name and Frame must be there")
    axes, what, kinds, names = rows[head], rows[head - 1], titles["Type"], titles["Name"]
    columns = min(map(len, (axes, what, kinds, names)))
    starts = [c for c in range(2, columns - 2) if what[c] == "Position" and axes[c : c + 3] == ["X", "Y", "Z"]]
    kind = next((kind for kind in KINDS if any(kinds[c] == kind for c in starts)), "")
    starts = [c for c in starts if kinds[c] == kind]
    rate = next((facts[name] for name in RATES if name in facts), "")
    read = replace(options, units=stated_units(path, LENGTH, facts.get(LENGTH, ""), LENGTHS, options))
    yield from _recordings(path, rows[head + 1 :], starts, names, (RATES[0], rate), read)


@register_format(
    "vicon",
    "markers of Nexus, Vicon (.csv)",
    SUFFIXES,
    lambda path: _TRAJECTORIES.search(text_head(path)) is not None,
)
def read_vicon(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the markers of each subject as COCO-17; `joint_names` says which stand for what.

    The axis along which bodies point is up.

    Raises:
        FormatError: titles or lines that contradict themselves, or too few names that are known.
    """
    text = read_text(path)
    section = _TRAJECTORIES.search(text)
    lines = text[section.end() :].strip("\r\n").splitlines() if section else []
    if len(lines) < 5:
        raise FormatError(path, f"has no section {TRAJECTORIES!r} with its rate, titles and frames")
    rows = _cells(path, lines, max("\t;,", key=lines[2].count))
    end = next((number for number, row in enumerate(rows[4:], 4) if not any(row)), len(rows))
    names, axes, units = rows[1], [cell.strip() for cell in rows[2]], {cell.strip().lower() for cell in rows[3]} - {""}
    starts = [c for c in range(2, len(names)) if names[c].strip() and axes[c : c + 3] == ["X", "Y", "Z"]]
    unit = units.pop() if len(units) == 1 else ""
    read = replace(options, units=stated_units(path, "unit", unit, {unit: unit for unit in UNITS}, options))
    rate = rows[0][0] if rows[0] else ""
    yield from _recordings(path, rows[4:end], starts, names, ("rate", rate), read)


def _cells(path: Path, lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise FormatError(path, f"is no table that can be read ({error})") from error


def _recordings(
    path: Path,
    rows: Sequence[Sequence[str]],
    starts: Sequence[int],
    names: Sequence[str],
    rate: tuple[str, str],
    options: ReadOptions,
) -> Iterator[Recording]:
    """Yield the recordings of lines of markers.

    Args:
        rows: the number of a frame first; shorter ones lack their last markers.
        starts: the column of x of each marker.
        names: of the markers, in these columns.
        rate: its title, and what the file states.
        options: with the unit that counts.
    """
    rows = [row for row in rows if any(row)]
    if not rows or not starts:
        raise FormatError(path, f"has {len(rows)} frames of {len(starts)} markers; there must be some")
    wanted = [column + axis for column in starts for axis in range(3)]
    try:
        frames = np.array([int(row[0]) for row in rows])
        cells = [[row[c].strip() if c < len(row) else "" for c in wanted] for row in rows]
        points = np.array([[cell or "nan" for cell in row] for row in cells], np.float64)
    except ValueError as error:
        raise FormatError(path, f"frames and positions must be numbers: {error}") from error
    if (np.diff(frames) != 1).any():
        place = int(np.flatnonzero(np.diff(frames) != 1)[0])
        raise FormatError(path, f"goes from frame {frames[place]} to {frames[place + 1]}; frames must go up by 1")
    points = points.reshape(len(rows), len(starts), 3)
    people = subjects_of(path, [names[column].strip() for column in starts], options)
    positions = np.stack([person(points) for person in people])
    read = replace(options, axes="MFKC", coordinates="xyz")
    known = {"layout": np.array(people[0].layout), "fps": np.array(parse_rate(path, *rate))}
    yield from array_recordings(path, positions, known, read)
