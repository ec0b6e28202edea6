"""A corpus goes to PYSKL and MMAction2 as a pickle of annotations."""

import pickle
import pickletools

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from scripts import mofm

from motion_data.corpora.annotations import MARGIN, SIDE
from motion_data.readers.registry import ReadOptions
from motion_data.readers.sets.mmaction_pickle import read_mmaction
from motion_data.schema import encode_row, motion_features


def flat_row(seed, people=1, **columns):
    generator = np.random.default_rng(seed)
    keypoints = generator.uniform(20, 400, (people, 24, 17, 2))
    scores = generator.uniform(0.3, 1, (people, 24, 17))
    scores[:, 3:6, 4] = 0
    return encode_row(keypoints, scores, "coco17", **{"frame_size": [640, 480], "source": f"take-{seed}", **columns})


def save(folder, class_names=("walk", "fall"), **splits):
    features = motion_features(list(class_names))
    DatasetDict({name: Dataset.from_list(rows, features) for name, rows in splits.items()}).save_to_disk(folder)
    return folder


def convert(corpus, path):
    done = mofm("convert", corpus, "--output", path)
    assert done.returncode == 0, done.stderr
    return pickle.loads(path.read_bytes()), done.stdout


def test_a_corpus_in_pictures_is_the_same_when_read_again(tmp_path):
    rows = {"train": [flat_row(1, 2, label=1), flat_row(2, label=0)], "test": [flat_row(3, label=1)]}
    path = tmp_path / "annotations.pkl"
    written, said = convert(save(tmp_path / "corpus", **rows), path)
    assert written["split"] == {"train": ["take-1", "take-2"], "test": ["take-3"]}
    assert written["classes"] == ["walk", "fall"] and "2 train, 1 test clips" in said
    assert [annotation["img_shape"] for annotation in written["annotations"]] == [(480, 640)] * 3
    recordings = list(read_mmaction(path, ReadOptions()))
    assert [(one.name, one.split, one.label, one.frame_size) for one in recordings] == [
        ("take-1", "train", "1", (640, 480)),
        ("take-2", "train", "0", (640, 480)),
        ("take-3", "test", "1", (640, 480)),
    ]
    for row, recording in zip([*rows["train"], *rows["test"]], recordings, strict=True):
        seen = recording.scores > 0
        np.testing.assert_array_equal(recording.scores, row["scores"].reshape(recording.scores.shape))
        keypoints = row["keypoints"].reshape(recording.keypoints.shape)
        np.testing.assert_array_equal(recording.keypoints[seen], keypoints[seen])


def test_bodies_without_a_picture_are_put_into_one_at_one_scale(tmp_path):
    generator = np.random.default_rng(0)
    bodies = generator.uniform(-1, 1, (1, 30, 25, 3)) * [0.5, 2, 0.5] + [0, 0, 4]
    units = flat_row(5, frame_size=[0, 0])
    rows = [encode_row(bodies, np.ones((1, 30, 25)), "ntu25", space="camera"), units]
    written, _ = convert(save(tmp_path / "corpus", train=rows), tmp_path / "a.pkl")
    for annotation in written["annotations"]:
        assert annotation["img_shape"] == annotation["original_shape"] == (SIDE, SIDE)
        seen = annotation["keypoint"][annotation["keypoint_score"] > 0]
        extent = seen.max(0) - seen.min(0)
        assert extent.max() == pytest.approx((1 - 2 * MARGIN) * SIDE, rel=1e-4)
        np.testing.assert_allclose((seen.max(0) + seen.min(0)) / 2, SIDE / 2, rtol=1e-4)
    before, after = units["keypoints"].reshape(-1, 2), written["annotations"][1]["keypoint"].reshape(-1, 2)
    both = (units["scores"] > 0)[:-1] & (units["scores"] > 0)[1:]
    ratio = np.diff(after, axis=0)[both] / np.diff(before, axis=0)[both]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-2)


def test_older_numpy_opens_it_and_arrays_can_be_written_to(tmp_path):
    path = tmp_path / "annotations.pkl"
    written, _ = convert(save(tmp_path / "corpus", train=[flat_row(1)]), path)
    operations = list(pickletools.genops(path.read_bytes()))
    names = {argument for _, argument, _ in operations if isinstance(argument, str)}
    assert "numpy" in names and not any(name.startswith("numpy.") for name in names)
    assert operations[0][1] == 4
    written["annotations"][0]["keypoint"][0, 0, 0] = 7  # PYSKL changes them in place


def test_each_clip_has_a_name_of_its_own_and_nobody_is_no_clip(tmp_path):
    nobody = encode_row(np.zeros((1, 24, 17, 2)), np.zeros((1, 24, 17)), "coco17", source="empty")
    rows = [flat_row(1, source="take"), flat_row(2, source="take"), flat_row(3, source="", label=0), nobody]
    written, said = convert(save(tmp_path / "corpus", train=rows), tmp_path / "a.pkl")
    assert len(set(written["split"]["train"])) == 3 and "3 train clips" in said
    assert written["split"]["train"] == [annotation["frame_dir"] for annotation in written["annotations"]]
    assert [annotation.get("label") for annotation in written["annotations"]] == [None, None, 0]


def test_a_name_that_two_splits_share_is_two_clips_and_validation_is_read_again(tmp_path):
    rows = {
        "train": [flat_row(1, source="take"), flat_row(2, source="take-0")],
        "test": [flat_row(3, source="take")],
        "validation": [flat_row(4, source="take")],
    }
    path = tmp_path / "annotations.pkl"
    written, _ = convert(save(tmp_path / "corpus", **rows), path)
    assert set(written["split"]) == {"train", "test", "val"}
    names = [name for split in written["split"].values() for name in split]
    assert len(set(names)) == len(names) == 4
    splits = {one.name: one.split for one in read_mmaction(path, ReadOptions())}
    theirs = {"train": "train", "test": "test", "val": "validation"}
    assert splits == {name: theirs[split] for split, part in written["split"].items() for name in part}


def test_rows_in_a_split_of_another_name_are_refused(tmp_path):
    corpus = save(tmp_path / "corpus", train=[flat_row(1)], dev=[flat_row(2), flat_row(3)])
    done = mofm("convert", corpus, "--output", tmp_path / "annotations.pkl")
    assert done.returncode == 1 and "2 of 3 rows" in done.stderr and "train, test, validation, rest" in done.stderr
    assert not (tmp_path / "annotations.pkl").exists()


def test_what_cannot_be_written_is_refused_and_nothing_is_lost(tmp_path):
    corpus = save(tmp_path / "corpus", train=[flat_row(1)])
    wrong = mofm("convert", corpus, "--output", tmp_path / "annotations.json")
    assert wrong.returncode == 1 and "annotations.json" in wrong.stderr and ".pkl" in wrong.stderr
    kept = tmp_path / "kept.pkl"
    kept.write_bytes(b"mine")
    missing = mofm("convert", tmp_path / "absent", "--output", kept)
    assert missing.returncode == 1 and "absent" in missing.stderr
    assert kept.read_bytes() == b"mine"
