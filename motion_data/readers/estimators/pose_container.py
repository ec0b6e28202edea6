"""Reader of the `.pose` container of sign language processing, which holds output of OpenPose or MediaPipe Holistic.

A header names the components (body, face, hands) and their points; the body has their places and confidences. The
library pose-format (`pip install mofm[pose]`) opens it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...interpret import is_beyond
from ...layouts import get_layout, standard_name
from ...recording import Recording
from ..cutting import cut_recordings
from ..detections import Detections
from ..joint_names import JointMap, map_joints
from ..registry import MAX_FILE_BYTES, FormatError, ReadOptions, file_head, register_format

VERSIONS = (0.0, 0.1, 0.2)
MAX_FPS = 1e5
_OPENPOSE, _MEDIAPIPE = "openpose25", "mediapipe33"
# OpenPose and MediaPipe write the joints of these layouts, or some of them, under these names.
_BODIES = {"pose_keypoints_2d": _OPENPOSE, "POSE_LANDMARKS": _MEDIAPIPE}
_SPELLINGS = {"midhip": "mid_hip"}
_NOT_BODY = ("FACE", "HAND", "WORLD")
# What damaged files make the library raise.
_BROKEN = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError, TypeError),
    *(ValueError, struct.error),
)


def _is_pose(path: Path) -> bool:
    head = file_head(path, 4)
    return len(head) == 4 and round(float(np.frombuffer(head, "<f4")[0]), 3) in VERSIONS


@register_format("pose", "the .pose container: OpenPose or MediaPipe Holistic", (".pose",), _is_pose)
def read_pose(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the body of each person; face and hands are left out.

    The body of OpenPose is layout openpose25, that of MediaPipe mediapipe33, where joints that the file was reduced
    by are missing; other bodies are COCO-17 (`joint_names`). Confidence is the score. Only version 0.0 has ids of
    people, and -1 for none; otherwise people are linked over time.

    Raises:
        FormatError: the file is damaged, or it has no body that is known.
        ImportError: pose-format is not installed.
    """
    header, detections, fps = _open(path)
    joint_map, first_point = _body(path, header.components, options)
    body = slice(first_point, first_point + max(joint_map.points) + 1)
    with np.errstate(invalid="ignore", over="ignore"):
        joints = joint_map(np.concatenate([detections.keypoints, detections.scores[..., None]], -1)[:, body])
        present = np.isfinite(joints).all(-1) & (joints[..., 2] > 0) & ~is_beyond(joints[..., :2])
    detections.keypoints = np.where(present[..., None], joints[..., :2], 0).astype(np.float32)
    detections.scores = np.where(present, joints[..., 2].clip(0, 1), 0).astype(np.float32)
    fields = {"frame_size": (header.dimensions.width, header.dimensions.height), "fps": fps}
    try:
        yield from cut_recordings(detections, joint_map.layout, options, **fields)
    except ValueError as error:
        raise FormatError(path, str(error)) from error


def _open(path: Path) -> tuple[object, Detections, float]:
    """Return the header, everybody with the points of all components, and frames per second."""
    try:
        from pose_format.numpy import NumPyPoseBody
        from pose_format.pose_header import PoseHeader
        from pose_format.utils.reader import BufferReader, ConstStructs
    except ImportError as error:
        raise ImportError(".pose files need pose-format, which is not installed: pip install 'mofm[pose]'") from error
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FormatError(path, f"has {size} bytes; files of at most {MAX_FILE_BYTES} are read")
        reader = BufferReader(path.read_bytes())
        header = PoseHeader.read(reader)
        for part in header.components:
            if not part.format.startswith("XY") or not part.format.endswith("C"):
                raise FormatError(path, f"has points {part.format[:60]!r}; they must be XYC or XYZC")
        if round(header.version, 3) == 0:  # the library reads the first person of this version only
            fps, num_frames = reader.unpack(ConstStructs.double_ushort)
            detections = _read_everybody(reader, header, num_frames)
        else:
            body = NumPyPoseBody.read(header, reader)
            fps, (num_frames, num_people, num_points, _) = body.fps, body.data.shape
            count = num_frames * num_people
            if not count:
                raise FormatError(path, f"is damaged: it has {num_frames} frames of {num_people} people")
            detections = Detections(
                frames=np.repeat(np.arange(num_frames), num_people),
                people=np.full(count, 0 if num_people == 1 else -1, np.int64),
                keypoints=body.data.data.reshape(count, num_points, -1)[..., :2],
                scores=body.confidence.reshape(count, num_points),
                num_frames=num_frames,
            )
        if reader.bytes_left():
            raise FormatError(path, f"goes on for {reader.bytes_left()} bytes after its {num_frames} frames")
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error.strerror})") from error
    except FormatError:
        raise
    except _BROKEN as error:
        raise FormatError(path, f"is damaged, or no .pose container ({error})") from error
    if not 0 <= fps <= MAX_FPS or not len(detections.frames):
        raise FormatError(path, f"has {num_frames} frames at {fps} a second")
    return header, detections, float(fps)


def _read_everybody(reader: object, header: object, num_frames: int) -> Detections:
    """Read the people of version 0.0: frame by frame and person by person, each component with its confidences."""
    from pose_format.utils.reader import ConstStructs

    frames, ids, xy, confidence = [], [], [], []
    for frame in range(num_frames):
        for _ in range(reader.unpack(ConstStructs.ushort)):
            frames.append(frame)
            ids.append(reader.unpack(ConstStructs.short))
            parts = [
                reader.unpack_numpy(ConstStructs.float, (len(part.points), len(part.format)))
                for part in header.components
            ]
            xy.append(np.concatenate([part[:, :2] for part in parts]))
            confidence.append(np.concatenate([part[:, -1] for part in parts]))
    ids = np.maximum(np.array(ids, np.int64), -1)
    return Detections(np.array(frames, np.int64), ids, np.array(xy), np.array(confidence), num_frames=num_frames)


def _body(path: Path, components: list, options: ReadOptions) -> tuple[JointMap, int]:
    """Return how the points of the body make a layout, and the first of them among those of all components."""
    first = 0
    for component in components:
        if component.points and not any(part in component.name.upper() for part in _NOT_BODY):
            known = _BODIES.get(component.name)
            if known and not options.overrides("layout"):
                return _known_body(path, component, known), first
            return map_joints(path, component.points, options), first
        first += len(component.points)
    raise FormatError(path, f"has no body among its components {', '.join(c.name for c in components)[:200]!r}")


def _known_body(path: Path, component: object, layout: str) -> JointMap:
    places = {}
    for place, point in enumerate(component.points):
        if layout == _OPENPOSE and point[:1] in ("L", "R"):
            point = {"L": "left_", "R": "right_"}[point[0]] + "_".join(_toe_words(point[1:]))
        places[_SPELLINGS.get(point.lower(), standard_name(point.lower()))] = place
    joints = get_layout(layout).joints
    if not set(places) <= set(joints):
        unknown = ", ".join(sorted(set(places) - set(joints)))
        raise FormatError(path, f"component {component.name!r} has joints that {layout} has not: {unknown[:200]}")
    return JointMap(layout, tuple((places.get(joint, -1),) * 2 for joint in joints))


def _toe_words(point: str) -> list[str]:
    return [point.removesuffix("Toe"), "Toe"] if point in ("BigToe", "SmallToe") else [point]
