import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damaged_files import damaged, fuzz, read_bounded
from hypothesis import given

from motion_data.body_scale import metres_per_unit
from motion_data.layouts import COCO_KEYPOINTS, get_layout
from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.joint_names import MIN_JOINTS, map_joints, map_markers
from motion_data.readers.mocap.bvh import read_bvh
from motion_data.readers.mocap.c3d import read_c3d
from motion_data.readers.mocap.kinematics import rotation
from motion_data.readers.sets.ntu_skeleton import read_ntu

COCO = {name: joint for joint, name in enumerate(COCO_KEYPOINTS)}
OPTIONS = ReadOptions()


def joint(recording, name, frame=0, person=0):
    return recording.keypoints[person, frame, COCO[name]]


def seen(recording):
    return {name for name, k in COCO.items() if recording.scores[..., k].any()}


def refused(read, path, match, options=OPTIONS):
    with pytest.raises(FormatError, match=match):
        list(read(path, options))


# Joint names


@pytest.mark.parametrize(
    "names",
    [
        "Hips Spine Neck Head LeftShoulder LeftArm LeftForeArm LeftHand LeftUpLeg LeftLeg LeftFoot LeftToeBase",
        "Hips Chest Neck Head LeftCollar LeftShoulder LeftElbow LeftWrist LeftHip LeftKnee LeftAnkle LeftToe",
        "mixamorig:Hips mixamorig:Spine mixamorig:Neck mixamorig:Head mixamorig:LeftShoulder mixamorig:LeftArm "
        "mixamorig:LeftForeArm mixamorig:LeftHand mixamorig:LeftUpLeg mixamorig:LeftLeg mixamorig:LeftFoot x:LeftToe",
        "root lowerback upperneck head lclavicle lhumerus lradius lwrist lfemur ltibia lfoot ltoes",
        "pelvis spine_01 neck_01 head clavicle_l upperarm_l lowerarm_l hand_l thigh_l calf_l foot_l ball_l",
        "Hips spine.001 neck Head shoulder.L upper_arm.L forearm.L hand.L thigh.L shin.L foot.L toe.L",
        "joint_Root Chest Neck Head Shoulder_L UpperArm_L LowerArm_L Hand_L UpperLeg_L LowerLeg_L Foot_L Toes_L",
        "Bip01_Pelvis Bip01_Spine Bip01_Neck Bip01_Head Bip01_L_Clavicle Bip01_L_UpperArm Bip01_L_Forearm "
        "Bip01_L_Hand Bip01_L_Thigh Bip01_L_Calf Bip01_L_Foot Bip01_L_Toe0",
    ],
)
def test_joints_by_the_names_of_many_producers(names):
    names = names.split()
    joint_map = map_joints(Path("x"), names)
    assert joint_map.layout == "coco17"
    expected = ["nose", "left_shoulder", "left_elbow", "left_wrist", "left_hip", "left_knee", "left_ankle"]
    places = [3, 5, 6, 7, 8, 9, 10]
    sources = {name: joint_map.sources[COCO[name]] for name in COCO if joint_map.sources[COCO[name]][0] >= 0}
    assert sources == {name: (place, place) for name, place in zip(expected, places, strict=True)}


def test_collar_bones_hip_joints_and_hands_are_not_taken_for_joints():
    names = "LHipJoint LeftUpLeg LeftLeg LeftFoot LeftShoulder LeftHand LeftHandIndex1 LeftHandThumb LeftArm ik_hand_l"
    joint_map = map_joints(Path("x"), [*names.split(), "LeftForeArm", "RightUpLeg"])
    found = {name: joint_map.sources[COCO[name]][0] for name in COCO}
    assert found["left_hip"] == 1 and found["left_shoulder"] == 8 and found["left_wrist"] == 5


def test_names_may_say_that_they_are_of_joints():
    """As Apple's Vision has them, whose leg starts at the knee, and as robots have them."""
    vision = "head_joint left_shoulder_1_joint left_forearm_joint left_hand_joint left_upLeg_joint left_leg_joint"
    robot = "head_kp LeftShoulderJnt left_elbow_joint left_wrist_keypoint l_hip_joint LKneeJoint left_ankle_joint"
    for names in (f"root neck_1_joint {vision} left_foot_joint".split(), f"base_joint neck_joint {robot}".split()):
        joint_map = map_joints(Path("x"), names)
        found = {name: joint_map.sources[COCO[name]][0] for name in COCO if joint_map.sources[COCO[name]][0] >= 0}
        joints = "nose left_shoulder left_elbow left_wrist left_hip left_knee left_ankle".split()
        assert found == dict(zip(joints, range(2, 9), strict=True))


