"""Key-points to tokens: layouts, key-points, Thermal Cubes, the dVED's codes and the MotionBook's words."""

from transformers import AutoConfig, AutoModel

from .cameras import Camera, SensorCamera
from .configuration_dved import DVEDConfig
from .feature_extraction_mofm import MoFMFeatureExtractor
from .keypoints import Motion, as_motion, normalise_clip, sample_frames
from .layouts import SkeletonLayout, get_layout, layout_names, register_layout
from .modeling_dved import DVEDModel
from .motion_book import build_motion_book
from .tokenization_mofm import MoFMTokenizer

AutoConfig.register(DVEDConfig.model_type, DVEDConfig, exist_ok=True)
AutoModel.register(DVEDConfig, DVEDModel, exist_ok=True)

__all__ = [
    "Camera",
    "DVEDConfig",
    "DVEDModel",
    "MoFMFeatureExtractor",
    "MoFMTokenizer",
    "Motion",
    "SensorCamera",
    "SkeletonLayout",
    "as_motion",
    "build_motion_book",
    "get_layout",
    "layout_names",
    "normalise_clip",
    "register_layout",
    "sample_frames",
]
