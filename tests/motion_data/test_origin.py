"""Where (0, 0) of 2D key-points is: from the lower left corner y points up, and comes out pointing down."""

import json

import numpy as np
import pytest

from motion_data.inputs import as_recordings, input_options
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.notes import collect_notes

SIZE = (640, 480)
VISION = {
    **{"nose": "head", "shoulder": "shoulder_1", "elbow": "forearm", "wrist": "hand", "hip": "upLeg"},
    **{"knee": "leg", "ankle": "foot", "eye": "eye", "ear": "ear"},
}  # what Apple's Vision calls the joints


@pytest.fixture(scope="module")
def keypoints():
    """Somebody who stands, `[F, 17, 2]` in pixels, y down."""
    body = np.stack((np.linspace(100, 160, 17), np.linspace(50, 300, 17)), -1)
    return body + np.random.default_rng(0).normal(0, 0.5, (20, 17, 2))


def turned(keypoints):
    return np.stack((keypoints[..., 0], SIZE[1] - keypoints[..., 1]), -1)


def vision_name(joint):
    side, _, part = joint.rpartition("_")
    return "_".join(filter(None, (side, VISION[part], "joint")))


def vision(path, keypoints):
    """Write JSON with fractions of the picture, joints by their names."""
    frames = [
        {
            "frame": frame,
            "joints": {
                vision_name(joint): {"x": x / SIZE[0], "y": y / SIZE[1], "confidence": 0.9}
                for joint, (x, y) in zip(COCO_KEYPOINTS, places.tolist(), strict=True)
            },
        }
        for frame, places in enumerate(keypoints)
    ]
    path.write_text(json.dumps(frames))
    return path


@pytest.mark.parametrize("scale", [1, SIZE], ids=["pixels", "fractions"])
def test_an_array_from_the_lower_left_corner(keypoints, scale):
    options = input_options(frame_size=SIZE, origin="lower-left")
    (recording,) = as_recordings(turned(keypoints) / scale, options)
    np.testing.assert_allclose(recording.keypoints[0], keypoints, atol=1e-9)


def test_without_a_height_y_is_measured_from_the_bottom_and_missing_joints_stay(keypoints):
    scores = np.ones(keypoints.shape[:-1])
    scores[3, 5] = 0
    (recording,) = as_recordings(turned(keypoints), input_options(origin="lower-left"), scores=scores)
    assert recording.scores[0, 3, 5] == 0 and (recording.keypoints[0, 3, 5] == 0).all()
    seen = scores > 0
    np.testing.assert_allclose(recording.keypoints[0][seen], (keypoints - [0, SIZE[1]])[seen], atol=1e-9)


def test_a_file_from_the_lower_left_corner(tmp_path, keypoints):
    np.save(tmp_path / "clip.npy", turned(keypoints))
    options = input_options(frame_size=SIZE, origin="lower-left", layout="coco17")
    (recording,) = as_recordings(tmp_path / "clip.npy", options)
    np.testing.assert_allclose(recording.keypoints[0], keypoints, atol=1e-3)


def test_names_of_vision_say_that_y_points_up_where_bodies_do(tmp_path, keypoints):
    with collect_notes() as notes:
        (recording,) = as_recordings(vision(tmp_path / "up.json", turned(keypoints)), input_options(frame_size=SIZE))
    np.testing.assert_allclose(recording.keypoints[0], keypoints, atol=1e-3)
    assert any("names of Apple's Vision and bodies point up y" in text for text in notes)
    (recording,) = as_recordings(vision(tmp_path / "down.json", keypoints), input_options(frame_size=SIZE))
    np.testing.assert_allclose(recording.keypoints[0], keypoints, atol=1e-3)  # a script has turned them already
    for origin, wanted in (("corner", turned(keypoints)), ("lower-left", keypoints)):  # said, so not decided
        options = input_options(frame_size=SIZE, origin=origin)
        (recording,) = as_recordings(tmp_path / "up.json", options)
        np.testing.assert_allclose(recording.keypoints[0], wanted, atol=1e-3)


def test_bodies_upside_down_name_the_option(keypoints):
    with collect_notes() as notes:
        as_recordings(turned(keypoints))
    assert any("upside down" in text and "origin be lower-left" in text for text in notes)


def test_rows_of_a_corpus_and_3d_are_left_alone(keypoints):
    options = input_options(origin="lower-left", units="m", up_axis="y")
    space = np.dstack((keypoints / 100, np.full(keypoints.shape[:-1], 3.0)))
    (recording,) = as_recordings({"keypoints": space, "space": "world"}, options)
    np.testing.assert_allclose(recording.keypoints[0], space, atol=1e-9)
    (same,) = as_recordings(recording, options)
    assert same is recording
