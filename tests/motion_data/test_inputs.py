"""The door: whatever a user has is read rightly, or refused with the option that decides."""

import json
import os
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value

from motion_data.detected_frames import is_frames, whole_ids
from motion_data.inputs import as_recordings, input_options, is_batch, one_or_list
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.notes import collect_notes
from motion_data.recording import Recording
from motion_data.schema import encode_row

NUM_FRAMES = 12


def walk(people=1, num_joints=17, start=200.0):
    """`[M, F, K, 2]`: person m's nose is at (start + 300 m + 4 f, 150)."""
    body = np.stack([np.linspace(0, 40, num_joints), np.linspace(0, 180, num_joints)], -1)
    step = np.stack([4.0 * np.arange(NUM_FRAMES), np.zeros(NUM_FRAMES)], -1)
    place = np.stack([start + 300.0 * np.arange(people), np.full(people, 150.0)], -1)
    return place[:, None, None] + step[:, None] + body


def result(bodies, ids=None, scores=0.9):
    """One frame as ultralytics gives it."""
    data = torch.tensor(np.concatenate([bodies, np.full((*bodies.shape[:2], 1), scores)], -1), dtype=torch.float32)
    boxes = SimpleNamespace(id=None if ids is None else torch.tensor(ids, dtype=torch.float32))
    return SimpleNamespace(keypoints=SimpleNamespace(data=data), boxes=boxes, orig_shape=(480, 640))


def one(inputs, **options):
    (recording,) = as_recordings(inputs, input_options(**options))
    return recording


def test_the_same_motion_in_every_shape():
    motion = walk()
    scored = np.concatenate([motion, np.full((1, NUM_FRAMES, 17, 1), 0.5)], -1)
    row = encode_row(motion, np.ones(motion.shape[:3]), "coco17")
    for inputs in (
        motion,
        motion[0],
        torch.from_numpy(motion),
        motion.tolist(),
        motion[0].tolist(),
        list(motion[0]),
        scored,
        {"keypoints": motion},
        {"keypoints": scored[0], "fps": None},
        {"keypoints": list(scored[0])},
        row,
        Dataset.from_list([row]),
        Recording(motion, np.ones(motion.shape[:3]), "coco17"),
        [result(motion[:, frame]) for frame in range(NUM_FRAMES)],
        [[{"keypoints": motion[0, frame], "scores": np.ones(17)}] for frame in range(NUM_FRAMES)],
    ):
        recording = one(inputs)
        np.testing.assert_allclose(recording.keypoints, motion, rtol=1e-6)
        assert recording.layout == "coco17" and (recording.scores > 0).all()


def test_three_values_are_told_apart_or_asked_for():
    pixels = np.concatenate([walk(), np.full((1, NUM_FRAMES, 17, 1), 0.5)], -1)
    assert (one(pixels).scores == 0.5).all()
    assert one(pixels / 100, coordinates="xyc").keypoints.shape[-1] == 2
    with pytest.raises(ValueError, match="give coordinates='xyc'"):
        one(pixels / 100)
    body = np.zeros((1, NUM_FRAMES, 17, 3))  # metres, z up, 2 m from the origin
    body[..., 2], body[..., 0] = np.linspace(1.7, 0, 17), 2 + np.linspace(-0.3, 0.3, 17)
    recording = one(body, coordinates="xyz", units="m", up_axis="z")
    np.testing.assert_allclose(recording.keypoints[..., 1], body[..., 2])
    assert (recording.space, recording.unit) == ("world", "metres")


