"""How far a figure may be trusted: its spread over resampled clips, or over seeds and splits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """A figure and its spread.

    Args:
        value: the figure.
        std: standard deviation (of a sample, ddof 1), over resamples or over runs.
        low, high: between which 95 % of the resamples lie; the smallest and largest of runs.
        count: resamples or runs.
    """

    value: float
    std: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3f} +- {self.std:.3f}"

    @classmethod
    def over(cls, values: Sequence[float]) -> Spread:
        """Return mean and spread of a figure over seeds or splits.

        Raises:
            ValueError: there is none.
        """
        values = np.asarray(values, np.float64)
        if not len(values):
            raise ValueError("values is empty; a spread needs at least one run")
        std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        return cls(float(values.mean()), std, float(values.min()), float(values.max()), len(values))


def bootstrap(
    metric: Callable[..., float],
    *arrays: np.ndarray,
    groups: Sequence | None = None,
    num_samples: int = 1000,
    seed: int = 0,
) -> Spread:
    """Return a figure and its spread over resamples of the clips it was computed on (percentile bootstrap).

    Args:
        metric: of `arrays`, for instance `roc_auc_score`.
        arrays: all `[N, ...]`.
        groups: `[N]`; clips of one group (a subject, a video) are drawn together.
        num_samples: resamples. One on which the metric is not defined (NaN or a ValueError: no anomaly was drawn) does
            not count.

    Raises:
        ValueError: arrays of different lengths, or a metric that is defined on fewer than half of the resamples.
    """
    lengths = {len(array) for array in arrays} | ({len(groups)} if groups is not None else set())
    if len(lengths) != 1:
        raise ValueError(f"arrays and groups must have one length, got {sorted(lengths)}")
    arrays = [np.asarray(array) for array in arrays]
    names, owner = np.unique(np.arange(len(arrays[0])) if groups is None else np.asarray(groups), return_inverse=True)
    order = np.argsort(owner, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(owner))[:-1])
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(num_samples):
        drawn = generator.integers(0, len(names), len(names))
        rows = np.concatenate([members[group] for group in drawn])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn warns of what is not defined, and gives NaN
            try:
                value = float(metric(*(array[rows] for array in arrays)))
            except ValueError:
                continue
        if np.isfinite(value):
            values.append(value)
    if len(values) < num_samples / 2:
        raise ValueError(f"the metric is defined on {len(values)} of {num_samples} resamples; too few for a spread")
    low, high = np.percentile(values, (2.5, 97.5))
    return Spread(float(metric(*arrays)), float(np.std(values, ddof=1)), float(low), float(high), len(values))
