"""HDF5: the layouts that DeepLabCut, SLEAP, movement, pandas and MATLAB write, and arrays of people's own."""

import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given, settings

from motion_data.corpora.sources import find_sources
from motion_data.inputs import as_recordings, input_options, is_batch
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.notes import collect_notes
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.arrays import hdf5

h5py = pytest.importorskip("h5py")

FRAMES = 30
COCO = input_options(layout="coco17", coordinates="xy")


@pytest.fixture(scope="module")
def poses():
    """Key-points `[F, 17, 2]` and scores `[F, 17]` of somebody who drifts to the right."""
    rng = np.random.default_rng(0)
    body = np.stack((np.linspace(100, 160, 17), np.linspace(50, 300, 17)), -1)
    keypoints = body + np.linspace(0, 30, FRAMES)[:, None, None] + rng.normal(0, 0.3, (FRAMES, 17, 2))
    return keypoints, rng.uniform(0.5, 1, (FRAMES, 17))


def close(recording, keypoints, scores=None):
    np.testing.assert_allclose(recording.keypoints, np.atleast_3d(keypoints), atol=1e-3)
    if scores is not None:
        np.testing.assert_allclose(recording.scores, scores, atol=1e-6)


def write(path, arrays, attributes=()):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
        file.attrs.update(dict(attributes))
    return path


def deeplabcut(poses, people=("",)):
    levels = [["DLC"], *([list(people)] if len(people) > 1 else []), COCO_KEYPOINTS, ["x", "y", "likelihood"]]
    names = ["scorer", *(["individuals"] if len(people) > 1 else []), "bodyparts", "coords"]
    columns = pd.MultiIndex.from_product(levels, names=names)
    own = [np.dstack((poses[0] + 5 * number, poses[1])).reshape(FRAMES, -1) for number in range(len(people))]
    return pd.DataFrame(np.concatenate(own, 1), columns=columns)


def pickled(value):
    return np.bytes_(pickle.dumps(value, 0))


def write_table(path, table, key="df_with_missing"):
    """Write a table as `DataFrame.to_hdf(format="table")` does: numbers are a block of columns, and texts another."""
    numbers = table.select_dtypes("number")
    texts = table.drop(columns=numbers.columns)
    blocks = {"values_block_0": numbers} | ({"values_block_1": texts} if len(texts.columns) else {})
    kinds = [("index", "<i8"), ("values_block_0", "<f8", (len(numbers.columns),))]
    kinds += [("values_block_1", "S9", (len(texts.columns),))] if len(texts.columns) else []
    values = np.zeros(len(table), kinds)
    values["index"] = table.index
    with h5py.File(path, "w") as file:
        group = file.create_group(key)
        for name, block in blocks.items():
            values[name] = block.to_numpy().astype(values.dtype[name].base)
        array = group.create_dataset("table", data=values)
        for name, block in blocks.items():
            array.attrs[f"{name}_kind"] = pickled(list(block.columns))
        names = list(table.columns.names)
        index = {} if table.index.name is None else {"index_name": table.index.name}
        group.attrs["info"] = pickled({1: {"names": names, "type": "MultiIndex"}, "index": index})
        group.attrs["non_index_axes"] = pickled([(1, list(table.columns))])
        group.attrs["pandas_type"] = np.bytes_("frame_table")
    return path


def write_fixed(path, table, key="df"):
    """Write a table of numbers as `DataFrame.to_hdf` does without a format."""
    with h5py.File(path, "w") as file:
        group = file.create_group(key)
        group.attrs.update({"pandas_type": np.bytes_("frame"), "nblocks": 1})
        for axis in ("axis0", "block0_items"):
            if table.columns.nlevels == 1:
                group[axis] = np.array(list(table.columns), "S")
                group[axis].attrs["name"] = np.bytes_("N.")
                continue
            for level, (values, codes) in enumerate(zip(table.columns.levels, table.columns.codes, strict=True)):
                group[f"{axis}_level{level}"] = np.array(list(values), "S")
                group[f"{axis}_level{level}"].attrs["name"] = np.bytes_(values.name)
                group[f"{axis}_label{level}"] = np.array(codes, np.int8)
        group["axis1"] = table.index.to_numpy()
        group["axis1"].attrs["name"] = np.bytes_(table.index.name or "N.")
        group["block0_values"] = table.to_numpy()
    return path


