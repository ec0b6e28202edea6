"""Loading corpora from wherever they are, and what is held out where nothing says it."""

import numpy as np
import pytest
from datasets import Dataset, DatasetDict, IterableDataset, List, Value

from motion_data.corpora.load import SYNTHETIC_SPLITS, check_columns, load_corpus
from motion_data.corpora.splits import assign_splits
from motion_data.rows import decode_row
from motion_data.schema import KEYPOINT_COLUMNS, encode_row, motion_features


def toy(rows=6, **columns):
    generator = np.random.default_rng(0)
    encoded = []
    for i in range(rows):
        keypoints = generator.normal(0, 1, (1, 5 + i, 17, 2))
        others = {name: values[i] for name, values in columns.items()}
        encoded.append(
            encode_row(keypoints, np.ones(keypoints.shape[:-1]), "coco17", source=f"toy/{i}", recording=f"toy/{i}")
            | others
        )
    return Dataset.from_list(encoded, features=motion_features())


def sources(dataset):
    return dataset["source"][:]


def test_saved_datasets(tmp_path):
    dataset = toy()
    DatasetDict(train=dataset, test=dataset.select([3])).save_to_disk(tmp_path / "two")
    assert sources(load_corpus(str(tmp_path / "two"), "test")) == ["toy/3"]
    assert len(load_corpus(tmp_path / "two", None)) == 7
    with pytest.raises(ValueError, match="no split 'dev'; it has train, test"):
        load_corpus(str(tmp_path / "two"), "dev")


@pytest.mark.parametrize("kind", ["disk", "file", "folder"])
@pytest.mark.parametrize("owner", ["recording", "subject"])
def test_without_splits_train_and_test_share_nothing(tmp_path, kind, owner):
    dataset = toy(**({"subject": [1, 1, 2, 2, 3, 3]} if owner == "subject" else {}))
    path = tmp_path / "corpus"
    if kind == "disk":
        dataset.save_to_disk(path)
    else:
        path.mkdir()
        dataset.to_parquet(path / "some.parquet")
    path = path / "some.parquet" if kind == "file" else path
    train, test = load_corpus(path), load_corpus(path, "test")
    assert sorted(sources(train) + sources(test)) == sources(dataset) == sources(load_corpus(path, None))
    assert not set(train[owner][:]) & set(test[owner][:]) and len(test) >= 1
    assert sources(load_corpus(path, "test")) == sources(test)
    streamed = load_corpus(path, "test", streaming=True)
    assert isinstance(streamed, IterableDataset) and [row["source"] for row in streamed] == sources(test)


def test_splits_that_a_source_states_are_kept(tmp_path):
    dataset = toy(split=["test", "train", "", "validation", "train", "test"], subject=[1] * 6)
    dataset.save_to_disk(tmp_path / "corpus")
    assert sources(load_corpus(tmp_path / "corpus", "test")) == ["toy/0", "toy/5"]
    assert sources(load_corpus(tmp_path / "corpus", "train")) == ["toy/1", "toy/2", "toy/4"]


def test_a_corpus_of_one_recording_has_no_test_split(tmp_path):
    toy(1).save_to_disk(tmp_path / "corpus")
    assert len(load_corpus(tmp_path / "corpus")) == 1
    with pytest.raises(ValueError, match="has no rows of split 'test'; it has train"):
        load_corpus(tmp_path / "corpus", "test")


def test_splits_are_by_subject_then_by_recording_and_follow_from_names():
    subjects, recordings = [1, 1, 2, -1, -1, -1], ["a", "b", "c", "d", "d", "e"]
    splits = assign_splits([""] * 6, subjects, recordings, 0.4)
    assert splits[0] == splits[1] and splits[3] == splits[4] and {"train", "test"} == set(splits)
    assert splits == assign_splits([""] * 6, subjects, recordings, 0.4)
    assert set(assign_splits([""] * 6, subjects, recordings, 0.0)) == {"train"}


def test_parquet_files_named_by_split(tmp_path):
    dataset = toy()
    dataset.select([0, 1, 2, 3]).to_parquet(tmp_path / "train-00000-of-00001.parquet")
    dataset.select([4]).to_parquet(tmp_path / "test-00000-of-00001.parquet")
    assert sources(load_corpus(tmp_path)) == [f"toy/{i}" for i in range(4)]
    assert sources(load_corpus(tmp_path, "test")) == ["toy/4"] and len(load_corpus(tmp_path, None)) == 5
    streamed = load_corpus(tmp_path, "test", streaming=True)
    assert isinstance(streamed, IterableDataset) and [row["source"] for row in streamed] == ["toy/4"]
    with pytest.raises(ValueError, match="no parquet files of split 'validation'; it has splits test, train"):
        load_corpus(tmp_path, "validation")


