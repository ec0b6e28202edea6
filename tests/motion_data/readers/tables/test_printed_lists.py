"""Lists as Python and NumPy print them are read back, number by number."""

import numpy as np
import pytest

from motion_data.readers.tables.printed_lists import looks_like_list, parse_list

VALUES = np.random.default_rng(0).uniform(-3, 300, (17, 2)).round(3)
VALUES[3], VALUES[4] = np.nan, (0.5, -12)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 1e-12, 3e9, -0.25, 7])

PRINTED = {
    "a list": lambda a: str(a.tolist()),
    "tuples": lambda a: str(tuple(map(tuple, a.tolist())) if a.ndim > 1 else tuple(a.tolist())),
    "an array": str,
    "its repr": repr,
    "scalars of NumPy": lambda a: str([list(row) for row in a] if a.ndim > 1 else list(a)),
    "arrays in a list": lambda a: str(list(a)),
    "none for nan": lambda a: str(a.tolist()).replace("nan", "None"),
    "one line": lambda a: str(a).replace("\n", ""),
}


@pytest.mark.parametrize("kind", PRINTED)
@pytest.mark.parametrize("values", [VALUES, VALUES[0], VALUES.round(), np.abs(VALUES), SPECIAL], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_printed_numbers_are_read_back(kind, values, dtype):
    values = values.astype(dtype)
    text = PRINTED[kind](values)
    assert looks_like_list(text)
    np.testing.assert_allclose(np.array(parse_list(text), float), values, rtol=1e-6, atol=1e-7)


def test_whole_numbers_and_json():
    assert parse_list(str(np.arange(6).reshape(3, 2))) == [[0, 1], [2, 3], [4, 5]]
    assert parse_list("(1, 2.5)") == parse_list("[1, 2.5,]") == [1, 2.5]
    assert parse_list('{"x": [1], "y": [2]}') == parse_list("{'x': [1], 'y': [2]}") == {"x": [1], "y": [2]}
    assert parse_list("{'x': [np.float32(1.5), nan]}") == {"x": [1.5, None]}


@pytest.mark.parametrize(
    "text", ["[1, 2", "[1 a]", "(1; 2)", "__import__('os')", "{'x': print()}", "{'x", "[[1.  2. ]\n ...\n [3. 4.]]"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError):
        parse_list(text)
    assert not looks_like_list("nose") and not looks_like_list("1.5")


def test_a_shortened_array_says_so():
    with pytest.raises(ValueError, match="NumPy has left out its middle"):
        parse_list(str(np.zeros((2000, 2))))
