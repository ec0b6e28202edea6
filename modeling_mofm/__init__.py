"""MoFM, a foundation model of human motion. Importing this package registers it with the Auto classes."""

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
)
from transformers.pipelines import PIPELINE_REGISTRY

from tokenization_mofm import MoFMFeatureExtractor, MoFMTokenizer

from .actions.modeling import MoFMForSequenceClassification
from .actions.pipeline import MotionClassificationPipeline
from .actions.recogniser import MotionRecogniser
from .anomaly.modeling import MoFMForAnomalyDetection
from .anomaly.pipeline import MotionAnomalyPipeline
from .anomaly.scorer import AnomalyScorer
from .anomaly.stream import MotionStream
from .configuration_mofm import MoFMConfig
from .feature_pipeline import MotionFeaturePipeline
from .masking import mask_cubes
from .modeling_mofm import MoFMForMaskedMotionModeling, MoFMModel, MoFMPreTrainedModel

AutoConfig.register(MoFMConfig.model_type, MoFMConfig, exist_ok=True)
AutoModel.register(MoFMConfig, MoFMModel, exist_ok=True)
AutoModelForPreTraining.register(MoFMConfig, MoFMForMaskedMotionModeling, exist_ok=True)
AutoModelForSequenceClassification.register(MoFMConfig, MoFMForSequenceClassification, exist_ok=True)
AutoFeatureExtractor.register(MoFMConfig, MoFMFeatureExtractor, exist_ok=True)
PIPELINE_REGISTRY.register_pipeline(
    "motion-classification",
    pipeline_class=MotionClassificationPipeline,
    pt_model=AutoModelForSequenceClassification,
)
PIPELINE_REGISTRY.register_pipeline(
    "motion-feature-extraction", pipeline_class=MotionFeaturePipeline, pt_model=AutoModel
)
PIPELINE_REGISTRY.register_pipeline(
    "motion-anomaly-detection", pipeline_class=MotionAnomalyPipeline, pt_model=MoFMForAnomalyDetection
)

__all__ = [
    "AnomalyScorer",
    "MoFMConfig",
    "MoFMFeatureExtractor",
    "MoFMForAnomalyDetection",
    "MoFMForMaskedMotionModeling",
    "MoFMForSequenceClassification",
    "MoFMModel",
    "MoFMPreTrainedModel",
    "MoFMTokenizer",
    "MotionAnomalyPipeline",
    "MotionClassificationPipeline",
    "MotionFeaturePipeline",
    "MotionRecogniser",
    "MotionStream",
    "mask_cubes",
]