def test_the_embedded_corpus_shares_no_clip_and_nobody_between_splits(monkeypatch):
    small = {split: (64, *rest) for split, (_, *rest) in SYNTHETIC_SPLITS.items()}
    monkeypatch.setattr("motion_data.corpora.load.SYNTHETIC_SPLITS", small)
    train, test = load_corpus("synthetic"), load_corpus("synthetic", "test")
    assert not set(train["subject"][:]) & set(test["subject"][:])
    lengths = [[shape[1] for shape in part["shape"][:]] for part in (train, test)]
    assert lengths[0] != lengths[1] and train["label"][:] != test["label"][:]
    assert len(load_corpus("synthetic", None)) == 128
    with pytest.raises(ValueError, match="no split 'dev'; it has train, test"):
        load_corpus("synthetic", "dev")


def test_an_empty_split_is_refused(monkeypatch):
    empty = toy().select([])
    monkeypatch.setattr("motion_data.corpora.load.load_dataset", lambda name, **options: empty)
    with pytest.raises(ValueError, match="'owner/motions': split 'train' is empty"):
        load_corpus("owner/motions")


@pytest.mark.parametrize("name", ["./absent", "/absent/set", "absent.npz", "a/b/c", "some.parquet", "absent/"])
def test_paths_that_are_not_there(name):
    with pytest.raises(FileNotFoundError, match="is neither a file nor a folder"):
        load_corpus(name)


def test_local_files_that_are_no_corpus(tmp_path):
    with pytest.raises(ValueError, match="holds no .parquet files"):
        load_corpus(str(tmp_path))
    (tmp_path / "set.csv").write_text("a,b")
    with pytest.raises(ValueError, match="is a .csv file; it must be .parquet"):
        load_corpus(str(tmp_path / "set.csv"))


def test_other_names_are_of_the_hub(monkeypatch):
    dataset = toy()
    calls = []

    def load_dataset(name, **options):
        calls.append((name, options))
        return dataset

    monkeypatch.setattr("motion_data.corpora.load.load_dataset", load_dataset)
    assert load_corpus("owner/motions", "validation") is dataset
    assert calls == [("owner/motions", {"split": "validation", "streaming": False})]


@pytest.mark.parametrize("streamed", [False, True])
def test_check_columns(streamed):
    dataset = toy()

    def check(dataset):
        if streamed:
            rows = list(dataset)
            dataset = IterableDataset.from_generator(lambda: iter(rows))
            assert dataset.features is None
        check_columns(dataset)

    check(dataset)
    with pytest.raises(ValueError, match="lacks the columns scores, layout; it has .*keypoints, shape"):
        check(dataset.remove_columns(["scores", "layout"]))
    nested = dataset.select_columns(list(KEYPOINT_COLUMNS)).map(lambda row: {"keypoints": [row["keypoints"]]})
    nested = nested.cast_column("keypoints", List(List(Value("float32"))))
    with pytest.raises(ValueError, match="column 'keypoints' is .*; it must be a flat list of float values"):
        check(nested)
    with pytest.raises(ValueError, match="column 'layout' is .*; it must be a string"):
        check(dataset.map(lambda row: {"layout": 3}, features=None).cast_column("layout", Value("int64")))
    if streamed:
        with pytest.raises(ValueError, match="corpus is empty"):
            check(dataset.select([]))


@pytest.mark.parametrize("streaming", [False, True])
def test_columns_that_a_corpus_lacks_are_unknown(tmp_path, streaming):
    dataset = toy(subject=[3] * 6)
    dataset.select_columns([*KEYPOINT_COLUMNS, "subject"]).to_parquet(tmp_path / "train.parquet")
    loaded = load_corpus(tmp_path, streaming=streaming)
    rows = list(loaded)
    assert set(rows[0]) == set(motion_features()) == set(loaded.features)
    assert [row["subject"] for row in rows] == dataset["subject"][:]
    assert {(row["fps"], row["label"], row["source"], row["num_segments"]) for row in rows} == {(0.0, -1, "", 1)}
    assert decode_row(rows[0])[0].shape == tuple(dataset[0]["shape"])
