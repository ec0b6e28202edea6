"""Pickles of AIST++: a dancer in 3D, or in the pictures of nine cameras."""

import pickle

import numpy as np
import pytest

from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.sets.pickle_aist import read_aist

NAME = "gBR_sBM_cAll_d04_mBR0_ch01.pkl"
OPTIONS = ReadOptions(min_track=1)
NUMBERS = np.random.default_rng(0)
SPACE = NUMBERS.normal(0, 30, (20, 17, 3)) + [0, 120, 0]
PICTURES = np.concatenate([NUMBERS.uniform(100, 900, (9, 20, 17, 2)), np.full((9, 20, 17, 1), 0.8)], -1)


def read(folder, content, name=NAME, options=OPTIONS):
    path = folder / name
    path.write_bytes(pickle.dumps(content))
    assert registry.format_of(path).name == "aist"
    return list(read_aist(path, options))


def test_a_dancer_in_metres(tmp_path):
    rough = SPACE + 5
    rough[3, 2] = np.nan
    (recording,) = read(tmp_path, {"keypoints3d": rough, "keypoints3d_optim": SPACE})
    assert (recording.layout, recording.fps, recording.space) == ("coco17", 60, "world")
    assert (recording.label, recording.subject) == ("BR", 4)
    np.testing.assert_allclose(recording.keypoints[0], SPACE / 100, rtol=1e-5)  # what the authors smoothed
    (recording,) = read(tmp_path, {"keypoints3d": rough})
    assert recording.scores[0, 3, 2] == 0 and recording.scores.sum() == 20 * 17 - 1


def test_each_camera_is_a_recording(tmp_path):
    pictures = PICTURES.copy()
    pictures[4] = np.nan  # a camera that was off
    found = read(tmp_path, {"keypoints2d": pictures, "det_scores": np.ones((9, 20)), "timestamps": np.arange(20)})
    assert [one.camera for one in found] == ["c01", "c02", "c03", "c04", "c06", "c07", "c08", "c09"]
    np.testing.assert_allclose(found[4].keypoints[0], PICTURES[5, ..., :2], rtol=1e-6)
    np.testing.assert_allclose(found[4].scores, 0.8, rtol=1e-6)
    assert {one.space for one in found} == {"image"} and {one.fps for one in found} == {60}


def test_other_names_say_nothing(tmp_path):
    (recording,) = read(tmp_path, {"keypoints3d": SPACE}, "dance.pkl")
    assert (recording.label, recording.subject) == ("", -1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"keypoints3d": SPACE[:, :16]},
            r"has keypoints3d float64 \(20, 16, 3\); it must be an array \[frames, 17, 3\]",
        ),
        ({"keypoints3d": [1.0]}, "has keypoints3d list; it must be an array"),
        ({"keypoints2d": PICTURES[0]}, r"has keypoints2d float64 .* \[cameras, frames, 17, 3\]"),
        (["keypoints2d"], "has keypoints2d NoneType"),
    ],
)
def test_other_arrays_are_refused(tmp_path, content, message):
    with pytest.raises(FormatError, match=message):
        read(tmp_path, content)