def test_exact_layouts_and_given_layouts_keep_every_joint():
    names = get_layout("bandai18").joints
    joint_map = map_joints(Path("x"), names)
    assert joint_map.layout == "bandai18" and joint_map.points == list(range(18))
    assert map_joints(Path("x"), [""] * 25, ReadOptions(layout="ntu25")).layout == "ntu25"
    for names, layout, match in (
        (["a"] * 25, "coco17", "25 joints, but layout 'coco17' has 17"),
        (["a"], "nothing", "layout 'nothing' is unknown"),
        (["LeftArm", "Head"], None, f"only 2 of the joints .* {'LeftArm, Head'}"),
    ):
        with pytest.raises(FormatError, match=match):
            map_joints(Path("x"), names, ReadOptions(layout=layout))
    assert MIN_JOINTS == 6


def test_markers_stand_for_joints_and_pairs_for_the_point_between():
    labels = "LFHD RFHD LSHO RSHO LELB LWRA LWRB RASI RHJC LKNE RIWR ROWR".split()
    joint_map = map_markers(labels)
    points = np.arange(12.0)[:, None] * np.ones(3)
    joints = joint_map(points)
    expected = {"nose": 0.5, "left_shoulder": 2, "right_shoulder": 3, "left_elbow": 4, "left_wrist": 5.5}
    expected |= {"right_hip": 8, "left_knee": 9, "right_wrist": 10.5}
    for name, k in COCO.items():
        np.testing.assert_array_equal(joints[k], [expected.get(name, np.nan)] * 3)
    points[6] = np.nan
    assert np.isnan(joint_map(points)[COCO["left_wrist"]]).all()
    assert map_markers(labels[:4]) is None


def present(keypoints):
    return np.isfinite(keypoints).all(-1)


@pytest.mark.parametrize("unit", [1.0, 0.01, 0.001, 0.0254, 0.0254 / 0.45])
@pytest.mark.parametrize("height", [1.35, 1.7, 1.95])
def test_units_follow_from_the_length_of_legs_and_else_of_arms(unit, height):
    keypoints = np.full((2, 17, 3), np.nan)
    keypoints[0, [COCO["left_hip"], COCO["left_knee"], COCO["left_ankle"]]] = [[0, 0, 0], [0, 0.245, 0], [0, 0.49, 0]]
    assert metres_per_unit(keypoints * height / unit, present(keypoints), "coco17") == unit
    arms = np.full((2, 17, 3), np.nan)
    arms[1, [COCO[f"right_{name}"] for name in ("shoulder", "elbow", "wrist")]] = [
        [0, 0, 0],
        [0.19, 0, 0],
        [0.33, 0, 0],
    ]
    assert metres_per_unit(arms * height / unit, present(arms), "coco17") == unit
    assert metres_per_unit(np.zeros((2, 17, 3)), np.zeros((2, 17)), "coco17") is None


