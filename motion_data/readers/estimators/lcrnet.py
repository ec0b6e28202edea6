"""Reader of the JSON of LCR-Net, as Toyota Smarthome has it: all x of a person's joints come before all y."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..detections import Detection
from ..estimates import estimated_recordings
from ..json_files import as_list, as_mapping, item, json_head, numbers, read_json
from ..registry import FormatError, ReadOptions, register_format

_PAIRS = [
    f"{side}_{part}" for part in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder") for side in ("right", "left")
]
NAMES = {13: [*_PAIRS, "head"], 17: [*_PAIRS, "pelvis", "spine", "thorax", "neck", "head"]}  # in its order
_SMARTHOME = re.compile(r"([A-Z][A-Za-z.]*)_p(\d+)_r\d+_v\d+_c(\d+)")  # Cook.Cut_p02_r01_v03_c04


def _is_lcrnet(path: Path) -> bool:
    head = json_head(path)
    return '"njts"' in head and '"pose2d"' in head


@register_format("lcr-net", "people of LCR-Net, as in Toyota Smarthome (.json)", (".json",), _is_lcrnet)
def read_lcrnet(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read `frames`, a list of people for each, whose `pose2d` has 13 or 17 x and then as many y, in pixels.

    Each joint is certain, since none has a score. Names of Toyota Smarthome give label, subject and camera.

    Raises:
        FormatError: see `json_files`; a person with another number of joints than `njts`.
    """
    content = as_mapping(path, read_json(path), "the file")
    count = item(path, content, "njts", "the file")
    if not isinstance(count, int) or count not in NAMES:
        raise FormatError(path, f"has njts {count!r:.60}; it must be {' or '.join(map(str, NAMES))}")
    found = list(_people(path, as_list(path, item(path, content, "frames", "the file"), "frames"), count))
    name = _SMARTHOME.match(path.name)
    facts = {"label": name[1], "subject": int(name[2]), "camera": name[3]} if name else {}
    yield from estimated_recordings(path, found, {}, options, NAMES[count], **facts)


def _people(path: Path, frames: list, count: int) -> Iterator[Detection]:
    for number, frame in enumerate(frames):
        for person in as_list(path, frame, f"frame {number}"):
            entry = as_mapping(path, person, "a person")
            values = numbers(path, item(path, entry, "pose2d", "a person"), f"pose2d in frame {number}")
            if values.shape != (2 * count,):
                raise FormatError(
                    path, f"pose2d in frame {number} has {values.size} numbers; {count} joints need {2 * count}"
                )
            yield Detection(number, np.column_stack((values[:count], values[count:], np.ones(count))))
