"""What services answer: Roboflow's inference, and person detection of Google's Video Intelligence."""

import json

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given

from motion_data.inputs import as_recordings, input_options, is_batch
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.estimators.roboflow import read_roboflow
from motion_data.readers.estimators.video_intelligence import read_video_intelligence

FRAMES, SIZE = 20, (640, 480)
RNG = np.random.default_rng(0)
XY = np.stack((np.linspace(100, 160, 17), np.linspace(50, 300, 17)), -1) + RNG.normal(0, 2, (FRAMES, 17, 2))
SCORES = RNG.uniform(0.3, 1, (FRAMES, 17))
SEEN = RNG.random((FRAMES, 17)) < 0.8


def answer(frame, order=range(17), **others):
    """Return Roboflow's answer for a frame, its joints in any order and without those that were not seen."""
    joints = [
        {"x": XY[frame, k, 0], "y": XY[frame, k, 1], "confidence": SCORES[frame, k], "class_id": k, "class": name}
        for k in order
        if SEEN[frame, k]
        for name in [COCO_KEYPOINTS[k]]
    ]
    box = {"x": 130, "y": 170, "width": 80, "height": 260, "confidence": 0.9, "class": "person", "class_id": 0}
    image = {"width": SIZE[0], "height": SIZE[1]}
    return {"time": 0.05 / (frame + 1), "image": image, "predictions": [box | {"keypoints": joints} | others]}


def video_intelligence(tracks=1, snake=False, as_text=True):
    """Return the answer of Google's service for a video of `FRAMES` at 10 a second."""
    objects = [
        {
            ("time_offset" if snake else "timeOffset"): f"{frame / 10}s" if as_text else {"nanos": frame * 10**8},
            "landmarks": [
                {"name": name, "point": {"x": x, "y": y}, "confidence": score}
                for name, (x, y), score in zip(
                    COCO_KEYPOINTS, (XY[frame] / SIZE).tolist(), SCORES[frame].tolist(), strict=True
                )
            ],
        }
        for frame in range(FRAMES)
    ]
    name = "timestamped_objects" if snake else "timestampedObjects"
    people = {"tracks": [{name: objects[: FRAMES - 5 * track]} for track in range(tracks)]}
    detections = "person_detection_annotations" if snake else "personDetectionAnnotations"
    return {("annotation_results" if snake else "annotationResults"): [{detections: [people]}]}


def write(folder, content):
    path = folder / "video.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def check(recording, seen=SEEN):
    assert recording.layout == "coco17"
    np.testing.assert_array_equal(recording.scores[0] > 0, seen)
    np.testing.assert_allclose(recording.keypoints[0][seen], XY[seen], atol=1e-3)
    np.testing.assert_allclose(recording.scores[0][seen], SCORES[seen], atol=1e-6)


@pytest.mark.parametrize("keyed", [False, True])
def test_roboflow_names_its_joints(tmp_path, keyed):
    answers = [answer(frame, np.random.default_rng(frame).permutation(17).tolist()) for frame in range(FRAMES)]
    path = write(tmp_path, dict(enumerate(answers)) if keyed else answers)
    assert registry.format_of(path).name == "roboflow"
    (recording,) = as_recordings(path)
    check(recording)
    assert recording.frame_size == SIZE and recording.fps == 0  # `time` is not that of frames


def test_roboflow_in_memory_is_one_input():
    answers = [answer(frame, range(16, -1, -1)) for frame in range(FRAMES)]
    assert not is_batch(answers)
    (recording,) = as_recordings(answers)
    check(recording)


def test_roboflow_keeps_its_tracks(tmp_path):
    answers = [answer(frame, tracker_id=7) for frame in range(FRAMES)]
    (recording,) = as_recordings(write(tmp_path, answers))
    assert recording.track_ids == [7]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: one["predictions"][0].pop("keypoints"), "keypoints"),
        (lambda one: one["predictions"][0]["keypoints"][0].pop("class"), "class"),
        (lambda one: one["image"].pop("width"), "width"),
    ],
)
def test_what_is_wrong_with_roboflow_is_said(tmp_path, change, reason):
    answers = [answer(frame) for frame in range(3)]
    change(answers[1])
    with pytest.raises(FormatError, match=reason):
        list(read_roboflow(write(tmp_path, answers), ReadOptions(min_track=1)))


@pytest.mark.parametrize("snake", [False, True])
@pytest.mark.parametrize("as_text", [False, True])
def test_video_intelligence_has_tracks_of_objects_at_times(tmp_path, snake, as_text):
    path = write(tmp_path, video_intelligence(2, snake, as_text))
    assert registry.format_of(path).name == "video-intelligence"
    (recording,) = as_recordings(path, input_options(frame_size=SIZE))
    assert recording.keypoints.shape[:2] == (2, FRAMES) and recording.fps == 10
    check(recording, np.ones_like(SEEN))
    assert recording.scores[1].any(-1).sum() == FRAMES - 5


def test_video_intelligence_needs_landmarks_and_a_size(tmp_path):
    with pytest.raises(FormatError, match="frame_size"):
        as_recordings(write(tmp_path, video_intelligence()))
    content = video_intelligence()
    for entry in content["annotationResults"][0]["personDetectionAnnotations"][0]["tracks"][0]["timestampedObjects"]:
        del entry["landmarks"]
    with pytest.raises(FormatError, match="people without landmarks; ask for them"):
        as_recordings(write(tmp_path, content))


def test_times_of_another_form_are_refused(tmp_path):
    with pytest.raises(FormatError, match="has the time '1:02'; it must be as 1.5s"):
        as_recordings(write(tmp_path, json.dumps(video_intelligence()).replace('"0.1s"', '"1:02"')))


@fuzz
@given(content=damaged(json.dumps([answer(frame) for frame in range(2)]).encode(), is_text=True))
def test_damaged_roboflow(tmp_path, content):
    read_damaged(read_roboflow, tmp_path / "a.json", content, ReadOptions(min_track=1))


@fuzz
@given(content=damaged(json.dumps(video_intelligence())[:6000].encode(), is_text=True))
def test_damaged_video_intelligence(tmp_path, content):
    options = ReadOptions(min_track=1, frame_size=SIZE)
    read_damaged(read_video_intelligence, tmp_path / "a.json", content, options)
