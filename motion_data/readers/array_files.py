"""NumPy's `.npy` and `.npz` files, read by NumPy without pickles; damaged ones give a `FormatError`."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO, Literal
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np

from .registry import FormatError

MAX_RATIO = 64  # of the size of arrays to that of their compressed file, above ...
UNPACKED_BYTES = 256 * 2**20  # ... this size
_OBJECTS = ("Python objects in dtype", "allow_pickle=False")  # in what NumPy says of a pickle
# What damaged files make NumPy, zipfile and its decompressors raise.
BROKEN = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError, OSError),
    *(RuntimeError, SyntaxError, TypeError, ValueError, BadZipFile, TokenError, struct.error, zlib.error),
)


def most_unpacked(packed: int) -> int:
    """Return how many bytes the arrays of a compressed file of so many may have."""
    return max(UNPACKED_BYTES, MAX_RATIO * packed)


def map_array(path: Path) -> np.ndarray:
    """Return the array of an `.npy` file, mapped and not read.

    Raises:
        FormatError: it is no such file, or a damaged one.
    """
    with _formatted(path):
        if path.stat().st_size == 0:
            raise FormatError(path, "is no file of NumPy arrays: it is empty")
        array = np.lib.format.open_memmap(path, mode="r")
        array[..., -1:].ravel()[-1:]  # a file that ends too early shows here
        return array


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays of an `.npz` file; never raises, [] is no such file."""
    try:
        with ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except BROKEN:
        return []


def array_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays of an `.npz` file by name; never raises, {} is no such file."""
    shapes = {}
    try:
        with ZipFile(path) as archive:
            for member in (name for name in archive.namelist() if name.endswith(".npy")):
                with archive.open(member) as file:
                    shapes[member.removesuffix(".npy")] = tuple(array_header(file)[0])
    except BROKEN:
        return {}
    return shapes


def array_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, order and type of the array that a file is about to give."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return those of the arrays `names` that an `.npz` file has.

    Raises:
        FormatError: it is no such file, a damaged one, or one whose arrays are more than `MAX_RATIO` times as large as
            it and than `UNPACKED_BYTES`.
    """
    with _formatted(path):
        packed = path.stat().st_size
        with ZipFile(path) as archive:
            _check_sizes(archive, packed)
            size = sum(info.file_size for info in archive.infolist() if info.filename.removesuffix(".npy") in names)
        if size > most_unpacked(packed):
            raise FormatError(
                path, f"has {packed} bytes and would have {size} unpacked; at most {MAX_RATIO} times is read"
            )
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in names if name in archive.files}


def map_member(path: Path, name: str) -> np.ndarray:
    """Return an array of an `.npz` file, mapped and not read where it is stored as it is, as `numpy.savez` does.

    For limits and errors see `read_arrays`.
    """
    with _formatted(path), ZipFile(path) as archive, path.open("rb") as file:
        info = archive.getinfo(f"{name}.npy")
        if info.compress_type == ZIP_STORED:
            file.seek(info.header_offset + 26)  # its lengths in the local header may be others
            name_size, extra_size = struct.unpack("<HH", file.read(4))
            file.seek(info.header_offset + 30 + name_size + extra_size)
            shape, is_fortran, dtype = array_header(file)
            if dtype.hasobject:
                raise ValueError(_OBJECTS[0])
            order: Literal["C", "F"] = "F" if is_fortran else "C"
            return np.memmap(path, dtype, "r", file.tell(), shape, order)
    return read_arrays(path, (name,))[name]


def read_member(path: Path, name: str) -> bytes:
    """Return the bytes of one array of an `.npz` file, header included; for limits and errors see `read_arrays`."""
    with _formatted(path), ZipFile(path) as archive:
        packed = path.stat().st_size
        _check_sizes(archive, packed)
        info = archive.getinfo(f"{name}.npy")
        if info.file_size > most_unpacked(packed):
            raise FormatError(path, f"has {info.file_size} bytes of {name} when unpacked; that is too much")
        return archive.read(info)


def _check_sizes(archive: ZipFile, size: int) -> None:
    """Refuse members that claim to be larger than their file: memory for them would be taken before they are read."""
    for info in archive.infolist():
        if info.compress_size > size:
            raise BadZipFile(f"{info.filename[:60]!r} has {info.compress_size} bytes in a file of {size}")


@contextmanager
def _formatted(path: Path) -> Iterator[None]:
    try:
        yield
    except FormatError:
        raise
    except FileNotFoundError as error:
        raise FormatError(path, f"cannot be read ({error.strerror})") from error
    except BROKEN as error:
        if any(sign in str(error) for sign in _OBJECTS):
            raise FormatError(
                path, "holds Python objects, such as a dict, which are not read; save its arrays with numpy.savez"
            ) from error
        raise FormatError(path, f"is no file of NumPy arrays, or a damaged one ({error})") from error