def test_rotations_turn_about_axes_that_turn_along():
    quarter = np.full(2, np.pi / 2)
    np.testing.assert_allclose(rotation("zx", quarter) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation("xz", quarter) @ [0, 1, 0], [-1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rotation("y", quarter[:1]) @ [1, 0, 0], [0, 0, -1], atol=1e-12)
    np.testing.assert_array_equal(rotation("", np.zeros((4, 0))), np.tile(np.eye(3), (4, 1, 1)))


# BVH

ARM_ORDER = "Zrotation Xrotation Yrotation"
SKELETON = [  # name, parent, offset in centimetres
    ("Hips", None, (0, 0, 0)),
    ("Spine", "Hips", (0, 50, 0)),
    ("Head", "Spine", (0, 12, 0)),
    *((f"{side}UpLeg", "Hips", (sign * 10, 0, 0)) for side, sign in (("Left", 1), ("Right", -1))),
    *((f"{side}Leg", f"{side}UpLeg", (0, -42, 0)) for side in ("Left", "Right")),
    *((f"{side}Foot", f"{side}Leg", (0, -41, 0)) for side in ("Left", "Right")),
    *((f"{side}Arm", "Spine", (sign * 18, 0, 0)) for side, sign in (("Left", 1), ("Right", -1))),
    *((f"{side}ForeArm", f"{side}Arm", (0, 25, 0)) for side in ("Left", "Right")),
    *((f"{side}Hand", f"{side}ForeArm", (0, 24, 0)) for side in ("Left", "Right")),
]


def bvh_text(frames=({},), frame_time="0.0333333", arm_order=ARM_ORDER, unit=1.0, count=None):
    """Write frames of {joint: values of its channels}, others 0, as BVH; the hips stand 90 above the ground."""
    lines, order = ["HIERARCHY"], []

    def write(name, depth):
        order.append(name)
        tabs = "\t" * depth
        offset = next(offset for joint, _, offset in SKELETON if joint == name)
        lines.append(f"{tabs}{'JOINT' if depth else 'ROOT'} {name}")
        lines.append(tabs + "{")
        lines.append(f"{tabs}\tOFFSET " + " ".join(f"{unit * value:.6f}" for value in offset))
        channels = arm_order if "Arm" in name else ARM_ORDER
        if not depth:
            channels = "Xposition Yposition Zposition " + channels
        lines.append(f"{tabs}\tCHANNELS {len(channels.split())} {channels}")
        children = [joint for joint, parent, _ in SKELETON if parent == name]
        for child in children:
            write(child, depth + 1)
        if not children:
            lines.extend([f"{tabs}\tEnd Site", tabs + "\t{", f"{tabs}\t\tOFFSET 0 5 0", tabs + "\t}"])
        lines.append(tabs + "}")

    write("Hips", 0)
    lines += ["MOTION", f"Frames: {len(frames) if count is None else count}", f"Frame Time: {frame_time}"]
    for frame in frames:
        rest = {"Hips": (0, 90 * unit, 0, 0, 0, 0)}
        lines.append(" ".join(f"{value:g}" for name in order for value in ({**rest, **frame}.get(name, (0, 0, 0)))))
    return "\n".join(lines) + "\n"


def write_bvh(folder, *args, **kwargs):
    path = folder / "take.bvh"
    path.write_text(bvh_text(*args, **kwargs))
    return path


def test_bvh_joints_are_where_the_rotations_put_them(tmp_path):
    frames = [{}, {"Hips": (0, 90, 0, 0, 0, 90), "LeftUpLeg": (0, 90, 0), "LeftArm": (90, 90, 0)}]
    path = write_bvh(tmp_path, frames)
    assert registry.format_of(path).name == "bvh"
    (recording,) = read_bvh(path, OPTIONS)
    assert (recording.layout, recording.fps, recording.name) == ("coco17", 30, "")
    assert recording.keypoints.shape == (1, 2, 17, 3) and recording.keypoints.dtype == np.float32
    assert seen(recording) == set(COCO) - {"left_eye", "right_eye", "left_ear", "right_ear"}
    standing = {"nose": (0, 1.52, 0), "left_hip": (0.1, 0.9, 0), "right_ankle": (-0.1, 0.07, 0)}
    standing |= {"left_shoulder": (0.18, 1.4, 0), "left_wrist": (0.18, 1.89, 0)}
    # Turning all by 90 degrees about y puts x on -z and z on x; before, the thigh points to -z, the forearm to z.
    moved = {"left_hip": (0, 0.9, -0.1), "left_knee": (-0.42, 0.9, -0.1), "left_ankle": (-0.83, 0.9, -0.1)}
    moved |= {"left_elbow": (0.25, 1.4, -0.18), "left_wrist": (0.49, 1.4, -0.18), "right_knee": (0, 0.48, 0.1)}
    for frame, expected in enumerate((standing, moved)):
        for name, place in expected.items():
            np.testing.assert_allclose(joint(recording, name, frame), place, atol=1e-6, err_msg=name)


def test_bvh_channels_are_applied_in_their_order(tmp_path):
    arm = {"LeftArm": (90, 90, 0)}
    (recording,) = read_bvh(write_bvh(tmp_path, [arm], arm_order="Xrotation Zrotation Yrotation"), OPTIONS)
    np.testing.assert_allclose(joint(recording, "left_elbow"), (-0.07, 1.4, 0), atol=1e-6)  # Rx Rz puts y on -x


@pytest.mark.parametrize("unit", [0.01, 1.0, 10.0, 1 / 2.54])
def test_bvh_units_become_metres(tmp_path, unit):
    (recording,) = read_bvh(write_bvh(tmp_path, unit=unit), OPTIONS)
    np.testing.assert_allclose(joint(recording, "nose"), (0, 1.52, 0), atol=1e-4)


def test_bvh_positions_of_inner_joints_replace_offsets(tmp_path):
    text = bvh_text().replace(
        "OFFSET -10.000000 0.000000 0.000000\n\t\tCHANNELS 3", "OFFSET 1 2 3\n\t\tCHANNELS 4 Xposition"
    )
    head, _, frame = text.rstrip().rpartition("\n")
    values = frame.split()
    place = 6 + 3 * bvh_order().index("RightUpLeg") - 3
    path = tmp_path / "take.bvh"
    path.write_text(head + "\n" + " ".join([*values[:place], "-30", *values[place:]]) + "\n")
    (recording,) = read_bvh(path, OPTIONS)
    np.testing.assert_allclose(joint(recording, "right_hip"), (-0.3, 0.92, 0.03), atol=1e-6)


def bvh_order():
    return [line.split()[1] for line in bvh_text().splitlines() if line.split()[0] in ("ROOT", "JOINT")]


def test_long_recordings_are_cut_and_joints_that_are_not_finite_are_missing(tmp_path):
    frames = [{"Hips": (step, 90, 0, 0, 0, 0)} for step in range(25)]
    frames[3] = {"LeftArm": (float("nan"), 0, 0)}
    frames[12] = frames[13] = {"Hips": (float("inf"), 90, 0, 0, 0, 0)}
    recordings = list(read_bvh(write_bvh(tmp_path, frames), ReadOptions(max_frames=12)))
    assert [recording.segment for recording in recordings] == ["000000", "000012", "000024"]
    assert [recording.first_frame for recording in recordings] == [0, 12, 24]
    assert [recording.keypoints.shape[1] for recording in recordings] == [12, 12, 1]
    missing = {name for name, k in COCO.items() if not recordings[0].scores[0, 3, k]}
    assert missing == {"left_eye", "right_eye", "left_ear", "right_ear", "left_elbow", "left_wrist"}
    assert not recordings[0].keypoints[0, 3, COCO["left_wrist"]].any()
    assert not recordings[1].scores[0, :2].any() and recordings[1].scores[0, 2:].any(1).all()


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("HIERARCHY", "HIERARCH", "does not start with HIERARCHY"),
        ("Frames: 1", "Frames: 0", "0 frames of 48 channels"),
        ("Frames: 1", "Frames: 999999999999", "must be 47999999999952 numbers; there are 48"),
        ("Frames: 1", "Frames: two", "no MOTION"),
        ("0.0333333", "0", "frame time of 0.0"),
        ("0.0333333", "nan", "frame time must be finite"),
        ("Zrotation", "Wrotation", "channel 'Wrotation'"),
        ("CHANNELS 3", "CHANNELS 4", "CHANNELS '4 Z"),
        ("OFFSET 0.000000 50.000000", "OFFSET inf 50", "OFFSET must be finite"),
        ("OFFSET 0.000000 50.000000 0.000000", "", "joint 'Spine' has no OFFSET"),
        ("MOTION", "}\nMOTION", "where it cannot be"),
        ("\tJOINT Spine", "\tJOINT Spine\n{", "where a keyword must be|where it cannot be|OFFSET|not closed"),
        (" 90 0", " x 0", "something else is among them"),
    ],
)
def test_bvh_that_contradict_themselves_are_refused(tmp_path, old, new, match):
    path = tmp_path / "take.bvh"
    text = bvh_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    refused(read_bvh, path, match)


