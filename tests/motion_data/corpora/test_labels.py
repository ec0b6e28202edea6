"""Labels that files do not state: from folders, and from a table."""

import numpy as np
import pytest

from motion_data.corpora.labels import read_labels
from motion_data.corpora.load import load_corpus
from motion_data.corpora.prepare import PrepareOptions, prepare_corpus
from motion_data.corpora.sources import find_sources
from motion_data.options import ReadOptions
from motion_data.readers.registry import FormatError

READ = ReadOptions(layout="coco17", fps=10)


@pytest.fixture
def files(tmp_path):
    """Ten takes of 20 seconds; in frame f everybody's nose is at (100 + f, 50)."""
    for number in range(10):
        path = tmp_path / "files" / ("walk", "fall")[number % 2] / f"take{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = 50.0 + np.arange(17)[:, None] * [3, 9]
        np.save(path, body + np.arange(200)[:, None, None] * [1, 0])
    return tmp_path / "files"


def rows_of(files, tmp_path, labels, read=READ):
    prepare_corpus([files], tmp_path / "corpus", PrepareOptions(read=read, labels=labels))
    corpora = [load_corpus(tmp_path / "corpus", split) for split in ("train", "test")]
    names = getattr(corpora[0].features["label"], "names", [])
    return [{**row, "label": names[row["label"]] if row["label"] >= 0 else ""} for rows in corpora for row in rows]


def table(tmp_path, text):
    (tmp_path / "labels.csv").write_text(text)
    return str(tmp_path / "labels.csv")


def sources_of(files):
    return find_sources([files], None)[0]


def test_labels_are_those_of_folders(files, tmp_path):
    rows = rows_of(files, tmp_path, "folders")
    assert len(rows) == 10 and all(row["label"] == row["source"].split("/")[0] for row in rows)
    with pytest.raises(ValueError, match="'take1.npy' is in none; name the folder above"):
        prepare_corpus([files / "fall"], tmp_path / "other", PrepareOptions(read=READ, labels="folders"))


def test_a_table_labels_files_and_stretches(files, tmp_path):
    text = "file,start,end,label,subject,split\n"
    text += "walk/take0.npy,,,walking,3,test\n"
    text += "fall/take1,0,5,stand,4,train\nfall/take1,5,9.5,fall,4,train\n"
    rows = rows_of(files, tmp_path, table(tmp_path, text))
    by_source = {row["source"]: row for row in rows}
    whole = by_source["walk/take0.npy"]
    assert (whole["label"], whole["subject"], whole["split"], whole["shape"][1]) == ("walking", 3, "test", 200)
    first, second = by_source["fall/take1.npy/000000"], by_source["fall/take1.npy/000050"]
    assert [(row["label"], row["subject"], row["shape"][1]) for row in (first, second)] == [
        ("stand", 4, 50),
        ("fall", 4, 45),
    ]
    assert second["keypoints"][0] == 100 and second["first_frame"] == 50
    assert by_source["walk/take2.npy"]["label"] == "" and len(rows) == 11


def test_files_that_labels_leave_out_and_unknown_rates_are_told(files, tmp_path):
    labels = table(tmp_path, "file,label\nwalk/take0,walk\nfall/take1,fall\n")
    done = prepare_corpus(
        [files], tmp_path / "corpus", PrepareOptions(read=ReadOptions(layout="coco17"), labels=labels)
    )
    assert "labels say nothing of 8 of 10 files, such as " in done.warnings[0]
    assert "the frame rate of 10 of 10 recordings is unknown" in "".join(done.warnings)
    done = prepare_corpus([files], tmp_path / "all", PrepareOptions(read=READ, labels="folders"))
    assert not [warning for warning in done.warnings if "labels" in warning or "rate" in warning]


def test_stretches_may_cross_where_long_files_are_cut(files, tmp_path):
    labels = table(tmp_path, "file,start,end,label\nwalk/take0,2,18,walk\n")
    rows = rows_of(files, tmp_path, labels, ReadOptions(layout="coco17", fps=10, max_frames=30))
    assert [row["shape"][1] for row in rows if row["label"]] == [160]


