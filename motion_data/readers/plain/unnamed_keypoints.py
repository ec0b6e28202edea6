"""Key-points in fields whose names do not say so: told by their form, in JSON, pickles, `.npz` and `.mat` alike.

1. `x` and `y` of one shape, a number for each joint, are the coordinates; with a `z` beside them they are 3D.
2. The only field that has the form of key-points is them: numbers `[..., frames, joints, 2 to 4]`, or under one of the
   `LOOSE` names `[joints, 2 or 3]`, with `joint_names.MIN_JOINTS` joints at least; or `[frames, numbers]`, where names
   of joints stand beside it and each has two or three.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...notes import note
from ..data_fields import depth_of
from ..joint_names import MIN_JOINTS
from .named_joints import own_titles

LOOSE = ("points", "point", "xy", "coords", "coordinates", "positions", "kp", "pose", "body")
AXIS_NAMES = {"x": ("x", "X", "xs", "x_coords"), "y": ("y", "Y", "ys", "y_coords"), "z": ("z", "Z", "zs", "z_coords")}


def with_keypoints(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an object with the key-points in it as `keypoints`, an array; None if nothing in it must be them."""
    places = {axis: next((name for name in names if name in content), None) for axis, names in AXIS_NAMES.items()}
    if places["x"] and places["y"]:
        used = [name for name in places.values() if name]
        axes = [_as_array(content[name]) for name in used]
        if any(axis is None or axis.shape != axes[0].shape or axis.shape[-1] < MIN_JOINTS for axis in axes):
            return None
        return _renamed(content, used, np.stack(axes, -1))
    found = {name: array for name, value in content.items() if (array := _as_keypoints(name, value)) is not None}
    if not found and (titles := own_titles(content)):
        found = _by_titles(content, len(titles))
    return _renamed(content, list(found), next(iter(found.values()))) if len(found) == 1 else None


def noted_keypoints(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what `with_keypoints` does, and note which fields it took."""
    found = with_keypoints(content)
    if found is not None:
        taken = ", ".join(name for name in content if name not in found)
        note(f"key-points are taken from {taken}, by the form of the numbers")
    return found


def _renamed(content: Mapping[str, Any], used: list[str], keypoints: np.ndarray) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in used} | {"keypoints": keypoints}


def _as_array(value: Any) -> np.ndarray | None:
    """Return lists of numbers, or an array of them, as an array; None for anything else."""
    if not depth_of(value):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # of different lengths
        return None
    return array if array.ndim and array.dtype.kind in "fiu" else None


def _as_keypoints(name: str, value: Any) -> np.ndarray | None:
    depth = depth_of(value)
    if depth < 2 or depth == 2 and name not in LOOSE:
        return None
    array = _as_array(value)
    if array is None or array.ndim < 2 or array.shape[-2] < MIN_JOINTS:
        return None
    return array if array.shape[-1] in ((2, 3, 4) if array.ndim > 2 else (2, 3)) else None


def _by_titles(content: Mapping[str, Any], count: int) -> dict[str, np.ndarray]:
    """Return the fields that are `[frames, 2 or 3 numbers of each joint]`, as `[frames, count, 2 or 3]`."""
    arrays = {name: _as_array(value) for name, value in content.items() if depth_of(value) == 2}
    return {
        name: array.reshape(len(array), count, -1)
        for name, array in arrays.items()
        if array is not None and array.ndim == 2 and array.shape[1] in (2 * count, 3 * count)
    }
