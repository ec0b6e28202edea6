"""The rate and the size of the picture: what a file states counts, unless the user says that an option wins."""

import json
import pickle

import numpy as np
import pytest
from scipy.io import savemat

from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import ReadOptions, registry

FRAMES = 20
BODY = np.random.default_rng(0).uniform(50, 90, (FRAMES, 17, 2)).round(1)
BVH = (
    "HIERARCHY\nROOT Hips\n{\nOFFSET 0 90 0\nCHANNELS 3 Xposition Yposition Zposition\n"
    + "".join(
        f"JOINT {side}{name}\n{{\nOFFSET {x} {y} 0\nCHANNELS 1 Zrotation\nEnd Site\n{{\nOFFSET 0 -10 0\n}}\n}}\n"
        for side, x in (("Left", 10), ("Right", -10))
        for name, y in (("UpLeg", -5), ("Leg", -45), ("Foot", -85), ("Arm", 50), ("ForeArm", 30), ("Hand", 10))
    )
    + f"}}\nMOTION\nFrames: {FRAMES}\nFrame Time: 0.04\n"
    + ("0 90 0" + " 0" * 12 + "\n") * FRAMES
)


def write_npz(folder):
    np.savez(folder / "a.npz", keypoints=BODY, fps=25.0, layout="coco17")
    return folder / "a.npz", {"fps": 25}


def write_matlab(folder):
    places = np.zeros((FRAMES, 13)) + np.arange(20, 33)
    variables = {
        "x": places,
        "y": places.T[::-1].T,
        "visibility": np.ones((FRAMES, 13)),
        "dimensions": [240, 320, FRAMES],
    }
    savemat(folder / "a.mat", variables)
    return folder / "a.mat", {"frame_size": (320, 240)}


def write_pickle(folder):
    keypoints = BODY[None].astype(np.float32)
    annotation = {"frame_dir": "a", "label": 0, "img_shape": (240, 320), "total_frames": FRAMES, "keypoint": keypoints}
    (folder / "a.pkl").write_bytes(pickle.dumps([annotation]))
    return folder / "a.pkl", {"frame_size": (320, 240)}


def write_table(folder):
    titles = ["frame", "time", *(f"{name}_{axis}" for name in COCO_KEYPOINTS for axis in "xy")]
    rows = [[frame, frame / 25, *BODY[frame].ravel()] for frame in range(FRAMES)]
    (folder / "a.csv").write_text("\n".join(",".join(map(str, row)) for row in [titles, *rows]))
    return folder / "a.csv", {"fps": 25}


def write_json(folder):
    frames = [{"frame": frame, "people": [{"keypoints": BODY[frame].tolist()}]} for frame in range(FRAMES)]
    (folder / "a.json").write_text(json.dumps({"fps": 25, "width": 320, "height": 240, "frames": frames}))
    return folder / "a.json", {"fps": 25, "frame_size": (320, 240)}


def write_mediapipe(folder):
    landmarks = np.random.default_rng(1).uniform(0.2, 0.8, (FRAMES, 33, 2))
    frames = [{"landmarks": [{"x": x, "y": y, "visibility": 1} for x, y in one]} for one in landmarks.tolist()]
    (folder / "a.json").write_text(json.dumps({"fps": 25, "width": 320, "height": 240, "frames": frames}))
    return folder / "a.json", {"fps": 25, "frame_size": (320, 240)}


def write_bvh(folder):
    (folder / "a.bvh").write_text(BVH)
    return folder / "a.bvh", {"fps": 25}


WRITERS = [write_npz, write_matlab, write_pickle, write_table, write_json, write_mediapipe, write_bvh]


@pytest.mark.parametrize("write", WRITERS)
def test_an_option_wins_over_what_a_file_states_only_where_override_names_it(tmp_path, write):
    path, stated = write(tmp_path)
    said = {"fps": 7.0, "frame_size": (99, 77)}
    found = registry.format_of(path)
    for override in ((), ("fps",), ("frame_size",), ("fps", "frame_size")):
        (recording,) = found.read(path, ReadOptions(override=override, **said))
        expected = said | {name: value for name, value in stated.items() if name not in override}
        assert {"fps": recording.fps, "frame_size": tuple(recording.frame_size)} == expected


def test_fractions_are_multiplied_by_the_size_that_counts(tmp_path):
    path, _ = write_mediapipe(tmp_path)
    said = {"frame_size": (3200, 2400)}
    ours, files = (
        next(iter(registry.format_of(path).read(path, ReadOptions(override=override, **said))))
        for override in (("frame_size",), ())
    )
    np.testing.assert_allclose(ours.keypoints, 10 * files.keypoints, rtol=1e-5)
