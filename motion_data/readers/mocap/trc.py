"""Reader of TRC files: markers or joints over time as text, of OpenSim, Motion Analysis, Pose2Sim and Sports2D."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...interpret import PIXELS
from ...options import UNITS, ReadOptions
from ...recording import Recording
from ..joint_names import map_joints, map_markers
from ..pose_arrays import array_recordings, stated_units
from ..registry import FormatError, register_format
from ..text_files import parse_rate, read_text, text_head

MAGIC = "PathFileType"
FACTS_LINE, NAMES_LINE, FIRST_ROW = 2, 3, 5  # numbers of lines, from 0
RATE = "DataRate"


def _is_trc(path: Path) -> bool:
    return text_head(path, len(MAGIC)) == MAGIC


@register_format("trc", "markers over time of OpenSim, Pose2Sim and Sports2D (.trc)", (".trc",), _is_trc)
def read_trc(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read markers as COCO-17; `joint_names` says which stand for what, and an empty cell is a missing marker.

    `Units` is the unit of 3D coordinates, and the axis along which bodies point is up. Where z is 0 throughout and x
    or y goes beyond 10 they are pixels, as Sports2D writes them, y down.

    Raises:
        FormatError: a header or row that contradicts itself, or too few names that are known.
    """
    lines = read_text(path).splitlines()
    if not lines or not lines[0].startswith(MAGIC) or len(lines) <= FIRST_ROW:
        raise FormatError(path, f"is no TRC file: it must start with {MAGIC} and have rows after {FIRST_ROW} lines")
    facts = dict(zip(lines[FACTS_LINE - 1].split(), lines[FACTS_LINE].split(), strict=False))
    names = lines[NAMES_LINE].split()[2:]  # after Frame# and Time
    points = _points(path, lines[FIRST_ROW:], len(names))
    joints = (None if options.overrides("layout") else map_markers(names)) or map_joints(path, names, options)
    values = joints(points)
    if not np.nan_to_num(points[..., 2]).any() and np.nanmax(np.abs(points[..., :2]), initial=0) > PIXELS:
        values, said = values[..., :2], {"coordinates": "xy"}
    else:
        known = {unit: unit for unit in UNITS}
        said = {"coordinates": "xyz", "units": stated_units(path, "Units", facts.get("Units", ""), known, options)}
    known = {"layout": np.array(joints.layout), "fps": np.array(parse_rate(path, RATE, facts.get(RATE, "")))}
    yield from array_recordings(path, values, known, replace(options, axes="FKC", **said))


def _points(path: Path, lines: list[str], num_markers: int) -> np.ndarray:
    """Return `[F, P, 3]` of the rows, NaN where a cell is empty."""
    width = 2 + 3 * num_markers
    tabs = any("\t" in line for line in lines)
    rows = []
    for number, line in enumerate(lines, FIRST_ROW + 1):
        cells = line.rstrip("\r\n").split("\t") if tabs else line.split()
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[width:]) or not tabs and len(cells) != width:
            raise FormatError(path, f"line {number} has {len(cells)} cells; {num_markers} markers need {width}")
        rows.append([cell.strip() or "nan" for cell in cells[:width]] + ["nan"] * (width - len(cells)))
    if not rows or not num_markers:
        raise FormatError(path, f"has {len(rows)} frames of {num_markers} markers; there must be some")
    try:
        numbers = np.array(rows, np.float64)
    except ValueError as error:
        raise FormatError(path, f"rows must be numbers: {error}") from error
    return numbers[:, 2:].reshape(len(rows), num_markers, 3)
