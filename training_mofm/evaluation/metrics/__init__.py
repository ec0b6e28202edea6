"""The metrics of the four tasks, as `evaluate.Metric`s that need no network, and their spread."""

from .anomaly import MotionAnomalyMetric
from .classification import MotionClassificationMetric
from .spread import Spread, bootstrap

__all__ = ["MotionAnomalyMetric", "MotionClassificationMetric", "Spread", "bootstrap"]
