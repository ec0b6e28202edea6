"""Key-points whose fields have other names, or none: found by their form in JSON, pickles, npz and mat, or refused."""

import json
import pickle

import numpy as np
import pytest
from scipy.io import savemat

from motion_data.layouts import COCO_KEYPOINTS
from motion_data.notes import collect_notes
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.unrecognised import no_format

FRAMES, NAMES = 30, list(COCO_KEYPOINTS)
OPTIONS = ReadOptions(min_track=1, layout="coco17")
_RNG = np.random.default_rng(0)
XY = _RNG.uniform(100, 300, (FRAMES, 17, 2)).round(2)
SCORES = _RNG.uniform(0.4, 1, (FRAMES, 17)).round(3)
X, Y = XY[..., 0], XY[..., 1]


def read(path):
    return list(registry.format_of(path).read(path, OPTIONS))


def save(path, content):
    if path.suffix == ".npz":
        np.savez(path, **content)
    elif path.suffix == ".mat":
        savemat(path, content)
    elif path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        path.write_text(json.dumps(content, default=lambda array: array.tolist()))
    return path


def expect(path, scores=None):
    (recording,) = read(path)
    assert recording.keypoints.shape == (1, FRAMES, 17, 2)
    np.testing.assert_allclose(recording.keypoints[0], XY, rtol=1e-6)
    np.testing.assert_allclose(recording.scores[0], np.ones((FRAMES, 17)) if scores is None else scores, rtol=1e-6)


ARRAYS = {
    "axes": ({"x": X, "y": Y}, None),
    "axes and scores": ({"X": X, "Y": Y, "likelihood": SCORES}, SCORES),
    "another name": ({"pose_track": XY, "score": SCORES, "rate": np.array(25)}, SCORES),
    "beside boxes": ({"body": XY, "boxes": np.ones((FRAMES, 4)), "ids": np.arange(FRAMES)}, None),
    "flat, with names": ({"data": XY.reshape(FRAMES, -1), "joints_order": np.array(NAMES)}, None),
}


