"""MoFM, a foundation model of human motion. Importing this package registers it with the Auto classes."""

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
)

from tokenization_mofm import MoFMFeatureExtractor, MoFMTokenizer

from .configuration_mofm import MoFMConfig
from .masking import mask_cubes
from .modeling_mofm import MoFMForMaskedMotionModeling, MoFMModel, MoFMPreTrainedModel
from .modeling_mofm_classification import MoFMForSequenceClassification

AutoConfig.register(MoFMConfig.model_type, MoFMConfig, exist_ok=True)
AutoModel.register(MoFMConfig, MoFMModel, exist_ok=True)
AutoModelForPreTraining.register(MoFMConfig, MoFMForMaskedMotionModeling, exist_ok=True)
AutoModelForSequenceClassification.register(MoFMConfig, MoFMForSequenceClassification, exist_ok=True)
AutoFeatureExtractor.register(MoFMConfig, MoFMFeatureExtractor, exist_ok=True)

__all__ = [
    "MoFMConfig",
    "MoFMFeatureExtractor",
    "MoFMForMaskedMotionModeling",
    "MoFMForSequenceClassification",
    "MoFMModel",
    "MoFMPreTrainedModel",
    "MoFMTokenizer",
    "mask_cubes",
]
