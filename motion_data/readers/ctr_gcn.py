"""Reader of the arrays of whole data sets that CTR-GCN makes of NTU RGB+D, and others after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..layouts import get_layout
from ..recording import Recording
from .array_files import array_names, map_member
from .gcn_arrays import GCN_SPLITS
from .pose_arrays import array_recordings
from .registry import FormatError, ReadOptions, register_format

MAX_PEOPLE = 8


def _splits_of(path: Path) -> list[str]:
    names = set(array_names(path))
    return [split for split in GCN_SPLITS if {f"x_{split}", f"y_{split}"} <= names]


def _is_ctr_gcn(path: Path) -> bool:
    return bool(_splits_of(path))


@register_format("ctr-gcn", "data sets of CTR-GCN, NTU60_CS.npz and the like (.npz)", (".npz",), _is_ctr_gcn)
def read_ctr_gcn(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read `x_train` and `x_test`, `[N, F, numbers]`: x, y, z of the joints of one person after the other, in metres.

    `y_train` and `y_test` are labels, `[N]` or `[N, classes]` with a 1 each; the split is that of the names. Joints
    are ntu25, or those of `options.layout`. People who are 0 throughout, and frames at the end, are left out.

    Raises:
        FormatError: the arrays are of other shapes; see `array_recordings`.
    """
    splits = _splits_of(path)
    if not splits:
        raise FormatError(
            path, f"holds {', '.join(array_names(path))[:200] or 'no arrays'}; it must hold x_train and y_train"
        )
    layout = options.layout or "ntu25"
    read = replace(options, axes="FMKC", coordinates="xyz", layout=layout)
    for split in splits:
        motions, labels = map_member(path, f"x_{split}"), map_member(path, f"y_{split}")
        joints = get_layout(layout).num_joints
        people, rest = divmod(motions.shape[-1], 3 * joints) if motions.ndim == 3 else (0, 1)
        if rest or not 0 < people <= MAX_PEOPLE or len(labels) != len(motions) or labels.ndim > 2:
            raise FormatError(
                path,
                f"has x_{split} {motions.shape} and y_{split} {labels.shape}; they must be [recordings, frames, "
                f"people * {3 * joints}] for layout {layout!r}, and [recordings] or [recordings, classes]",
            )
        for number, motion in enumerate(motions):
            if not motion.any():
                continue
            label = labels[number].argmax() if labels.ndim == 2 else labels[number]
            poses = motion.reshape(len(motion), people, joints, 3)
            poses = poses[:, poses.any((0, 2, 3))]
            for one in array_recordings(path, poses, {}, read, name=f"{split}_{number}"):
                yield replace(one, label=str(int(label)), split=GCN_SPLITS[split])
