"""Evaluation protocols: a named choice of rows to learn from and to ask about, and the checks that each passes.

A protocol is data, in a `protocols.json` beside its corpus:

    {"lists": {"train files": ["walk_01", ...]},
     "protocols": {"my-set/classification": {"task": "classification", "cross_subject": true, "folds": [
         {"name": "split 1", "learn": {"recording": "train files"}, "ask": {"not": {"recording": "train files"}}}]}}}

A choice names columns and the values that they may have (`SELECTABLE`); "recording" may also name one of the lists,
"anomalous" is whether any frame of the row is labelled so, and "not" turns a choice around. Anomaly protocols have
"normal" in each fold, the choice of what is normal, or `"frames": true` beside their folds if the labels of frames
tell (all that is learnt from is normal); one-shot ones "auxiliary", "exemplars" and "queries" instead of "learn" and
"ask". Protocols that were published are built in (`published`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from datasets import ClassLabel, Dataset

from .published import published_protocols

PROTOCOLS = "protocols.json"  # beside the corpus whose protocols it holds
SELECTABLE = ("subject", "label", "recording", "camera", "split", "anomalous")
TASKS = ("classification", "one-shot", "anomaly", "supervised-anomaly")


@dataclass(frozen=True)
class Fold:
    """One split of a protocol.

    Args:
        name: which, such as "split 1".
        train: ids of the rows to learn from; in "anomaly" all of them are normal.
        test: ids of the rows that are asked about.
        anomalous: bool `[len(test)]`, in the anomaly tasks; None where frames are labelled in the corpus, and else.
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
        """Ids of the rows that are asked about."""
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
        """Ids of the rows that are asked about."""
        return self.queries


@dataclass(frozen=True)
class Protocol:
    """How one figure is measured on one corpus.

    Args:
        name: as scripts name it, such as "jhmdb14_2d/classification".
        task: one of `TASKS`.
        corpus: all rows, with the columns of `motion_features`.
        folds: the figure is the mean over them.
        cross_subject: no subject may be both learnt from and asked about.

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
                raise ValueError(f"{where}: classes {missing[:5]} are asked about but have no example in train")
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

    def narrowed(self) -> Protocol:
        """Return it on a corpus of nothing but the rows that its folds name."""
        rows = np.unique(np.concatenate([getattr(fold, part) for fold in self.folds for part in fold.parts]))
        folds = [
            replace(fold, **{part: np.searchsorted(rows, getattr(fold, part)) for part in fold.parts})
            for fold in self.folds
        ]
        return replace(self, corpus=self.corpus.select(rows), folds=tuple(folds))

    @property
    def class_names(self) -> list[str]:
        label = self.corpus.features["label"]
        return label.names if isinstance(label, ClassLabel) else []


def read_protocols(folder: str | Path, corpus: Dataset) -> dict[str, Protocol]:
    """Return the protocols beside a corpus and the published ones of its set, by name.

    Args:
        folder: of the corpus.
        corpus: all of its rows (`load_corpus(folder, None)`).

    Raises:
        FileNotFoundError: there are none.
        ValueError: the file is not as above, names what the corpus lacks, or a protocol that leaks (`Protocol`).
    """
    columns = _columns(corpus)
    path = Path(folder) / PROTOCOLS
    lists, specs = published_protocols(Path(folder), columns["recording"].tolist(), columns["label"].tolist())
    found = {name: _protocol(name, spec, corpus, columns, lists) for name, spec in specs.items()}
    if not path.is_file():
        if found:
            return found
        raise FileNotFoundError(
            f"corpus {str(folder)!r} has no {PROTOCOLS} beside it, which says what is learnt and what asked, and is "
            "no published set whose protocols are known"
        )
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no valid JSON ({error})") from error
    lists, specs = content.get("lists", {}), content.get("protocols", {})
    return found | {name: _protocol(name, spec, corpus, columns, lists) for name, spec in specs.items()}


def find_protocol(folder: str | Path, corpus: Dataset, name: str, task: str) -> Protocol:
    """Return the protocol of a corpus (`read_protocols`) that has a name and a task.

    Raises:
        ValueError: there is none; the message lists those of that task.
    """
    protocols = {title: found for title, found in read_protocols(folder, corpus).items() if found.task == task}
    if name not in protocols:
        raise ValueError(f"protocol must be one of {', '.join(protocols) or 'none'}, got {name!r}")
    return protocols[name]


def _columns(corpus: Dataset) -> dict[str, np.ndarray]:
    label = corpus.features["label"]
    names = np.array([*label.names, ""]) if isinstance(label, ClassLabel) else None
    numbers = np.asarray(corpus["label"][:])
    return {
        "label": names[numbers] if names is not None else numbers.astype(str),
        "anomalous": np.array([any(flags) for flags in corpus["frame_labels"][:]], bool),
        **{name: np.asarray(corpus[name][:]) for name in ("subject", "recording", "camera", "split")},
    }


def _select(where: str, choice: Mapping, columns: Mapping[str, np.ndarray], lists: Mapping[str, list]) -> np.ndarray:
    """Return which rows a choice takes, bool `[rows]`."""
    chosen = np.ones(len(columns["label"]), bool)
    for name, values in choice.items():
        if name == "not":
            chosen &= ~_select(where, values, columns, lists)
            continue
        if name not in SELECTABLE:
            raise ValueError(f"{where} chooses by {name!r}; it must be one of {', '.join(SELECTABLE)} or not")
        if isinstance(values, str) and name == "recording":
            if values not in lists:
                raise ValueError(f"{where} names the list {values!r}; there are {', '.join(lists) or 'none'}")
            values = lists[values]
        values = values if isinstance(values, list) else [values]
        unknown = [value for value in values if value not in set(columns[name].tolist())]
        if unknown:
            raise ValueError(f"{where} chooses {name} {unknown[0]!r}, which no row of the corpus has")
        chosen &= np.isin(columns[name], values)
    return chosen


def _protocol(
    name: str, spec: Mapping, corpus: Dataset, columns: Mapping[str, np.ndarray], lists: Mapping[str, list]
) -> Protocol:
    folds = []
    for number, fold in enumerate(spec.get("folds", [])):
        where = f"protocol {name!r}, fold {fold.get('name', number)!r}"

        def rows(part: str, fold: Mapping = fold, where: str = where) -> np.ndarray:
            if part not in fold:
                raise ValueError(f"{where} lacks {part!r}; it has {', '.join(fold)}")
            return _select(f"{where}: {part}", fold[part], columns, lists)

        title = str(fold.get("name", number))
        if spec.get("task") == "one-shot":
            parts = (np.flatnonzero(rows(part)) for part in ("auxiliary", "exemplars", "queries"))
            folds.append(OneShotFold(title, *parts))
            continue
        learn, ask = rows("learn"), rows("ask")
        if "anomaly" not in str(spec.get("task")):
            folds.append(Fold(title, np.flatnonzero(learn), np.flatnonzero(ask)))
            continue
        if spec.get("frames"):
            folds.append(Fold(title, np.flatnonzero(learn), np.flatnonzero(ask)))
            continue
        normal = rows("normal")
        if spec["task"] == "anomaly":
            learn = learn & normal
        flags = ~normal[learn] if spec["task"] == "supervised-anomaly" else None
        folds.append(Fold(title, np.flatnonzero(learn), np.flatnonzero(ask), ~normal[ask], flags))
    return Protocol(name, spec.get("task", ""), corpus, tuple(folds), bool(spec.get("cross_subject", False)))
