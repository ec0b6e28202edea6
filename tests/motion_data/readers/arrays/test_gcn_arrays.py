"""Whole data sets in arrays: ST-GCN's with the labels beside them, and CTR-GCN's."""

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given

from motion_data.corpora.load import load_splits
from motion_data.corpora.prepare import PrepareOptions, prepare_corpus
from motion_data.layouts import get_layout
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.array_files import map_member
from motion_data.readers.arrays.labelled_arrays import read_array_set
from motion_data.readers.arrays.numpy_arrays import read_npy

OPTIONS = ReadOptions(min_track=1, units="m", up_axis="y")
FRAMES, NAMES = 30, ["S001C001P003R001A007.skeleton", "S002C003P008R002A050.skeleton", "S001C002P001R001A001"]


def bodies():
    """`[N, F, M, K, 3]` metres: two recordings, of one and of two people, and one of nobody."""
    ntu, found = get_layout("ntu25"), np.zeros((3, FRAMES, 2, 25, 3), np.float32)
    body = np.zeros((25, 3))
    for joint, y in (("shoulder", 1.4), ("elbow", 1.1), ("wrist", 0.85), ("hip", 0.9), ("knee", 0.5), ("ankle", 0.1)):
        for side, x in (("left", 0.2), ("right", -0.2)):
            body[ntu.joint_index(f"{side}_{joint}")] = [x, y, 3.0]
    moved = body + np.arange(FRAMES)[:, None, None] / 100 * (body != 0)
    found[0, :20, 0], found[1, :, 0], found[1, :, 1] = moved[:20], moved, moved[::-1]
    return found


def expect(recordings):
    first, second = recordings
    found = bodies()
    np.testing.assert_allclose(first.keypoints, found[0, :20, :1].swapaxes(0, 1), rtol=1e-6)
    np.testing.assert_allclose(second.keypoints, found[1].swapaxes(0, 1), rtol=1e-6)
    assert first.layout == "ntu25" and (first.scores > 0).any(-1).all()
    return first, second


def st_gcn(folder, content=(NAMES, [6, 49, 0]), split="train", data="data_joint"):
    np.save(folder / f"{split}_{data}.npy", bodies().transpose(0, 4, 1, 3, 2))
    (folder / f"{split}_label.pkl").write_bytes(pickle.dumps(content))
    return folder / f"{split}_{data}.npy"


