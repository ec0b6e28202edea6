"""Reader of Acclaim's motion capture, as CMU's and HDM05's: how the bones of a skeleton turn.

A skeleton, an `.asf` file, says how long each bone is, which way it points when nothing turns, and about which axes it
turns; a motion, an `.amc` file, by how much in each frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..joint_names import map_joints
from ..registry import FormatError, ReadOptions, register_format
from ..text_files import parse_finite, parse_numbers, read_text
from .kinematics import AXES, body_recordings, joint_positions, rotation

ROOT = "root"
MAX_BONES = 1000
_DOFS = ("tx", "ty", "tz", "rx", "ry", "rz", "l")


@dataclass
class Bone:
    """A bone, or the root, which has no length.

    Args:
        name: as the file has it.
        along: `[3]` from where it begins to where it ends, at rest.
        axes: `[3, 3]` in which it turns.
        dofs: what each of its numbers is, of `_DOFS`.
        parent: place of the bone at whose end it begins; -1 is none.
    """

    name: str
    along: np.ndarray = field(default_factory=lambda: np.zeros(3))
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))
    dofs: tuple[str, ...] = ()
    parent: int = -1


@register_format("amc", "Acclaim motion capture, with its skeleton (.asf) beside it (.amc)", (".amc",))
def read_amc(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read where bones begin in metres; `joint_names` says which. The rate is not in the file.

    The skeleton is the `.asf` file of the same name, else the one whose name is what comes before "_" (`35.asf` of
    `35_01.amc`), else the only one in the folder.

    Raises:
        FormatError: there is no such skeleton, the two contradict each other, or bones are not known by name.
    """
    skeleton = skeleton_of(path)
    if skeleton is None:
        raise FormatError(path, "needs the skeleton that it is of: put its .asf file beside it")
    bones, in_degrees = _skeleton(skeleton)
    values = _frames(path, bones)
    angles = [dof.startswith("r") for bone in bones for dof in bone.dofs]
    values = np.where(angles, np.radians(values), values) if in_degrees else values
    joint_map = map_joints(path, [bone.name for bone in bones], options)

    def positions_of(frames: slice) -> np.ndarray:
        return _positions(bones, values[frames], joint_map.points)

    yield from body_recordings(path, len(values), positions_of, joint_map, options)


def skeleton_of(path: Path) -> Path | None:
    """Return the skeleton of a motion; None if none is beside it, or several that may be, and of any other file."""
    if path.suffix.lower() != ".amc":
        return None
    stems = (path.stem, path.stem.partition("_")[0])
    for own in (path.with_name(stem + ending) for stem in stems for ending in (".asf", ".ASF")):
        if own.is_file():  # a folder of thousands is not listed for each of them
            return own
    try:
        found = sorted(file for file in path.absolute().parent.iterdir() if file.suffix.lower() == ".asf")
    except OSError:
        return None
    named = [file for stem in stems for file in found if file.stem == stem]
    return named[0] if named else found[0] if len(found) == 1 else None


def _skeleton(path: Path) -> tuple[list[Bone], bool]:
    """Return the bones, each behind its parent, and whether angles are degrees."""
    sections: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in read_text(path).splitlines():
        words = line.partition("#")[0].split()
        if words and words[0].startswith(":"):
            current = sections.setdefault(words[0][1:].lower(), [])
            words = words[1:]
        if words:
            current.append(words)
    units = {line[0].lower(): line[1].lower() for line in sections.get("units", []) if len(line) > 1}
    in_degrees = units.get("angle", "deg") != "rad"
    turn = 1.0 if not in_degrees else np.pi / 180
    bones = [_root(path, sections.get("root", []), turn)]
    current = []
    for words in sections.get("bonedata", []):
        if words == ["begin"]:
            current = []
        elif words == ["end"]:
            bones.append(_bone(path, current, turn))
        else:
            current.append(words)
    if not 1 < len(bones) <= MAX_BONES:
        raise FormatError(path, f"has {len(bones) - 1} bones in :bonedata; it must have 1 to {MAX_BONES - 1}")
    return _in_order(path, bones, sections.get("hierarchy", [])), in_degrees


def _root(path: Path, lines: list[list[str]], turn: float) -> Bone:
    facts = {words[0].lower(): words[1:] for words in lines}
    orientation = parse_finite(path, facts.get("orientation", ["0"] * 3), 3, "the orientation of the root")
    order = facts.get("axis", ["XYZ"])[0].lower()
    return Bone(ROOT, axes=_turned(path, order, orientation * turn), dofs=_dofs(path, facts.get("order", [])))


