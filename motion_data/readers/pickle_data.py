"""The plain data in a pickle: numbers, text, containers and NumPy arrays. Nothing that it names is called.

The machine is Python's own, in its Python version: the C version lets a file ask for memory without bound.
"""

from __future__ import annotations

import io
import math
import mmap
import pickle
import pickletools
import re
import struct
from pathlib import Path

import numpy as np

from .array_files import array_header
from .registry import FormatError, file_head

HEAD_BYTES = 4096
_SLACK = 2**20
_BROKEN = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError, MemoryError),
    *(RecursionError, TypeError, ValueError, pickle.UnpicklingError, struct.error),
)
_KEYS = (str, int, float, bytes, type(None))
_EMPTY_CONTAINERS = {"OrderedDict": dict, "defaultdict": dict, "bytes": bytes}


class _Type:
    """A type of numbers or text; its byte order is set after others refer to it."""

    def __init__(self, code: object, *others: object):
        if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?(b1|[iufO][1248]|[US]\d{1,6})", code):
            raise ValueError(f"has an array of type {str(code)[:60]!r}; it must be of numbers or text")
        self.dtype = np.dtype(code)


class _PlainUnpickler(pickle._Unpickler):
    """Args: file, as for `pickle.Unpickler`; size: bytes of it."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: mmap.mmap | io.BytesIO, size: int):
        super().__init__(file, encoding="latin-1")  # of Python 2, which has the bytes of arrays as text
        self.encodable = 2 * size + _SLACK  # a text that is encoded again and again would grow without bound

    def find_class(self, module: str, name: str) -> object:
        """Return what stands in for a class or function of the few that plain data has."""
        package = module.split(".")[0]
        if package == "numpy":
            found = {
                "_reconstruct": lambda *arguments: np.empty(0),
                "scalar": lambda kind, raw: self._array((), kind, raw, "C").item(),
                "_frombuffer": lambda raw, kind, shape, order: self._array(shape, kind, raw, order),
                "dtype": _Type,
                "ndarray": lambda shape, code, raw: self._array(shape, _Type(code), raw, "C"),
            }
            if name in found:
                return found[name]
        elif module == "_codecs" and name == "encode":
            return self._encode
        elif package in ("collections", "builtins", "__builtin__"):
            if name == "bytearray":
                return lambda raw=b"": raw  # not copied: one text may be named many times
            if name in _EMPTY_CONTAINERS:
                return lambda *factory: _EMPTY_CONTAINERS[name]()
            if name in ("dict", "list", "int"):  # as what a defaultdict makes
                return None
        raise ValueError(f"names {f'{module}.{name}'[:200]!r}; only numbers, text, containers and arrays are read")

    def persistent_load(self, pid: object) -> object:
        raise ValueError("refers to what is not in it")

    def load_build(self) -> None:
        state = self.stack.pop()
        built = self.stack[-1]
        if isinstance(built, _Type) and isinstance(state, tuple):
            built.dtype = built.dtype.newbyteorder(state[1])
        elif isinstance(built, np.ndarray) and isinstance(state, tuple):
            shape, kind, is_fortran, raw = state[-4:]
            array = self._array(shape, kind, raw, "F" if is_fortran else "C")
            data = list(array) if array.dtype == object else array.tobytes("F" if is_fortran else "C")
            built.__setstate__((1, array.shape, array.dtype, bool(is_fortran), data))
        else:
            raise ValueError(f"sets the state of a {type(built).__name__}; only arrays have one")

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([(key, value)])

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._set(zip(items[::2], items[1::2], strict=True))

    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems

    def _set(self, items: object) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise TypeError(f"a {type(target).__name__} is where a dict must be")
        for key, value in items:
            if not isinstance(key, _KEYS):  # a tuple in tuples would be hashed without end
                raise TypeError(f"has a {type(key).__name__} as a key; it must be a number or text")
            target[key] = value

    def _encode(self, text: str, encoding: str) -> bytes:
        self.encodable -= len(text)
        if self.encodable < 0 or encoding not in ("latin1", "latin-1"):
            raise ValueError("encodes the same text again and again, or not as bytes are")
        return text.encode("latin-1")

    def _array(self, shape: object, kind: object, raw: object, order: str) -> np.ndarray:
        if not isinstance(kind, _Type):
            raise TypeError("an array has no type")
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise TypeError("an array has no shape")
        if kind.dtype == object:
            if not isinstance(raw, list) or shape != (len(raw),) and (shape, len(raw)) != ((), 1):
                raise ValueError(f"has an array of objects of shape {shape}; only lists of them are read")
            array = np.empty(len(raw), object)
            array[:] = raw
            return array
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw
        if not isinstance(raw, (bytes, bytearray)) or len(raw) != math.prod(shape) * kind.dtype.itemsize:
            raise TypeError(f"an array of shape {shape} has other than {math.prod(shape)} values")
        return np.frombuffer(raw, kind.dtype).reshape(shape, order=order if order in ("F", "C") else "C")


def read_pickle(path: Path) -> object:
    """Return the data in a pickle of any protocol; `collections` dictionaries are plain ones.

    Raises:
        FormatError: the file cannot be read, is broken, or holds anything else; the message names what.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _load(path, content, len(content))
    except FormatError:
        raise
    except (OSError, ValueError) as error:  # a ValueError where the file is empty
        raise FormatError(path, f"cannot be read ({error})") from error


def read_plain_array(path: Path, content: bytes) -> object:
    """Return the one object that NumPy saved as an array of objects, such as a dictionary.

    Args:
        content: of an `.npy` file.

    Raises:
        FormatError: it is anything else; see `read_pickle`.
    """
    file = io.BytesIO(content)
    try:
        shape, _, dtype = array_header(file)
    except _BROKEN as error:
        raise FormatError(path, f"holds no array ({error})") from error
    if dtype.kind != "O" or shape != ():
        raise FormatError(path, f"holds an array {dtype} {shape} where a dictionary must be")
    found = _load(path, file, len(content))
    return found.reshape(-1)[0] if isinstance(found, np.ndarray) and found.size == 1 else found


def read_plain(path: Path, content: bytes) -> object:
    """Return the data in the bytes of a pickle; for errors see `read_pickle`."""
    return _load(path, io.BytesIO(content), len(content))


def _load(path: Path, file: mmap.mmap | io.BytesIO, size: int) -> object:
    try:
        return _PlainUnpickler(file, size).load()
    except _BROKEN as error:
        reason = str(error) or type(error).__name__
        raise FormatError(path, f"is no valid pickle of plain data: {reason[:300]}") from error


def pickle_head(path: Path) -> list[tuple[str, object]]:
    """Return names and arguments of the first operations, without those of memory; never raises, [] is no pickle."""
    return operations(file_head(path, HEAD_BYTES))


def operations(content: bytes) -> list[tuple[str, object]]:
    """Return those of the first bytes of a pickle; see `pickle_head`."""
    head: list[tuple[str, object]] = []
    try:
        for operation, argument, _ in pickletools.genops(content):
            if not operation.name.endswith(("PUT", "MEMOIZE", "MARK", "PROTO", "FRAME")):
                head.append((operation.name, argument))
    except _BROKEN:
        pass  # the first bytes end in the middle of an operation, or are no pickle: what was read counts
    return head
