"""JSON by scripts of one's own: people, frames, ids and scores are found whatever they are called, or refused."""

import json
import pickle
import re

import numpy as np
import pytest

from motion_data.inputs import as_recordings
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.notes import collect_notes
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.frames import as_time, frames_of_times

OPTIONS = ReadOptions(min_track=1)
FRAMES, PEOPLE = 4, (3, 8)


def body(frame, person):
    """x, y, score `[17, 3]` that tell frame, person and joint."""
    k = np.arange(17)
    return np.stack([100.0 * person + k + frame / 4, 50 + 3 * k, (k + 1) / 20], 1)


def rows(frame, person):
    return body(frame, person).tolist()


def apart(frame, person, names=("keypoints", "keypoint_scores")):
    joints = body(frame, person)
    return {names[0]: joints[:, :2].tolist(), names[1]: joints[:, 2].tolist()}


def named(frame, person):
    return {
        name: {"x": x, "y": y, "confidence": c}
        for name, (x, y, c) in zip(COCO_KEYPOINTS, rows(frame, person), strict=True)
    }


def listed(frame, person):
    return [{"name": name, **joint, "part": None} for name, joint in named(frame, person).items()]


def flat(frame, person):
    return body(frame, person).ravel().tolist()


def frames(people):
    """People of each frame, by `people(frame, person)`."""
    return [[people(frame, person) for person in PEOPLE] for frame in range(FRAMES)]


FILES = {
    "people in one list": [
        {"frame_index": f, "person_id": p, "kpts": flat(f, p)} for f in range(FRAMES) for p in PEOPLE
    ],
    "frames with people": {
        "video": "walk.mp4",
        "frames": [
            {"image_name": f"walk_{f:04}.jpg", "persons": [{"id": p, **apart(f, p)} for p in PEOPLE]}
            for f in range(FRAMES)
        ],
    },
    "frames in an object": {str(f): [{"track_id": p, "joints": rows(f, p)} for p in PEOPLE] for f in range(FRAMES)},
    "frames with ids, in the order of a list": {
        "frames": [{"id": f + 50, "people": [{"id": p, "joints": rows(f, p)} for p in PEOPLE]} for f in range(FRAMES)]
    },
    "people with frames": [
        {"track_id": p, "frames": [{"frame": f, "keypoints": rows(f, p)} for f in range(FRAMES)]} for p in PEOPLE
    ],
    "people in an object, with their frames": {
        "tracks": {
            str(p): [{"frame": f, **apart(f, p, ("skeleton", "confidences"))} for f in range(FRAMES)] for p in PEOPLE
        }
    },
    "joints with names": [
        {"frame_no": f, "detections": [{"track_id": p, "keypoints": named(f, p)} for p in PEOPLE]}
        for f in range(FRAMES)
    ],
    "joints in a list, with names": [
        {
            "frame": f,
            "pid": p,
            "landmarks": listed(f, p),
        }
        for f in range(FRAMES)
        for p in PEOPLE
    ],
    "frames in the order of a list": frames(lambda f, p: {"id": p, "keypoints": rows(f, p)}),
    "JSON lines": "\n".join(
        json.dumps({"frame": f + 1, "predictions": [{"track_id": p, "keypoints": flat(f, p)} for p in PEOPLE]})
        for f in range(FRAMES)
    ),
    "arrays of people, apart": [
        {
            "frame": f,
            "kpts": [apart(f, p)["keypoints"] for p in PEOPLE],
            "scores": [body(f, p)[:, 2].tolist() for p in PEOPLE],
        }
        for f in range(FRAMES)
    ],
    "people called key-points": [
        {
            "frame_idx": f,
            "keypoints": [
                {"id": p, "keypoints": [apart(f, p)["keypoints"]], "scores": [body(f, p)[:, 2].tolist()]}
                for p in PEOPLE
            ],
        }
        for f in range(FRAMES)
    ],
    "numbers by the name of a picture": {f"walk_{f}.jpg": [rows(f, p) for p in PEOPLE] for f in range(FRAMES)},
    "tracks in the order of a list": {
        "people": [
            {
                "id": p,
                **{name: [apart(f, p)[name] for f in range(FRAMES)] for name in ("keypoints", "keypoint_scores")},
            }
            for p in PEOPLE
        ]
    },
    "frames called so, in the order of a list": {
        "frames": [{"joints": named(f, PEOPLE[0]), "timestamp": f / 25} for f in range(FRAMES)]
    },
    "ml5, in the order of a list": [
        [
            {
                "pose": {
                    "keypoints": [
                        {"part": name, "position": {"x": x, "y": y}, "score": c}
                        for name, (x, y, c) in zip(COCO_KEYPOINTS, rows(f, p), strict=True)
                    ]
                },
                "skeleton": [[{"part": "leftHip"}]],
            }
            for p in PEOPLE
        ]
        for f in range(FRAMES)
    ],
    "frames in the order of a list, with a field": {
        "data": [{"people": people} for people in frames(lambda f, p: {"id": p, "keypoints": rows(f, p)})]
    },
}


