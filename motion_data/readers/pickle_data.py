"""The plain data in a pickle, read without running it.

A pickle is a program. Instead of Python's own machine, which imports and calls what the file names, a small one reads
it here: it knows numbers, text, lists, tuples, dictionaries and numeric NumPy arrays, and refuses everything else by
name. Nothing is imported and nothing of the file is called. What is built is bounded by the size of the file.
"""

from __future__ import annotations

import math
import mmap
import pickletools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .registry import FormatError

HEAD_OPERATIONS = 100
_SLACK = 2**20

_RECONSTRUCT, _SCALAR = "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar"
_FROM_BUFFER = "numpy.core.numeric._frombuffer"
_ARRAY, _DTYPE, _ENCODE = "numpy.ndarray", "numpy.dtype", "_codecs.encode"
_DICTIONARIES = ("collections.OrderedDict", "collections.defaultdict")
_BYTES = ("builtins.bytes", "__builtin__.bytes")
_FACTORIES = tuple(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("dict", "list", "int"))
KNOWN = (_RECONSTRUCT, _SCALAR, _FROM_BUFFER, _ARRAY, _DTYPE, _ENCODE, *_DICTIONARIES, *_BYTES, *_FACTORIES)

_VALUES = {
    *("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_IGNORED = ("PROTO", "FRAME")
_KEYS = (str, int, float, bytes, type(None))
_BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass
class _Global:
    """A class or a function that the pickle names."""

    name: str


@dataclass
class _Built:
    """An array or its type, from when it is named until its state is known; others refer to it before that."""

    kind: str
    value: object = None


def read_pickle(path: Path) -> object:
    """Return the data in a pickle of any protocol; `collections` dictionaries are plain ones.

    Arrays are read-only. An array of objects is the list of them.

    Raises:
        FormatError: the file cannot be read, is broken, or holds anything else; the message names what.
    """
    with _operations(path) as (operations, size):
        machine = _Machine(path, size)
        try:
            for operation, argument, _ in operations:
                machine.run(operation.name, argument)
            return machine.result()
        except FormatError:
            raise
        except _BROKEN as error:
            raise FormatError(path, f"is no valid pickle ({type(error).__name__}: {error})") from error


def pickle_head(path: Path) -> list[tuple[str, object]]:
    """Return names and arguments of the first operations, without those of memory; never raises, [] is no pickle."""
    head: list[tuple[str, object]] = []
    try:
        with _operations(path) as (operations, _):
            for operation, argument, _ in operations:
                if not operation.name.endswith(("PUT", "MEMOIZE", "MARK", *_IGNORED)):
                    head.append((operation.name, argument))
                if len(head) >= HEAD_OPERATIONS:
                    break
    except (FormatError, *_BROKEN):
        return []
    return head


@contextmanager
def _operations(path: Path) -> Iterator[tuple[Iterator, int]]:
    """Map the file: its operations cannot ask for more bytes than there are."""
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # a ValueError where the file is empty
        raise FormatError(path, f"cannot be read ({error})") from error
    with content:
        yield pickletools.genops(content), len(content)


class _Machine:
    """The stack, the marks on it and the memory of a pickle.

    Args:
        path: the file, for errors.
        size: bytes of it.
    """

    def __init__(self, path: Path, size: int):
        self.path = path
        self.stack: list = []
        self.marks: list[int] = []
        self.memory: dict[int, object] = {}
        self.encodable = 2 * size + _SLACK  # a text that is encoded again and again would grow without bound

    def run(self, name: str, argument: object) -> None:
        """Do one operation."""
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memory[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memory[len(self.memory)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._finished(self.memory[argument]))
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            stack.append([] if name == "EMPTY_LIST" else {})
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(self._pop(int(name[-1]))))
        elif name == "TUPLE":
            stack.append(tuple(self._pop_marked()))
        elif name == "LIST":
            stack.append(self._pop_marked())
        elif name == "DICT":
            stack.append({})
            self._set(self._pop_marked(below=1))
        elif name in ("APPEND", "APPENDS"):
            items = self._pop(1) if name == "APPEND" else self._pop_marked()
            self._top(list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            self._set(self._pop(2) if name == "SETITEM" else self._pop_marked())
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self._name(str(argument).split(" ", 1) if name == "GLOBAL" else self._pop(2))
        elif name == "REDUCE":
            function, arguments = self._pop(2)
            stack.append(self._construct(function, arguments))
        elif name == "BUILD":
            built, state = self._pop(2)
            stack.append(self._build(built, state))
        elif name not in (*_IGNORED, "STOP"):
            raise FormatError(self.path, f"has the operation {name}; a pickle of plain data does without")

    def result(self) -> object:
        """Return what is left when all is done."""
        if len(self.stack) != 1 or self.marks:
            raise FormatError(self.path, f"is no valid pickle ({len(self.stack)} values are left)")
        return self.stack[0]

    def _pop(self, count: int) -> list:
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < count:
            raise IndexError("the stack is empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _pop_marked(self, below: int = 0) -> list:
        """Return what is above the last mark; the last `below` values stay."""
        start, end = self.marks.pop(), len(self.stack) - below
        items = self.stack[start:end]
        del self.stack[start:end]
        return items

    def _top(self, kind: type) -> object:
        if not isinstance(self.stack[-1], kind):
            raise TypeError(f"a {type(self.stack[-1]).__name__} is where a {kind.__name__} must be")
        return self.stack[-1]

    def _set(self, items: list) -> None:
        target, keys, values = self._top(dict), items[::2], items[1::2]
        for key in keys:
            if not isinstance(key, _KEYS):  # a tuple in tuples would be hashed without end
                raise FormatError(self.path, f"has a {type(key).__name__} as a key; it must be a number or text")
        target.update(zip(keys, values, strict=True))

    def _name(self, names: list) -> None:
        module, name = names
        full = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if full not in KNOWN:
            raise FormatError(self.path, f"names {full[:200]!r}; only numbers, text, containers and arrays are read")
        self.stack.append(_Global(full))

    def _finished(self, value: object) -> object:
        return value.value if isinstance(value, _Built) and value.value is not None else value

    def _construct(self, function: object, arguments: object) -> object:
        name = function.name if isinstance(function, _Global) else type(function).__name__
        if not isinstance(arguments, tuple):
            raise TypeError(f"{name} is called with a {type(arguments).__name__}")
        if name == _RECONSTRUCT and isinstance(arguments[0], _Global) and arguments[0].name == _ARRAY:
            return _Built(_ARRAY)
        if name == _DTYPE:
            return _Built(_DTYPE, self._dtype(arguments[0]))
        if name == _SCALAR and len(arguments) == 2:
            return self._array((), arguments[0], arguments[1], "C").item()
        if name == _FROM_BUFFER and len(arguments) == 4:
            raw, dtype, shape, order = arguments
            return self._array(shape, dtype, raw, order)
        if name == _ENCODE and len(arguments) == 2 and arguments[1] in ("latin1", "latin-1"):
            self.encodable -= len(arguments[0])
            if self.encodable < 0:
                raise FormatError(self.path, "encodes the same text again and again")
            return arguments[0].encode("latin-1")
        if name in _DICTIONARIES and all(isinstance(argument, _Global) for argument in arguments):
            return {}
        if name in _BYTES and not arguments:
            return b""
        raise FormatError(self.path, f"calls {name[:200]!r} as plain data does not")

    def _build(self, built: object, state: object) -> object:
        if not isinstance(built, _Built) or not isinstance(state, tuple):
            raise FormatError(self.path, f"sets the state of a {type(built).__name__}; only arrays have one")
        if built.kind == _DTYPE:
            built.value = built.value.newbyteorder(state[1])
        else:
            shape, dtype, is_fortran, raw = state[-4:]
            built.value = self._array(shape, dtype, raw, "F" if is_fortran else "C")
        return built.value

    def _dtype(self, code: object) -> np.dtype:
        if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?(b1|[iufO][1248]|[US]\d{1,6})", code):
            raise FormatError(self.path, f"has an array of type {str(code)[:60]!r}; it must be of numbers or text")
        return np.dtype(code)

    def _array(self, shape: object, dtype: object, raw: object, order: str) -> np.ndarray | list:
        """Return an array that shares `raw`, or the list of its objects."""
        dtype = dtype.value if isinstance(dtype, _Built) else dtype
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape) or len(shape) > 32:
            raise TypeError("an array has no shape")
        if not isinstance(dtype, np.dtype):
            raise TypeError("an array has no type")
        if dtype.kind == "O":
            if not isinstance(raw, list) or shape != (len(raw),):
                raise FormatError(self.path, f"has an array of objects of shape {shape}; only lists of them are read")
            return raw
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw
        if not isinstance(raw, (bytes, bytearray)) or len(raw) != math.prod(shape) * dtype.itemsize:
            raise TypeError(f"an array of shape {shape} has other than {math.prod(shape)} values")
        if not len(raw):
            return np.empty([min(n, 2**30) for n in shape], dtype)
        array = np.frombuffer(raw, dtype).reshape(shape, order="F" if order == "F" else "C")
        array.flags.writeable = False
        return array
