"""Reader of C3D files: markers of optical motion capture, or joints of markerless systems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .body_scale import metres_per_unit
from .c3d_container import C3D, is_c3d, open_c3d
from .joint_names import JointMap, map_joints, map_markers
from .registry import FormatError, ReadOptions, Recording, register_format
from .stretches import cut_stretches

METRES = {"mm": 1e-3, "cm": 1e-2, "dm": 0.1, "m": 1.0, "in": 0.0254}
SAMPLE_FRAMES = 100  # frames in which limbs are measured where there is no unit
DEFAULT_SCREEN = ("+X", "+Z")  # the convention of biomechanics: z is up


@register_format("c3d", "C3D motion capture (.c3d)", (".c3d",), is_c3d)
def read_c3d(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read markers, or joints, as COCO-17 in metres; `joint_names` says which stand for what.

    Labels of several subjects start with their names, as "Anna:LSHO"; each is a person. `POINT:UNITS` is the unit;
    without one `body_scale` finds it. `POINT:X_SCREEN` and `POINT:Y_SCREEN` are the axes that become x and y;
    without them, or if they are not two axes, z is up.

    Raises:
        FormatError: see `open_c3d`; the unit is unknown, or no subject has labels that are known.
    """
    content = open_c3d(path)
    people = _people(path, content, options.layout)
    layout = people[0].layout
    if any(person.layout != layout for person in people):
        raise FormatError(path, "has subjects with different skeletons; split it")
    axes = _axes(content.screen)
    step = -(-content.num_frames // SAMPLE_FRAMES)
    if content.units.lower() in METRES:
        scale = METRES[content.units.lower()]
    elif content.units:
        raise FormatError(path, f"has unit {content.units[:60]!r}; it must be one of {', '.join(METRES)}")
    else:
        sample = np.concatenate([content.points(first, first + 1) for first in range(0, content.num_frames, step)])
        scale = metres_per_unit(path, people[0](sample), layout)

    def poses(first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        points = content.points(first, end)
        keypoints = np.stack([person(points) for person in people]) @ axes.T * scale
        return keypoints, np.ones(keypoints.shape[:-1])

    fields = {"fps": round(content.fps, 3)} if content.fps else {}
    yield from cut_stretches(content.num_frames, poses, layout, options, **fields)


def _people(path: Path, content: C3D, layout: str | None) -> list[JointMap]:
    """Return how the points make each person; one is of `layout` where that is given."""
    labels = [*content.labels, *[""] * (content.num_points - len(content.labels))]
    if layout is not None:
        return [map_joints(path, labels, layout)]
    subjects: dict[str, list[str]] = {}
    for label in labels:
        subjects.setdefault(label.rpartition(":")[0], [])
    people = []
    for subject in subjects:
        own = [label.rpartition(":")[2] if label.rpartition(":")[0] == subject else "" for label in labels]
        person = map_markers(own)
        if person is not None:
            people.append(person)
    return people or [map_joints(path, labels)]


def _axes(screen: tuple[str, str]) -> np.ndarray:
    """Return the `[3, 3]` rotation that turns the file's axes to x right and y up."""
    names = [name.upper() for name in screen]
    if not all(re.fullmatch("[+-]?[XYZ]", name) for name in names) or names[0][-1] == names[1][-1]:
        names = list(DEFAULT_SCREEN)
    rows = np.zeros((3, 3))
    for row, name in enumerate(names):
        rows[row, "XYZ".index(name[-1])] = -1 if name.startswith("-") else 1
    rows[2] = np.cross(rows[0], rows[1])
    return rows
