"""The C3D container: header, parameters, and frames of points, as written by Intel, DEC and MIPS machines.

Own code rather than `ezc3d`, which reads memory that is not its own in files with damaged parameters. Every count is
compared with the size of the file before anything is read, and frames are mapped, not copied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .registry import FormatError

BLOCK = 512
POINTS_KEY = 0x50  # the second byte of a file of points
_INTEL, _DEC, _MIPS = 84, 85, 86
_TEXT = -1
_WORDS_PER_POINT = 4  # x, y, z, residual
_MAX_COUNT_IN_HEADER = 65535

Parameters = dict[tuple[str, str], "Parameter"]


@dataclass
class Parameter:
    """A parameter: its kind (-1 text, 1, 2 and 4 bytes a number), its dimensions, and the bytes of its values."""

    kind: int
    shape: tuple[int, ...]
    raw: bytes


@dataclass
class C3D:
    """An opened file.

    Args:
        labels: names of the P points, in their order; fewer where some have none.
        units: of the coordinates, as written; "" if the file does not tell.
        screen: names of the axes that point right and up on a screen, as "+X", "+Z"; "" if the file does not tell.
        fps: frames per second; 0 is unknown.
    """

    labels: list[str]
    units: str
    screen: tuple[str, str]
    fps: float
    num_points: int
    scale: float
    processor: int
    frames: np.ndarray

    @property
    def num_frames(self) -> int:
        """Frames of the file."""
        return len(self.frames)

    def points(self, first: int, end: int) -> np.ndarray:
        """Return the points of some frames, `[F, P, 3]` float64 in `units`; NaN where one was not measured."""
        used = self.frames[first:end, : self.num_points * _WORDS_PER_POINT]
        words = used.astype(np.float64) if self.frames.dtype.kind == "i" else _floats(used, self.processor)
        words = words.reshape(len(words), self.num_points, _WORDS_PER_POINT)
        with np.errstate(over="ignore", invalid="ignore"):
            is_measured = (words[..., 3] >= 0) & (words[..., :3] != 0).any(-1)
            return np.where(is_measured[..., None], words[..., :3] * (self.scale if self.scale > 0 else 1), np.nan)


def is_c3d(path: Path) -> bool:
    """Return whether a file starts as C3D does; never raises."""
    try:
        with path.open("rb") as file:
            head = file.read(2)
    except (OSError, ValueError):
        return False
    return len(head) == 2 and head[1] == POINTS_KEY


def open_c3d(path: Path) -> C3D:
    """Open a C3D file.

    Raises:
        FormatError: it is no C3D file, or its header, its parameters and its size contradict each other.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(BLOCK)
            if len(header) < BLOCK or header[1] != POINTS_KEY or header[0] < 2:
                raise FormatError(path, f"is no C3D file: it starts with {header[:2].hex()!r}, {size} bytes in all")
            start = (header[0] - 1) * BLOCK
            file.seek(start)
            head = file.read(4)
            if len(head) < 4 or head[3] not in (_INTEL, _DEC, _MIPS):
                raise FormatError(path, f"has no parameters at byte {start}, where its header says they are")
            file.seek(start)
            processor, section = head[3], file.read(head[2] * BLOCK)
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error.strerror})") from error
    parameters = _read_parameters(path, section, processor)
    order = ">" if processor == _MIPS else "<"
    words = np.frombuffer(header, order + "u2")
    scale, rate = _floats(np.frombuffer(header, np.uint8)[[*range(12, 16), *range(20, 24)]], processor)
    num_points, num_analog = int(words[1]), int(words[2])
    used = _numbers(parameters, ("POINT", "USED"), processor, np.array([num_points]))
    if not num_points or int(used[0]) % 2**16 != num_points:
        raise FormatError(path, f"has {num_points} points by its header and {used[0]} by its parameters")
    if not np.isfinite(scale) or scale == 0:
        raise FormatError(path, f"has scale {scale}; it must be negative for floating-point data, else positive")
    dtype = np.dtype(order + ("i2" if scale > 0 else "u4" if processor == _DEC else "f4"))
    width = num_points * _WORDS_PER_POINT + num_analog
    first_block = int(_numbers(parameters, ("POINT", "DATA_START"), processor, words[8:9])[0]) % 2**16
    data_start = (first_block - 1) * BLOCK
    num_frames = _num_frames(parameters, processor, words)
    available = (size - data_start) // (width * dtype.itemsize)
    if first_block < 2 or not 0 < num_frames <= available:
        raise FormatError(
            path, f"should have {num_frames} frames of {num_points} points, and has room for {max(available, 0)}"
        )
    try:
        frames = np.memmap(path, dtype, "r", data_start, (num_frames, width))
    except (OSError, ValueError) as error:
        raise FormatError(path, f"cannot be read ({error})") from error
    fps = float(_numbers(parameters, ("POINT", "RATE"), processor, np.array([rate]))[0])
    return C3D(
        labels=_labels(parameters)[:num_points],
        units="".join(_texts(parameters, ("POINT", "UNITS"))[:1]),
        screen=tuple("".join(_texts(parameters, ("POINT", name))[:1]) for name in ("X_SCREEN", "Y_SCREEN")),
        fps=fps if 0 < fps <= 1e5 else 0.0,
        num_points=num_points,
        scale=float(scale),
        processor=processor,
        frames=frames,
    )


