"""Reader of C3D files: markers of optical motion capture, or joints of markerless systems. ezc3d opens them.

ezc3d ends the process on some damaged files, so that it runs in one of its own (`c3d_worker.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...body_scale import metres_per_unit
from ...interpret import up_rotation
from ...options import UNITS
from ...recording import Recording
from ..cutting import cut_dense
from ..joint_names import subjects_of
from ..registry import FormatError, ReadOptions, file_head, register_format
from ..worker_process import read_by_worker

WORKER = Path(__file__).with_name("c3d_worker.py")
POINTS_KEY = 0x50  # the second byte of a file of points
METRES = {"mm": 1e-3, "cm": 1e-2, "dm": 0.1, "m": 1.0, "in": 0.0254}
SAMPLE_FRAMES = 100  # frames in which limbs are measured where there is no unit
DEFAULT_SCREEN = ("+X", "+Z")  # the convention of biomechanics: z is up
MAX_FPS = 1e5
MAX_FRAME = 65535  # that a header can number


@dataclass
class Markers:
    """What a file holds.

    Args:
        labels: names of the P points; fewer where some have none.
        unit: of the coordinates, as written; "" if the file does not tell.
        screen: names of the axes that point right and up on a screen, as "+X", "+Z"; "" if the file does not tell.
        fps: frames per second; 0 is unknown.
        points: `[F, P, 3]`; NaN where one was not measured.
    """

    labels: list[str]
    unit: str
    screen: tuple[str, str]
    fps: float
    points: np.ndarray


def is_c3d(path: Path) -> bool:
    """Return whether a file starts as C3D does; never raises."""
    head = file_head(path, 2)
    return len(head) == 2 and head[1] == POINTS_KEY


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
    labels = [*content.labels, *[""] * (content.points.shape[1] - len(content.labels))]
    people = subjects_of(path, labels, options)
    layout = people[0].layout
    axes = _axes(content.screen)
    if options.up_axis and (content.screen == ("", "") or options.overrides("up_axis")):
        axes = up_rotation(options.up_axis)
    unit = content.unit.lower()
    if options.units and (unit not in METRES or options.overrides("units")):
        scale = UNITS[options.units]
    elif unit in METRES:
        scale = METRES[unit]
    elif unit:
        raise FormatError(path, f"has unit {unit[:60]!r}; it must be one of {', '.join(METRES)}, or give units")
    else:
        step = -(-len(content.points) // SAMPLE_FRAMES)
        sample = people[0](content.points[::step])
        scale = metres_per_unit(sample, np.isfinite(sample).all(-1), layout)
        if scale is None:
            raise FormatError(path, "has no unit, and no leg or arm whose length would tell it; give units")

    def poses(first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        points = content.points[first:end]
        keypoints = np.stack([person(points) for person in people]) @ axes.T * scale
        return keypoints, np.ones(keypoints.shape[:-1])

    fields = {"fps": round(content.fps, 3)} if content.fps else {}
    yield from cut_dense(len(content.points), poses, layout, options, **fields)


def open_c3d(path: Path) -> Markers:
    """Open a C3D file.

    Raises:
        FormatError: it is no C3D file, or a damaged one.
        ImportError: ezc3d is not installed.
    """
    if not is_c3d(path):
        raise FormatError(path, "is no C3D file")
    content = read_by_worker(path, WORKER, "ezc3d", "C3D", "c3d")
    points, rate = content["points"], float(content["rate"])
    if 0 in points.shape:
        raise FormatError(path, f"has {points.shape[0]} frames of {points.shape[1]} points; there must be some")
    _check_counts(path, points.shape, int(content["num_analog"]))
    return Markers(
        labels=content["labels"].tolist(),
        unit=str(content["unit"]),
        screen=tuple(content["screen"].tolist()),
        fps=rate if 0 < rate <= MAX_FPS else 0.0,
        points=points,
    )


def _check_counts(path: Path, shape: tuple[int, ...], num_analog: int) -> None:
    """Refuse a file whose header contradicts what ezc3d reads: it ends early, or is read with the wrong step."""
    with path.open("rb") as file:
        header = np.frombuffer(file.read(10), "<u2").astype(int)
    num_frames, num_points = shape[:2]
    stated = header[4] - header[3] + 1
    has_frames = num_frames == stated or header[4] == MAX_FRAME  # longer recordings say it in their parameters
    if not has_frames or num_points % 2**16 != header[1] or num_analog != header[2]:
        raise FormatError(
            path,
            f"should have {stated} frames of {header[1]} points and {header[2]} analog values; {num_frames} frames of "
            f"{num_points} points and {num_analog} values can be read: it is cut off or damaged",
        )


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
