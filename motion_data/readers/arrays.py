"""Readers of NumPy files: one array of key-points, or key-points with what belongs to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ..interpret import apply, decide
from ..layouts import layout_names
from ..recording import Recording
from .array_files import array_names, map_array, read_arrays
from .cutting import cut_dense
from .registry import FormatError, ReadOptions, register_format

NPZ_KEYS = ("keypoints", "scores", "fps", "layout", "label")
MAX_FPS = 1e5
_DEFAULT_NAME = "arr_0"  # how NumPy names an array that was saved without a name


@register_format("npy", "an array of key-points (.npy)", (".npy",))
def read_npy(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read an array `[F, K, C]` or `[M, F, K, C]`, as `interpret` says.

    An array with one axis more is several recordings, such as the data of ST-GCN, `[N, C, F, K, M]`; they are named by
    their numbers, and what is 0 at their ends is left out.

    Raises:
        FormatError: it is no such array, a damaged file, or something that only an option can tell.
    """
    array = map_array(path)
    if array.ndim != 5:
        yield from _read_poses(path, array, {}, options)
        return
    for number, recording in enumerate(array):
        if recording.any():
            yield from _read_poses(path, recording, {}, options, name=f"{number:06d}")


@register_format("npz", "key-points with scores, fps, layout and label (.npz)", (".npz",))
def read_npz(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read `keypoints` as `read_npy` does (or the only array, if it has no name), and with them, if the file has them:

    `scores` `[F, K]` or `[M, F, K]`, 0 is missing; `fps`; `layout`, the name; `label`, text or a number.

    Raises:
        FormatError: see `read_npy`; or these contradict the key-points, or are something else.
    """
    names = array_names(path)
    arrays = read_arrays(path, (_DEFAULT_NAME,) if names == [_DEFAULT_NAME] else NPZ_KEYS)
    keypoints = arrays.pop("keypoints", arrays.pop(_DEFAULT_NAME, None))
    if keypoints is None:
        raise FormatError(
            path, f"holds {', '.join(names) or 'no arrays'}; it must hold 'keypoints', or a single array"
        )
    yield from _read_poses(path, keypoints, arrays, options)


def _read_poses(
    path: Path, keypoints: np.ndarray, others: Mapping[str, np.ndarray], options: ReadOptions, name: str = ""
) -> Iterator[Recording]:
    scores = others.get("scores")
    try:
        if scores is not None and scores.dtype.kind not in "fiub":
            raise ValueError(f"has scores {scores.dtype} {scores.shape}; they must be numbers")
        stated = _text(path, others, "layout") or None
        if stated is not None and stated not in layout_names():
            raise ValueError(f"layout {stated!r} is unknown; it must be one of {', '.join(layout_names())}")
        decided = decide(keypoints, scores, options, stated)
    except ValueError as error:
        raise error if isinstance(error, FormatError) else FormatError(path, str(error)) from error
    place = decided.axes.index("F")
    if name:
        there = np.flatnonzero(keypoints.any(tuple(axis for axis in range(keypoints.ndim) if axis != place)))
        keypoints = np.take(keypoints, range(there[-1] + 1), place)
    score_place = decided.axes.replace("C", "").index("F") if scores is not None and scores.ndim > 2 else 0

    def poses(first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        part = np.take(keypoints, range(first, end), place)
        found = apply(part, None if scores is None else np.take(scores, range(first, end), score_place), decided)
        return found.keypoints, found.scores

    fields = {"label": _text(path, others, "label"), "frame_size": options.frame_size} | _fps(path, others)
    yield from cut_dense(keypoints.shape[place], poses, decided.layout, options, name, **fields)


def _text(path: Path, arrays: Mapping[str, np.ndarray], key: str) -> str:
    value = arrays.get(key)
    if value is None:
        return ""
    if value.size != 1 or value.dtype.kind not in "iuU":
        raise FormatError(path, f"has {key} {value.dtype} {value.shape}; it must be one text or whole number")
    return str(value.reshape(-1)[0])


def _fps(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    value = arrays.get("fps")
    if value is None:
        return {}
    if value.size != 1 or value.dtype.kind not in "fiu" or not 0 <= value.reshape(-1)[0] <= MAX_FPS:
        raise FormatError(path, f"has fps {value.dtype} {value.shape}; it must be one number from 0 to {MAX_FPS:g}")
    fps = float(value.reshape(-1)[0])
    return {"fps": fps} if fps else {}
