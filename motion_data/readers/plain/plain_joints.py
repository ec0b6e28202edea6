"""The joints of somebody in plain data: rows of numbers, or objects with x and y, by name, by number or in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...interpret import x_first
from ...pose_results import joint_numbers
from ..data_fields import list_of, value_of
from ..detections import Detection
from ..frames import whole_number
from ..joint_names import joint_of
from ..json_files import brief, numbers
from ..registry import FormatError
from .plain_people import Person, flat_keypoints

LOWEST = -0.25  # of a score: the peak of a heat-map may be a little below 0
NOWHERE = [0.0, 0.0, 0.0]


def detection_of(
    path: Path,
    person: Person,
    place: tuple[str, int],
    track: int,
    names: list[str],
    coordinates: str | None = None,
) -> Detection:
    """Return somebody in (video, frame).

    Args:
        names: gets what the joints are called, or must be that already.
        coordinates: as in `ReadOptions`: whether rows of numbers have y first.
    """
    video, frame = place
    joints, scores = value_of(person.entry, "keypoints"), list_of(person.entry, "scores")
    where, found = f"keypoints in frame {frame}", None
    if isinstance(joints, dict) and (apart := flat_keypoints(joints)):
        joints, scores = apart["keypoints"], list_of(apart, "scores")
    if isinstance(joints, dict):
        joints = [
            joint | {"name": name} if isinstance(joint, dict) else [name, joint] for name, joint in joints.items()
        ]
    if isinstance(joints, list) and all(isinstance(joint, dict) or _is_pair(joint) for joint in joints):
        titles, joints = (
            zip(*(_named_joint(path, joint, where) for joint in joints), strict=True) if joints else ((), ())
        )
        joints, coordinates = [list(joint) for joint in joints], None  # they say which is x
        if found := [str(title) for title in titles if title is not None]:
            joints = _by_name(path, found, joints, names, where)
    if isinstance(joints, list) and None in joints:  # a joint that was not seen
        nowhere = [0.0] * next((len(joint) for joint in joints if isinstance(joint, list)), 2)
        joints = [nowhere if joint is None else joint for joint in joints]
    values = numbers(path, joints, where)
    if isinstance(scores, list) and all(isinstance(score, bool) for score in scores):  # whether they were seen
        scores = list(map(float, scores))
    marks = None if scores is None else numbers(path, scores, f"scores in frame {frame}")
    if values.ndim == 1:
        size = 3 if marks is None and len(values) % 3 == 0 else 2
        values = values.reshape(-1, size) if len(values) % size == 0 else values
    if values.ndim != 2 or values.shape[1] not in (2, 3):
        raise FormatError(path, f"{where} have shape {values.shape}; they must be x, y or x, y, score each")
    if marks is None and values.shape[1] == 3 and no_scores(values[:, 2]):
        raise FormatError(
            path, f"{where} have third values down to {values[:, 2].min():.4g}, which are no scores; write 3D as .npy"
        )
    values = x_first(values, coordinates or "")
    if marks is None:
        marks = values[:, 2] if values.shape[1] == 3 else np.ones(len(values))
    if marks.shape != (len(values),):
        raise FormatError(path, f"scores in frame {frame} have shape {marks.shape}; there are {len(values)} joints")
    values = np.column_stack((values[:, :2], marks))
    if (
        person.titles is None
        and not found
        and (places := joint_numbers(person.entry.get("labels"), len(values))) is not None
    ):
        values = np.array(_by_name(path, list(map(str, places)), values.tolist(), names, where))
    elif person.titles is not None and not found:
        values = np.array(_by_name(path, person.titles, values.tolist(), names, where))
    return Detection(frame, values, track, None, video)


def _by_name(path: Path, found: list[str], joints: list[list], names: list[str], where: str) -> list[list]:
    """Return joints in the order of `names`, which gets those that are new; what is not there is missing."""
    rows = dict(zip(found, joints, strict=False))
    if not len(rows) == len(joints) == len(found):
        raise FormatError(path, f"{where} have {len(joints)} joints and {len(rows)} names; each must have its own")
    names += [name for name in found if name not in names]
    return [rows.get(name, NOWHERE) for name in names]


def same_joints(found: list[Detection], names: list[str]) -> list[Detection]:
    """Return detections with a row for each of `names`: those that were read before a joint was first seen lack it."""
    return [
        seen._replace(joints=np.concatenate([seen.joints, [NOWHERE] * more]))
        if len(seen.joints) and (more := len(names) - len(seen.joints)) > 0
        else seen
        for seen in found
    ]


def by_number(found: list[Detection], names: list[str]) -> list[Detection]:
    """Return detections whose joints are in the order of their numbers, from 0, or from 1 where none lacks.

    A joint that nobody has is missing.
    """
    numbers = np.array(names, int)
    numbers = numbers - 1 if sorted(numbers) == list(range(1, len(numbers) + 1)) else numbers
    alike = []
    for seen in found:
        if len(seen.joints):
            joints = np.zeros((numbers.max() + 1, seen.joints.shape[1]))
            joints[numbers] = seen.joints
            alike.append(seen._replace(joints=joints))
    return alike


def _is_pair(joint: object) -> bool:
    """Tell whether a joint is its name and its coordinates."""
    return isinstance(joint, list) and len(joint) == 2 and isinstance(joint[0], str)


def point_of(joint: Mapping) -> object:
    """Return where the coordinates of a joint are."""
    names = ("position", "coordinates", "pos", "coords", "xy", "point", "location")
    return next((joint[name] for name in names if name in joint), joint)


def _named_joint(path: Path, joint: dict | list, where: str) -> tuple[object, Sequence]:
    """Return the name of a joint, None if it has none, and x, y, score."""
    if isinstance(joint, list):
        name, values = joint
        if not isinstance(values, (list, tuple, np.ndarray)) or len(values) not in (2, 3):
            raise FormatError(path, f"{where}: a joint is {brief(values)}; it must be x, y or x, y, score")
        return name, [*values, 1.0][:3]
    point = point_of(joint)
    if isinstance(point, (list, np.ndarray)) and len(point) in (2, 3):
        point = {"x": point[0], "y": point[1]}
    if not isinstance(point, dict) or "x" not in point or "y" not in point:
        raise FormatError(path, f"{where}: a joint is {brief(joint)}; it must have x and y")
    name = value_of(joint, "name")
    if name is joint.get("type") and whole_number(name) is None and not joint_of(str(name)):
        name = None  # the type of all joints, as "keypoint"
    return name, (point["x"], point["y"], value_of(joint, "score", 1.0))


def no_scores(values: np.ndarray) -> bool:
    """Tell third values of joints that are something else than a score."""
    return bool(((values < LOWEST) & (values != -1)).any())
