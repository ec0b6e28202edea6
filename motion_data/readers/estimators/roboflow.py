"""Reader of what Roboflow's inference says of each picture: key-points with the names of their classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ...notes import note
from ...recording import Recording
from ..estimates import RESULT_LAYOUTS, estimated_recordings
from ..json_files import as_list, as_mapping, frame_number, item, json_head, person_number, picture_side, read_json
from ..plain.plain_joints import detection_of, same_joints
from ..plain.plain_people import Person
from ..registry import ReadOptions, register_format

_MARK = re.compile(r'"predictions"\s*:')
_IMAGE = re.compile(r'"image"\s*:\s*\{\s*"(width|height)"')


def _is_roboflow(path: Path) -> bool:
    head = json_head(path)
    return bool(_MARK.search(head) and _IMAGE.search(head))


@register_format("roboflow", "answers of Roboflow's inference, one for each picture (.json)", (".json",), _is_roboflow)
def read_roboflow(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a list of answers, each with `predictions` and the size of the `image`, in the order of the frames.

    Or an object of them by the numbers of frames.

    A prediction has `keypoints` with x, y, `confidence` and their name, `class`; perhaps `tracker_id`. Those without
    are linked over time. `time` is how long the model took.

    Raises:
        FormatError: see `json_files`; a prediction without key-points, or a joint without a name.
    """
    yield from answer_recordings(path, read_json(path), options)


def are_answers(content: object) -> bool:
    """Tell whether a list in memory holds such answers."""
    return (
        isinstance(content, (list, tuple))
        and len(content) > 0
        and all(isinstance(one, dict) and {"predictions", "image"} <= one.keys() for one in content)
        and all(isinstance(one["image"], dict) for one in content)
    )


def answer_recordings(path: Path, content: object, options: ReadOptions) -> Iterator[Recording]:
    """Yield the recordings of answers; see `read_roboflow`."""
    if isinstance(content, dict) and "predictions" not in content:
        frames = [(frame_number(path, key), as_mapping(path, answer, "an answer")) for key, answer in content.items()]
    else:
        answers = [content] if isinstance(content, dict) else as_list(path, content, "the file")
        frames = [(place, as_mapping(path, answer, "an answer")) for place, answer in enumerate(answers)]
        note("answers are taken for those of frames in their order")
    names: list[str] = []
    found = []
    sizes = set()
    for number, answer in frames:
        image = as_mapping(path, item(path, answer, "image", "an answer"), "an image")
        sizes.add(tuple(picture_side(path, item(path, image, side, "an image")) for side in ("width", "height")))
        for entry in as_list(path, item(path, answer, "predictions", "an answer"), "predictions"):
            person = as_mapping(path, entry, "a prediction")
            joints = _joints(path, as_list(path, item(path, person, "keypoints", "a prediction"), "keypoints"))
            track = person_number(path, person.get("tracker_id"))
            found.append(detection_of(path, Person(number, track, {"keypoints": joints}), ("", number), track, names))
    fields = {"frame_size": sizes.pop()} if len(sizes) == 1 else {}
    yield from estimated_recordings(path, same_joints(found, names), RESULT_LAYOUTS, options, names or None, **fields)


def _joints(path: Path, entries: list) -> list[dict]:
    """Return joints with the names that their classes have."""
    joints = [as_mapping(path, entry, "a joint") for entry in entries]
    return [
        {"name": item(path, joint, "class", "a joint"), "score": joint.get("confidence", 1.0)}
        | {axis: item(path, joint, axis, "a joint") for axis in ("x", "y")}
        for joint in joints
    ]
