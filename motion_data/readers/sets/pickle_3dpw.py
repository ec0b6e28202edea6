"""Reader of the sequences of 3DPW (von Marcard et al. 2018): what OpenPose saw of each actor in the video."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..pickle_data import pickle_head, read_pickle
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions, register_format

PW_LAYOUT, PW_FPS = "openpose18", 30.0
PW_SIDES = (1920, 1080)  # of the picture, the longer one first; some were taken upright
_SEEN, _CAMERAS = "poses2d", "campose_valid"


def _is_3dpw(path: Path) -> bool:
    head = [code for code, _ in pickle_head(path)[:1]]
    if head not in (["EMPTY_DICT"], ["MARK"]):
        return False
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return all(content.find(name.encode()) >= 0 for name in (_SEEN, _CAMERAS))  # after large arrays, perhaps
    except (OSError, ValueError):
        return False


@register_format("3dpw", "sequences of 3DPW (.pkl)", (".pkl", ".pickle"), _is_3dpw)
def read_3dpw(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read `poses2d`, of each actor `[F, 3, 18]`: x, y and confidence of the joints of OpenPose, 30 frames a second.

    Where it saw fewer than six joints all are 0, and missing. The picture is 1920 x 1080 or upright, as the centre of
    `cam_intrinsics` says. The split is that of the folder, `train`, `validation` or `test`.

    Raises:
        FormatError: see `read_pickle`; no `poses2d`, or arrays of other shapes.
    """
    content = read_pickle(path)
    actors = content.get(_SEEN) if isinstance(content, dict) else None
    if not isinstance(actors, (list, tuple)) or not actors:
        raise FormatError(path, f"has a {type(actors).__name__} for {_SEEN}; it must be a list, one for each actor")
    shapes = [getattr(actor, "shape", type(actor).__name__) for actor in actors]
    first = shapes[0]
    if len(first) != 3 or first[1:] != (3, 18) or any(shape != first for shape in shapes):
        raise FormatError(path, f"has {_SEEN} of shapes {shapes[:4]}; all must be [frames, 3, 18]")
    size = _picture_size(content.get("cam_intrinsics"))
    read = replace(options, axes="MFKC", coordinates="xyc", frame_size=size if 0 not in size else options.frame_size)
    facts = {"layout": np.array(PW_LAYOUT), "fps": np.array(PW_FPS)}
    split = path.absolute().parent.name
    for recording in array_recordings(path, np.stack(actors).swapaxes(2, 3), facts, read):
        yield replace(recording, split=split if split in ("train", "validation", "test") else "")


def _picture_size(intrinsics: object) -> tuple[int, int]:
    """Return width and height, pixels; (0, 0) where no camera tells them."""
    if not isinstance(intrinsics, np.ndarray) or intrinsics.shape != (3, 3):
        return 0, 0
    longer, shorter = PW_SIDES
    return (longer, shorter) if intrinsics[0, 2] > intrinsics[1, 2] else (shorter, longer)
