"""Text files of motion: read whole, decoded strictly, their numbers parsed at once."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from .registry import FormatError

MAX_FILE_BYTES = 2 * 2**30


def read_text(path: Path, may_be_empty: bool = False) -> str:
    """Return what a UTF-8 file holds.

    Raises:
        FormatError: it cannot be read, is empty, larger than `MAX_FILE_BYTES`, or not UTF-8 text.
    """
    try:
        size = path.stat().st_size
        if not (size or may_be_empty) or size > MAX_FILE_BYTES:
            raise FormatError(path, f"has {size} bytes; files of 1 to {MAX_FILE_BYTES} are read")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise FormatError(path, f"is no UTF-8 text ({error.reason} at byte {error.start})") from error
    if "\0" in text:
        raise FormatError(path, "is no text: it holds zero bytes")
    return text


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
