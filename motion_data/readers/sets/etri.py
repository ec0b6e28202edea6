"""Reader of the CSV files of ETRI-Activity3D: what a Kinect v2 tracked, a line for each person and frame."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...layouts import get_layout
from ...recording import Recording
from ..cutting import cut_recordings
from ..detections import Detections
from ..registry import FormatError, ReadOptions, register_format
from ..text_files import parse_rows, read_text, text_head
from .ntu_skeleton import TRACKING_STATES, tracked_joints

LAYOUT = "ntu25"
FRAME, PERSON = "framenum", "trackingid"
_NAME = re.compile(r"A(\d{3})_P(\d{3})_G\d{3}_C(\d{3})")


def _is_etri(path: Path) -> bool:
    return "joint1_3dx" in text_head(path).partition("\n")[0].lower()


@register_format("etri", "Kinect skeletons of ETRI-Activity3D (.csv)", (".csv",), _is_etri)
def read_etri(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the bodies as people in camera space, metres; scores are those of NTU RGB+D's.

    A name like `A001_P002_G003_C004` gives label "A001", subject 2 and camera "C004".

    Raises:
        FormatError: a column is missing, or lines that are cut off or no numbers.
    """
    table = list(csv.reader(read_text(path).splitlines()))
    titles = [title.strip().lower() for title in table[0]] if table else []
    joints = range(1, get_layout(LAYOUT).num_joints + 1)
    wanted = [
        FRAME,
        PERSON,
        *(f"joint{joint}_{part}" for joint in joints for part in ("3dx", "3dy", "3dz", "trackingstate")),
    ]
    if missing := [title for title in wanted if title not in titles]:
        raise FormatError(path, f"has no column {missing[0]!r}; {len(missing)} of {len(wanted)} are missing")
    places = [titles.index(title) for title in wanted]
    lines = [row for row in table[1:] if any(cell.strip() for cell in row)]
    for number, row in enumerate(lines, 2):
        if len(row) <= max(places):
            raise FormatError(path, f"line {number} has {len(row)} cells; there are {len(titles)} titles")
    ids: dict[str, int] = {}  # they have 17 digits
    people = [ids.setdefault(row[places[1]].strip(), len(ids)) for row in lines]
    values = parse_rows(path, [[row[place].strip() for place in (places[0], *places[2:])] for row in lines], 2)
    frames = values[:, 0]
    bodies = values[:, 1:].reshape(len(values), len(joints), 4)
    if (frames != frames.round()).any() or (frames < 0).any() or not np.isin(bodies[..., 3], TRACKING_STATES).all():
        raise FormatError(path, "has frames that are no whole numbers, or joints whose state is not 0, 1 or 2")
    keypoints, scores = tracked_joints(bodies[..., :3], bodies[..., 3])
    frames = (frames - frames.min()).astype(np.int64)
    found = Detections(frames, np.array(people), keypoints, scores, num_frames=int(frames.max()) + 1)
    name = _NAME.search(path.name)
    facts = {"label": f"A{name[1]}", "subject": int(name[2]), "camera": f"C{name[3]}"} if name else {}
    yield from cut_recordings(found, LAYOUT, options, space="camera", **facts)
