"""Explanations: the right joint, time, angle and direction."""

import numpy as np
import pytest
from detectors import make_motion, make_scorer

from modeling_mofm.anomaly.drawing import draw_ghost
from modeling_mofm.anomaly.explain import bending, explain
from motion_data.layouts import get_layout

JOINTS = get_layout("coco17").joints
LEFT_KNEE, LEFT_ANKLE, LEFT_WRIST = (JOINTS.index(f"left_{part}") for part in ("knee", "ankle", "wrist"))
TIMES = np.arange(8) / 10


def standing():
    """A person on straight legs, 60 pixels high."""
    places = {"shoulder": (20, 20), "elbow": (18, 30), "wrist": (16, 40), "hip": (20, 40), "knee": (20, 50)}
    places |= {"ankle": (20, 60), "nose": (22, 10), "eye": (22, 8), "ear": (21, 9)}
    body = np.array([places[name.rpartition("_")[2]] for name in JOINTS], float)
    body[[name.startswith("right") for name in JOINTS], 0] += 8
    return np.tile(body, (8, 1, 1))


def scores(joint, frames):
    values = np.full((8, 17), 0.1)
    values[frames, joint] = 3.0
    return values


def test_bending_of_straight_and_right_angles():
    corners = np.array([[[0, 0], [0, 1], [0, 2]], [[0, 0], [0, 1], [1, 1]], [[0, 0], [0, 1], [0, 0.5]]], float)
    np.testing.assert_allclose(bending(corners), [0, 90, 180], atol=1e-9)


def test_a_knee_that_bends_less_than_normal():
    normal, clip = standing(), standing()
    normal[:, LEFT_ANKLE] = normal[:, LEFT_KNEE] + [7.07, 7.07]  # bent by 45 degrees
    clip[4:, LEFT_ANKLE] = clip[4:, LEFT_KNEE] + [3.42, 9.4]  # by 20
    found = explain(clip, scores(LEFT_KNEE, slice(4, 8)), TIMES, 4, normal)
    assert found.joint == "left_knee" and found.degrees == pytest.approx(-25, abs=0.5)
    assert found.sentence == "left knee bends 25 degrees less than in the nearest normal motion, 0.4 to 0.7 s"
    more = explain(normal, scores(LEFT_KNEE, slice(0, 2)), TIMES, 4, clip)
    assert "bends 45 degrees more" in more.sentence and more.sentence.endswith("0.0 to 0.1 s")


def test_a_wrist_that_is_elsewhere():
    normal, clip = standing(), standing()
    clip[:, LEFT_WRIST] += [0, -26]  # up, by half the height from nose to ankles
    found = explain(clip, scores(LEFT_WRIST, slice(None)), TIMES, 4, normal)
    assert (
        found.sentence
        == "left wrist is 50% of the person's height higher than in the nearest normal motion, 0.0 to 0.7 s"
    )
    clip = standing()
    clip[:, LEFT_WRIST] += [13, 0]
    aside = explain(clip, scores(LEFT_WRIST, slice(None)), TIMES, 4, normal)
    assert "25% of the person's height farther to the right of the picture" in aside.sentence
    same = explain(standing(), scores(LEFT_WRIST, slice(None)), TIMES, 4, normal)
    assert "moves otherwise than in the nearest normal motion" in same.sentence and same.degrees is None


def test_what_is_missing_is_not_spoken_of():
    clip = standing()
    values = scores(LEFT_KNEE, slice(4, 8))
    clip[:, LEFT_ANKLE] = np.nan
    found = explain(clip, values, TIMES, 4, standing())
    assert "moves otherwise" in found.sentence and np.isfinite(found.start)
    assert explain(clip, values, TIMES, 4).sentence == "left knee moves as is not expected, 0.4 to 0.7 s"
    with pytest.raises(ValueError, match="no joint with a score"):
        explain(clip, np.full((8, 17), np.nan), TIMES, 4)


def test_a_scorer_explains_a_window_by_the_nearest_normal_clip(dved):
    scorer = make_scorer(dved)
    motion = make_motion(2, 40)
    motion.scores[1, :, 5] = 0
    found = scorer.explain(motion, 30.0, 1, 0.7, begin=2.0)
    assert found.joint != JOINTS[5] and found.sentence.startswith(found.joint.replace("_", " "))
    first = (round(0.7 * 30) - 6) / 30
    assert 2 + first - 1e-6 <= found.start <= found.end <= 2 + first + 0.4
    reference = scorer.model.reference
    distances = [np.nanmax(np.abs(found.normal - clip.numpy())[clip.numpy() > 0]) for clip in reference.keypoints]
    assert min(distances) < 1e-5
    motion.scores[0] = 0
    with pytest.raises(ValueError, match="person 0 has no joint in the window around 0.70 s"):
        scorer.explain(motion, 30.0, 0, 0.7)


def test_the_ghost_is_drawn_under_the_person():
    pytest.importorskip("matplotlib")
    clip, normal = standing(), standing()
    normal[:, LEFT_WRIST] = np.nan
    figure = draw_ghost(clip, np.ones((8, 17)), normal, num_poses=3)
    assert len(figure.axes) == 3 and figure.axes[0].get_title() == "frame 1"
    grey = [line for line in figure.axes[0].lines if line.get_color() == "#BBBBBB"]
    limbs = get_layout("coco17").limbs
    assert len(grey) == sum(LEFT_WRIST not in limb for limb in limbs)
    assert len(figure.axes[0].lines) == len(grey) + len(limbs)
