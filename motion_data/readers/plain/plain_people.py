"""Who is in plain data of lists and objects, from outside in, until an object has key-points.

On the way `data_fields` tells what frames, people, ids and scores are called. An object whose keys are numbers or
names of pictures is one of frames; one with fewer keys than each has entries is one of people. Key-points of all
frames in one list are those of a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..data_fields import NAMES, are_texts, depth_of, list_of, value_of
from ..json_files import numbers
from ..registry import FormatError
from .named_joints import joints_by_name, own_titles
from .unnamed_keypoints import AXIS_NAMES, with_keypoints

OF_ONE = ("frames", "data", "results")  # of these, what a person may have
MAX_DEPTH = 8
PERSON_KEY = re.compile(r"(?i)(person|people|track|subject|player|human|id|pid)[ _-]?\d")  # a key


class Person(NamedTuple):
    """Somebody in a file: the number or name of the frame (None is not told), the track, and the object."""

    frame: object
    track: object
    entry: Mapping
    by_place: bool = False  # the frame is a place in a list
    time: tuple[str, object] = ("", None)  # of the frame: what it is called, and the number
    titles: list[str] | None = None  # of the joints, where they stand beside them


def people_in(
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
        by_place = frame is None and (
            all(map(is_bare_frame, value))
            or (not any(map(_says_frame, value)) and (of_frames or (depth == 0 and are_frames_of_one(value))))
            or _are_frames_of_several(value)
        )
        for place, entry in enumerate(value):
            for person in people_in(path, entry, place if by_place else frame, track, depth + 1, time=time):
                yield person._replace(by_place=True) if by_place else person
    elif isinstance(value, dict):
        yield from _in_object(path, value, frame, track, depth, time)


def _in_object(
    path: Path, value: dict, frame: object, track: object, depth: int, time: tuple[str, object]
) -> Iterator[Person]:
    """Yield the person that an object is, or everybody in it."""
    frame = value_of(value, "frame", frame)
    time = next(((name, value[name]) for name in NAMES["time"] if value.get(name) is not None), time)
    if isinstance(value.get("pose"), dict):  # ml5, whose skeleton is pairs of joints
        value = {"pose": value["pose"]}
    titles = own_titles(value)
    if any(map(are_texts, value.values())):  # names of joints, of a skeleton: they are no key-points
        value = {name: entry for name, entry in value.items() if not are_texts(entry)}
    joints = value_of(value, "keypoints")
    if joints is None and (named := joints_by_name(value)):
        value = {name: entry for name, entry in value.items() if name not in named} | {"keypoints": named}
        joints = named
    if joints is None and (found := flat_keypoints(value)):
        value, joints = found, found["keypoints"]
    if isinstance(joints, list) and joints and all(map(_is_person, joints)):  # people, under that name
        yield from people_in(path, joints, frame, track, depth + 1, time=time)
        return
    if joints is not None:
        person = Person(frame, value_of(value, "person", track), value, time=time, titles=titles)
        yield from _one_by_one(path, person) if depth_of(joints) > 2 else [person]
        return
    groups = [name for name in NAMES["people"] if isinstance(value.get(name), (list, dict))]
    for group in groups:  # the id of an object with frames is a person's, that of one with people is not
        own = value_of(value, "person", track) if group in OF_ONE else track
        yield from people_in(path, value[group], frame, own, depth + 1, group == "frames", time)
    if not groups and frame is None and track is None and _are_whole_motions(path, value):
        for key, entry in value.items():
            yield from _one_by_one(path, Person(None, key, {"keypoints": entry}))
        return
    for key, entry in value.items() if not groups else ():
        # a key is the frame, unless frames are told around it or further in, or it says so: then it is the person
        told = frame is not None or bool(PERSON_KEY.match(str(key)))
        told = told or any(person.frame is not None for person in people_in(path, entry, depth=depth))
        if depth_of(entry):
            entry = {"keypoints": entry}
        yield from people_in(path, entry, frame if told else key, key if told else track, depth + 1)


def flat_keypoints(value: Mapping, find: Callable[[Mapping], dict | None] = with_keypoints) -> dict | None:
    """Return an object whose key-points in the picture have no name, as `with_keypoints` does; else None."""
    named = {name: entry for name, entry in value.items() if isinstance(name, str) and not name[-1:].isdecimal()}
    found = find(named)  # a name with a number may be that of a frame or a person
    return None if found is None or any(name in value for name in AXIS_NAMES["z"]) else found


def _are_whole_motions(path: Path, value: Mapping) -> bool:
    """Tell an object of people with all their frames from one of frames with people: it has fewer keys than each has.

    Raises:
        FormatError: their lengths differ, and nothing tells which frames are missing.
    """
    lengths = {len(entry) if depth_of(entry) == 3 else 0 for entry in value.values()}
    if not value or len(value) >= min(lengths):
        return False
    if len(lengths) > 1:
        told = " and ".join(map(str, sorted(lengths)[:2]))
        raise FormatError(path, f"has people with {told} frames, and nothing tells which; number the frames")
    return True


def _one_by_one(path: Path, person: Person) -> Iterator[Person]:
    """Yield the frames of a person whose key-points are those of all frames, or the people of a frame."""
    keypoints = numbers(path, value_of(person.entry, "keypoints"), "keypoints")
    scores = list_of(person.entry, "scores")
    marks = None if scores is None else numbers(path, scores, "scores")
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
    return not isinstance(entry, (list, dict)) or isinstance(entry, dict) and value_of(entry, "frame") is not None


def _is_person(entry: object) -> bool:
    return isinstance(entry, dict) and value_of(entry, "keypoints") is not None


def is_bare_frame(entry: object) -> bool:
    """Tell whether an entry of a list is a frame that does not say which: people in a list, or in a field."""
    if isinstance(entry, list):
        return all(isinstance(person, Mapping) and value_of(person, "frame") is None for person in entry)
    return (
        isinstance(entry, Mapping)
        and value_of(entry, "frame") is None
        and value_of(entry, "keypoints") is None
        and any(isinstance(entry.get(name), list) for name in NAMES["people"] if name not in OF_ONE)
    )


def _are_frames_of_several(entries: Sequence) -> bool:
    """Tell whether a list is one of frames, each with the key-points of all its people, who are fewer than frames."""
    if not all(isinstance(one, Mapping) and value_of(one, "frame") is None for one in entries):
        return False
    people = [value_of(one, "keypoints") for one in entries]
    if not all(depth_of(one) == 3 or isinstance(one, list) and not one for one in people):
        return False
    has_ids = any(value_of(one, "person") is not None for one in entries)
    most = max((len(one) for one in people if isinstance(one, (list, np.ndarray))), default=0)
    return not has_ids and len(entries) > most > 0


def are_frames_of_one(entries: Sequence) -> bool:
    """Tell whether a list is joints by name, of one person frame by frame."""
    named = all(isinstance(entry, Mapping) and joints_by_name(entry) for entry in entries)
    return named and len(entries) > 0 and len({str(value_of(entry, "person")) for entry in entries}) == 1
