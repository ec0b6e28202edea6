"""Draw rows from several corpora: by weight between them, and within each so that long recordings do not dominate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from datasets import Dataset, IterableDataset, interleave_datasets

from ..schema import VIEW_COLUMNS, first_row

COLUMNS = [*VIEW_COLUMNS, "source", "num_segments"]
BALANCE = 0.5
OPEN_SHARDS = 4  # of a stream at a time; each takes up to some tens of MiB


class Mixture:
    """Rows of corpora, drawn with replacement.

    A recording that was cut into n segments is drawn n ** `BALANCE` times as often as one that was not: an hour of
    motion capture has more to show than ten seconds, but not 360 times as much.

    Args:
        corpora: rows with the columns of `motion_features`; layouts, frame rates and classes may differ.
        weights: sampling weight per corpus, positive; None makes every recording equally likely.
        labels: `[rows]` of each corpus, numbers that rows get as their "label"; None adds none.

    Raises:
        ValueError: there is no corpus, or the weights are not one positive number for each.
    """

    def __init__(
        self,
        corpora: Sequence[Dataset],
        weights: Sequence[float] | None = None,
        labels: Sequence[np.ndarray] | None = None,
    ):
        self.corpora = [corpus.select_columns(COLUMNS).with_format("arrow") for corpus in corpora]
        ends = [recording_weights(corpus["num_segments"][:].to_numpy()).cumsum() for corpus in self.corpora]
        fractions = np.array(check_weights(weights, len(corpora)) or [end[-1] for end in ends])
        self.corpus_ends = fractions.cumsum() / fractions.sum()
        self.row_ends = [end / end[-1] for end in ends]
        self.labels = labels

    def draw(self, generator: np.random.Generator) -> dict:
        """Return a row, its lists as arrays."""
        which, place = generator.random(2)
        corpus = min(int(np.searchsorted(self.corpus_ends, which, side="right")), len(self.corpora) - 1)
        ends = self.row_ends[corpus]
        row = min(int(np.searchsorted(ends, place, side="right")), len(ends) - 1)
        found = first_row(self.corpora[corpus][row])
        return found if self.labels is None else found | {"label": int(self.labels[corpus][row])}


def recording_weights(num_segments: Sequence[int]) -> np.ndarray:
    """Return the sampling weight of each row, from the rows that its recording was cut into: `[rows]`, at most 1."""
    return np.maximum(np.asarray(num_segments, np.float64), 1) ** (BALANCE - 1)


def check_weights(weights: Sequence[float] | None, num_corpora: int) -> list[float] | None:
    """Return the weights as a list; raise a ValueError unless they are one positive number per corpus."""
    if not num_corpora:
        raise ValueError("dataset names no corpus; at least one is needed")
    if weights is None:
        return None
    if len(weights) != num_corpora or not all(0 < weight < float("inf") for weight in weights):
        raise ValueError(f"weights must be one positive number for each of {num_corpora} corpora, got {list(weights)}")
    return list(weights)


def mix_streams(corpora: Sequence[IterableDataset], weights: Sequence[float] | None, seed: int) -> IterableDataset:
    """Interleave streamed corpora until all were read, and their shards, in another order every epoch.

    Rows are not shuffled any further: clips are, which are smaller (`training_mofm.samples.StreamedSamples`).

    Args:
        weights: sampling weight per corpus; None reads them in turn.
    """
    weights = check_weights(weights, len(corpora))
    fractions = [weight / sum(weights) for weight in weights] if weights else None
    streams = [stream.select_columns(COLUMNS) for stream in corpora]
    if len(streams) == 1:
        mixed = streams[0]
    else:
        mixed = interleave_datasets(streams, fractions, seed, stopping_strategy="all_exhausted")
    return mixed.shuffle(seed, buffer_size=1, max_buffer_input_shards=OPEN_SHARDS)
