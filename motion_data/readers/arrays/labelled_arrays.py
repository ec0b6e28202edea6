"""Reader of whole data sets in arrays: `X` and `y` of one's own, and what CTR-GCN makes of NTU RGB+D."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...layouts import get_layout
from ...recording import Recording
from ..array_files import array_shapes, map_member
from ..data_fields import SET_LABELS, SET_MOTIONS, label_text
from ..joint_names import MIN_JOINTS
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions, register_format
from .gcn_arrays import GCN_SPLITS
from .named_arrays import KINDS

MAX_PEOPLE = 8
_FLAT = 3  # axes of CTR-GCN's arrays, whose last has the numbers of all joints
_SHARED = ("fps", "layout", "joint_names")


def pairs_of(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[str, str]]:
    """Return the names of the motions and the labels of each split, "" of all, of a file's arrays."""
    found = {}
    for split in ("", *GCN_SPLITS):
        names = [
            next((name for known in kinds if (name := f"{known}_{split}".strip("_")) in shapes), "")
            for kinds in (SET_MOTIONS, SET_LABELS)
        ]
        if all(names) and _fit(shapes[names[0]], shapes[names[1]], bool(split)):
            found[split] = (names[0], names[1])
    return found


def _fit(motions: tuple[int, ...], labels: tuple[int, ...], is_split: bool) -> bool:
    """Tell whether arrays may be motions, and a label or a 1 among classes for each of them."""
    if is_split:  # no other file has such names: reading says what is wrong
        return True
    joints = len(motions) > _FLAT and motions[-1] in (2, 3, 4) and motions[-2] >= MIN_JOINTS
    return joints and len(labels) == 1 and labels[0] == motions[0]


def _is_array_set(path: Path) -> bool:
    return bool(pairs_of(array_shapes(path)))


@register_format("array-set", "data sets in arrays, X and y, or NTU60_CS.npz (.npz)", (".npz",), _is_array_set)
def read_array_set(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read `X`, `[N, F, K, C]` or `[N, M, F, K, C]`, whose recordings are read as `npz` files are, and `y`, `[N]`.

    `X_train` and `y_train`, `X_test` and `y_test` (or `x_val`) are those of a split. In CTR-GCN's files `x_train` is
    `[N, F, numbers]`: x, y, z of the joints of one person after the other, in metres, of ntu25 or `options.layout`;
    people who are 0 throughout are left out, and `y_train` may be `[N, classes]` with a 1 each. What is 0 at the end
    of a recording is left out.

    Raises:
        FormatError: the arrays are of other shapes; see `array_recordings`.
    """
    shapes = array_shapes(path)
    yield from labelled_recordings(path, shapes, lambda name: map_member(path, name), options)


def labelled_recordings(
    path: Path, shapes: Mapping[str, tuple[int, ...]], load: Callable[[str], np.ndarray], options: ReadOptions
) -> Iterator[Recording]:
    """Yield the recordings of arrays by name; see `read_array_set`.

    Args:
        shapes: of all arrays.
        load: returns one of them.
    """
    pairs = pairs_of(shapes)
    if not pairs:
        held = ", ".join(shapes)[:200] or "no arrays"
        raise FormatError(path, f"holds {held}; it must hold X and y, or x_train and y_train")
    shared = {kind: load(name) for kind in _SHARED for name in KINDS[kind] if name in shapes}
    for split, (of_motions, of_labels) in pairs.items():
        motions, labels = load(of_motions), load(of_labels)
        if labels.ndim not in (1, 2) or len(labels) != len(motions) or motions.ndim < _FLAT:
            raise FormatError(
                path,
                f"has {of_motions} {motions.shape} and {of_labels} {labels.shape}; they must be [recordings, frames, "
                "joints, 2 to 4], and [recordings] or [recordings, classes]",
            )
        for number, motion in enumerate(motions):
            if not motion.any():
                continue
            label = labels[number].argmax() if labels.ndim == 2 else labels[number]
            told, read = _unflattened(path, motion, options) if motions.ndim == _FLAT else (motion, options)
            for one in array_recordings(path, told, shared, read, name=f"{split}_{number:06d}".strip("_")):
                yield replace(one, label=label_text(label), split=GCN_SPLITS.get(split, ""))


def _unflattened(path: Path, motion: np.ndarray, options: ReadOptions) -> tuple[np.ndarray, ReadOptions]:
    """Return CTR-GCN's `[F, numbers]` as `[F, M, K, 3]` of the people who are there, and how it is read."""
    layout = options.layout or "ntu25"
    joints = get_layout(layout).num_joints
    people, rest = divmod(motion.shape[-1], 3 * joints)
    if rest or not 0 < people <= MAX_PEOPLE:
        raise FormatError(
            path, f"has {motion.shape[-1]} numbers a frame; layout {layout!r} needs {3 * joints} for each person"
        )
    poses = motion.reshape(len(motion), people, joints, 3)
    return poses[:, poses.any((0, 2, 3))], replace(options, axes="FMKC", coordinates="xyz", layout=layout)
