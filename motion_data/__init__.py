"""What motion is and where it comes from: skeletons, key-points, cameras, readers of files, corpora.

Nothing in this package needs torch.
"""

from .cameras import Camera, SensorCamera
from .keypoints import Motion, as_motion, normalise_clip, sample_frames
from .layouts import SkeletonLayout, get_layout, layout_names, register_layout

__all__ = [
    "Camera",
    "Motion",
    "SensorCamera",
    "SkeletonLayout",
    "as_motion",
    "get_layout",
    "layout_names",
    "normalise_clip",
    "register_layout",
    "sample_frames",
]
