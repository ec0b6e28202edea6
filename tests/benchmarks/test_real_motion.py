"""Packed motion sets become ordinary corpora with protocols: small made ones, and the real ones where they are."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import processes
import pytest

from benchmarks.real_motion import NOVEL_CLASSES, recordings, splits, write_set
from motion_data.corpora.load import load_corpus
from motion_data.layouts import get_layout
from motion_data.rows import decode_row, row_recording
from motion_data.views import view
from training_mofm.evaluation import read_protocols

LENGTHS = [4, 5, 3, 6, 4, 5, 4, 5]
CLASSES = ["bow", "hammer", "draw_x", "two_hand_wave", "side_kick", "tennis_serve"]


def packed(layout="msr20", people=1, dimensions=3, **others):
    """Return the arrays of a small set of eight sequences."""
    generator = np.random.default_rng(0)
    shape = (sum(LENGTHS), *((people,) if people > 1 else ()), get_layout(layout).num_joints, dimensions)
    keypoints = generator.uniform(1, 2, shape).astype(np.float32)
    keypoints[0, ..., 0, :] = 0
    names = [joint.replace("left_", "l_").replace("right_", "r_") for joint in get_layout(layout).joints]
    return {
        "keypoints": keypoints,
        "offsets": np.cumsum([0, *LENGTHS]),
        "labels": np.array([0, 1, 2, 3, 4, 5, 0, 1]),
        "names": np.array([f"clip_{i}" for i in range(8)]),
        "class_names": np.array(CLASSES),
        "joint_names": np.array(names),
        "fps": np.float32(15),
        "subjects": np.array([1, 1, 2, 2, 9, 9, 10, 10]),
        "cross_subject": np.array([0, 0, 0, 0, 0, 0, 1, 1]),
        **others,
    }


def test_a_set_becomes_a_corpus_with_its_splits_and_camera(tmp_path):
    np.savez(tmp_path / "msr_action3d.npz", **packed())
    counts = write_set(tmp_path / "msr_action3d.npz", tmp_path / "corpora")
    assert counts == {"train": 1, "rest": 5, "test": 2}
    corpus = load_corpus(tmp_path / "corpora", None)
    assert corpus.features["label"].names == CLASSES and set(corpus["space"][:]) == {"camera"}
    test = load_corpus(tmp_path / "corpora", "test")
    assert test["recording"][:] == [f"msr_action3d/clip_{i}" for i in range(6, 8)]
    keypoints, scores = decode_row(test[0])
    start = sum(LENGTHS[:6])
    np.testing.assert_array_equal(keypoints[0], packed()["keypoints"][start : start + LENGTHS[6]])
    motion = view(row_recording(test[0]))
    expected = -keypoints[..., :2] / keypoints[..., 2:]
    canonical = np.array(get_layout("msr20").canonical)[5:]
    np.testing.assert_allclose(motion.keypoints[..., 5:, :], expected[..., canonical, :], rtol=1e-5)
    train, *_ = load_corpus(tmp_path / "corpora")
    assert train["scores"][0] == 0 and np.count_nonzero(train["scores"]) == 4 * 20 - 1
    protocols = read_protocols(tmp_path / "corpora", corpus)
    assert set(protocols) == {"msr_action3d/classification", "msr_action3d/anomaly", "msr_action3d/one-shot"}


def test_people_confidence_and_correctness(tmp_path):
    arrays = packed("openpose25", 2, 2, confidence=np.full((sum(LENGTHS), 2, 25), 0.5, np.float32))
    found = recordings("ymja_hockey_2d", arrays)
    assert found[0].keypoints.shape == (2, 4, 25, 2) and found[0].space == "image"
    assert found[0].scores[0, 0, 0] == 0 and (found[1].scores == 0.5).all()
    np.testing.assert_array_equal(found[1].keypoints[1], arrays["keypoints"][4:9, 1])
    arrays = packed("uiprmd-kinect16", correct=np.arange(8) % 2 == 0)
    found = recordings("uiprmd_kinect", arrays)
    assert [int(recording.frame_labels.all()) for recording in found] == [0, 1] * 4
    assert splits("uiprmd_kinect", arrays).tolist() == ["train"] * 4 + ["test"] * 4
    with pytest.raises(ValueError, match="unknown_set is no set that is known"):
        splits("unknown_set", arrays)


def test_the_script_writes_what_is_missing(tmp_path):
    np.savez(tmp_path / "msr_action3d.npz", **packed())
    code = "import sys; from benchmarks.real_motion import main; sys.exit(main())"
    command = [code, tmp_path, "--output", tmp_path / "corpora", "--sets"]
    for expected in ("'train': 1", "there already"):
        result = processes.run(*command, "msr_action3d")
        assert result.returncode == 0 and expected in result.stdout, result.stderr
    result = processes.run(*command, "cmu_subset")
    assert result.returncode == 1 and "cmu_subset.npz is no file" in result.stderr


SETS = {
    "bandai_namco": ("bandai18", 3076, 1858, 1218),
    "cmu_subset": ("mocap15", 139, 115, 24),
    "jhmdb14_2d": ("jhmdb15", 609, 178, 176),
    "msr_action3d": ("msr20", 557, 216, 273),
    "uiprmd_kinect": ("uiprmd-kinect16", 2000, 1600, 400),
    "uiprmd_vicon": ("mocap15", 1979, 1579, 400),
    "ymja_hockey_2d": ("openpose25", 503, 0, 503),
}


@pytest.fixture(scope="module")
def published():
    """The real sets' own protocols, and where they lie."""
    folder = Path(os.environ.get("MOFM_DATA", ""))
    if "MOFM_DATA" not in os.environ or not (folder / "protocols.py").is_file():
        pytest.skip("the environment variable MOFM_DATA names no folder of packed sets with their protocols")
    spec = importlib.util.spec_from_file_location("published_protocols", folder / "protocols.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return folder, module


@pytest.mark.parametrize("name", SETS)
def test_real_sets_have_the_published_protocols(published, tmp_path, name):
    folder, theirs = published
    layout, num_rows, num_train, num_test = SETS[name]
    counts = write_set(folder / f"{name}.npz", tmp_path / name)
    assert (counts.get("train", 0), counts["test"], sum(counts.values())) == (num_train, num_test, num_rows)
    corpus = load_corpus(tmp_path / name, None)
    assert set(corpus["layout"][:]) == {layout}
    if num_train:
        labels = corpus.features["label"]
        train = load_corpus(tmp_path / name)["label"][:]
        assert not {labels.int2str(label) for label in train} & set(NOVEL_CLASSES.get(name, ()))
    with np.load(folder / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    place = {f"{name}/{sequence}": i for i, sequence in enumerate(arrays["names"].tolist())}
    ids = np.array([place[recording] for recording in corpus["recording"][:]])
    assert sorted(ids) == list(range(num_rows))  # names are unique
    ours = {key.split("/")[1]: protocol for key, protocol in read_protocols(tmp_path / name, corpus).items()}

    def same(rows, expected):
        return sorted(ids[rows]) == sorted(expected)

    if "classification" in ours:
        for fold, (train, test) in zip(ours["classification"].folds, theirs.splits(arrays, name), strict=True):
            assert same(fold.train, train) and same(fold.test, test)
    if "one-shot" in ours:
        (fold,) = ours["one-shot"].folds
        parts = (fold.auxiliary, fold.exemplars, fold.queries)
        assert all(same(part, expected) for part, expected in zip(parts, theirs.one_shot(arrays, name), strict=True))
    if name.startswith("uiprmd"):
        expected = [fold for movement in range(10) for fold in theirs.uiprmd_folds(arrays, movement)]
        for fold, (train, test, incorrect) in zip(ours["anomaly"].folds, expected, strict=True):
            assert same(fold.train, train) and same(fold.test, test)
            assert same(fold.test[fold.anomalous], test[incorrect])
        assert len(ours["anomaly-9-10"].folds) == 10
    elif "anomaly" in ours:
        train, test = theirs.splits(arrays, name)[0]
        for label, fold in enumerate(ours["anomaly"].folds):
            expected = theirs.one_class(arrays, train, test, [label])
            assert same(fold.train, expected[0]) and same(fold.test[fold.anomalous], expected[1][expected[2]])
