import numpy as np
import pytest
import torch

from motion_data.cameras import Camera, SensorCamera
from motion_data.keypoints import Motion, as_motion, body_path, normalise_clip, sample_frames
from motion_data.layouts import get_layout, layout_names


def clip(people=2, frames=5, joints=17, coordinates=2, seed=0):
    return np.random.default_rng(seed).uniform(10, 200, (people, frames, joints, coordinates)).astype(np.float32)


def equal(a: Motion, b: Motion):
    np.testing.assert_array_equal(a.keypoints, b.keypoints)
    np.testing.assert_array_equal(a.scores, b.scores)


@pytest.mark.parametrize("kind", ["numpy", "float64", "torch", "bfloat16", "lists"])
def test_every_kind_of_input_is_the_same_motion(kind):
    keypoints, scores = np.round(clip()), np.full((2, 5, 17), 0.5, np.float32)
    convert = {
        "numpy": lambda x: x,
        "float64": lambda x: x.astype(np.float64),
        "torch": lambda x: torch.from_numpy(x).requires_grad_(),
        "bfloat16": lambda x: torch.from_numpy(x).bfloat16(),
        "lists": lambda x: x.tolist(),
    }[kind]
    motion = as_motion(convert(keypoints), convert(scores))
    equal(motion, as_motion(keypoints, scores))
    assert (motion.keypoints.dtype, motion.scores.dtype) == (np.float64, np.float32)
    assert motion.keypoints.shape == (2, 5, 17, 2) and motion.scores.shape == (2, 5, 17)


def test_one_person_needs_no_people_axis():
    keypoints, scores = clip(people=1), np.full((1, 5, 17), 0.5)
    equal(as_motion(keypoints[0], scores[0]), as_motion(keypoints, scores))
    equal(as_motion(keypoints, scores[0]), as_motion(keypoints, scores))


@pytest.mark.parametrize("layout", layout_names())
def test_layouts_map_to_coco(layout):
    skeleton = get_layout(layout)
    keypoints = clip(joints=skeleton.num_joints)
    motion = as_motion(keypoints, layout=layout)
    for channel, index in enumerate(skeleton.canonical):
        if index < 0:
            assert not motion.scores[..., channel].any() and not motion.keypoints[..., channel, :].any()
        else:
            np.testing.assert_array_equal(motion.keypoints[..., channel, :], keypoints[..., index, :])
            assert (motion.scores[..., channel] == 1).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30, 0.0])
@pytest.mark.parametrize("layout", ["coco17", "mocap15"])
def test_coordinates_of_a_missing_joint_change_nothing(value, layout):
    keypoints = clip(joints=get_layout(layout).num_joints)
    scores = np.ones(keypoints.shape[:-1])
    scores[0, 2, 3] = scores[1, :, -1] = 0
    reference = as_motion(keypoints, scores, layout)
    changed = keypoints.copy()
    changed[0, 2, 3, 0] = changed[1, :, -1] = value
    before = changed.copy()
    motion = as_motion(changed, scores, layout)
    equal(motion, reference)
    np.testing.assert_array_equal(changed, before)
    np.testing.assert_array_equal(
        normalise_clip(changed, scores), normalise_clip(np.where(scores[..., None] > 0, keypoints, 0), scores)
    )


def test_nan_is_missing_with_and_without_scores():
    keypoints = clip()
    keypoints[0, 1, 4, 1] = np.nan
    scores = np.ones((2, 5, 17))
    for given in (None, scores):
        motion = as_motion(keypoints, given)
        assert motion.scores[0, 1, 4] == 0 and not motion.keypoints[0, 1, 4].any()
        assert motion.scores.sum() == 2 * 5 * 17 - 1
    assert scores.all()


def test_result_shares_no_memory():
    keypoints, scores = clip(), np.ones((2, 5, 17), np.float32)
    motion = as_motion(keypoints, scores)
    assert not np.shares_memory(motion.keypoints, keypoints) and not np.shares_memory(motion.scores, scores)


def test_camera_sees_all_joints_of_the_layout():
    keypoints = clip(joints=15, coordinates=3) / 100
    keypoints[0, 1, 3] = np.nan
    motion = as_motion(keypoints, layout="mocap15", camera=Camera(30, 10, 40.0))
    picture = Camera(30, 10, 40.0).project(keypoints)
    skeleton = get_layout("mocap15")
    wrist = skeleton.joint_index("left_wrist")
    np.testing.assert_allclose(motion.keypoints[..., 9, :], picture[..., wrist, :])
    assert skeleton.joints[3] == "left_shoulder" and motion.scores[0, 1, 5] == 0


