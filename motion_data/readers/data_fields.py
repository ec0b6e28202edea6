"""What the fields of plain data are called, in JSON, pickles and arrays of people's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .frames import TIMES

_LONGEST_LABEL = 200
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")

# of all recordings of a data set
SET_MOTIONS = ("x", "X", "data", "keypoints", "motions", "clips")
SET_LABELS = ("y", "Y", "label", "labels", "target", "targets", "actions")
NAMES = {
    "keypoints": (
        *("keypoints", "keypoints_2d", "keypoints2d", "kpts", "kps", "pose_keypoints_2d", "pose_2d", "pose2d"),
        *("joints", "joints_2d", "joints2d", "landmarks", "skeleton"),
    ),
    "scores": (
        *("keypoint_scores", "keypoint_score", "keypoints_scores", "keypoints_score", "kpt_scores", "scores"),
        *("score", "confidences", "confidence", "conf", "likelihood", "visibility", "visible"),
        *("keypoint_conf", "kpt_conf", "pose_conf", "pose_scores"),
    ),
    "frame": (
        *("frame", "frame_id", "frame_index", "frame_idx", "frame_number", "frame_num", "frame_no"),
        *("frameId", "frameIndex", "frameNumber", "image_id", "image_name", "image", "file_name", "filename"),
    ),
    "time": TIMES,
    "person": ("track_id", "person_id", "track", "id", "pid", "idx"),
    "people": (
        *("people", "persons", "instances", "instance_info", "predictions", "detections", "objects", "annotations"),
        *("poses", "pose", "skeletons", "bodies", "tracks", "frames", "data", "results"),
    ),
    "score": (  # of one joint
        *("score", "confidence", "visibility", "conf", "likelihood", "inFrameLikelihood", "accuracy", "c", "v"),
    ),
    "action": ("action", "activity"),  # of a frame or a person, whose label may be what a detector saw
    "label": ("label", "action", "activity"),  # of a whole file
    "name": ("name", "part", "joint", "label", "class", "class_name", "landmarkType", "id", "type"),
    "fps": ("fps", "frame_rate", "framerate", "frameRate", "video_fps"),
    "width": ("width", "image_width", "frame_width", "video_width", "canvas_width"),
    "height": ("height", "image_height", "frame_height", "video_height", "canvas_height"),
    # where the rate and the size stand
    "about": (
        *("info", "meta", "metadata", "meta_info", "metainfo", "dataset_meta", "dataset_info", "header"),
        *("video", "video_info", "dimensions"),
    ),
}


def value_of(entry: Mapping, kind: str, otherwise: object = None) -> object:
    """Return the first field of an object that is called so; null is none."""
    there = (entry[name] for name in NAMES[kind] if entry.get(name) is not None)
    if kind == "frame":  # an object is about the picture
        there = (value for value in there if not isinstance(value, Mapping))
    value = next(there, otherwise)
    return value.item() if isinstance(value, np.generic) else value


def list_of(entry: Mapping, kind: str) -> Any:
    """Return the first list or array among the fields of an object that are called so; None is none."""
    there = (entry.get(name) for name in NAMES[kind])
    return next((value for value in there if isinstance(value, (list, np.ndarray))), None)


def headers_of(content: Mapping) -> list[Mapping]:
    """Return the objects that tell of a whole file: itself, and those in it that are called so."""
    return [content, *(content[name] for name in NAMES["about"] if isinstance(content.get(name), Mapping))]


def are_texts(value: object) -> bool:
    """Tell a list of texts."""
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(one, str) for one in value)


def label_text(label: object, classes: Sequence[str] = ()) -> str:
    """Return a label, a text or a whole number, as text, 2.0 as "2"; "" of anything else.

    Args:
        classes: names of labels that are numbers, where a data set has them; other numbers (-1: none) are no label.
    """
    if hasattr(label, "item") and getattr(label, "ndim", None) == 0:  # of NumPy, or a tensor
        label = label.item()
    if classes and isinstance(label, int):
        return classes[label] if 0 <= label < len(classes) else ""
    if isinstance(label, bytes):
        label = label.decode(errors="replace")
    if isinstance(label, str):
        return label[:_LONGEST_LABEL]
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label) if isinstance(label, int) and abs(label) < 2**63 else ""


def depth_of(value: object) -> int:
    """Return how deep lists of numbers are nested, as their first ones are; 0 is of anything else."""
    depth = 0
    while isinstance(value, (list, tuple)) and len(value):
        value, depth = value[0], depth + 1
    if isinstance(value, np.ndarray):
        return depth + value.ndim
    return depth if isinstance(value, (int, float)) else 0