def test_files_without_text_are_refused(tmp_path):
    path = tmp_path / "take.bvh"
    for content, match in ((b"", "0 bytes"), (b"\xff\xfe\0", "no UTF-8"), (b"HIER\0", "zero bytes")):
        path.write_bytes(content)
        refused(read_bvh, path, match)
    refused(read_bvh, tmp_path / "none.bvh", "No such file")
    path.write_text(bvh_text())
    other = ReadOptions(layout="ntu25", override=("layout",))
    refused(read_bvh, path, "layout 'ntu25' has 25", other)


def test_bvh_with_many_joints_that_never_move_is_refused(tmp_path):
    joints = "JOINT x {\nOFFSET 0 0 0\nCHANNELS 0\n" * 2000 + "}" * 2000
    text = f"HIERARCHY\nROOT r\n{{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n{joints}}}\nMOTION\nFrames: 9\nFrame Time: 1\n"
    path = tmp_path / "take.bvh"
    path.write_text(text + "0\n" * 9)
    refused(read_bvh, path, "2001 joints")


BVH = bvh_text([{"LeftArm": (10, 20, 30)}] * 3).encode()


@fuzz
@given(content=damaged(BVH, is_text=True))
def test_damaged_bvh(tmp_path, content):
    path = tmp_path / "take.bvh"
    path.write_bytes(content)
    read_bounded(read_bvh, path, OPTIONS)


# C3D

LABELS = "LFHD RFHD LSHO RSHO LELB LWRA LWRB RASI LASI LKNE".split()
INTEL, DEC, MIPS = 84, 85, 86  # ezc3d refuses the last


