"""Reader of the `.npz` files of VideoPose3D: 2D or 3D key-points by subject and action, as pickled dictionaries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...interpret import interpret
from ...recording import Recording
from ..array_files import array_names, read_member
from ..cutting import cut_dense
from ..pickle_data import read_plain_array
from ..registry import FormatError, ReadOptions, register_format

ARRAYS = ("positions_2d", "positions_3d")
METADATA = "metadata"
LAYOUTS = {"coco": "coco17", "h36m": "h36m17"}
_SUBJECT = re.compile(r"S(\d{1,6})", re.ASCII)
_MAX_NAME = 200


@register_format("videopose3d", "key-points of VideoPose3D (.npz)", (".npz",), lambda path: _array(path) is not None)
def read_videopose3d(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read `positions_2d` (or `positions_3d`): subject -> action -> `[F, K, C]`, or a list with one for each camera.

    `metadata`, if there is any, names the layout and the size of pictures. A recording is named subject/action; a
    subject such as S1 is a number too.

    Raises:
        FormatError: a damaged file, or anything but dictionaries of arrays; see `interpret` for the arrays.
    """
    name = _array(path)
    if name is None:
        raise FormatError(path, f"holds {', '.join(array_names(path)) or 'no arrays'}, not {' or '.join(ARRAYS)}")
    metadata = _dictionary(path, METADATA) if METADATA in array_names(path) else {}
    stated = LAYOUTS.get(str(metadata.get("layout_name")))
    for subject, actions in _dictionary(path, name).items():
        if not isinstance(actions, dict):
            raise FormatError(path, f"{name} of {subject!r} is a {type(actions).__name__}; it must be a dictionary")
        for action, cameras in actions.items():
            title = f"{subject}/{action}"[:_MAX_NAME]
            several = cameras if isinstance(cameras, (list, tuple)) else [cameras]
            for number, keypoints in enumerate(several):
                camera = str(number) if len(several) > 1 else ""
                facts = {"name": title + f"/{camera}" * bool(camera), "camera": camera}
                facts |= _size(metadata, subject)
                match = _SUBJECT.fullmatch(str(subject))
                if match:
                    facts["subject"] = int(match[1])
                yield from _one_person(path, title, keypoints, stated, facts, options)


def _one_person(
    path: Path, title: str, keypoints: object, stated: str | None, facts: dict, options: ReadOptions
) -> Iterator[Recording]:
    try:
        if not isinstance(keypoints, np.ndarray) or keypoints.ndim != 3:
            raise ValueError("it must be an array of frames, joints and coordinates")
        if stated is None and keypoints.shape[1] == 17:
            stated = LAYOUTS["h36m"] if keypoints.shape[2] == 3 else None
        size = facts.get("frame_size", options.frame_size)
        kind = "xy" if keypoints.shape[2] == 2 else options.coordinates or "xyz"
        poses = interpret(keypoints, None, replace(options, axes="FKC", coordinates=kind, frame_size=size), stated)
    except ValueError as error:
        raise FormatError(path, f"{title}: {error}") from error
    yield from cut_dense(
        len(keypoints),
        lambda first, end: (poses.keypoints[:, first:end], poses.scores[:, first:end]),
        poses.layout,
        options,
        **facts,
    )


def _size(metadata: dict, video: object) -> dict:
    videos = metadata.get("video_metadata")
    entry = videos.get(video) if isinstance(videos, dict) else None
    sides = [entry.get(side) for side in ("w", "h")] if isinstance(entry, dict) else []
    known = len(sides) == 2 and all(isinstance(side, int) and 0 < side < 2**31 for side in sides)
    return {"frame_size": tuple(sides)} if known else {}


def _array(path: Path) -> str | None:
    return next((name for name in ARRAYS if name in array_names(path)), None)


def _dictionary(path: Path, name: str) -> dict:
    found = read_plain_array(path, read_member(path, name))
    if not isinstance(found, dict):
        raise FormatError(path, f"{name} is a {type(found).__name__}; it must be a dictionary")
    return found
