"""Where key-points stand in a table, told by the titles of its columns.

A title is words: a joint and one of the axes below, which is first or last, with or without a word for the unit
between or behind them: `nose_x`, `x_nose`, `x0`, `landmark_0_visibility`, `LEFT_HIP.x`, `nose (x)`, `nose_x_px`.
Tables with a row for each joint have a column for its name or number and `x` and `y`. Titles may be in two lines, the
joint above the axis, or in those of DeepLabCut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...layouts import standard_name
from ..frames import TIMES
from ..joint_names import MIN_JOINTS

AXIS_PLACES = {"x": 0, "y": 1, "z": 3}
PICTURE_AXES = {"u": "x", "v": "y"}  # where u is an axis; else v is a visibility
VISIBILITY = ("v", "vis", "visibility")
SCORE_AXES = (*VISIBILITY, "c", "conf", "confidence", "score", "likelihood", "prob", "p")
UNIT_WORDS = ("px", "pix", "pixel", "pixels", "pos", "position", "coord", "coords", "coordinate", "coordinates")
FRAME_TITLES = (
    *("frame", "frame_id", "frame_number", "frame_num", "frame_no", "frame_idx", "frame_index", "fnum"),
    *("image", "image_id", "image_name", "file_name", "filename"),
)
TIME_TITLES = tuple(map(str.lower, TIMES))
_JOINT_WORDS = ("landmark", "keypoint", "key_point", "kpt", "joint", "point", "bodypart", "body_part")
JOINT_TITLES = tuple(
    f"{what}{end}" for what in _JOINT_WORDS for end in ("", "_id", "_index", "_idx", "_number", "_name")
)
PERSON_TITLES = ("person", "person_id", "track_id", "id", "subject_id", "track", "individual", "individuals")
LABEL_TITLES = ("label", "action", "activity")  # the class of a detector is that of an object
DEEPLABCUT = ["scorer", "bodyparts", "coords"]
DEEPLABCUT_SEVERAL = ["scorer", "individuals", "bodyparts", "coords"]
HEAD_ROWS = 4
_BETWEEN_WORDS = re.compile(r"[\s_.\-:/()\[\]]+")
_CAPITAL_AXIS = re.compile(r"(.*[a-z0-9])([A-Z][a-z]*)")  # leftHipX
_AXIS_AND_NUMBER = re.compile(rf"({'|'.join([*AXIS_PLACES, *PICTURE_AXES, *SCORE_AXES])})(\d+)", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:landmarks?|lm|key_?points?|kp|kpt|kps|joints?|points?|p)?_?(\d{1,4})")


@dataclass
class Columns:
    """Where the numbers of a table stand.

    Args:
        joints: name or number of each joint, in order.
        places: `[K, 4]` columns of x, y, score and z; -1 is none.
        frame, person, time: column; -1 is none.
        joint: column of the joint's name, where a row is one joint and `places` has one row; -1 is none.
        first_row: first row of numbers.
        label: column of the action's name; -1 is none.
        twice: titles of two columns for one co-ordinate; "" is none.
    """

    joints: list[str]
    places: np.ndarray
    frame: int = -1
    person: int = -1
    joint: int = -1
    first_row: int = 1
    time: int = -1
    has_visibility: bool = False
    label: int = -1
    twice: str = ""

    @property
    def may_be_space(self) -> bool:
        """Whether each joint has a z that is not known to be a guess."""
        return bool((self.places[:, 3] >= 0).all()) and not self.has_visibility


def find_columns(head: Sequence[Sequence[str]]) -> Columns | None:
    """Return where the numbers stand, from the first `HEAD_ROWS` rows; None if it is no table of key-points."""
    if not head:
        return None
    if _first_cells(head) == DEEPLABCUT:
        return _wide(["frame", *_joined(head[1:3])[1:]], 3)
    if len(head) > 1 and _are_axes(head[1]):
        first, *others = _joined(head[:2])
        return _wide([first or "frame", *others], 2)
    return _long(head[0]) or _wide(head[0], 1)


def joint_name(text: str) -> str:
    """Return the standard name of a joint, or its number alone (landmark_3, kp3)."""
    name = standard_name(text)
    number = _NUMBERED.fullmatch(name)
    return str(int(number[1])) if number else name


def one_by_one(rows: list[list[str]]) -> list[list[str]]:
    """Return a table of DeepLabCut with several animals beside each other as one with a row for each of them.

    Its titles become `frame`, `person` and those of one; rows of nobody are left out. Other tables stay as they are.
    """
    if _first_cells(rows, 4) != DEEPLABCUT_SEVERAL:
        return rows
    titles = _joined(rows[2:4])
    header = list(dict.fromkeys(titles[1:]))
    stacked = [["frame", "person", *header]]
    for name in dict.fromkeys(rows[1][1:]):
        places = {title: place for place, title in enumerate(titles) if rows[1][place] == name}
        for row in rows[4:]:
            cells = [row[places[title]] if title in places and places[title] < len(row) else "" for title in header]
            if any(cells):
                stacked.append([row[0], name, *cells])
    return stacked


def _first_cells(rows: Sequence[Sequence[str]], count: int = 3) -> list[str]:
    return [row[0].strip().lower() if row else "" for row in rows[:count]]


def _joined(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return the titles that stand in lines above each other."""
    return ["_".join(filter(None, map(str.strip, parts))) for parts in zip(*lines, strict=False)]


