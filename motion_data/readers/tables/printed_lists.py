"""Lists of numbers as Python and NumPy print them, which is how tables get them into a cell."""

from __future__ import annotations

import ast
import json
import re
from contextlib import suppress

_SCALAR = re.compile(r"\b(?:np\.|numpy\.)?(?:float|int|uint)\d+\(([^()]*)\)")  # what NumPy 2 prints in a list
_ARRAY = re.compile(r"\b(?:np\.|numpy\.)?array\(|,\s*dtype=[\w.]+\)|(?<=\])\)")
_BRACKETS = str.maketrans("()", "[]")
_POINT = re.compile(r"(\d)\.(?!\d)")
_LEADING_POINT = re.compile(r"(?<![\d])\.(?=\d)")
_SPACE = re.compile(r"(?<=[\d\]Ny])\s+(?=[-\d\[NI])")
_WORDS = {"nan": "NaN", "None": "null", "inf": "Infinity"}
_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\b")


def looks_like_list(text: str) -> bool:
    """Tell whether the text of a cell starts as a list, a tuple, an object or an array does."""
    return text.lstrip().removeprefix("np.").removeprefix("array(").lstrip()[:1] in ("[", "(", "{")


def parse_list(text: str) -> object:
    """Return a list, or an object, from its text.

    It is JSON, or a list, a tuple, a dictionary or an array as Python or NumPy print it.

    Raises:
        ValueError: it is none of these, or NumPy has left out its middle.
    """
    with suppress(ValueError):
        return json.loads(text)
    if text.lstrip().startswith("{"):
        return _object(text)
    if "..." in text:
        raise ValueError("NumPy has left out its middle; save what tolist() returns")
    text = _ARRAY.sub("", _SCALAR.sub(r"\1", text)) if "array(" in text else _SCALAR.sub(r"\1", text)
    text = _LEADING_POINT.sub("0.", _POINT.sub(r"\1.0", text.translate(_BRACKETS)))
    text = _SPACE.sub(", ", _WORD.sub(lambda found: _WORDS[found[1]], text))
    return json.loads(re.sub(r",\s*\]", "]", text))


def _object(text: str) -> object:
    try:
        found = ast.literal_eval(_WORD.sub("None", _SCALAR.sub(r"\1", text)))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"it is no object: {type(error).__name__}") from error
    return found
