"""Data sets with a clip in each entry: recordings with labels, and not people of one recording."""

import json
import pickle

import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from pyarrow import parquet

from motion_data.corpora.load import load_splits
from motion_data.corpora.prepare import PrepareOptions, prepare_corpus
from motion_data.inputs import as_recordings
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.notes import collect_notes
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.data_fields import label_text

OPTIONS = ReadOptions(min_track=1, layout="coco17")
FRAMES, LABELS = 12, ["walk", "fall", "walk"]
XY = np.random.default_rng(0).uniform(100, 300, (3, FRAMES, 17, 2)).round(2)


def clips(**others):
    """A row for each clip, the later the shorter."""
    return [
        {"keypoints": XY[n, : FRAMES - n].tolist(), "label": LABELS[n], **{k: v[n] for k, v in others.items()}}
        for n in range(3)
    ]


def read(path):
    return list(registry.format_of(path).read(path, OPTIONS))


def expect(recordings, labels=LABELS, names=None):
    assert [one.label for one in recordings] == list(labels)
    for number, one in enumerate(recordings):
        np.testing.assert_allclose(one.keypoints, XY[number, None, : FRAMES - number], rtol=1e-6)
    assert len({one.name for one in recordings}) == 3
    assert names is None or [one.name for one in recordings] == names


def save(path, content):
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(content))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, content)))
    else:
        path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".pkl"])
def test_entries_with_labels_are_recordings(tmp_path, suffix):
    path = save(
        tmp_path / f"set{suffix}", clips(fps=[25, 25, 30], subject=[4, 5, 6], split=["train", "Test", "train"])
    )
    with collect_notes() as notes:
        recordings = read(path)
    assert "each entry with key-points of all frames is a recording" in notes and len(notes) == len(set(notes))
    expect(recordings, names=["000000", "000001", "000002"])
    assert [(one.fps, one.subject, one.split) for one in recordings] == [
        (25, 4, "train"),
        (25, 5, "test"),
        (30, 6, "train"),
    ]


def test_a_clip_in_each_row_of_a_table_of_lists(tmp_path):
    rows = [f'{n},"{row["keypoints"]}",{row["label"]}' for n, row in enumerate(clips())]
    (tmp_path / "set.csv").write_text("\n".join(["id,keypoints,label", *rows]) + "\n")
    expect(read(tmp_path / "set.csv"))
    pandas = pytest.importorskip("pandas")
    expect(as_recordings(pandas.DataFrame(clips()), OPTIONS))


