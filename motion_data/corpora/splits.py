"""Which rows are held out: as the source says, else by subject, else by recording; nothing is ever on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from datasets import Dataset

from ..recording import TEST, TRAIN

TEST_FRACTION = 0.1


def test_owners(owners: Sequence[str], fraction: float) -> set[str]:
    """Return which of different owners are held out, by hash: at least one, and not all, if there are two."""
    owners = sorted(set(owners))
    count = round(fraction * len(owners))
    if fraction > 0 and len(owners) > 1:
        count = min(max(count, 1), len(owners) - 1)
    return set(sorted(owners, key=lambda owner: hashlib.sha256(owner.encode()).hexdigest())[:count])


test_owners.__test__ = False  # pytest takes functions of this name for tests


def assign_splits(
    stated: Sequence[str], subjects: Sequence[int], recordings: Sequence[str], fraction: float = TEST_FRACTION
) -> list[str]:
    """Return the split of each row.

    1. Rows whose source states a split keep it.
    2. Of the others, all rows of a subject, or of a recording where no subject is known, are in one split; a
       `fraction` of these owners, chosen by hash, is "test", the rest "train". If a source states splits at all, rows
       for which it states none are "train".

    Args:
        stated: split that the source states, "" is none; one for each row, as the others.
        subjects: who acts, -1 is unknown.
        recordings: name of the recording that the row belongs to.
        fraction: of the owners in the test split; 0 makes none.
    """
    if any(stated):
        return [split or TRAIN for split in stated]
    owners = [
        f"subject {subject}" if subject >= 0 else recording
        for subject, recording in zip(subjects, recordings, strict=True)
    ]
    held_out = test_owners(owners, fraction)
    return [TEST if owner in held_out else TRAIN for owner in owners]


def split_dataset(dataset: Dataset, split: str) -> Dataset:
    """Return one split of a dataset that was saved without splits, by `assign_splits`.

    Raises:
        ValueError: the dataset has no such split.
    """
    number = [f"row {row}" for row in range(len(dataset))]
    recordings = [name or row for name, row in zip(dataset["recording"][:], number, strict=True)]
    splits = np.array(assign_splits(dataset["split"][:], dataset["subject"][:], recordings))
    rows = np.flatnonzero(splits == split)
    if not len(rows):
        raise ValueError(f"has no rows of split {split!r}; it has {', '.join(sorted(set(splits.tolist())))}")
    return dataset.select(rows)