@pytest.mark.parametrize("write_frame", [write_table, write_fixed])
def test_deeplabcut_is_read_as_its_csv_file_is(tmp_path, poses, write_frame):
    table = deeplabcut(poses)
    (recording,) = as_recordings(write_frame(tmp_path / "videoDLC.h5", table))
    close(recording, poses[0][None], poses[1][None])
    table.to_csv(tmp_path / "video.csv")
    (same,) = as_recordings(tmp_path / "video.csv")
    assert recording.layout == same.layout == "coco17"
    np.testing.assert_array_equal(recording.keypoints, same.keypoints)


def test_people_of_deeplabcut_stay_apart(tmp_path, poses):
    (recording,) = as_recordings(write_table(tmp_path / "several.h5", deeplabcut(poses, ("Ann", "Bob"))))
    close(recording, np.stack((poses[0], poses[0] + 5)))


@pytest.mark.parametrize("write_frame", [write_table, write_fixed])
def test_the_index_of_pandas_counts_where_it_has_a_name(tmp_path, poses, write_frame):
    table = pd.DataFrame(
        {f"{joint}_{axis}": poses[0][:, k, i] for k, joint in enumerate(COCO_KEYPOINTS) for i, axis in enumerate("xy")}
    )
    (recording,) = as_recordings(write_frame(tmp_path / "rows.h5", table.set_axis(table.index * 2)))
    assert recording.keypoints.shape[1] == FRAMES
    table.index = pd.Index(table.index * 2, name="frame")
    (recording,) = as_recordings(write_frame(tmp_path / "frames.h5", table))
    assert recording.keypoints.shape[1] == 2 * FRAMES - 1  # every second frame has somebody
    close(recording, recording.keypoints)
    np.testing.assert_allclose(recording.keypoints[0, ::2], poses[0], atol=1e-3)


def test_texts_in_a_table_of_pandas_are_read(tmp_path, poses):
    table = pd.DataFrame(
        {f"{joint}_{axis}": poses[0][:, k, i] for k, joint in enumerate(COCO_KEYPOINTS) for i, axis in enumerate("xy")}
    )
    (recording,) = as_recordings(write_table(tmp_path / "labelled.h5", table.assign(label="wave")))
    assert recording.label == "wave"
    close(recording, poses[0][None])


def test_a_table_whose_parts_are_missing_is_refused(tmp_path, poses):
    path = write_fixed(tmp_path / "broken.h5", deeplabcut(poses))
    with h5py.File(path, "r+") as file:
        del file["df/axis1"]
    with pytest.raises(FormatError, match="table of pandas that cannot be read"):
        as_recordings(path)


def test_sleap_has_tracks_and_names(tmp_path, poses):
    people = np.stack((poses[0], poses[0] + 5))
    people[1, 3, 4] = np.nan
    arrays = {
        "tracks": people.transpose(0, 3, 2, 1),
        "point_scores": np.stack((poses[1], poses[1])).transpose(0, 2, 1),
        "node_names": np.array(COCO_KEYPOINTS, "S"),
        "track_names": np.array(["a", "b"], "S"),
        "track_occupancy": np.ones((FRAMES, 2)),
    }
    (recording,) = as_recordings(write(tmp_path / "labels.analysis.h5", arrays))
    assert recording.layout == "coco17" and recording.scores[1, 3, 4] == 0
    close(recording, np.nan_to_num(people))
    np.testing.assert_allclose(recording.scores[0], poses[1], atol=1e-6)
    arrays["tracks"] = arrays["tracks"].transpose(0, 2, 1, 3)
    with pytest.raises(FormatError, match=r"tracks \(2, 17, 2, 30\).*\[tracks, 2, nodes, frames\]"):
        as_recordings(write(tmp_path / "other.h5", arrays))


def movement(poses):
    axes = {
        "time": np.arange(FRAMES) / 25,
        "space": ["x", "y"],
        "keypoints": COCO_KEYPOINTS,
        "individuals": ["a", "b"],
    }
    position = np.stack((poses[0], poses[0] + 5), -1).transpose(0, 2, 1, 3)
    return axes, position, np.stack((poses[1], poses[1]), -1)