def test_joints_behind_the_camera_are_missing():
    keypoints = clip(people=1, joints=20, coordinates=3)
    keypoints[0, 2, :, 2] = -1
    motion = as_motion(keypoints, layout="msr20", camera=SensorCamera())
    assert not motion.scores[0, 2].any() and motion.scores[0, 1].sum() == 13


@pytest.mark.parametrize(
    ("keypoints", "scores", "layout", "message"),
    [
        (clip()[0, 0], None, "coco17", r"shape \(17, 2\); it must be \[people, frames, joints, 2\]"),
        (clip(joints=25), None, "coco17", "25 joints.*'coco17' has 17 .layouts with 25 joints: openpose25, ntu25"),
        (clip(joints=16), None, "nope", "layout 'nope' is unknown"),
        (clip(joints=99), None, "coco17", "99 joints.*no layout has that many"),
        (clip(coordinates=4), None, "coco17", "has 4 coordinates"),
        (clip(coordinates=3), None, "coco17", "3D key-points need a camera"),
        (clip(people=0), None, "coco17", "0 people"),
        (clip(frames=1), None, "coco17", "1 frames.*at least 2"),
        (clip(frames=0), None, "coco17", "0 frames"),
        (clip() * np.nan, None, "coco17", "all joints are missing in all 5 frames"),
        (clip(), np.zeros((2, 5, 17)), "coco17", "all joints are missing"),
        (clip(), np.ones((2, 5, 16)), "coco17", r"scores has shape \(2, 5, 16\); it must be \(2, 5, 17\)"),
        (clip(), np.ones((5, 17)), "coco17", r"scores has shape \(5, 17\)"),
        (clip(), np.full((2, 5, 17), 1.5), "coco17", "scores reach 1.5; .* max_score"),
        (clip(), np.full((2, 5, 17), -0.5), "coco17", "all joints are missing"),
        (clip(), np.full((2, 5, 17), np.nan), "coco17", "all joints are missing"),
        ([[[1, 2], [3]]], None, "coco17", "keypoints must be an array of numbers"),
        (["a"], None, "coco17", "keypoints must be an array of numbers"),
    ],
)
def test_bad_input(keypoints, scores, layout, message):
    with pytest.raises(ValueError, match=message):
        as_motion(keypoints, scores, layout)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_infinite_coordinates_name_their_place(value):
    keypoints = clip().astype(np.float64)
    keypoints[1, 3, 7, 0] = value
    with pytest.raises(ValueError, match="infinite at person 1, frame 3, joint 7"):
        as_motion(keypoints, np.ones((2, 5, 17)))


