"""Reader of MVNX, the XML that MVN Analyze and MVN Animate export of the inertial suits of Xsens (Movella)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ...recording import Recording
from ..joint_names import map_joints
from ..pose_arrays import array_recordings
from ..registry import MAX_FILE_BYTES, FormatError, ReadOptions, register_format
from ..text_files import parse_rate

NORMAL = ("", "normal")  # frames of other types are the poses of calibration
UP_AXIS, UNIT = "z", "m"  # always


@dataclass
class Actor:
    """One `subject` of a file.

    Args:
        rate: frames per second, 0 is unknown.
        segments: their names.
        rows: the numbers of each frame, x, y, z of each segment's origin.
    """

    rate: float
    segments: list[str] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)


@register_format("mvnx", "inertial motion capture of Xsens MVN (.mvnx)", (".mvnx",))
def read_mvnx(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read where segments begin, which is where the joint above them is, as COCO-17 in metres, y up.

    Poses of calibration are left out. Subjects with as many frames are people of one recording.

    Raises:
        FormatError: no XML, a frame with other numbers than its segments have, or segments of other names.
    """
    actors = [actor for actor in _actors(path) if actor.rows]
    if not actors:
        raise FormatError(path, "has no frames with positions; export them with MVN's segment positions")
    for actor in actors:
        for number, row in enumerate(actor.rows):
            if len(row) != 3 * len(actor.segments):
                raise FormatError(
                    path,
                    f"frame {number} has {len(row)} numbers; {len(actor.segments)} segments need "
                    f"{3 * len(actor.segments)}",
                )
    together = len({(len(actor.rows), tuple(actor.segments), actor.rate) for actor in actors}) == 1
    for number, people in enumerate([actors] if together else [[actor] for actor in actors]):
        joints = map_joints(path, people[0].segments, options)
        places = np.array([actor.rows for actor in people]).reshape(len(people), -1, len(people[0].segments), 3)
        up_axis = options.up_axis if options.overrides("up_axis") else UP_AXIS
        read = replace(options, axes="MFKC", coordinates="xyz", units=UNIT, up_axis=up_axis, layout=joints.layout)
        for recording in array_recordings(path, joints(places), {"fps": np.array(people[0].rate)}, read):
            yield recording if together else replace(recording, name=f"{number}/{recording.name}".strip("/"))


def _actors(path: Path) -> list[Actor]:
    """Return the subjects of a file, element by element: a minute of a suit has 40 MB."""
    actors: list[Actor] = []
    kind = ""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FormatError(path, f"is larger than {MAX_FILE_BYTES} bytes; split it")
        for event, element in ElementTree.iterparse(path, ("start", "end")):
            tag = element.tag.rpartition("}")[2]
            if event == "start":
                if tag == "subject":
                    actors.append(Actor(parse_rate(path, "frameRate", element.get("frameRate", ""))))
                elif tag == "segment" and actors:
                    actors[-1].segments.append(element.get("label", ""))
                elif tag == "frame":
                    kind = element.get("type", "")
            elif tag == "position" and actors and kind in NORMAL:
                actors[-1].rows.append(np.array((element.text or "").split(), np.float64))
            elif tag == "frame":
                element.clear()
    except FormatError:
        raise
    except (OSError, ValueError, LookupError, ElementTree.ParseError) as error:
        raise FormatError(path, f"is damaged, or no MVNX file ({error})") from error
    return actors
