"""Reader of the JSON of easy_ViTPose, whose joints are y, x, score: vertical first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...interpret import x_first
from ...notes import note
from ...recording import Recording
from ..detections import Detection
from ..estimates import RESULT_LAYOUTS, estimated_recordings
from ..json_files import as_list, as_mapping, item, joint_rows, json_head, person_number, read_json
from ..plain.named_joints import joint_titles
from ..plain.plain_data import data_recordings
from ..registry import ReadOptions, register_format

_START = re.compile(r'\s*\{\s*"keypoints"\s*:\s*\[\s*(\{\s*\}\s*,\s*)*\{\s*"\d+"\s*:\s*\[\s*\[')
_NAMES = "skeleton"


def _is_easy_vitpose(path: Path) -> bool:
    return bool(_START.match(json_head(path)))


@register_format("easy-vitpose", "people by id in frames, of easy_ViTPose (.json)", (".json",), _is_easy_vitpose)
def read_easy_vitpose(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read `keypoints`, a list of frames, each an object of people by id, and `skeleton`, the joints' names by number.

    Rows are y, x, score where `skeleton` is there, as easy_ViTPose writes both (its README, "OUTPUT json format").
    Without it they are of somebody else's script, and x comes first, unless `options.coordinates` says otherwise.

    Raises:
        FormatError: see `json_files`, and `map_joints`, which refuses animals.
    """
    content = as_mapping(path, read_json(path), "the file")
    frames = as_list(path, item(path, content, "keypoints", "the file"), "keypoints")
    names = joint_titles({_NAMES: content.get(_NAMES)})
    if names is None:
        yield from data_recordings(path, {"frames": frames}, options)
        return
    if not options.coordinates:
        note("joints are y, x, score, as easy_ViTPose writes them; coordinates='xyc' says otherwise")
    order = options.coordinates if options.coordinates in ("xy", "xyc") else "yxc"
    found = list(_people(path, frames, order))
    yield from estimated_recordings(path, found, RESULT_LAYOUTS, options, names)


def _people(path: Path, frames: list, order: str) -> Iterator[Detection]:
    for number, entry in enumerate(frames):
        people: Mapping = as_mapping(path, entry, f"frame {number}")
        for person, joints in people.items():
            rows = joint_rows(path, joints, number)
            yield Detection(number, x_first(rows, order), person_number(path, person))
