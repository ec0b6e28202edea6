"""Reader of Acclaim motion capture: `.amc` motion with the `.asf` skeleton beside it, as CMU's library has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .joint_names import map_joints
from .kinematics import joint_positions, rotation
from .registry import FormatError, ReadOptions, Recording, register_format
from .stretches import cut_stretches
from .text_files import parse_finite, parse_numbers, read_text

MAX_BONES = 1000
INCH = 0.0254
ROOT = "root"
_TRANSLATIONS, _ROTATIONS = ("tx", "ty", "tz"), ("rx", "ry", "rz")


@dataclass
class Bone:
    """A bone of the skeleton; the root is one without length.

    Args:
        name: as the file has it.
        offset: `[3]` from its start to its end when nothing turns, skeleton units.
        axes: `[3, 3]` the axes that it turns about.
        channels: of "tx" to "rz", in the order of its values in a frame.
        parent: index of the bone whose end is its start; -1 for the root.
    """

    name: str
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))
    channels: tuple[str, ...] = ()
    parent: int = -1


@dataclass
class Skeleton:
    """What an `.asf` file holds.

    Args:
        bones: parents first.
        metres: length of a skeleton unit.
        degrees: whether angles of the motion are in degrees, where the motion does not tell.
        position: `[3]` that is added to the root's.
    """

    bones: list[Bone]
    metres: float
    degrees: bool
    position: np.ndarray


@register_format("amc", "Acclaim motion capture (.amc, with its .asf beside it)", (".amc",))
def read_amc(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the starts of the bones in metres, y up; `joint_names` says which.

    The skeleton of `07_01.amc` is `07.asf` or `07_01.asf`, or else the only `.asf` of the folder. A unit of it is
    `1 / length` inches, the scale of CMU's files (0.45). The motion does not tell its frames per second: CMU's is
    120, with some of 60, to be given as `options.fps`.

    Raises:
        FormatError: there is no such skeleton, it or the motion is not what it must be, or they do not match.
    """
    skeleton = _read_skeleton(_skeleton_path(path))
    bones = skeleton.bones
    values, columns, degrees = _read_motion(path, skeleton)
    joint_map = map_joints(path, [bone.name for bone in bones], options.layout)
    parents = [bone.parent for bone in bones]

    def poses(first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        frames = values[first:end]

        def turn(channels: tuple[str, ...], column: int) -> np.ndarray:
            # About fixed axes, the first channel first: the product is in reverse.
            turned = [place for place, channel in enumerate(channels) if channel in _ROTATIONS][::-1]
            angles = frames[:, [column + place for place in turned]]
            return rotation([channels[place][1] for place in turned], np.radians(angles) if degrees else angles)

        def offset_of(index: int) -> np.ndarray:
            if index:
                return bones[bones[index].parent].offset
            moved = {channel: place for place, channel in enumerate(bones[0].channels) if channel in _TRANSLATIONS}
            offset = np.tile(skeleton.position, (len(frames), 1))
            for axis, channel in enumerate(_TRANSLATIONS):
                if channel in moved:
                    offset[:, axis] += frames[:, columns[0] + moved[channel]]
            return offset

        def rotation_of(index: int) -> np.ndarray:
            bone = bones[index]
            return bone.axes @ turn(bone.channels, columns[index]) @ bone.axes.T

        positions = joint_positions(len(frames), parents, offset_of, rotation_of, joint_map.points)
        keypoints = joint_map(positions)[None] * skeleton.metres
        return keypoints, np.ones(keypoints.shape[:-1])

    yield from cut_stretches(len(values), poses, joint_map.layout, options)


def _skeleton_path(path: Path) -> Path:
    try:
        beside = sorted(file for file in path.parent.iterdir() if file.suffix.lower() == ".asf")
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error.strerror})") from error
    for stem in (path.stem, path.stem.rpartition("_")[0]):
        for file in beside:
            if file.stem.lower() == stem.lower():
                return file
    if len(beside) != 1:
        raise FormatError(path, f"has {len(beside)} .asf skeletons beside it; one must be, or be named after it")
    return beside[0]


def _lines(path: Path) -> list[list[str]]:
    """Return the words of each line that has any, without comments; commas and brackets part words too."""
    text = read_text(path).translate(str.maketrans(",()", "   "))
    return [words for line in text.splitlines() if (words := line.partition("#")[0].split())]


def _read_skeleton(path: Path) -> Skeleton:
    sections: dict[str, list[list[str]]] = {}
    for words in _lines(path):
        if words[0].startswith(":"):
            lines = sections.setdefault(words[0][1:].lower(), [])
        elif sections:
            lines.append(words)
    missing = [name for name in ("root", "bonedata", "hierarchy") if name not in sections]
    if missing:
        raise FormatError(path, f"lacks the sections {', '.join(missing)} of a skeleton")
    units = _entries(sections.get("units", []))
    (length,) = parse_finite(path, units.get("length", []), 1, "the unit of length")
    if not 1e-6 <= length <= 1e6:
        raise FormatError(path, f"has a unit of length {length}; it must be positive")
    degrees = units.get("angle", ["deg"])[:1] != ["rad"]
    root = _entries(sections["root"])
    order = tuple(channel.lower() for channel in root.get("order", []))
    _check_channels(path, ROOT, order, (*_TRANSLATIONS, *_ROTATIONS))
    orientation = [*root.get("orientation", ["0", "0", "0"]), *root.get("axis", ["XYZ"])]
    bones = [Bone(ROOT, axes=_axes(path, orientation, degrees), channels=order)]
    bones += _bones(path, sections["bonedata"], degrees)
    position = parse_finite(path, root.get("position", ["0", "0", "0"]), 3, "the position of the root")
    return Skeleton(_parents_first(path, bones, sections["hierarchy"]), INCH / float(length), degrees, position)


