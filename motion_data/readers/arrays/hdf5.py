"""Reader of HDF5 files: key-points of one's own, DeepLabCut, SLEAP, movement, tables of pandas, and MATLAB 7.3.

Damaged files can end the process of the HDF5 library, so that it runs in one of its own (`hdf5_worker.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...recording import Recording
from ..array_files import MAX_RATIO, UNPACKED_BYTES
from ..plain.clip_rows import OF_CLIP
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions, file_head, register_format
from ..tables.pandas_tables import pandas_rows
from ..tables.table_content import content_recordings
from ..tables.table_rows import table_recordings
from ..worker_process import read_by_worker
from .labelled_arrays import labelled_recordings, pairs_of
from .movement_data import POSITION, movement_recordings
from .named_arrays import kinds_of, named_recordings

WORKER = Path(__file__).with_name("hdf5_worker.py")
SUFFIXES = (".h5", ".hdf5", ".hdf", ".nc")
SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAD = 2**16
OF_WEIGHTS = (b"keras_version", b"model_weights", b"layer_names")  # what Keras calls things
SLEAP = ("tracks", "node_names")
PANDAS = "pandas_type"


def _is_hdf5(path: Path) -> bool:
    head = file_head(path, HEAD)
    return head.startswith(SIGNATURE) and not any(name in head for name in OF_WEIGHTS)


@register_format(
    "hdf5", "HDF5 of DeepLabCut, SLEAP, movement, pandas, or of one's own (.h5, .hdf5, .nc)", SUFFIXES, _is_hdf5
)
def read_hdf5(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the key-points of an HDF5 file.

    - Tables of pandas, such as those of DeepLabCut, are read as the CSV files that they would be written to; each is
      a recording.
    - SLEAP's analysis files, `tracks` `[M, 2, K, F]`, have the names of joints and scores.
    - movement's files, `position` with the names of its axes, say which of them are frames, joints and people.
    - Anything else is read as arrays of the same names in an `.npz` file would be; a group is a dict of them, so that
      a group for each clip is a recording each. Attributes of a group or of key-points, such as `fps` or `label`, are
      fields beside them.

    Raises:
        FormatError: the file is damaged or has no key-points; see `read_npz` and `read_any_json`.
        ImportError: h5py is not installed.
    """
    yield from _recordings(path, open_hdf5(path), options)


class Opened(NamedTuple):
    """What a file holds.

    Args:
        content: groups as dicts of arrays, with their attributes.
        attributes: of each array, by its path.
        dims: the names of the axes of each array that has them, by its path.
    """

    content: dict[str, Any]
    attributes: dict[str, dict[str, Any]]
    dims: dict[str, list[str]]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that are in no group."""
        return {name: value for name, value in self.content.items() if isinstance(value, np.ndarray)}

    def group(self, name: str) -> Opened:
        """Return one of the groups as if it were the whole file; what stands beside it stays."""
        others = {key: value for key, value in self.content.items() if key != name}
        own = [
            {path.removeprefix(f"{name}/"): told for path, told in facts.items() if path.startswith(f"{name}/")}
            for facts in (self.attributes, self.dims)
        ]
        return Opened(others | self.content[name], *own)


def open_hdf5(path: Path) -> Opened:
    """Open a file.

    Raises:
        FormatError, ImportError: see `read_by_worker`.
    """
    arrays = read_by_worker(path, WORKER, "h5py", "HDF5", "hdf5", MAX_RATIO, UNPACKED_BYTES)
    told = json.loads(str(arrays.pop("")))
    content: dict[str, Any] = {}
    for name, array in arrays.items():
        parent, _, last = name.rpartition("/")
        own = told["attributes"].get(name, {})
        tells = array.ndim > 1 and not own.keys().isdisjoint(OF_CLIP)
        _group(content, parent)[last] = {"keypoints": array, **own} if tells else array
    for name, own in told["attributes"].items():
        if name not in arrays:
            group = _group(content, name)
            group.update((key, value) for key, value in own.items() if key not in group)
    return Opened(content, {name: told["attributes"].get(name, {}) for name in arrays}, told["dims"])


def _group(content: dict[str, Any], path: str) -> dict[str, Any]:
    for name in filter(None, path.split("/")):
        content = content.setdefault(name, {})
    return content


def _recordings(path: Path, opened: Opened, options: ReadOptions) -> Iterator[Recording]:
    content = opened.content
    arrays = opened.arrays
    groups = {name: value for name, value in content.items() if isinstance(value, dict)}
    if tables := [name for name, group in groups.items() if PANDAS in group]:
        for name in tables:
            rows = pandas_rows(path, groups[name], opened.group(name).attributes)
            for recording in table_recordings(path, rows, options):
                yield replace(recording, name=f"{name}/{recording.name}".strip("/")) if len(tables) > 1 else recording
    elif set(SLEAP) <= set(arrays):
        yield from _sleap_recordings(path, arrays, options)
    elif POSITION in opened.dims:
        yield from movement_recordings(path, content, opened.dims, options)
    elif len(groups) == 1 and not arrays:
        yield from _recordings(path, opened.group(next(iter(groups))), options)
    elif pairs_of(shapes := {name: array.shape for name, array in arrays.items()}):
        yield from labelled_recordings(path, shapes, arrays.__getitem__, options)
    elif "keypoints" in kinds_of(arrays):
        told = {name: np.asarray(value) for name, value in content.items() if not isinstance(value, dict)}
        yield from named_recordings(path, told, kinds_of(told), arrays, options)
    else:
        yield from content_recordings(path, content, options)


def _sleap_recordings(path: Path, arrays: dict[str, np.ndarray], options: ReadOptions) -> Iterator[Recording]:
    """Yield the recording of SLEAP's analysis: its people are tracks; joints that were not found are NaN."""
    tracks, scores, names = arrays["tracks"], arrays.get("point_scores"), arrays["node_names"].reshape(-1)
    if tracks.ndim != 4 or tracks.shape[1:3] != (2, len(names)):
        raise FormatError(
            path, f"has tracks {tracks.shape} and {len(names)} node_names; they must be [tracks, 2, nodes, frames]"
        )
    if scores is not None and scores.shape != (len(tracks), *tracks.shape[2:]):
        raise FormatError(path, f"has point_scores {scores.shape} and tracks {tracks.shape}; they must fit")
    found = {"joint_names": names} | ({} if scores is None else {"scores": scores.transpose(0, 2, 1)})
    yield from array_recordings(path, tracks.transpose(0, 3, 2, 1), found, replace(options, axes="MFKC"))
