"""What pose estimators hand over in Python for one picture: whose result it is, and who is in it.

Libraries are told by the names of their fields, and none of them is imported:

- ultralytics: a `Results` with `keypoints`, `boxes` (with `id` where people were tracked) and `orig_shape`, or its
  `keypoints` alone;
- MediaPipe: the result of a `PoseLandmarker`, or that of its older `Pose`, or the landmarks in either, which are
  fractions of the picture;
- OpenPose: a `Datum` with `poseKeypoints`;
- MMPose: a `PoseDataSample` with `pred_instances`, or what the inferencer yields, a dict with `predictions`;
- Detectron2: `Instances` with `pred_keypoints` and `image_size`, or the dict of the predictor that holds them;
- Keypoint R-CNN of torchvision: a dict with `keypoints`, `keypoints_scores`, `boxes` and `scores`;
- supervision: `KeyPoints` with `xy` and `confidence`;
- rtmlib: a pair of arrays, key-points `[M, K, 2]` and scores `[M, K]`;
- ViTPose in transformers, TensorFlow.js and others: a list with a dict for each person, `keypoints` `[K, 2 or 3]` or
  points with x and y, and perhaps `scores` (or `keypoint_scores`) `[K]` and `track_id` (or `id`); or such a list in a
  list. `labels` are the numbers of the joints, some of which ViTPose leaves out where it is given a threshold; what
  joints are called, in points or beside them, counts and not their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .interpret import as_numbers
from .notes import note

_MARKS = ("scores", "keypoint_scores", "score", "confidence", "visibility")
_IDS = ("track_id", "id")
_NAMES = ("name", "part", "joint", "label", "class", "class_name")  # of a point
_TITLES = ("joint_names", "keypoint_names", "names", "labels")  # of all of them
# of results that are objects: of ultralytics, MMPose, supervision, ultralytics' key-points, OpenPose
_FIELDS = (
    ("keypoints", "orig_shape"),
    ("pred_instances",),
    ("xy", "confidence"),
    ("xy", "conf", "data"),
    ("poseKeypoints",),
)
MOST_JOINTS = 1000
SURE_PERSON = 0.5  # people of Keypoint R-CNN, which hands over a hundred boxes a picture, have a higher score


class SeenPerson(NamedTuple):
    """Somebody in a picture: joints `[K, 2]`, or `[K, 3]` with the score last; the track id, None if there is none."""

    joints: np.ndarray
    track: object = None


def is_result(frame: object) -> bool:
    """Tell whether an object is the result of a pose estimator for one picture, people in it or not."""
    if _detectron(frame) is not None or is_in_fractions(frame):
        return True
    if isinstance(frame, Mapping):
        return _predictions(frame) is not None or _is_rcnn(frame)
    if isinstance(frame, (list, tuple)):
        return is_people(_unnested(frame)) or is_pair(frame)
    return any(all(hasattr(frame, name) for name in names) for names in _FIELDS)


def is_people(frame: object) -> bool:
    """Tell whether a frame is a list with a dict for each person."""
    return (
        isinstance(frame, (list, tuple))
        and len(frame) > 0
        and all(isinstance(person, Mapping) and "keypoints" in person for person in frame)
        and all(_is_body(person["keypoints"]) for person in frame)
    )


def are_numbered(frame: object) -> bool:
    """Tell whether each person of a frame has a number for each joint, so that some may be left out."""
    people = _unnested(frame) if isinstance(frame, (list, tuple)) else ()
    labelled = all(isinstance(person, Mapping) and "labels" in person for person in people)
    return labelled and is_people(people) and all(_numbers_of(person) is not None for person in people)


def joint_numbers(labels: object, count: int) -> np.ndarray | None:
    """Return the numbers of `count` joints, such as ViTPose has as `labels`; None if they are anything else."""
    if labels is None or not hasattr(labels, "__len__") or len(labels) != count:
        return None
    try:
        numbers = as_numbers("labels", labels)
    except ValueError:  # they are names
        return None
    whole = numbers.ndim == 1 and ((numbers == numbers.round()) & (numbers >= 0) & (numbers <= MOST_JOINTS)).all()
    return numbers.astype(np.int64) if whole else None


def named_joints(frame: object) -> list[str]:
    """Return what the joints of the first person are called, in points or beside their key-points; [] is nothing."""
    people = _predictions(frame) if isinstance(frame, Mapping) else None
    people = _unnested(frame) if isinstance(frame, (list, tuple)) else people
    person = people[0] if people else None
    if not isinstance(person, Mapping) or "keypoints" not in person:
        return []
    points = person["keypoints"]
    if _is_points(points):
        names = [_first(point, _NAMES) for point in points]
    else:
        names = next((list(person[title]) for title in _TITLES if person.get(title) is not None), [])
    if not names or not is_people(people) or len(names) != len(points):
        return []
    return [name for name in names if isinstance(name, str)]


def people_one_by_one(inputs: object) -> list[list] | None:
    """Return frames with one person each of a list with a person for each frame; None if inputs are anything else.

    A list of people may be one picture, or a person's frames; one picture is no motion, unless ids tell people apart.
    """
    if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
        return None
    if is_people(inputs):
        ids = {str(_first(person, _IDS)) for person in inputs}
        return [[person] for person in inputs] if len(ids) == 1 else None
    return [[person] for person in inputs] if all(map(_is_landmarks, inputs)) else None


def is_pair(frame: object) -> bool:
    """Tell whether a frame is a pair of key-points `[M, K, 2]` and scores `[M, K]`, as arrays."""
    return is_scored(frame) and tuple(frame[0].shape)[2:] == (2,)


def is_scored(inputs: object) -> bool:
    """Tell whether inputs are a pair of key-points `[(M,) F, K, C]` and their scores `[(M,) F, K]`, as arrays."""
    if not isinstance(inputs, tuple) or len(inputs) != 2 or not all(hasattr(array, "shape") for array in inputs):
        return False
    points, marks = (tuple(array.shape) for array in inputs)
    return len(points) in (3, 4) and marks == points[:-1]


def shape_of(values: object) -> tuple[int, ...] | None:
    """Return the shape of an array or of nested lists of numbers; None of anything else."""
    if hasattr(values, "shape"):
        return tuple(values.shape)
    try:
        array = np.asarray(values)
    except ValueError:
        return None
    return array.shape if array.dtype.kind in "fiub" else None


def picture_size(frame: object) -> tuple[int, int]:
    """Return width and height of the picture where its result tells them, else (0, 0)."""
    shape = getattr(frame, "orig_shape", None) or getattr(frame, "ori_shape", None)
    shape = shape or getattr(_detectron(frame), "image_size", None)
    return (int(shape[1]), int(shape[0])) if shape else (0, 0)


def is_in_fractions(frame: object) -> bool:
    """Tell whether the coordinates of a result are fractions of the picture."""
    if isinstance(frame, (list, tuple)):
        return _is_landmarks(frame) or len(frame) > 0 and all(map(_is_landmarks, frame))
    return hasattr(frame, "pose_landmarks") or _is_landmarks(frame)


def people_of(frame: object) -> Iterator[SeenPerson]:
    """Yield everybody in a frame for which `is_result` holds.

    Raises:
        ValueError: key-points or scores are no numbers, or do not fit each other.
    """
    if (instances := _detectron(frame)) is not None:
        yield from _of_arrays(instances.pred_keypoints)
    elif isinstance(frame, Mapping) and _is_rcnn(frame):
        yield from _of_rcnn(frame)
    elif isinstance(frame, Mapping):
        yield from map(_of_dict, _predictions(frame) or [])
    elif is_in_fractions(frame):
        people = (frame.pose_landmarks or []) if hasattr(frame, "pose_landmarks") else frame
        for person in [people] if _is_landmarks(people) else people:
            yield _of_landmarks(getattr(person, "landmark", person))
    elif is_pair(frame):
        yield from _of_arrays(*frame)
    elif isinstance(frame, (list, tuple)):
        yield from map(_of_dict, _unnested(frame))
    elif hasattr(frame, "poseKeypoints"):
        yield from _of_arrays([] if frame.poseKeypoints is None else frame.poseKeypoints)
    elif hasattr(frame, "pred_instances"):
        found = frame.pred_instances
        yield from _of_arrays(found.keypoints, found.keypoint_scores, getattr(found, "track_ids", None))
    elif hasattr(frame, "conf"):
        yield from _of_arrays(frame.data)
    elif hasattr(frame, "xy"):
        yield from _of_arrays(frame.xy, frame.confidence, getattr(frame, "tracker_id", None))
    elif frame.keypoints is not None:
        yield from _of_arrays(frame.keypoints.data, None, getattr(getattr(frame, "boxes", None), "id", None))


def _of_arrays(points: object, marks: object = None, ids: object = None) -> Iterator[SeenPerson]:
    bodies = as_numbers("keypoints", points)
    if marks is not None:
        bodies = np.concatenate([bodies, as_numbers("scores", marks).reshape(*bodies.shape[:2], 1)], 2)
    tracks = [None] * len(bodies) if ids is None else list(ids)
    yield from (SeenPerson(body, track) for body, track in zip(bodies, tracks, strict=True))


def _of_landmarks(points: Sequence) -> SeenPerson:
    if points and type(points[0]).__name__ == "Landmark":
        raise ValueError(
            "landmarks are world landmarks, in metres; hand over pose_landmarks, which are of the picture"
        )
    return SeenPerson(as_numbers("pose_landmarks", [[point.x, point.y, _visibility(point)] for point in points]))


def _of_rcnn(frame: Mapping) -> Iterator[SeenPerson]:
    """Yield the people that are sure, their joints with a score above 0 (of no upper bound) as seen."""
    note(
        f"people of Keypoint R-CNN are those with a score above {SURE_PERSON}, and their joints those with one above 0"
    )
    sure = as_numbers("scores", frame["scores"]) > SURE_PERSON
    points, marks = (as_numbers(name, frame[name])[sure] for name in ("keypoints", "keypoints_scores"))
    yield from _of_arrays(points[..., :2], marks > 0)


def _of_dict(person: Mapping) -> SeenPerson:
    points = person["keypoints"]
    if _is_points(points):
        body = as_numbers("keypoints", [[point["x"], point["y"], _first(point, _MARKS, 1.0)] for point in points])
    else:
        body = as_numbers("keypoints", points)
        marks = _first(person, _MARKS[:2])
        if marks is not None:
            body = np.concatenate([body, as_numbers("scores", marks).reshape(-1, 1)], 1)
    numbers = _numbers_of(person)
    if numbers is not None and len(numbers) and (numbers != range(len(numbers))).any():
        placed = np.zeros((numbers.max() + 1, body.shape[1]))
        placed[numbers] = body
        body = placed
    return SeenPerson(body, _first(person, _IDS))


def _numbers_of(person: Mapping) -> np.ndarray | None:
    return joint_numbers(person.get("labels"), len(person["keypoints"]))


def _predictions(frame: Mapping) -> Sequence | None:
    """Return the people of what MMPose's inferencer yields for a picture: a list in a list, one for each picture."""
    people = frame.get("predictions")
    if isinstance(people, (list, tuple)) and len(people) == 1 and isinstance(people[0], (list, tuple)):
        people = people[0]
    return people if isinstance(people, (list, tuple)) and (not people or is_people(people)) else None