def _bones(path: Path, lines: list[list[str]], degrees: bool) -> Iterator[Bone]:
    starts = [number for number, words in enumerate(lines) if words[0].lower() == "begin"]
    if len(starts) >= MAX_BONES:
        raise FormatError(path, f"has {len(starts)} bones; it must have fewer than {MAX_BONES}")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        entries = _entries(lines[start + 1 : end])
        if not entries.get("name"):
            raise FormatError(path, "has a bone without a name")
        name = entries["name"][0]
        direction = parse_finite(path, entries.get("direction", []), 3, f"the direction of {name[:60]!r}")
        (length,) = parse_finite(path, entries.get("length", []), 1, f"the length of {name[:60]!r}")
        channels = tuple(channel.lower() for channel in entries.get("dof", []))
        _check_channels(path, name, channels, _ROTATIONS)
        axes = _axes(path, entries.get("axis", ["0", "0", "0", "XYZ"]), degrees)
        with np.errstate(over="ignore"):
            yield Bone(name, direction * length, axes, channels)


def _entries(lines: list[list[str]]) -> dict[str, list[str]]:
    return {words[0].lower(): words[1:] for words in lines}


def _check_channels(path: Path, name: str, channels: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    if not set(channels) <= set(allowed) or len(set(channels)) < len(channels):
        raise FormatError(
            path,
            f"bone {name[:60]!r} moves by {' '.join(channels)[:60]!r}; each of {' '.join(allowed)} may be there once",
        )


def _axes(path: Path, words: list[str], degrees: bool) -> np.ndarray:
    """Return `[3, 3]` of three angles about fixed axes and their order, as "0 0 -20 XYZ"."""
    order = words[-1].lower() if words else ""
    if sorted(order) != ["x", "y", "z"]:
        raise FormatError(path, f"has axes {' '.join(words)[:60]!r}; they must be three angles and an order like XYZ")
    angles = parse_finite(path, words[:-1], 3, "the angles of axes")
    return rotation(order[::-1], (np.radians(angles) if degrees else angles)[::-1])


def _parents_first(path: Path, bones: list[Bone], lines: list[list[str]]) -> list[Bone]:
    """Return the bones that the hierarchy joins, each after its parent."""
    by_name = {bone.name: bone for bone in bones}
    if len(by_name) < len(bones):
        raise FormatError(path, "has two bones of the same name")
    children = {words[0]: words[1:] for words in lines if words[0].lower() not in ("begin", "end")}
    ordered, waiting, seen = [], [(ROOT, -1)], set()
    while waiting:
        name, parent = waiting.pop()
        if name not in by_name or name in seen:
            raise FormatError(path, f"the hierarchy has {name[:60]!r}, which is no bone, or twice in it")
        seen.add(name)
        by_name[name].parent = parent
        ordered.append(by_name[name])
        waiting += [(child, len(ordered) - 1) for child in children.get(name, [])]
    return ordered


def _read_motion(path: Path, skeleton: Skeleton) -> tuple[np.ndarray, list[int], bool]:
    """Return values `[F, N]`, the column of the first of each bone, and whether angles are in degrees."""
    lines = _lines(path)
    keywords = [words[0].lower() for words in lines if words[0].startswith(":")]
    degrees = skeleton.degrees if ":radians" not in keywords else False
    degrees = True if ":degrees" in keywords else degrees
    lines = [words for words in lines if not words[0].startswith(":")]
    starts = [number for number, words in enumerate(lines) if len(words) == 1]  # lines that number a frame
    if not starts or len(lines) == len(starts):
        raise FormatError(path, "has no frames")
    height = len(lines) // len(starts)
    if len(lines) % len(starts) or starts != list(range(0, len(lines), height)):
        raise FormatError(path, f"has {len(starts)} frames that do not have the same bones, or is cut off")
    names = [words[0] for words in lines[1:height]]
    widths = [len(words) - 1 for words in lines[:height]]
    if [len(words) - 1 for words in lines] != widths * len(starts) or any(
        words[0] != names[number % height - 1] for number, words in enumerate(lines) if number % height
    ):
        raise FormatError(path, "has frames that do not have the same bones in the same order")
    if len(set(names)) < len(names):
        raise FormatError(path, "has two lines of a bone in a frame")
    first_columns = dict(zip(names, np.cumsum([0, *widths[1:]]).tolist(), strict=False))
    found = dict(zip(names, widths[1:], strict=True))
    for bone in skeleton.bones:
        if found.get(bone.name, 0) != len(bone.channels):
            raise FormatError(
                path,
                f"bone {bone.name[:60]!r} has {found.get(bone.name, 0)} values a frame; the skeleton says "
                f"{len(bone.channels)}",
            )
    text = " ".join(" ".join(words[1:]) for words in lines)
    width = sum(widths)
    values = parse_numbers(path, text, len(starts) * width, f"{len(starts)} frames of {width} values")
    columns = [first_columns.get(bone.name, 0) for bone in skeleton.bones]
    return values.reshape(len(starts), width), columns, degrees
