"""The names that files give to joints and markers, and the skeleton layout that they make.

Names that are exactly those of a registered layout make that layout. All others are read as COCO-17, where joints
without a name that is known are missing. Two traps are in the names of bones:

- the position of a bone is where it starts: LeftForeArm (lradius) starts at the elbow, LeftUpLeg (lfemur) at the hip;
- LeftShoulder is the collar-bone beside a LeftArm, and the shoulder joint where there is no upper arm. The same holds
  for LeftHip beside LeftUpLeg. So the first name of a row below that a file has is the joint.

The start of the head bone, near the base of the skull, stands in for a nose, as `layouts` does for a `head` joint.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..interpret import layout_of
from ..layouts import COCO_KEYPOINTS, get_layout, layouts_with, match_joint_names
from .registry import FormatError, ReadOptions

MIN_JOINTS = 6  # of the 17; fewer names that are known are chance
_SHOWN_NAMES = 40
_ANIMAL = re.compile(r"paw|tail|hoof|withers|snout|beak|wing", re.IGNORECASE)

_MIDDLE = {"nose": ("nose", "head")}
_SIDED = {
    "eye": ("eye",),
    "ear": ("ear",),
    "shoulder": ("upperarm", "uparm", "uarm", "arm", "humerus", "shldr", "shldrbend", "shoulder"),
    "elbow": ("elbow", "forearm", "lowerarm", "lowarm", "farm", "radius", "forearmbend"),
    "wrist": ("wrist", "hand"),
    "hip": ("upleg", "upperleg", "thigh", "femur", "thighbend", "hip"),
    "knee": ("knee", "lowerleg", "lowleg", "leg", "shin", "calf", "tibia"),
    "ankle": ("ankle", "foot"),
}
_SIDES = {"l": "left_", "left": "left_", "r": "right_", "right": "right_"}
_LAST_WORDS = ("joint", "jnt", "keypoint", "kpt", "kp")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# Markers of Plug-in-Gait, of CMU and of Qualisys, after the joint centres that Plug-in-Gait computes. A marker stands
# for the joint that it is stuck on, at its surface: LASI (front of the pelvis) for the hip, above the joint by about
# 8 cm. Two markers stand for the joint half-way between them; it is missing where one of them is.
_MARKERS = {
    "nose": (("LFHD", "RFHD"), ("HEADFRONT",)),
    "@shoulder": (("@SJC",), ("@SHO",), ("@SHOULDERTOP",)),
    "@elbow": (("@EJC",), ("@ELB",), ("@ELBOWOUT",)),
    "@wrist": (("@WJC",), ("@WRA", "@WRB"), ("@IWR", "@OWR"), ("@WRISTIN", "@WRISTOUT")),
    "@hip": (("@HJC",), ("@ASI",), ("@FWT",), ("WAIST@FRONT",)),
    "@knee": (("@KJC",), ("@KNE",), ("@KNEEOUT",)),
    "@ankle": (("@AJC",), ("@ANK",), ("@ANKLEOUT",)),
}


@dataclass(frozen=True)
class JointMap:
    """How the J points of a file become the K joints of a layout.

    Args:
        layout: name of the layout.
        sources: for each joint two points, of which it is the mean (twice the same for one); (-1, -1) is missing.
    """

    layout: str
    sources: tuple[tuple[int, int], ...]

    @cached_property
    def points(self) -> list[int]:
        """The points that are used."""
        return sorted({point for pair in self.sources for point in pair if point >= 0})

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Return `[..., K, C]` joints of `[..., J, C]` points; NaN where one is missing."""
        pairs = np.array(self.sources)
        if (pairs[:, 0] == pairs[:, 1]).all() and (pairs >= 0).all():
            return positions[..., pairs[:, 0], :].astype(np.result_type(positions, np.float32), copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            joints = positions[..., pairs, :].mean(-2)
        joints[..., pairs[:, 0] < 0, :] = np.nan
        return joints

    def scores_of(self, scores: np.ndarray) -> np.ndarray:
        """Return the scores `[..., K]` of joints of those `[..., J]` of points; 0 where one is missing."""
        return np.nan_to_num(self(scores[..., None])[..., 0])


def are_joint_names(names: Sequence[str]) -> bool:
    """Tell whether texts name enough joints of a person to be no chance."""
    return len(_coco_sources(names)) >= MIN_JOINTS


def map_joints(path: Path, names: Sequence[str], options: ReadOptions | None = None) -> JointMap:
    """Return how the joints `names` make a layout.

    The names decide; `options.layout` does only where they are not known, or where `options.override` has "layout".

    Args:
        path: the file, for errors.
        names: as the file has them.
        options: what the user says.

    Raises:
        FormatError: too few names are known, they are of an animal, or `options.layout` does not fit.
    """
    layout = options.layout if options else None
    if layout is not None and options.overrides("layout"):
        return one_to_one(given_layout(path, layout, len(names)))
    try:
        return one_to_one(match_joint_names(names).name)
    except ValueError:
        found = _coco_sources(names)
    animal = [name for name in names if _ANIMAL.search(name)]
    if animal:
        raise FormatError(path, f"has joints such as {animal[0][:60]!r}: they are of an animal, not of a person")
    if len(found) < MIN_JOINTS:
        if layout is not None:
            return one_to_one(given_layout(path, layout, len(names)))
        shown = ", ".join(names[:_SHOWN_NAMES])
        raise FormatError(
            path,
            f"only {len(found)} of the joints are known by name: {shown[:1000]}. Register their layout and name it",
        )
    return _coco_map(found)


def map_markers(labels: Sequence[str]) -> JointMap | None:
    """Return how the markers `labels` of one person make COCO-17; None if too few labels are known.

    What all labels start with, up to a "_", is the person and not the marker.
    """
    start = os.path.commonprefix(list(labels)).rfind("_") + 1
    labels = [label[start:] for label in labels]
    index = {label.upper(): point for point, label in reversed(list(enumerate(labels)))}
    found: dict[str, tuple[int, int]] = {}
    for joint, choices in _MARKERS.items():
        for side, letter in (("left_", "L"), ("right_", "R")) if "@" in joint else (("", ""),):
            for choice in choices:
                pair = [index.get(marker.replace("@", letter), -1) for marker in choice]
                if min(pair) >= 0:
                    found[joint.replace("@", side)] = (pair[0], pair[-1])
                    break
    return _coco_map(found) if len(found) >= MIN_JOINTS else None


def subjects_of(path: Path, labels: Sequence[str], options: ReadOptions) -> list[JointMap]:
    """Return how markers, or joints, make each person; labels of several start with their names, as "Anna:LSHO".

    Raises:
        FormatError: see `map_joints`; or people have different layouts.
    """
    if options.overrides("layout"):
        return [map_joints(path, labels, options)]
    people = []
    for subject in dict.fromkeys(label.rpartition(":")[0] for label in labels):
        own = [label.rpartition(":")[2] if label.rpartition(":")[0] == subject else "" for label in labels]
        person = map_markers(own)
        if person is None:
            try:
                person = map_joints(path, own)
            except FormatError:  # a prop, or markers without names
                continue
        people.append(person)
    if len({person.layout for person in people}) > 1:
        raise FormatError(path, "has subjects with different skeletons; split it")
    return people or [map_joints(path, labels, options)]


def given_layout(path: Path, layout: str | None, num_joints: int) -> str:
    """Return the layout of a file's joints without names: `interpret.layout_of` with the file in its error."""
    try:
        return layout_of(num_joints, layout)
    except ValueError as error:
        raise FormatError(path, str(error)) from error


def layouts_hint(num_joints: int) -> str:
    """Return the names of layouts with so many joints, for errors."""
    return ", ".join(layouts_with(num_joints)) or "none known"


def one_to_one(layout: str) -> JointMap:
    """Return the map of a file that has the joints of a layout, perhaps followed by others."""
    return JointMap(layout, tuple((joint, joint) for joint in range(get_layout(layout).num_joints)))


def _coco_map(found: dict[str, tuple[int, int]]) -> JointMap:
    return JointMap("coco17", tuple(found.get(joint, (-1, -1)) for joint in COCO_KEYPOINTS))


def _coco_sources(names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return the points of the COCO joints that are known: the best-ranked name of each."""
    best: dict[str, tuple[tuple[int, int], int]] = {}
    for point, name in enumerate(names):
        joint, rank = _coco_joint(name)
        if joint and (joint not in best or rank < best[joint][0]):
            best[joint] = (rank, point)
    return {joint: (point, point) for joint, (_, point) in best.items()}


def joint_of(name: str) -> str:
    """Return the joint of COCO-17 that a name is known for; "" is none."""
    return _coco_joint(name)[0]


def _coco_joint(name: str) -> tuple[str, tuple[int, int]]:
    """Return the COCO joint of a name and the rank of the name for it; "" if there is none."""
    words = [word.lower() for word in _WORDS.findall(name.rpartition(":")[2][:200])]
    while len(words) > 1 and words[-1] in _LAST_WORDS:  # left_shoulder_joint, and with _1_ before it
        words = words[:-2] if words[-2].isdecimal() else words[:-1]
    side, rest = _side(words)
    for dropped in range(len(rest)):  # names may start with that of the character or the exporter
        alias = "".join(rest[dropped:])
        for joint, aliases in (_SIDED if side else _MIDDLE).items():
            if alias in aliases:
                return side + joint, (aliases.index(alias), dropped)
    return "", (0, 0)


def _side(words: list[str]) -> tuple[str, list[str]]:
    """Return "left_", "right_" or "", and the words that do not say it."""
    for place, word in enumerate(words):
        if word in _SIDES:
            return _SIDES[word], words[:place] + words[place + 1 :]
    known = {alias for aliases in _SIDED.values() for alias in aliases}
    for place, word in enumerate(words):
        for letters, side in _SIDES.items():
            if word.startswith(letters) and word.removeprefix(letters) in known:
                return side, [*words[:place], word.removeprefix(letters), *words[place + 1 :]]
    whole = "".join(words)  # LUArm, whose capitals do not tell its words
    for letters, side in _SIDES.items():
        if whole.startswith(letters) and whole.removeprefix(letters) in known:
            return side, [whole.removeprefix(letters)]
    return "", words
