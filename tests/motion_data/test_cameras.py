import math

import numpy as np
import pytest

from motion_data.cameras import Camera, SensorCamera, fixed_camera, random_camera


def cloud(seed=0, shape=(2, 5, 7, 3)):
    return np.random.default_rng(seed).normal(size=shape)


def slow_view(keypoints, yaw, pitch, distance):
    """One point at a time, the rotations written out."""
    flat = keypoints.reshape(-1, 3)
    mean = [sum(p[i] for p in flat if not np.isnan(p).any()) for i in range(3)]
    mean = [value / sum(not np.isnan(p).any() for p in flat) for value in mean]
    yaw, pitch = math.radians(yaw), math.radians(pitch)
    out = []
    for point in flat:
        x, y, z = (point[i] - mean[i] for i in range(3))
        x, z = x * math.cos(yaw) + z * math.sin(yaw), z * math.cos(yaw) - x * math.sin(yaw)
        y, z = y * math.cos(pitch) - z * math.sin(pitch), y * math.sin(pitch) + z * math.cos(pitch)
        depth = 1.0 if distance is None else distance - z
        out.append((x / depth, -y / depth))
    return np.array(out).reshape(*keypoints.shape[:-1], 2)


@pytest.mark.parametrize("distance", [None, 6.0, 25.0])
@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (30, 10), (-135, 25), (180, -10)])
def test_view_equals_the_slow_formula(yaw, pitch, distance):
    keypoints = cloud()
    keypoints[1, 2, 3] = np.nan
    np.testing.assert_allclose(
        Camera(yaw, pitch, distance).project(keypoints), slow_view(keypoints, yaw, pitch, distance), atol=1e-9
    )


def test_fixed_camera():
    assert fixed_camera() == Camera(yaw=30.0, pitch=10.0, distance=4.0)


def test_axes_of_the_front_view():
    keypoints = np.array([[[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]], [[-1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]]])
    picture = Camera(0, 0, 4.0).project(keypoints)
    np.testing.assert_allclose(picture[0], [[0.25, 0], [0, -0.25], [0, 0]], atol=1e-12)


@pytest.mark.parametrize("camera", [Camera(40, 15, 9.0), Camera(40, 15, None), SensorCamera()])
def test_a_missing_joint_touches_no_other(camera):
    keypoints = cloud() + [0, 0, 20]
    scores = np.ones(keypoints.shape[:-1])
    scores[0, 1, 2] = 0
    reference = camera.project(keypoints, scores)
    assert np.isnan(reference[0, 1, 2]).all() and np.isfinite(reference[scores > 0]).all()
    for value in (np.nan, np.inf, 1e30, 0.0):
        changed = keypoints.copy()
        changed[0, 1, 2] = value
        before = changed.copy()
        np.testing.assert_array_equal(camera.project(changed, scores), reference)
        np.testing.assert_array_equal(changed, before)


@pytest.mark.parametrize("camera", [Camera(40, 15, 9.0), SensorCamera()])
def test_one_nan_coordinate_removes_the_joint(camera):
    keypoints = cloud() + [0, 0, 20]
    keypoints[0, 0, 0, 1] = np.nan
    picture = camera.project(keypoints)
    assert np.isnan(picture[0, 0, 0]).all() and np.isnan(picture).sum() == 2


def test_a_view_does_not_depend_on_where_the_person_stands():
    keypoints = cloud()
    camera = Camera(20, 5, 9.0)
    np.testing.assert_allclose(camera.project(keypoints + [3, -2, 7]), camera.project(keypoints), atol=1e-9)


def test_people_share_one_view():
    keypoints = cloud()
    together = Camera(20, 5, 9.0).project(keypoints)
    alone = Camera(20, 5, 9.0).project(keypoints[:1])
    assert np.abs(together[:1] - alone).max() > 1e-3


def test_a_joint_behind_the_pinhole_is_missing():
    keypoints = np.zeros((2, 2, 3))
    keypoints[:, 0, 2], keypoints[:, 1, 2] = -5, 5
    picture = Camera(0, 0, 2.0).project(keypoints)
    assert np.isfinite(picture[:, 0]).all() and np.isnan(picture[:, 1]).all()


def test_a_y_down_world_is_turned_not_mirrored():
    keypoints = cloud()
    np.testing.assert_allclose(
        Camera(20, 5, 9.0, y_up=False).project(keypoints * [1, -1, -1]), Camera(20, 5, 9.0).project(keypoints)
    )


def test_sensor_view():
    keypoints = np.array([[[1.0, 2.0, 4.0], [1, 1, 0], [1, 1, 1e-7], [1, 1, -2]]])
    picture = SensorCamera().project(keypoints)
    np.testing.assert_allclose(picture[0, 0], [-0.25, -0.5])
    assert np.isnan(picture[0, 1:]).all()


def test_all_missing_gives_nan_without_warnings(recwarn):
    assert np.isnan(fixed_camera().project(np.full((1, 2, 3, 3), np.nan))).all()
    assert not recwarn


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    assert fixed_camera().project(cloud().astype(dtype)).dtype == dtype
    assert SensorCamera().project(cloud().astype(dtype)).dtype == dtype


def test_random_camera():
    cameras = [random_camera(np.random.default_rng(seed)) for seed in range(200)]
    assert cameras[3] == random_camera(np.random.default_rng(3))
    for field, (low, high) in {"yaw": (-180, 180), "pitch": (-10, 30), "distance": (2.5, 8)}.items():
        values = [getattr(camera, field) for camera in cameras]
        assert low <= min(values) < low + 0.1 * (high - low) and high - 0.1 * (high - low) < max(values) <= high
    with pytest.raises(ValueError, match=r"pitch is \(3, 1\); it must be a range"):
        random_camera(np.random.default_rng(0), pitch=(3, 1))


@pytest.mark.parametrize("distance", [0.0, -1.0, math.nan, math.inf])
def test_bad_distance(distance):
    with pytest.raises(ValueError, match=f"distance is {distance}; it must be positive"):
        Camera(0, 0, distance)


def test_bad_angle_and_shapes():
    with pytest.raises(ValueError, match="yaw is nan; it must be a finite number of degrees"):
        Camera(math.nan, 0, None)
    with pytest.raises(ValueError, match=r"keypoints has shape \(4, 3, 2\)"):
        fixed_camera().project(np.zeros((4, 3, 2)))
    with pytest.raises(ValueError, match=r"scores has shape \(4,\); it must be \(4, 3\)"):
        SensorCamera().project(np.zeros((4, 3, 3)), np.zeros(4))
