"""Forward kinematics: where the joints are, from how the bones turn. Vectorised over frames.

Files of bones state no unit and no axes: `body_scale` finds both, where options do not say them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ...body_scale import metres_per_unit
from ...interpret import choose_up_axis, up_rotation
from ...options import UNITS
from ...recording import Recording
from ..cutting import cut_dense
from ..joint_names import JointMap
from ..registry import FormatError, ReadOptions

AXES = "xyz"
SCALE_FRAMES = 100  # frames in which limbs are measured


def rotation(axes: Sequence[str], radians: np.ndarray) -> np.ndarray:
    """Return `[..., 3, 3]` matrices of turns about axes that turn along: `R(axes[0]) @ R(axes[1]) @ ...`.

    Turns about fixed axes, one after the other, are the same product in reverse order.

    Args:
        axes: N letters of "xyz", any number of times; none is no turn.
        radians: `[..., N]`.
    """
    with np.errstate(invalid="ignore"):
        cosines, sines = np.cos(radians), np.sin(radians)
    product = np.broadcast_to(np.eye(3), (*radians.shape[:-1], 3, 3))
    for turn, letter in enumerate(axes):
        axis = AXES.index(letter)
        before, after = (axis + 1) % 3, (axis + 2) % 3
        matrix = np.zeros((*radians.shape[:-1], 3, 3))
        matrix[..., axis, axis] = 1
        matrix[..., before, before] = matrix[..., after, after] = cosines[..., turn]
        matrix[..., after, before] = sines[..., turn]
        matrix[..., before, after] = -sines[..., turn]
        product = product @ matrix
    return product


def joint_positions(
    num_frames: int,
    parents: Sequence[int],
    offset_of: Callable[[int], np.ndarray],
    rotation_of: Callable[[int], np.ndarray],
    wanted: Iterable[int],
) -> np.ndarray:
    """Return `[F, J, 3]` positions; NaN where a joint is neither wanted nor above one that is.

    Args:
        num_frames: F.
        parents: the parent of each of the J joints, which comes before it; -1 for a root.
        offset_of: place of a joint as its parent sees it, `[3]` or `[F, 3]`.
        rotation_of: turn of a joint as its parent sees it, `[3, 3]` or `[F, 3, 3]`.
        wanted: joints to place.
    """
    needed, inner = set(), set()
    for joint in wanted:
        while joint >= 0 and joint not in needed:
            needed.add(joint)
            joint = parents[joint]
            inner.add(joint)
    positions = np.full((num_frames, len(parents), 3), np.nan)
    turns: dict[int, np.ndarray] = {}
    with np.errstate(invalid="ignore", over="ignore"):
        for joint in sorted(needed):
            parent = parents[joint]
            positions[:, joint] = offset_of(joint)
            if parent >= 0:
                positions[:, joint] = positions[:, parent] + (turns[parent] @ positions[:, joint, :, None])[..., 0]
            if joint in inner:
                turns[joint] = turns[parent] @ rotation_of(joint) if parent >= 0 else rotation_of(joint)
    return positions


def body_recordings(
    path: Path,
    num_frames: int,
    positions_of: Callable[[slice], np.ndarray],
    joint_map: JointMap,
    options: ReadOptions,
    **fields,
) -> Iterator[Recording]:
    """Yield the recordings of one body in metres, y up, of a file that states no unit and no axes.

    Args:
        positions_of: places `[F, J, 3]` of the file's joints in some of its frames, of which `joint_map` takes some.
        fields: further fields of `Recording`.

    Raises:
        FormatError: no limb tells the unit.
    """
    sample = joint_map(positions_of(slice(None, None, -(-num_frames // SCALE_FRAMES))))
    present = np.isfinite(sample).all(-1)
    scale = UNITS[options.units] if options.units else metres_per_unit(sample, present, joint_map.layout)
    if scale is None:
        raise FormatError(path, "has no unit, and no leg or arm whose length would tell it; give units")
    turn = up_rotation(choose_up_axis(sample, present, joint_map.layout, options)).T * scale

    def poses(first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        keypoints = joint_map(positions_of(slice(first, end)))[None] @ turn
        return keypoints, np.ones(keypoints.shape[:-1])

    yield from cut_dense(num_frames, poses, joint_map.layout, options, **fields)
