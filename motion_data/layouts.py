"""Skeleton layouts by name, and how each one maps to the canonical COCO-17 key-points of the model.

A joint that a layout lacks is missing (index -1), never invented. One stand-in is made, and stated: a layout without
a nose but with a `head` or `face` joint gives that joint as the nose channel, the nearest landmark it has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

COCO_KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

NOSE_STAND_INS = ("head", "face")


@dataclass(frozen=True)
class SkeletonLayout:
    """The joints of a pose estimator, a sensor or a data set, in their order.

    Args:
        name: name of the layout.
        joints: `K` joint names; those of the sides start with `left_` and `right_` (of the person, not the picture).
        limbs: pairs of joint indices, for drawing.
        canonical: for each of the 17 COCO key-points its index in `joints`, or -1 where the layout lacks it
            (`canonical_indices` derives it from the names).
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    canonical: tuple[int, ...]

    @property
    def num_joints(self) -> int:
        """Number of joints `K`."""
        return len(self.joints)

    @cached_property
    def flip_permutation(self) -> tuple[int, ...]:
        """`K` indices that swap `left_*` and `right_*`: joint `k` of a mirrored body is joint `flip_permutation[k]`.

        Raises:
            ValueError: if a joint of one side has no partner on the other.
        """
        index = {joint: k for k, joint in enumerate(self.joints)}
        partners = [_mirror(joint) for joint in self.joints]
        alone = [joint for joint, partner in zip(self.joints, partners, strict=True) if partner not in index]
        if alone:
            raise ValueError(f"layout {self.name!r}: joints {alone} have no joint of that name on the other side")
        return tuple(index[partner] for partner in partners)

    def joint_index(self, name: str) -> int:
        """Return the index of joint `name`.

        Raises:
            ValueError: if the layout has no such joint.
        """
        if name not in self.joints:
            raise ValueError(f"joint {name!r} is not in layout {self.name!r}, which has {', '.join(self.joints)}")
        return self.joints.index(name)


def canonical_indices(joints: Sequence[str]) -> tuple[int, ...]:
    """Return the 17 indices into `joints` in COCO-17 order, -1 where `joints` lacks one.

    Without a nose, the first of `NOSE_STAND_INS` that `joints` has stands in for it.
    """
    index = {joint: k for k, joint in enumerate(joints)}
    nose = next((name for name in ("nose", *NOSE_STAND_INS) if name in index), "nose")
    return tuple(index.get(name, -1) for name in (nose, *COCO_KEYPOINTS[1:]))


def layout_names() -> tuple[str, ...]:
    """Return the names of the known layouts, in the order in which they were registered."""
    return tuple(_LAYOUTS)


def layouts_with(num_joints: int) -> tuple[str, ...]:
    """Return the names of the known layouts that have `num_joints` joints."""
    return tuple(name for name, layout in _LAYOUTS.items() if layout.num_joints == num_joints)


def get_layout(name: str) -> SkeletonLayout:
    """Return the layout `name`.

    Raises:
        ValueError: if no layout has that name; the message lists those there are.
    """
    if name not in _LAYOUTS:
        raise ValueError(f"layout {name!r} is unknown; it must be one of {', '.join(_LAYOUTS)}")
    return _LAYOUTS[name]


def register_layout(layout: SkeletonLayout) -> None:
    """Make `layout` known to `get_layout`.

    Registering an equal layout again does nothing.

    Raises:
        ValueError: if the layout is inconsistent, or its name belongs to a different layout.
    """
    _check_layout(layout)
    if _LAYOUTS.get(layout.name, layout) != layout:
        raise ValueError(f"layout {layout.name!r} is already registered with other joints; choose another name")
    _LAYOUTS[layout.name] = layout


def match_joint_names(joint_names: Sequence[str]) -> SkeletonLayout:
    """Return the layout whose joints are `joint_names` in the same order.

    Args:
        joint_names: names as data sets write them; see `standard_name`.

    Raises:
        ValueError: if no layout has that order.
    """
    joints = tuple(standard_name(str(joint)) for joint in joint_names)
    for layout in _LAYOUTS.values():
        if layout.joints == joints:
            return layout
    raise ValueError(
        f"joint_names: no layout has these {len(joints)} joints in this order: {', '.join(joints)}; "
        f"register one with register_layout, or use one of {', '.join(_LAYOUTS)}"
    )