def read(path, content, name="any-json"):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    known = registry.format_of(path)
    assert known.name == name
    return list(known.read(path, OPTIONS))


def expect(recording, track_ids=PEOPLE):
    expected = np.array([[body(frame, person) for frame in range(FRAMES)] for person in PEOPLE])
    np.testing.assert_allclose(recording.keypoints, expected[..., :2], rtol=1e-6)
    np.testing.assert_allclose(recording.scores, expected[..., 2], rtol=1e-6)
    assert recording.track_ids == list(track_ids) and recording.layout == "coco17"


@pytest.mark.parametrize("shape", FILES)
def test_people_are_found_whatever_they_are_called(tmp_path, shape):
    with collect_notes() as notes:
        (recording,) = read(tmp_path / "own.json", FILES[shape])
    if "frames called so" in shape:
        assert len(recording.keypoints) == 1
    else:
        expect(recording, PEOPLE if recording.track_ids[0] else (0, 1))  # linked where there are no ids
    assert ("frames have no numbers" in str(notes)) == ("order" in shape)


def test_ids_may_be_names_and_are_none_if_each_comes_once(tmp_path):
    content = [{"frame": f, "track": f"person {p}", "keypoints": rows(f, p)} for f in range(FRAMES) for p in PEOPLE]
    expect(read(tmp_path / "own.json", content)[0], (0, 1))
    for number, person in enumerate(content):  # of the detection, not of the person: people are linked
        person["track"] = number
    expect(read(tmp_path / "own.json", content)[0], (0, 1))


def test_a_file_for_each_picture(tmp_path):
    for frame in range(FRAMES):
        people = [{"track_id": p, **apart(frame, p)} for p in PEOPLE]
        (tmp_path / f"walk_{frame:06}.json").write_text(json.dumps({"instance_info": people}))
    assert registry.format_of(tmp_path).name == "any-json-folder"
    (recording,) = registry.format_of(tmp_path).read(tmp_path, OPTIONS)
    expect(recording)


def test_a_folder_of_videos_is_no_video(tmp_path):
    for name in "ab":
        people = [{"image_id": f"{f}.jpg", "idx": p, "keypoints": flat(f, p)} for f in range(FRAMES) for p in PEOPLE]
        (tmp_path / f"{name}1.json").write_text(json.dumps(people))
    assert registry.format_of(tmp_path) is None
    for name in "ab":
        poses = {f"{f}.jpg": {"version": 1.3, "people": [{"pose_keypoints_2d": [9, 9, 1] * 18}]} for f in range(3)}
        (tmp_path / f"{name}1.json").write_text(json.dumps(poses))
    assert registry.format_of(tmp_path) is None
    for name in "ab":
        (tmp_path / f"{name}1.json").write_text(json.dumps(FILES["frames with people"]))
    assert registry.format_of(tmp_path) is None


