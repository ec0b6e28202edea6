"""Readers of files with tables of key-points: CSV, DeepLabCut's among them, parquet and feather."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import feather, parquet

from ...recording import Recording
from ..data_fields import NAMES
from ..plain.clip_rows import LOOK, are_rows_of_clips, clip_recordings, title_of
from ..registry import MAX_FILE_BYTES, FormatError, ReadOptions, register_format
from ..text_files import read_text, text_head
from .table_columns import HEAD_ROWS, find_columns, one_by_one
from .table_content import content_recordings
from .table_rows import split_rows, text_recordings

SUFFIXES = (".csv", ".tsv", ".txt")
ARROW_SUFFIXES = (".parquet", ".feather")
_SPLIT = re.compile(r"(train|validation|val|test)(?:-\d+-of-\d+)?")


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
        schema = _arrow_schema(path)
    except (OSError, ValueError, pa.ArrowException):
        return False
    if "shape" in schema.names:  # a corpus of ours
        return False
    known = find_columns([schema.names]) is not None or bool(set(schema.names) & set(NAMES["keypoints"]))
    return known or any(_depth(kind) > 2 for kind in schema.types)


@register_format("parquet", "the same tables, and tables of lists, in parquet or feather", ARROW_SUFFIXES, _is_arrow)
def read_arrow(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a parquet or feather file: columns as `tables.read_table`, lists as `any_json`, or a clip in each row.

    Raises:
        FormatError: as there; a file that is larger than `MAX_FILE_BYTES`, or cannot be read.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FormatError(path, f"is larger than {MAX_FILE_BYTES} bytes; split it")
        table = _arrow_table(path)
        table.validate(full=True)  # a damaged one can be read, and is found out later
    except FormatError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise FormatError(path, f"is no table that can be read ({error})") from error
    if find_columns([table.column_names]) is not None:
        return content_recordings(path, table, options)
    if any(_depth(kind) > 2 for kind in table.schema.types):
        return _table_of_clips(path, table, options)
    return content_recordings(path, table.to_pylist(), options)


def _table_of_clips(path: Path, table: pa.Table, options: ReadOptions) -> Iterator[Recording]:
    """Read a table with a row for each clip, a part of it at a time, as `clip_rows` says.

    Labels that `datasets` numbered get their names, and a file that it called train-00000-of-00001 the split.
    """
    first = table.slice(0, LOOK).to_pylist()
    if not are_rows_of_clips(path, first):
        return content_recordings(path, table.to_pylist(), options)
    told = {"split": match[1]} if (match := _SPLIT.fullmatch(path.stem)) else {}
    rows = (row for batch in table.to_batches(max_chunksize=LOOK) for row in batch.to_pylist())
    clips = ((title_of(row, number), told | row) for number, row in enumerate(rows))
    return clip_recordings(path, clips, options, _class_names(table.schema))


def _class_names(schema: pa.Schema) -> list[str]:
    """Return the names of labels that `datasets` keeps beside a table; [] is none."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        found = next((features[name].get("names") for name in NAMES["label"] if name in features), None)
    except (ValueError, AttributeError):
        return []
    return [str(name) for name in found] if isinstance(found, list) else []


def _depth(kind: pa.DataType) -> int:
    """Return how deep lists of numbers are nested in a column; 0 is of anything else."""
    depth = 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth if pa.types.is_floating(kind) or pa.types.is_integer(kind) else 0


def _arrow_schema(path: Path) -> pa.Schema:
    if path.suffix.lower() == ".feather":
        return feather.read_table(path, memory_map=True).schema
    return parquet.read_schema(path)


def _arrow_table(path: Path) -> pa.Table:
    return feather.read_table(path) if path.suffix.lower() == ".feather" else parquet.read_table(path)