def _bone(path: Path, lines: list[list[str]], turn: float) -> Bone:
    facts = {words[0].lower(): words[1:] for words in lines}
    name = (facts.get("name") or [""])[0]
    if not name or not {"direction", "length"} <= facts.keys():
        raise FormatError(path, f"has a bone {name[:60]!r} without name, direction or length")
    direction = parse_finite(path, facts["direction"], 3, f"the direction of {name[:60]}")
    (length,) = parse_finite(path, facts["length"][:1], 1, f"the length of {name[:60]}")
    axis = facts.get("axis", ["0", "0", "0", "XYZ"])
    angles = parse_finite(path, axis[:3], 3, f"the axis of {name[:60]}")
    axes = _turned(path, (axis[3] if len(axis) > 3 else "XYZ").lower(), angles * turn)
    with np.errstate(over="ignore"):  # such a bone ends nowhere
        along = direction * length
    return Bone(name, along, axes, _dofs(path, facts.get("dof", [])))


def _turned(path: Path, order: str, radians: np.ndarray) -> np.ndarray:
    """Return turns about fixed axes, one after the other."""
    if sorted(order) != list(AXES):
        raise FormatError(path, f"has axes in the order {order[:60]!r}; it must be x, y, z in some order")
    return rotation(order[::-1], radians[[AXES.index(letter) for letter in order[::-1]]])


def _dofs(path: Path, words: list[str]) -> tuple[str, ...]:
    dofs = tuple(word.lower() for word in words)
    if len(set(dofs)) < len(dofs) or not set(dofs) <= set(_DOFS):
        raise FormatError(path, f"has {' '.join(words)[:60]!r}; a bone may have {', '.join(_DOFS)}, each once")
    return dofs


def _in_order(path: Path, bones: list[Bone], lines: list[list[str]]) -> list[Bone]:
    """Return bones with their parents, in an order in which these come first, as `:hierarchy` states them."""
    by_name = {bone.name: bone for bone in bones}
    if len(by_name) < len(bones):
        raise FormatError(path, "has two bones of one name")
    children: dict[str, list[str]] = {}
    for words in lines:
        if words in (["begin"], ["end"]):
            continue
        children.setdefault(words[0], []).extend(words[1:])
    ordered, places = [by_name[ROOT]], {ROOT: 0}
    for bone in ordered:
        for name in children.get(bone.name, []):
            if name not in by_name or name in places:
                raise FormatError(path, f"has {name[:60]!r} in :hierarchy, which is no bone, or twice there")
            by_name[name].parent = places[bone.name]
            places[name] = len(ordered)
            ordered.append(by_name[name])
    if len(ordered) < len(bones):
        missing = next(name for name in by_name if name not in places)
        raise FormatError(path, f"has a bone {missing[:60]!r} that is not in :hierarchy")
    return ordered


def _frames(path: Path, bones: list[Bone]) -> np.ndarray:
    """Return the numbers of all bones in each frame, `[F, dofs]`."""
    counts = {bone.name: len(bone.dofs) for bone in bones if bone.dofs}
    frames: list[dict[str, list[str]]] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words or words[0].startswith(":"):
            continue
        if len(words) == 1 and re.fullmatch(r"\d{1,9}", words[0], re.ASCII):
            frames.append({})
        elif not frames or len(words) - 1 != counts.get(words[0], -1) or words[0] in frames[-1]:
            raise FormatError(path, f"line {number} has {line[:60]!r}, which is not of a bone of its skeleton")
        else:
            frames[-1][words[0]] = words[1:]
    for number, frame in enumerate(frames):
        if missing := [name for name in counts if name not in frame]:
            raise FormatError(path, f"frame {number} lacks {missing[0][:60]!r}: it is cut off, or of another skeleton")
    if not frames:
        raise FormatError(path, "has no frames")
    text = " ".join(word for frame in frames for name in counts for word in frame[name])
    return parse_numbers(path, text, len(frames) * sum(counts.values()), "the frames").reshape(len(frames), -1)


def _positions(bones: list[Bone], values: np.ndarray, wanted: list[int]) -> np.ndarray:
    """Return where bones begin, `[F, bones, 3]`, in the file's unit."""
    firsts = np.cumsum([0, *(len(bone.dofs) for bone in bones)])

    def offset_of(place: int) -> np.ndarray:
        bone = bones[place]
        offset = np.tile(bones[bone.parent].along if bone.parent >= 0 else np.zeros(3), (len(values), 1))
        for column, dof in enumerate(bone.dofs, firsts[place]):
            if dof.startswith("t"):
                offset[:, AXES.index(dof[1])] += values[:, column]
        return offset

    def rotation_of(place: int) -> np.ndarray:
        bone = bones[place]
        turns = [(dof[1], column) for column, dof in enumerate(bone.dofs, firsts[place]) if dof.startswith("r")][::-1]
        own = rotation([letter for letter, _ in turns], values[:, [column for _, column in turns]])
        return bone.axes @ own @ bone.axes.T

    return joint_positions(len(values), [bone.parent for bone in bones], offset_of, rotation_of, wanted)