def test_movement_names_its_axes(tmp_path, poses):
    axes, position, confidence = movement(poses)
    with h5py.File(tmp_path / "poses.nc", "w") as file:
        for name, values in axes.items():
            file[name] = values if name == "time" else np.array(values, "S")
            file[name].make_scale(name)
        for name, values in (("position", position), ("confidence", confidence)):
            file[name] = values
            for place, axis in enumerate(axis for axis in axes if name == "position" or axis != "space"):
                file[name].dims[place].attach_scale(file[axis])
    (recording,) = as_recordings(tmp_path / "poses.nc")
    close(recording, np.stack((poses[0], poses[0] + 5)), np.stack((poses[1], poses[1])))
    assert recording.fps == 25 and recording.layout == "coco17"


def test_a_dataset_of_xarray_is_read_in_memory(poses):
    axes, position, confidence = movement(poses)
    dims = {
        "position": list(axes),
        "confidence": ["time", "keypoints", "individuals"],
        **{name: [name] for name in axes},
    }
    variables = {
        name: SimpleNamespace(values=np.asarray(values), dims=dims[name])
        for name, values in {"position": position, "confidence": confidence, **axes}.items()
    }
    dataset = SimpleNamespace(variables=variables, data_vars=variables, coords=axes, attrs={"fps": 50})
    (recording,) = as_recordings(dataset)
    close(recording, np.stack((poses[0], poses[0] + 5)), np.stack((poses[1], poses[1])))
    assert recording.fps == 50
    assert not is_batch(dataset) and is_batch([dataset, dataset])
    dims["position"][0] = "when"
    with pytest.raises(FormatError, match=r"position of the axes \['when', .*they must be individuals, time"):
        as_recordings(dataset)


def test_arrays_are_read_as_those_of_npz_files(tmp_path, poses):
    path = write(tmp_path / "own.h5", {"keypoints": poses[0], "scores": poses[1]}, {"fps": 25.0, "label": "wave"})
    (recording,) = as_recordings(path, COCO)
    close(recording, poses[0][None], poses[1][None])
    assert (recording.fps, recording.label) == (25, "wave")
    with pytest.raises(FormatError, match="17 joints without names.*name the layout"):
        as_recordings(path)


def test_a_group_for_each_clip_is_a_recording_each(tmp_path, poses):
    with h5py.File(tmp_path / "clips.h5", "w") as file:
        for number, label in enumerate(("walk", "run", "sit")):
            group = file.create_group(f"clip{number}")
            group["keypoints"] = poses[0][: 20 + number]
            group.attrs["label"] = label
    recordings = as_recordings(tmp_path / "clips.h5", COCO)
    assert [one.label for one in recordings] == ["walk", "run", "sit"]
    assert [one.name for one in recordings] == ["clip0", "clip1", "clip2"]
    close(recordings[2], poses[0][None, :22])


def test_arrays_and_groups_count_before_attributes_of_their_name(tmp_path, poses):
    path = write(tmp_path / "own.h5", {"keypoints": poses[0], "more/notes": [1.0]}, {"keypoints": 17, "more": "none"})
    (recording,) = as_recordings(path, COCO)
    close(recording, poses[0][None])


def test_an_array_for_each_clip_has_its_label_beside_it(tmp_path, poses):
    path = write(tmp_path / "clips.h5", {"a": poses[0][:20], "b": poses[0]})
    with h5py.File(path, "r+") as file:
        for name, label in (("a", "walk"), ("b", "run")):
            file[name].attrs["label"] = label
    assert [one.label for one in as_recordings(path, COCO)] == ["walk", "run"]


def test_a_set_in_arrays_keeps_labels_and_splits(tmp_path, poses):
    arrays = {"X_train": np.stack([poses[0]] * 3), "y_train": [0, 1, 1], "X_test": poses[0][None], "y_test": [1]}
    recordings = as_recordings(write(tmp_path / "set.h5", arrays), COCO)
    assert [(one.split, one.label) for one in recordings] == [("train", "0"), *[("train", "1")] * 2, ("test", "1")]


