"""Actions of several corpora under common names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from datasets import Dataset

from motion_data.schema import label_names

NO_ACTION = -100  # of rows without a label


def renamed(pairs: Sequence[str]) -> dict[str, str]:
    """Return old names and their new ones.

    Raises:
        ValueError: a pair is not "old=new".
    """
    wrong = [pair for pair in pairs if pair.count("=") != 1]
    if wrong:
        raise ValueError(f"rename has {wrong[0]!r}; it must be old=new")
    return dict(pair.split("=") for pair in pairs)


def merge_labels(corpora: Sequence[Dataset], rename: Mapping[str, str]) -> tuple[list[str], list[np.ndarray]]:
    """Number the actions of several corpora; those of the same name are one.

    Args:
        corpora: rows with the columns of `motion_features`; where labels have no names, rows have no action.
        rename: old names and their new ones.

    Returns:
        names, sorted, and int64 `[rows]` of each corpus, `NO_ACTION` for rows without a label.

    Raises:
        ValueError: fewer than two actions, or a name that no corpus has.
    """
    titles = [label_names(corpus) for corpus in corpora]
    known = {title for own in titles for title in own}
    if unknown := sorted(set(rename) - known):
        raise ValueError(f"rename has {unknown}, which no corpus has; there are {', '.join(sorted(known)) or 'none'}")
    names = sorted({rename.get(title, title) for title in known})
    if len(names) < 2:
        raise ValueError(f"the corpora have the actions {names}; at least two are needed to predict them")
    numbers = []
    for corpus, own in zip(corpora, titles, strict=True):
        table = np.array([*(names.index(rename.get(title, title)) for title in own), NO_ACTION])
        labels = np.asarray(corpus["label"][:], np.int64)
        numbers.append(table[np.where(labels < 0, -1, labels)] if own else np.full(len(labels), NO_ACTION))
    return names, numbers
