"""Tables of markers of Qualisys Track Manager."""

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given

from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.mocap.qualisys import read_qualisys

COCO = {name: joint for joint, name in enumerate(COCO_KEYPOINTS)}
NAMES = ["LSHO", "RSHO", "LELB", "RELB", "LASI", "RASI", "LKNE", "RKNE", "LANK", "RANK", "T10"]
HEIGHTS = [1.4, 1.4, 1.1, 1.1, 0.95, 0.95, 0.5, 0.5, 0.08, 0.08, 1.2]


def markers(frames=12):
    """Metres, z up."""
    x = np.arange(frames)[:, None] * 0.02 + np.linspace(0, 0.2, len(HEIGHTS))
    return np.stack([x, 0 * x + 0.5, np.broadcast_to(HEIGHTS, x.shape)], -1)


def text(points, first=0, header=(), titles=False):
    lines = [f"NO_OF_FRAMES\t{len(points)}", "NO_OF_CAMERAS\t8", f"NO_OF_MARKERS\t{len(NAMES)}", "FREQUENCY\t120"]
    lines += ["NO_OF_ANALOG\t0", "DESCRIPTION\t--", "TIME_STAMP\t2020-01-01, 10:00:00", "DATA_INCLUDED\t3D", *header]
    lines.append("\t".join(["MARKER_NAMES", *NAMES]))
    if titles:
        lines.append("\t".join(["Frame", "Time", *(f"{name} {axis}" for name in NAMES for axis in "XYZ")]))
    for number, row in enumerate(points):
        cells = [str(number + 1), f"{number / 120:.5f}"][:first]
        lines.append("\t".join([*cells, *(f"{value:.3f}" for value in 1000 * row.reshape(-1))]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("first", [0, 1, 2])
def test_markers_become_metres_with_y_up(tmp_path, first):
    points = markers()
    points[4, 8] = 0  # was not seen
    path = tmp_path / "walk.tsv"
    path.write_text(text(points, first, titles=first > 0))
    assert registry.format_of(path).name == "qualisys"
    (recording,) = read_qualisys(path, ReadOptions(min_track=1))
    assert recording.layout == "coco17" and recording.fps == 120 and recording.space == "world"
    ankle = recording.keypoints[0, :, COCO["left_ankle"]]
    np.testing.assert_allclose(ankle[5, [0, 1]], points[5, 8, [0, 2]], atol=1e-6)
    assert (recording.scores[0, :, COCO["left_ankle"]] == 0).nonzero()[0].tolist() == [4]
    assert not recording.scores[0, :, COCO["left_wrist"]].any()


def test_markers_of_qualisys_own_set(tmp_path):
    own = ["LShoulderTop", "RShoulderTop", "LElbowOut", "RElbowOut", "WaistLFront", "WaistRFront", "LKneeOut"]
    own += ["RKneeOut", "LAnkleOut", "RAnkleOut", "SpineTop"]
    content = text(markers(), header=["TRAJECTORY_TYPES\t" + "Measured\t" * 11])
    content = content.replace("\t".join(NAMES), "\t".join(f"x_{name}" for name in own))
    content = content.replace("DESCRIPTION\t--", "DESCRIPTION -- ").replace("\t3D", "").replace("\t120\n", "\n")
    (tmp_path / "walk.tsv").write_text(content)
    (recording,) = read_qualisys(tmp_path / "walk.tsv", ReadOptions(min_track=1))
    assert recording.fps == 0  # neither the rate nor what the numbers are was stated
    hip = recording.keypoints[0, 3, COCO["right_hip"]]
    np.testing.assert_allclose(hip[[0, 1]], markers()[3, 5, [0, 2]], atol=1e-6)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (text(markers(0)), "has 0 frames of 11 markers"),
        (text(markers()).replace("\t3D", "\t6D"), "has DATA_INCLUDED '6D'; it must be 3D"),
        (text(markers()).replace("\t120", "\tfast"), "has FREQUENCY 'fast'; it must be a number from 0"),
        (text(markers()).replace("\tT10", ""), "has 33 numbers a line; 10 markers need 30"),
        (text(markers()) + "1\t2\n", "line 22 has 2 numbers; the first has 33"),
        (text(markers()).replace("1400.000", "high"), "something else is among them"),
    ],
)
def test_files_that_contradict_themselves_are_refused(tmp_path, content, reason):
    path = tmp_path / "walk.tsv"
    path.write_text(content)
    with pytest.raises(FormatError, match=reason):
        list(read_qualisys(path, ReadOptions()))


@fuzz
@given(content=damaged(text(markers(3), 2, titles=True).encode()))
def test_damaged_qualisys(tmp_path, content):
    read_damaged(read_qualisys, tmp_path / "a.tsv", content, ReadOptions(min_track=1))
