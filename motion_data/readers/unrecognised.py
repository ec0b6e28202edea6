"""Why a file is of no known format, and what to do instead."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from .json_files import read_json
from .registry import FormatError, file_head, formats
from .tables.table_rows import no_columns, split_rows
from .text_files import text_head

TABLES = (".csv", ".tsv")
PICKLES, _PICKLE_HEAD = (".pkl", ".pickle"), 1000
PACKAGES = {  # of what packages make
    "pandas": "save a table with to_parquet or to_csv",
    "torch": "save the tensors as arrays, with numpy.savez",
    "polars": "save a table with write_parquet or write_csv",
}
INSTEAD = {  # of files that are not read
    ".h5": "it is no HDF5 file, or one of weights",
    ".slp": "export it from SLEAP as analysis HDF5 or CSV",
    ".mat": "name its variable keypoints, or save it with numpy.save",
    ".pt": "save a tensor, or a dict with the name keypoints",
    ".pth": "save a tensor, or a dict with the name keypoints",
    ".xlsx": "save the sheet as CSV",
    ".fbx": "export it as BVH",
    ".mot": "read the markers of OpenSim, a .trc file",
}


def no_format(path: Path) -> str:
    """Return why a file is not read, and what to do."""
    if path.is_dir():
        return "is a folder, and no recording itself; name a file in it, or make a corpus of it (`mofm prepare`)"
    if titles := _titles(path):
        return no_columns(titles)
    instead = INSTEAD.get(path.suffix.lower()) or _of_package(path) or "known are " + ", ".join(formats())
    return f"{_what_is_wrong(path) or 'is of no known format'}; {instead}"


def _of_package(path: Path) -> str:
    """Return what to do instead of a pickle of what a package has made; "" of anything else."""
    if path.suffix.lower() not in PICKLES:
        return ""
    head = file_head(path, _PICKLE_HEAD)
    made = next((package for package in PACKAGES if re.search(rf"\b{package}\b".encode(), head)), None)
    return f"it holds what is of {made}; {PACKAGES[made]}" if made else ""


def _titles(path: Path) -> list[str]:
    """Return the first line of a table, [] of anything else."""
    try:
        rows = split_rows(text_head(path)) if path.suffix.lower() in TABLES else []
    except csv.Error:
        return []
    return rows[0] if rows else []


def _what_is_wrong(path: Path) -> str:
    """Return why no format can know a file: it is empty, or no JSON though its name says so; "" where it may be."""
    try:
        if not path.stat().st_size:
            return "is empty"
        if path.suffix.lower() == ".json":
            read_json(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except FormatError as error:
        return error.reason
    return ""
