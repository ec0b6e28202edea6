"""Sequences of 3DPW, which Python 2 pickled."""

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given
from python2_pickles import dumps

from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.sets.pickle_3dpw import read_3dpw

OPTIONS = ReadOptions(min_track=1)
FRAMES = 20


def sequence(actors=2, frames=FRAMES, upright=False, **others):
    generator = np.random.default_rng(0)
    seen = [generator.uniform(100, 900, (frames, 3, 18)) for _ in range(actors)]
    for actor in seen:
        actor[:, 2] = generator.uniform(0.3, 1, (frames, 18))
        actor[3] = 0  # hardly seen
    centre = (540.0, 960.0) if upright else (960.0, 540.0)
    camera = np.array([[1960.0, 0, centre[0]], [0, 1960, centre[1]], [0, 0, 1]])
    return {
        "v_template_clothed": [np.zeros((800, 3))],  # names come late
        "sequence": "downtown_cafe_00",
        "campose_valid": [np.ones(frames, bool)] * actors,
        "cam_intrinsics": camera,
        "poses2d": seen,
        **others,
    }


def save(folder, content, split="train"):
    (folder / split).mkdir(exist_ok=True)
    path = folder / split / "downtown_cafe_00.pkl"
    path.write_bytes(dumps(content))
    return path


@pytest.mark.parametrize(("upright", "size"), [(False, (1920, 1080)), (True, (1080, 1920))])
def test_actors_as_openpose_saw_them(tmp_path, upright, size):
    content = sequence(upright=upright)
    path = save(tmp_path, content)
    assert registry.format_of(path).name == "3dpw"
    (recording,) = read_3dpw(path, OPTIONS)
    assert (recording.layout, recording.fps, recording.frame_size) == ("openpose18", 30, size)
    assert (recording.split, recording.track_ids) == ("train", [0, 1])
    expected = np.stack(content["poses2d"]).swapaxes(2, 3)
    seen = recording.scores > 0
    assert not seen[:, 3].any() and seen.sum() == 2 * (FRAMES - 1) * 18
    np.testing.assert_allclose(recording.keypoints[seen], expected[seen][:, :2], rtol=1e-6)
    np.testing.assert_allclose(recording.scores[seen], expected[seen][:, 2], rtol=1e-6)


def test_other_folders_are_no_split_and_cameras_may_be_missing(tmp_path):
    (recording,) = read_3dpw(save(tmp_path, sequence(1, cam_intrinsics=None), "mine"), OPTIONS)
    assert recording.split == "" and recording.frame_size == (0, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"poses2d": []}, "has a list for poses2d; it must be a list, one for each actor"),
        ({"poses2d": 3}, "has a int for poses2d"),
        ({"poses2d": [np.zeros((5, 3, 17))]}, r"shapes \[\(5, 3, 17\)\]; all must be \[frames, 3, 18\]"),
        ({"poses2d": [np.zeros((5, 3, 18)), np.zeros((6, 3, 18))]}, "all must be"),
        ({"poses2d": [[1, 2]]}, r"shapes \['list'\]"),
    ],
)
def test_sequences_that_are_none_are_refused(tmp_path, change, reason):
    with pytest.raises(FormatError, match=reason):
        list(read_3dpw(save(tmp_path, sequence(**change)), OPTIONS))


@fuzz
@given(content=damaged(dumps(sequence(1, 5))))
def test_damaged_sequences(tmp_path, content):
    read_damaged(read_3dpw, tmp_path / "a.pkl", content, OPTIONS)
