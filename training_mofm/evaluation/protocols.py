"""Evaluation protocols: a named choice of training and test rows, and the checks that each passes.

`protocol_files` reads them from beside a corpus; those that were published are built in (`published`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from datasets import Dataset

from motion_data.schema import label_names

TASKS = ("classification", "one-shot", "anomaly", "supervised-anomaly")


@dataclass(frozen=True)
class Fold:
    """One split of a protocol.

    Args:
        name: which, such as "split 1".
        train: ids of the training rows; in "anomaly" all of them are normal.
        test: ids of the test rows.
        anomalous: bool `[len(test)]` in the anomaly tasks; None if the corpus labels frames, and in other tasks.
        train_anomalous: bool `[len(train)]`, in "supervised-anomaly".
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    anomalous: np.ndarray | None = None
    train_anomalous: np.ndarray | None = None

    parts: ClassVar[tuple[str, ...]] = ("train", "test")  # the fields that hold ids of rows

    @property
    def asked(self) -> np.ndarray:
        """Ids of the test rows."""
        return self.test


@dataclass(frozen=True)
class OneShotFold:
    """Novel classes with one example each.

    Args:
        name: which.
        auxiliary: ids of rows of other classes, to learn an embedding from.
        exemplars: id of the one example of each novel class.
        queries: ids of the other rows of the novel classes.
    """

    name: str
    auxiliary: np.ndarray
    exemplars: np.ndarray
    queries: np.ndarray

    parts: ClassVar[tuple[str, ...]] = ("auxiliary", "exemplars", "queries")  # the fields that hold ids of rows

    @property
    def asked(self) -> np.ndarray:
        """Ids of the test rows."""
        return self.queries


@dataclass(frozen=True)
class Protocol:
    """How one figure is measured on one corpus.

    Args:
        name: as scripts name it, such as "jhmdb14_2d/classification".
        task: one of `TASKS`.
        corpus: all rows, with the columns of `motion_features`.
        folds: the figure is the mean over them.
        cross_subject: no subject may be both in train and test.

    Raises:
        ValueError: a leak or a hole, naming protocol, fold and rows: rows that do not exist or are used twice, a
            subject on both sides, a class without an example, an exemplar among its queries, a test of one kind only.
    """

    name: str
    task: str
    corpus: Dataset
    folds: tuple[Fold, ...] | tuple[OneShotFold, ...]
    cross_subject: bool = False

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"task must be one of {TASKS}, got {self.task!r}")
        if not self.folds:
            raise ValueError(f"protocol {self.name!r} has no fold")
        for fold in self.folds:
            where = f"protocol {self.name!r}, {fold.name}"
            if isinstance(fold, OneShotFold):
                self._check_one_shot(fold, where)
            else:
                self._check_fold(fold, where)

    def _check_fold(self, fold: Fold, where: str) -> None:
        self._check_rows(where, train=fold.train, test=fold.test)
        for name, rows, anomalous in (
            ("test", fold.test, fold.anomalous),
            ("train", fold.train, fold.train_anomalous),
        ):
            if anomalous is not None and len(anomalous) != len(rows):
                raise ValueError(f"{where}: {name} has {len(rows)} rows and {len(anomalous)} flags")
            if anomalous is not None and (anomalous.all() or not anomalous.any()):
                raise ValueError(f"{where}: {name} is all {'anomalous' if anomalous.all() else 'normal'}")
        if self.task == "classification":
            labels = np.asarray(self.corpus["label"][:])
            missing = sorted(set(labels[fold.test].tolist()) - set(labels[fold.train].tolist()))
            if missing:
                raise ValueError(f"{where}: classes {missing[:5]} are in test but have no example in train")
        if self.cross_subject:
            subjects = np.asarray(self.corpus["subject"][:])
            shared = sorted(set(subjects[fold.train].tolist()) & set(subjects[fold.test].tolist()))
            if shared:
                raise ValueError(f"{where}: subjects {shared[:5]} are in train and in test")

    def _check_one_shot(self, fold: OneShotFold, where: str) -> None:
        self._check_rows(where, auxiliary=fold.auxiliary, exemplars=fold.exemplars, queries=fold.queries)
        labels = np.asarray(self.corpus["label"][:])
        novel = labels[fold.exemplars]
        if len(np.unique(novel)) != len(novel):
            raise ValueError(f"{where}: exemplars {fold.exemplars.tolist()} have a class twice; each class has one")
        seen = np.isin(labels[fold.auxiliary], novel)
        if seen.any():
            raise ValueError(f"{where}: auxiliary rows {fold.auxiliary[seen][:5].tolist()} are of novel classes")
        strange = ~np.isin(labels[fold.queries], novel)
        if strange.any():
            raise ValueError(f"{where}: queries {fold.queries[strange][:5].tolist()} have no exemplar of their class")

    def _check_rows(self, where: str, **parts: np.ndarray) -> None:
        for name, rows in parts.items():
            if not len(rows):
                raise ValueError(f"{where}: {name} has no rows")
            wrong = rows[(rows < 0) | (rows >= len(self.corpus))]
            if len(wrong):
                raise ValueError(f"{where}: {name} has rows {wrong[:5].tolist()}; the corpus has {len(self.corpus)}")
        rows, times = np.unique(np.concatenate(list(parts.values())), return_counts=True)
        if (times > 1).any():
            raise ValueError(f"{where}: rows {rows[times > 1][:5].tolist()} are used twice in {', '.join(parts)}")
        recordings = np.asarray(self.corpus["recording"][:])
        *learnt, asked = (set(recordings[part].tolist()) - {""} for part in parts.values())
        if shared := sorted(set().union(*learnt) & asked):
            warnings.warn(
                f"{where}: {len(shared)} recordings, such as {shared[0]!r}, have stretches in both train and test",
                stacklevel=2,
            )

    def narrowed(self) -> Protocol:
        """Return the protocol on a corpus of only the rows that its folds name."""
        rows = np.unique(np.concatenate([getattr(fold, part) for fold in self.folds for part in fold.parts]))
        folds = [
            replace(fold, **{part: np.searchsorted(rows, getattr(fold, part)) for part in fold.parts})
            for fold in self.folds
        ]
        return replace(self, corpus=self.corpus.select(rows), folds=tuple(folds))

    @property
    def class_names(self) -> list[str]:
        return label_names(self.corpus)
