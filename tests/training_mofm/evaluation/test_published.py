"""Published protocols on copies of the published layout: who is in train and who is in test."""

import json

import numpy as np
import pytest
from datasets import Dataset

from motion_data.schema import encode_row, motion_features
from training_mofm.evaluation import read_protocols
from training_mofm.evaluation.protocol_files import find_protocol


def make_corpus(names, classes=None, **columns):
    motion = np.ones((1, 4, 17, 2), np.float32)
    rows = []
    for number, name in enumerate(names):
        label = classes.index(f"A{name[-3:]}") if classes else -1
        own = {key: values[number] for key, values in columns.items()}
        rows.append(encode_row(motion, motion[..., 0], "coco17", recording=name, label=label, **own))
    return Dataset.from_list(rows, features=motion_features(classes))


@pytest.fixture(scope="module")
def ntu():
    """Every subject and every class of NTU RGB+D 120 in some set-up and camera, as its file names say."""
    names = []
    for action in range(1, 121):
        for subject in range(1, 107) if action in (1, 60, 61, 120) else (1, 2, 3, 6):
            setup = 1 + (subject + action) % 32
            names.append(f"S{setup:03d}C{1 + subject % 3:03d}P{subject:03d}R001A{action:03d}")
    exemplars = [f"S{1 if action < 60 else 18:03d}C003P008R001A{action:03d}" for action in range(1, 116, 6)]
    names = sorted({*names, *exemplars})
    classes = [f"A{action:03d}" for action in range(1, 121)]
    subjects, cameras = [int(name[9:12]) for name in names], [name[4:8] for name in names]
    return make_corpus(names, classes, subject=subjects, camera=cameras)


def test_protocols_of_ntu(ntu, tmp_path):
    found = read_protocols(tmp_path, ntu)
    assert set(found) == {"ntu60/xsub", "ntu60/xview", "ntu120/xsub", "ntu120/xset", "ntu120/one-shot"}
    names = np.array(ntu["recording"][:])
    subjects, labels = np.array(ntu["subject"][:]), np.array(ntu["label"][:]) + 1

    def parts(name):
        (fold,) = found[name].folds
        return fold.train, fold.test

    train, test = parts("ntu60/xsub")
    assert len(set(subjects[train])) == 20 and labels[np.r_[train, test]].max() == 60
    assert {1, 2, 38} <= set(subjects[train]) and {3, 6, 7, 40} <= set(subjects[test])
    train, test = parts("ntu60/xview")
    assert {name[4:8] for name in names[train]} == {"C002", "C003"} and {n[4:8] for n in names[test]} == {"C001"}
    train, test = parts("ntu120/xsub")
    assert len(set(subjects[train])) == len(set(subjects[test])) == 53 and len(train) + len(test) == len(names)
    train, test = parts("ntu120/xset")
    assert {int(name[1:4]) % 2 for name in names[train]} == {0} and {int(n[1:4]) % 2 for n in names[test]} == {1}
    (fold,) = found["ntu120/one-shot"].folds
    novel = list(range(1, 116, 6))
    assert labels[fold.exemplars].tolist() == sorted(labels[fold.exemplars]) and len(fold.exemplars) == 20
    assert sorted(set(labels[fold.queries])) == novel and len(set(labels[fold.auxiliary])) == 100
    assert names[fold.exemplars][0] == "S001C003P008R001A001" and "S018C003P008R001A061" in names[fold.exemplars]


def test_the_first_sixty_classes_alone_are_ntu60(ntu, tmp_path):
    part = ntu.filter(lambda row: row["label"] < 60)
    assert set(read_protocols(tmp_path, part)) == {"ntu60/xsub", "ntu60/xview"}


def test_a_copy_without_some_subjects_has_the_protocols_that_fit_it(ntu, tmp_path, caplog):
    part = ntu.filter(lambda row: row["label"] < 60 and row["subject"] != 38)
    reason = "'ntu60/xsub'.* chooses subject 38, which no row of the corpus has"
    assert set(read_protocols(tmp_path, part)) == {"ntu60/xview"}
    assert "ntu60/xsub is left out" in caplog.text
    with pytest.raises(ValueError, match=reason):
        find_protocol(tmp_path, part, "ntu60/xsub", "classification")
    few = part.filter(lambda row: row["camera"] == "C002")
    with pytest.raises(ValueError, match="chooses subject"):
        read_protocols(tmp_path, few)
    fold = {"learn": {"subject": [1, 4]}, "ask": {"not": {"subject": [1, 4]}}}
    own = {"own": {"task": "classification", "cross_subject": True, "folds": [fold]}}
    (tmp_path / "protocols.json").write_text(json.dumps({"protocols": own}))
    assert set(read_protocols(tmp_path, few)) == {"own"}
    assert find_protocol(tmp_path, few, "own", "classification").cross_subject


def test_protocols_of_shanghaitech(tmp_path):
    videos = ["01_0014", "01_0130", "06_0144", "12_0175"]
    names = [f"train/{name}_alphapose_tracked_person.json" for name in ("01_001", "02_003")]
    names += [f"test/{name}_alphapose_tracked_person.json" for name in videos]
    corpus = make_corpus(names, frame_labels=[[], []] + [[0, 0, 1, 1]] * 4)
    found = read_protocols(tmp_path, corpus)
    assert set(found) == {"shanghaitech", "hr-shanghaitech"}
    (whole,), (people,) = found["shanghaitech"].folds, found["hr-shanghaitech"].folds
    assert whole.train.tolist() == [0, 1] == people.train.tolist() and whole.anomalous is None
    assert whole.test.tolist() == [2, 3, 4, 5] and people.test.tolist() == [2, 5]


def test_protocols_of_chad_are_its_own_lists(tmp_path):
    names = [f"annotations/{name}.pkl" for name in ("1_071_0", "1_072_1", "2_005_0", "4_086_1")]
    labels = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 1, 1]]
    corpus = make_corpus(names, frame_labels=labels)
    with pytest.raises(FileNotFoundError):
        read_protocols(tmp_path, corpus)
    splits = tmp_path / "splits"
    splits.mkdir()
    for name, videos in {
        "train_split_1": "1_071_0.mp4 2_005_0.mp4",
        "test_split_1": "1_072_1.mp4 4_086_1.mp4",
        "train_split_2": "1_071_0 1_072_1",
    }.items():
        (splits / f"{name}.txt").write_text("\n".join(videos.split()) + "\n")
    with pytest.raises(ValueError, match="lacks test_split_2.txt"):
        read_protocols(tmp_path, corpus)
    (splits / "test_split_2.txt").write_text("2_005_0\n4_086_1\n")
    found = read_protocols(tmp_path, corpus)
    assert {name: protocol.task for name, protocol in found.items()} == {
        "chad/1": "anomaly",
        "chad/2": "supervised-anomaly",
    }
    (normal,), (labelled,) = found["chad/1"].folds, found["chad/2"].folds
    assert (normal.train.tolist(), normal.test.tolist()) == ([0, 2], [1, 3])
    assert (labelled.train.tolist(), labelled.test.tolist()) == ([0, 1], [2, 3])
    (splits / "test_split_2.txt").write_text("2_005_0\n4_087_1\n")
    with pytest.raises(ValueError, match="names 4_087_1, which no row"):
        read_protocols(tmp_path, corpus)


def test_other_corpora_have_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_protocols(tmp_path, make_corpus(["walk", "S001C002P003R002A013"]))
