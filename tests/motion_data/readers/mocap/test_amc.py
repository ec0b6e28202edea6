"""Acclaim motion capture: bones of a skeleton turn about axes of their own."""

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_damaged
from hypothesis import given

from motion_data.corpora.sources import find_sources
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.mocap.amc import read_amc

OPTIONS = ReadOptions(min_track=1)
UNIT = 0.45 / 0.0254  # of CMU's files, to a metre
# name, parent, dofs, from its begin to its end in metres (of the left side)
BONES = [
    ("lowerback", "root", "rx ry rz", (0, 0.3, 0)),
    ("thorax", "lowerback", "rx ry rz", (0, 0.25, 0)),
    ("head", "thorax", "rx ry rz", (0, 0.25, 0)),
    ("@hipjoint", "root", "", (0.1, -0.05, 0)),
    ("@femur", "@hipjoint", "rx ry rz", (0, -0.42, 0)),
    ("@tibia", "@femur", "rx", (0, -0.42, 0)),
    ("@foot", "@tibia", "rx rz", (0, -0.05, 0.15)),
    ("@clavicle", "thorax", "ry rz", (0.18, 0, 0)),
    ("@humerus", "@clavicle", "rx ry rz", (0.3, 0, 0)),
    ("@radius", "@humerus", "rx", (0.26, 0, 0)),
    ("@wrist", "@radius", "ry", (0.1, 0, 0)),
]
ALL = [
    (name.replace("@", side), parent.replace("@", side), dofs, np.array(along) * [-1 if side == "r" else 1, 1, 1])
    for name, parent, dofs, along in BONES
    for side in ("lr" if "@" in name else "c")
]


def asf(axis="0 0 0 XYZ", units="length 0.45\n  angle deg"):
    lines = [f"# made by hand\n:version 1.10\n:name VICON\n:units\n  mass 1.0\n  {units}"]
    lines.append(":root\n order TX TY TZ RX RY RZ\n axis XYZ\n position 0 0 0\n orientation 0 0 0\n:bonedata")
    for number, (name, _, dofs, along) in enumerate(ALL, 1):
        length = np.linalg.norm(along)
        direction = " ".join(f"{value:.9f}" for value in along / length)
        lines.append(f" begin\n  id {number}\n  name {name}\n  direction {direction}\n  length {length * UNIT:.9f}")
        lines.append(f"  axis {axis}" + (f"\n  dof {dofs}\n  limits (-160 20)" if dofs else "") + "\n end")
    children = {}
    for name, parent, *_ in ALL:
        children.setdefault(parent, []).append(name)
    lines.append(":hierarchy\n begin\n" + "\n".join(f" {name} {' '.join(own)}" for name, own in children.items()))
    return "\n".join(lines) + "\n end\n"