@pytest.mark.parametrize("suffix", [".npz", ".json", ".pkl"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_whose_names_do_not_say_so(tmp_path, kind, suffix):
    content, scores = ARRAYS[kind]
    with collect_notes() as notes:
        expect(save(tmp_path / f"own{suffix}", content), scores)
    assert sum("by the form of the numbers" in one for one in notes) == 1


def test_arrays_of_matlab(tmp_path):
    expect(save(tmp_path / "own.mat", {"x": X, "y": Y, "conf": SCORES}), SCORES)
    expect(save(tmp_path / "own.mat", {"trajectory": XY, "frames": np.arange(FRAMES)}))


def test_coordinates_in_space(tmp_path):
    path = save(tmp_path / "own.npz", {"x": X / 100, "y": Y / 100, "z": X / 90})
    (recording,) = registry.format_of(path).read(path, ReadOptions(layout="coco17", units="m", up_axis="y"))
    assert recording.keypoints.shape == (1, FRAMES, 17, 3)


@pytest.mark.parametrize("unit", [1, 1000])
@pytest.mark.parametrize("name", ["skeletons", "keypoints"])
def test_a_person_in_space_in_json(tmp_path, name, unit):
    """As the JSON of NW-UCLA that CTR-GCN comes with."""
    body = np.random.default_rng(0).uniform(0, 0.5, (20, 3)) + [0, 0, 2.5]
    body[:, 1] = np.linspace(0, 1.7, 20)
    motion = (body + np.arange(30)[:, None, None] / 100) * unit
    path = save(tmp_path / "a01_s01_e00_v01.json", {"file_name": "a01_s01", name: motion, "label": 1})
    read_options = ReadOptions(layout="kinect20", units={1: "m", 1000: "mm"}[unit], up_axis="y")
    (recording,) = registry.format_of(path).read(path, read_options)
    assert recording.layout == "kinect20" and recording.label == "1"
    np.testing.assert_allclose(recording.keypoints[0], motion / unit, rtol=1e-5)


PEOPLE = {
    "axes": lambda f: {"frame": f, "x": X[f], "y": Y[f], "score": SCORES[f]},
    "axes in key-points": lambda f: {"frame": f, "keypoints": {"x": X[f], "y": Y[f], "score": SCORES[f]}},
    "beside the score of a person": lambda f: {
        "frame": f,
        "keypoints": XY[f],
        "confidence": 0.9,
        "visibility": SCORES[f],
    },
    "points": lambda f: {"frame": f, "points": XY[f], "conf": SCORES[f], "limbs": [[0, 1], [1, 2]]},
    "one type of all joints": lambda f: {
        "frame": f,
        "joints": [{"type": "keypoint", "x": X[f, k], "y": Y[f, k], "score": SCORES[f, k]} for k in range(17)],
    },
    "numbers of joints": lambda f: {
        "frame": f,
        "joints": [
            {"id": k, "type": "keypoint", "pos": {"x": X[f, k], "y": Y[f, k]}, "score": SCORES[f, k]}
            for k in np.roll(range(17), f).tolist()
        ],
    },
}


@pytest.mark.parametrize("kind", PEOPLE)
def test_people_in_json(tmp_path, kind):
    people = [PEOPLE[kind](f) for f in range(FRAMES)]
    expect(save(tmp_path / "own.json", people), SCORES)
    expect(save(tmp_path / "own.json", {"frames": people}), SCORES)


def test_lists_of_arrays_in_pickles(tmp_path):
    expect(save(tmp_path / "own.pkl", list(XY)))
    expect(save(tmp_path / "own.pkl", dict(enumerate(XY))))
    expect(save(tmp_path / "own.pkl", {frame: {0: joints} for frame, joints in enumerate(XY)}))


@pytest.mark.parametrize("keys", [("1", "2"), ("anna", "ben"), ("person_1", "person_2")])
def test_people_by_key_with_all_their_frames(tmp_path, keys):
    for content in (dict(zip(keys, (XY, XY + 200), strict=True)), {keys[0]: XY}):
        (recording,) = read(save(tmp_path / "own.json", content))
        assert recording.keypoints.shape == (len(content), FRAMES, 17, 2)
        np.testing.assert_allclose(recording.keypoints[0], XY, rtol=1e-6)
    (recording,) = read(save(tmp_path / "own.json", {str(f): [XY[f], XY[f] + 200] for f in range(FRAMES)}))
    assert recording.keypoints.shape == (2, FRAMES, 17, 2)  # frames by key, with two people each


def test_people_by_key_in_frames_by_key(tmp_path):
    frames = {str(f): {"person_3": XY[f], "person_5": XY[f] + 200} for f in range(FRAMES)}
    people = {f"track{p}": {str(f): XY[f] + shift for f in range(FRAMES)} for p, shift in ((3, 0), (5, 200))}
    for content in (frames, people):
        (recording,) = read(save(tmp_path / "own.json", content))
        np.testing.assert_allclose(recording.keypoints, [XY, XY + 200], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"1": XY, "2": XY[:-1]}, "people with 29 and 30 frames, and nothing tells which"),
        (
            [{"keypoints": XY}, {"keypoints": XY}],
            "has 2 entries with key-points of all frames each",
        ),
        ({"before": XY, "after": XY[1:]}, "people with 29 and 30 frames"),
        ({"x": X, "y": Y[1:], "keypoint": 1}, "must be|no frame|a number"),
    ],
)
def test_what_may_be_several_things_is_refused(tmp_path, content, reason):
    with pytest.raises(FormatError, match=reason):
        read(save(tmp_path / "own.json", content))


def test_two_arrays_that_may_be_key_points_are_refused(tmp_path):
    with pytest.raises(FormatError, match="holds raw, smooth; it must hold 'keypoints', or a single array"):
        read(save(tmp_path / "own.npz", {"raw": XY, "smooth": XY}))


OTHERS = {
    "means.pkl": {"mean": np.zeros(3), "std": np.ones(3)},
    "matrix.pkl": np.eye(5),
    "weights.pkl": [np.zeros((64, 3, 3)), np.zeros(64)],
    "names.pkl": (["a", "b"], [1, 2]),
    "camera.json": {"K": [[1, 0, 2], [0, 1, 2], [0, 0, 1]], "dist": [0, 0, 0, 0, 0]},
    "config.json": {"model": "tiny", "x": 3, "sizes": [1, 2], "points": 17},
    "boxes.json": {"frames": [{"boxes": [[1, 2, 3, 4]], "labels": ["dog"]}]},
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_other_things_are_of_no_format(tmp_path, name):
    assert registry.format_of(save(tmp_path / name, OTHERS[name])) is None


def test_what_is_said_of_a_pickled_data_frame(tmp_path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "table.pkl"
    pandas.DataFrame({"nose_x": [1.0]}).to_pickle(path)
    assert registry.format_of(path) is None
    assert "it holds what is of pandas; save a table with to_parquet or to_csv" in no_format(path)
