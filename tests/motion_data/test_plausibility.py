"""What doubts find: each silent misreading of an input, with the rule that would have caught it left out."""

import numpy as np
import pytest

from motion_data.cameras import fixed_camera
from motion_data.inputs import as_recordings
from motion_data.options import ReadOptions
from motion_data.plausibility import doubts
from motion_data.recording import Recording
from motion_data.rows import row_recording
from motion_data.synthetic.corpus import SyntheticConfig, generate_joints_3d, generate_motion

UPRIGHT = SyntheticConfig(actions=("walk", "wave", "squat", "punch", "kick", "idle"))


@pytest.fixture(scope="module")
def seen(body):
    """Return a person in pixels, [F, 17, 2], who is never out of sight."""
    return 400 * fixed_camera().project(body[None], np.ones((1, *body.shape[:2])))[0] + (320, 240)


@pytest.fixture(scope="module")
def body():
    """Return a person in metres, y up, [F, 17, 3]."""
    return generate_joints_3d(1, 3, SyntheticConfig(actions=("walk",)))[0][0].astype(np.float64)


def kinds(keypoints, scores=None, layout="coco17", **fields):
    keypoints = keypoints[None] if keypoints.ndim == 3 else keypoints
    scores = np.ones(keypoints.shape[:3]) if scores is None else scores
    return {
        doubt.kind: doubt.where for doubt in doubts(Recording(keypoints, scores, layout, **{"fps": 30.0, **fields}))
    }


def test_bodies_that_are_right_raise_no_doubt(seen, body):
    assert kinds(seen) == {} == kinds(body)
    for row in generate_motion(60, 0, UPRIGHT):
        assert doubts(row_recording(row)) == [], row["source"]
    for joints in generate_joints_3d(30, 0, UPRIGHT)[0]:
        assert kinds(joints) == {}


def test_a1_a_score_taken_for_depth(seen):
    found = kinds(np.concatenate([seen, np.full_like(seen[..., :1], 0.8)], -1))
    assert {"people are not 0.5 to 2.6 m high", "bodies are upside down"} <= set(found)


@pytest.mark.parametrize("factor", [100, 1000, 0.01])
def test_a2_units_that_are_not_metres(body, factor):
    assert "people are not 0.5 to 2.6 m high" in kinds(body * factor)


def test_a3_joints_at_the_origin(seen):
    seen = seen.copy()
    seen[5:, 9] = 0  # one wrist
    assert kinds(seen)["parts of bodies change their length"].startswith("left forearm, frames 5 to ")
    seen[:, 10:17] = 0
    assert "several joints are at the same point" in kinds(seen)


def test_a4_frames_in_the_order_of_text(seen):
    order = sorted(range(len(seen)), key=str)
    walking = seen + np.arange(len(seen))[:, None, None] * [12.0, 0.0]
    assert kinds(walking) == {}
    assert "bodies jump from frame to frame" in kinds(walking[order])


def test_a4_people_and_videos_made_one(seen):
    two = np.where(np.arange(len(seen))[:, None, None] % 2, seen, seen + [250.0, 0.0])
    assert f"frames 1 to {len(seen) - 1}" in kinds(two)["bodies jump from frame to frame"]
    videos = np.concatenate([seen, seen - [300.0, 0.0]])
    assert kinds(videos)["bodies jump from frame to frame"] == f"frame {len(seen)}"


def test_a5_shares_of_a_picture_taken_for_pixels(seen):
    assert "people are less than 4 pixels high" in kinds(seen / 640)


def test_a5_metres_multiplied_by_the_picture(body):
    seen = body[..., :2] * [1, -1] * (640, 480)
    assert "people are far larger than the picture" in kinds(seen * 3, frame_size=(640, 480))


def test_a6_axes_taken_for_each_other(seen):
    frames_first = np.stack([seen[:12], seen[:12] + [200.0, 0.0]], 1)  # [F, M, K, 2] read as [M, F, K, 2]
    found = kinds(frames_first)
    assert found["there are more people than frames"] == "12 people, 2 frames; see axes"
    assert "bodies jump from frame to frame" in found


def test_a6_worlds_with_another_axis_up(body):
    assert "bodies are upside down" in kinds(body * [1, -1, -1])
    assert "bodies are lying" in kinds(body[..., [0, 2, 1]])


def test_sides_that_change_places(seen):
    sides = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    facing = np.array([[320 + 40 * (k % 2) * (1 if k else 0), 100 + 18 * k] for k in range(17)], float)
    still = np.repeat(facing[None], 20, 0)
    still[6:9] = still[6:9, sides]
    assert kinds(still)["left and right are exchanged between frames"] == "shoulders and hips, 2 frames, first 6"


def test_half_bodies_and_odd_shapes(seen):
    scores = np.ones((1, *seen.shape[:2]))
    scores[:, : len(seen) * 3 // 4, 11:] = 0
    assert "nothing below the hips in 75%" in kinds(seen, scores)["half of the body is missing in most frames"]
    assert "people are far longer than wide" in kinds(seen * [0.03, 1])


def test_rates_that_are_something_else(seen):
    doubt = kinds(seen, fps=0.04)["no camera has this frame rate"]
    assert doubt == "fps is 0.04, 25 if that is the seconds of a frame"
    assert kinds(seen, fps=90000.0)["no camera has this frame rate"] == "fps is 90000"
    assert "no camera has this frame rate" not in {**kinds(seen, fps=0.0), **kinds(seen, fps=1.0)}


def test_people_are_named_and_missing_joints_are_not_read(seen):
    people = np.stack([seen, np.where(np.arange(17)[:, None] == 9, 0, seen)])
    assert kinds(people)["parts of bodies change their length"].startswith("person 1: left forearm")
    (doubt,) = doubts(Recording(np.stack([480 - seen, 480 - seen]), np.ones(people.shape[:3]), "coco17"))  # one a kind
    assert (
        "person 0: in 100% of the frames; y must point down, or origin be lower-left; person 1: in 100%" in doubt.where
    )
    scores = np.ones(people.shape[:3])
    scores[1, :, 9] = 0
    people[1, :, 9] = np.nan
    assert kinds(people, scores) == {}
    assert kinds(people, np.zeros_like(scores)) == {}


def test_a5_scores_that_became_one(seen, caplog):
    as_recordings(seen, ReadOptions(layout="coco17", fps=30), np.full(seen.shape[:2], 0.9))
    assert "the scores of all joints are equal, 0.9" in caplog.text
    caplog.clear()
    as_recordings(seen, ReadOptions(layout="coco17", fps=30))  # none were given
    as_recordings(seen, ReadOptions(layout="coco17", fps=30), np.linspace(0.5, 1, 17) * np.ones(seen.shape[:2]))
    assert caplog.text == ""


def test_inputs_log_their_doubts(seen, caplog):
    upside_down = {"keypoints": 480 - seen, "layout": "coco17", "fps": 30.0}
    as_recordings(upside_down)
    assert "bodies are upside down (in 100% of the frames; y must point down, or origin be lower-left)" in caplog.text
    caplog.clear()
    as_recordings({**upside_down, "keypoints": seen})
    assert caplog.text == ""
