"""Protocols of the packed sets, as the sets define them: splits and folds are arrays of their files.

| protocol | learnt from, asked about |
| --- | --- |
| `jhmdb14_2d/classification` | the three splits of JHMDB, 14 classes |
| `msr_action3d/classification` | cross-subject, 20 classes |
| `ymja_hockey_2d/classification` | five folds, 5 classes, two players |
| `msr_action3d/one-shot`, `jhmdb14_2d/one-shot`, `bandai_namco/one-shot` | novel classes `NOVEL_CLASSES`; the exemplar is the first sequence of its class by name |
| `uiprmd_kinect/anomaly`, `uiprmd_vicon/anomaly` | 10 movements, 5 folds of two held-out subjects each; learnt from correct execution |
| `jhmdb14_2d/anomaly`, `msr_action3d/anomaly` | each class once as the normal one, first split |
| `uiprmd_*/supervised-anomaly` | as above, with incorrect execution by the other eight subjects |
| `ymja_hockey_2d/supervised-anomaly` | penalty against No_penalty, on its folds |
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np
from datasets import Dataset

from motion_data.readers.packed import NOVEL_CLASSES, Arrays, read_packed

from .protocols import Fold, OneShotFold, Protocol

NO_PENALTY = "No_penalty"


def packed_protocols(path: str | PathLike) -> dict[str, Callable[[], Protocol]]:
    """Return, by name, what makes each protocol of a packed set.

    Args:
        path: the `.npz` file, named as above.

    Raises:
        ValueError: a set without protocols.
    """
    path = Path(path)
    makers = _MAKERS.get(path.stem)
    if makers is None:
        raise ValueError(f"{path.name} has no protocols; sets that have are {', '.join(_MAKERS)}")

    def maker(task: str, make: Callable) -> Callable[[], Protocol]:
        def build() -> Protocol:
            corpus = read_packed(path)
            with np.load(path, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files if key not in ("keypoints", "confidence")}
            folds, cross_subject = make(path.stem, corpus, arrays)
            return Protocol(f"{path.stem}/{task}", task, corpus, tuple(folds), cross_subject)

        return build

    return {f"{path.stem}/{task}": maker(task, make) for task, make in makers.items()}


def _splits(name: str, corpus: Dataset, arrays: Arrays) -> tuple[list[Fold], bool]:
    if name == "jhmdb14_2d":
        keys = [f"split{number}" for number in (1, 2, 3)]
        return [Fold(key, np.flatnonzero(arrays[key] == 0), np.flatnonzero(arrays[key] == 1)) for key in keys], False
    if name == "ymja_hockey_2d":
        fold5 = arrays["fold5"]
        return [Fold(f"fold{n}", np.flatnonzero(fold5 != n), np.flatnonzero(fold5 == n)) for n in range(5)], False
    split = arrays["cross_subject"]
    return [Fold("cross-subject", np.flatnonzero(split == 0), np.flatnonzero(split == 1))], True


def _one_shot(name: str, corpus: Dataset, arrays: Arrays) -> tuple[list[OneShotFold], bool]:
    classes, labels = arrays["class_names"].tolist(), arrays["labels"]
    novel = [classes.index(label) for label in NOVEL_CLASSES[name]]
    by_name = np.argsort(arrays["names"], kind="stable")
    exemplars = np.array([by_name[np.argmax(labels[by_name] == label)] for label in novel])
    others = np.setdiff1d(np.flatnonzero(np.isin(labels, novel)), exemplars)
    return [OneShotFold("novel classes", np.flatnonzero(~np.isin(labels, novel)), exemplars, others)], False


def _one_normal_class(name: str, corpus: Dataset, arrays: Arrays) -> tuple[list[Fold], bool]:
    (split, *_), cross_subject = _splits(name, corpus, arrays)
    labels, folds = arrays["labels"], []
    for label, class_name in enumerate(arrays["class_names"].tolist()):
        train, anomalous = split.train[labels[split.train] == label], labels[split.test] != label
        if len(train) and anomalous.any() and not anomalous.all():
            folds.append(Fold(f"normal is {class_name}", train, split.test, anomalous))
    return folds, cross_subject


def _execution(supervised: bool) -> Callable:
    def make(name: str, corpus: Dataset, arrays: Arrays) -> tuple[list[Fold], bool]:
        labels, subjects, correct = arrays["labels"], arrays["subjects"], arrays["correct"].astype(bool)
        folds = []
        for movement in np.unique(labels):
            for number in range(5):
                held_out = np.isin(subjects, (2 * number + 1, 2 * number + 2))
                of_movement = labels == movement
                train = np.flatnonzero(of_movement & ~held_out & (correct | supervised))
                test = np.flatnonzero(of_movement & held_out)
                flags = ~correct[train] if supervised else None
                folds.append(Fold(f"movement {movement}, fold {number}", train, test, ~correct[test], flags))
        return folds, True

    return make


def _penalty(name: str, corpus: Dataset, arrays: Arrays) -> tuple[list[Fold], bool]:
    folds, cross_subject = _splits(name, corpus, arrays)
    penalty = arrays["labels"] != arrays["class_names"].tolist().index(NO_PENALTY)
    return [Fold(f.name, f.train, f.test, penalty[f.test], penalty[f.train]) for f in folds], cross_subject


_MAKERS = {
    "jhmdb14_2d": {"classification": _splits, "one-shot": _one_shot, "anomaly": _one_normal_class},
    "msr_action3d": {"classification": _splits, "one-shot": _one_shot, "anomaly": _one_normal_class},
    "ymja_hockey_2d": {"classification": _splits, "supervised-anomaly": _penalty},
    "bandai_namco": {"one-shot": _one_shot},
    "uiprmd_kinect": {"anomaly": _execution(False), "supervised-anomaly": _execution(True)},
    "uiprmd_vicon": {"anomaly": _execution(False), "supervised-anomaly": _execution(True)},
}
