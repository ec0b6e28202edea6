"""Reader of the key-points of AIST++: a pickle for each dance, in 3D or as its nine cameras see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..pickle_data import pickle_head, read_pickle
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions, register_format

LAYOUT, FPS = "coco17", 60.0
SUFFIXES = (".pkl", ".pickle")
IN_SPACE = ("keypoints3d_optim", "keypoints3d")  # smoothed by the authors, or as triangulated
IN_PICTURES = "keypoints2d"
_NAME = re.compile(r"g([A-Z]{2})_s\w+_c\w+_d(\d{1,6})_", re.ASCII)


def _is_aist(path: Path) -> bool:
    return any(text in (*IN_SPACE, IN_PICTURES) for _, text in pickle_head(path)[:20] if isinstance(text, str))


@register_format("aist", "key-points of AIST++ (.pkl)", SUFFIXES, _is_aist)
def read_aist(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the dancer, COCO-17 at 60 frames a second: in 3D (centimetres, y up), or of each camera in pixels.

    A name such as `gBR_sBM_cAll_d04_mBR0_ch01` gives the genre as label, "BR", and the dancer as subject, 4; cameras
    are "c01" to "c09".

    Raises:
        FormatError: see `read_pickle`; or arrays of another shape.
    """
    content = read_pickle(path)
    found = content if isinstance(content, dict) else {}
    match = _NAME.match(path.name)
    facts: dict = {"label": match[1], "subject": int(match[2])} if match else {}
    known = {"layout": np.array(LAYOUT), "fps": np.array(FPS)}
    read = replace(options, axes="FKC")
    key = next((key for key in IN_SPACE if key in found), None)
    if key is not None:
        keypoints = _array(path, key, found[key], ("frames", 17, 3))
        units = options.units if options.overrides("units") else "cm"
        read = replace(read, coordinates="xyz", units=units, up_axis=options.up_axis or "y")
        recordings = array_recordings(path, keypoints, known, read)
        yield from (replace(recording, **facts) for recording in recordings)
        return
    keypoints = _array(path, IN_PICTURES, found.get(IN_PICTURES), ("cameras", "frames", 17, 3))
    read = replace(read, coordinates="xyc")
    for number, seen in enumerate(keypoints, 1):
        if np.isfinite(seen).all(-1).any():
            camera = f"c{number:02d}"
            for recording in array_recordings(path, seen, known, read):
                yield replace(recording, name=camera, camera=camera, **facts)


def _array(path: Path, name: str, values: object, shape: tuple) -> np.ndarray:
    if (
        not isinstance(values, np.ndarray)
        or values.dtype.kind not in "fiu"
        or values.ndim != len(shape)
        or any(isinstance(side, int) and side != there for side, there in zip(shape, values.shape, strict=True))
    ):
        found = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise FormatError(path, f"has {name} {found}; it must be an array [{', '.join(map(str, shape))}]")
    return values
