"""Readers of files with tables of key-points: CSV, DeepLabCut's among them, parquet and feather."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import feather, parquet

from ..recording import Recording
from .data_fields import NAMES
from .registry import MAX_FILE_BYTES, FormatError, ReadOptions, register_format
from .table_columns import HEAD_ROWS, find_columns, one_by_one
from .table_content import content_recordings
from .table_rows import split_rows, text_recordings
from .text_files import read_text, text_head

SUFFIXES = (".csv", ".tsv", ".txt")
ARROW_SUFFIXES = (".parquet", ".feather")


def _is_table(path: Path) -> bool:
    try:
        return find_columns(one_by_one(split_rows(text_head(path)))[:HEAD_ROWS]) is not None
    except (ValueError, csv.Error):
        return False


@register_format(
    "table", "key-points in columns or rows of a table, DeepLabCut's too (.csv, .tsv, .txt)", SUFFIXES, _is_table
)
def read_table(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a table of one video.

    A cell that is empty is missing. Without a score a joint is there where it has coordinates. Numbered joints make
    the layout of so many that pose models with tables have (17, 26, 33, 133), names the one that has them.

    Raises:
        FormatError: no columns of key-points, or cells that are no numbers; see `estimated_recordings`.
    """
    yield from text_recordings(path, read_text(path), options)


def _is_arrow(path: Path) -> bool:
    try:
        names = _arrow_names(path)
    except (OSError, ValueError, pa.ArrowException):
        return False
    return "shape" not in names and (find_columns([names]) is not None or bool(set(names) & set(NAMES["keypoints"])))


@register_format("parquet", "the same tables, and tables of lists, in parquet or feather", ARROW_SUFFIXES, _is_arrow)
def read_arrow(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a parquet or feather file: columns as `tables.read_table`, lists of key-points as `any_json`.

    Raises:
        FormatError: as there; a file that is larger than `MAX_FILE_BYTES`, or cannot be read.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FormatError(path, f"is larger than {MAX_FILE_BYTES} bytes; split it")
        table = _arrow_table(path)
        table.validate(full=True)  # a damaged one can be read, and is found out later
        names = table.column_names
    except FormatError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise FormatError(path, f"is no table that can be read ({error})") from error
    return content_recordings(path, table if find_columns([names]) else table.to_pylist(), options)


def _arrow_names(path: Path) -> list[str]:
    if path.suffix.lower() == ".feather":
        return feather.read_table(path, memory_map=True).column_names
    return parquet.read_schema(path).names


def _arrow_table(path: Path) -> pa.Table:
    return feather.read_table(path) if path.suffix.lower() == ".feather" else parquet.read_table(path)
