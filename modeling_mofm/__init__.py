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
from .modeling_mofm import MoFMModel, MoFMPreTrainedModel
from .pretraining.modeling import MoFMForMaskedMotionModeling
from .shipped import SHIPPED

AutoConfig.register(MoFMConfig.model_type, MoFMConfig, exist_ok=True)
AutoModel.register(MoFMConfig, MoFMModel, exist_ok=True)
AutoModelForPreTraining.register(MoFMConfig, MoFMForMaskedMotionModeling, exist_ok=True)
AutoModelForSequenceClassification.register(MoFMConfig, MoFMForSequenceClassification, exist_ok=True)
AutoFeatureExtractor.register(MoFMConfig, MoFMFeatureExtractor, exist_ok=True)
for task, pipeline_class, auto_class in (
    ("motion-classification", MotionClassificationPipeline, AutoModelForSequenceClassification),
    ("motion-feature-extraction", MotionFeaturePipeline, AutoModel),
    ("motion-anomaly-detection", MotionAnomalyPipeline, MoFMForAnomalyDetection),
):
    PIPELINE_REGISTRY.register_pipeline(
        task, pipeline_class=pipeline_class, pt_model=auto_class, default={"model": (str(SHIPPED), None)}
    )

__all__ = [
    "SHIPPED",
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
