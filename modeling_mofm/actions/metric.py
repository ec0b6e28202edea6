"""Learn from other actions in which directions recordings of one action differ, so that these count less.

Within-class covariance normalisation (Hatch et al. 2006) in the space of the principal components: the mean outer
product of what recordings differ by from their class becomes the identity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

COMPONENTS = 200  # of the features that are kept
SHRINKAGE = 0.5  # share of the average variance in each direction: a few hundred recordings do not show all of it


def within_class_axes(features: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """Return axes `[D, C]`: features times these are to be compared.

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
