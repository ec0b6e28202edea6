"""Reader of tracks as JSON: person by person as STG-NF takes them, or frame by frame as CHAD comes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...recording import Recording
from ..data_fields import depth_of
from ..detections import Detection
from ..estimates import RESULT_LAYOUTS, estimated_recordings
from ..json_files import as_list, as_mapping, frame_number, item, joint_rows, json_head, person_number, read_json
from ..plain.named_joints import joint_titles
from ..registry import FormatError, ReadOptions, register_format


def _is_tracks(path: Path) -> bool:
    start = r'\s*\{\s*"\d+"\s*:\s*\{\s*"\d+"\s*:\s*(\{\s*"(keypoints|scores?)"\s*:|\[\s*\[)'
    return bool(re.match(start, json_head(path)))


@register_format("person-tracks", "tracks of STG-NF, ShanghaiTech and CHAD as JSON", (".json",), _is_tracks)
def read_person_tracks(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read tracks: person, then frame, then `keypoints` (STG-NF); or frame, then person, then box and joints (CHAD).

    Raises:
        FormatError: see `json_files`; both orders in one file are refused.
    """
    content = as_mapping(path, read_json(path), "the file")
    yield from estimated_recordings(
        path, _tracked_people(path, content), RESULT_LAYOUTS, options, joint_titles(content)
    )


def _tracked_people(path: Path, content: Mapping) -> Iterator[Detection]:
    orders = set()
    for outer, entries in content.items():
        for inner, entry in as_mapping(path, entries, f"entry {outer!r}").items():
            orders.add(isinstance(entry, dict))
            if isinstance(entry, dict):
                person, frame, joints = outer, inner, item(path, entry, "keypoints", "a person")
            else:
                frame, person = outer, inner
                pair = as_list(path, entry, f"person {inner!r} of frame {outer!r}")
                if len(pair) < 2 or len(pair) > 2 and depth_of(pair) != 2:
                    raise FormatError(path, f"person {inner!r} of frame {outer!r} must be a box and joints, or joints")
                joints = pair[1] if len(pair) == 2 else pair
            number = frame_number(path, frame)
            yield Detection(number, joint_rows(path, joints, number), person_number(path, person))
    if len(orders) > 1:
        raise FormatError(path, "has key-points by person and frame and by frame and person; it must be one of them")
