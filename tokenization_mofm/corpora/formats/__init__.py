"""Files of pose estimators and motion capture, each read by the format it is in.

`registry.py` says what a format is and finds the one of a path; every other module reads one family of files.
"""

from . import estimator_json, mediapipe_json, openpose_folder, registry
from .registry import FormatError, ReadOptions, Recording, register_format

__all__ = [
    "FormatError",
    "ReadOptions",
    "Recording",
    "estimator_json",
    "mediapipe_json",
    "openpose_folder",
    "register_format",
    "registry",
]