def test_a_table_marks_anomalies_in_seconds(files, tmp_path):
    rows = rows_of(files, tmp_path, table(tmp_path, "file;start;end;anomalous\nwalk/take0;3;4.5;1\nwalk/take2;0;;0\n"))
    marked = {row["source"]: row["frame_labels"] for row in rows}
    assert np.flatnonzero(marked["walk/take0.npy"]).tolist() == list(range(30, 45))
    assert len(marked["walk/take0.npy"]) == len(marked["walk/take2.npy"]) == 200 and not any(marked["walk/take2.npy"])
    assert marked["walk/take4.npy"] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\na,b\n", "has columns .'name', 'label'.; allowed are file, start"),
        ("file,label,action\nwalk/take0,b,c\n", "each once, file needed"),
        ("label\nb\n", "file needed"),
        ("file,label\nwalk/take9,b\n", "line 2: no source is named 'walk/take9'"),
        ("file,start,end\nwalk/take0,5,3\n", "line 2: the stretch from 5 to 3 is empty"),
        ("file,start\nwalk/take0,soon\n", "start is 'soon'; it must be a number"),
        ("file,start\nwalk/take0,1:75:00\n", "start is '1:75:00'; it must be a number"),
        ("file,start_frame\nwalk/take0,1.5\n", "start_frame is '1.5'; it must be a whole number"),
        ("file,start,end_frame\nwalk/take0,1,20\n", "several of a stretch in seconds, one in frames, and a frame"),
        ("file,frame,label\ntake0,4,a\ntake0,3,a\ntake0,4,b\n", "lines 3 and 4: say different things of a frame"),
        ("file,frame,label\ntake0,-1,a\n", "frame is '-1'; it must be a whole number"),
        ("file,frame,label\ntake0,,a\ntake0,7,b\n", "name an action of all of 'walk/take0.npy', and one"),
        ("file,label\nwalk/take0,a\nwalk/take0.npy,b\n", "lines 2 and 3: say different things of all of 'walk/take0"),
        ("file,end,label\ntake0,,a\ntake0,3,b\n", "lines 2 and 3: name an action of all of 'walk/take0.npy', and one"),
        ("file,label\n/videos/take3.mp4x/,b\n", "no source is named"),
        ("file,anomalous\nwalk/take0,yes\n", "anomalous is 'yes'; it must be 0 or 1"),
    ],
)
def test_wrong_tables_are_refused_before_anything_is_read(files, tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        rows_of(files, tmp_path, table(tmp_path, text))
    assert not (tmp_path / "corpus.partial").exists()


def test_files_are_named_by_paths_and_by_their_videos(files, tmp_path):
    cells = ["walk/take0.npy", "walk/take0", "walk/take0.mp4", "take0.npy", "take0", "take0.mp4"]
    cells += [prefix + cell for cell in cells[:3] for prefix in ("./", "C:\\data\\", "/data/files/")]
    for cell in cells:
        labels = read_labels(table(tmp_path, f"file,label\n{cell},a\n"), sources_of(files))
        assert list(labels) == ["walk/take0.npy"], cell
    with pytest.raises(ValueError, match="no source is named 'run/take0.npy'"):
        read_labels(table(tmp_path, "file,label\nrun/take0.npy,a\n"), sources_of(files))
    np.save(files / "fall" / "take0.npy", np.load(files / "walk" / "take0.npy"))
    with pytest.raises(ValueError, match="line 2: 'take0' may be fall/take0.npy or walk/take0.npy; write more"):
        read_labels(table(tmp_path, "file,label\ntake0,a\n"), sources_of(files))
    assert list(read_labels(table(tmp_path, "file,label\nfall/take0.avi,a\n"), sources_of(files))) == [
        "fall/take0.npy"
    ]


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("start,end", "2,5"),
        ("Start_Time;END", "0:02;00:00:05.0"),
        ("start;end", "2,0;5,0"),
        ("start\tend", "2\t5"),
        ("start_frame,end_frame", "20,49"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_stretches_may_be_written_in_several_ways(files, tmp_path, columns, cells, encoding):
    comma = next(one for one in "\t;," if one in columns)
    text = f"File,Action,{columns}\n,,\ntake0,größe,{cells}\n"
    text = text.replace("File,Action,", f"File{comma}Action{comma}").replace(
        "take0,größe,", f"take0{comma}größe{comma}"
    )
    (tmp_path / "labels.csv").write_text(text.replace("\n,,\n", f"\n{comma}\n"), encoding=encoding)
    (row,) = [row for row in rows_of(files, tmp_path, str(tmp_path / "labels.csv")) if row["label"]]
    assert (row["label"], row["first_frame"], row["shape"][1]) == ("größe", 20, 30)


def test_frames_need_no_frame_rate(files, tmp_path):
    labels = table(tmp_path, "file,start_frame,end_frame,label\ntake0,20,49,walk\n")
    rows = rows_of(files, tmp_path, labels, ReadOptions(layout="coco17"))
    assert [row["shape"][1] for row in rows if row["label"]] == [30]


def test_rows_of_single_frames_are_joined_to_stretches(files, tmp_path):
    said = {**dict.fromkeys(range(20, 50), "sit"), **dict.fromkeys(range(50, 90), "stand"), 90: "", 120: "sit"}
    said |= dict.fromkeys(range(91, 120), "sit")
    lines = [f"take0,{frame},{label},2" for frame, label in sorted(said.items(), reverse=True)]
    labels = table(tmp_path, "\n".join(["file,frame,action,subject", *lines, lines[0]]))
    rows = [row for row in rows_of(files, tmp_path, labels) if row["label"]]
    found = sorted((row["first_frame"], row["shape"][1], row["label"], row["subject"]) for row in rows)
    assert found == [(20, 30, "sit", 2), (50, 40, "stand", 2), (91, 30, "sit", 2)]


def test_rows_of_single_frames_mark_anomalies(files, tmp_path):
    lines = [f"take0,{frame},{int(60 <= frame < 75)}" for frame in range(200)]
    rows = rows_of(files, tmp_path, table(tmp_path, "\n".join(["file,frame,anomalous", *lines])))
    (marked,) = [row for row in rows if row["source"] == "walk/take0.npy"]
    assert np.flatnonzero(marked["frame_labels"]).tolist() == list(range(60, 75)) and marked["shape"][1] == 200


def test_splits_are_in_small_letters_and_subjects_may_have_names(files, tmp_path, caplog):
    rows = rows_of(files, tmp_path, table(tmp_path, "file,split\ntake0,Train\ntake1,TEST\n"))
    assert {row["source"]: row["split"] for row in rows if row["split"] == "test"} == {"fall/take1.npy": "test"}
    labels = read_labels(table(tmp_path, "file,subject\ntake0,P09\ntake1,P10\ntake2,\n"), sources_of(files))
    assert [labels[name][0].subject for name in ("walk/take0.npy", "fall/take1.npy", "walk/take2.npy")] == [1, 2, -1]
    assert "subjects are numbered in the order of their names: P09 is 1, P10 is 2" in caplog.text


def test_a_file_with_anomalous_stretches_has_the_label_of_all_of_it(files, tmp_path):
    text = "file,start,end,anomalous,label\ntake0,3,5,1,fall\ntake0,,,,walk\ntake1,3,5,1,fall\ntake1,8,9,1,fight\n"
    labels = table(tmp_path, text)
    rows = {row["source"]: row for row in rows_of(files, tmp_path, labels)}
    assert rows["walk/take0.npy"]["label"] == "walk" and rows["fall/take1.npy"]["label"] == ""
    assert np.flatnonzero(rows["fall/take1.npy"]["frame_labels"]).tolist() == [*range(30, 50), *range(80, 90)]
    done = prepare_corpus([files], tmp_path / "again", PrepareOptions(read=READ, labels=labels))
    assert any("anomalous stretches have several labels, such as 'fall'" in note for note in done.notes)


def test_stretches_without_anybody_are_told(files, tmp_path):
    labels = table(tmp_path, "file,start,end,label\ntake0,1,5,walk\ntake0,100,110,fall\n")
    done = prepare_corpus([files], tmp_path / "corpus", PrepareOptions(read=READ, labels=labels))
    assert any("nobody is seen in 1 of the stretches that labels name, such as 100 to 110 s" in n for n in done.notes)
    assert done.statistics.num_clips == 10


def test_labels_that_are_no_text_are_refused(files, tmp_path):
    (tmp_path / "labels.csv").write_bytes("file,label\ntake0,größe\n".encode("latin-1"))
    with pytest.raises(ValueError, match="labels .* is no UTF-8 text .*; save it as UTF-8"):
        rows_of(files, tmp_path, str(tmp_path / "labels.csv"))


def test_seconds_need_a_frame_rate(files, tmp_path):
    labels = table(tmp_path, "file,start,end,label\nwalk/take0,2,5,walk\n")
    with pytest.raises(FormatError, match="has no frame rate, and its labels are in seconds; give fps"):
        rows_of(files, tmp_path, labels, ReadOptions(layout="coco17"))
    with pytest.raises(FileNotFoundError, match="'nowhere.csv' is not there"):
        rows_of(files, tmp_path, "nowhere.csv")


def test_masks_label_frames(files, tmp_path):
    (tmp_path / "masks").mkdir()
    mask = np.zeros(200, np.int64)
    mask[50:80] = 1
    np.save(tmp_path / "masks" / "take0.npy", mask)
    rows = {row["source"]: row for row in rows_of(files, tmp_path, str(tmp_path / "masks"))}
    assert np.array_equal(rows["walk/take0.npy"]["frame_labels"], mask)
    assert not len(rows["fall/take1.npy"]["frame_labels"])
    for values, error, message in (
        (mask[:150], FormatError, "has people until frame 199, but its mask .*take0.npy' has 150 frames"),
        (mask + 1, FormatError, r"take0.npy: is int64 \(200,\); a mask has a 0 or 1 for each frame"),
    ):
        np.save(tmp_path / "masks" / "take0.npy", values)
        with pytest.raises(error, match=message):
            prepare_corpus([files], tmp_path / "b", PrepareOptions(read=READ, labels=str(tmp_path / "masks")))
    np.save(tmp_path / "masks" / "take.npy", mask)
    with pytest.raises(ValueError, match="take.npy' is of 0 sources .*; one must start with 'take'"):
        prepare_corpus([files], tmp_path / "c", PrepareOptions(read=READ, labels=str(tmp_path / "masks")))
