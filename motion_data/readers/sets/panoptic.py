"""Reader of CMU Panoptic Studio: a folder with the 3D bodies of each frame, `body3DScene_00000000.json`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..cutting import clean_joints, cut_recordings
from ..detections import Detection, gather
from ..estimators.picture_files import people_in_files
from ..joint_names import given_layout
from ..json_files import as_list, as_mapping, brief, item, numbers, person_number, read_json
from ..registry import FormatError, ReadOptions, register_format

LAYOUT = "panoptic19"
START = "body3DScene_"
CENTIMETRE = 0.01
# y points down: turned about x, left and right stay
TO_WORLD = np.array([1.0, -1.0, -1.0]) * CENTIMETRE
# the first data had a body of 15 joints, which are the first ones of the later body
_BODIES = {"joints19": 19, "joints15": 15}
_RATE = re.compile(r"_(\d+)(?:_(\d+))?$")


def _is_panoptic(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(entry.name.startswith(START) and entry.name.endswith(".json") for entry in entries)
    except (OSError, ValueError):
        return False


@register_format("panoptic", "CMU Panoptic Studio, a folder of one .json per frame", recognises=_is_panoptic)
def read_panoptic(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the bodies of a scene in metres, y up; the confidence of a joint is its score, -1 is missing.

    The frame is the number in a file's name; `fpsType`, such as "hd_29_97", is the rate.

    Raises:
        FormatError: see `json_files`; or a body of other than 19 or 15 joints.
    """
    layout = given_layout(path, options.layout, 19) if options.overrides("layout") else LAYOUT
    rates = set()

    def people(file: Path, frame: int) -> Iterator[Detection]:
        content = as_mapping(file, read_json(file), "the file")
        rate = _RATE.search(str(content.get("fpsType", "")))
        rates.add(float(f"{rate[1]}.{rate[2] or 0}") if rate else 0.0)
        for entry in as_list(file, item(file, content, "bodies", "the file"), "bodies"):
            body = as_mapping(file, entry, "a body")
            yield Detection(frame, _joints(file, body), person_number(file, item(file, body, "id", "a body")))

    found = gather(path, people_in_files(path, ".json", people))
    fields = {"space": "world", "fps": rates.pop() if len(rates) == 1 else 0.0}
    for video, detections in found.items():
        keypoints = detections.keypoints * TO_WORLD
        detections.keypoints, detections.scores = clean_joints(keypoints, detections.scores)
        try:
            yield from cut_recordings(detections, layout, options, video if len(found) > 1 else "", **fields)
        except ValueError as error:
            raise FormatError(path, str(error)) from error


def _joints(path: Path, body: dict) -> np.ndarray:
    """Return x, y, z and confidence of the 19 joints of a body, `[19, 4]`."""
    key = next((key for key in _BODIES if key in body), None)
    if key is None:
        raise FormatError(path, f"a body has {brief(list(body))}; it must have {' or '.join(_BODIES)}")
    values = numbers(path, body[key], key)
    if values.size != 4 * _BODIES[key]:
        raise FormatError(path, f"{key} has {values.size} numbers; it must have {4 * _BODIES[key]}")
    joints = np.zeros((19, 4))
    joints[: _BODIES[key]] = values.reshape(-1, 4)
    return joints
