import os
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, DatasetDict, IterableDataset, List, Value

from motion_data.cameras import SensorCamera, fixed_camera
from motion_data.corpora.load import check_columns, load_corpus
from motion_data.keypoints import as_motion
from motion_data.layouts import get_layout
from motion_data.readers.packed import NOVEL_CLASSES, packed_camera, packed_split, read_packed
from motion_data.schema import KEYPOINT_COLUMNS, decode_row, encode_row, motion_features

LENGTHS = (4, 7, 2, 5, 3, 6)


def packed_arrays(layout="mocap15", coordinates=3, people=None, lengths=LENGTHS, seed=0):
    joints = [name.replace("left_", "l_").replace("right_", "r_") for name in get_layout(layout).joints]
    middle = (len(joints),) if people is None else (people, len(joints))
    count = len(lengths)
    return {
        "keypoints": np.random.default_rng(seed).normal(size=(sum(lengths), *middle, coordinates)).astype(np.float32),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "labels": np.arange(count) % 3,
        "names": np.array([f"clip_{i}" for i in range(count)]),
        "class_names": np.array(["bow", "run", "wave"]),
        "joint_names": np.array(joints),
        "fps": np.float32(25),
        "y_axis": np.array("up" if coordinates == 3 else "down"),
    }


def save(path, arrays, **changes):
    arrays = {key: value for key, value in {**arrays, **changes}.items() if value is not None}
    np.savez(path, **arrays)
    return path


def test_rows_are_the_sequences(tmp_path):
    arrays = packed_arrays()
    arrays["keypoints"][5, 2] = 0
    arrays["keypoints"][6, 3, 1] = np.nan
    dataset = read_packed(save(tmp_path / "toy.npz", arrays, subjects=np.arange(6) + 1))
    assert dataset.features == motion_features(["bow", "run", "wave"])
    assert len(dataset) == 6
    for i, row in enumerate(dataset):
        keypoints, scores = decode_row(row)
        sequence = arrays["keypoints"][arrays["offsets"][i] : arrays["offsets"][i + 1]]
        np.testing.assert_array_equal(keypoints, sequence[None])
        missing = np.isnan(sequence).any(-1) | (sequence == 0).all(-1)
        np.testing.assert_array_equal(scores, np.where(missing, 0, 1)[None])
        assert (row["layout"], row["fps"], row["label"], row["subject"]) == ("mocap15", 25, i % 3, i + 1)
        assert row["source"] == f"toy/clip_{i}"
    assert decode_row(dataset[1])[1].sum() == 7 * 15 - 2


def test_rows_equal_encoded_rows(tmp_path):
    arrays = packed_arrays()
    dataset = read_packed(save(tmp_path / "toy.npz", arrays))
    keypoints = arrays["keypoints"][4:11][None]
    row = encode_row(keypoints, np.ones(keypoints.shape[:-1]), "mocap15", fps=25, label=1, source="toy/clip_1")
    assert Dataset.from_list([row], features=dataset.features)[0] == dataset[1]


@pytest.mark.parametrize("people", [1, 2, 3])
def test_people_come_first(tmp_path, people):
    arrays = packed_arrays("openpose25", 2, people)
    confidence = np.random.default_rng(1).uniform(-0.1, 1.1, arrays["keypoints"].shape[:-1]).astype(np.float16)
    dataset = read_packed(save(tmp_path / "toy.npz", arrays, confidence=confidence))
    for i, row in enumerate(dataset):
        frames = slice(arrays["offsets"][i], arrays["offsets"][i + 1])
        keypoints, scores = decode_row(row)
        assert keypoints.shape == (people, LENGTHS[i], 25, 2)
        np.testing.assert_array_equal(keypoints, arrays["keypoints"][frames].swapaxes(0, 1))
        np.testing.assert_array_equal(scores, confidence[frames].astype(np.float32).clip(0, 1).swapaxes(0, 1))


