"""Views: which part, whom and from where; the same without a generator, varied with one."""

import numpy as np
import pytest

from motion_data import SensorCamera, as_motion
from motion_data.cameras import fixed_camera
from motion_data.keypoints import NobodyVisibleError
from motion_data.recording import Recording
from motion_data.views import (
    FINETUNING,
    MEASURING,
    PRETRAINING,
    ViewOptions,
    choose_segment,
    own_camera,
    picture,
    turn_bodies,
    two_views,
    view,
)


def body(frames=30, people=1, dimensions=3, seed=0):
    generator = np.random.default_rng(seed)
    joints = generator.normal(0, 0.5, (people, 1, 15, dimensions)) + [0.3, 1.0, 3.0][:dimensions]
    return joints + generator.normal(0, 0.02, (people, frames, 15, dimensions))


def recording(**fields):
    keypoints = fields.pop("keypoints", body())
    return Recording(keypoints, fields.pop("scores", np.ones(keypoints.shape[:-1])), "mocap15", **fields)


@pytest.mark.parametrize(("space", "camera"), [("camera", SensorCamera()), ("world", fixed_camera())])
def test_a_3d_recording_is_seen_by_the_camera_of_its_space(space, camera):
    motion = view(recording(space=space))
    expected = as_motion(body(), None, "mocap15", camera)
    np.testing.assert_array_equal(motion.keypoints, expected.keypoints)
    seen, scores = picture(recording(space=space))
    np.testing.assert_allclose(seen, camera.project(body()))
    assert scores.all()


def test_two_views_are_the_same_frames_of_the_same_person_from_two_cameras():
    many = recording(keypoints=body(frames=300, people=3))
    first, second = two_views(many, np.random.default_rng(2), PRETRAINING)
    assert first.keypoints.shape == second.keypoints.shape and len(first.keypoints) == 1
    assert not np.allclose(first.keypoints, second.keypoints)
    one = view(many, np.random.default_rng(2), PRETRAINING)
    np.testing.assert_array_equal(first.keypoints, one.keypoints)
    same = two_views(many, np.random.default_rng(2), PRETRAINING, max_yaw=0.0)
    level = [np.ptp(motion.keypoints[0, :, :, 0]) for motion in same]  # only the pitch differs: widths are close
    assert level[0] == pytest.approx(level[1], rel=0.1)


def test_two_views_of_a_picture_are_that_picture():
    flat = recording(keypoints=body(frames=300, dimensions=2))
    first, second = two_views(flat, np.random.default_rng(0), PRETRAINING)
    np.testing.assert_array_equal(first.keypoints, second.keypoints)


def test_spaces_must_fit_the_dimensions():
    assert recording().space == "world" and own_camera(recording(keypoints=body(dimensions=2))) is None
    with pytest.raises(ValueError, match="space is 'image' of 3D key-points"):
        recording(space="image")
    with pytest.raises(ValueError, match="space is 'moon'"):
        recording(space="moon")


def test_people_without_a_joint_are_left_out_and_nobody_is_an_error():
    scores = np.ones((2, 30, 15))
    scores[0] = 0
    two = recording(keypoints=body(people=2), scores=scores)
    assert view(two).keypoints.shape[0] == 1
    with pytest.raises(NobodyVisibleError):
        view(recording(scores=np.zeros((1, 30, 15))))


@pytest.mark.parametrize("frames", [2, 71, 72, 73, 144, 145, 2000])
@pytest.mark.parametrize("fps", [0, 15, 29.97, 30, 120])
def test_segments_are_inside_and_last_as_long_as_they_should(frames, fps):
    rate = fps or 30
    longest = round(4.8 * rate)
    for options, generator in ((MEASURING, None), (PRETRAINING, np.random.default_rng(0))):
        part = choose_segment(frames, fps, options, generator)
        length = part.stop - part.start
        assert 0 <= part.start < part.stop <= frames
        if frames <= longest:
            assert length == frames
        elif generator is None:
            assert length == longest and abs(part.start - (frames - part.stop)) <= 1
        else:
            assert min(round(1.6 * rate), longest) <= length <= longest
    part = choose_segment(frames, fps, FINETUNING, np.random.default_rng(1))
    assert frames >= part.stop - part.start >= min(max(round(0.8 * frames), 2), frames)
    assert choose_segment(frames, fps, FINETUNING, None) == slice(0, frames)


def test_a_generator_decides_everything_random():
    many = recording(keypoints=body(300, people=3), fps=30.0)
    one, same, other = (view(many, np.random.default_rng(seed), PRETRAINING) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.keypoints, same.keypoints)
    assert one.keypoints.shape[0] == 1 and not np.array_equal(one.keypoints, other.keypoints)
    turned = view(many, np.random.default_rng(0), ViewOptions(max_turn=20.0))
    assert turned.keypoints.shape[:2] == (3, 300)
    assert not np.allclose(turned.keypoints, view(many).keypoints)


def test_random_cameras_stand_in_front_of_every_joint():
    wide = recording(keypoints=body() * 8)
    for seed in range(20):
        assert (view(wide, np.random.default_rng(seed), PRETRAINING).scores[:, :, 5:] > 0).all()


def test_bodies_turn_about_the_vertical_through_their_middle():
    keypoints, scores = body(people=2), np.ones((2, 30, 15))
    turned = turn_bodies(keypoints, scores, 90.0)
    np.testing.assert_allclose(turned[..., 1], keypoints[..., 1], atol=1e-6)
    middle = keypoints.reshape(-1, 3).mean(0)
    offset, moved = keypoints - middle, turned - middle
    np.testing.assert_allclose(moved[..., 0], offset[..., 2], atol=1e-5)
    np.testing.assert_allclose(moved[..., 2], -offset[..., 0], atol=1e-5)
