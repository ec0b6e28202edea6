"""Files of MATLAB: JHMDB, Penn Action and key-points of one's own, written by SciPy as MATLAB writes them."""

from io import BytesIO

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_bounded
from hypothesis import given
from scipy.io import savemat

from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.arrays.matlab import read_matlab
from motion_data.readers.unrecognised import no_format

OPTIONS = ReadOptions()
NUMBERS = np.random.default_rng(0)
JHMDB = NUMBERS.uniform(20, 200, (2, 15, 40))
PENN = {
    "action": "tennis_serve",
    "pose": "back",
    "x": NUMBERS.integers(20, 200, (46, 13)).astype(np.uint16),
    "y": NUMBERS.integers(20, 200, (46, 13)).astype(np.uint16),
    "visibility": np.ones((46, 13), bool),
    "train": 1,
    "bbox": np.ones((46, 4)),
    "dimensions": [272, 481, 46],
    "nframes": 46,
}


def content(**variables):
    file = BytesIO()
    savemat(file, variables, do_compression=True)
    return file.getvalue()


def write(path, **variables):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(**variables))
    return path


def read(path, options=OPTIONS):
    assert registry.format_of(path).name == "matlab"
    return list(read_matlab(path, options))


@pytest.fixture
def jhmdb(tmp_path):
    """A clip of JHMDB in its folders, and the lists of two splits."""
    path = write(tmp_path / "joint_positions" / "golf" / "Swing_(1)" / "joint_positions.mat", pos_img=JHMDB, scale=1)
    (tmp_path / "splits").mkdir()
    for split, number in (("1", 2), ("2", 1)):
        lines = f"Other.avi {3 - number} \nSwing_(1).avi {number} \n"
        (tmp_path / "splits" / f"golf_test_split{split}.txt").write_text(lines)
    return path


def test_jhmdb(jhmdb):
    (clip,) = read(jhmdb)
    assert (clip.layout, clip.label, clip.split) == ("jhmdb15", "golf", "")
    assert (clip.fps, clip.frame_size, clip.space) == (30, (320, 240), "image")
    np.testing.assert_allclose(clip.keypoints[0], JHMDB.transpose(2, 1, 0) - 1, rtol=1e-6)
    assert (clip.scores == 1).all()


@pytest.mark.parametrize(("split", "expected"), [("1", "test"), ("2", "train")])
def test_jhmdb_states_its_splits(jhmdb, split, expected):
    assert read(jhmdb, ReadOptions(split=split))[0].split == expected


def test_a_split_that_jhmdb_does_not_state_is_refused(jhmdb, tmp_path):
    with pytest.raises(FormatError, match=r"split '3' is that of .*golf_test_split3.txt, which cannot be read"):
        read(jhmdb, ReadOptions(split="3"))
    (tmp_path / "splits" / "golf_test_split3.txt").write_text("Other.avi 1\n")
    with pytest.raises(FormatError, match=r"does not state the split of 'Swing_\(1\)'"):
        read(jhmdb, ReadOptions(split="3"))


def test_jhmdb_under_another_name_has_no_label(tmp_path):
    (clip,) = read(write(tmp_path / "golf" / "swing.mat", pos_img=JHMDB))
    assert clip.label == ""


@pytest.mark.parametrize(("train", "split"), [(1, "train"), (0, "test"), (-1, "test")])
def test_penn_action(tmp_path, train, split):
    visibility = PENN["visibility"].copy()
    visibility[3, 4] = False
    path = write(tmp_path / "0001.mat", **PENN | {"train": train, "visibility": visibility})
    (clip,) = read(path)
    assert (clip.layout, clip.label, clip.split, clip.frame_size) == ("penn13", "tennis_serve", split, (481, 272))
    np.testing.assert_array_equal(clip.scores[0], visibility)
    seen = visibility
    np.testing.assert_array_equal(clip.keypoints[0, ..., 0][seen], PENN["x"][seen] - 1.0)
    np.testing.assert_array_equal(clip.keypoints[0, ..., 1][seen], PENN["y"][seen] - 1.0)


@pytest.mark.parametrize("nowhere", [1.0, 0.75])
def test_joints_at_the_first_pixel_are_missing(tmp_path, nowhere):
    x, y = PENN["x"].astype(float), PENN["y"].astype(float)
    x[5, 6] = y[5, 6] = nowhere
    (clip,) = read(write(tmp_path / "0001.mat", **PENN | {"x": x, "y": y}))
    assert clip.scores[0, 5, 6] == 0 and clip.scores.sum() == 46 * 13 - 1


def test_key_points_of_ones_own(tmp_path):
    keypoints, scores = NUMBERS.uniform(0, 300, (30, 17, 2)), np.ones((30, 17))
    scores[4, 2] = 0
    path = write(tmp_path / "own.mat", keypoints=keypoints, scores=scores, fps=25.0, label="walk", layout="coco17")
    (clip,) = read(path)
    assert (clip.fps, clip.label, clip.layout) == (25, "walk", "coco17")
    assert clip.scores[0, 4, 2] == 0 and clip.scores.sum() == 30 * 17 - 1
    np.testing.assert_allclose(clip.keypoints[0, 0], keypoints[0], rtol=1e-6)


def test_other_variables_are_no_key_points(tmp_path):
    path = write(tmp_path / "puppet_mask.mat", part_mask=np.zeros((240, 320)))
    assert registry.format_of(path) is None
    assert "name its variable keypoints" in no_format(path)
    with pytest.raises(FormatError, match=r"holds part_mask; it must hold pos_img \(JHMDB\)"):
        list(read_matlab(path, OPTIONS))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": np.ones((46, 12))}, r"has y uint16 \(46, 13\); all must be numbers \[frames, 13\]|has x float64"),
        ({"visibility": np.ones((45, 13))}, r"has visibility .*\(45, 13\)"),
        ({"y": "none"}, r"has y <U4 \(1,\)"),
    ],
)
def test_variables_that_contradict_each_other_are_refused(tmp_path, changed, message):
    with pytest.raises(FormatError, match=message):
        read(write(tmp_path / "0001.mat", **PENN | changed))


def test_jhmdb_of_another_shape_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"has pos_img float64 \(2, 14, 40\); it must be numbers \[2, 15, frames\]"):
        read(write(tmp_path / "a.mat", pos_img=JHMDB[:, 1:]))


@fuzz
@given(content=damaged(content(pos_img=JHMDB)))
def test_damaged_matlab(tmp_path, content):
    path = tmp_path / "joint_positions.mat"
    path.write_bytes(content)
    read_bounded(read_matlab, path, OPTIONS)


@fuzz
@given(content=damaged(content(**PENN)))
def test_damaged_penn_action(tmp_path, content):
    path = tmp_path / "0001.mat"
    path.write_bytes(content)
    read_bounded(read_matlab, path, OPTIONS)
