"""What the fields of plain data are called, in JSON, pickles and arrays of people's own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .frames import TIMES

NAMES = {
    "keypoints": (
        *("keypoints", "keypoints_2d", "keypoints2d", "kpts", "kps", "pose_keypoints_2d", "pose_2d", "pose2d"),
        *("joints", "joints_2d", "joints2d", "landmarks", "skeleton"),
    ),
    "scores": (
        *("keypoint_scores", "keypoint_score", "keypoints_scores", "keypoints_score", "kpt_scores", "scores"),
        *("confidences", "confidence", "conf", "visibility"),
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
    "score": ("score", "confidence", "visibility", "conf", "c", "v"),  # of one joint
    "name": ("name", "part", "joint", "label", "id"),
    "fps": ("fps", "frame_rate", "framerate", "frameRate", "video_fps"),
    "width": ("width", "image_width", "frame_width", "video_width", "canvas_width"),
    "height": ("height", "image_height", "frame_height", "video_height", "canvas_height"),
    # where these three stand
    "about": ("info", "meta", "metadata", "meta_info", "header", "video", "video_info", "dimensions"),
}


def value_of(entry: Mapping, kind: str, otherwise: object = None) -> object:
    """Return the first field of an object that is called so; null is none."""
    value = next((entry[name] for name in NAMES[kind] if entry.get(name) is not None), otherwise)
    return value.item() if isinstance(value, np.generic) else value


def headers_of(content: Mapping) -> list[Mapping]:
    """Return the objects that tell of a whole file: itself, and those in it that are called so."""
    return [content, *(content[name] for name in NAMES["about"] if isinstance(content.get(name), Mapping))]


def are_texts(value: object) -> bool:
    """Tell a list of texts."""
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(one, str) for one in value)


def depth_of(value: object) -> int:
    """Return how deep lists of numbers are nested, as their first ones are; 0 is of anything else."""
    depth = 0
    while isinstance(value, (list, tuple)) and len(value):
        value, depth = value[0], depth + 1
    if isinstance(value, np.ndarray):
        return depth + value.ndim
    return depth if isinstance(value, (int, float)) else 0
