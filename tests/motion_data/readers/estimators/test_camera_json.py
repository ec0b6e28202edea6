"""JSON of easy_ViTPose, of ZED cameras and of ML Kit: which axis comes first, what is a score, when a frame was."""

import json

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given

from motion_data.layouts import COCO_KEYPOINTS, get_layout
from motion_data.notes import collect_notes
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.estimators.easy_vitpose import read_easy_vitpose
from motion_data.readers.estimators.zed import ZED_PARTS, read_zed

OPTIONS = ReadOptions(min_track=1)
FRAMES = 6


def body(frame, person=0, joints=17):
    """x, y, score `[K, 3]` that tell frame, person and joint."""
    k = np.arange(joints)
    return np.stack([100.0 + 200 * person + k + frame, 50 + 3 * k, (k + 1) / (joints + 1)], 1)


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def read(path, options=OPTIONS):
    return list(registry.format_of(path).read(path, options))


# easy_ViTPose


def easy(people=(0, 1), names=COCO_KEYPOINTS):
    frames = [{str(p): body(f, p)[:, [1, 0, 2]].tolist() for p in people} for f in range(FRAMES)]
    return {"keypoints": [{}, *frames], "skeleton": {str(k): name for k, name in enumerate(names)}}


def test_easy_vitpose_has_y_first(tmp_path):
    path = save(tmp_path / "clip_result.json", easy())
    assert registry.format_of(path).name == "easy-vitpose"
    with collect_notes() as notes:
        (recording,) = read(path)
    assert (recording.layout, recording.track_ids, recording.first_frame) == ("coco17", [0, 1], 1)
    expected = np.array([[body(f, p) for f in range(FRAMES)] for p in (0, 1)])
    np.testing.assert_allclose(recording.keypoints, expected[..., :2], rtol=1e-6)
    np.testing.assert_allclose(recording.scores, expected[..., 2], rtol=1e-6)
    assert any("y, x, score" in note for note in notes)
    (swapped,) = read(path, ReadOptions(min_track=1, coordinates="xyc"))
    np.testing.assert_allclose(swapped.keypoints, expected[..., [1, 0]], rtol=1e-6)


def test_people_by_id_of_other_scripts_have_x_first(tmp_path):
    content = easy()
    frames = [{str(p): body(f, p).tolist() for p in (0, 1)} for f in range(FRAMES)]
    del content["skeleton"]
    (recording,) = read(save(tmp_path / "own.json", content | {"keypoints": frames}))
    np.testing.assert_allclose(recording.keypoints[1, 3], body(3, 1)[:, :2], rtol=1e-6)
    assert recording.track_ids == [0, 1]


def test_animals_of_easy_vitpose_are_refused(tmp_path):
    names = ["left_eye", "right_eye", "nose", "neck", "root_of_tail", *COCO_KEYPOINTS[5:]]
    with pytest.raises(FormatError, match="they are of an animal"):
        read(save(tmp_path / "clip.json", easy(names=names)))


# ZED


