"""Protocols: the checks that catch leaks, and those of the packed sets against their own definitions."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from motion_data.schema import encode_row, motion_features
from training_mofm.evaluation import Fold, OneShotFold, Protocol, packed_protocols

LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
SUBJECTS = np.array([1, 1, 1, 2, 2, 2, 3, 3, 3, 3])


@pytest.fixture(scope="module")
def corpus():
    motion = np.ones((1, 4, 17, 2), np.float32)
    rows = [
        encode_row(motion, motion[..., 0], "coco17", label=int(label), subject=int(subject))
        for label, subject in zip(LABELS, SUBJECTS, strict=True)
    ]
    return Dataset.from_list(rows, features=motion_features(["walk", "run", "jump"]))


def rows(*ids):
    return np.array(ids, int)


def flags(*values):
    return np.array(values, bool)


def test_sound_protocols(corpus):
    fold = Fold("one", rows(0, 1, 2, 3, 4, 5), rows(6, 7, 8, 9))
    protocol = Protocol("toy", "classification", corpus, (fold,), cross_subject=True)
    assert protocol.class_names == ["walk", "run", "jump"]
    Protocol("toy", "anomaly", corpus, (Fold("one", rows(0, 3), rows(6, 7), flags(0, 1)),), cross_subject=True)
    Protocol("toy", "one-shot", corpus, (OneShotFold("one", rows(0, 3, 6), rows(1, 2), rows(4, 5, 8)),))


@pytest.mark.parametrize(
    ("task", "fold", "message"),
    [
        (
            "classification",
            Fold("f", rows(0, 1, 2), rows(2, 6)),
            r"'toy', f: rows \[2\] are used twice in train, test",
        ),
        ("classification", Fold("f", rows(0, 0, 1), rows(6)), r"rows \[0\] are used twice"),
        ("classification", Fold("f", rows(0, 1), rows(10)), r"test has rows \[10\]; the corpus has 10"),
        ("classification", Fold("f", rows(-1, 1), rows(6)), r"train has rows \[-1\]"),
        ("classification", Fold("f", rows(), rows(6)), "train has no rows"),
        ("classification", Fold("f", rows(0, 1), rows(6, 8)), r"classes \[2\] are asked about but have no example"),
        ("classification", Fold("f", rows(0, 1, 6), rows(7, 3)), r"subjects \[3\] are in train and in test"),
        ("anomaly", Fold("f", rows(0), rows(6, 7), flags(0)), "test has 2 rows and 1 flags"),
        ("anomaly", Fold("f", rows(0), rows(6, 7), flags(0, 0)), "test is all normal"),
        ("supervised-anomaly", Fold("f", rows(0, 1), rows(6, 7), flags(0, 1), flags(1, 1)), "train is all anomalous"),
        ("one-shot", OneShotFold("f", rows(0), rows(1, 4), rows(7)), "have a class twice"),
        ("one-shot", OneShotFold("f", rows(0, 4), rows(1, 2), rows(5)), r"auxiliary rows \[4\] are of novel classes"),
        ("one-shot", OneShotFold("f", rows(0), rows(1, 2), rows(5, 6)), r"queries \[6\] have no exemplar"),
        ("one-shot", OneShotFold("f", rows(0), rows(1, 2), rows(5, 2)), r"rows \[2\] are used twice in .*queries"),
    ],
)
def test_leaks_and_holes_are_refused(corpus, task, fold, message):
    with pytest.raises(ValueError, match=message):
        Protocol("toy", task, corpus, (fold,), cross_subject=task != "one-shot")


def test_other_refusals(corpus, tmp_path):
    with pytest.raises(ValueError, match="task must be one of .*, got 'regression'"):
        Protocol("toy", "regression", corpus, (Fold("f", rows(0), rows(1)),))
    with pytest.raises(ValueError, match="protocol 'toy' has no fold"):
        Protocol("toy", "anomaly", corpus, ())
    with pytest.raises(ValueError, match="toy.npz has no protocols; sets that have are jhmdb14_2d, "):
        packed_protocols(tmp_path / "toy.npz")


@pytest.fixture(scope="module")
def published():
    """The sets' own protocols, and where they lie."""
    folder = Path(os.environ.get("MOFM_DATA", ""))
    if "MOFM_DATA" not in os.environ or not (folder / "protocols.py").is_file():
        pytest.skip("the environment variable MOFM_DATA names no folder of packed sets with their protocols")
    spec = importlib.util.spec_from_file_location("published_protocols", folder / "protocols.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return folder, module


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", ["jhmdb14_2d", "msr_action3d", "ymja_hockey_2d", "bandai_namco", "uiprmd_kinect"])
def test_packed_sets_as_published(published, name):
    folder, theirs = published
    with np.load(folder / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    ours = {key.split("/")[1]: make() for key, make in packed_protocols(folder / f"{name}.npz").items()}
    if "classification" in ours:
        folds = [(fold.train, fold.test) for fold in ours["classification"].folds]
        assert all(same(a, b) for a, b in zip(folds, theirs.splits(arrays, name), strict=True))
    if "one-shot" in ours:
        (fold,) = ours["one-shot"].folds
        assert same((fold.auxiliary, fold.exemplars, fold.queries), theirs.one_shot(arrays, name))
    if name.startswith("uiprmd"):
        expected = [fold for movement in range(10) for fold in theirs.uiprmd_folds(arrays, movement)]
        folds = [(fold.train, fold.test, fold.anomalous) for fold in ours["anomaly"].folds]
        assert all(same(a, b) for a, b in zip(folds, expected, strict=True)) and len(folds) == 50
        supervised = ours["supervised-anomaly"].folds[7]
        assert 0 < supervised.train_anomalous.sum() < len(supervised.train) == 2 * len(folds[7][0])
    elif "anomaly" in ours:
        train, test = theirs.splits(arrays, name)[0]
        for label, fold in enumerate(ours["anomaly"].folds):
            assert same((fold.train, fold.test, fold.anomalous), theirs.one_class(arrays, train, test, [label]))
