"""Accuracy and its relatives for action recognition (DT1, DT2), computed by scikit-learn."""

from __future__ import annotations

import datasets
import evaluate
import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, top_k_accuracy_score


class MotionClassificationMetric(evaluate.Metric):
    """`compute(predictions=[N, C], references=[N])` of probabilities or logits against class ids.

    Gives `accuracy`; `top_k_accuracy` (k is the argument `top_k`, 5, or all classes if they are fewer);
    `balanced_accuracy` and `macro_f1`, means over the classes that have an example; `confusion_matrix`, `[C][C]`
    counts with one row for each true class.

    Raises:
        ValueError: no clip, predictions that are not finite, or references outside of the classes.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="",
            features=datasets.Features(
                {"predictions": datasets.List(datasets.Value("float32")), "references": datasets.Value("int64")}
            ),
        )

    def _compute(
        self, predictions: list[list[float]], references: list[int], top_k: int = 5
    ) -> dict[str, float | list[list[int]]]:
        if not len(references):
            raise ValueError("references is empty; there must be at least one clip")
        scores, labels = np.asarray(predictions, np.float64), np.asarray(references)
        if scores.ndim != 2 or scores.shape[1] < 2:
            raise ValueError(f"predictions must be [clips, 2 or more classes], got {list(scores.shape)}")
        if not np.isfinite(scores).all():
            raise ValueError(f"{(~np.isfinite(scores)).any(1).sum()} predictions are not finite")
        num_classes = scores.shape[1]
        if labels.min() < 0 or labels.max() >= num_classes:
            raise ValueError(
                f"references are from {labels.min()} to {labels.max()}; with {num_classes} classes they must be from "
                f"0 to {num_classes - 1} (-1 is a clip without a label)"
            )
        classes = np.arange(num_classes)
        chosen = scores.argmax(1)
        shown = np.unique(labels)
        if top_k >= num_classes:
            top = 1.0
        else:
            columns = scores[:, 1] if num_classes == 2 else scores  # scikit-learn wants one column of two classes
            top = float(top_k_accuracy_score(labels, columns, k=top_k, labels=classes))
        matrix = confusion_matrix(labels, chosen, labels=classes)
        return {
            "accuracy": float((chosen == labels).mean()),
            "top_k_accuracy": top,
            "balanced_accuracy": float((matrix.diagonal()[shown] / matrix.sum(1)[shown]).mean()),
            "macro_f1": float(f1_score(labels, chosen, labels=shown, average="macro", zero_division=0)),
            "confusion_matrix": matrix.tolist(),
        }