def test_joints_by_name_are_those_that_were_seen_in_any_order(tmp_path):
    def person(frame, track):
        rows_of = list(zip(COCO_KEYPOINTS, body(frame, track), strict=True))
        rows_of = rows_of[frame:] + rows_of[: frame - 1] if frame else rows_of[:9]  # later ones are new
        return {name: {"x": x, "y": y, "score": score} for name, (x, y, score) in rows_of}

    expected = np.ones((len(PEOPLE), FRAMES, 17), bool)
    expected[:, 0, 9:] = False
    for frame in range(1, FRAMES):
        expected[:, frame, frame - 1] = False
    contents = {
        "keypoints": [{"frame": f, "id": p, "keypoints": person(f, p)} for f in range(FRAMES) for p in PEOPLE],
        "the person itself": [{"frame": f, "id": p, **person(f, p)} for f in range(FRAMES) for p in PEOPLE],
        "frames": {f"frame_{f}": [{"id": p} | person(f, p) for p in PEOPLE] for f in range(FRAMES)},
        "lists": [
            {"frame": f, "id": p} | {name: [j["x"], j["y"], j["score"]] for name, j in person(f, p).items()}
            for f in range(FRAMES)
            for p in PEOPLE
        ],
    }
    for name, content in contents.items():
        (recording,) = read(tmp_path / "own.json", content)
        assert recording.track_ids == list(PEOPLE), name
        assert np.array_equal(recording.scores > 0, expected), name
        wanted = np.array([[body(f, p)[:, :2] for f in range(FRAMES)] for p in PEOPLE])
        np.testing.assert_allclose(recording.keypoints[expected], wanted[expected], rtol=1e-5)
    (tmp_path / "own.json").unlink()
    for frame in range(FRAMES):
        (tmp_path / f"{frame:04}.json").write_text(json.dumps([{"id": p} | person(frame, p) for p in PEOPLE]))
    assert registry.format_of(tmp_path).name == "any-json-folder"
    (recording,) = registry.formats()["any-json-folder"].read(tmp_path, OPTIONS)
    assert np.array_equal(recording.scores > 0, expected)


@pytest.mark.parametrize("unit", [1, 1000, 1e6, 1e9])
def test_frames_follow_from_times_where_nothing_numbers_them(tmp_path, unit):
    times = [0.2, 0.24, 0.28, 0.4, 0.44]  # two are missing
    content = [{"time": time * unit, "keypoints": rows(f, 3)} for f, time in enumerate(times)]
    with collect_notes() as notes:
        (recording,) = read(tmp_path / "own.json", content)
    seen = (recording.scores > 0).any((0, 2))
    assert seen.tolist() == [True] * 3 + [False] * 2 + [True] * 2 and recording.fps == pytest.approx(25)
    assert any(text.startswith("people have times and no frames") for text in notes)


def test_rounded_times_do_not_drift():
    times = np.arange(3000) * 1000 // 30  # 33, 66, 100, 133 ms ...
    assert np.array_equal(frames_of_times(times), np.arange(3000))
    kept = np.delete(times, slice(100, 105))
    assert np.array_equal(frames_of_times(kept), np.delete(np.arange(3000), slice(100, 105)))
    assert frames_of_times([4.0, 4.0]).tolist() == [0, 0]
    assert frames_of_times([0, 1, 1.2, 2.2, 1]).tolist() == [0, 1, 2, 3, 1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([{"keypoints": [[1, 2, 1]] * 17}], "a person has no frame; it may be called frame, frame_id"),
        ([{"frame": 0, "keypoints": [1, 2, 3, 4, 5]}], r"keypoints in frame 0 have shape \(5,\)"),
        ([{"frame": 0, "keypoints": [[1, 2]] * 17, "scores": [1, 1]}], r"scores in frame 0 have shape \(2,\)"),
        ([{"frame": 0, "keypoints": [{"x": 1}]}], "a joint is dict of 1; it must have x and y"),
        ([{"frame": 0, "keypoints": {"nose": [1]}}], r"a joint is \[1\]; it must be x, y or x, y, score"),
        (
            [{"frame": 0, "keypoints": [{"name": "nose", "x": 9, "y": 9}] * 8}],
            "keypoints in frame 0 have 8 joints and 1 names; each must have its own",
        ),
        ([{"frame": 0, "keypoints": "near"}, {"frame": 1, "keypoints": []}], "it must be a list of numbers"),
    ],
)
def test_what_is_not_told_is_refused(tmp_path, content, reason):
    with pytest.raises(FormatError, match=reason):
        read(tmp_path / "own.json", content)