FORMS = {
    "names in entries": lambda rows: [{**row, "id": 7, "video": f"clip {n}"} for n, row in enumerate(rows)],
    "videos in entries": lambda rows: [{**row, "file_name": f"clip {n}.mp4"} for n, row in enumerate(rows)],
    "names": lambda rows: {f"clip {n}": row for n, row in enumerate(rows)},
    "beside facts": lambda rows: {"fps": 25, "samples": [{**row, "clip": f"clip {n}"} for n, row in enumerate(rows)]},
    "other names": lambda rows: [
        {"name": f"clip {n}", "body": row["keypoints"], "action": row["label"]} for n, row in enumerate(rows)
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_clips_are_found_by_name(tmp_path, form):
    recordings = read(save(tmp_path / "set.json", FORMS[form](clips())))
    expect(recordings, names=[f"clip {n}{'.mp4' * (form == 'videos in entries')}" for n in range(3)])


def test_arrays_by_the_names_of_videos(tmp_path):
    content = {f"clip{n}.mp4": XY[n, : FRAMES - n] for n in range(3)}
    expect(read(save(tmp_path / "set.pkl", content)), [""] * 3, names=list(content))


@pytest.mark.parametrize("suffix", [".json", ".pkl"])
def test_an_array_of_all_clips_and_their_labels(tmp_path, suffix):
    arrays = {"X": XY, "y": np.array([1, 0, 1]), "fps": 25}
    if suffix == ".json":
        arrays = {name: np.asarray(value).tolist() for name, value in arrays.items()}
    recordings = read(save(tmp_path / f"set{suffix}", arrays))
    assert [(one.label, one.fps) for one in recordings] == [("1", 25), ("0", 25), ("1", 25)]
    np.testing.assert_allclose([one.keypoints[0] for one in recordings], XY, rtol=1e-6)
    people = read(save(tmp_path / f"own{suffix}", {"keypoints": arrays["X"], "label": "walk"}))
    assert len(people) == 1 and people[0].label == "walk" and len(people[0].keypoints) == 3


def test_names_of_joints_count_for_all_clips(tmp_path):
    rows = clips()
    for row in rows:
        row["keypoints"] = np.array(row["keypoints"])[:, ::-1].tolist()
    expect(read(save(tmp_path / "set.json", {"joint_names": COCO_KEYPOINTS[::-1], "data": rows})))


def test_people_of_one_recording_stay_together(tmp_path):
    for content in (
        [{"track_id": n + 3, "keypoints": XY[n].tolist()} for n in range(3)],
        {str(n + 3): {"keypoints": XY[n].tolist()} for n in range(3)},
        {"people": [{"id": n + 3, "keypoints": XY[n].tolist()} for n in range(3)]},
    ):
        (recording,) = read(save(tmp_path / "own.json", content))
        np.testing.assert_allclose(recording.keypoints, XY, rtol=1e-6)


def test_people_of_frames_are_no_clips(tmp_path):
    """As Keypoint R-CNN has them: two in the first frames, one in the others."""
    bodies = XY[:2, :1] + np.arange(FRAMES)[:, None, None] + [[[[0, 0]]], [[[400, 0]]]]
    frames = [{"keypoints": bodies[: 1 + (f < 5), f].tolist(), "label": "person", "score": 0.9} for f in range(FRAMES)]
    for content in (
        frames,
        {"frames": frames},
        {"fps": 25, "data": [row | {"frame": f} for f, row in enumerate(frames)]},
    ):
        (recording,) = read(save(tmp_path / "own.json", content))
        np.testing.assert_allclose(recording.keypoints[0], bodies[0], rtol=1e-6)
        assert recording.scores[1].any(-1).sum() == 5


def test_what_may_be_either_is_refused(tmp_path):
    rows = [{"keypoints": XY[n].tolist()} for n in range(3)]
    for content in (rows, {"anna": rows[0], "ben": rows[1]}):
        with pytest.raises(FormatError, match="people of one recording or recordings: give each a track_id"):
            read(save(tmp_path / "own.json", content))
    broken = clips()
    broken[1]["keypoints"][0][0] = [1, "a"]
    with pytest.raises(FormatError, match="own.json: 000001: keypoints"):
        read(save(tmp_path / "own.json", broken))


def with_numbers():
    """The clips as a dataset whose labels are numbers with names."""
    dataset = Dataset.from_list([{**row, "label": ["fall", "walk"].index(row["label"])} for row in clips()])
    return dataset.cast_column("label", ClassLabel(names=["fall", "walk"]))


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_a_clip_in_each_row_of_parquet(tmp_path, kind):
    path = tmp_path / "validation-00000-of-00001.parquet"
    if kind == "text":
        parquet.write_table(pa.Table.from_pylist(clips()), path)
    else:
        with_numbers().to_parquet(path)
    assert registry.format_of(path).name == "parquet"
    recordings = read(path)
    expect(recordings)
    assert {one.split for one in recordings} == {"validation"}


@pytest.mark.parametrize("form", ["parquet", "saved"])
def test_rows_without_a_class_have_no_label(tmp_path, form):
    rows = [{**row, "label": label} for row, label in zip(clips(), (1, -1, None), strict=True)]
    dataset = Dataset.from_list(rows).cast_column("label", ClassLabel(names=["fall", "walk"]))
    path = tmp_path / f"clips.{form}"
    dataset.to_parquet(path) if form == "parquet" else dataset.save_to_disk(path)
    assert [one.label for one in read(path)] == ["walk", "", ""]


@pytest.mark.parametrize("splits", [1, 2])
def test_what_datasets_saves_to_disk(tmp_path, splits):
    dataset = with_numbers()
    saved = dataset if splits == 1 else DatasetDict({"train": dataset.select([0, 1]), "test": dataset.select([2])})
    saved.save_to_disk(tmp_path / "saved")
    assert registry.format_of(tmp_path / "saved").name == "saved-dataset"
    recordings = read(tmp_path / "saved")
    expect(recordings)
    assert [one.split for one in recordings] == (["", "", ""] if splits == 1 else ["train", "train", "test"])


def test_saved_data_become_a_corpus_and_a_corpus_is_none(tmp_path):
    with_numbers().save_to_disk(tmp_path / "saved")
    with pytest.raises(ValueError, match="lacks the columns scores, .* become a corpus with `mofm prepare`"):
        load_splits(tmp_path / "saved")
    options = PrepareOptions(read=ReadOptions(min_track=1, layout="coco17", fps=25))
    prepare_corpus([tmp_path / "saved"], tmp_path / "corpus", options)
    (splits,) = (load_splits(tmp_path / "corpus"),)
    assert sum(map(len, splits.values())) == 3
    assert set(splits["train"].features["label"].names) == {"walk", "fall"}
    splits["train"].save_to_disk(tmp_path / "again")
    assert registry.format_of(tmp_path / "again") is None


def test_rows_of_other_data_are_refused(tmp_path):
    rows = Dataset.from_dict({"text": ["a", "b"]}, features=Features({"text": Value("string")}))
    rows.save_to_disk(tmp_path / "saved")
    with pytest.raises(FormatError, match="has rows of text; each must be a clip"):
        list(registry.formats()["saved-dataset"].read(tmp_path / "saved", OPTIONS))


@pytest.mark.parametrize("label", [3, 3.0, np.float64(3), "3", b"3"])
def test_whole_numbers_are_labels_however_they_are_written(label):
    assert label_text(label) == "3"


@pytest.mark.parametrize("label", [None, 0.5, [3], {"name": "walk"}])
def test_anything_else_is_no_label(label):
    assert label_text(label) == ""