class Writer:
    """Writes C3D files byte by byte, as the kinds of machines do."""

    def __init__(self, processor):
        self.processor = processor
        self.order = ">" if processor == MIPS else "<"

    def integers(self, *values):
        return struct.pack(f"{self.order}{len(values)}h", *values)

    def floats(self, *values):
        if self.processor != DEC:
            return struct.pack(f"{self.order}{len(values)}f", *values)
        raw = np.array(values, "<f4")
        return (raw * np.float32(4)).view("<u2").reshape(-1, 2)[:, ::-1].tobytes()

    def parameter(self, group, name, kind, shape, data):
        body = struct.pack("bB", kind, len(shape)) + bytes(shape) + data + b"\0"
        return struct.pack("bb", len(name), group) + name.encode() + self.integers(2 + len(body)) + body

    def text(self, group, name, words):
        width = max(map(len, words))
        data = "".join(word.ljust(width) for word in words).encode()
        return self.parameter(group, name, -1, (width, len(words)), data)

    def group(self, number, name):
        return struct.pack("bb", len(name), -number) + name.encode() + self.integers(3) + b"\0"

    def file(self, points, scale=-1.0, labels=LABELS, units="mm", screen=None, analog=2, frames=None, extra=b""):
        """`points` [F, P, 4]: x, y, z, residual."""
        num_frames, num_points = points.shape[:2]
        parameters = self.group(1, "POINT") + self.parameter(1, "USED", 2, (), self.integers(num_points))
        parameters += self.parameter(1, "RATE", 4, (), self.floats(120)) + self.text(1, "LABELS", labels)
        parameters += self.text(1, "UNITS", [units]) if units else b""
        for name, axis in zip(("X_SCREEN", "Y_SCREEN"), screen or (), strict=False):
            parameters += self.text(1, name, [axis])
        parameters += self.parameter(1, "SCALE", 4, (), self.floats(scale))
        if analog:
            parameters += self.group(3, "ANALOG") + self.parameter(3, "USED", 2, (), self.integers(analog))
            parameters += self.parameter(3, "RATE", 4, (), self.floats(120))
            parameters += self.parameter(3, "SCALE", 4, (analog,), self.floats(*[1.0] * analog))
            parameters += self.parameter(3, "OFFSET", 2, (analog,), self.integers(*[0] * analog))
            parameters += self.parameter(3, "GEN_SCALE", 4, (), self.floats(1.0))
        parameters += extra + b"\0\0"
        blocks = -(-(len(parameters) + 4) // 512)
        parameters = (bytes([1, 80, blocks, self.processor]) + parameters).ljust(512 * blocks, b"\0")
        frames = num_frames if frames is None else frames
        header = b"\x02\x50" + self.integers(num_points, analog, 1, frames, 10) + self.floats(scale)
        header += self.integers(2 + blocks, 1) + self.floats(100)
        rows = []
        for frame in points:
            if scale > 0:
                rows.append(self.integers(*(frame / [scale, scale, scale, 1]).round().astype(int).reshape(-1)))
                rows.append(self.integers(*[7] * analog))
            else:
                rows.append(self.floats(*frame.reshape(-1)) + self.floats(*[7.0] * analog))
        return header.ljust(512, b"\0") + parameters + b"".join(rows)


def marker_points(num_frames=3):
    places = np.arange(num_frames * len(LABELS) * 3).reshape(num_frames, len(LABELS), 3) * 4.0 + 100
    points = np.concatenate([places, np.zeros((num_frames, len(LABELS), 1))], -1)
    points[1, LABELS.index("LSHO")] = 0, 0, 0, -1
    points[2, LABELS.index("LELB")] = 0
    return points


def write_c3d(folder, processor=INTEL, points=None, **kwargs):
    path = folder / "walk.c3d"
    path.write_bytes(Writer(processor).file(marker_points() if points is None else points, **kwargs))
    return path


@pytest.mark.parametrize("processor", [INTEL, DEC])
@pytest.mark.parametrize("scale", [-0.5, 0.5])
def test_c3d_markers_in_metres_with_y_up(tmp_path, processor, scale):
    path = write_c3d(tmp_path, processor, scale=scale)
    assert registry.format_of(path).name == "c3d"
    (recording,) = read_c3d(path, OPTIONS)
    assert (recording.layout, recording.fps, recording.keypoints.shape) == ("coco17", 120, (1, 3, 17, 3))
    points = marker_points()[..., :3] / 1000
    up = np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)
    place = LABELS.index
    np.testing.assert_allclose(joint(recording, "nose"), up[0, :2].mean(0), atol=1e-6)
    np.testing.assert_allclose(joint(recording, "left_wrist", 2), up[2, 5:7].mean(0), atol=1e-6)
    np.testing.assert_allclose(joint(recording, "left_hip", 1), up[1, place("LASI")], atol=1e-6)
    assert recording.scores[0, :, COCO["left_shoulder"]].tolist() == [1, 0, 1]
    assert recording.scores[0, :, COCO["left_elbow"]].tolist() == [1, 1, 0]
    expected = {"nose", "left_shoulder", "right_shoulder", "left_elbow", "left_wrist", "right_hip", "left_hip"}
    assert seen(recording) == {*expected, "left_knee"}