def zed(joints=38, step=33_333_333, lost=(2,)):
    frames = {}
    for f in range(FRAMES + len(lost)):
        stamp = 1_700_000_000_000_000_000 + f * step
        places = body(f, joints=joints)
        bodies = [
            {
                "id": 4,
                "keypoint_2d": places[:, :2].tolist(),
                "keypoint": [[0.0, 0.0, 1.0]] * joints,
                "keypoint_confidence": (100 * places[:, 2]).tolist(),
            }
        ]
        if f not in lost:
            frames[str(stamp // 10**6)] = {"is_tracked": True, "timestamp": stamp, "body_list": bodies}
    return frames


@pytest.mark.parametrize("joints", [18, 34, 38])
def test_bodies_of_a_zed_camera(tmp_path, joints):
    content = zed(joints)
    first = next(iter(content.values()))["body_list"][0]
    first["keypoint_2d"][0] = [-1.0, -1.0]
    path = save(tmp_path / "bodies.json", content)
    assert registry.format_of(path).name == "zed"
    (recording,) = read(path)
    assert recording.track_ids == [4] and recording.fps == pytest.approx(30, abs=1e-3)
    assert recording.keypoints.shape[1] == FRAMES + 1 and not recording.scores[0, 2].any()  # nobody in one
    names = ZED_PARTS.get(joints, get_layout("openpose18").joints)
    for name in ("nose", "left_shoulder", "right_wrist", "left_hip", "right_ankle"):
        expected, k = body(5, joints=joints)[list(names).index(name)], get_layout(recording.layout).joint_index(name)
        np.testing.assert_allclose(recording.keypoints[0, 5, k], expected[:2], rtol=1e-6)
        assert recording.scores[0, 5, k] == pytest.approx(expected[2], abs=1e-6)
    start = get_layout(recording.layout).joint_index(names[0]) if names[0] in COCO_KEYPOINTS else None
    assert start is None or recording.scores[0, 0, start] == 0


def test_frames_of_a_zed_camera_in_a_list(tmp_path):
    content = list(zed(lost=()).values())
    for frame in content:
        frame["timestamp"] = [frame["timestamp"]]
    (recording,) = read(save(tmp_path / "bodies.json", content))
    assert recording.keypoints.shape[1] == FRAMES and recording.fps == pytest.approx(30, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda frame: frame["body_list"][0].pop("keypoint_2d"), "lacks 'keypoint_2d'"),
        (lambda frame: frame["body_list"][0].update(keypoint_2d=[[1, 2, 3]] * 38), r"must be \[joints, 2\]"),
        (lambda frame: frame["body_list"][0].update(keypoint_confidence=[1.0]), r"have shape \(1,\); 38 needed"),
        (lambda frame: frame.update(timestamp="soon"), "a frame of time 'soon'"),
        (lambda frame: frame.pop("body_list"), "lacks 'body_list'"),
    ],
)
def test_what_a_zed_camera_does_not_write_is_refused(tmp_path, change, reason):
    content = zed()
    change(next(iter(content.values())))
    with pytest.raises(FormatError, match=reason):
        list(read_zed(save(tmp_path / "bodies.json", content), OPTIONS))
    with pytest.raises(FormatError, match="people have 20 joints; this format has 18"):
        read(save(tmp_path / "bodies.json", zed(20)))


# ML Kit


@pytest.mark.parametrize("kind", ["numbers", "names"])
def test_landmarks_of_ml_kit(tmp_path, kind):
    joints, content = get_layout("mediapipe33").joints, []
    for f in range(FRAMES):
        points = [{"x": x, "y": y, "z": -40.0} for x, y, _ in body(f, joints=33).tolist()]
        likely = [{"inFrameLikelihood": score} for score in body(f, joints=33)[:, 2].tolist()]
        if kind == "numbers":
            landmarks = [
                {"type": k, **point, **mark} for k, (point, mark) in enumerate(zip(points, likely, strict=True))
            ]
        else:
            landmarks = [
                {"landmarkType": name.upper(), "position": point, **mark}
                for name, point, mark in zip(joints, points, likely, strict=True)
            ]
        content.append({"timestamp": 40 * f, "frame": f, "landmarks": landmarks[:: -1 if kind == "numbers" else 1]})
    (recording,) = read(save(tmp_path / "poses.json", content))
    assert recording.layout == "mediapipe33" and recording.fps == 25
    np.testing.assert_allclose(recording.keypoints[0, 4], body(4, joints=33)[:, :2], rtol=1e-6)
    np.testing.assert_allclose(recording.scores[0, 4], body(4, joints=33)[:, 2], rtol=1e-6)


@fuzz
@given(content=damaged(json.dumps(zed(18)).encode(), is_text=True))
def test_damaged_bodies_of_zed(tmp_path, content):
    read_damaged(read_zed, tmp_path / "a.json", content, OPTIONS)


@fuzz
@given(content=damaged(json.dumps(easy((0,))).encode(), is_text=True))
def test_damaged_people_of_easy_vitpose(tmp_path, content):
    read_damaged(read_easy_vitpose, tmp_path / "a.json", content, OPTIONS)
