"""Text files of motion: read whole, decoded strictly, their numbers parsed at once."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .pose_arrays import MAX_RATE
from .registry import MAX_FILE_BYTES, FormatError

HEAD = 1 << 16  # characters


def read_text(path: Path, may_be_empty: bool = False) -> str:
    """Return what a UTF-8 file holds, or a UTF-16 one that starts with a byte order mark.

    Raises:
        FormatError: it cannot be read, is empty, larger than `MAX_FILE_BYTES`, or not UTF-8 text.
    """
    try:
        size = path.stat().st_size
        if not (size or may_be_empty) or size > MAX_FILE_BYTES:
            raise FormatError(path, f"has {size} bytes; files of 1 to {MAX_FILE_BYTES} are read")
        content = path.read_bytes()
        text = content.decode(encoding_of(content))
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise FormatError(path, f"is no UTF-8 text ({error.reason} at byte {error.start})") from error
    if not (text or may_be_empty):
        raise FormatError(path, "is empty but for a byte order mark")
    if "\0" in text:
        raise FormatError(path, "is no text: it holds zero bytes")
    return text


def text_head(path: Path, count: int = HEAD) -> str:
    """Return the first characters of such a file, "" of whatever cannot be read; never raises."""
    try:
        with path.open("rb") as file:
            return io.TextIOWrapper(file, encoding_of(file.peek(2)), newline="").read(count)
    except (OSError, ValueError):
        return ""


def encoding_of(head: bytes) -> str:
    """Return the encoding of a text from its first bytes: a byte order mark tells UTF-16, others are UTF-8."""
    return "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def parse_rows(path: Path, rows: Sequence[Sequence[str]], first: int = 1) -> np.ndarray:
    """Return rows of words as float64 `[rows, columns]`; see `parse_numbers`.

    Args:
        first: number of the line of the first row, for errors.

    Raises:
        FormatError: there is none, they are of different lengths, or a word is no number.
    """
    if not rows:
        raise FormatError(path, "has no lines of numbers")
    columns = len(rows[0])
    for number, row in enumerate(rows, first):
        if len(row) != columns:
            raise FormatError(path, f"line {number} has {len(row)} numbers; the first has {columns}")
    text = " ".join(word for row in rows for word in row)
    return parse_numbers(path, text, len(rows) * columns, "the lines").reshape(len(rows), columns)


def parse_rate(path: Path, title: str, text: str) -> float:
    """Return a rate that a header states, frames a second; 0 is none.

    Raises:
        FormatError: it is no number from 0 to `MAX_RATE`; the message names `title`.
    """
    try:
        rate = float(text or 0)
    except ValueError:
        rate = float("nan")
    if not 0 <= rate <= MAX_RATE:
        raise FormatError(path, f"has {title} {text[:60]!r}; it must be a number from 0 to {MAX_RATE:g}")
    return rate


def parse_numbers(path: Path, text: str, count: int, what: str) -> np.ndarray:
    """Return the `count` numbers that `text` has between white space, as float64; they may be NaN or infinite.

    Raises:
        FormatError: there is anything else in it, or another number of them; the message names `what`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how older NumPy says that it stopped half-way
        try:
            numbers = np.fromstring(text, sep=" ")
        except (ValueError, DeprecationWarning) as error:
            raise FormatError(path, f"{what} must be numbers; something else is among them") from error
    if len(numbers) != count:
        raise FormatError(path, f"{what} must be {count} numbers; there are {len(numbers)}")
    return numbers


def parse_finite(path: Path, words: list[str], count: int, what: str) -> np.ndarray:
    """Return `words` as float64 like `parse_numbers`, all finite."""
    numbers = parse_numbers(path, " ".join(words), count, what)
    if not np.isfinite(numbers).all():
        raise FormatError(path, f"{what} must be finite; it is {numbers}")
    return numbers