def amc(turns, frames=3, root=(0, 17.7, 0, 0, 0, 0)):
    """Return a motion in which bones turn by `turns`, name -> degrees of its dofs, in each frame."""
    lines = ["#!OML:ASF", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(1, frames + 1):
        lines += [str(frame), "root " + " ".join(map(str, root))]
        for name, _, dofs, _ in ALL:
            if dofs:
                lines.append(f"{name} " + " ".join(map(str, turns.get(name, [0] * len(dofs.split())))))
    return "\n".join(lines) + "\n"


def read(folder, motion, skeleton=None, name="35"):
    (folder / f"{name}.asf").write_text(asf() if skeleton is None else skeleton)
    path = folder / "35_01.amc"
    path.write_text(motion)
    assert registry.format_of(path).name == "amc"
    (recording,) = read_amc(path, OPTIONS)
    return {joint: recording.keypoints[0, 0, place] for place, joint in enumerate(COCO_KEYPOINTS)}, recording


def test_at_rest_bones_point_as_the_skeleton_says(tmp_path):
    joints, recording = read(tmp_path, amc({}))
    assert (recording.layout, recording.fps, recording.keypoints.shape) == ("coco17", 0, (1, 3, 17, 3))
    up = 17.7 / UNIT
    np.testing.assert_allclose(joints["left_hip"], [0.1, up - 0.05, 0], atol=1e-5)
    np.testing.assert_allclose(joints["right_knee"], [-0.1, up - 0.47, 0], atol=1e-5)
    np.testing.assert_allclose(joints["left_ankle"], [0.1, up - 0.89, 0], atol=1e-5)
    np.testing.assert_allclose(joints["left_wrist"], [0.74, up + 0.55, 0], atol=1e-5)
    assert recording.scores[0, 0, COCO_KEYPOINTS.index("left_ear")] == 0


def test_turns_are_passed_on_along_the_bones(tmp_path):
    rest, _ = read(tmp_path, amc({}))
    bent, _ = read(tmp_path, amc({"lfemur": [-90, 0, 0], "ltibia": [90], "rhumerus": [0, 0, 90]}))
    np.testing.assert_allclose(bent["left_knee"], rest["left_hip"] + [0, 0, 0.42], atol=1e-5)  # forwards
    np.testing.assert_allclose(bent["left_ankle"], bent["left_knee"] + [0, -0.42, 0], atol=1e-5)
    np.testing.assert_allclose(bent["right_elbow"], rest["right_shoulder"] + [0, -0.3, 0], atol=1e-5)
    np.testing.assert_allclose(bent["right_knee"], rest["right_knee"], atol=1e-5)


def test_several_turns_of_a_bone_are_about_x_then_y_then_z(tmp_path):
    rest, _ = read(tmp_path, amc({}))
    bent, _ = read(tmp_path, amc({"lfemur": [90, 90, 0]}))  # the knee back along -z, then to -x
    np.testing.assert_allclose(bent["left_knee"], rest["left_hip"] + [-0.42, 0, 0], atol=1e-5)


def test_bones_turn_in_axes_of_their_own(tmp_path):
    rest, _ = read(tmp_path, amc({}))
    bent, _ = read(tmp_path, amc({"lfemur": [90, 0, 0]}), asf(axis="0 0 90 XYZ"))  # whose x is y of the room
    np.testing.assert_allclose(bent["left_knee"], rest["left_knee"], atol=1e-5)  # the thigh turns about itself
    bent, _ = read(tmp_path, amc({"lfemur": [0, 90, 0]}), asf(axis="0 0 90 XYZ"))  # whose y is -x of the room
    np.testing.assert_allclose(bent["left_knee"], rest["left_hip"] + [0, 0, 0.42], atol=1e-5)


def test_the_root_turns_and_moves_everything(tmp_path):
    rest, _ = read(tmp_path, amc({}))
    moved, _ = read(tmp_path, amc({}, root=(17.7, 17.7, 0, 0, 90, 0)))
    up = 17.7 / UNIT
    x, y, z = (rest["left_wrist"] - [0, up, 0]).tolist()
    np.testing.assert_allclose(moved["left_wrist"], [up + z, up + y, -x], atol=1e-5)


def test_angles_may_be_radians(tmp_path):
    rest, _ = read(tmp_path, amc({}))
    bent, _ = read(tmp_path, amc({"lfemur": [-np.pi / 2, 0, 0]}), asf(units="length 0.45\n  angle rad"))
    np.testing.assert_allclose(bent["left_knee"], rest["left_hip"] + [0, 0, 0.42], atol=1e-5)


def test_which_skeleton_is_taken(tmp_path):
    with pytest.raises(FormatError, match="put its .asf file beside it"):
        path = tmp_path / "35_01.amc"
        path.write_text(amc({}))
        list(read_amc(path, OPTIONS))
    read(tmp_path, amc({}), name="any")  # the only one
    (tmp_path / "36.asf").write_text(asf())
    with pytest.raises(FormatError, match="put its .asf file beside it"):
        list(read_amc(path, OPTIONS))
    read(tmp_path, amc({}), name="35")  # of the subject
    sources, unknown = find_sources([tmp_path])
    assert [source.name for source in sources] == ["35_01.amc"] and unknown == ["36.asf", "any.asf"]
    assert sources[0].size == path.stat().st_size + (tmp_path / "35.asf").stat().st_size


@pytest.mark.parametrize(
    ("motion", "skeleton", "reason"),
    [
        (amc({}).replace("ltibia 0", "ltibia 0 0", 1), None, "has 'ltibia 0 0', which is not of a bone"),
        (amc({}).replace("rtibia 0\n", "", 1), None, "frame 0 lacks 'rtibia'"),
        (":DEGREES\n", None, "has no frames"),
        (amc({}).replace("head 0 0 0", "head 0 x 0", 1), None, "has other than|number"),
        (amc({}), asf().replace("length 0.45", "length 0.45").replace("  name head\n", ""), "without name, direction"),
        (amc({}), asf().replace(" lowerback thorax", " lowerback"), "has a bone 'thorax' that is not in :hierarchy"),
        (amc({}), asf().replace(" thorax head", " thorax skull"), "has 'skull' in :hierarchy, which is no bone"),
        (amc({}), asf(axis="0 0 0 XYX"), "has axes in the order 'xyx'"),
        (amc({}), asf().replace("dof rx\n", "dof rx rx\n", 1), "each once"),
        (amc({}), asf().replace("name thorax", "name head"), "has two bones of one name"),
        (amc({}), ":version 1.1\n", "has 0 bones in :bonedata"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, motion, skeleton, reason):
    with pytest.raises(FormatError, match=reason):
        read(tmp_path, motion, skeleton)


@fuzz
@given(content=damaged(amc({}).encode(), is_text=True))
def test_damaged_motions(tmp_path, content):
    (tmp_path / "35.asf").write_text(asf())
    read_damaged(read_amc, tmp_path / "35_01.amc", content, OPTIONS)


@fuzz
@given(content=damaged(asf().encode(), is_text=True))
def test_damaged_skeletons(tmp_path, content):
    (tmp_path / "35.asf").write_bytes(content)
    read_damaged(read_amc, tmp_path / "35_01.amc", amc({}).encode(), OPTIONS)
