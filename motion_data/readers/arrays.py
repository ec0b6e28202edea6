"""Readers of NumPy files: one array of key-points, or key-points with what belongs to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ..recording import Recording
from .array_files import array_names, map_array, read_arrays
from .cutting import cut_dense
from .joint_names import layout_of_count
from .registry import FormatError, ReadOptions, register_format

NPZ_KEYS = ("keypoints", "scores", "fps", "layout", "label")
MAX_FPS = 1e5
_DEFAULT_NAME = "arr_0"  # how NumPy names an array that was saved without a name


def _is_poses(path: Path) -> bool:
    try:
        _check_poses(path, map_array(path))
    except FormatError:
        return False
    return True


def _is_npz(path: Path) -> bool:
    names = array_names(path)
    return "keypoints" in names or names == [_DEFAULT_NAME]


@register_format("npy", "an array of key-points (.npy)", (".npy",), _is_poses)
def read_npy(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read an array `[F, K, C]` or `[M, F, K, C]`: pixels for C = 2, metres with y up for C = 3.

    A joint at the origin or with a coordinate that is not finite is missing. The layout is `options.layout`, or the
    only one with K joints.

    Raises:
        FormatError: it is no such array, its size is not the one of its header, or the layout cannot be told.
    """
    yield from _read_poses(path, map_array(path), {}, options)


@register_format("npz", "key-points with scores, fps, layout and label (.npz)", (".npz",), _is_npz)
def read_npz(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read `keypoints` as `read_npy` does (or the only array, if it has no name), and with them, if the file has them:

    `scores` `[F, K]` or `[M, F, K]`, 0 is missing; `fps`; `layout`, the name; `label`, text or a number.

    Raises:
        FormatError: see `read_npy`; or these contradict the key-points, or are something else.
    """
    arrays = read_arrays(path, NPZ_KEYS if "keypoints" in array_names(path) else (_DEFAULT_NAME,))
    keypoints = arrays.pop("keypoints", arrays.pop(_DEFAULT_NAME, None))
    if keypoints is None:
        raise FormatError(path, "has no 'keypoints'")
    yield from _read_poses(path, keypoints, arrays, options)


def _check_poses(path: Path, keypoints: np.ndarray) -> None:
    if keypoints.dtype.kind not in "fiu" or keypoints.ndim not in (3, 4) or keypoints.shape[-1] not in (2, 3):
        raise FormatError(
            path, f"has key-points {keypoints.dtype} {keypoints.shape}; [F, K, 2 or 3] or [M, F, K, 2 or 3] is needed"
        )
    if 0 in keypoints.shape:
        raise FormatError(path, f"has key-points {keypoints.shape}: none")


def _read_poses(
    path: Path, keypoints: np.ndarray, others: Mapping[str, np.ndarray], options: ReadOptions
) -> Iterator[Recording]:
    _check_poses(path, keypoints)
    scores = others.get("scores")
    if scores is not None and (scores.shape != keypoints.shape[:-1] or scores.dtype.kind not in "fiub"):
        raise FormatError(path, f"has scores {scores.dtype} {scores.shape}; {keypoints.shape[:-1]} numbers are needed")
    keypoints = keypoints.reshape(-1, *keypoints.shape[-3:])
    scores = None if scores is None else scores.reshape(keypoints.shape[:-1])
    layout = layout_of_count(path, keypoints.shape[2], _text(path, others, "layout") or options.layout)

    def poses(first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        segment = keypoints[:, first:end]
        return segment, (segment != 0).any(-1) if scores is None else scores[:, first:end]

    fields = {"label": _text(path, others, "label")} | _fps(path, others)
    yield from cut_dense(keypoints.shape[1], poses, layout, options, **fields)


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