def test_rate_and_picture_of_the_file(tmp_path):
    content = {
        "fps": 12.5,
        "dimensions": {"width": 640, "height": 480},
        "keypoints": [rows(f, 3) for f in range(FRAMES)],
    }
    (recording,) = read(tmp_path / "own.json", content)
    assert (
        recording.fps == 12.5 and recording.frame_size == (640, 480) and recording.keypoints.shape[:2] == (1, FRAMES)
    )
    frames_of = [
        {"people": [{"keypoints": rows(f, 3)}], "canvas_width": 512, "canvas_height": 768} for f in range(FRAMES)
    ]
    assert read(tmp_path / "comfy.json", frames_of)[0].frame_size == (512, 768)
    timed = [{"people": [{"keypoints": rows(f, 3)}], "time_ms": 8 * f} for f in range(FRAMES)]
    assert read(tmp_path / "timed.json", timed)[0].fps == 125
    assert "fps is 'fast'" in error(tmp_path / "own.json", content | {"fps": "fast"})
    assert "fps is '30/0'" in error(tmp_path / "own.json", content | {"fps": "30/0"})
    for stated, rate in (("30000/1001", 30000 / 1001), ("29.97", 29.97), ("", 0)):
        assert read(tmp_path / "own.json", content | {"fps": stated})[0].fps == pytest.approx(rate)
    options = ReadOptions(min_track=1, fps=30.0, override=("fps",))
    assert next(registry.formats()["any-json"].read(tmp_path / "comfy.json", options)).fps == 30


def test_a_guessed_depth_is_left_out(tmp_path):
    deep = [{"frame": f, "joints": [{**joint, "z": 2.5} for joint in listed(f, 3)]} for f in range(FRAMES)]
    (tmp_path / "own.json").write_text(json.dumps(deep))
    known = registry.formats()["any-json"]
    (flat,) = known.read(tmp_path / "own.json", ReadOptions(min_track=1, coordinates="xy"))
    np.testing.assert_allclose(flat.keypoints[0, 2], body(2, 3)[:, :2])
    for frame in deep:
        for joint in frame["joints"]:
            joint |= {"x": joint["x"] / 640, "y": joint["y"] / 480}
    (tmp_path / "own.json").write_text(json.dumps(deep))
    (fractions,) = known.read(tmp_path / "own.json", ReadOptions(min_track=1, frame_size=(640, 480)))
    np.testing.assert_allclose(fractions.keypoints, flat.keypoints, rtol=1e-6)


BACKWARDS = list(COCO_KEYPOINTS[::-1])
TITLES = {
    "list": {"joint_names": BACKWARDS},
    "by number": {"info": {"points": {str(k): name for k, name in enumerate(BACKWARDS)}}},
    "header": {"meta": {"joints": BACKWARDS, "objects": ["person"]}},
    "skeleton": {"skeleton": BACKWARDS},
}


@pytest.mark.parametrize("titles", TITLES.values(), ids=TITLES)
def test_names_of_joints_that_stand_once_in_a_file_decide(tmp_path, titles):
    turned = [[{"id": p, "keypoints": rows(f, p)[::-1]} for p in PEOPLE] for f in range(FRAMES)]
    path = tmp_path / "a.json"
    (recording,) = read(path, titles | {"frames": [{"frame": f, "people": seen} for f, seen in enumerate(turned)]})
    expect(recording)
    arrays = np.array([[rows(f, p)[::-1] for f in range(FRAMES)] for p in PEOPLE])
    (recording,) = read(path, titles | {"keypoints": arrays.tolist()})
    expect(recording, (0, 1))
    with pytest.raises(FormatError, match="people have 16 joints, but 17 joints are named"):
        read(path, titles | {"frames": [{"frame": 0, "people": [{"keypoints": rows(0, 3)[1:]}]}]})