def test_matlab_7_3_turns_its_axes(tmp_path, poses):
    path = tmp_path / "clip.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        names = [np.array([[ord(letter)] for letter in joint], np.uint16) for joint in COCO_KEYPOINTS]
        cells = file.create_dataset("joint_names", (len(names), 1), h5py.ref_dtype)
        for place, letters in enumerate(names):
            file[f"#refs#/{place}"] = letters
            file[f"#refs#/{place}"].attrs["MATLAB_class"] = np.bytes_("char")
            cells[place, 0] = file[f"#refs#/{place}"].ref
        file["keypoints"], file["fps"] = poses[0].transpose(2, 1, 0), [[25.0]]
        file["label"] = np.array([[ord(letter)] for letter in "wave"], np.uint16)
        kinds = {"keypoints": "double", "fps": "double", "label": "char", "joint_names": "cell"}
        for name, kind in kinds.items():
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    (recording,) = as_recordings(path)
    close(recording, poses[0][None])
    assert (recording.fps, recording.label, recording.layout) == (25, "wave", "coco17")


def test_weights_of_keras_are_of_no_known_format(tmp_path):
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file["model_weights/dense/kernel:0"] = np.ones((34, 8))
    assert registry.format_of(tmp_path / "model.h5") is None
    with pytest.raises(FormatError, match="is of no known format"):
        as_recordings(tmp_path / "model.h5")


def test_links_to_other_files_are_not_followed(tmp_path, poses):
    write(tmp_path / "other.h5", {"keypoints": poses[0]})
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["keypoints"] = h5py.ExternalLink("other.h5", "/keypoints")
        file["elsewhere"] = h5py.SoftLink("/keypoints")
    with pytest.raises(FormatError):
        as_recordings(tmp_path / "link.h5", COCO)


def test_arrays_that_are_far_larger_than_their_file_are_refused(tmp_path):
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("keypoints", (10**7, 17, 2), "f8", compression="gzip", chunks=(10**4, 17, 2))
    with pytest.raises(FormatError, match="its arrays have 2720000000 bytes; at most 64 times its own are read"):
        as_recordings(tmp_path / "bomb.h5", COCO)


def test_hdf5_beside_a_csv_file_of_the_same_name_is_left_alone(tmp_path, poses):
    table = deeplabcut(poses)
    table.to_csv(tmp_path / "walk.csv")
    write_fixed(tmp_path / "walk.h5", table)
    write_fixed(tmp_path / "run.h5", table)
    sources, unknown = find_sources([tmp_path])
    assert sorted(source.name for source in sources) == ["run.h5", "walk.csv"]
    assert unknown == ["walk.h5"]


def test_columns_of_python_objects_are_told_of(tmp_path, poses):
    table = pd.DataFrame(
        poses[0].reshape(FRAMES, -1), columns=[f"{joint}_{axis}" for joint in COCO_KEYPOINTS for axis in "xy"]
    )
    path = write_fixed(tmp_path / "objects.h5", table)
    with h5py.File(path, "r+") as file:
        titles = np.append(file["df/axis0"][()].astype("S20"), b"label")
        del file["df/axis0"]
        file["df/axis0"], file["df"].attrs["nblocks"] = titles, 2
    with collect_notes() as notes:
        (recording,) = as_recordings(path)
    close(recording, poses[0][None])
    assert any("columns label hold Python objects and are not read" in text for text in notes)


@settings(fuzz, max_examples=12)
@given(content=damaged(b"\x89HDF\r\n\x1a\n" + bytes(range(200)) * 4))
def test_what_only_starts_as_hdf5_is_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("damaged") / "clip.h5"
    assert isinstance(read_damaged(hdf5.read_hdf5, path, content, ReadOptions()), FormatError)


def test_damaged_files_are_read_or_refused(tmp_path, poses):
    whole = write(tmp_path / "whole.h5", {"keypoints": poses[0]}).read_bytes()
    rng = np.random.default_rng(1)
    for number in range(8):
        content = bytearray(whole)
        for place in rng.integers(8, 2048, 6):
            content[place] = rng.integers(256)
        read_damaged(hdf5.read_hdf5, tmp_path / f"{number}.h5", bytes(content), ReadOptions(layout="coco17"))