def _is_rcnn(frame: Mapping) -> bool:
    return all(hasattr(frame.get(name), "shape") for name in ("keypoints", "keypoints_scores", "boxes", "scores"))


def _detectron(frame: object) -> object | None:
    """Return what Detectron2 found in a picture; None of anything else."""
    found = frame.get("instances") if isinstance(frame, Mapping) else frame
    return found if hasattr(found, "pred_keypoints") else None


def _is_landmarks(person: object) -> bool:
    """Tell whether a person is what MediaPipe has: points with x and y, or an object with a list of them."""
    points = getattr(person, "landmark", person if isinstance(person, (list, tuple)) else ())
    # one number each: a DataFrame has columns of these names
    return len(points) > 0 and all(np.ndim(getattr(point, axis, ())) == 0 for point in points for axis in "xy")


def _unnested(frame: Sequence) -> Sequence:
    """Return the people of a list that holds a list of them, as ViTPose has it for a batch of one picture."""
    return frame[0] if len(frame) == 1 and isinstance(frame[0], (list, tuple)) else frame


def _visibility(point: object) -> float:
    score = getattr(point, "visibility", None)
    return 1.0 if score is None else score


def _is_points(points: object) -> bool:
    return (
        isinstance(points, (list, tuple))
        and len(points) > 0
        and all(isinstance(point, Mapping) and "x" in point and "y" in point for point in points)
    )


def _is_body(points: object) -> bool:
    return _is_points(points) or len(shape_of(points) or ()) == 2


def _first(entry: Mapping, names: Sequence[str], otherwise: object = None) -> object:
    return next((entry[name] for name in names if entry.get(name) is not None), otherwise)
