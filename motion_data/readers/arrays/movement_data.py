"""Poses as movement and xarray have them: arrays whose axes have names, in a NetCDF file or in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...recording import Recording
from ..frames import rate_of_times
from ..pose_arrays import MAX_RATE, array_recordings
from ..registry import FormatError, ReadOptions

POSITION, SCORES = "position", "confidence"
TIME, SPACE, JOINTS, PEOPLE = "time", "space", "keypoints", "individuals"
_AXIS_ORDER = (PEOPLE, TIME, JOINTS, SPACE)


def is_movement(inputs: Any) -> bool:
    """Tell whether what is in memory is a dataset of xarray with poses; xarray is not imported here."""
    return hasattr(inputs, "data_vars") and hasattr(inputs, "coords") and POSITION in inputs.data_vars


def memory_movement(path: Path, dataset: Any, options: ReadOptions) -> Iterator[Recording]:
    """Read a dataset of xarray in memory as `movement_recordings` reads the file that it would be saved as."""
    content = {**dataset.attrs, **{str(name): np.asarray(values.values) for name, values in dataset.variables.items()}}
    dims = {str(name): [str(axis) for axis in values.dims] for name, values in dataset.variables.items()}
    return movement_recordings(path, content, dims, options)


def movement_recordings(
    path: Path, content: Mapping[str, Any], dims: Mapping[str, Sequence[str]], options: ReadOptions
) -> Iterator[Recording]:
    """Yield the recording of `position`, with or without people, in the picture or in 3D.

    Args:
        content: arrays by name, `position`, perhaps `confidence`, and the co-ordinates of their axes: `time` in
            seconds or frames, the names of `keypoints`, `space` x, y, perhaps z; and `fps`.
        dims: the names of the axes of `position` and `confidence`.

    Raises:
        FormatError: an axis is missing, or has no names; see `array_recordings`.
    """
    keypoints, axes = content[POSITION], list(dims[POSITION])
    if not {TIME, SPACE, JOINTS} <= set(axes) <= set(_AXIS_ORDER) or keypoints.ndim != len(axes):
        raise FormatError(path, f"has position of the axes {axes}; they must be {', '.join(_AXIS_ORDER)}")
    keypoints = _with_axes_in_order(keypoints, axes, _AXIS_ORDER)
    space = [str(axis) for axis in np.atleast_1d(content.get(SPACE, ["x", "y", "z"][: keypoints.shape[-1]])).tolist()]
    if space not in (["x", "y"], ["x", "y", "z"]):
        raise FormatError(path, f"has space {space}; it must be x, y or x, y, z")
    arrays: dict[str, np.ndarray] = {}
    if JOINTS in content:
        arrays["joint_names"] = np.asarray(content[JOINTS]).astype("U")
    scores = content.get(SCORES)
    if scores is not None and not np.isnan(scores).all():  # movement fills in what a source lacks
        arrays["scores"] = _with_axes_in_order(scores, list(dims[SCORES]), _AXIS_ORDER[:-1])
    arrays["fps"] = np.array(_rate_of_dataset(content, options))
    yield from array_recordings(path, keypoints, arrays, replace(options, coordinates="".join(space)))


def _with_axes_in_order(array: np.ndarray, axes: list[str], order: Sequence[str]) -> np.ndarray:
    return array.transpose([axes.index(axis) for axis in order if axis in axes])


def _rate_of_dataset(content: Mapping[str, Any], options: ReadOptions) -> float:
    """Return the rate that is stated, else that of the times, else 0."""
    stated = content.get("fps")
    if isinstance(stated, (int, float)) and 0 < stated <= MAX_RATE:
        return float(stated)
    times = np.asarray(content.get(TIME, ()))
    if content.get("time_unit", "seconds") != "seconds" or times.dtype.kind not in "fiu" or len(times) < 2:
        return options.fps
    return rate_of_times(range(len(times)), times.tolist(), TIME) or options.fps