def _num_frames(parameters: Parameters, processor: int, header: np.ndarray) -> int:
    """Return the number of frames: of the trial, of the points, or of the header, whose 16 bits may be too few."""
    none = np.zeros(2)
    first = _numbers(parameters, ("TRIAL", "ACTUAL_START_FIELD"), processor, none)
    last = _numbers(parameters, ("TRIAL", "ACTUAL_END_FIELD"), processor, none)
    if len(first) == len(last) == 2 and last.any():
        low, high = (last % 2**16 - first % 2**16).astype(np.int64).tolist()
        return high * 2**16 + low + 1
    count = float(_numbers(parameters, ("POINT", "FRAMES"), processor, np.zeros(1))[0])
    count = count + 2**16 if count < 0 else count
    if 0 < count < 2**31 and count != _MAX_COUNT_IN_HEADER:
        return int(count)
    return int(header[4]) - int(header[3]) + 1


def _labels(parameters: Parameters) -> list[str]:
    """Return the labels of all points; those after the 255th are in parameters of their own."""
    labels: list[str] = []
    for number in range(1, 2**16 // 255 + 2):
        name = ("POINT", "LABELS" if number == 1 else f"LABELS{number}")
        if name not in parameters:
            break
        labels += _texts(parameters, name)
    return labels


def _read_parameters(path: Path, section: bytes, processor: int) -> Parameters:
    """Return the parameters by group and name; of two of one name the first."""
    groups: dict[int, str] = {}
    found: list[tuple[int, str, Parameter]] = []
    integers = "big" if processor == _MIPS else "little"
    place = 4
    while place + 2 <= len(section):
        length, group = abs(_signed(section[place])), _signed(section[place + 1])
        if not length or not group:
            break
        name = section[place + 2 : place + 2 + length].decode("latin-1").strip().upper()
        place += 2 + length
        step = int.from_bytes(section[place : place + 2], integers)
        if group < 0:
            groups[-group] = name
        else:
            found.append((group, name, _read_parameter(path, section, place + 2, name)))
        if not step:
            break
        place += step
    parameters: Parameters = {}
    for group, name, parameter in found:
        parameters.setdefault((groups.get(group, ""), name), parameter)
    return parameters


def _read_parameter(path: Path, section: bytes, place: int, name: str) -> Parameter:
    kind = _signed(section[place]) if place + 2 <= len(section) else 0
    shape = tuple(section[place + 2 : place + 2 + section[place + 1]]) if kind else ()
    start = place + 2 + len(shape)
    length = math.prod(shape) * abs(kind)
    if kind not in (_TEXT, 1, 2, 4) or len(shape) != section[place + 1] or start + length > len(section):
        raise FormatError(path, f"parameter {name[:60]!r} is cut off, or of a kind that is not known")
    return Parameter(kind, shape, section[start : start + length])


def _texts(parameters: Parameters, name: tuple[str, str]) -> list[str]:
    parameter = parameters.get(name)
    if parameter is None or parameter.kind != _TEXT or not parameter.shape or not parameter.shape[0]:
        return []
    width = parameter.shape[0]
    text = parameter.raw.decode("latin-1")
    return [text[place : place + width].strip(" \0") for place in range(0, len(text), width)]


def _numbers(parameters: Parameters, name: tuple[str, str], processor: int, default: np.ndarray) -> np.ndarray:
    parameter = parameters.get(name)
    if parameter is None or parameter.kind == _TEXT or not parameter.raw:
        return default
    if parameter.kind == 4:
        values = _floats(np.frombuffer(parameter.raw, np.uint8), processor)
    else:
        values = np.frombuffer(parameter.raw, f"{'>' if processor == _MIPS else '<'}i{parameter.kind}")
    return values.astype(np.float64) if np.isfinite(values).all() else default


def _floats(raw: np.ndarray, processor: int) -> np.ndarray:
    """Return the 4-byte numbers of an array of any type with whole rows of them, as float64."""
    octets = np.ascontiguousarray(raw).view(np.uint8)
    if processor == _DEC:  # its halves are the other way round and its exponent is 2 higher
        words = np.ascontiguousarray(octets.view("<u2").reshape(*octets.shape[:-1], -1, 2)[..., ::-1])
        numbers = words.view("<f4")[..., 0]
    else:
        numbers = octets.view(">f4" if processor == _MIPS else "<f4")
    with np.errstate(invalid="ignore"):
        return numbers.astype(np.float64) / (4 if processor == _DEC else 1)


def _signed(octet: int) -> int:
    return octet - 256 if octet > 127 else octet
