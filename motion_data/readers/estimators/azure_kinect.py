"""Reader of the JSON that Azure Kinect's body tracking writes (its sample `offline_processor`).

Joints have names and positions in the space of the depth camera: millimetres, x to the right of its picture, y down,
z away from the sensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..cutting import clean_joints, cut_recordings
from ..detections import Detection, gather
from ..frames import rate_of_times
from ..joint_names import map_joints
from ..json_files import as_list, as_mapping, frame_number, item, json_head, numbers, person_number, read_json
from ..registry import FormatError, ReadOptions, register_format

TO_CAMERA_SPACE = np.array([-1.0, -1.0, 1.0]) / 1000  # metres, y up and x to the left, as a Kinect v2 has them
_STAMP = "timestamp_usec"


def _is_azure_kinect(path: Path) -> bool:
    head = json_head(path)  # the names come last in files that are sorted by key
    return '"bodies"' in head and '"joint_positions"' in head


@register_format("azure-kinect", "bodies of Azure Kinect's body tracking (.json)", (".json",), _is_azure_kinect)
def read_azure_kinect(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the bodies as people in camera space, their joints as COCO-17 by their names.

    A frame is numbered by `frame_id`; the rate is that of the time stamps.

    Raises:
        FormatError: see `json_files` and `map_joints`; or positions that do not fit the names.
    """
    content = as_mapping(path, read_json(path), "the file")
    names = [str(name) for name in as_list(path, item(path, content, "joint_names", "the file"), "joint_names")]
    frames = [
        as_mapping(path, frame, "a frame")
        for frame in as_list(path, item(path, content, "frames", "the file"), "frames")
    ]
    joint_map = map_joints(path, names, options)
    fields = {"space": "camera"} | _fps(path, frames)
    for people in gather(path, _bodies(path, frames, len(names))).values():
        joints = joint_map(np.concatenate([people.keypoints, people.scores[..., None]], -1))
        people.keypoints, people.scores = clean_joints(joints[..., :3] * TO_CAMERA_SPACE, joints[..., 3])
        try:
            yield from cut_recordings(people, joint_map.layout, options, **fields)
        except FormatError:
            raise
        except ValueError as error:
            raise FormatError(path, str(error)) from error


def _bodies(path: Path, frames: list[Mapping], num_joints: int) -> Iterator[Detection]:
    for frame in frames:
        number = frame_number(path, item(path, frame, "frame_id", "a frame"))
        for entry in as_list(path, item(path, frame, "bodies", "a frame"), "bodies"):
            body = as_mapping(path, entry, "a body")
            joints = numbers(path, item(path, body, "joint_positions", "a body"), f"joint_positions in frame {number}")
            if joints.shape != (num_joints, 3):
                raise FormatError(
                    path, f"joint_positions in frame {number} have shape {joints.shape}; it must be {(num_joints, 3)}"
                )
            joints = np.concatenate([joints, np.ones((num_joints, 1))], 1)
            yield Detection(number, joints, person_number(path, body.get("body_id")))


def _fps(path: Path, frames: list[Mapping]) -> dict[str, float]:
    """Return the rate that the time stamps of frames tell, if they have some."""
    stamped = [frame for frame in frames if isinstance(frame.get(_STAMP), (int, float))]
    numbers = [frame_number(path, item(path, frame, "frame_id", "a frame")) for frame in stamped]
    fps = rate_of_times(numbers, [frame[_STAMP] for frame in stamped], _STAMP)
    return {"fps": fps} if fps else {}
