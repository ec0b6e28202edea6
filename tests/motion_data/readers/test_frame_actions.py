"""Actions that files state of their frames: cut out where that is asked for."""

import json

import numpy as np
import pytest

from motion_data.corpora.load import load_splits
from motion_data.corpora.prepare import PrepareOptions, prepare_corpus
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.notes import collect_notes
from motion_data.readers import FormatError, ReadOptions, registry

ACTIONS = ["walk"] * 12 + ["fall"] * 8 + [""] * 3 + ["lie"] * 7
XY = np.random.default_rng(0).uniform(20, 300, (30, 17, 2))


def read(path, **options):
    return list(registry.format_of(path).read(path, ReadOptions(min_track=1, layout="coco17", fps=25, **options)))


def table(path, actions=ACTIONS, people=1):
    titles = ["frame", "person", *(f"{name}_{axis}" for name in COCO_KEYPOINTS for axis in "xy"), "action"]
    rows = [
        [str(frame), str(person), *map(str, (XY[frame] + 400 * person).ravel().tolist()), action]
        for frame, action in enumerate(actions)
        for person in range(people)
    ]
    path.write_text("\n".join(",".join(row) for row in [titles, *rows]) + "\n")
    return path


def plain(path):
    people = [{"frame": f, "keypoints": XY[f].tolist(), "action": action or None} for f, action in enumerate(ACTIONS)]
    path.write_text(json.dumps(people))
    return path


def beside(path, name="label"):
    path.write_text(json.dumps({"keypoints": XY.tolist(), name: ACTIONS, "fps": 25}))
    return path


def array(path):
    np.savez(path, keypoints=XY, label=np.array([["walk", "fall", "", "lie"].index(one) for one in ACTIONS]), fps=25.0)
    return path


@pytest.mark.parametrize("write", [table, plain, beside, array])
def test_each_frame_has_its_action(write, tmp_path):
    (recording,) = read(write(tmp_path / f"file.{'csv' if write is table else 'npz' if write is array else 'json'}"))
    actions = recording.frame_actions.tolist()
    expected = ["0", "1", "2", "3"] if write is array else ["walk", "fall", "", "lie"]
    assert actions == [expected[["walk", "fall", "", "lie"].index(one)] for one in ACTIONS] and not recording.label
    np.testing.assert_allclose(recording.keypoints[0], XY, rtol=1e-5)


def test_one_action_is_the_label_and_people_who_differ_have_none(tmp_path):
    (recording,) = read(table(tmp_path / "one.csv", ["walk"] * 30))
    assert recording.label == "walk" and recording.frame_actions is None
    path = table(tmp_path / "two.csv", ["walk"] * 30, people=2)
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace("walk", "wave")  # the second person of frame 0
    path.write_text("\n".join(lines))
    with collect_notes() as notes:
        (recording,) = read(path)
    assert recording.frame_actions.tolist() == ["", *["walk"] * 29]
    assert any("people of one frame have different labels" in note for note in notes)


def test_a_file_cut_into_parts_keeps_the_actions_of_each(tmp_path):
    path = table(tmp_path / "long.csv")
    parts = read(path, max_frames=10)
    assert [part.first_frame for part in parts] == [0, 10, 20]
    assert parts[0].label == "walk" and parts[0].frame_actions is None
    assert parts[1].frame_actions.tolist() == ACTIONS[10:20] and parts[2].frame_actions.tolist() == ACTIONS[20:]


def test_labels_of_another_length_are_refused(tmp_path):
    path = tmp_path / "short.json"
    path.write_text(json.dumps({"keypoints": XY.tolist(), "label": ACTIONS[:-1]}))
    with pytest.raises(FormatError, match="has 29 labels, and 30 frames; each must have one"):
        read(path)
    np.savez(tmp_path / "short.npz", keypoints=XY, label=np.arange(29))
    with pytest.raises(FormatError, match=r"has label int64 \(29,\); it must be one text or whole number, or one for"):
        read(tmp_path / "short.npz")


@pytest.mark.parametrize("labels", ["", "frames"])
def test_actions_are_cut_out_where_that_is_asked_for(labels, tmp_path):
    (tmp_path / "files").mkdir()
    table(tmp_path / "files" / "a.csv")
    table(tmp_path / "files" / "b.csv", ["walk"] * 29 + ["turn"])
    table(tmp_path / "files" / "c.csv", ["wave"] * 30)
    options = PrepareOptions(read=ReadOptions(min_track=1, fps=25), labels=labels, test_fraction=0)
    done = prepare_corpus([tmp_path / "files"], tmp_path / "corpus", options)
    splits = load_splits(tmp_path / "corpus")
    found = []
    for rows in splits.values():
        names = rows.features["label"].names
        found += [
            (row["source"].partition("/")[0], names[row["label"]], row["shape"][1])
            for row in rows
            if row["label"] >= 0
        ]
        found += [(row["source"].partition("/")[0], "", row["shape"][1]) for row in rows if row["label"] < 0]
    whole = [("a.csv", "", 30), ("b.csv", "", 30), ("c.csv", "wave", 30)]
    cut = [("a.csv", "fall", 8), ("a.csv", "lie", 7), ("a.csv", "walk", 12), ("b.csv", "walk", 29), whole[2]]
    assert sorted(found) == sorted(cut if labels else whole)
    if labels:
        assert done.notes["1 actions of less than 2 frames are left out"] == 1


def test_files_that_state_nothing_of_their_frames_are_named(tmp_path):
    table(tmp_path / "a.csv", [""] * 30)
    options = PrepareOptions(read=ReadOptions(min_track=1, fps=25), labels="frames")
    done = prepare_corpus([tmp_path / "a.csv"], tmp_path / "corpus", options)
    assert done.notes["no frame has a label"] == 1
