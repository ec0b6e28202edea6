"""Reads an HDF5 file with h5py in a process of its own, started by `hdf5.py`: damaged files can end the process.

python hdf5_worker.py FILE OUTPUT RATIO ALWAYS writes each array under its path, if together they have no more bytes
than ALWAYS or RATIO times those of the file, and under "" a JSON text of

- attributes: path of a group or array -> its attributes, texts and numbers;
- dims: path of an array -> the names of its axes, where the file has them.

Links to other files, and arrays that lie in other files, are left out. Arrays of MATLAB have their axes in its order.
"""

import json
import sys
from collections import deque
from pathlib import Path

import h5py
import numpy as np

MAX_ITEMS = 20_000  # groups and arrays
MAX_DEPTH = 8
OF_LIBRARIES = ("_i_", "#")  # indices of PyTables, cells of MATLAB


def main() -> None:
    arrays: dict[str, np.ndarray] = {}
    attributes: dict[str, dict] = {}
    dims: dict[str, list[str]] = {}
    with h5py.File(sys.argv[1], "r") as file:
        attributes[""] = _attributes(file)
        found = _arrays_in(file, attributes)
        size = sum(array.nbytes for array in found.values())
        ratio, always = map(int, sys.argv[3:5])
        if size > max(always, ratio * Path(sys.argv[1]).stat().st_size):
            raise ValueError(f"its arrays have {size} bytes; at most {ratio} times its own are read")
        for name, array in found.items():
            value = _cells(array, file) if _matlab_class(array) == "cell" else _values(array)
            if value is not None:
                arrays[name] = value
                attributes[name] = _attributes(array)
                if len(scales := [axis[0].name.strip("/") if len(axis) else "" for axis in array.dims]) > 1:
                    dims[name] = scales
    told = {"attributes": {name: own for name, own in attributes.items() if own}, "dims": dims}
    np.savez(sys.argv[2], **{"": np.array(json.dumps(told)), **arrays})


def _arrays_in(file: h5py.File, attributes: dict[str, dict]) -> dict[str, h5py.Dataset]:
    """Return the arrays of a file by path, and write the attributes of groups into `attributes`."""
    found: dict[str, h5py.Dataset] = {}
    groups = deque([(file, "", 0)])
    count = 0
    while groups:
        group, path, depth = groups.popleft()
        for name in group:
            count += 1
            if count > MAX_ITEMS or depth > MAX_DEPTH:
                raise ValueError(f"it has more than {MAX_ITEMS} groups and arrays, or groups in each other")
            if name.startswith(OF_LIBRARIES) or not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            item, own = group[name], f"{path}/{name}".strip("/")
            if isinstance(item, h5py.Group):
                attributes[own] = _attributes(item)
                groups.append((item, own, depth + 1))
            elif isinstance(item, h5py.Dataset) and not item.is_virtual and not item.external:
                found[own] = item
    return found


def _values(array: h5py.Dataset) -> np.ndarray | None:
    """Return numbers, texts or rows of them; None is of anything else."""
    if array.shape is None:
        return None
    if h5py.check_string_dtype(array.dtype) is not None:
        return _texts(array.asstr(errors="replace")[()])
    values = array[()]
    if kind := _matlab_class(array):
        if kind == "char":
            return np.array(_characters(values))
        values = values.T
    kinds = [values.dtype] if values.dtype.names is None else [kind for kind, *_ in values.dtype.fields.values()]
    return np.asarray(values) if all(kind.base.kind in "biufSU" for kind in kinds) else None


def _matlab_class(array: h5py.Dataset) -> str:
    """Return what MATLAB says that an array is; "" where it did not write it."""
    return bytes(array.attrs.get("MATLAB_class", b"")).decode(errors="replace")


def _characters(values: np.ndarray) -> str:
    return "".join(map(chr, values.reshape(-1).tolist()))


def _cells(array: h5py.Dataset, file: h5py.File) -> np.ndarray | None:
    """Return the texts of a cell array of MATLAB, such as names; None if it holds anything else."""
    cells = [file[reference] for reference in array[()].reshape(-1)]
    if not all(_matlab_class(cell) == "char" for cell in cells):
        return None
    return _texts([_characters(cell[()]) for cell in cells])


def _texts(values: object) -> np.ndarray:
    return np.array(values.tolist() if isinstance(values, np.ndarray) else values, "U")


def _attributes(item: h5py.Group | h5py.Dataset) -> dict:
    """Return the attributes that are texts, numbers or short lists of them."""
    found = {}
    for name in item.attrs:
        try:
            value = item.attrs[name]
        except (OSError, TypeError, ValueError):  # of a type that NumPy lacks
            continue
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufSU":
            value = value.tolist()
        if isinstance(value, bytes):
            value = value.decode("latin-1")  # pickles of pandas among them
        if isinstance(value, (str, int, float)):
            found[name] = value
        elif isinstance(value, list) and all(isinstance(one, (str, int, float)) for one in value):
            found[name] = value
    return found


if __name__ == "__main__":
    main()