@pytest.mark.parametrize("num_frames", [1, 7, 48])
@pytest.mark.parametrize("num_source", [1, 2, 15, 47, 48, 49, 60, 1000])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_sampled_frames_cover_the_clip_in_order(num_source, num_frames, seed):
    generator = None if seed is None else np.random.default_rng(seed)
    frames = sample_frames(num_source, num_frames, generator)
    assert frames.dtype == np.int64 and frames.shape == (num_frames,)
    assert (np.diff(frames) >= 0).all() and frames[0] >= 0 and frames[-1] < num_source
    assert (np.diff(frames) <= 2 * np.ceil(num_source / num_frames)).all()
    segment = np.arange(num_frames)
    assert (frames >= segment * num_source // num_frames).all()
    assert (frames <= (segment + 1) * num_source / num_frames).all()
    if num_frames >= num_source:
        assert set(frames) == set(range(num_source))


def test_sampled_frames_values():
    np.testing.assert_array_equal(sample_frames(48, 48), np.arange(48))
    np.testing.assert_array_equal(sample_frames(9, 3), [1, 4, 7])
    np.testing.assert_array_equal(sample_frames(2, 4), [0, 0, 1, 1])
    drawn = np.array([sample_frames(9, 3, np.random.default_rng(seed)) for seed in range(60)])
    assert [set(column) for column in drawn.T] == [{0, 1, 2}, {3, 4, 5}, {6, 7, 8}]
    with pytest.raises(ValueError, match="num_source is 0; it must be at least 1"):
        sample_frames(0, 4)
    with pytest.raises(ValueError, match="num_frames is 0"):
        sample_frames(4, 0)


def slow_normalise(keypoints, scores, size, scale):
    out = np.zeros_like(keypoints)
    for m in range(len(keypoints)):
        points = [keypoints[m, f, k] for f, k in np.ndindex(*scores.shape[1:]) if scores[m, f, k] > 0]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        side = max(max(xs) - min(xs), max(ys) - min(ys))
        centre = np.array([min(xs) + max(xs), min(ys) + max(ys)]) / 2
        for f, k in np.ndindex(*scores.shape[1:]):
            if scores[m, f, k] > 0:
                out[m, f, k] = (keypoints[m, f, k] - centre) * scale * size / side + (size - 1) / 2
    return out


@pytest.mark.parametrize(("size", "scale"), [(72, 0.9), (56, 0.5), (9, 1.0)])
def test_normalise_equals_the_slow_formula(size, scale):
    keypoints = clip(people=3).astype(np.float64)
    scores = (np.random.default_rng(1).random((3, 5, 17)) > 0.4) * 0.7
    expected = slow_normalise(keypoints, scores, size, scale)
    np.testing.assert_allclose(normalise_clip(keypoints, scores, size, scale), expected, atol=1e-9)


def test_normalised_box():
    keypoints = clip(people=2) * np.float32([1, 3])
    out = normalise_clip(keypoints, np.ones((2, 5, 17)))
    low, high = out.min((1, 2)), out.max((1, 2))
    np.testing.assert_allclose((high - low).max(-1), 0.9 * 72, rtol=1e-5)
    np.testing.assert_allclose((high + low) / 2, 35.5, rtol=1e-5)
    assert low.min() >= 0 and high.max() <= 71


@pytest.mark.parametrize(("factor", "shift"), [(1, (300, -40)), (0.001, (0, 0)), (37.0, (5, 5))])
def test_normalise_ignores_place_and_size(factor, shift):
    keypoints = clip().astype(np.float64)
    scores = np.ones((2, 5, 17))
    moved = keypoints * factor + np.array(shift)
    np.testing.assert_allclose(normalise_clip(moved, scores), normalise_clip(keypoints, scores), atol=1e-8)


def test_people_who_share_a_box_are_fitted_as_one_cloud_of_joints():
    keypoints = clip(people=3).astype(np.float64) + np.array([[0, 0], [400, 30], [9e5, 9e5]])[:, None, None]
    scores = (np.random.default_rng(1).random((3, 5, 17)) > 0.4) * 0.7
    scores[2] = 0  # whoever is not there does not count
    cloud = slow_normalise(
        keypoints.transpose(1, 0, 2, 3).reshape(1, 5, 51, 2), scores.transpose(1, 0, 2).reshape(1, 5, 51), 72, 0.9
    )
    expected = cloud.reshape(5, 3, 17, 2).transpose(1, 0, 2, 3)
    found = normalise_clip(keypoints, scores, shared_box=True)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert (
        found[1, ..., 0][scores[1] > 0].min() > found[0, ..., 0].max()
    )  # to the right of the first, as in the picture


def test_one_person_and_people_in_the_middle_have_their_own_box():
    keypoints, scores = clip(people=2).astype(np.float64), np.ones((2, 5, 17))
    for options in ({}, {"center_frames": True}):
        alone = normalise_clip(keypoints[:1], scores[:1], **options)
        np.testing.assert_array_equal(normalise_clip(keypoints[:1], scores[:1], shared_box=True, **options), alone)
    centred = normalise_clip(keypoints, scores, center_frames=True)
    np.testing.assert_array_equal(normalise_clip(keypoints, scores, center_frames=True, shared_box=True), centred)
    assert not normalise_clip(keypoints, np.zeros((2, 5, 17)), shared_box=True).any()


def test_the_path_of_a_body_is_the_nearest_to_all_joints_below_the_neck():
    generator = np.random.default_rng(3)
    keypoints = generator.normal(300, 90, (2, 12, 17, 2))
    scores = np.where(generator.random((2, 12, 17)) < 0.4, 0, 0.8)
    scores[0, :, 9] = 0  # never seen
    wrong = np.where(scores[..., None] > 0, keypoints, 1e9)  # places of missing joints are not read
    found = body_path(wrong, scores)
    for person in range(2):
        seen = np.argwhere(scores[person] > 0)
        seen = seen[seen[:, 1] >= 5]
        system = np.zeros((len(seen), 12 + 17))  # path[frame] + offset[joint] is where a joint is seen
        system[np.arange(len(seen)), seen[:, 0]] = system[np.arange(len(seen)), 12 + seen[:, 1]] = 1
        fit = np.linalg.lstsq(system, keypoints[person][seen[:, 0], seen[:, 1]], rcond=None)[0]
        joints = np.unique(seen[:, 1])
        expected = fit[:12] + fit[12 + joints].mean(0)
        np.testing.assert_allclose(found[person, :, 0], expected, atol=0.01)
    everything = np.ones_like(scores)
    middle = keypoints[..., 5:, :].mean(-2)
    np.testing.assert_allclose(body_path(keypoints, everything)[..., 0, :], middle, atol=1e-9)
    face = everything * (np.arange(17) < 5)  # nothing else is seen
    np.testing.assert_allclose(body_path(keypoints, face)[..., 0, :], keypoints[..., :5, :].mean(-2), atol=1e-9)
    assert not body_path(keypoints, np.zeros_like(scores)).any()


def test_centred_frames_know_no_path():
    generator = np.random.default_rng(4)
    body = generator.normal(0, 20, (1, 17, 2)) + generator.normal(0, 1, (30, 17, 2)).cumsum(0)
    scores = np.ones((30, 17))
    path = generator.normal(0, 9, (30, 1, 2)).cumsum(0)
    walking, standing = (normalise_clip(keypoints, scores, center_frames=True) for keypoints in (body + path, body))
    np.testing.assert_allclose(walking, standing, atol=1e-8)
    np.testing.assert_allclose(standing[:, 5:].mean(1), 35.5, atol=1e-9)  # in the middle of the map
    assert np.abs(standing - 35.5).max() == pytest.approx(0.9 * 36)
    assert np.abs(normalise_clip(body + path, scores) - standing).max() > 5
    scores[10:, 11:] = 0  # legs that leave the picture do not move the rest
    passing = body[:1] + path
    assert np.ptp(normalise_clip(passing, scores, center_frames=True)[:, :11], axis=0).max() < 0.01


def test_tracks_do_not_touch_each_other():
    keypoints, scores = clip(people=4), np.ones((4, 5, 17))
    together = normalise_clip(keypoints, scores)
    np.testing.assert_array_equal(normalise_clip(keypoints[2], scores[2]), together[2])
    batched = normalise_clip(keypoints.reshape(2, 2, 5, 17, 2), scores.reshape(2, 2, 5, 17))
    np.testing.assert_array_equal(batched.reshape(4, 5, 17, 2), together)


def test_one_point_is_centred_and_no_point_is_zero():
    keypoints, scores = clip(people=3), np.ones((3, 5, 17))
    keypoints[0] = 123.0
    scores[1] = 0
    keypoints[1] = np.nan
    out = normalise_clip(keypoints, scores)
    assert (out[0] == 35.5).all() and (out[1] == 0).all() and np.isfinite(out).all()


def test_a_body_far_from_the_origin_keeps_its_shape():
    keypoints, scores = clip().astype(np.float64), np.ones((2, 5, 17))
    np.testing.assert_allclose(normalise_clip(keypoints + 1e7, scores), normalise_clip(keypoints, scores), atol=1e-5)


def test_normalise_keeps_the_dtype():
    keypoints, scores = clip(), np.ones((2, 5, 17), np.float32)
    assert normalise_clip(keypoints, scores).dtype == np.float32
    assert normalise_clip(keypoints.astype(np.int64), scores).dtype == np.float32
    keypoints.flags.writeable = False
    np.testing.assert_array_equal(normalise_clip(keypoints, scores)[::-1], normalise_clip(keypoints[::-1], scores))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.ones((2, 5))}, r"scores \(2, 5\); they must be"),
        ({"size": 0}, "size is 0; it must be at least 1"),
        ({"scale": 1.5}, "scale is 1.5; it must be above 0 and at most 1"),
    ],
)
def test_normalise_bad_input(changes, message):
    with pytest.raises(ValueError, match=message):
        normalise_clip(**{"keypoints": clip(), "scores": np.ones((2, 5, 17)), **changes})


