"""Readers of arrays: NumPy's files, with what belongs to the key-points, and text that has nothing but numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...interpret import is_picture_by_picture
from ...layouts import get_layout
from ...notes import note
from ...recording import Recording
from ..array_files import array_names, map_array, read_arrays
from ..joint_names import are_joint_names
from ..plain.unnamed_keypoints import noted_keypoints
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions, register_format
from ..tables.table_columns import find_columns
from ..tables.table_content import content_recordings
from ..text_files import parse_rows, read_text, text_head
from .gcn_arrays import set_recordings
from .named_arrays import kinds_of, named_recordings

TEXT = (".csv", ".tsv", ".txt")
_NUMBERS = {2: "x, y", 3: "three numbers", 4: "x, y, z, score"}  # of a joint
MIN_COLUMNS = 26  # of 13 joints; fewer numbers are of something else, such as cameras
MOST_LEFT_OUT = 10  # frames to a line, or its first numbers are of something else
_SEPARATORS = re.compile(r"\s*[,;\s]\s*")


@register_format("npy", "an array of key-points (.npy)", (".npy",))
def read_npy(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read an array `[F, K, C]` or `[M, F, K, C]`, as `interpret` says.

    An array with one axis more is several recordings, such as the data of ST-GCN, `[N, C, F, K, M]`
    (`gcn_arrays.set_recordings`). `[F, 1, 1, K, C]`, of MoveNet, is one recording.

    Raises:
        FormatError: it is no such array, a damaged file, or something that only an option can tell.
    """
    array = map_array(path)
    if is_picture_by_picture(array.shape):
        array = array[:, 0, 0]
    if array.ndim != 5:
        yield from array_recordings(path, array, {}, options)
        return
    yield from set_recordings(path, array, options)


@register_format("npz", "key-points with scores, fps, layout and label (.npz)", (".npz",))
def read_npz(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read `keypoints` as `read_npy` does (or the only array there is), and with them, if the file has them:

    `scores` `[F, K]` or `[M, F, K]`, 0 is missing; `fps`; `layout`, the name; `label`, text or a number, or one for
    each frame. Without `keypoints`, arrays may be the columns of a table, `nose_x`, or joints by name, `[F, 2]`, or
    key-points by their form (`unnamed_keypoints`). `frame_size`, or `width` and `height`, and the times of frames are
    read as well; what they may be called is in `named_arrays.KINDS`.

    Raises:
        FormatError: see `read_npy`; or these contradict the key-points, or are something else.
    """
    names = array_names(path)
    called = kinds_of(names)
    if "keypoints" not in called and (are_joint_names(names) or find_columns([names])):
        yield from content_recordings(path, read_arrays(path, tuple(names)), options)
        return
    if "keypoints" not in called and len(names) == 1:
        called["keypoints"] = names[0]
    is_body = {"poses", "trans"} <= set(names)  # AMASS
    if "keypoints" not in called and not is_body and (found := noted_keypoints(read_arrays(path, tuple(names)))):
        yield from named_recordings(path, found, kinds_of(found), found, options)
        return
    if "keypoints" not in called:
        hint = ""
        if is_body:
            hint = ". These are parameters of a body model: save its joints, [frames, joints, 3], as 'keypoints'"
        raise FormatError(
            path, f"holds {', '.join(names) or 'no arrays'}; it must hold 'keypoints', or a single array{hint}"
        )
    arrays = read_arrays(path, tuple(called.values()))
    yield from named_recordings(path, arrays, called, names, options)


def _is_numbers(path: Path) -> bool:
    lines = text_head(path).splitlines()[:3]
    try:
        lines = [line for text in lines if (line := text.strip(" \t,;\r"))]
        counts = {len([float(word) for word in _SEPARATORS.split(line)]) for line in lines}
        return len(counts) == 1 and counts.pop() >= MIN_COLUMNS
    except ValueError:
        return False


@register_format("numbers", "a line of numbers for each frame, without titles (.csv, .txt)", TEXT, _is_numbers)
def read_numbers(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read lines of the numbers of one joint after the other, of the layout that is named.

    Each joint has x, y, or x, y and a score or z, or x, y, z and a score, such as those of KIMORE. A column before
    them is the number of the frame, such as in UTKinect: a frame that is left out is missing, and of a line that comes
    twice the first counts.

    Raises:
        FormatError: `options.layout` is missing or does not fit the columns, or see `read_text` and `read_npy`.
    """
    lines = [_SEPARATORS.split(line) for text in read_text(path).splitlines() if (line := text.strip(" \t,;"))]
    columns = len(lines[0]) if lines else 0
    if lines and options.layout is None:
        raise FormatError(path, f"has {columns} numbers a line and no titles that say what they are; name the layout")
    values = parse_rows(path, lines)
    joints = get_layout(options.layout).num_joints
    if columns % joints and (columns - 1) % joints == 0:
        values = _by_frame(path, values)
    size, rest = divmod(values.shape[1], joints)
    if rest or size not in _NUMBERS:
        needed = " or ".join(str(count * joints) for count in _NUMBERS)
        raise FormatError(path, f"has {columns} numbers a line; layout {options.layout!r} needs {needed}")
    note(f"lines of numbers are taken for {_NUMBERS[size]} of one joint after the other")
    if size == 4:
        options = replace(options, coordinates=options.coordinates or "xyzc")
    yield from array_recordings(path, values.reshape(len(values), joints, size), {}, options)


def _by_frame(path: Path, values: np.ndarray) -> np.ndarray:
    """Return lines `[F, numbers]` at their frames, which their first column tells; NaN where there is none."""
    frames = values[:, 0] - values[:1, 0]
    if (np.diff(frames) < 0).any() or (frames != frames.round()).any() or frames[-1] > MOST_LEFT_OUT * len(frames):
        raise FormatError(path, "starts its lines with numbers that are not those of frames, in order")
    numbers, first = np.unique(frames, return_index=True)
    placed = np.full((int(numbers[-1]) + 1, values.shape[1] - 1), np.nan)
    placed[numbers.astype(int)] = values[first, 1:]
    return placed
