"""Tables that are no text: in memory, in files of arrow, and as pandas writes them in JSON.

JSON is that of `to_json` in any of its orientations that keep names, JSON lines among them: rows as objects, columns
as lists or objects, or names beside rows. An index numbers the frames where no column tells frames, people or times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...recording import Recording
from ..plain.clip_rows import clip_recordings, clips_in
from ..plain.plain_data import data_recordings
from ..registry import ReadOptions
from .table_columns import find_columns
from .table_rows import table_recordings, text_recordings

INDEX = "__index_level_0__"  # what pandas calls an index that has no name
_SINGLE = (str, int, float, bool, np.generic, type(None))

Cells = dict[str, Sequence[object]]


def is_data_frame(values: object) -> bool:
    """Tell a DataFrame of pandas or polars; neither is imported here."""
    return (hasattr(values, "to_csv") or hasattr(values, "write_csv")) and hasattr(values, "columns")


def is_table(values: Any) -> bool:
    """Tell whether what is in memory is a table of key-points."""
    if hasattr(values, "column_names"):  # whose columns may be large
        return find_columns([values.column_names]) is not None
    return is_data_frame(values) or table_in(values) is not None


def memory_recordings(path: Path, table: Any, options: ReadOptions) -> Iterator[Recording] | None:
    """Read a table in memory as `tables.read_table` reads the file that it would be saved as; None if it is none.

    The index of pandas counts where it has a name, or where columns are those of DeepLabCut, which numbers frames so.

    Args:
        path: for errors.
    """
    if not is_data_frame(table):
        columns = table_in(table)
        return None if columns is None else _columns_recordings(path, columns, options)
    if _has_lists(table):
        rows = table.to_dicts() if hasattr(table, "write_csv") else table.to_dict("records")
        return content_recordings(path, rows, options)
    if hasattr(table, "write_csv"):
        return text_recordings(path, table.write_csv(), options)
    return text_recordings(
        path, table.to_csv(index=table.index.name is not None or table.columns.nlevels > 1), options
    )


def content_recordings(path: Path, content: object, options: ReadOptions) -> Iterator[Recording]:
    """Yield the recordings of what a file holds: a table, clips, or else `plain_data`."""
    columns = table_in(content)
    if columns is not None:
        return _columns_recordings(path, columns, options)
    clips = clips_in(path, content)
    return data_recordings(path, content, options) if clips is None else clip_recordings(path, clips, options)


def table_in(content: object) -> Cells | None:
    """Return the columns of a table of key-points, each a list of cells; None if the content is none.

    Args:
        content: what a JSON file holds, a `datasets.Dataset`, a table of pyarrow, or an array of NumPy with names.
    """
    columns = _cells_of(content)
    if columns is None:
        return None
    names = [name for name in columns if name != INDEX]
    found = find_columns([names]) if all(isinstance(name, str) for name in names) else None
    if found is None:
        return None
    index = columns.pop(INDEX, None)
    if index is not None and max(found.frame, found.person, found.time) < 0:
        columns["frame"] = index
    return columns


def _columns_recordings(path: Path, columns: Cells, options: ReadOptions) -> Iterator[Recording]:
    """Read the columns of a table as `tables.read_table` reads the CSV file that they would be written to."""
    rows = zip(*(map(_as_text, cells) for cells in columns.values()), strict=True)
    return table_recordings(path, [list(columns), *map(list, rows)], options)


def _cells_of(content: Any) -> Cells | None:
    """Return whatever has names and cells as columns; None for anything else."""
    if hasattr(content, "column_names"):
        if find_columns([content.column_names]) is None:
            return None
        return content.to_pydict() if isinstance(content, pa.Table) else content.with_format(None)[:]
    if isinstance(content, np.ndarray):
        return {name: content[name].tolist() for name in content.dtype.names} if content.dtype.names else None
    if isinstance(content, Mapping):
        return _of_object(content)
    if isinstance(content, (list, tuple)) and content and all(map(_is_table_row, content)):
        names = dict.fromkeys(name for row in content for name in row)
        return {name: [row.get(name) for row in content] for name in names}
    return None


def _of_object(content: Mapping) -> Cells | None:
    names, rows = content.get("columns"), content.get("data")
    if isinstance(rows, list) and "schema" in content:
        return _cells_of(rows)
    if isinstance(rows, list) and isinstance(names, list):
        if not all(isinstance(name, str) for name in names) or not all(map(_is_table_column, rows)):
            return None
        columns: Cells = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        index = content.get("index")
        return columns | ({INDEX: index} if isinstance(index, list) and len(index) == len(rows) else {})
    cells = list(content.values())
    if not cells:
        return None
    if all(map(_is_table_column, cells)):
        return dict(content) if len(set(map(len, cells))) == 1 else None
    if not all(map(_is_table_row, cells)):
        return None
    if find_columns([list(map(str, content))]) is None:  # a key is the index, its object a row
        columns = _cells_of(cells) or {}
        return columns | {INDEX: list(content)}
    index = list(cells[0])
    return {name: [column.get(key) for key in index] for name, column in content.items()} | {INDEX: index}


def _is_table_column(value: Any) -> bool:
    """Tell whether a value is a list of single cells, or an array or a series of one dimension."""
    if isinstance(value, (list, tuple)):
        return all(isinstance(cell, _SINGLE) for cell in value)
    return getattr(value, "ndim", 0) == 1


def _is_table_row(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(cell, _SINGLE) for cell in value.values())


def _has_lists(table: Any) -> bool:
    """Tell whether cells of a DataFrame hold lists or arrays."""
    if hasattr(table, "write_csv"):  # of polars, whose columns have types
        return any(str(kind).startswith(("List", "Array")) for kind in getattr(table, "dtypes", ()))
    return any(isinstance(cell, (list, tuple, np.ndarray)) for cell in table[:1].to_numpy().reshape(-1))


def _as_text(cell: object) -> str:
    return "" if cell is None else str(cell)
