import dataclasses

import pytest

from motion_data.layouts import (
    COCO_KEYPOINTS,
    SkeletonLayout,
    canonical_indices,
    get_layout,
    layout_names,
    layouts_with,
    match_joint_names,
    register_layout,
)

NUM_JOINTS = {
    "coco17": 17,
    "coco-wholebody": 133,
    "halpe26": 26,
    "openpose18": 18,
    "openpose25": 25,
    "mediapipe33": 33,
    "h36m17": 17,
    "ntu25": 25,
    "kinect20": 20,
    "jhmdb15": 15,
    "msr20": 20,
    "uiprmd-kinect16": 16,
    "mocap15": 15,
    "bandai18": 18,
    "mpi15": 15,
    "mpii16": 16,
    "crowdpose14": 14,
    "aic14": 14,
    "panoptic19": 19,
    "azure-kinect32": 32,
}
WITHOUT_FACE = ("h36m17", "ntu25", "kinect20", "jhmdb15", "msr20", "uiprmd-kinect16", "mocap15", "bandai18", "mpi15")
WITHOUT_NOSE = ("mpii16", "crowdpose14", "aic14")  # the top of the head is no nose


def test_every_layout_is_there():
    assert set(NUM_JOINTS) <= set(layout_names())
    assert set(layouts_with(25)) == {"openpose25", "ntu25"}


@pytest.mark.parametrize("name", NUM_JOINTS)
def test_layout_is_consistent(name):
    layout = get_layout(name)
    assert layout.name == name
    assert layout.num_joints == NUM_JOINTS[name] == len(set(layout.joints))
    assert layout.canonical == canonical_indices(layout.joints)
    assert not any(joint.startswith(("l_", "r_")) for joint in layout.joints)
    assert len(set(layout.limbs)) == len(layout.limbs)
    for key_point, index in zip(COCO_KEYPOINTS[1:], layout.canonical[1:], strict=True):
        assert index == -1 or layout.joints[index] == key_point


@pytest.mark.parametrize("name", NUM_JOINTS)
def test_flip_is_an_involution_that_swaps_the_sides(name):
    layout = get_layout(name)
    flip = layout.flip_permutation
    assert sorted(flip) == list(range(layout.num_joints))
    assert [flip[flip[k]] for k in range(layout.num_joints)] == list(range(layout.num_joints))
    for joint, partner in enumerate(flip):
        first, second = layout.joints[joint], layout.joints[partner]
        assert first.replace("left_", "right_") == second.replace("left_", "right_")
        assert (first == second) == (not first.startswith(("left_", "right_")))


@pytest.mark.parametrize("name", NUM_JOINTS)
def test_limbs_join_all_of_the_body_symmetrically(name):
    layout = get_layout(name)
    flip = layout.flip_permutation
    limbs = {frozenset(limb) for limb in layout.limbs}
    assert {frozenset(flip[joint] for joint in limb) for limb in limbs} == limbs
    reached = {joint for limb in limbs for joint in limb}
    assert {index for index in layout.canonical if index >= 0} <= reached


@pytest.mark.parametrize("name", NUM_JOINTS)
def test_limbs_and_shoulders_are_canonical(name):
    missing = [COCO_KEYPOINTS[k] for k, index in enumerate(get_layout(name).canonical) if index < 0]
    expected = ["left_eye", "right_eye", "left_ear", "right_ear"] if name in WITHOUT_FACE + WITHOUT_NOSE else []
    expected = ["nose"] * (name in WITHOUT_NOSE) + expected
    assert missing == expected


def test_head_stands_in_for_a_missing_nose_only():
    assert get_layout("halpe26").canonical[0] == get_layout("halpe26").joint_index("nose")
    assert get_layout("mocap15").canonical[0] == get_layout("mocap15").joint_index("head")
    assert get_layout("jhmdb15").canonical[0] == get_layout("jhmdb15").joint_index("face")
    assert canonical_indices(("left_wrist", "right_wrist"))[0] == -1


def test_wholebody_face_mirrors_as_in_ibug():
    flip = get_layout("coco-wholebody").flip_permutation
    pairs = [(0, 16), (7, 9), (17, 26), (21, 22), (31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47)]
    pairs += [(41, 46), (48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)]
    single = [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
    for a, b in pairs + [(k, k) for k in single]:
        assert flip[23 + a] == 23 + b
    assert flip[91] == 112 and flip[111] == 132


def test_known_positions():
    assert get_layout("mediapipe33").joint_index("left_wrist") == 15
    assert get_layout("openpose25").joint_index("mid_hip") == 8
    assert get_layout("ntu25").joint_index("spine_shoulder") == 20
    assert get_layout("kinect20").joint_index("right_foot") == 19
    assert get_layout("h36m17").joint_index("left_hip") == 4


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="'coco18' is unknown; it must be one of coco17, coco-wholebody"):
        get_layout("coco18")
    with pytest.raises(ValueError, match="joint 'tail' is not in layout 'coco17'"):
        get_layout("coco17").joint_index("tail")


def test_register_layout():
    joints = ("left_wrist", "right_wrist", "tail")
    layout = SkeletonLayout("tailed-test", joints, ((0, 2), (1, 2)), canonical_indices(joints))
    register_layout(layout)
    register_layout(layout)
    assert get_layout("tailed-test") is layout
    assert layout.flip_permutation == (1, 0, 2)
    with pytest.raises(ValueError, match="'tailed-test' is already registered"):
        register_layout(dataclasses.replace(layout, limbs=()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints": ()}, "has 0 joints"),
        ({"joints": ("left_wrist", "right_wrist", "left_wrist")}, r"\['left_wrist'\] appear more than once"),
        ({"joints": ("left_wrist", "neck", "nose")}, r"\['left_wrist'\] have no joint of that name on the other side"),
        ({"limbs": ((0, 3),)}, r"limb \(0, 3\) must be two joint indices from 0 to 2"),
        ({"canonical": (0, 1)}, "canonical has 2 indices; it needs 17"),
        ({"canonical": (3,) + (-1,) * 16}, r"canonical indices \[3\] must be from -1"),
        ({"canonical": (-1,) * 17}, "must use at least one joint"),
        ({"canonical": (0, 0) + (-1,) * 15}, "each joint once"),
    ],
)
def test_inconsistent_layouts_are_refused(changes, message):
    joints = ("left_wrist", "right_wrist", "nose")
    layout = SkeletonLayout("broken-test", joints, ((0, 2),), canonical_indices(joints))
    with pytest.raises(ValueError, match=message):
        register_layout(dataclasses.replace(layout, **changes))
    assert "broken-test" not in layout_names()


@pytest.mark.parametrize("name", NUM_JOINTS)
def test_packed_names_find_their_layout(name):
    joints = get_layout(name).joints
    assert match_joint_names(joints).name == name
    short = [joint.replace("left_", "l_").replace("right_", "r_") for joint in joints]
    assert match_joint_names(short).name == name


def test_packed_names_in_another_order_are_refused():
    joints = list(reversed(get_layout("mocap15").joints))
    with pytest.raises(ValueError, match="no layout has these 15 joints in this order: right_ankle, right_knee"):
        match_joint_names(joints)
