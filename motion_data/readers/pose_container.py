"""Reader of the `.pose` container of sign language processing, which holds output of OpenPose or MediaPipe Holistic.

A header names the components (body, face, hands) and their points; the body has their places and confidences.
Own code rather than the `pose-format` library: that one brings FFmpeg along (35 MB) to read 100 lines' worth of
format, keeps the last header for all readers of a process, and reads only the first person of version 0.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..layouts import get_layout
from .joint_names import JointMap, map_joints
from .registry import FormatError, ReadOptions, Recording, register_format
from .tracks import Detections, cut_recordings

VERSIONS = (0.0, 0.1, 0.2)
MAX_FILE_BYTES = 2 * 2**30
MAX_FPS = 1e5
_OPENPOSE, _MEDIAPIPE = "openpose25", "mediapipe33"
# OpenPose and MediaPipe write the joints of these layouts, or some of them, under these names.
_BODIES = {"pose_keypoints_2d": _OPENPOSE, "POSE_LANDMARKS": _MEDIAPIPE}
_SPELLINGS = {"mouth_left": "left_mouth", "mouth_right": "right_mouth", "midhip": "mid_hip"}
_NOT_BODY = ("FACE", "HAND", "WORLD")


@dataclass
class Component:
    """A part of the body: its name, its points, and what a point has: dimensions like "XY" before the confidence."""

    name: str
    points: list[str]
    dimensions: int


@dataclass
class People:
    """The people of a file, D of them in all frames.

    Args:
        frames: `[D]` frame of each.
        ids: `[D]` number of each; -1 is none.
        xy: `[D, P, 2]` points of all components, pixels.
        confidence: `[D, P]`.
    """

    frames: np.ndarray
    ids: np.ndarray
    xy: np.ndarray
    confidence: np.ndarray


class _Reader:
    """Reads a file from its start; whatever is beyond its end is refused before it is allocated."""

    def __init__(self, path: Path, content: bytes):
        self.path, self.content, self.place = path, content, 0

    @property
    def left(self) -> int:
        return len(self.content) - self.place

    def numbers(self, layout: str) -> tuple:
        values = struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))
        return values

    def text(self) -> str:
        return self.take(self.numbers("H")[0]).decode("utf-8", "replace")

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise FormatError(self.path, f"is cut off: {size} bytes should be at byte {self.place}, {self.left} are")
        self.place += size
        return self.content[self.place - size : self.place]

    def floats(self, *shape: int) -> np.ndarray:
        return np.frombuffer(self.take(4 * int(np.prod(shape, dtype=object))), "<f4").reshape(shape)


def _is_pose(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except (OSError, ValueError):
        return False
    return len(head) == 4 and round(float(np.frombuffer(head, "<f4")[0]), 3) in VERSIONS


@register_format("pose", "the .pose container: OpenPose or MediaPipe Holistic", (".pose",), _is_pose)
def read_pose(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the body of each person; face and hands are left out.

    The body of OpenPose is layout openpose25, that of MediaPipe mediapipe33, where joints that the file was reduced
    by are missing; other bodies are COCO-17 (`joint_names`). Confidence is the score. Only version 0.0 has ids of
    people, and -1 for none; otherwise people are linked over time.

    Raises:
        FormatError: the file is cut off, its counts contradict each other, or it has no body that is known.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FormatError(path, f"has {size} bytes; files of at most {MAX_FILE_BYTES} are read")
        reader = _Reader(path, path.read_bytes())
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error.strerror})") from error
    version, width, height, _, num_components = reader.numbers("fHHHH")
    version = round(version, 3)
    if version not in VERSIONS:
        raise FormatError(path, f"is of version {version}; {', '.join(map(str, VERSIONS))} are read")
    components = [_read_component(reader) for _ in range(num_components)]
    joint_map, first_point = _body(path, components, options.layout)
    fps, num_frames = reader.numbers("HH" if version < 0.2 else "fI")
    if not 0 <= fps <= MAX_FPS or not num_frames:
        raise FormatError(path, f"has {num_frames} frames at {fps} a second")
    if version == 0:
        people = _read_people(reader, components, num_frames)
    else:
        num_frames, people = _read_block(reader, components, num_frames, version)
    body = slice(first_point, first_point + max(joint_map.points) + 1)
    with np.errstate(invalid="ignore", over="ignore"):
        joints = joint_map(np.concatenate([people.xy, people.confidence[..., None]], -1)[:, body])
        is_seen = np.isfinite(joints).all(-1) & (joints[..., 2] > 0)
    detections = Detections(
        frames=people.frames,
        people=people.ids,
        keypoints=np.where(is_seen[..., None], joints[..., :2], 0).astype(np.float32),
        scores=np.where(is_seen, joints[..., 2].clip(0, 1), 0).astype(np.float32),
        num_frames=num_frames,
    )
    fields = {"frame_size": (width, height) if width and height else options.frame_size, "fps": fps or options.fps}
    try:
        yield from cut_recordings(detections, joint_map.layout, options, **fields)
    except ValueError as error:
        raise FormatError(path, str(error)) from error


def _read_component(reader: _Reader) -> Component:
    name, shape = reader.text(), reader.text()
    num_points, num_limbs, num_colors = reader.numbers("HHH")
    points = [reader.text() for _ in range(num_points)]
    reader.take(4 * num_limbs + 6 * num_colors)
    if not shape.startswith("XY") or not shape.endswith("C") or len(shape) > 4:
        raise FormatError(reader.path, f"component {name[:60]!r} has points {shape[:60]!r}; they must be XYC or XYZC")
    return Component(name, points, len(shape) - 1)


def _body(path: Path, components: list[Component], layout: str | None) -> tuple[JointMap, int]:
    """Return how the points of the body make a layout, and the first of them among those of all components."""
    first = 0
    for component in components:
        if component.points and not any(part in component.name.upper() for part in _NOT_BODY):
            known = _BODIES.get(component.name)
            if known and layout in (None, known):
                return _known_body(path, component, known), first
            return map_joints(path, component.points, layout), first
        first += len(component.points)
    raise FormatError(path, f"has no body among its components {', '.join(c.name for c in components)[:200]!r}")


def _known_body(path: Path, component: Component, layout: str) -> JointMap:
    places = {}
    for place, point in enumerate(component.points):
        if layout == _OPENPOSE and point[:1] in ("L", "R"):
            point = {"L": "left_", "R": "right_"}[point[0]] + "_".join(_toe_words(point[1:]))
        places[_SPELLINGS.get(point.lower(), point.lower())] = place
    joints = get_layout(layout).joints
    if not set(places) <= set(joints):
        unknown = ", ".join(sorted(set(places) - set(joints)))
        raise FormatError(path, f"component {component.name!r} has joints that {layout} has not: {unknown[:200]}")
    return JointMap(layout, tuple((places.get(joint, -1),) * 2 for joint in joints))


def _toe_words(point: str) -> list[str]:
    return [point.removesuffix("Toe"), "Toe"] if point in ("BigToe", "SmallToe") else [point]


def _read_people(reader: _Reader, components: list[Component], num_frames: int) -> People:
    """Read version 0.0: frame by frame and person by person, each component with its confidences."""
    width = sum(len(component.points) * (component.dimensions + 1) for component in components)
    frames, ids, values = [], [], []
    for frame in range(num_frames):
        for _ in range(reader.numbers("H")[0]):
            ids.append(reader.numbers("h")[0])
            values.append(reader.floats(width))
            frames.append(frame)
    if reader.left:
        raise FormatError(reader.path, f"goes on for {reader.left} bytes after its {num_frames} frames")
    table = np.stack(values) if values else np.zeros((0, width), np.float32)
    xy, confidence, first = [], [], 0
    for component in components:
        end = first + len(component.points) * (component.dimensions + 1)
        points = table[:, first:end].reshape(len(table), len(component.points), component.dimensions + 1)
        xy.append(points[..., :2])
        confidence.append(points[..., -1])
        first = end
    ids = np.maximum(np.array(ids, np.int64), -1)
    return People(np.array(frames, np.int64), ids, np.concatenate(xy, 1), np.concatenate(confidence, 1))


def _read_block(reader: _Reader, components: list[Component], num_frames: int, version: float) -> tuple[int, People]:
    """Read versions 0.1 and 0.2: all places and then all confidences; return the number of frames too.

    Version 0.1 has 16 bits for the number of frames, so that of a longer file follows from its size.
    """
    (num_people,) = reader.numbers("H")
    num_points = sum(len(component.points) for component in components)
    dimensions = max(component.dimensions for component in components)
    frame_bytes = 4 * num_people * num_points * (dimensions + 1)
    there = reader.left // frame_bytes if frame_bytes else 0
    if not there or reader.left % frame_bytes or (there % 2**16 if version < 0.2 else there) != num_frames:
        raise FormatError(
            reader.path, f"should have {num_frames} frames of {num_people} people, and has {reader.left} bytes of them"
        )
    xyz = reader.floats(there * num_people, num_points, dimensions)
    confidence = reader.floats(there * num_people, num_points)
    frames = np.repeat(np.arange(there), num_people)
    ids = np.full(len(frames), 0 if num_people == 1 else -1, np.int64)
    return there, People(frames, ids, xyz[..., :2], confidence)