def test_names_of_joints_beside_each_person_decide(tmp_path):
    def seen(f, p):
        order = np.roll(np.arange(17), f)  # another in each frame
        return {"frame": f, "id": p, "parts": [COCO_KEYPOINTS[k] for k in order], "kps": body(f, p)[order].tolist()}

    people = [seen(f, p) for f in range(FRAMES) for p in PEOPLE]
    expect(read(tmp_path / "own.json", people)[0])
    people[0]["parts"].pop()
    with pytest.raises(FormatError, match="have 17 joints and 16 names"):
        read(tmp_path / "own.json", people)


def test_names_of_joints_in_each_file_of_a_folder_decide(tmp_path):
    for f in range(FRAMES):
        people = [{"id": p, "keypoints": rows(f, p)[::-1]} for p in PEOPLE]
        (tmp_path / f"{f:03}.json").write_text(json.dumps({"names": BACKWARDS, "people": people}))
    read_folder = registry.formats()["any-json-folder"].read
    expect(next(read_folder(tmp_path, OPTIONS)))
    (tmp_path / "003.json").write_text(json.dumps({"names": COCO_KEYPOINTS, "people": people}))
    with pytest.raises(FormatError, match="names other joints than the file before it"):
        list(read_folder(tmp_path, OPTIONS))


LABELS = {
    "of the file": ({"label": "wave"}, "wave"),
    "in a header": ({"meta": {"action": 3}}, "3"),
    "of all frames": ({}, "wave"),
    "of a detector": ({}, ""),
    "several": ({}, ""),
}


@pytest.mark.parametrize("kind", LABELS)
def test_the_label_of_a_file(tmp_path, kind, caplog):
    stated, expected = LABELS[kind]
    own = {"of all frames": {"action": "wave"}, "of a detector": {"label": "person"}}.get(kind, {})
    seen = [{"frame": f, "id": p, "keypoints": rows(f, p), **own} for f in range(FRAMES) for p in PEOPLE]
    if kind == "several":
        seen[0]["action"], seen[-1]["action"] = "walk", "fall"
    (recording,) = read(tmp_path / "own.json", {**stated, "people": seen})
    assert recording.label == expected
    assert ("such as '' and 'walk'" in caplog.text) == (kind == "several")
    arrays = [[rows(f, p) for f in range(FRAMES)] for p in PEOPLE]
    (recording,) = read(tmp_path / "own.json", {"layout": "coco17", "keypoints": arrays, **stated})
    assert recording.label == (expected if stated else "")


def test_bare_arrays_are_read_as_those_of_numpy(tmp_path):
    motion = [rows(f, 3) for f in range(FRAMES)]
    assert "name the layout" in error(tmp_path / "bare.json", motion)
    options = ReadOptions(min_track=1, layout="coco17")
    for content in (motion, [motion], {"keypoints": [motion]}):
        (tmp_path / "bare.json").write_text(json.dumps(content))
        (recording,) = registry.format_of(tmp_path / "bare.json").read(tmp_path / "bare.json", options)
        np.testing.assert_allclose(recording.keypoints[0, 2], body(2, 3)[:, :2])


def test_pickles_of_the_same(tmp_path):
    content = [{"frame": np.int64(f), "kps": body(f, 3).astype(np.float32)} for f in range(FRAMES)]
    (tmp_path / "own.pkl").write_bytes(pickle.dumps(content))
    assert registry.format_of(tmp_path / "own.pkl").name == "any-pickle"
    (recording,) = registry.format_of(tmp_path / "own.pkl").read(tmp_path / "own.pkl", OPTIONS)
    np.testing.assert_allclose(recording.keypoints[0, 2], body(2, 3)[:, :2], rtol=1e-6)
    content[1]["kps"] = np.array(["a"] * 51)
    (tmp_path / "own.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(FormatError, match="keypoints in frame 1 is ndarray of 51; it must be a list of numbers"):
        list(registry.formats()["any-pickle"].read(tmp_path / "own.pkl", OPTIONS))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([{"keypoints": rows(f, 3)} for f in range(FRAMES)], "or write a list of frames, each a list of people"),
        ([{"frame": 0, "joints": (np.array(rows(0, 3)) * [1, 1, -1]).tolist()}], "which are no scores"),
        ('{"frame": 1, "keypoints": []}\n{"frame": 2, "keypoints": [}\n', "is no valid JSON .line 2: "),
        (
            [{"frame": 0, "joints": {n: {"x": 1, "y": 150, "z": 2} for n in COCO_KEYPOINTS}}],
            "x and y reach 150; give coord",
        ),
        ({"people": [{"keypoints": [rows(0, 3)], "scores": [[1.0]] * 2}]}, "they must be .frames, joints, 2 or 3"),
        ({"frames": [{"time": -f, "joints": rows(f, 3)} for f in range(FRAMES)]}, "whose times go back"),
    ],
)
def test_what_is_told_of_files_that_cannot_be_read(tmp_path, content, reason):
    assert re.search(reason, error(tmp_path / "own.json", content))