def test_missing_joints_are_one_thing():
    motion = walk()
    scored = np.concatenate([motion, np.full((1, NUM_FRAMES, 17, 1), 0.5)], -1)
    scored[0, 0, 0, :2] = 0
    scored[0, 1, 1, 0] = np.nan
    scored[0, 2, 2, 2] = 0
    scored[0, 3, 3, 2] = -0.3
    scored[0, 4, 4, :2] = -1
    scored[0, 5, 5, :2] = -3.5, -0.1
    missing = one(scored).scores[0] == 0
    assert np.argwhere(missing).tolist() == [[0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]


def test_what_is_masked_is_missing():
    mask = np.zeros((1, NUM_FRAMES, 17, 2), bool)
    mask[0, 3:6, 5] = True
    masked = np.ma.masked_array(walk(), mask)
    recording = one(masked)
    assert not recording.scores[0, 3:6, 5].any() and recording.scores.sum() == NUM_FRAMES * 17 - 3
    seen = np.ma.masked_array(np.ones((1, NUM_FRAMES, 17)), mask[..., 0])
    recording = one({"keypoints": walk(), "scores": seen})
    assert not recording.scores[0, 3:6, 5].any() and recording.scores.sum() == NUM_FRAMES * 17 - 3


class Polars:
    """What is asked of a DataFrame of polars."""

    def __init__(self, frame):
        self.columns, self.write_csv = list(frame.columns), lambda: frame.to_csv(index=False)


def data_frames():
    """Return DataFrames of the same motion, the second joint not seen in the third frame."""
    values = walk()[0].copy()
    values[2, 1] = np.nan
    columns = {
        f"{name}_{axis}": values[:, k, i] for k, name in enumerate(COCO_KEYPOINTS) for i, axis in enumerate("xy")
    }
    plain = pd.DataFrame(columns)
    numbered = plain.copy()
    numbered.index = pd.Index(range(NUM_FRAMES), name="frame")
    parts = pd.MultiIndex.from_product(
        [["DLC"], COCO_KEYPOINTS, ["x", "y", "likelihood"]], names=["scorer", "bodyparts", "coords"]
    )
    likely = np.concatenate([values, np.ones((NUM_FRAMES, 17, 1))], -1).reshape(NUM_FRAMES, -1)
    return {
        "plain": plain,
        "numbered": numbered,
        "deeplabcut": pd.DataFrame(likely, columns=parts),
        "polars": Polars(plain),
    }


@pytest.mark.parametrize("kind", ["plain", "numbered", "deeplabcut", "polars"])
def test_a_data_frame_is_read_as_the_table_that_it_would_be(kind):
    frame = data_frames()[kind]
    for inputs, options in ((frame, {"fps": 25}), ({"keypoints": frame, "fps": 25, "label": "walk"}, {})):
        assert not is_batch(inputs)
        recording = one(inputs, **options)
        assert recording.layout == "coco17" and recording.fps == 25 and recording.scores[0, 2, 1] == 0
        seen = recording.scores > 0
        assert seen.sum() == NUM_FRAMES * 17 - 1
        np.testing.assert_allclose(recording.keypoints[seen], walk()[seen], rtol=1e-6)
    assert recording.label == "walk"
    assert is_batch([frame, frame])


def test_several_data_frames_with_a_row_for_each_joint_are_several_inputs():
    rows = [(frame, name, *walk()[0, frame, k]) for frame in range(3) for k, name in enumerate(COCO_KEYPOINTS)]
    table = pd.DataFrame(rows, columns=["frame", "landmark", "x", "y"])
    assert is_batch([table, table]) and not is_batch(table)
    np.testing.assert_allclose(one(table).keypoints, walk()[:, :3])


def test_both_coordinates_are_negative_only_beyond_a_picture():
    motion = walk()
    motion[0, 3, 4] = -7, -2
    assert np.argwhere(one(motion).scores[0] == 0).tolist() == [[3, 4]]
    centred = motion - motion.mean((0, 1, 2))
    assert (centred < 0).all(-1).any() and one(centred).scores.all()
    assert (one(centred, origin="corner").scores == 0).sum() == (centred < 0).all(-1).sum()
    leaving = motion.copy()
    leaving[0, 6, 9] = -4, 200  # out of the picture to the left, so that the array alone does not tell
    assert one(leaving).scores.all() and one(motion, origin="elsewhere").scores.all()
    assert np.argwhere(one(leaving, frame_size=(640, 480)).scores[0] == 0).tolist() == [[3, 4]]
    with pytest.raises(ValueError, match="origin must be one of corner, lower-left, elsewhere, got 'middle'"):
        one(motion, origin="middle")


def test_scores_are_percentages_or_have_a_stated_maximum():
    motion = walk()
    assert np.allclose(one({"keypoints": motion, "scores": np.full(motion.shape[:3], 80.0)}).scores, 0.8)
    with pytest.raises(ValueError, match="scores reach 7; .*max_score"):
        one({"keypoints": motion, "scores": np.full(motion.shape[:3], 7.0)})
    assert np.allclose(
        one({"keypoints": motion, "scores": np.full(motion.shape[:3], 7.0)}, max_score=10.0).scores, 0.7
    )


def test_fractions_need_the_size_of_the_picture():
    motion = walk()
    np.testing.assert_allclose(one(motion / (640, 480), frame_size=(640, 480)).keypoints, motion)
    with collect_notes() as notes:
        one(motion / (640, 480))
    assert "give frame_size" in notes[0]
    np.testing.assert_allclose(one(motion, frame_size=(640, 480)).keypoints, motion)  # pixels stay


def test_the_layout_is_stated_or_said_or_the_only_one():
    assert one(walk(num_joints=33)).layout == "mediapipe33"
    assert one({"keypoints": walk(), "layout": "h36m17"}, layout="coco17").layout == "h36m17"
    assert one({"keypoints": walk(), "layout": "h36m17"}, layout="coco17", override=("layout",)).layout == "coco17"
    with pytest.raises(ValueError, match="25 joints without names, and it may be openpose25 or ntu25"):
        one(walk(num_joints=25))


def test_tracked_people_keep_their_ids_and_others_are_linked():
    motion = walk(people=2)
    orders = [[0, 1] if frame % 3 else [1, 0] for frame in range(NUM_FRAMES)]
    tracked = [result(motion[order, frame], [order[0] + 7, order[1] + 7]) for frame, order in enumerate(orders)]
    recording = one(tracked)
    assert recording.track_ids == [7, 8] and recording.frame_size == (640, 480)
    np.testing.assert_allclose(recording.keypoints, motion, rtol=1e-6)
    linked = one([motion[order, frame] for frame, order in enumerate(orders)])
    np.testing.assert_allclose(np.sort(linked.keypoints[:, 0, 0, 0]), np.sort(motion[:, 0, 0, 0]), rtol=1e-6)
    assert np.abs(np.diff(linked.keypoints, axis=1)).max() < 5  # nobody jumps to another's place
    gone = [frame if number != 5 else None for number, frame in enumerate(tracked)]
    assert not one(gone).scores[:, 5].any() and one(gone).scores[:, 6].all()


def landmarks(points, scores):
    return [
        SimpleNamespace(x=x / 640, y=y / 480, z=0.1, visibility=score)
        for (x, y), score in zip(points, scores, strict=True)
    ]


# what libraries give for one picture, by points [M, K, 2] and scores [M, K]
RESULTS = {
    "transformers": lambda points, scores: [
        {"keypoints": torch.tensor(p), "scores": torch.tensor(s), "bbox": torch.zeros(4)}
        for p, s in zip(points, scores, strict=True)
    ],
    "rtmlib": lambda points, scores: (points, scores),
    "mmpose": lambda points, scores: SimpleNamespace(
        ori_shape=(480, 640), pred_instances=SimpleNamespace(keypoints=points, keypoint_scores=scores)
    ),
    "mmpose-inferencer": lambda points, scores: {
        "predictions": [
            [
                {"keypoints": p.tolist(), "keypoint_scores": s.tolist(), "bbox": ([0, 0, 1, 1],)}
                for p, s in zip(points, scores, strict=True)
            ]
        ]
    },
    "detectron2": lambda points, scores: {
        "instances": SimpleNamespace(
            pred_keypoints=torch.tensor(np.concatenate([points, scores[..., None]], -1)), image_size=(480, 640)
        )
    },
    "supervision": lambda points, scores: SimpleNamespace(
        xy=points, confidence=scores, class_id=np.zeros(len(points)), data={}
    ),
    "tensorflow.js": lambda points, scores: [
        {"id": number + 3, "keypoints": [{"x": x, "y": y, "score": c} for (x, y), c in zip(p, s, strict=True)]}
        for number, (p, s) in enumerate(zip(points, scores, strict=True))
    ],
    "mediapipe": lambda points, scores: SimpleNamespace(
        pose_landmarks=[landmarks(p, s) for p, s in zip(points, scores, strict=True)], pose_world_landmarks=[]
    ),
    "mediapipe-landmarks": lambda points, scores: [landmarks(p, s) for p, s in zip(points, scores, strict=True)],
    "transformers-batch": lambda points, scores: [RESULTS["transformers"](points, scores)],
    "ultralytics-keypoints": lambda points, scores: SimpleNamespace(
        xy=points,
        conf=scores,
        data=torch.tensor(np.concatenate([points, scores[..., None]], -1)),
        orig_shape=(480, 640),
    ),
    "openpose": lambda points, scores: SimpleNamespace(
        poseKeypoints=np.concatenate([points, scores[..., None]], -1) if len(points) else None
    ),
    "mediapipe-solutions": lambda points, scores: SimpleNamespace(
        pose_landmarks=SimpleNamespace(landmark=landmarks(points[0], scores[0])) if len(points) else None
    ),
}


@pytest.mark.parametrize("library", RESULTS)
def test_results_of_pose_estimators(library):
    people = 1 if library == "mediapipe-solutions" else 2
    joints = 33 if library.startswith("mediapipe") else 17
    motion = walk(people=people, num_joints=joints)
    motion[-1] += 200 * (people - 1)
    scores = np.random.default_rng(0).uniform(0.3, 1, motion.shape[:3]).round(3)
    frames = [RESULTS[library](motion[:, frame], scores[:, frame]) for frame in range(NUM_FRAMES)]
    nobody = RESULTS[library](motion[:0, 0], scores[:0, 0])
    assert not is_batch(frames) and not is_batch(frames[0])
    for given in (frames, one_or_list(frames)):
        recording = one(given, frame_size=(640, 480))
        assert recording.keypoints.shape == (people, NUM_FRAMES, joints, 2)
        np.testing.assert_allclose(recording.keypoints, motion, rtol=1e-5)
        np.testing.assert_allclose(recording.scores, scores, rtol=1e-6)
    assert recording.track_ids == ([3, 4] if library == "tensorflow.js" else list(range(people)))
    frames[4] = nobody
    assert one(frames, frame_size=(640, 480)).scores.any((0, 2)).tolist() == [True] * 4 + [False] + [True] * (
        NUM_FRAMES - 5
    )
    if library.startswith("mediapipe"):
        with pytest.raises(ValueError, match="landmarks are fractions of the picture; give frame_size"):
            one(frames)


def test_a_person_for_each_frame_is_one_person_and_not_a_crowd_in_one_picture():
    motion = walk()
    scores = np.full((NUM_FRAMES, 17), 0.5)
    people = [{"keypoints": body, "scores": mark} for body, mark in zip(motion[0], scores, strict=True)]
    shown = [
        landmarks(body, mark)
        for body, mark in zip(walk(num_joints=33)[0], np.full((NUM_FRAMES, 33), 0.5), strict=True)
    ]
    boxed = [SimpleNamespace(landmark=points) for points in shown]
    for inputs in (people, tuple(people), [person | {"track_id": 4} for person in people], shown, boxed):
        for given in (inputs, one_or_list(inputs), {"keypoints": inputs}):
            assert not is_batch(given)
            with collect_notes() as notes:
                recording = one(given, frame_size=(640, 480))
            assert recording.keypoints.shape[:2] == (1, NUM_FRAMES)
            np.testing.assert_allclose(recording.keypoints[:, :, 0], motion[:, :, 0], rtol=1e-6)
            assert "a list of people without frames is taken for one person, frame by frame" in notes
    crowd = [person | {"track_id": number} for number, person in enumerate(people)]
    assert one(crowd).keypoints.shape[:2] == (NUM_FRAMES, 1)
    for pair in ((motion, scores[None]), (motion[0], scores), (torch.tensor(motion[0]), torch.tensor(scores))):
        assert not is_batch(pair)
        np.testing.assert_allclose(one(pair).keypoints, motion)
    world = [[type("Landmark", (SimpleNamespace,), {})(x=0.1, y=0.2, z=0)] * 33] * NUM_FRAMES
    with pytest.raises(ValueError, match="world landmarks, in metres; hand over pose_landmarks"):
        one(world, frame_size=(640, 480))


def test_keypoint_rcnn_hands_over_boxes_that_are_nobody_and_scores_without_bound():
    motion = walk(people=2)
    logits = np.full((2, 17), 7.5)
    logits[1, 9] = -0.5

    def found(frame, sure=(0.99, 0.3)):
        points = torch.tensor(np.concatenate([motion[:, frame], np.ones((2, 17, 1))], -1))
        others = {"boxes": torch.zeros(2, 4), "labels": torch.ones(2), "scores": torch.tensor(sure)}
        return {"keypoints": points, "keypoints_scores": torch.tensor(logits), **others}

    with collect_notes() as notes:
        recording = one([found(frame) for frame in range(NUM_FRAMES)])
    np.testing.assert_allclose(recording.keypoints, motion[:1], rtol=1e-6)
    assert (recording.scores == 1).all() and any("score above 0.5" in text for text in notes)
    both = one([found(frame, (0.99, 0.9)) for frame in range(NUM_FRAMES)])
    assert (both.scores == 0).nonzero()[0].tolist() == [1] * NUM_FRAMES
    assert set((both.scores == 0).nonzero()[2]) == {9}


def moved(motion):
    """As MoveNet says it: y, x, score, `[F, 17, 3]`, fractions of a picture of 640 x 480."""
    return np.concatenate([motion[0][..., ::-1] / (480, 640), np.full((NUM_FRAMES, 17, 1), 0.7)], -1)


def test_y_may_come_first(tmp_path):
    motion, said = walk(), {"frame_size": (640, 480), "coordinates": "yxc", "layout": "coco17"}
    frames = moved(motion)
    path, lines = tmp_path / "movenet.npy", tmp_path / "own.json"
    np.save(path, frames[:, None, None])
    people = [{"frame": f, "keypoints": frame.tolist()} for f, frame in enumerate(frames)]
    lines.write_text(json.dumps(people))
    for inputs in (
        frames,
        frames[:, None, None],
        torch.tensor(frames)[:, None, None],
        {"keypoints": frames[:, None, None], "fps": 30},
        [frame[None, None] for frame in frames],
        [torch.tensor(frame)[None] for frame in frames],
        list(frames),
        str(path),
        str(lines),
    ):
        assert not is_batch(inputs)
        np.testing.assert_allclose(one(inputs, **said).keypoints, motion, rtol=1e-6)
    assert is_batch(np.stack([frames[None], frames[None]]))
    pixels = {"coordinates": "yx"}
    np.testing.assert_allclose(one(motion[..., ::-1], **pixels).keypoints, motion)
    np.testing.assert_allclose(one([frame[None] for frame in motion[0, :, :, ::-1]], **pixels).keypoints, motion)
    named = [{"frame": f, "keypoints": [{"x": x, "y": y} for x, y in motion[0, f]]} for f in range(NUM_FRAMES)]
    np.testing.assert_allclose(one(named, **pixels).keypoints, motion)
    results = [[{"keypoints": motion[0, frame]}] for frame in range(NUM_FRAMES)]
    np.testing.assert_allclose(one(results, **pixels).keypoints, motion)
    with collect_notes() as notes:
        one(frames, **{**said, "coordinates": "xyc"})
    assert any("bodies are lying (in 100% of the frames; if y stands before x, see coordinates)" in n for n in notes)
    with pytest.raises(ValueError, match="give coordinates='xyc' .x, y, score., 'yxc' .of MoveNet."):
        one(frames)


def test_what_a_file_holds_may_be_given_too():
    motion = walk(people=2)
    people = [
        {"frame": np.int64(f), "track_id": p + 5, "keypoints": motion[p, f].tolist(), "scores": [0.5] * 17}
        for f in range(NUM_FRAMES)
        for p in (0, 1)
    ]
    frames = {"fps": 12.5, "frames": [{"people": people[2 * f : 2 * f + 2]} for f in range(NUM_FRAMES)]}
    unnumbered = [{name: value for name, value in person.items() if name != "frame"} for person in people]
    pictures = [unnumbered[2 * f : 2 * f + 2] for f in range(NUM_FRAMES)]
    for given, fps in (
        ([{"people": picture} for picture in pictures], 0),
        ({f: {"people": picture} for f, picture in enumerate(pictures)}, 0),
        (people, 0),
        (one_or_list(people), 0),
        (frames, 12.5),
        ({"keypoints": people, "fps": 12.5}, 12.5),
    ):
        assert not is_batch(given)
        recording = one(given)
        assert recording.track_ids == [5, 6] and recording.fps == fps
        np.testing.assert_allclose(recording.keypoints, motion, rtol=1e-6)
    assert is_batch([{"keypoints": motion, "fps": 30}])
    by_name = [dict(zip(COCO_KEYPOINTS, body.tolist(), strict=True)) for body in motion[0]]
    assert not is_batch(by_name)
    np.testing.assert_allclose(one(by_name).keypoints[0], motion[0])
    one_body = {"3": motion[0, 3], "10": motion[0, 10].tolist(), 4: motion[0, 4]}
    np.testing.assert_allclose(one(one_body, layout="coco17").keypoints[0, [0, 1, 7]], motion[0, [3, 4, 10]])


def test_one_input_and_several():
    motion = walk()
    several = (
        [motion, motion],
        [motion[0]] * 3,
        ["a.json", "b.json"],
        [{"keypoints": motion}],
        motion[None],
        iter([]),
    )
    assert all(is_batch(inputs) for inputs in several)
    single = ("a.json", motion, motion.tolist(), motion[0].tolist(), {"keypoints": motion}, list(motion[0]))
    assert not any(is_batch(inputs) for inputs in single)
    assert not is_batch(result(motion[:, 0])) and not is_batch([result(motion[:, 0])] * 2)
    assert is_frames([motion[:, frame] for frame in range(NUM_FRAMES)])  # 12 frames of one person
    assert not is_frames([motion[0]] * 5)  # 5 clips of 12 frames
    assert isinstance(one_or_list(motion[None]), list) and one_or_list("a.json") == "a.json"


def test_ids_are_whole_numbers():
    assert whole_ids(torch.tensor([7.0, 9.0])) == whole_ids(np.array([7, 9])) == whole_ids([7, np.int64(9)]) == [7, 9]
    for wrong in ([7.5], [None], ["Bob"], [float("nan")], [True]):
        with pytest.raises(ValueError, match="an id must be a whole number"):
            whole_ids(wrong)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "inputs has nothing; it must have keypoints"),
        ({"keypoints": walk(), "frames": 3}, "inputs has .'frames'.; allowed are keypoints, scores"),
        ({"keypoints": walk(), "track_ids": [1, 2]}, "track_ids must be 1 ids, one for each person"),
        ({"keypoints": walk(), "fps": float("nan")}, "fps must be a finite number, 0 or more, got nan"),
        ({"keypoints": walk(), "fps": "25"}, "fps must be a finite number, 0 or more, got '25'"),
        (walk() * 1j, "keypoints must be an array of numbers.*they are complex"),
        ([result(walk()[:, 0]), result(walk(num_joints=26)[:, 0])], "different shapes"),
        ([None, None, result(walk()[:0, 0])], "nobody in any"),
        (walk()[0, 0], r"shape \(17, 2\)"),
        (np.zeros((30, 34)), "34 may be joints x coordinates"),
        ("nowhere.json", "neither a file nor a folder"),
        ("[" + "1, " * 3000 + "1]", "a text of 9003 characters, which is no path: '.1, 1"),
        (None, "inputs is None; it must be the path of a file, or key-points"),
        (b"[1, 2]", "inputs is bytes; it must be the path of a file"),
        (StringIO("{}"), "inputs is an open file; it must be the path of a file"),
        ({"shape": [1, 2, 17, 2], "keypoints": [0.0] * 68}, "scores, layout must be there too"),
        (Dataset.from_dict({"x": [1]}), "inputs has x; it must have keypoints"),
        (pd.DataFrame({"a": [1], "b": [2]}), "has no columns of key-points such as nose_x"),
    ],
)
def test_what_is_no_motion_is_refused(inputs, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        as_recordings(inputs)


def test_unsure_joints_are_missing_whatever_the_input_is(tmp_path):
    scores = np.full((1, NUM_FRAMES, 17), 0.9)
    scores[0, :, 9] = 0.2
    recording = Recording(walk().astype(np.float32), scores.astype(np.float32), "coco17", fps=30.0)
    row = encode_row(recording.keypoints, recording.scores, "coco17")
    inputs = (recording, row, {"keypoints": walk(), "scores": scores})
    for given in inputs:
        found = one(given, min_score=0.5)
        assert not found.scores[..., 9].any() and (found.scores[..., :9] > 0).all()
        assert one(given).scores[..., 9].all()
    assert one(recording, min_score=0.1) is recording


@pytest.mark.parametrize("name", ["openpose.pose", "mediapipe.pose"])
def test_unsure_joints_of_recorded_files_are_missing(name):
    folder = os.environ.get("MOFM_DATA")
    if not folder:
        pytest.skip("MOFM_DATA is not set")
    pytest.importorskip("pose_format")
    path = os.path.join(folder, "formats", name)
    whole, sure = (as_recordings(path, input_options(min_score=least)) for least in (0.0, 0.6))
    for before, after in zip(whole, sure, strict=True):
        assert (before.scores < 0.6)[before.scores > 0].any()
        np.testing.assert_array_equal(after.scores, np.where(before.scores >= 0.6, before.scores, 0))


def test_labels_in_memory_are_texts():
    keypoints = np.random.default_rng(0).uniform(10, 200, (12, 17, 2))
    for label, text in ((3, "3"), (np.int64(3), "3"), (np.str_("walk"), "walk"), ("walk", "walk")):
        (recording,) = as_recordings({"keypoints": keypoints, "label": label})
        assert type(recording.label) is str and recording.label == text


def test_times_of_frames_in_memory_tell_the_rate():
    keypoints = np.random.default_rng(0).uniform(10, 200, (12, 17, 2))
    (recording,) = as_recordings([{"time": frame / 12.5, "keypoints": body} for frame, body in enumerate(keypoints)])
    assert recording.fps == 12.5
    np.testing.assert_allclose(recording.keypoints[0], keypoints, atol=1e-4)


def test_people_by_key_in_memory():
    keypoints = np.random.default_rng(0).uniform(10, 200, (12, 17, 2))
    (recording,) = as_recordings({"person_0": keypoints, "person_1": keypoints + 5})
    np.testing.assert_allclose(recording.keypoints, np.stack((keypoints, keypoints + 5)), atol=1e-4)


def test_labels_of_a_dataset_have_the_names_of_their_classes():
    features = Features({"keypoints": List(List(List(Value("float32")))), "label": ClassLabel(names=["run", "walk"])})
    rows = [{"keypoints": np.full((12, 17, 2), 50.0 + label).tolist(), "label": label} for label in (1, 0, -1)]
    rows.append(rows[0] | {"label": None})
    dataset = Dataset.from_list(rows, features=features)
    assert [one.label for one in as_recordings(dataset)] == ["walk", "run", "", ""]
    for kind in ("numpy", "torch"):
        assert [one.label for one in as_recordings(dataset.select(range(3)).with_format(kind))] == ["walk", "run", ""]


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, np.ndarray.tolist])
def test_clips_with_a_time_each_are_not_people(kind):
    keypoints = np.random.default_rng(0).uniform(10, 200, (12, 17, 2))
    clips = [{"keypoints": kind(keypoints), "time": 0.0}, {"keypoints": kind(keypoints), "time": 10.0}]
    assert is_batch(clips)
    with pytest.raises(ValueError, match="inputs has .'time'.; allowed are keypoints"):
        as_recordings(clips[0])