@pytest.mark.parametrize(
    ("screen", "turned"),
    [
        (("+X", "+Y"), (1, 2, 3)),
        (("+Y", "+Z"), (2, 3, 1)),
        (("-X", "+Z"), (-1, 3, 2)),
        (("+X", "-X"), (1, 3, -2)),
        (("left", "up"), (1, 3, -2)),
    ],
)
def test_c3d_axes_are_those_of_the_screen(tmp_path, screen, turned):
    points = np.tile([1.0, 2, 3, 0], (1, len(LABELS), 1))
    (recording,) = read_c3d(write_c3d(tmp_path, points=points, screen=screen, units="m"), OPTIONS)
    np.testing.assert_allclose(joint(recording, "left_hip"), turned, atol=1e-6)


def test_c3d_of_machines_that_ezc3d_does_not_know_is_refused(tmp_path):
    refused(read_c3d, write_c3d(tmp_path, MIPS), "MIPS processor type not supported")


def test_c3d_whose_data_start_is_in_the_header_alone(tmp_path):
    start = Writer(INTEL)
    with_zero = start.parameter(1, "DATA_START", 2, (), start.integers(0))
    (recording,) = read_c3d(write_c3d(tmp_path, extra=with_zero), OPTIONS)
    (expected,) = read_c3d(write_c3d(tmp_path), OPTIONS)
    np.testing.assert_array_equal(recording.keypoints, expected.keypoints)


def test_c3d_units(tmp_path):
    points = np.tile([100.0, 0, 0, 0], (1, len(LABELS), 1))
    for units, metres in (("cm", 1), ("MM", 0.1), ("m", 100)):
        (recording,) = read_c3d(write_c3d(tmp_path, points=points, units=units), OPTIONS)
        np.testing.assert_allclose(joint(recording, "left_hip"), (metres, 0, 0), rtol=1e-6)
    refused(read_c3d, write_c3d(tmp_path, units="furlong"), "unit 'furlong'; it must be one of .*, or give units")
    said = ReadOptions(units="cm", min_track=1)
    for units, options, metres in (
        ("furlong", said, 1),
        ("mm", said, 0.1),  # what the file states counts
        ("mm", replace(said, override=("units",)), 1),
    ):
        (recording,) = read_c3d(write_c3d(tmp_path, points=points, units=units), options)
        np.testing.assert_allclose(joint(recording, "left_hip"), (metres, 0, 0), rtol=1e-6)
    points[:, LABELS.index("LSHO"), 2], points[:, LABELS.index("LELB"), 2] = 58, 30
    (recording,) = read_c3d(write_c3d(tmp_path, points=points, units=""), OPTIONS)
    np.testing.assert_allclose(joint(recording, "left_hip"), (1, 0, 0), rtol=1e-6)


def test_c3d_subjects_are_people(tmp_path):
    labels = [f"{name}:{label}" for name in ("Anna", "Ben") for label in LABELS] + ["*21"]
    points = np.random.default_rng(0).uniform(1, 9, (2, len(labels), 4))
    (recording,) = read_c3d(write_c3d(tmp_path, points=points, labels=labels, units="m"), OPTIONS)
    assert recording.keypoints.shape == (2, 2, 17, 3) and recording.track_ids == [0, 1]
    x, y, z = points[1, len(LABELS) + LABELS.index("LKNE"), :3]
    np.testing.assert_allclose(joint(recording, "left_knee", 1, 1), (x, z, -y), rtol=1e-6)


def test_c3d_names_of_joints_and_given_layouts(tmp_path):
    names = "Head LeftShoulder LeftElbow LeftWrist LeftHip LeftKnee LeftAnkle".split()
    points = np.ones((1, len(names), 4))
    (recording,) = read_c3d(write_c3d(tmp_path, points=points, labels=names), OPTIONS)
    assert {"nose", "left_hip", "left_wrist"} < seen(recording)
    refused(read_c3d, write_c3d(tmp_path, points=points, labels=["A"]), "only 0 of the joints")
    path = write_c3d(tmp_path, points=np.ones((1, 15, 4)), labels=["A"])
    assert next(read_c3d(path, ReadOptions(layout="mocap15"))).layout == "mocap15"


