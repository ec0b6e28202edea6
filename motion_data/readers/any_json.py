"""Readers of JSON and pickles of scripts of one's own: whoever is in a frame, whatever the fields are called.

A file is read from outside in, until an object has key-points. On the way `NAMES` tells what frames, people, ids and
scores are called; an object whose keys are numbers or names of pictures is one of frames. Key-points of all frames in
one list are those of a person. They are asked last, after all formats with a name.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..notes import note
from ..recording import Recording
from .arrays import array_recordings
from .detections import Detection
from .estimates import RESULT_LAYOUTS, estimated_recordings
from .frames import picture_frames, rate_of_times, whole_number
from .json_files import brief, json_head, numbers, person_number, picture_side, read_json, stated_fps
from .pickle_data import pickle_head, read_pickle
from .picture_files import people_in_files, pictures
from .registry import FormatError, ReadOptions, register_format
from .text_files import read_text

LAYOUTS = {**RESULT_LAYOUTS, 18: "openpose18", 25: "openpose25"}
NAMES = {
    "keypoints": (
        *("keypoints", "keypoints_2d", "keypoints2d", "kpts", "kps", "pose_keypoints_2d", "pose_2d", "pose2d"),
        *("joints", "joints_2d", "joints2d", "landmarks", "skeleton"),
    ),
    "scores": (
        *("keypoint_scores", "keypoint_score", "keypoints_scores", "keypoints_score", "kpt_scores", "scores"),
        *("confidences", "confidence", "conf", "visibility"),
    ),
    "frame": (
        *("frame", "frame_id", "frame_index", "frame_idx", "frame_number", "frame_num", "frame_no"),
        *("frameId", "frameIndex", "frameNumber", "image_id", "image_name", "image", "file_name", "filename"),
    ),
    "time": (
        *("timestamp", "time", "time_s", "timestamp_s", "timestamp_ms", "time_ms", "timestamp_us", "timestamp_usec"),
    ),
    "person": ("track_id", "person_id", "track", "id", "pid", "idx"),
    "people": (
        *("people", "persons", "instances", "instance_info", "predictions", "detections", "objects", "annotations"),
        *("poses", "pose", "skeletons", "bodies", "tracks", "frames", "data", "results"),
    ),
    "score": ("score", "confidence", "visibility", "conf", "c", "v"),  # of one joint
    "name": ("name", "part", "joint", "label", "id"),
    "fps": ("fps", "frame_rate", "framerate", "frameRate", "video_fps"),
    "width": ("width", "image_width", "frame_width", "video_width", "canvas_width"),
    "height": ("height", "image_height", "frame_height", "video_height", "canvas_height"),
    # where these three stand
    "about": ("info", "meta", "metadata", "meta_info", "header", "video", "video_info", "dimensions"),
}
_MARK = re.compile(rf'"({"|".join(NAMES["keypoints"])})"\s*:\s*[\[{{]')
# nothing but numbers, in lists or by the number or name of a picture
_NUMBERS = re.compile(r'\s*(\[\s*\[|\{\s*"[^"]{0,200}\d[^"]{0,200}"\s*:)[\s\[]*-?\d')
OF_ONE = ("frames", "data", "results")  # of these, what a person may have
MAX_TIME = 1e18  # microseconds since 1970 are 1e15
LOWEST = -0.25  # of a score: the peak of a heat-map may be a little below 0
MAX_DEPTH = 8
MAX_EMPTY = 100  # files of a folder among which one with people is looked for
SUFFIXES = (".json", ".jsonl", ".ndjson")
PICKLES = (".pkl", ".pickle")
TABLES = (".csv", ".tsv")
HEAD_BYTES = 1 << 16
MAX_PICTURE = 2**20  # bytes of a file with the people of one picture


class Person(NamedTuple):
    """Somebody in a file: the number or name of the frame (None is not told), the track, and the object."""

    frame: object
    track: object
    entry: Mapping
    by_place: bool = False  # the frame is a place in a list
    time: tuple[str, object] = ("", None)  # of the frame: what it is called, and the number


def _is_pickle(path: Path) -> bool:
    return any(text in NAMES["keypoints"] for _, text in pickle_head(path) if isinstance(text, str))


def _is_table(path: Path) -> bool:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = next(csv.DictReader(file.read(HEAD_BYTES).splitlines()), {})
        return any(str(first.get(title)).lstrip()[:1] in ("[", "{") for title in NAMES["keypoints"])
    except (OSError, ValueError, csv.Error):
        return False


def _is_json(path: Path) -> bool:
    head = json_head(path)
    return bool(re.match(r"\s*[\[{]", head) and _MARK.search(head) or _NUMBERS.match(head))


def _is_folder(path: Path) -> bool:
    """Tell whether the first file with people has no frames of its own: then each file is a picture, not a video."""
    for file in pictures(path, ".json")[:MAX_EMPTY]:
        if _MARK.search(json_head(file)):
            try:
                people = list(_people(file, read_json(file))) if file.stat().st_size < MAX_PICTURE else []
            except (FormatError, OSError):
                return False
            return bool(people) and all(person.frame is None for person in people)
    return False


@register_format("any-json", "JSON or JSON lines of scripts of one's own (.json, .jsonl)", SUFFIXES, _is_json)
def read_any_json(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read people in frames; a frame is what a field or a key says, else the place in a list of frames.

    Key-points are x, y, score in rows or flat; x, y where scores stand apart; or objects with x and y, by name or with
    one. Without scores each joint is certain. Key-points of several people and all frames in one array are read
    as `npz` files are. A rate and a width and height that stand beside them are those of the recording;
    without a rate, times of frames tell it.

    Raises:
        FormatError: see `json_files`; a person whose frame nothing tells, or joints that are none of these.
    """
    yield from json_recordings(path, read_json(path), options)


