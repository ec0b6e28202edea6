"""Files of pose estimators and motion capture, each read by the format it is in.

`registry.py` says what a format is and finds the one of a path; every other module reads one family of files.
"""

from ..recording import Recording
from . import (
    any_json,
    array_folder,
    arrays,
    azure_kinect,
    bvh,
    c3d,
    ctr_gcn,
    easy_vitpose,
    estimator_json,
    marker_tables,
    matlab,
    mediapipe_json,
    mmaction_pickle,
    ntu_skeleton,
    openpose_folder,
    panoptic,
    pickle_aist,
    picture_folders,
    pose_container,
    qualisys,
    registry,
    tables,
    trc,
    videopose3d,
    zed,
)
from .registry import FormatError, ReadOptions, register_format
from .video import video_files

__all__ = [
    "FormatError",
    "ReadOptions",
    "Recording",
    "any_json",
    "array_folder",
    "arrays",
    "azure_kinect",
    "bvh",
    "c3d",
    "ctr_gcn",
    "easy_vitpose",
    "estimator_json",
    "marker_tables",
    "matlab",
    "mediapipe_json",
    "mmaction_pickle",
    "ntu_skeleton",
    "openpose_folder",
    "panoptic",
    "pickle_aist",
    "picture_folders",
    "pose_container",
    "qualisys",
    "register_format",
    "registry",
    "tables",
    "trc",
    "videopose3d",
    "video_files",
    "zed",
]
