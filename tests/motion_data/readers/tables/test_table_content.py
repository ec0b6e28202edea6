"""Tables of key-points that are no text: all that pandas writes is read alike."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from damaged_files import damaged, fuzz, read_bounded, read_damaged
from datasets import Dataset
from hypothesis import given

from motion_data.inputs import as_recordings, input_options, is_batch
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.tables.table_files import read_arrow

FRAMES = [0, 1, 2, 4, 5, 6]  # one is missing
X = np.arange(17) * 3.5 + 40
Y = np.arange(17) * 9.0 + 20


def places(frame):
    """`[17, 3]` x, y, score."""
    return np.stack([X + 2 * frame, Y + 0.5 * frame, np.linspace(0.5, 1, 17)], 1)


def wide(people=1, **columns):
    rows = [
        {name: column[number] for name, column in columns.items()}
        | ({"person": person} if people > 1 else {})
        | {
            f"{joint}_{axis}": value + 100 * person * (axis != "score")
            for joint, values in zip(COCO_KEYPOINTS, places(frame), strict=True)
            for axis, value in zip(("x", "y", "score"), values, strict=True)
        }
        for number, frame in enumerate(FRAMES)
        for person in range(people)
    ]
    return pd.DataFrame(rows)


def long():
    rows = [
        {"frame": frame, "time": frame / 25, "joint": joint, "x": x, "y": y, "confidence": score}
        for frame in FRAMES
        for joint, (x, y, score) in zip(COCO_KEYPOINTS, places(frame), strict=True)
    ]
    return pd.DataFrame(rows)


def check(recording, fps=0.0, people=1):
    seen = np.zeros(7, bool)
    seen[FRAMES] = True
    assert recording.keypoints.shape == (people, 7, 17, 2) and recording.layout == "coco17"
    assert ((recording.scores > 0).all(-1) == seen).all() and recording.fps == fps
    for person in range(people):
        expected = np.stack([places(frame) for frame in FRAMES]) + [100 * person, 100 * person, 0]
        np.testing.assert_allclose(recording.keypoints[person, seen], expected[..., :2], rtol=1e-5)
        np.testing.assert_allclose(recording.scores[person, seen], expected[..., 2], rtol=1e-5)


def read(value, **options):
    (recording,) = as_recordings(value, input_options(**options))
    return recording


WRITERS = {
    "records": lambda table: table.to_json(orient="records"),
    "lines": lambda table: table.to_json(orient="records", lines=True),
    "columns": lambda table: table.to_json(),
    "index": lambda table: table.to_json(orient="index"),
    "split": lambda table: table.to_json(orient="split"),
    "table": lambda table: table.to_json(orient="table"),
    "lists": lambda table: json.dumps(table.to_dict("list")),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_what_pandas_writes_as_json(tmp_path, write):
    path = tmp_path / "walk.json"
    path.write_text(write(wide(frame=FRAMES)))
    assert registry.format_of(path).name == "any-json"
    check(read(path))
    path.write_text(write(wide(people=2, frame=FRAMES)))
    check(read(path), people=2)
    path.write_text(write(long()))
    check(read(path), fps=25)


@pytest.mark.parametrize("orient", ["columns", "index", "split"])
def test_the_index_numbers_frames_where_nothing_else_does(tmp_path, orient):
    path = tmp_path / "walk.json"
    wide().set_index(pd.Index(FRAMES)).to_json(path, orient=orient)
    check(read(path))
    two = wide(people=2)
    two.to_json(path, orient=orient)  # 0, 1, 2 ... are rows here, two for each frame
    with pytest.raises(FormatError, match="several people without times: it needs a column called frame"):
        read(path)


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_parquet_and_feather(tmp_path, suffix):
    path = tmp_path / f"walk{suffix}"

    def write(table):
        table.to_parquet(path) if suffix == ".parquet" else table.to_feather(path)

    write(wide(frame=FRAMES, timestamp=[frame / 12.5 for frame in FRAMES]))
    assert registry.format_of(path).name == "parquet"
    check(read(path), fps=12.5)
    write(long())
    check(read(path), fps=25)
    write(pd.DataFrame({"frame": FRAMES, "keypoints": [places(frame).reshape(-1) for frame in FRAMES]}))
    check(read(path))
    write(pd.DataFrame({"a": [1], "b": [2]}))
    assert registry.format_of(path) is None
    path.write_bytes(path.read_bytes()[:-20])
    assert registry.format_of(path) is None
    with pytest.raises(FormatError, match="is no table that can be read"):
        list(read_arrow(path, ReadOptions()))


def test_an_index_of_parquet(tmp_path):
    path = tmp_path / "walk.parquet"
    wide().set_index(pd.Index(FRAMES, name="frame")).to_parquet(path)
    check(read(path))
    wide().set_index(pd.Index(FRAMES)).to_parquet(path)
    check(read(path))


def test_rows_of_a_corpus_are_no_table(tmp_path):
    path = tmp_path / "corpus.parquet"
    pd.DataFrame({"keypoints": [[1.0, 2.0]], "shape": [[1, 1, 1, 2]]}).to_parquet(path)
    assert registry.format_of(path) is None


IN_MEMORY = {
    "frame of pandas": lambda table: table,
    "records": lambda table: table.to_dict("records"),
    "lists": lambda table: table.to_dict("list"),
    "series": lambda table: table.to_dict("series"),
    "arrays": lambda table: {name: table[name].to_numpy() for name in table},
    "array with names": lambda table: table.to_records(index=False),
    "pyarrow": pa.Table.from_pandas,
    "dataset": Dataset.from_pandas,
}


@pytest.mark.parametrize("of", IN_MEMORY.values(), ids=IN_MEMORY)
def test_tables_in_memory(of):
    table = of(wide(frame=FRAMES))
    assert not is_batch(table) and is_batch([table, table])
    check(read(table))
    check(read({"keypoints": table, "fps": 20}), fps=20)
    check(read(of(long())), fps=25)


def test_lists_in_the_cells_of_a_data_frame():
    table = pd.DataFrame({"frame": FRAMES, "keypoints": [places(frame) for frame in FRAMES]})
    check(read(table))
    by_name = [
        dict(zip(COCO_KEYPOINTS, map(tuple, places(frame)), strict=True)) | {"frame": frame} for frame in FRAMES
    ]
    check(read(pd.DataFrame(by_name)))
    check(read(by_name))


@pytest.mark.parametrize("kind", ["json", "npz", "memory"])
def test_joints_by_name_each_in_all_frames(tmp_path, kind):
    frames = np.stack([places(frame) if frame in FRAMES else np.zeros((17, 3)) for frame in range(7)])
    joints = {joint: frames[:, k] for k, joint in enumerate(COCO_KEYPOINTS)}
    path = tmp_path / f"walk.{kind}"
    if kind == "npz":
        np.savez(path, **joints)
        check(read(path))
    else:
        value = {"fps": 50, **{joint: array.tolist() for joint, array in joints.items()}}
        path.write_text(json.dumps(value))
        check(read(path if kind == "json" else value), fps=50)


def test_joints_by_name_with_lists_of_x_and_y(tmp_path):
    frames = np.stack([places(frame) if frame in FRAMES else np.zeros((17, 3)) for frame in range(7)])
    joints = {
        joint: dict(zip(("x", "y", "score"), frames[:, k].T.tolist(), strict=True))
        for k, joint in enumerate(COCO_KEYPOINTS)
    }
    path = tmp_path / "walk.json"
    for value in ({"fps": 50, **joints}, {"fps": 50, "keypoints": joints}):
        path.write_text(json.dumps(value))
        check(read(path), fps=50)


def test_columns_in_npz(tmp_path):
    table = wide(frame=FRAMES)
    np.savez(tmp_path / "walk.npz", **{name: table[name] for name in table})
    check(read(tmp_path / "walk.npz"))


def test_joints_that_come_twice_in_a_frame_are_refused():
    """Two people without a column that tells them: the second would stand in for the first."""
    with pytest.raises(FormatError, match="joint 'nose' twice in frame 0; several people need a column called person"):
        read(pd.concat([long(), long()]))


def test_people_may_have_names():
    table = wide(people=2, frame=FRAMES)
    table["person"] = table["person"].map({0: "Ann", 1: "Bo"})
    recording = read(table)
    check(recording, people=2)
    assert recording.track_ids == [0, 1]
    table.loc[3, "person"] = None
    with pytest.raises(FormatError, match="has a row without a person"):
        read(table)
    table["person"] = 0.5
    with pytest.raises(FormatError, match=r"has person '0.5'; it must be a whole number or a name"):
        read(table)


def test_a_column_may_have_the_label(caplog):
    images = [f"{video}_{frame}.jpg" for video in ("a", "b") for frame in FRAMES]
    two = pd.concat([wide(), wide()])
    walk, run = as_recordings(two.assign(image=images, action=["walk"] * 6 + ["run"] * 6), input_options())
    assert (walk.label, run.label) == ("walk", "run")
    assert read(wide(frame=FRAMES).assign(label=3)).label == "3"
    assert read(long().assign(activity="wave", class_name="person")).label == "wave"
    assert "labels" not in caplog.text
    assert read(wide(frame=FRAMES, label=list("aaabbb"))).label == ""
    assert "frames have different labels, such as 'a' and 'b'" in caplog.text


def test_two_columns_for_one_coordinate_are_refused():
    with pytest.raises(FormatError, match="two columns for one co-ordinate of a joint, nose_x and nose_x_px"):
        read(wide(frame=FRAMES, nose_x_px=FRAMES)[["nose_x", "nose_x_px", *wide().columns[1:]]])


@fuzz
@given(content=damaged(json.dumps(wide(frame=FRAMES).to_dict("list")).encode()))
def test_damaged_tables_in_json(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    known = registry.format_of(path)
    if known is not None:
        read_bounded(known.read, path, ReadOptions(min_track=1))


def parquet_bytes():
    file = io.BytesIO()
    wide(frame=FRAMES).to_parquet(file)
    return file.getvalue()


@fuzz
@given(content=damaged(parquet_bytes()))
def test_damaged_parquet(tmp_path, content):
    read_damaged(read_arrow, tmp_path / "a.parquet", content, ReadOptions(min_track=1))