def test_c3d_frames_beyond_16_bits_are_counted_by_the_trial(tmp_path):
    num_frames = 70_000
    points = np.ones((num_frames, len(LABELS), 4), np.float32)
    writer = Writer(INTEL)
    trial = writer.group(2, "TRIAL") + writer.parameter(2, "ACTUAL_START_FIELD", 2, (2,), writer.integers(1, 0))
    trial += writer.parameter(2, "ACTUAL_END_FIELD", 2, (2,), writer.integers(num_frames - 65536, 1))
    path = tmp_path / "long.c3d"
    content = writer.file(points[:1], extra=trial, frames=-1, analog=0)
    path.write_bytes(content + points[1:].tobytes())
    recordings = list(read_c3d(path, ReadOptions(max_frames=30_000)))
    assert [recording.keypoints.shape[1] for recording in recordings] == [30_000, 30_000, 10_000]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda content: content[:-40], "cut off|is damaged"),
        (lambda content: content[:400], "is damaged"),
        (lambda content: b"", "is no C3D file"),
        (lambda content: content[:2] + b"\xff\xff" + content[4:], "is damaged|cut off"),
        (lambda content: content[:8] + b"\xfe\xff" + content[10:], "is damaged|cut off"),
        (lambda content: content[:8] + b"\0\0" + content[10:], "is damaged|cut off|has 0 frames"),
        (lambda content: b"\x09" + content[1:], "is damaged"),
        (
            lambda content: content.replace(b"LABELS", b"LABELS", 1).replace(
                b"\xff\x02\x04\x0a", b"\xff\x02\xff\xff", 1
            ),
            "is damaged|cut off",
        ),
    ],
)
def test_c3d_counts_beyond_the_file_are_refused(tmp_path, change, match):
    path = tmp_path / "walk.c3d"
    path.write_bytes(change(Writer(INTEL).file(marker_points())))
    refused(read_c3d, path, match)


def test_c3d_points_and_frames_far_beyond_the_file_take_no_memory(tmp_path):
    writer = Writer(INTEL)
    content = bytearray(writer.file(np.ones((1, 1, 4)), labels=["A"]))
    content[2:4] = b"\xff\xff"  # 65535 points in the header ...
    place = content.index(b"USED") + 8
    content[place : place + 2] = b"\xff\xff"  # ... and in the parameters
    content[8:10] = b"\xfe\xff"
    path = tmp_path / "walk.c3d"
    path.write_bytes(content)
    assert isinstance(read_bounded(read_c3d, path, OPTIONS), FormatError)


def test_reads_what_ezc3d_writes(tmp_path):
    ezc3d = pytest.importorskip("ezc3d")
    content = ezc3d.c3d()
    points = np.random.default_rng(0).uniform(-900, 900, (4, len(LABELS), 20))
    content["parameters"]["POINT"]["RATE"]["value"] = [100]
    content["parameters"]["POINT"]["LABELS"]["value"] = LABELS
    content["data"]["points"] = points
    content.write(str(tmp_path / "a.c3d"))
    (recording,) = read_c3d(tmp_path / "a.c3d", OPTIONS)
    assert recording.fps == 100 and recording.keypoints.shape[1] == 20
    x, y, z = points[:3, LABELS.index("LKNE"), 7] / 1000
    np.testing.assert_allclose(joint(recording, "left_knee", 7), (x, z, -y), rtol=1e-5)


@fuzz
@given(content=damaged(Writer(INTEL).file(marker_points())))
def test_damaged_c3d(tmp_path, content):
    path = tmp_path / "walk.c3d"
    path.write_bytes(content)
    read_bounded(read_c3d, path, OPTIONS)


# NTU RGB+D

BODY_LINE = "{} 0 1 1 1 1 0 0.01119184 -0.256052 2"


def ntu_text(frames, tracking=2):
    """Write frames of {body id: number that its joints tell}."""
    lines = [str(len(frames))]
    for frame in frames:
        lines.append(str(len(frame)))
        for body, value in frame.items():
            lines += [BODY_LINE.format(body), "25"]
            for k in range(25):
                numbers = [value + k, k / 100, 3.5, *[200.5] * 4, 0.1, 0.2, 0.3, 0.4]
                lines.append(" ".join(f"{number:.7g}" for number in numbers) + f" {tracking if k else 1}")
    return "\r\n".join([*lines, ""])


FIRST, SECOND = 72057594037944738, 72057594037944739  # more digits than a float64 tells apart


def write_ntu(folder, frames, name="S001C002P003R002A013.skeleton", **kwargs):
    path = folder / name
    path.write_text(ntu_text(frames, **kwargs))
    return path