@pytest.mark.parametrize(("split", "expected"), [("train", "train"), ("val", "test")])
def test_labels_beside_the_data_of_st_gcn(tmp_path, split, expected):
    first, second = expect(read_npy(st_gcn(tmp_path, split=split), OPTIONS))
    assert (first.name, first.subject, first.camera) == ("S001C001P003R001A007", 3, "C001")
    assert (first.label, second.label, first.split, second.split) == ("A007", "A050", expected, expected)
    first, second = expect(
        read_npy(
            st_gcn(tmp_path, (list("abc"), np.array([6, 49, 0])), split, "data"),
            ReadOptions(min_track=1, units="m", up_axis="y", layout="ntu25"),
        )
    )
    assert (first.name, first.label, second.label, first.subject) == ("a", "6", "49", -1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ((NAMES[:2], [6, 49]), "has 2 names and 2 labels; the array has 3 recordings"),
        ((NAMES, [6, 49]), "has 3 names and 2 labels"),
        ([6, 49, 0], "must be a list of names and a list of labels"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, content, reason):
    with pytest.raises(FormatError, match=reason) as caught:
        list(read_npy(st_gcn(tmp_path, content), OPTIONS))
    assert "train_label.pkl" in str(caught.value)


def test_labels_that_change_are_read_again(tmp_path):
    (tmp_path / "set").mkdir()
    st_gcn(tmp_path / "set", (list("abc"), [6, 49, 0]))
    options = PrepareOptions(read=replace(OPTIONS, layout="ntu25", fps=30))
    for label, files in (("6", 0), ("8", 1)):
        if files:
            (tmp_path / "set" / "train_label.pkl").write_bytes(pickle.dumps((list("abc"), [8, 49, 0])))
        corpus = tmp_path / f"corpus{files}"
        done = prepare_corpus([tmp_path / "set"], corpus, options, parts=tmp_path / "parts")
        assert done.unknown == []
        assert set(load_splits(corpus)["train"].features["label"].names) == {label, "49"}


def ctr_gcn(path, save=np.savez, **others):
    flat = bodies().reshape(3, FRAMES, -1)
    arrays = {"x_train": flat[:1], "y_train": np.eye(60)[[6]], "x_test": flat[1:], "y_test": np.eye(60)[[49, 0]]}
    save(path, **{**arrays, **others})
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_data_sets_of_ctr_gcn(tmp_path, save):
    path = ctr_gcn(tmp_path / "NTU60_CS.npz", save)
    assert registry.format_of(path).name == "array-set"
    first, second = expect(read_array_set(path, OPTIONS))
    assert [(one.name, one.label, one.split) for one in (first, second)] == [
        ("train_000000", "6", "train"),
        ("test_000000", "49", "test"),
    ]
    assert isinstance(map_member(path, "x_train"), np.memmap) == (save is np.savez)  # such files have gigabytes
    first, _ = expect(read_array_set(ctr_gcn(path, save, y_train=np.array([6])), OPTIONS))
    assert first.label == "6"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"x_train": np.ones((1, FRAMES, 100))}, "has 100 numbers a frame; layout 'ntu25' needs 75 for each person"),
        ({"y_test": np.eye(60)[[3]]}, r"x_test \(2, 30, 150\) and y_test \(1, 60\); they must be"),
        ({"x_train": np.ones((1, 150))}, r"x_train \(1, 150\)"),
    ],
    ids=["columns", "labels", "axes"],
)
def test_arrays_of_other_shapes_are_refused(tmp_path, wrong, reason):
    with pytest.raises(FormatError, match=reason):
        list(read_array_set(ctr_gcn(tmp_path / "a.npz", **wrong), OPTIONS))


XY = np.random.default_rng(0).uniform(100, 300, (3, FRAMES, 17, 2))


@pytest.mark.parametrize(
    ("arrays", "labels", "splits"),
    [
        ({"X": XY, "y": np.array([4, 0, 4])}, ["4", "0", "4"], [""] * 3),
        ({"data": XY, "labels": np.array(["walk", "fall", "sit"])}, ["walk", "fall", "sit"], [""] * 3),
        ({"keypoints": XY, "label": np.array([1.0, 2, 3]), "fps": 25}, ["1", "2", "3"], [""] * 3),
        (
            {"X_train": XY[:2], "y_train": [1, 2], "X_test": XY[2:], "y_test": [3]},
            ["1", "2", "3"],
            ["train"] * 2 + ["test"],
        ),
    ],
)
def test_motions_and_their_labels(tmp_path, arrays, labels, splits):
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    assert registry.format_of(path).name == "array-set"
    recordings = list(read_array_set(path, ReadOptions(min_track=1, layout="coco17")))
    assert [one.label for one in recordings] == labels and [one.split for one in recordings] == splits
    for one, motion in zip(recordings, XY, strict=True):
        np.testing.assert_allclose(one.keypoints[0], motion, rtol=1e-6)
        assert one.fps == arrays.get("fps", 0)


def test_coordinates_and_people_are_no_set(tmp_path):
    for arrays in ({"x": XY[..., 0], "y": XY[..., 1]}, {"keypoints": XY, "label": "walk"}, {"keypoints": XY}):
        np.savez(tmp_path / "own.npz", **arrays)
        assert registry.format_of(tmp_path / "own.npz").name == "npz"


def small_set():
    file = io.BytesIO()
    np.savez(file, x_train=np.ones((2, 3, 75), np.float32), y_train=np.array([1, 2]))
    return file.getvalue()


@fuzz
@given(content=damaged(small_set()))
def test_damaged_sets(tmp_path, content):
    read_damaged(read_array_set, tmp_path / "a.npz", content, OPTIONS)
