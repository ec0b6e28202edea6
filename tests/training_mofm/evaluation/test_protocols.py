"""Protocols: the checks that catch leaks, and protocols as data."""

import json
import warnings

import numpy as np
import pytest
from datasets import Dataset

from motion_data.schema import encode_row, motion_features
from training_mofm.evaluation import Fold, OneShotFold, Protocol, read_protocols

LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
SUBJECTS = np.array([1, 1, 1, 2, 2, 2, 3, 3, 3, 3])


@pytest.fixture(scope="module")
def corpus():
    motion = np.ones((1, 4, 17, 2), np.float32)
    rows = [
        encode_row(
            motion,
            motion[..., 0],
            "coco17",
            label=int(label),
            subject=int(subject),
            recording=f"r{number}",
            frame_labels=[int(label == 2)] * 4,
        )
        for number, (label, subject) in enumerate(zip(LABELS, SUBJECTS, strict=True))
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
        ("classification", Fold("f", rows(0, 1), rows(6, 8)), r"classes \[2\] are in test but have no example"),
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


def test_recordings_on_both_sides_are_told(corpus):
    names = [f"video {number // 4}" for number in range(10)]
    cut = corpus.remove_columns("recording").add_column("recording", names).cast(corpus.features)
    expected = "'toy', f: 1 recordings, such as 'video 0', have stretches in both train and test"
    with pytest.warns(UserWarning, match=expected):
        Protocol("toy", "classification", cut, (Fold("f", rows(0, 1, 2), rows(3, 8)),))
    with pytest.warns(UserWarning, match="'video 1'"):
        Protocol("toy", "one-shot", cut, (OneShotFold("f", rows(0, 3), rows(4, 5), rows(7, 8)),))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Protocol("toy", "classification", cut, (Fold("f", rows(0, 1, 2), rows(4, 8)),))
        unknown = cut.remove_columns("recording").add_column("recording", [""] * 10).cast(corpus.features)
        Protocol("toy", "classification", unknown, (Fold("f", rows(0, 1, 2), rows(3, 8)),))


def test_other_refusals(corpus):
    with pytest.raises(ValueError, match="task must be one of .*, got 'regression'"):
        Protocol("toy", "regression", corpus, (Fold("f", rows(0), rows(1)),))
    with pytest.raises(ValueError, match="protocol 'toy' has no fold"):
        Protocol("toy", "anomaly", corpus, ())


def test_protocols_beside_a_corpus_are_read(corpus, tmp_path):
    spec = {
        "lists": {"late": ["r6", "r7", "r8", "r9"]},
        "protocols": {
            "toy/classification": {
                "task": "classification",
                "cross_subject": True,
                "folds": [{"name": "one", "learn": {"not": {"recording": "late"}}, "ask": {"recording": "late"}}],
            },
            "toy/anomaly": {
                "task": "anomaly",
                "folds": [{"name": "walk", "learn": {"subject": [1, 2]}, "ask": {"subject": 3}, "normal": WALK}],
            },
            "toy/supervised": {
                "task": "supervised-anomaly",
                "folds": [{"learn": {"subject": [1, 2]}, "ask": {"subject": 3}, "normal": {"anomalous": False}}],
            },
            "toy/one-shot": {
                "task": "one-shot",
                "folds": [
                    {
                        "auxiliary": {"label": "walk"},
                        "exemplars": {"recording": ["r1", "r2"]},
                        "queries": {"not": {"label": ["walk"]}, "recording": ["r4", "r5"]},
                    }
                ],
            },
        },
    }
    (tmp_path / "protocols.json").write_text(json.dumps(spec))
    protocols = read_protocols(tmp_path, corpus)
    (fold,) = protocols["toy/classification"].folds
    assert fold.train.tolist() == [0, 1, 2, 3, 4, 5] and fold.test.tolist() == [6, 7, 8, 9]
    assert protocols["toy/classification"].cross_subject
    (fold,) = protocols["toy/anomaly"].folds
    assert fold.train.tolist() == [0, 3] and fold.anomalous.tolist() == [False, True, True, False]
    (fold,) = protocols["toy/supervised"].folds
    assert fold.train_anomalous.tolist() == [False, False, True, False, False, True]
    (fold,) = protocols["toy/one-shot"].folds
    assert (fold.auxiliary.tolist(), fold.exemplars.tolist(), fold.queries.tolist()) == ([0, 3, 6, 9], [1, 2], [4, 5])


WALK = {"label": "walk"}


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        ({"learn": {"age": [1]}, "ask": {}}, "learn chooses by 'age'; it must be one of subject, label"),
        ({"learn": {"label": ["swim"]}, "ask": {}}, "chooses label 'swim', which no row of the corpus has"),
        ({"learn": {"recording": "early"}, "ask": {}}, "names the list 'early'; there are none"),
        ({"learn": {"subject": [1]}}, "fold 0 lacks 'ask'; it has learn"),
        ({"learn": {"subject": [[1]]}, "ask": {}}, r"chooses subject \[1\], which no row"),
        ({"learn": {"not": "late"}, "ask": {}}, "learn is 'late'; it must be an object of subject"),
        ({"learn": {}, "ask": {}, "normal": {}}, "fold 0 has 'normal'; it may have name, learn, ask"),
        ({"learn": [1], "ask": {}}, r"fold 0: learn is \[1\]; it must be an object"),
        ([{"subject": 1}, {"subject": 2}], "fold 0 is a list; it must be an object of name, learn, ask"),
        ({"learn": {"subject": [1, 2]}, "ask": {"subject": [2, 3]}}, r"rows \[3, 4, 5\] are used twice"),
    ],
)
def test_protocols_that_name_what_is_not_there_or_leak_are_refused(corpus, tmp_path, fold, message):
    spec = {"protocols": {"toy": {"task": "classification", "folds": [fold]}}}
    (tmp_path / "protocols.json").write_text(json.dumps(spec))
    with pytest.raises(ValueError, match=message):
        read_protocols(tmp_path, corpus)


def test_a_corpus_without_protocols_and_broken_files_are_refused(corpus, tmp_path):
    with pytest.raises(FileNotFoundError, match="has no protocols.json beside it"):
        read_protocols(tmp_path, corpus)
    for content, message in {
        '{"protocol": {}}': "has 'protocol'; it may have lists, protocols",
        '{"protocols": []}': r"protocols is \[\]; it must be an object",
        '{"lists": {"late": "r6"}}': "list 'late' is a str; it must be a list of recordings",
        '{"protocols": {"toy": []}}': "protocol 'toy' is a list; it must be an object of task, folds",
        '{"protocols": {"toy": {"task": "regression"}}}': "task is 'regression'; it must be one of classification",
        '{"protocols": {"toy": {"task": "classification", "cross_subjects": true}}}': "'toy' has 'cross_subjects'",
        '{"protocols": {"toy": {"task": "classification", "cross_subject": "no"}}}': "it must be true or false",
        '{"protocols": {"toy": {"task": "classification", "folds": {}}}}': "folds is {}; it must be a list",
        '{"protocols": {"toy": {"task": "classification"}}}': "protocol 'toy' has no fold",
    }.items():
        (tmp_path / "protocols.json").write_text(content)
        with pytest.raises(ValueError, match=message):
            read_protocols(tmp_path, corpus)
    (tmp_path / "protocols.json").write_text("{")
    with pytest.raises(ValueError, match="is no valid JSON"):
        read_protocols(tmp_path, corpus)
