"""Joints by their names in plain data: of one person, of a person in all frames, and of all people of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..data_fields import are_texts, depth_of, value_of
from ..frames import whole_number
from ..joint_names import are_joint_names

_SEARCHED, _DEPTH = 40, 6  # fields of an object, and objects in objects, in which names of joints are looked for


def joint_titles(content: object, depth: int = 0) -> list[str] | None:
    """Return the names of joints that a file states for all people, whatever the list of them is called.

    They stand beside everything, in a header, or in the first frame or person.
    """
    if isinstance(content, Mapping):
        if titles := own_titles(content):
            return titles
        entries = list(islice(content.values(), _SEARCHED))
    else:
        entries = list(content[:1]) if isinstance(content, (list, tuple)) else []
    found = (joint_titles(entry, depth + 1) for entry in entries if isinstance(entry, (Mapping, list, tuple)))
    return next(filter(None, found), None) if depth < _DEPTH else None


def own_titles(entry: Mapping) -> list[str] | None:
    """Return the names of joints that stand in an object itself."""
    for value in islice(entry.values(), _SEARCHED):
        if isinstance(value, Mapping) and all(whole_number(key) is not None for key in value):  # names by number
            value = [value[key] for key in sorted(value, key=int)]
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = value.tolist()
        if are_texts(value) and are_joint_names(value):
            return [str(name) for name in value]
    return None


def joints_by_name(entry: Mapping) -> dict:
    """Return what of an object are joints by their names, each x, y, perhaps score, or an object with x and y."""
    joints = {name: place for name, place in entry.items() if isinstance(name, str) and _is_place(place)}
    return joints if are_joint_names(list(joints)) else {}


def _is_place(value: Any) -> bool:
    """Tell whether a value is where one joint is."""
    if isinstance(value, dict):
        return "x" in value and "y" in value
    return depth_of(value) == 1 and len(value) in (2, 3)


def trajectories(content: object) -> dict[str, Sequence]:
    """Return what of an object are joints by their names, each x, y, perhaps score, in all frames."""
    if not isinstance(content, Mapping):
        return {}
    places = {name: _trajectory(value) for name, value in content.items() if isinstance(name, str)}
    joints = {name: value for name, value in places.items() if depth_of(value) == 2}
    are_alike = len({len(places) for places in joints.values()}) == 1
    return joints if are_alike and are_joint_names(list(joints)) else {}


def _trajectory(value: object) -> Any:
    """Return x, y, perhaps score of all frames as rows, where they stand in lists of their own."""
    if not isinstance(value, Mapping) or not {"x", "y"} <= value.keys() or depth_of(value["x"]) != 1:
        return value
    lists = [value["x"], value["y"], *([marks] if depth_of(marks := value_of(value, "score")) == 1 else [])]
    return list(zip(*lists, strict=True)) if len({_length(one) for one in lists}) == 1 else value


def _length(value: object) -> int:
    """Return the length of a list or an array; -1 is of anything else."""
    return len(value) if isinstance(value, (list, tuple, np.ndarray)) else -1
