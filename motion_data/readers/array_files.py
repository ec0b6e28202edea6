"""NumPy's `.npy` and `.npz` files, opened with every size checked against the file before anything is allocated."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np

from .registry import FormatError

SUFFIX = ".npy"
MAX_RATIO = 64  # of the size of arrays to that of their compressed file, above ...
UNPACKED_BYTES = 256 * 2**20  # ... this size
# What damaged files make NumPy, zipfile and its decompressors raise.
BROKEN = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError, RuntimeError),
    *(SyntaxError, TypeError, ValueError, BadZipFile, TokenError, struct.error, zlib.error),
)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def map_array(path: Path) -> np.ndarray:
    """Return the array of an `.npy` file, mapped and not read.

    Raises:
        FormatError: it is no such file, its array is not of numbers, or its size is not the one of the header.
    """
    with _formatted(path):
        with path.open("rb") as file:
            shape, fortran, dtype = _read_header(path, file, path.stat().st_size, "it")
            offset = file.tell()
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays of an `.npz` file; never raises, [] is no such file."""
    try:
        with ZipFile(path) as archive:
            return [name.removesuffix(SUFFIX) for name in archive.namelist() if name.endswith(SUFFIX)]
    except (OSError, *BROKEN):
        return []


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return those of the arrays `names` that an `.npz` file has.

    Raises:
        FormatError: see `check_arrays`.
    """
    arrays = {}
    with _formatted(path), ZipFile(path) as archive:
        for name, member in _members(path, archive, names):
            with archive.open(member) as file:
                shape, fortran, dtype = _read_header(path, file, member.file_size, name)
                raw = file.read(math.prod(shape) * dtype.itemsize)
            if 0 in shape:
                arrays[name] = np.empty(shape, dtype)
            else:
                arrays[name] = np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")
    return arrays


def check_arrays(path: Path, names: tuple[str, ...]) -> None:
    """Check the headers of those of the arrays `names` that an `.npz` file has, without reading the arrays.

    Raises:
        FormatError: it is no such file, an array is neither of numbers nor of text or not of the size that its header
            says, or together they are more than `MAX_RATIO` times as large as the file and than `UNPACKED_BYTES`.
    """
    with _formatted(path), ZipFile(path) as archive:
        for name, member in _members(path, archive, names):
            with archive.open(member) as file:
                _read_header(path, file, member.file_size, name)


@contextmanager
def _formatted(path: Path) -> Iterator[None]:
    try:
        yield
    except FormatError:
        raise
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error})") from error
    except BROKEN as error:
        raise FormatError(path, f"is no file of NumPy arrays, or a damaged one ({error})") from error


def _members(path: Path, archive: ZipFile, names: tuple[str, ...]) -> list[tuple[str, ZipInfo]]:
    infos = {info.filename.removesuffix(SUFFIX): info for info in archive.infolist()}
    members = [(name, infos[name]) for name in names if name in infos]
    size, packed = sum(member.file_size for _, member in members), path.stat().st_size
    if size > max(UNPACKED_BYTES, MAX_RATIO * packed):
        raise FormatError(
            path, f"has {packed} bytes and would have {size} unpacked; at most {MAX_RATIO} times is read"
        )
    return members


def _read_header(path: Path, file: BinaryIO, size: int, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header of an array that ends `size` bytes after its start."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise FormatError(path, f"{name} is of version {version} of the format; 1.0 and 2.0 are read")
    shape, fortran, dtype = _HEADERS[version](file)
    if dtype.kind not in "fiubUS" or dtype.itemsize == 0 and math.prod(shape):
        raise FormatError(path, f"{name} is {dtype}; it must be of numbers or text")
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != size - file.tell():
        raise FormatError(path, f"{name} should have shape {shape} of {dtype}, and has {size - file.tell()} bytes")
    return shape, fortran, dtype
