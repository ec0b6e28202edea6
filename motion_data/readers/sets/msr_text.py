"""Reader of the skeletons of MSR Action3D and MSR Daily Activity 3D, text with a line for each joint.

Files of both sets are called `a01_s02_e03_skeleton.txt` (or `..._skeleton3D.txt`): action, subject, take. Those of
Daily Activity start with the numbers of frames and joints, and have a number of lines before each frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...notes import note
from ...recording import Recording
from ..cutting import clean_joints, cut_recordings
from ..detections import Detections
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions, register_format
from ..text_files import parse_rows, read_text

LAYOUT, DAILY_LAYOUT, JOINTS = "msr20", "kinect20", 20
FPS, DAILY_FPS = 15.0, 30.0  # of the sensor, as the sets' pages say
NUMBERS = 4  # x, y, z, score
_NAME = re.compile(r"a(\d{2})_s(\d{2})_e\d{2}_skeleton(3d)?\.txt", re.IGNORECASE)


def _is_msr(path: Path) -> bool:
    return bool(_NAME.fullmatch(path.name))


@register_format("msr", "skeletons of MSR Action3D and MSR Daily Activity 3D (.txt)", (".txt",), _is_msr)
def read_msr(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read x, y, z and score of 20 joints a frame, in camera space; those of `skeleton.txt` of Action3D are x, y.

    Action3D is 15 frames a second, of one person, layout msr20; there x and y of `skeleton.txt` are places in the
    picture. Daily Activity is 30, of up to two, layout kinect20; a joint has a line in the room, which is read, and
    one in the picture. Where no line has a score, joints that are not 0 are certain. Label and subject are those of
    the name, as "a01" and 2.

    Raises:
        FormatError: lines that are cut off, or that are no numbers.
    """
    lines = [line.split() for line in read_text(path).splitlines() if line.strip()]
    name = _NAME.fullmatch(path.name)
    facts = {} if name is None else {"label": f"a{name[1]}", "subject": int(name[2])}
    if lines and len(lines[0]) == 2:
        yield from _daily_activity(path, lines, facts, options)
        return
    rows = parse_rows(path, lines)
    if rows.shape[1] != NUMBERS or len(rows) % JOINTS:
        raise FormatError(
            path, f"has {len(rows)} lines of {rows.shape[1]} numbers; a frame is {JOINTS} lines of x, y, z and a score"
        )
    joints = rows.reshape(-1, JOINTS, NUMBERS)
    in_space = bool(name is None or name[3])
    values = _scored(joints[..., :3] if in_space else joints[..., :2], joints[..., 3])
    layout = options.layout if options.overrides("layout") else LAYOUT
    read = replace(options, axes="FKC", coordinates="xyzc" if in_space else "xyc", layout=layout)
    for recording in array_recordings(path, values, {"fps": np.array(FPS)}, read):
        yield replace(recording, **({"space": "camera"} if in_space else {}), **facts)


def _scored(places: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return `[..., C + 1]`, joints with their scores; joints at 0 are missing."""
    if not scores.any():
        note("all scores are 0 and say nothing: joints that are not at 0 are there")
        scores = np.ones_like(scores)
    return np.concatenate((places, np.where(places.any(-1), scores, 0)[..., None]), -1)


def _daily_activity(path: Path, lines: list[list[str]], facts: dict, options: ReadOptions) -> Iterator[Recording]:
    num_frames, num_joints = _whole(path, lines[0][0]), _whole(path, lines[0][1])
    if num_joints != JOINTS:
        raise FormatError(path, f"states {num_joints} joints; they must be {JOINTS}")
    frames: list[int] = []
    people: list[int] = []
    rows: list[list[str]] = []
    place = 1
    for frame in range(num_frames):
        if place >= len(lines) or len(lines[place]) != 1:
            raise FormatError(path, f"has no number of lines before frame {frame}: it is cut off or damaged")
        count = _whole(path, lines[place][0])
        if count % (2 * JOINTS) or place + count >= len(lines) + (count == 0):
            raise FormatError(
                path, f"frame {frame} has {count} lines; each person has {2 * JOINTS}, and they must be there"
            )
        for person in range(count // (2 * JOINTS)):
            frames.append(frame)
            people.append(person)
            first = place + 1 + person * 2 * JOINTS
            rows += lines[first : first + 2 * JOINTS : 2]  # every second one is in the picture
        place += 1 + count
    if not frames:
        raise FormatError(path, "holds nobody")
    joints = parse_rows(path, rows).reshape(len(frames), JOINTS, -1)
    if joints.shape[-1] != NUMBERS:
        raise FormatError(path, f"has lines of {joints.shape[-1]} numbers; they must be x, y, z and a score")
    scored = _scored(joints[..., :3], joints[..., 3])
    keypoints, scores = clean_joints(scored[..., :3], scored[..., 3].clip(0, 1))
    found = Detections(np.array(frames), np.array(people), keypoints, scores, num_frames=num_frames)
    layout = options.layout if options.overrides("layout") else DAILY_LAYOUT
    yield from cut_recordings(found, str(layout), options, space="camera", fps=DAILY_FPS, **facts)


def _whole(path: Path, text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        raise FormatError(path, f"has {text[:60]!r} where a whole number must be")
    return int(text)
