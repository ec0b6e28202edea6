"""Reader of Biovision hierarchies: a tree of joints and, for each frame, what their channels are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..joint_names import map_joints
from ..registry import FormatError, ReadOptions, register_format
from ..text_files import parse_finite, parse_numbers, read_text
from .kinematics import AXES, body_recordings, joint_positions, rotation

MAX_JOINTS = 1000
MAX_FPS = 10_000.0

_MOTION = re.compile(r"^\s*MOTION\s+Frames:\s*(\d{1,12})\s+Frame\s+Time:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass
class Joint:
    """A joint of the hierarchy.

    Args:
        name: as the file has it.
        parent: index of its parent; -1 for a root.
        offset: `[3]` from the parent, in the parent's axes.
        channels: letters of the axes, capital for positions and small for rotations, in the order of the values.
        first_channel: column of the first of them.
    """

    name: str
    parent: int
    offset: np.ndarray | None = None
    channels: str = ""
    first_channel: int = 0


@register_format("bvh", "Biovision motion capture (.bvh)", (".bvh",))
def read_bvh(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the joints of a BVH file in metres; `joint_names` says which.

    A position channel gives the place of a joint in its parent's axes, instead of that part of its offset. Rotations
    are in degrees, applied to the bone from the last channel to the first. End sites are no joints.

    Raises:
        FormatError: the text is no BVH, its counts contradict each other, or its joints are not known.
    """
    text = read_text(path)
    motion = _MOTION.search(text)
    if motion is None:
        raise FormatError(path, "has no MOTION with a number of frames and a frame time")
    joints = _hierarchy(path, text[: motion.start()])
    num_frames, num_channels = int(motion[1]), sum(len(joint.channels) for joint in joints)
    if not num_frames or not num_channels:
        raise FormatError(path, f"has {num_frames} frames of {num_channels} channels; there must be some")
    values = parse_numbers(
        path, text[motion.end() :], num_frames * num_channels, f"{num_frames} frames of {num_channels} channels"
    ).reshape(num_frames, num_channels)
    joint_map = map_joints(path, [joint.name for joint in joints], options)

    def positions_of(frames: slice) -> np.ndarray:
        return _positions(joints, values[frames], joint_map.points)

    yield from body_recordings(path, num_frames, positions_of, joint_map, options, fps=_fps(path, motion[2]))


def _fps(path: Path, frame_time: str) -> float:
    """Return frames per second, rounded: a frame time of 0.0333333 is 30."""
    (seconds,) = parse_finite(path, [frame_time], 1, "the frame time")
    if not 1 / MAX_FPS <= seconds <= MAX_FPS:
        raise FormatError(path, f"has a frame time of {seconds} seconds; it must be at least {1 / MAX_FPS}")
    return max(round(1 / float(seconds), 2), 1 / MAX_FPS)


def _hierarchy(path: Path, text: str) -> list[Joint]:
    """Return the joints, parents first."""
    lines = [line.strip() for line in text.replace("{", "\n{\n").replace("}", "\n}\n").splitlines()]
    lines = [line for line in lines if line]
    if not lines or lines[0].upper() != "HIERARCHY":
        raise FormatError(path, "does not start with HIERARCHY")
    joints: list[Joint] = []
    opened: list[int] = []  # the joints around a line; -1 for an end site
    named = None  # what the next { opens
    for line in lines[1:]:
        keyword, rest = (*line.split(None, 1), "")[:2]
        keyword = keyword.upper()
        if (named is not None) != (keyword == "{"):
            raise FormatError(path, f"has {line[:60]!r} where {'{' if named is not None else 'a keyword'} must be")
        if keyword == "{":
            opened.append(named)
            named = None
        elif keyword == "}" and opened:
            opened.pop()
        elif keyword == "ROOT" and not opened or keyword == "JOINT" and opened and opened[-1] >= 0:
            joints.append(Joint(rest.strip(), opened[-1] if opened else -1))
            named = len(joints) - 1
        elif keyword == "END" and opened and opened[-1] >= 0:
            named = -1
        elif keyword == "OFFSET" and opened:
            offset = parse_finite(path, rest.split(), 3, "an OFFSET")
            if opened[-1] >= 0:
                joints[opened[-1]].offset = offset
        elif keyword == "CHANNELS" and opened and opened[-1] >= 0 and not joints[opened[-1]].channels:
            joints[opened[-1]].channels = _channels(path, rest.split())
        else:
            raise FormatError(path, f"has {line[:60]!r} where it cannot be")
    if opened or named is not None:
        raise FormatError(path, f"ends within {len(opened) + (named is not None)} joints that are not closed")
    if not 0 < len(joints) <= MAX_JOINTS:
        raise FormatError(path, f"has {len(joints)} joints; it must have 1 to {MAX_JOINTS}")
    first_channel = 0
    for joint in joints:
        if joint.offset is None:
            raise FormatError(path, f"joint {joint.name[:60]!r} has no OFFSET")
        joint.first_channel = first_channel
        first_channel += len(joint.channels)
    return joints


def _channels(path: Path, words: list[str]) -> str:
    letters = ""
    for word in words[1:]:
        match = re.fullmatch(r"([XYZ])(POSITION|ROTATION)", word.upper())
        if match is None:
            raise FormatError(path, f"has a channel {word[:60]!r}; it must be like Xposition or Zrotation")
        letters += match[1] if match[2] == "POSITION" else match[1].lower()
    positions = [letter for letter in letters if letter.isupper()]
    if not words or words[0] != str(len(letters)) or len(letters) > 6 or len(set(positions)) < len(positions):
        raise FormatError(path, f"has CHANNELS {' '.join(words)[:60]!r}; the number and at most 6 names must follow")
    return letters


def _positions(joints: list[Joint], values: np.ndarray, wanted: list[int]) -> np.ndarray:
    """Return `[F, J, 3]` positions, in the file's unit, of the frames whose channels are `values` [F, channels]."""

    def offset_of(index: int) -> np.ndarray:
        joint = joints[index]
        offset = np.tile(joint.offset, (len(values), 1))
        for channel, letter in enumerate(joint.channels, joint.first_channel):
            if letter.isupper():
                offset[:, AXES.index(letter.lower())] = values[:, channel]
        return offset

    def rotation_of(index: int) -> np.ndarray:
        joint = joints[index]
        columns = [column for column, letter in enumerate(joint.channels) if letter.islower()]
        degrees = values[:, [joint.first_channel + column for column in columns]]
        return rotation([joint.channels[column] for column in columns], np.radians(degrees))

    return joint_positions(len(values), [joint.parent for joint in joints], offset_of, rotation_of, wanted)