def standard_name(joint: str) -> str:
    """Return the name of a joint as layouts write it: LEFT_HIP, leftHip, l_hip and hip_left are left_hip."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", joint)
    name = re.sub(r"[ .\-:/()_]+", "_", name).strip("_").lower()
    for side, starts, ends in (("left_", ("l_", "left_"), "_left"), ("right_", ("r_", "right_"), "_right")):
        for start in starts:
            if name.startswith(start):
                return side + name.removeprefix(start)
        if name.endswith(ends):
            return side + name.removesuffix(ends)
    return name


def _mirror(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    if joint.startswith("right_"):
        return "left_" + joint.removeprefix("right_")
    return joint


def _check_layout(layout: SkeletonLayout) -> None:
    name, num_joints = layout.name, layout.num_joints
    if not name or not num_joints:
        raise ValueError(f"layout {name!r} has {num_joints} joints; it needs a name and at least one joint")
    repeated = sorted({joint for joint in layout.joints if layout.joints.count(joint) > 1})
    if repeated:
        raise ValueError(f"layout {name!r}: joints {repeated} appear more than once")
    for limb in layout.limbs:
        if len(limb) != 2 or not all(0 <= joint < num_joints for joint in limb):
            raise ValueError(f"layout {name!r}: limb {limb} must be two joint indices from 0 to {num_joints - 1}")
    if len(layout.canonical) != len(COCO_KEYPOINTS):
        raise ValueError(
            f"layout {name!r}: canonical has {len(layout.canonical)} indices; it needs {len(COCO_KEYPOINTS)}, "
            "one for each COCO key-point"
        )
    wrong = [index for index in layout.canonical if not -1 <= index < num_joints]
    if wrong:
        raise ValueError(f"layout {name!r}: canonical indices {wrong} must be from -1 (missing) to {num_joints - 1}")
    present = [index for index in layout.canonical if index >= 0]
    if not present or len(set(present)) < len(present):
        raise ValueError(
            f"layout {name!r}: canonical {layout.canonical} must use at least one joint, and each joint once"
        )
    _ = layout.flip_permutation


def _layout(name: str, joints: str, limbs: str) -> SkeletonLayout:
    """Read a layout from its joint names and its limbs `a-b`, where `@` stands for `left_` and then `right_`."""
    names = tuple(joints.split())
    pairs = []
    for limb in limbs.split():
        sides = (limb.replace("@", "left_"), limb.replace("@", "right_")) if "@" in limb else (limb,)
        for side in sides:
            start, end = side.split("-")
            pairs.append((names.index(start), names.index(end)))
    return SkeletonLayout(name, names, tuple(pairs), canonical_indices(names))


def _wholebody_face() -> str:
    """Name the 68 face points (iBUG order: from the person's right to the left) so that the two sides pair up."""
    return " ".join(
        [
            *(f"right_jaw_{i}" for i in range(8)),
            "chin",
            *(f"left_jaw_{i}" for i in reversed(range(8))),
            *(f"right_eyebrow_{i}" for i in range(5)),
            *(f"left_eyebrow_{i}" for i in reversed(range(5))),
            *(f"nose_bridge_{i}" for i in range(4)),
            "right_nostril_0 right_nostril_1 nose_base left_nostril_1 left_nostril_0",
            "right_eye_outer right_eye_top_0 right_eye_top_1 right_eye_inner right_eye_bottom_1 right_eye_bottom_0",
            "left_eye_inner left_eye_top_1 left_eye_top_0 left_eye_outer left_eye_bottom_0 left_eye_bottom_1",
            "right_lip_corner right_lip_top_0 right_lip_top_1 lip_top left_lip_top_1 left_lip_top_0 left_lip_corner",
            "left_lip_bottom_0 left_lip_bottom_1 lip_bottom right_lip_bottom_1 right_lip_bottom_0",
            "right_mouth_corner right_mouth_top mouth_top left_mouth_top left_mouth_corner",
            "left_mouth_bottom mouth_bottom right_mouth_bottom",
        ]
    )


_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky")


def _wholebody_hand(side: str) -> str:
    fingers = (f"{side}_{finger}_{i}" for finger in _FINGERS for i in range(1, 5))
    return " ".join((f"{side}_hand_root", *fingers))


def _wholebody_hand_limbs() -> str:
    roots = (f"@hand_root-@{finger}_1" for finger in _FINGERS)
    bones = (f"@{finger}_{i}-@{finger}_{i + 1}" for finger in _FINGERS for i in range(1, 4))
    return " ".join((*roots, *bones))


_SMPL_FINGERS = ("index", "middle", "pinky", "ring", "thumb")


def _smpl_hand(side: str) -> str:
    return " ".join(f"{side}_{finger}{i}" for finger in _SMPL_FINGERS for i in range(1, 4))


def _smpl_hand_limbs() -> str:
    roots = (f"@wrist-@{finger}1" for finger in _SMPL_FINGERS)
    return " ".join((*roots, *(f"@{finger}{i}-@{finger}{i + 1}" for finger in _SMPL_FINGERS for i in range(1, 3))))


_ARMS_AND_LEGS = "@shoulder-@elbow @elbow-@wrist @hip-@knee @knee-@ankle"
_FEET = "@ankle-@heel @ankle-@big_toe @big_toe-@small_toe"
_COCO_LIMBS = (
    "nose-@eye @eye-@ear @ear-@shoulder left_shoulder-right_shoulder @shoulder-@hip left_hip-right_hip "
    + _ARMS_AND_LEGS
)
_COCO_JOINTS = " ".join(COCO_KEYPOINTS)
_TRUNK_ON_NECK = "neck-@shoulder " + _ARMS_AND_LEGS

_SMPL_JOINTS = (
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot "
    "neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
)
_SMPL_LIMBS = (
    "pelvis-spine1 spine1-spine2 spine2-spine3 spine3-neck neck-head spine3-@collar @collar-@shoulder pelvis-@hip "
    f"@ankle-@foot {_ARMS_AND_LEGS}"
)

_BUILT_IN = (
    _layout("coco17", _COCO_JOINTS, _COCO_LIMBS),
    _layout(
        "coco-wholebody",
        f"{_COCO_JOINTS} left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel "
        f"{_wholebody_face()} {_wholebody_hand('left')} {_wholebody_hand('right')}",
        f"{_COCO_LIMBS} {_FEET} @wrist-@hand_root {_wholebody_hand_limbs()}",
    ),
    _layout(
        "halpe26",
        f"{_COCO_JOINTS} head neck hip left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel",
        f"nose-@eye @eye-@ear head-neck neck-hip hip-@hip {_TRUNK_ON_NECK} {_FEET}",
    ),
    _layout(
        "openpose18",
        "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee "
        "right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear",
        f"nose-neck nose-@eye @eye-@ear neck-@hip {_TRUNK_ON_NECK}",
    ),
    _layout(
        "openpose25",
        "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip "
        "right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear left_big_toe "
        "left_small_toe left_heel right_big_toe right_small_toe right_heel",
        f"nose-neck nose-@eye @eye-@ear neck-mid_hip mid_hip-@hip {_TRUNK_ON_NECK} {_FEET}",
    ),
    _layout(
        "mediapipe33",
        "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear "
        "left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky "
        "right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle "
        "right_ankle left_heel right_heel left_foot_index right_foot_index",
        "nose-@eye_inner @eye_inner-@eye @eye-@eye_outer @eye_outer-@ear left_mouth-right_mouth "
        "left_shoulder-right_shoulder @shoulder-@hip left_hip-right_hip @wrist-@pinky @wrist-@index @pinky-@index "
        f"@wrist-@thumb @ankle-@heel @heel-@foot_index @ankle-@foot_index {_ARMS_AND_LEGS}",
    ),
    # OpenPose's MPI model.
    _layout(
        "mpi15",
        "head neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee "
        "right_ankle left_hip left_knee left_ankle chest",
        f"head-neck neck-chest chest-@hip {_TRUNK_ON_NECK}",
    ),
    _layout(
        "mpii16",
        "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck head_top right_wrist "
        "right_elbow right_shoulder left_shoulder left_elbow left_wrist",
        f"head_top-upper_neck upper_neck-thorax thorax-@shoulder thorax-pelvis pelvis-@hip {_ARMS_AND_LEGS}",
    ),
    _layout(
        "crowdpose14",
        "left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip right_hip left_knee "
        "right_knee left_ankle right_ankle top_head neck",
        f"top_head-neck @shoulder-@hip left_hip-right_hip {_TRUNK_ON_NECK}",
    ),
    # AI Challenger.
    _layout(
        "aic14",
        "right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee right_ankle "
        "left_hip left_knee left_ankle head_top neck",
        f"head_top-neck @shoulder-@hip left_hip-right_hip {_TRUNK_ON_NECK}",
    ),
    # CMU Panoptic Studio.
    _layout(
        "panoptic19",
        "neck nose mid_hip left_shoulder left_elbow left_wrist left_hip left_knee left_ankle right_shoulder "
        "right_elbow right_wrist right_hip right_knee right_ankle left_eye left_ear right_eye right_ear",
        f"nose-neck nose-@eye @eye-@ear neck-mid_hip mid_hip-@hip {_TRUNK_ON_NECK}",
    ),
    # Joint 9 is the front of the head ("Neck/Nose" upstream): the nose of every COCO to Human3.6M conversion.
    _layout(
        "h36m17",
        "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax nose head left_shoulder "
        "left_elbow left_wrist right_shoulder right_elbow right_wrist",
        f"pelvis-spine spine-thorax thorax-nose nose-head thorax-@shoulder pelvis-@hip {_ARMS_AND_LEGS}",
    ),
    # Kinect v2 (NTU RGB+D).
    _layout(
        "ntu25",
        "spine_base spine_mid neck head left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow "
        "right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot "
        "spine_shoulder left_hand_tip left_thumb right_hand_tip right_thumb",
        "spine_base-spine_mid spine_mid-spine_shoulder spine_shoulder-neck neck-head spine_shoulder-@shoulder "
        f"@wrist-@hand @hand-@hand_tip @wrist-@thumb spine_base-@hip @ankle-@foot {_ARMS_AND_LEGS}",
    ),
    _layout(
        "azure-kinect32",
        "pelvis spine_navel spine_chest neck left_clavicle left_shoulder left_elbow left_wrist left_hand left_handtip "
        "left_thumb right_clavicle right_shoulder right_elbow right_wrist right_hand right_handtip right_thumb "
        "left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot head nose left_eye "
        "left_ear right_eye right_ear",
        "pelvis-spine_navel spine_navel-spine_chest spine_chest-neck neck-head head-nose nose-@eye @eye-@ear "
        "spine_chest-@clavicle @clavicle-@shoulder @wrist-@hand @hand-@handtip @wrist-@thumb pelvis-@hip @ankle-@foot "
        f"{_ARMS_AND_LEGS}",
    ),
    # Kinect v1 SDK. MSR Action3D's files have the same joints in another order: `msr20`.
    _layout(
        "kinect20",
        "hip_center spine shoulder_center head left_shoulder left_elbow left_wrist left_hand right_shoulder "
        "right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle "
        "right_foot",
        "hip_center-spine spine-shoulder_center shoulder_center-head shoulder_center-@shoulder @wrist-@hand "
        f"hip_center-@hip @ankle-@foot {_ARMS_AND_LEGS}",
    ),
    _layout(
        "msr20",
        "left_shoulder right_shoulder neck spine left_hip right_hip hip_center left_elbow right_elbow left_wrist "
        "right_wrist left_hand right_hand left_knee right_knee left_ankle right_ankle left_foot right_foot head",
        f"hip_center-spine spine-neck neck-head @wrist-@hand hip_center-@hip @ankle-@foot {_TRUNK_ON_NECK}",
    ),
    _layout(
        "jhmdb15",
        "neck belly face right_shoulder left_shoulder right_hip left_hip right_elbow left_elbow right_knee left_knee "
        "right_wrist left_wrist right_ankle left_ankle",
        f"neck-face neck-belly belly-@hip {_TRUNK_ON_NECK}",
    ),
    # Penn Action.
    _layout(
        "penn13",
        "head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip right_hip left_knee "
        "right_knee left_ankle right_ankle",
        f"head-@shoulder left_shoulder-right_shoulder @shoulder-@hip left_hip-right_hip {_ARMS_AND_LEGS}",
    ),
    _layout(
        "uiprmd-kinect16",
        "waist chest neck head left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist left_hip "
        "left_knee left_ankle right_hip right_knee right_ankle",
        f"waist-chest chest-neck neck-head chest-@shoulder waist-@hip {_ARMS_AND_LEGS}",
    ),
    _layout(
        "mocap15",
        "hips neck head left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist left_hip left_knee "
        "left_ankle right_hip right_knee right_ankle",
        f"hips-neck neck-head hips-@hip {_TRUNK_ON_NECK}",
    ),
    _layout(
        "bandai18",
        "hips chest neck head left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist left_hip "
        "left_knee left_ankle left_toe right_hip right_knee right_ankle right_toe",
        f"hips-chest chest-neck neck-head chest-@shoulder hips-@hip @ankle-@toe {_ARMS_AND_LEGS}",
    ),
    # SMPL without its hands is HumanML3D's body; SMPL-H (AMASS) has fifteen finger joints a hand instead of one.
    _layout("smpl22", _SMPL_JOINTS, _SMPL_LIMBS),
    _layout("smpl24", f"{_SMPL_JOINTS} left_hand right_hand", f"{_SMPL_LIMBS} @wrist-@hand"),
    _layout(
        "smplh52",
        f"{_SMPL_JOINTS} {_smpl_hand('left')} {_smpl_hand('right')}",
        f"{_SMPL_LIMBS} {_smpl_hand_limbs()}",
    ),
)

_LAYOUTS: dict[str, SkeletonLayout] = {}
for _built_in in _BUILT_IN:
    register_layout(_built_in)
