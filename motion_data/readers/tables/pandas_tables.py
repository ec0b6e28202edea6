"""The tables that pandas writes to HDF5 (`DataFrame.to_hdf`, DeepLabCut's among them), in both of its forms.

The fixed form has arrays of blocks of columns of one type; the form "table" has one array with a field for each block,
whose columns stand in attributes, pickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...notes import note
from ..pickle_data import read_plain
from ..registry import FormatError

Title = tuple[str, ...]  # a line for each level
NO_NAME = "N."  # None, pickled


def pandas_rows(path: Path, table: Mapping[str, Any], attributes: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Return the lines of the CSV file that a table would be written to, as cells.

    The index counts where it has a name, or where columns have several levels, as DeepLabCut's do.

    Args:
        path: for errors.
        table: the arrays and attributes of its group.
        attributes: of each of its arrays.

    Raises:
        FormatError: parts of it are missing or contradict each other.
    """
    try:
        found = _of_one_array(path, table, attributes) if "table" in table else _of_blocks(table, attributes)
        columns, levels, index, index_name = found
        titles = list(columns)
        counts = {len(cells) for cells in columns.values()}
        if not titles or len(counts) != 1 or len({*map(len, titles), len(levels)}) != 1:
            raise ValueError(f"{len(titles)} columns of {sorted(counts)} rows")
        if index is None or len(index) not in counts:
            raise ValueError("no index that fits")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise FormatError(path, f"has a table of pandas that cannot be read ({error})") from error
    cells = [list(map(_as_text, values.tolist())) for values in columns.values()]
    if len(levels) > 1 or index_name:
        cells.insert(0, list(map(_as_text, index)))
        titles.insert(0, tuple(levels) if len(levels) > 1 else (index_name,))
    header = [[title[level] for title in titles] for level in range(len(levels))]
    return [*header, *map(list, zip(*cells, strict=True))]


Found = tuple[dict[Title, np.ndarray], list[str], Sequence[object] | None, str]


def _of_one_array(path: Path, table: Mapping[str, Any], attributes: Mapping[str, Mapping[str, Any]]) -> Found:
    """Return columns, names of their levels, index and its name of the form "table"."""
    values, own = table["table"], attributes.get("table", {})
    columns: dict[Title, np.ndarray] = {}
    for field in values.dtype.names or ():
        if f"{field}_kind" in own and field != "index":
            block = values[field].reshape(len(values), -1)
            for place, title in enumerate(_unpickled(path, own[f"{field}_kind"])):
                columns[_title(title)] = block[:, place]
    (_, titles), *_ = _unpickled(path, table["non_index_axes"])
    info = _unpickled(path, table["info"])
    names = info.get(1, {}).get("names") or [None]
    index_name = _as_text(info.get("index", {}).get("index_name"))
    ordered = {title: columns[title] for title in map(_title, titles)}
    return ordered, [_as_text(name) for name in names], values["index"].tolist(), index_name


def _of_blocks(table: Mapping[str, Any], attributes: Mapping[str, Mapping[str, Any]]) -> Found:
    """Return the same of the fixed form."""
    columns: dict[Title, np.ndarray] = {}
    for block in range(int(table["nblocks"])):
        if f"block{block}_values" not in table:
            continue
        values = table[f"block{block}_values"]
        for place, title in enumerate(_axis(table, f"block{block}_items")):
            columns[title] = values[:, place]
    titles = _axis(table, "axis0")
    if unread := [" ".join(title) for title in titles if title not in columns]:
        note(f"columns {', '.join(unread)[:200]} hold Python objects and are not read; pandas keeps texts as 'table'")
    names = [attributes.get(name, {}).get("name", NO_NAME) for name in _levels(table, "axis0") or ["axis0"]]
    index = ["/".join(place) for place in _axis(table, "axis1")]
    index_name = attributes.get("axis1", {}).get("name", NO_NAME)
    ordered = {title: columns[title] for title in titles if title in columns}
    return ordered, ["" if name == NO_NAME else name for name in names], index, index_name.replace(NO_NAME, "")


def _levels(table: Mapping[str, Any], axis: str) -> list[str]:
    """Return the arrays of the levels of an axis; [] if it has but one."""
    count = 0
    while f"{axis}_level{count}" in table:
        count += 1
    return [f"{axis}_level{level}" for level in range(count)]


def _axis(table: Mapping[str, Any], axis: str) -> list[Title]:
    levels = _levels(table, axis)
    if not levels:
        return [(_as_text(title),) for title in table[axis].tolist()]
    texts = [[_as_text(text) for text in table[level].tolist()] for level in levels]
    places = [table[f"{axis}_label{number}"].tolist() for number in range(len(levels))]
    return [tuple(text[place] for text, place in zip(texts, own, strict=True)) for own in zip(*places, strict=True)]


def _unpickled(path: Path, text: str) -> Any:
    return read_plain(path, text.encode("latin-1"))


def _title(title: object) -> Title:
    return tuple(map(_as_text, title)) if isinstance(title, tuple) else (_as_text(title),)


def _as_text(value: object) -> str:
    if value is None or value != value:  # NaN
        return ""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
