"""Key-points to tokens: Thermal Cubes, the dVED's codes and the MotionBook's words."""

from transformers import AutoConfig, AutoModel

from .configuration_dved import DVEDConfig
from .feature_extraction_mofm import MoFMFeatureExtractor
from .modeling_dved import DVEDModel
from .motion_book import build_motion_book
from .tokenization_mofm import MoFMTokenizer

AutoConfig.register(DVEDConfig.model_type, DVEDConfig, exist_ok=True)
AutoModel.register(DVEDConfig, DVEDModel, exist_ok=True)

__all__ = ["DVEDConfig", "DVEDModel", "MoFMFeatureExtractor", "MoFMTokenizer", "build_motion_book"]