@pytest.mark.parametrize("far", [0.2, 1.8, 30.0])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_one_wild_joint_does_not_shrink_a_person(far, axis, sign):
    generator = np.random.default_rng(0)
    body = generator.uniform(0, 300, (17, 2)) + generator.normal(0, 2, (48, 17, 2)) + np.arange(48)[:, None, None] * 3
    scores = np.ones((48, 17))
    before = normalise_clip(body, scores)
    body[20, 9, axis] = (body[..., axis].max() if sign > 0 else body[..., axis].min()) + sign * far * 300
    scores[20, 9] = 0.02
    after = normalise_clip(body, scores)

    def height(clip):
        return np.delete(np.ptp(clip[..., 1], axis=1), 20).mean()

    assert abs(height(after) / height(before) - 1) < 0.05


def test_steady_motion_reaches_the_edges_of_the_box():
    """Nothing is cut off where the last frame of a walk goes no farther beyond the one before than that did."""
    walk = clip(frames=48, people=1)[0] * 0.1 + np.arange(48)[:, None, None] * [10, 0]
    out = normalise_clip(walk, np.ones((48, 17)), 72, 0.9)
    np.testing.assert_allclose((out[..., 0].min(), out[..., 0].max()), (35.5 - 32.4, 35.5 + 32.4), atol=1e-4)


def test_a_joint_alone_is_not_magnified():
    body = clip(frames=20, people=1)[0] * 0 + np.random.default_rng(0).normal(300, 1, (20, 17, 2))
    scores = np.zeros((20, 17))
    scores[:, 9] = 1
    assert np.ptp(normalise_clip(body, scores)[:, 9], axis=0).max() < 6
    assert not normalise_clip(body, scores * 0).any()
