"""The recordings of an array of key-points and of what belongs to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ..interpret import apply, decide, stated_layout, unflattened
from ..layouts import layout_names
from ..recording import Recording
from .cutting import cut_dense
from .frame_actions import with_actions
from .joint_names import map_joints
from .registry import FormatError, ReadOptions

MAX_RATE = 1e5  # frames a second


def array_recordings(
    path: Path, keypoints: np.ndarray, others: Mapping[str, np.ndarray], options: ReadOptions, name: str = ""
) -> Iterator[Recording]:
    """Yield the recordings of an array and what belongs to it; see `read_npz`.

    Args:
        others: `scores`, `fps`, `layout`, `label` (one, or one for each frame), and `joint_names`, which decide where
            no layout is stated.

    Raises:
        FormatError: they contradict each other, or something that only an option can tell.
    """
    if "joint_names" in others and "layout" not in others:
        keypoints, others = named_joints_of(path, keypoints, others, options)
    scores = others.get("scores")
    try:
        stated = _text(path, others, "layout") or None
        if stated is not None and stated not in layout_names():
            raise ValueError(f"layout {stated!r} is unknown; it must be one of {', '.join(layout_names())}")
        keypoints = unflattened(keypoints, stated_layout(options, stated))
        if scores is not None and scores.dtype.kind not in "fiub":
            raise ValueError(f"has scores {scores.dtype} {scores.shape}; they must be numbers")
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

    length, label = keypoints.shape[place], others.get("label")
    by_frame = label is not None and label.shape == (length,) and length > 1 and label.dtype.kind in "iuU"
    told = "" if by_frame else _text(path, others, "label")
    fields = {"label": told, "frame_size": options.frame_size} | _fps(path, others)
    recordings = cut_dense(length, poses, decided.layout, options, name, **fields)
    if by_frame:
        recordings = with_actions(recordings, [(name, frame) for frame in range(length)], label.tolist())
    yield from recordings


def named_joints_of(
    path: Path, keypoints: np.ndarray, others: Mapping[str, np.ndarray], options: ReadOptions
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return key-points `[..., K, C]` of the layout that the names of joints make, and what belongs to them."""
    names, scores = others["joint_names"], others.get("scores")
    titles = [str(name).strip() for name in names.reshape(-1)]
    if names.dtype.kind != "U" or keypoints.ndim < 3 or keypoints.shape[-2] != len(titles):
        raise FormatError(
            path,
            f"has {names.size} joint_names ({names.dtype}), and keypoints of shape {keypoints.shape}; the axis before "
            "the last must have a joint for each",
        )
    joints = map_joints(path, titles, options)
    found = {**others, "layout": np.array(joints.layout)}
    if scores is not None and scores.shape[-1:] == (len(titles),):
        found["scores"] = joints.scores_of(scores)
    return joints(keypoints), found


def stated_units(path: Path, title: str, unit: str, known: Mapping[str, str], options: ReadOptions) -> str | None:
    """Return the unit that counts, one of `UNITS`: the file's, or the user's where it states none or is overridden.

    Args:
        title: what the file calls it, for the error.
        unit: as the file states it; "" is none.
        known: unit of each word, in small letters, that a file may state.

    Raises:
        FormatError: the file states another, and the user none.
    """
    unit = unit.lower()
    if unit and unit not in known and not options.units:
        must = "they must" if title.endswith("s") else "it must"
        raise FormatError(path, f"has {title} {unit[:60]!r}; {must} be one of {', '.join(known)}, or give units")
    return options.units if unit not in known or options.overrides("units") else known[unit]


def _text(path: Path, arrays: Mapping[str, np.ndarray], key: str) -> str:
    value = arrays.get(key)
    if value is None:
        return ""
    if value.size != 1 or value.dtype.kind not in "iuU":
        more = ", or one for each frame" if key == "label" else ""
        raise FormatError(path, f"has {key} {value.dtype} {value.shape}; it must be one text or whole number{more}")
    return str(value.reshape(-1)[0])


def _fps(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    value = arrays.get("fps")
    if value is None:
        return {}
    if value.size != 1 or value.dtype.kind not in "fiu" or not 0 <= value.reshape(-1)[0] <= MAX_RATE:
        raise FormatError(path, f"has fps {value.dtype} {value.shape}; it must be one number from 0 to {MAX_RATE:g}")
    fps = float(value.reshape(-1)[0])
    return {"fps": fps} if fps else {}