def test_ntu_bodies_are_people(tmp_path):
    frames = [{FIRST: 1}, {FIRST: 2, SECOND: 50}, {}, {SECOND: 51, FIRST: 3}, {777: 9}]
    path = write_ntu(tmp_path, frames)
    assert registry.format_of(path).name == "ntu"
    (recording,) = read_ntu(path, ReadOptions(min_track=2, fps=30))
    assert (recording.layout, recording.fps, recording.label) == ("ntu25", 30, "A013")
    assert (recording.subject, recording.camera, recording.track_ids) == (3, "C002", [FIRST, SECOND])
    assert recording.keypoints.shape == (2, 4, 25, 3) and recording.space == "camera"
    assert (recording.scores > 0).all(-1).tolist() == [
        [True, True, False, True],
        [False, True, False, True],
    ]
    np.testing.assert_allclose(recording.keypoints[1, 3, 7], (58, 0.07, 3.5))
    assert recording.scores[0, 0, :2].tolist() == [0.5, 1]
    assert not recording.keypoints[0, 2].any()


def test_ntu_stretches_names_and_joints_that_are_not_tracked(tmp_path):
    path = write_ntu(tmp_path, [{1: 1}] * 30, "other.skeleton")
    recordings = list(read_ntu(path, ReadOptions(max_frames=20)))
    assert [recording.segment for recording in recordings] == ["000000", "000020"]
    assert [recording.label for recording in recordings] == ["", ""] and recordings[0].subject == -1
    assert list(read_ntu(write_ntu(tmp_path, [{1: 1}] * 5), OPTIONS)) == []
    (recording,) = read_ntu(write_ntu(tmp_path, [{1: 1}], tracking=0), ReadOptions(min_track=1))
    assert recording.scores[0, 0].tolist() == [0.5] + [0] * 24
    path.write_text(ntu_text([{1: 1}]).replace("24 0.23", "nan 0.23").replace("22 0.21", "-inf 0.21"))
    (recording,) = read_ntu(path, ReadOptions(min_track=1))
    assert np.flatnonzero(recording.scores[0, 0] == 0).tolist() == [21, 23]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda text: "0\n", "has no frames"),
        (lambda text: "9" + text, "'92' where the number of frames"),
        (lambda text: "3" + text[1:], "number of bodies in frame 2"),
        (lambda text: "1" + text[1:], "goes on for 28 lines"),
        (
            lambda text: text.replace("\n1\r", "\n7\r", 1),
            "'7' where the number of bodies in frame 0 must be, from 0 to 6",
        ),
        (lambda text: text.replace("\n25\r", "\n24\r", 1), "other than 25 joints"),
        (lambda text: text[: len(text) // 2], "something else|cut off|joints|numbers|number of"),
        (lambda text: text.replace("0.4 2", "0.4 3", 1), "whose last value"),
        (lambda text: text.replace("0.4 2", "0.4", 1), "must be 600 numbers"),
        (lambda text: text.replace("5 0 1 1", "5.5 0 1 1"), "not numbered"),
    ],
)
def test_ntu_that_contradict_themselves_are_refused(tmp_path, change, match):
    path = write_ntu(tmp_path, [{5: 1}] * 2)
    path.write_text(change(ntu_text([{5: 1}] * 2)))
    refused(read_ntu, path, match)


def test_ntu_states_its_layout(tmp_path):
    path = write_ntu(tmp_path, [{5: 1}] * 20)
    (recording,) = read_ntu(path, ReadOptions(layout="coco17"))
    assert recording.layout == "ntu25"
    wrong = ReadOptions(layout="coco17", override=("layout",))
    refused(read_ntu, path, "25 joints, but layout 'coco17' has 17", wrong)


@fuzz
@given(content=damaged(ntu_text([{5: 1}, {5: 2, 6: 1}, {}]).encode(), is_text=True))
def test_damaged_ntu(tmp_path, content):
    path = tmp_path / "a.skeleton"
    path.write_bytes(content)
    read_bounded(read_ntu, path, ReadOptions(min_track=1))


# True files

DATA = os.environ.get("MOFM_DATA", "")


@pytest.mark.skipif(not Path(DATA, "formats/bandai_namco.bvh").is_file(), reason="MOFM_DATA is not set")
def test_bvh_of_bandai_namco_is_what_others_made_of_it():
    (recording,) = read_bvh(Path(DATA, "formats/bandai_namco.bvh"), OPTIONS)
    assert (recording.fps, recording.keypoints.shape) == (30, (1, 19, 17, 3))
    with np.load(Path(DATA, "bandai_namco.npz")) as packed:
        number = packed["names"].tolist().index("dataset-2_wave-left-hand_active_011")
        start = packed["offsets"][number]
        keypoints = packed["keypoints"][start : start + 19]
    canonical = np.array(get_layout("bandai18").canonical)
    np.testing.assert_allclose(
        recording.keypoints[0][:, canonical >= 0], keypoints[:, canonical[canonical >= 0]], atol=1e-3
    )
