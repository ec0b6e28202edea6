"""TRC files as OpenSim, Pose2Sim and Sports2D write them."""

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given

from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.mocap.trc import read_trc

COCO = {name: joint for joint, name in enumerate(COCO_KEYPOINTS)}
NAMES = (  # of Pose2Sim's HALPE_26
    "Hip RHip RKnee RAnkle RBigToe LHip LKnee LAnkle LBigToe Neck Head Nose RShoulder RElbow RWrist LShoulder LElbow "
    "LWrist"
)
HEIGHTS = [0.9, 0.9, 0.5, 0.08, 0.0, 0.9, 0.5, 0.08, 0.0, 1.45, 1.7, 1.6, 1.4, 1.15, 0.9, 1.4, 1.15, 0.9]


def trc_text(points, names=None, units="m", rate=60, blank=()):
    names = names or NAMES.split()
    lines = [
        "PathFileType\t4\t(X/Y/Z)\twalk.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{len(points)}\t{len(names)}\t{units}\t{rate}\t1\t{len(points)}",
        "Frame#\tTime\t" + "\t\t\t".join(names),
        "\t\t" + "\t".join(f"{axis}{k + 1}" for k in range(len(names)) for axis in "XYZ"),
        "",
    ]
    for f, row in enumerate(points):
        cells = ["" if (f, k) in blank else f"{value:.5f}" for k, joint in enumerate(row) for value in joint]
        lines.append("\t".join([str(f + 1), f"{f / rate:.3f}", *cells]))
    return "\n".join(lines) + "\n"


def walk(frames=20):
    x = np.arange(frames)[:, None] * 0.02 + np.linspace(0, 0.3, len(HEIGHTS))
    return np.stack([x, np.broadcast_to(HEIGHTS, x.shape), 0.1 * np.ones_like(x)], -1)


def read(tmp_path, text, **options):
    path = tmp_path / "walk.trc"
    path.write_text(text)
    assert registry.format_of(path).name == "trc"
    (recording,) = read_trc(path, ReadOptions(**options))
    return recording


@pytest.mark.parametrize(("units", "factor"), [("m", 1), ("mm", 1000)])
def test_markers_become_metres(tmp_path, units, factor):
    found = read(tmp_path, trc_text(walk() * factor, units=units, blank={(3, 3)}))
    assert found.layout == "coco17" and found.fps == 60 and found.space == "world"
    np.testing.assert_allclose(found.keypoints[0, 5, COCO["right_ankle"]], walk()[5, 3], atol=1e-5)
    np.testing.assert_allclose(found.keypoints[0, 5, COCO["nose"]], walk()[5, 11], atol=1e-5)
    assert found.scores[0, 3, COCO["right_ankle"]] == 0 and found.scores[0, 4, COCO["right_ankle"]] == 1
    assert not found.scores[0, :, COCO["left_eye"]].any()


def test_z_up_is_turned_and_spaces_separate_too(tmp_path):
    turned = walk()[..., [0, 2, 1]] * [1, -1, 1]
    found = read(tmp_path, trc_text(turned))
    np.testing.assert_allclose(found.keypoints[0, 5, COCO["nose"]], walk()[5, 11], atol=1e-5)
    text = trc_text(walk()).split("\n")
    spaced = "\n".join(text[:5] + [line.replace("\t", "  ") for line in text[5:]])
    np.testing.assert_allclose(read(tmp_path, spaced).keypoints[0, 5, COCO["nose"]], walk()[5, 11], atol=1e-5)


def test_flat_ones_are_pixels(tmp_path):
    pixels = walk() * [200, -200, 0] + [100, 400, 0]
    found = read(tmp_path, trc_text(pixels), frame_size=(640, 480))
    assert found.space == "image" and found.frame_size == (640, 480)
    np.testing.assert_allclose(found.keypoints[0, 5, COCO["nose"]], pixels[5, 11, :2], atol=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (trc_text(walk(), units="furlong"), "has Units 'furlong'; they must be one of m, cm, mm, in, or give units"),
        (trc_text(walk()).replace("Hip", "A").replace("Knee", "B").replace("Ankle", "C").replace("Sho", "D"), "only"),
        (trc_text(walk()).replace("1.60000", "tall"), "rows must be numbers"),
        (trc_text(walk())[:400], "is no TRC file|has 0 frames|cells; 18 markers"),
        (trc_text(walk(), rate=-1), "has DataRate '-1'"),
        (
            trc_text(walk()).replace("0.90000\t0.10000\n", "0.90000\t0.10000\t7\n", 1),
            "has 57 cells; 18 markers need 56",
        ),
    ],
)
def test_wrong_files_are_refused(tmp_path, text, message):
    path = tmp_path / "a.trc"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        list(read_trc(path, ReadOptions()))


@fuzz
@given(content=damaged(trc_text(walk(4)).encode(), is_text=True))
def test_damaged_files(tmp_path, content):
    read_damaged(read_trc, tmp_path / "a.trc", content, ReadOptions())