def error(path, content):
    with pytest.raises(FormatError) as caught:
        read(path, content)
    return str(caught.value)


def test_a_joint_that_is_null_is_missing(tmp_path):
    keypoints = np.random.default_rng(0).uniform(50, 300, (12, 17, 2)).round(2)
    rows = [
        {"frame": f, "keypoints": [None if k == f else row for k, row in enumerate(body)]}
        for f, body in enumerate(keypoints.tolist())
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (recording,) = as_recordings(tmp_path / "a.json")
    seen = ~np.eye(12, 17, dtype=bool)
    np.testing.assert_array_equal(recording.scores[0] > 0, seen)
    np.testing.assert_allclose(recording.keypoints[0][seen], keypoints[seen], atol=1e-3)


@pytest.mark.parametrize("name", ["t", "ts", "timestamp"])
def test_times_under_short_names_tell_frames_and_rate(tmp_path, name):
    keypoints = np.random.default_rng(0).uniform(50, 300, (12, 17, 2)).round(2)
    rows = [{name: 1000 + 40 * frame, "keypoints": body} for frame, body in enumerate(keypoints.tolist())]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (recording,) = as_recordings(tmp_path / "a.jsonl")
    assert recording.fps == 25 and recording.keypoints.shape == (1, 12, 17, 2)


@pytest.mark.parametrize(
    "time", ["00:01:{:06.3f}", "1:{:06.3f}", "2024-05-01T10:00:{:06.3f}Z", "2024-05-01 10:00:{:06.3f}", "{:.3f}"]
)
def test_times_may_be_written_as_clocks_and_dates(tmp_path, time):
    keypoints = np.random.default_rng(0).uniform(50, 300, (12, 17, 2)).round(2)
    rows = [{"time": time.format(frame / 12.5), "keypoints": body} for frame, body in enumerate(keypoints.tolist())]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (recording,) = as_recordings(tmp_path / "a.json")
    assert recording.fps == pytest.approx(12.5) and recording.keypoints.shape == (1, 12, 17, 2)
    titles = ["time", *(f"{joint}_{axis}" for joint in COCO_KEYPOINTS for axis in "xy")]
    lines = [",".join([row["time"], *(f"{value}" for joint in row["keypoints"] for value in joint)]) for row in rows]
    (tmp_path / "a.csv").write_text("\n".join([",".join(titles), *lines]))
    (recording,) = as_recordings(tmp_path / "a.csv")
    assert recording.fps == pytest.approx(12.5) and recording.keypoints.shape == (1, 12, 17, 2)


@pytest.mark.parametrize("text", ["soon", "10:75", "2024-13-01T00:00:00", "", "nan:1"])
def test_other_texts_are_no_times(text):
    assert as_time(text) is None


def test_scores_may_say_seen_or_not(tmp_path):
    keypoints = np.random.default_rng(0).uniform(50, 300, (12, 17, 2)).round(2)
    rows = [
        {"frame": frame, "keypoints": body, "visible": [k != frame for k in range(17)]}
        for frame, body in enumerate(keypoints.tolist())
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (recording,) = as_recordings(tmp_path / "a.json")
    np.testing.assert_array_equal(recording.scores[0] > 0, ~np.eye(12, 17, dtype=bool))
