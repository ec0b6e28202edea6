"""Ranking metrics of anomaly detection (DT3, DT4): anomalous is the positive class. Computed with scikit-learn."""

from __future__ import annotations

import datasets
import evaluate
import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

MISSED = 0.1  # share of anomalies that 10ER allows to be missed


class MotionAnomalyMetric(evaluate.Metric):
    """`compute(predictions=[N], references=[N])` of scores, the higher the more anomalous, against 0 and 1.

    Gives `auc_roc`; `auc_pr`, the average precision; `eer`, the error rate at which as large a share of normal frames
    is reported as of anomalous ones is missed; `fpr_at_fnr10`, the share of normal frames that is reported when one
    anomalous frame in ten is missed ("10ER"). The last two are read off the ROC curve, straight between its corners.

    Raises:
        ValueError: scores that are not finite, references that are not 0 or 1, or only one of the two.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="",
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: list[float], references: list[int]) -> dict[str, float]:
        scores, labels = np.asarray(predictions, np.float64), np.asarray(references)
        if not np.isfinite(scores).all():
            raise ValueError(f"{(~np.isfinite(scores)).sum()} of {len(scores)} predictions are not finite")
        if not np.isin(labels, (0, 1)).all():
            raise ValueError(f"references must be 0 (normal) or 1 (anomalous), got {np.unique(labels)[:8].tolist()}")
        if len(np.unique(labels)) < 2:
            kind = "empty" if not len(labels) else "all " + ("anomalous" if labels[0] else "normal")
            raise ValueError(f"references are {kind}; both normal and anomalous ones are needed")
        reported, found, _ = roc_curve(labels, scores)
        return {
            "auc_roc": float(roc_auc_score(labels, scores)),
            "auc_pr": float(average_precision_score(labels, scores)),
            "eer": _crossing(reported - (1 - found), reported, 0.0),
            "fpr_at_fnr10": _crossing(found, reported, 1 - MISSED),
        }


def _crossing(x: np.ndarray, y: np.ndarray, level: float) -> float:
    """Return `y` where `x`, which never falls, first reaches a level, straight between the corners of both."""
    after = int(np.argmax(x >= level - 1e-12))
    if after == 0:
        return float(y[0])
    share = (level - x[after - 1]) / (x[after] - x[after - 1])
    return float(y[after - 1] + share * (y[after] - y[after - 1]))
