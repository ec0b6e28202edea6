"""A metric from auxiliary actions: directions in which recordings of the same action differ count less.

Within-class covariance normalisation (Hatch et al. 2006) in the space of the principal components: after the
projection, the covariance of recordings around the mean of their class is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

COMPONENTS = 200  # principal components that are kept
SHRINKAGE = 0.5  # towards the average variance: a few hundred recordings estimate a covariance badly


def within_class_axes(features: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """Return a projection `[D, C]`; compare features after multiplying them by it.

    Args:
        features: `[N, D]`, standardised.
        labels: `[N]`, their classes.

    Raises:
        ValueError: no class has two recordings that differ.
    """
    labels = np.asarray(labels)
    centred = features - features.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[: min(COMPONENTS, len(features) - 1)].T  # D C
    inside = centred @ directions
    for label in np.unique(labels):
        inside[labels == label] -= inside[labels == label].mean(0)
    covariance = inside.T @ inside / len(inside)
    level = np.trace(covariance) / len(covariance)
    if not level > 0:
        raise ValueError("no class has two recordings that differ; a metric needs some")
    values, turn = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * level * np.eye(len(covariance)))
    return (directions @ turn / np.sqrt(values)).astype(np.float32)
