"""Reader of the tables of markers that Qualisys Track Manager exports (.tsv): a header, then a line for each frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..joint_names import map_joints, map_markers
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions, register_format
from ..text_files import parse_rate, parse_rows, read_text, text_head

MAGIC = "NO_OF_FRAMES"
NAMES, RATE, CONTENT = "MARKER_NAMES", "FREQUENCY", "DATA_INCLUDED"
UNIT = "mm"  # always


def _is_qualisys(path: Path) -> bool:
    return text_head(path, len(MAGIC)) == MAGIC


@register_format("qualisys", "markers of Qualisys Track Manager (.tsv)", (".tsv", ".txt"), _is_qualisys)
def read_qualisys(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read markers as COCO-17; `joint_names` says which stand for what. A marker at (0, 0, 0) is missing.

    A line may start with its number and its time. The axis along which bodies point is up.

    Raises:
        FormatError: a header or line that contradicts itself, a file of other than 3D positions, or too few names
            that are known.
    """
    facts: dict[str, list[str]] = {}
    lines = read_text(path).splitlines()
    first = 0
    for line in lines:
        cells = line.rstrip().split("\t")
        if not line[:1].isalpha():
            break
        first += 1
        if not (cells[0] == "Frame" or cells[1:2] == ["Y"]):  # titles of columns
            facts[cells[0]] = cells[1:]
    names = facts.get(NAMES, [])
    stated = {title: cells[0] for title, cells in facts.items() if cells}
    rate, content = parse_rate(path, RATE, stated.get(RATE, "")), stated.get(CONTENT, "3D")
    if content != "3D":
        raise FormatError(path, f"has {CONTENT} {content[:60]!r}; it must be 3D")
    rows = [line.split() for line in lines[first:] if line.strip()]
    if not rows or not names:
        raise FormatError(path, f"has {len(rows)} frames of {len(names)} markers; there must be some")
    width = len(rows[0])
    if width - 3 * len(names) not in (0, 1, 2):  # numbers of frames, times
        raise FormatError(path, f"has {width} numbers a line; {len(names)} markers need {3 * len(names)}")
    points = parse_rows(path, rows, first + 1)
    points = points[:, width - 3 * len(names) :].reshape(len(rows), len(names), 3)
    points = np.where((points == 0).all(-1, keepdims=True), np.nan, points)
    joints = (None if options.overrides("layout") else map_markers(names)) or map_joints(path, names, options)
    units = options.units if options.overrides("units") else UNIT
    read = replace(options, axes="FKC", coordinates="xyz", units=units, layout=joints.layout)
    yield from array_recordings(path, joints(points), {"fps": np.array(rate)}, read)
