"""Reader of tables whose cells hold lists: key-points of a person, of one joint, or of all frames of a clip."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...recording import Recording
from ..data_fields import NAMES
from ..joint_names import are_joint_names, joint_of
from ..plain.unnamed_keypoints import AXIS_NAMES, LOOSE
from ..registry import FormatError, ReadOptions, register_format
from ..text_files import read_text, text_head
from .printed_lists import looks_like_list, parse_list
from .table_content import content_recordings
from .table_rows import delimiter_of

TABLES = (".csv", ".tsv")


def _is_list_table(path: Path) -> bool:
    try:
        first = next(_dict_rows(text_head(path)), {})
    except (ValueError, csv.Error):
        return False
    lists = [title for title, cell in first.items() if isinstance(cell, str) and title and looks_like_list(cell)]
    names = {*NAMES["keypoints"], *LOOSE}
    return not names.isdisjoint(lists) or {"x", "y"} <= set(lists) or are_joint_names(lists)


def _holds_joints(title: str) -> bool:
    known = (*NAMES["keypoints"], *NAMES["scores"], *LOOSE, *AXIS_NAMES["x"], *AXIS_NAMES["y"])
    return title in known or bool(joint_of(title))


def _dict_rows(text: str) -> Iterator[dict]:
    lines = text.splitlines()
    return csv.DictReader(lines, delimiter=delimiter_of(lines))


@register_format("table-of-lists", "a table whose cells hold lists of key-points (.csv, .tsv)", TABLES, _is_list_table)
def read_table_of_lists(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a table with a row for each person in a frame, as `read_any_json` reads the list of them.

    A cell is a list of key-points, or of x or y, or one joint in a column that is called like it; `printed_lists` says
    how it may be written.

    Raises:
        FormatError: as there; a cell that starts like a list and is none.
    """
    rows: list[dict[str, Any]] = []
    try:
        found = list(_dict_rows(read_text(path)))
    except csv.Error as error:
        raise FormatError(path, f"is no table that can be read ({error}); write long lists as JSON") from error
    for number, row in enumerate(found, 1):
        cells: dict[str, Any] = {
            title: cell for title, cell in row.items() if title and isinstance(cell, str) and cell
        }
        for title in [title for title, cell in cells.items() if looks_like_list(cell)]:
            try:
                cells[title] = parse_list(cells[title])
            except ValueError as error:
                if not _holds_joints(title):
                    continue
                raise FormatError(path, f"row {number} has a {title[:60]} that is no list ({error})") from error
        for title in NAMES["time"]:
            with suppress(ValueError):
                cells |= {title: float(cells[title])} if title in cells else {}
        rows.append(cells)
    yield from content_recordings(path, rows, options)