def test_rows_are_motions(tmp_path):
    dataset = read_packed(save(tmp_path / "toy.npz", packed_arrays()))
    for row in dataset:
        keypoints, scores = decode_row(row)
        motion = as_motion(keypoints, scores, row["layout"], packed_camera("toy"))
        assert motion.keypoints.shape == (1, keypoints.shape[1], 17, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": None, "offsets": None}, "lacks offsets, fps; it has keypoints, labels"),
        ({"keypoints": np.zeros((27, 15, 4), np.float32)}, r"keypoints is float32 \(27, 15, 4\)"),
        ({"keypoints": np.zeros((27, 15, 3), int)}, "keypoints is int64"),
        ({"keypoints": np.zeros((27, 14, 3), np.float32)}, "keypoints has 14 joints, but joint_names has 15"),
        (
            {"offsets": np.array([0, 4, 11, 13, 18, 21, 28])},
            "offsets goes from 0 to 28; it must rise from 0 to the 27",
        ),
        ({"offsets": np.array([1, 4, 11, 13, 18, 21, 27])}, "offsets goes from 1 to 27"),
        ({"offsets": np.array([0, 4, 4, 13, 18, 21, 27])}, "at least one frame a sequence"),
        ({"offsets": np.array([0.0, 27.0])}, r"offsets is float64 \(2,\); it must be integers"),
        ({"labels": np.zeros(5, int)}, r"labels has shape \(5,\); offsets describe 6 sequences"),
        ({"labels": np.full(6, 3)}, "labels is int64 from 3 to 3; it must be whole numbers from -1 .no label. to 2"),
        ({"names": np.array(["a"])}, r"names has shape \(1,\)"),
        ({"subjects": np.zeros((6, 1))}, r"subjects has shape \(6, 1\)"),
        ({"confidence": np.zeros((27, 14))}, r"confidence has shape \(27, 14\); it must be \(27, 15\)"),
        ({"y_axis": np.array("down")}, "y_axis is 'down'; for 3D key-points it must be 'up'"),
        ({"joint_names": np.array(["tail"] * 15)}, "no layout has these 15 joints in this order: tail"),
        ({"names": np.array([None] * 6)}, "is not a packed set"),
    ],
)
def test_wrong_files_are_refused(tmp_path, changes, message):
    path = save(tmp_path / "toy.npz", packed_arrays(), **changes)
    with pytest.raises(ValueError, match=message):
        read_packed(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.npz' is not a file"):
        read_packed(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(ValueError, match="text.npz is not a packed set"):
        read_packed(tmp_path / "text.npz")
    with open(tmp_path / "array.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="holds one array"):
        packed_split(tmp_path / "array.npz", "train")


@pytest.mark.parametrize(
    ("stem", "changes", "train", "test"),
    [
        ("uiprmd_kinect", {"subjects": np.array([1, 9, 10, 2, 8, 9])}, [0, 3, 4], [1, 2, 5]),
        ("uiprmd_vicon", {"subjects": np.array([9, 1, 1, 1, 1, 1])}, [1, 2, 3, 4, 5], [0]),
        ("cmu_subset", {"split": np.array(["none", "test", "train", "none", "test", "train"])}, [0, 2, 3, 5], [1, 4]),
        ("bandai_namco", {}, [0, 2, 3, 5], [1, 4]),
        (
            "msr_action3d",
            {"cross_subject": np.array([0, 0, 1, 1, 0, 0]), "class_names": np.array(["bend", "hammer", "jogging"])},
            [0, 5],
            [2, 3],
        ),
        (
            "jhmdb14_2d",
            {
                "split1": np.array([0, 0, 0, 1, 1, 0]),
                "split2": np.array([0, 0, 1, 0, 1, 0]),
                "split3": np.array([0, 0, 0, 0, 1, 0]),
                "class_names": np.array(["catch", "clap", "walk"]),
            },
            [0, 5],
            [3, 4],
        ),
        ("ymja_hockey_2d", {}, [], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_split_rules(tmp_path, stem, changes, train, test):
    path = save(tmp_path / f"{stem}.npz", packed_arrays(), **changes)
    np.testing.assert_array_equal(packed_split(path, "train"), train)
    np.testing.assert_array_equal(packed_split(path, "test"), test)


def test_unlabelled_sequences_are_never_novel(tmp_path):
    path = save(
        tmp_path / "bandai_namco.npz",
        packed_arrays(),
        labels=np.full(6, -1),
        class_names=np.array(["bow", "wave", "run"]),
    )
    assert len(packed_split(path, "train")) == 6


def test_split_of_an_unknown_set_goes_by_name(tmp_path):
    lengths = (2,) * 40
    path = save(tmp_path / "toy.npz", packed_arrays(lengths=lengths))
    train, test = packed_split(path, "train"), packed_split(path, "test")
    assert len(test) == 4 and sorted([*train, *test]) == list(range(40))
    arrays = packed_arrays(lengths=lengths)
    save(path, arrays, names=arrays["names"][::-1])
    np.testing.assert_array_equal(packed_split(path, "test"), sorted(39 - test))


def test_split_errors(tmp_path):
    path = save(tmp_path / "cmu_subset.npz", packed_arrays())
    with pytest.raises(ValueError, match="split is 'dev'; a packed set has 'train' and 'test'"):
        packed_split(path, "dev")
    with pytest.raises(ValueError, match="lacks an array that the split of 'cmu_subset' needs"):
        packed_split(path, "train")


def test_packed_camera():
    assert packed_camera("msr_action3d") == SensorCamera()
    assert packed_camera("bandai_namco") == packed_camera("anything") == fixed_camera()


def test_load_packed_file_keeps_its_classes(tmp_path):
    path = save(tmp_path / "bandai_namco.npz", packed_arrays())
    train, test = load_corpus(str(path)), load_corpus(str(path), "test")
    assert train.features["label"].names == ["bow", "run", "wave"]
    assert train["source"][:] == [f"bandai_namco/clip_{i}" for i in (0, 2, 3, 5)]
    assert test["source"][:] == [f"bandai_namco/clip_{i}" for i in (1, 4)]
    np.testing.assert_array_equal(decode_row(test[0])[0], decode_row(read_packed(path)[1])[0])


def test_load_folder_of_packed_files(tmp_path):
    save(tmp_path / "bandai_namco.npz", packed_arrays())
    save(tmp_path / "ymja_hockey_2d.npz", packed_arrays("openpose25", 2, 2), class_names=np.array(["a", "b", "c"]))
    train = load_corpus(tmp_path)
    assert len(train) == 4 and train.features["label"].names == ["bow", "run", "wave"]
    test = load_corpus(tmp_path, "test")
    assert len(test) == 2 + 6
    assert test.features == motion_features() and set(test["label"][:]) == {-1}
    assert {tuple(row["shape"][2:]) for row in test} == {(15, 3), (25, 2)}


def test_load_empty_split(tmp_path, monkeypatch):
    path = save(tmp_path / "ymja_hockey_2d.npz", packed_arrays())
    with pytest.raises(ValueError, match="ymja_hockey_2d.npz: split 'train' is empty"):
        load_corpus(str(path))
    empty = read_packed(path).select([])
    monkeypatch.setattr("motion_data.corpora.load.load_dataset", lambda name, **options: empty)
    with pytest.raises(ValueError, match="'owner/motions': split 'train' is empty"):
        load_corpus("owner/motions")


def test_load_saved_datasets(tmp_path):
    dataset = read_packed(save(tmp_path / "toy.npz", packed_arrays()))
    dataset.save_to_disk(tmp_path / "one")
    assert load_corpus(str(tmp_path / "one"))[2] == dataset[2]
    DatasetDict(train=dataset, test=dataset.select([3])).save_to_disk(tmp_path / "two")
    assert load_corpus(str(tmp_path / "two"), "test")["source"][:] == ["toy/clip_3"]
    with pytest.raises(ValueError, match="no split 'dev'; it has train, test"):
        load_corpus(str(tmp_path / "two"), "dev")


def test_load_parquet(tmp_path):
    dataset = read_packed(save(tmp_path / "toy.npz", packed_arrays()))
    folder = tmp_path / "parquet"
    folder.mkdir()
    dataset.to_parquet(folder / "some.parquet")
    assert load_corpus(str(folder / "some.parquet"))[2] == dataset[2]
    assert len(load_corpus(str(folder))) == 6
    with pytest.raises(ValueError, match="no parquet files of split 'test'; it has splits train"):
        load_corpus(str(folder), "test")
    dataset.select([4]).to_parquet(folder / "test-00000-of-00001.parquet")
    assert load_corpus(str(folder), "test")["source"][:] == ["toy/clip_4"]
    streamed = load_corpus(str(folder), "test", streaming=True)
    assert isinstance(streamed, IterableDataset) and [row["source"] for row in streamed] == ["toy/clip_4"]


def test_streaming_of_a_local_set(tmp_path):
    path = save(tmp_path / "bandai_namco.npz", packed_arrays())
    streamed = load_corpus(str(path), streaming=True)
    assert isinstance(streamed, IterableDataset) and streamed.num_shards == 4
    assert list(streamed) == list(load_corpus(str(path)))


@pytest.mark.parametrize("name", ["./absent", "/absent/set", "absent.npz", "a/b/c", "some.parquet", "absent/"])
def test_paths_that_are_not_there(name):
    with pytest.raises(FileNotFoundError, match="is neither a file nor a folder"):
        load_corpus(name)


def test_local_files_that_are_no_corpus(tmp_path):
    with pytest.raises(ValueError, match="holds no .npz or .parquet files"):
        load_corpus(str(tmp_path))
    (tmp_path / "set.csv").write_text("a,b")
    with pytest.raises(ValueError, match="is a .csv file; it must be .npz or .parquet"):
        load_corpus(str(tmp_path / "set.csv"))


def test_other_names_are_of_the_hub(monkeypatch, tmp_path):
    dataset = read_packed(save(tmp_path / "toy.npz", packed_arrays()))
    calls = []

    def load_dataset(name, **options):
        calls.append((name, options))
        return dataset

    monkeypatch.setattr("motion_data.corpora.load.load_dataset", load_dataset)
    assert load_corpus("owner/motions", "validation") is dataset
    assert calls == [("owner/motions", {"split": "validation", "streaming": False})]


@pytest.mark.parametrize("streamed", [False, True])
def test_check_columns(tmp_path, streamed):
    dataset = read_packed(save(tmp_path / "toy.npz", packed_arrays()))

    def check(dataset):
        if streamed:
            rows = list(dataset)
            dataset = IterableDataset.from_generator(lambda: iter(rows))
            assert dataset.features is None
        check_columns(dataset)

    check(dataset)
    with pytest.raises(ValueError, match="lacks the columns scores, layout; it has keypoints, shape, fps"):
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


SETS = {
    "bandai_namco": ("bandai18", 3076, 1858, 1218),
    "cmu_subset": ("mocap15", 139, 115, 24),
    "jhmdb14_2d": ("jhmdb15", 609, None, 176),
    "msr_action3d": ("msr20", 557, None, 273),
    "uiprmd_kinect": ("uiprmd-kinect16", 2000, 1600, 400),
    "uiprmd_vicon": ("mocap15", 1979, 1579, 400),
    "ymja_hockey_2d": ("openpose25", 503, 0, 503),
}


@pytest.fixture(scope="module")
def data_folder():
    folder = os.environ.get("MOFM_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("the environment variable MOFM_DATA names no folder of packed sets")
    return Path(folder)


def slow_fixed_view(points):
    """View points [N, 3] one at a time: 30 degrees of yaw, 10 of pitch, 4 metres from their mean."""
    mean, picture = np.nanmean(points.astype(np.float64), 0), []
    for x, y, z in points - mean:
        x, z = x * np.cos(np.pi / 6) + z * np.sin(np.pi / 6), z * np.cos(np.pi / 6) - x * np.sin(np.pi / 6)
        y, z = y * np.cos(np.pi / 18) - z * np.sin(np.pi / 18), y * np.sin(np.pi / 18) + z * np.cos(np.pi / 18)
        picture.append((x / (4 - z), -y / (4 - z)))
    return np.array(picture)


@pytest.mark.parametrize("stem", SETS)
def test_real_sets(data_folder, stem):
    layout, num_rows, num_train, num_test = SETS[stem]
    path = data_folder / f"{stem}.npz"
    dataset = read_packed(path)
    train, test = packed_split(path, "train"), packed_split(path, "test")
    assert (len(dataset), len(test)) == (num_rows, num_test) and not set(train) & set(test)
    assert num_train in (None, len(train))
    labels = dataset.features["label"]
    assert not {labels.int2str(int(dataset[int(i)]["label"])) for i in train[:200]} & set(NOVEL_CLASSES.get(stem, ()))
    columns = dataset.with_format("numpy")
    with np.load(path, allow_pickle=False) as arrays:
        offsets, frames = arrays["offsets"], arrays["keypoints"]
    for i in range(0, num_rows, num_rows // 5):
        row = columns[i]
        keypoints, scores = decode_row(row)
        source = frames[offsets[i] : offsets[i + 1]]
        source = source[None] if source.ndim == 3 else source.swapaxes(0, 1)
        np.testing.assert_array_equal(keypoints, source)
        assert row["layout"] == layout
        motion = as_motion(keypoints, scores, layout, packed_camera(stem))
        assert np.isfinite(motion.keypoints).all()
        if source.shape[-1] == 3:
            points = np.where((scores > 0)[..., None], source, np.nan)
            if stem == "msr_action3d":
                expected = -points[..., :2] / points[..., 2:]
            else:
                expected = slow_fixed_view(points.reshape(-1, 3)).reshape(*points.shape[:-1], 2)
            expected = expected[..., np.array(get_layout(layout).canonical), :]
            np.testing.assert_allclose(motion.keypoints[..., 5:, :], np.nan_to_num(expected)[..., 5:, :], atol=1e-5)


def test_real_folder(data_folder, tmp_path):
    for stem in ("cmu_subset", "jhmdb14_2d", "msr_action3d", "ymja_hockey_2d"):
        (tmp_path / f"{stem}.npz").symlink_to((data_folder / f"{stem}.npz").resolve())
    train, test = load_corpus(tmp_path), load_corpus(tmp_path, "test")
    assert train.features == test.features == motion_features()
    assert {source.split("/")[0] for source in train["source"][:]} == {"cmu_subset", "jhmdb14_2d", "msr_action3d"}
    assert len(test) == 24 + 176 + 273 + 503


@pytest.mark.parametrize("streaming", [False, True])
def test_columns_that_a_corpus_lacks_are_unknown(tmp_path, streaming):
    dataset = read_packed(save(tmp_path / "toy.npz", packed_arrays()))
    dataset.select_columns([*KEYPOINT_COLUMNS, "subject"]).to_parquet(tmp_path / "bare.parquet")
    loaded = load_corpus(tmp_path / "bare.parquet", streaming=streaming)
    rows = list(loaded)
    assert set(rows[0]) == set(motion_features()) == set(loaded.features)
    assert [row["subject"] for row in rows] == dataset["subject"][:]
    assert {(row["fps"], row["label"], row["source"], row["num_stretches"]) for row in rows} == {(0.0, -1, "", 1)}
    assert decode_row(rows[0])[0].shape == tuple(dataset[0]["shape"])