@register_format("any-pickle", "a pickle of the same, or of arrays (.pkl)", PICKLES, _is_pickle)
def read_any_pickle(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a pickle as `read_any_json` reads JSON.

    Raises:
        FormatError: as there; see `read_pickle`.
    """
    yield from json_recordings(path, read_pickle(path), options)


def are_people(content: object) -> bool:
    """Tell whether data in memory is what such a file holds: people with frames, or frames, under a name of theirs."""
    if isinstance(content, (list, tuple)):
        return bool(content) and all(
            isinstance(entry, Mapping) and "shape" not in entry and _field(entry, "frame") is not None
            for entry in content
        )
    if not isinstance(content, Mapping) or "keypoints" in content or "shape" in content:
        return False
    return any(isinstance(content.get(name), (list, dict)) and content[name] for name in NAMES["people"])


def json_recordings(path: Path, content: object, options: ReadOptions) -> Iterator[Recording]:
    """Yield the recordings of what a file holds; see `read_any_json`."""
    about = _about(path, content, options)
    is_bare = isinstance(content, (list, np.ndarray)) and _depth(content) > 2
    if is_bare:
        content = {"keypoints": content}
    if isinstance(content, dict) and (is_bare or _depth(_field(content, "keypoints")) == 4):
        arrays = {
            name: np.asarray(content[name]) for name in ("layout", "label") if isinstance(content.get(name), str)
        }
        if isinstance(scores := _field(content, "scores"), (list, np.ndarray)):
            arrays["scores"] = numbers(path, scores, "scores")
        keypoints = numbers(path, _field(content, "keypoints"), "keypoints")
        size = about.pop("frame_size")
        yield from array_recordings(path, keypoints, arrays, replace(options, frame_size=size, **about))
        return
    people = list(_people(path, content))
    if any(person.frame is None for person in people):
        raise FormatError(
            path,
            f"a person has no frame; it may be called {', '.join(NAMES['frame'])}, or write a list of frames, each a "
            "list of people",
        )
    if any(person.by_place for person in people):
        note("frames have no numbers, and are taken in the order of the list")
    frames = picture_frames(path, [person.frame for person in people])
    tracks = _tracks(people)
    names: list[str] = []
    found = [
        _detection(path, person, frames[person.frame], track, names)
        for person, track in zip(people, tracks, strict=True)
    ]
    about["fps"] = about["fps"] or _rate(path, people, found)
    yield from estimated_recordings(path, found, LAYOUTS, options, names or None, **about)


@register_format("table-of-lists", "a table whose cells hold lists of key-points (.csv, .tsv)", TABLES, _is_table)
def read_table_of_lists(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a table with a row for each person in a frame, as `read_any_json` reads the list of them.

    Raises:
        FormatError: as there; a cell that starts like a list and is none.
    """
    rows = []
    for number, row in enumerate(csv.DictReader(read_text(path).splitlines()), 2):
        cells = {title: cell for title, cell in row.items() if title and isinstance(cell, str) and cell}
        for title in NAMES["keypoints"] + NAMES["scores"]:
            if cells.get(title, "").lstrip()[:1] in ("[", "{"):
                try:
                    cells[title] = json.loads(cells[title])
                except ValueError as error:
                    raise FormatError(
                        path, f"line {number} has a {title} that is no list of numbers ({error})"
                    ) from error
        for title in NAMES["time"]:
            with suppress(ValueError):
                cells |= {title: float(cells[title])} if title in cells else {}
        rows.append(cells)
    yield from json_recordings(path, rows, options)


@register_format("any-json-folder", "folder of such JSON files, one for each picture", recognises=_is_folder)
def read_any_folder(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read a folder with a file for each picture, whose number is in its name.

    Raises:
        FormatError: as for one file.
    """
    names: list[str] = []

    def people(file: Path, frame: int) -> Iterator[Detection]:
        for person in _people(file, read_json(file), frame):
            yield _detection(file, person, ("", frame), person_number(file, person.track), names)

    found = list(people_in_files(path, ".json", people))
    yield from estimated_recordings(path, found, LAYOUTS, options, names or None)


def _rate(path: Path, people: Sequence[Person], found: Sequence[Detection]) -> float:
    """Return the rate that the times of frames tell; 0 is none.

    Raises:
        FormatError: times go back where frames do not.
    """
    timed = {seen.frame: person.time for person, seen in zip(people, found, strict=True)}
    times = [time for _, (_, time) in sorted(timed.items()) if isinstance(time, (int, float)) and abs(time) < MAX_TIME]
    if not times or len(times) < len(timed):
        return 0.0
    if times != sorted(times):
        raise FormatError(path, "has frames whose times go back: numbers or places and times contradict each other")
    return rate_of_times(sorted(timed), times, people[0].time[0])


def _about(path: Path, content: object, options: ReadOptions) -> dict:
    """Return the rate and the size of the picture, as the file states them or else the options."""
    header = content if isinstance(content, dict) else {}
    if isinstance(content, list) and all(isinstance(entry, dict) for entry in content):  # of each frame
        for name in (*NAMES["width"], *NAMES["height"]):
            values = {str(entry.get(name)): entry.get(name) for entry in content}
            if len(values) == 1:
                header[name] = next(iter(values.values()))
    headers = [header, *(header[name] for name in NAMES["about"] if isinstance(header.get(name), dict))]
    stated = {key: value for one in reversed(headers) for key, value in one.items()}
    about = {"fps": stated_fps(path, stated, options, NAMES["fps"]), "frame_size": options.frame_size}
    width, height = _field(stated, "width"), _field(stated, "height")
    if width is not None and height is not None and not options.overrides("frame_size"):
        about["frame_size"] = (picture_side(path, width), picture_side(path, height))
    return about


def _depth(value: object) -> int:
    """Return how deep lists of numbers are nested, as their first ones are; 0 is of anything else."""
    depth = 0
    while isinstance(value, (list, tuple)) and len(value):
        value, depth = value[0], depth + 1
    if isinstance(value, np.ndarray):
        return depth + value.ndim
    return depth if isinstance(value, (int, float)) else 0


def _people(
    path: Path,
    value: object,
    frame: object = None,
    track: object = None,
    depth: int = 0,
    of_frames: bool = False,
    time: tuple[str, object] = ("", None),
) -> Iterator[Person]:
    """Yield everybody below a value, whose frame and track are those of the objects around it.

    Args:
        of_frames: a list is one of frames, whatever they look like.
    """
    if depth > MAX_DEPTH:
        raise FormatError(path, f"has people more than {MAX_DEPTH} objects deep")
    if isinstance(value, (list, tuple)):
        by_place = frame is None and (all(map(_is_frame, value)) or of_frames and not any(map(_says_frame, value)))
        for place, entry in enumerate(value):
            for person in _people(path, entry, place if by_place else frame, track, depth + 1, time=time):
                yield person._replace(by_place=True) if by_place else person
    elif isinstance(value, dict):
        frame = _field(value, "frame", frame)
        time = next(((name, value[name]) for name in NAMES["time"] if value.get(name) is not None), time)
        if isinstance(value.get("pose"), dict):  # ml5, whose skeleton is pairs of joints
            value = {"pose": value["pose"]}
        joints = _field(value, "keypoints")
        if isinstance(joints, list) and joints and all(map(_is_person, joints)):  # people, under that name
            yield from _people(path, joints, frame, track, depth + 1, time=time)
            return
        if joints is not None:
            person = Person(frame, _field(value, "person", track), value, time=time)
            yield from _apart(path, person) if _depth(joints) > 2 else [person]
            return
        groups = [name for name in NAMES["people"] if isinstance(value.get(name), (list, dict))]
        for group in groups:  # the id of an object with frames is a person's, that of one with people is not
            own = _field(value, "person", track) if group in OF_ONE else track
            yield from _people(path, value[group], frame, own, depth + 1, group == "frames", time)
        for key, entry in value.items() if not groups else ():
            # a key is the frame, unless frames are told around it or further in: then it is the person
            told = frame is not None or any(person.frame is not None for person in _people(path, entry, depth=depth))
            if _depth(entry):
                entry = {"keypoints": entry}
            yield from _people(path, entry, frame if told else key, key if told else track, depth + 1)


def _apart(path: Path, person: Person) -> Iterator[Person]:
    """Yield the frames of a person whose key-points are those of all frames, or the people of a frame."""
    keypoints = numbers(path, _field(person.entry, "keypoints"), "keypoints")
    scores = _field(person.entry, "scores")
    marks = numbers(path, scores, "scores") if isinstance(scores, (list, np.ndarray)) else None
    if keypoints.ndim != 3 or marks is not None and len(marks) != len(keypoints):
        raise FormatError(
            path,
            f"somebody has keypoints of shape {keypoints.shape} and scores "
            f"{None if marks is None else marks.shape}; they must be [frames, joints, 2 or 3] and [frames, joints]",
        )
    for place, rows in enumerate(keypoints):
        entry = {"keypoints": rows} | ({} if marks is None else {"scores": marks[place]})
        if person.frame is None:
            yield person._replace(frame=place, entry=entry, by_place=True)
        else:
            yield person._replace(track=None, entry=entry)


def _says_frame(entry: object) -> bool:
    return not isinstance(entry, (list, dict)) or isinstance(entry, dict) and _field(entry, "frame") is not None


def _is_person(entry: object) -> bool:
    return isinstance(entry, dict) and _field(entry, "keypoints") is not None


def _is_frame(entry: object) -> bool:
    """Tell whether an entry of a list is a frame that does not say which: people in a list, or in a field."""
    if isinstance(entry, list):
        return all(isinstance(person, Mapping) and _field(person, "frame") is None for person in entry)
    return (
        isinstance(entry, Mapping)
        and _field(entry, "frame") is None
        and _field(entry, "keypoints") is None
        and any(isinstance(entry.get(name), list) for name in NAMES["people"] if name not in OF_ONE)
    )


def _field(entry: Mapping, kind: str, otherwise: object = None) -> object:
    """Return the first field of an object that is called so; null is none."""
    value = next((entry[name] for name in NAMES[kind] if entry.get(name) is not None), otherwise)
    return value.item() if isinstance(value, np.generic) else value


def _tracks(people: Sequence[Person]) -> list[int]:
    """Return track ids; of other texts than numbers their place, and none if no id comes twice in a file."""
    ids = [None if person.track is None else str(person.track) for person in people]
    known = [one for one in dict.fromkeys(ids) if one is not None]
    if len(known) == len(ids) > 1:
        return [-1] * len(ids)
    numbers = {one: whole_number(one) for one in known}
    if None in numbers.values():
        numbers = {one: place for place, one in enumerate(known)}
    return [-1 if one is None else max(numbers[one] or 0, -1) for one in ids]


def _detection(path: Path, person: Person, place: tuple[str, int], track: int, names: list[str]) -> Detection:
    """Return somebody in (video, frame); `names` gets what the joints are called, or must be that already."""
    video, frame = place
    joints, scores = _field(person.entry, "keypoints"), _field(person.entry, "scores")
    where = f"keypoints in frame {frame}"
    if isinstance(joints, dict):
        joints = [
            joint | {"name": name} if isinstance(joint, dict) else [name, joint] for name, joint in joints.items()
        ]
    if isinstance(joints, list) and all(isinstance(joint, dict) or _is_pair(joint) for joint in joints):
        titles, joints = zip(*(_named(path, joint, where) for joint in joints), strict=True) if joints else ((), ())
        found = [str(title) for title in titles if title is not None]
        names[:] = names or found
        if found != names:
            raise FormatError(
                path, f"{where} have other names than those before; they must have the same, in one order"
            )
        joints = [list(joint) for joint in joints]
    values = numbers(path, joints, where)
    marks = numbers(path, scores, f"scores in frame {frame}") if isinstance(scores, (list, np.ndarray)) else None
    if values.ndim == 1:
        size = 3 if marks is None and len(values) % 3 == 0 else 2
        values = values.reshape(-1, size) if len(values) % size == 0 else values
    if values.ndim != 2 or values.shape[1] not in (2, 3):
        raise FormatError(path, f"{where} have shape {values.shape}; they must be x, y or x, y, score each")
    if marks is None and values.shape[1] == 3 and ((values[:, 2] < LOWEST) & (values[:, 2] != -1)).any():
        raise FormatError(
            path, f"{where} have third values down to {values[:, 2].min():.4g}, which are no scores; write 3D as .npy"
        )
    if marks is None:
        marks = values[:, 2] if values.shape[1] == 3 else np.ones(len(values))
    if marks.shape != (len(values),):
        raise FormatError(path, f"scores in frame {frame} have shape {marks.shape}; there are {len(values)} joints")
    return Detection(frame, np.column_stack((values[:, :2], marks)), track, None, video)


def _is_pair(joint: object) -> bool:
    """Tell whether a joint is its name and its coordinates."""
    return isinstance(joint, list) and len(joint) == 2 and isinstance(joint[0], str)


def _named(path: Path, joint: dict | list, where: str) -> tuple[object, Sequence]:
    """Return the name of a joint, None if it has none, and x, y, score."""
    if isinstance(joint, list):
        name, values = joint
        if not isinstance(values, (list, np.ndarray)) or len(values) not in (2, 3):
            raise FormatError(path, f"{where}: a joint is {brief(values)}; it must be x, y or x, y, score")
        return name, [*values, 1.0][:3]
    point = next((joint[name] for name in ("position", "coordinates") if name in joint), joint)
    if isinstance(point, (list, np.ndarray)) and len(point) in (2, 3):
        point = {"x": point[0], "y": point[1]}
    if not isinstance(point, dict) or "x" not in point or "y" not in point:
        raise FormatError(path, f"{where}: a joint is {brief(joint)}; it must have x and y")
    return _field(joint, "name"), (point["x"], point["y"], _field(joint, "score", 1.0))