def _are_axes(titles: Sequence[str]) -> bool:
    words = [title.strip().lower() for title in titles if title.strip()]
    return len(words) >= 2 * MIN_JOINTS and set(words) <= {*AXIS_PLACES, *PICTURE_AXES, *SCORE_AXES}


def _axis_and_joint(title: str) -> tuple[str, str]:
    """Return the axis of a title, in lower case, and the rest of it; "" where it has none."""
    words = [word for word in _BETWEEN_WORDS.split(title) if word and word.lower() not in UNIT_WORDS]
    if len(words) == 1 and (numbered := _AXIS_AND_NUMBER.fullmatch(words[0])):
        words = [numbered[1], numbered[2]]
    elif words and (ended := _CAPITAL_AXIS.fullmatch(words[-1])) and _is_axis(ended[2]):
        words = [*words[:-1], ended[1], ended[2]]
    for place, rest in ((-1, words[:-1]), (0, words[1:])):
        if rest and _is_axis(words[place]):
            return words[place].lower(), "_".join(rest)
    return "", ""


def _in_words(axes: list[str]) -> list[str]:
    """Return axes with u and v as x and y, where there is a u and no x."""
    return [PICTURE_AXES.get(axis, axis) for axis in axes] if "u" in axes and "x" not in axes else axes


def _is_axis(word: str) -> bool:
    return word.lower() in AXIS_PLACES or word.lower() in SCORE_AXES or word.lower() in PICTURE_AXES


def _wide(header: Sequence[str], first_row: int) -> Columns | None:
    places: dict[str, list[int]] = {}
    has_visibility, twice = False, ""
    found_axes = list(map(_axis_and_joint, header))
    axes = _in_words([axis for axis, _ in found_axes])
    for column, (title, axis, (_, rest)) in enumerate(zip(header, axes, found_axes, strict=True)):
        if not axis:
            continue
        place, found = AXIS_PLACES.get(axis, 2), places.setdefault(joint_name(rest), [-1] * 4)
        if found[place] >= 0 and place != 2:
            twice = twice or f"{header[found[place]]} and {title}"
        elif found[place] < 0:
            found[place] = column
        has_visibility |= axis in VISIBILITY
    places = {joint: found for joint, found in places.items() if found[0] >= 0 and found[1] >= 0}
    if len(places) < MIN_JOINTS:
        return None
    joints = list(places)
    if all(joint.isdecimal() for joint in joints):
        joints = sorted(joints, key=int)
    frame, person, time = (_place(header, names) for names in (FRAME_TITLES, PERSON_TITLES, TIME_TITLES))
    columns, label = np.array([places[joint] for joint in joints]), _place(header, LABEL_TITLES)
    return Columns(joints, columns, frame, person, -1, first_row, time, has_visibility, label, twice)


def _long(header: Sequence[str]) -> Columns | None:
    axes = ["_".join(w for w in _BETWEEN_WORDS.split(title.lower()) if w and w not in UNIT_WORDS) for title in header]
    axes = _in_words(axes)
    if not {"x", "y"} <= set(axes):
        return None
    joint, frame, person, score, time = (
        _place(header, names) for names in (JOINT_TITLES, FRAME_TITLES, PERSON_TITLES, SCORE_AXES, TIME_TITLES)
    )
    if joint < 0 or frame < 0 and time < 0:
        return None
    titles = [[title for title, word in zip(header, axes, strict=True) if word == axis] for axis in AXIS_PLACES]
    z = axes.index("z") if "z" in axes else -1
    columns = np.array([[axes.index("x"), axes.index("y"), score, z]])
    if score == axes.index("y"):  # called v
        score = columns[0, 2] = _place(header, [title for title in SCORE_AXES if title != "v"])
    has_visibility = score >= 0 and header[score].strip().lower() in VISIBILITY
    twice = next((" and ".join(found) for found in titles if len(found) > 1), "")
    return Columns([], columns, frame, person, joint, 1, time, has_visibility, _place(header, LABEL_TITLES), twice)


def _place(header: Sequence[str], names: Sequence[str]) -> int:
    """Return the column that is called by the first of `names` that there is; -1 is none."""
    lower = [title.strip().lower() for title in header]
    return next((lower.index(name) for name in names if name in lower), -1)
