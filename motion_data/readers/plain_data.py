"""Whoever is in plain data of lists and objects, whatever its fields are called: JSON and pickles of people's own.

It is read from outside in, until an object has key-points. On the way `data_fields` tells what frames, people, ids and
scores are called; an object whose keys are numbers or names of pictures is one of frames. Key-points of all frames in
one list are those of a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..interpret import x_first
from ..notes import note
from ..recording import Recording
from .data_fields import NAMES, are_texts, depth_of, headers_of, list_of, one_label, value_of
from .detections import Detection
from .estimates import RESULT_LAYOUTS, check_guessed_depth, estimated_recordings
from .frames import frames_of_times, picture_frames, rate_of_times, whole_number
from .json_files import brief, numbers, picture_side, stated_fps
from .named_joints import joint_titles, joints_by_name, own_titles, trajectories
from .pose_arrays import array_recordings
from .registry import FormatError, ReadOptions
from .unnamed_keypoints import AXIS_NAMES, noted_keypoints, with_keypoints

LAYOUTS = {**RESULT_LAYOUTS, 18: "openpose18", 25: "openpose25", 33: "mediapipe33"}
OF_ONE = ("frames", "data", "results")  # of these, what a person may have
MAX_TIME = 1e19  # nanoseconds since 1970 are 2e18
LOWEST = -0.25  # of a score: the peak of a heat-map may be a little below 0
METRES, HIGHEST = 10.0, 100.0  # x and y of people in metres lie within; scores, be they of 100, do
MAX_DEPTH = 8
_PERSON = re.compile(r"(?i)(person|people|track|subject|player|human|id|pid)[ _-]?\d")  # a key
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")
GUESSED = "inFrameLikelihood"  # of ML Kit, whose z is a guess
NOWHERE = [0.0, 0.0, 0.0]


class Person(NamedTuple):
    """Somebody in a file: the number or name of the frame (None is not told), the track, and the object."""

    frame: object
    track: object
    entry: Mapping
    by_place: bool = False  # the frame is a place in a list
    time: tuple[str, object] = ("", None)  # of the frame: what it is called, and the number
    titles: list[str] | None = None  # of the joints, where they stand beside them


def are_people(content: object) -> bool:
    """Tell whether data in memory is what such a file holds: people with frames, or frames, under a name of theirs."""
    if isinstance(content, (list, tuple)):
        return (
            _is_one_person(content)
            or bool(content)
            and all(
                isinstance(entry, Mapping)
                and "shape" not in entry
                and (value_of(entry, "frame") is not None or _is_frame(entry) and "predictions" not in entry)
                for entry in content
            )
        )
    if not isinstance(content, Mapping) or "keypoints" in content or "shape" in content:
        return False
    if trajectories(content):
        return True
    if any(isinstance(content.get(name), (list, dict)) and content[name] for name in NAMES["people"]):
        return True
    return bool(content) and all(whole_number(key) is not None and _holds(entry) for key, entry in content.items())


def _holds(entry: object) -> bool:
    return isinstance(entry, (list, dict)) or hasattr(entry, "shape")


def data_recordings(path: Path, content: object, options: ReadOptions) -> Iterator[Recording]:
    """Yield the recordings of what a file holds; see `read_any_json`."""
    about, titles = _stated(path, content, options), joint_titles(content)
    within = value_of(content, "keypoints") if isinstance(content, Mapping) else None
    if isinstance(content, Mapping) and (within is None or isinstance(within, Mapping)):
        content = {**content, **(_flat_keypoints(within or content, noted_keypoints) or {})}
    if joints := trajectories(content) or trajectories(within):
        content = [dict(zip(joints, places, strict=True)) for places in zip(*joints.values(), strict=True)]
    is_bare = isinstance(content, (list, np.ndarray)) and depth_of(content) > 2
    if is_bare:
        content = {"keypoints": content}
    if isinstance(content, dict) and (is_bare or _is_array(path, value_of(content, "keypoints"))):
        arrays = {"layout": np.array(content["layout"])} if isinstance(content.get("layout"), str) else {}
        arrays["label"] = np.array(about["label"])
        if titles:
            arrays["joint_names"] = np.array(titles)
        if (scores := list_of(content, "scores")) is not None:
            arrays["scores"] = numbers(path, scores, "scores")
        keypoints = numbers(path, value_of(content, "keypoints"), "keypoints")
        told = replace(options, frame_size=about["frame_size"], fps=about["fps"] or options.fps)
        yield from array_recordings(path, keypoints, arrays, told)
        return
    people = _by_time(list(people_in(path, content)))
    if any(person.frame is None for person in people):
        raise FormatError(
            path,
            f"a person has no frame; it may be called {', '.join(NAMES['frame'])}, or write a list of frames, each a "
            "list of people",
        )
    if any(person.by_place for person in people):
        note("frames have no numbers, and are taken in the order of the list")
    frames = picture_frames(path, [person.frame for person in people])
    tracks = _track_ids(people)
    names: list[str] = []
    found = [
        detection_of(path, person, frames[person.frame], track, names, options.coordinates)
        for person, track in zip(people, tracks, strict=True)
    ]
    if options.coordinates != "xy" and any(_has_depth(person.entry) for person in people):
        check_guessed_depth(
            path,
            np.concatenate([seen.joints[:, :2] for seen in found]),
            "give coordinates='xy' if they are pixels and z is to be left out, and write 3D as .npy",
        )
    found = same_joints(found, names)
    if names and all(name.isdecimal() for name in names):  # numbers are no names
        order = np.argsort(np.array(names, int))
        found, names = [seen._replace(joints=seen.joints[order]) for seen in found if len(seen.joints)], []
    if not options.overrides("fps"):
        about["fps"] = about["fps"] or _stated_rate(path, people, found)
    about["label"] = about["label"] or one_label([value_of(person.entry, "action") for person in people])
    yield from estimated_recordings(path, found, LAYOUTS, options, names or titles, **about)


def _is_array(path: Path, keypoints: object) -> bool:
    """Tell key-points that are read as those of NumPy: of several people in all frames, or of one in 3D."""
    depth = depth_of(keypoints)
    if depth != 3 or not isinstance(keypoints, (list, np.ndarray)):
        return depth == 4
    if len(keypoints[0][0]) != 3:
        return False
    joints = numbers(path, keypoints, "keypoints")
    third, reach = joints[..., 2], np.nanmax(np.abs(joints[..., :2]), initial=0)
    return _no_scores(third) or bool((third > (1.1 if reach < METRES else HIGHEST)).any())


def _no_scores(values: np.ndarray) -> bool:
    """Tell third values of joints that are something else than a score."""
    return bool(((values < LOWEST) & (values != -1)).any())


def _by_time(people: list[Person]) -> list[Person]:
    """Return people whose frames follow from their times, where they have times and no frames."""
    times = [person.time[1] for person in people]
    timed = all(isinstance(time, (int, float)) and abs(time) < MAX_TIME for time in times)
    if not people or not timed or any(person.frame is not None for person in people):
        return people
    note("people have times and no frames: frames are as far apart as most times are")
    return [person._replace(frame=int(frame)) for person, frame in zip(people, frames_of_times(times), strict=True)]


def _has_depth(entry: Mapping) -> bool:
    """Tell whether joints are objects with a z beside x and y that is not known to be a guess."""
    joints = value_of(entry, "keypoints")
    joints = list(joints.values()) if isinstance(joints, dict) else joints
    first = joints[0] if isinstance(joints, list) and joints else None
    if not isinstance(first, dict) or GUESSED in first:
        return False
    point = _point(first)
    return "z" in point if isinstance(point, dict) else isinstance(point, (list, np.ndarray)) and len(point) == 3


def _stated_rate(path: Path, people: Sequence[Person], found: Sequence[Detection]) -> float:
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


def _stated(path: Path, content: object, options: ReadOptions) -> dict:
    """Return the rate, the size of the picture and the label, as the file states them or else the options."""
    header = content if isinstance(content, dict) else {}
    if isinstance(content, list) and all(isinstance(entry, dict) for entry in content):  # of each frame
        for name in (*NAMES["width"], *NAMES["height"]):
            values = {str(entry.get(name)): entry.get(name) for entry in content}
            if len(values) == 1:
                header[name] = next(iter(values.values()))
    stated = {key: value for one in reversed(headers_of(header)) for key, value in one.items()}
    fps = options.fps if options.overrides("fps") else stated_fps(path, stated, NAMES["fps"])
    label = value_of(stated, "label")
    about = {"fps": fps, "frame_size": options.frame_size, "label": one_label([label])}
    width, height = value_of(stated, "width"), value_of(stated, "height")
    if width is not None and height is not None and not options.overrides("frame_size"):
        about["frame_size"] = (picture_side(path, width), picture_side(path, height))
    return about


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
            all(map(_is_frame, value))
            or (not any(map(_says_frame, value)) and (of_frames or (depth == 0 and _is_one_person(value))))
        )
        for place, entry in enumerate(value):
            for person in people_in(path, entry, place if by_place else frame, track, depth + 1, time=time):
                yield person._replace(by_place=True) if by_place else person
    elif isinstance(value, dict):
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
        if joints is None and (found := _flat_keypoints(value)):
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
            told = frame is not None or bool(_PERSON.match(str(key)))
            told = told or any(person.frame is not None for person in people_in(path, entry, depth=depth))
            if depth_of(entry):
                entry = {"keypoints": entry}
            yield from people_in(path, entry, frame if told else key, key if told else track, depth + 1)


def _flat_keypoints(value: Mapping, find: Callable[[Mapping], dict | None] = with_keypoints) -> dict | None:
    """Return an object whose key-points in the picture have no name, as `with_keypoints` does; else None."""
    named = {name: entry for name, entry in value.items() if isinstance(name, str) and not name[-1:].isdecimal()}
    found = find(named)  # a name with a number may be that of a frame or a person
    return None if found is None or any(name in value for name in AXIS_NAMES["z"]) else found


def _are_whole_motions(path: Path, value: Mapping) -> bool:
    """Tell an object of people with all their frames from one of frames with people: it has fewer keys than each has.

    Raises:
        FormatError: their lengths differ, and nothing tells which frames are missing; or keys are names of videos.
    """
    lengths = {len(entry) if depth_of(entry) == 3 else 0 for entry in value.values()}
    if not value or len(value) >= min(lengths):
        return False
    if len(lengths) > 1:
        told = " and ".join(map(str, sorted(lengths)[:2]))
        raise FormatError(path, f"has people with {told} frames, and nothing tells which; number the frames")
    if films := [str(key) for key in value if Path(str(key)).suffix.lower() in VIDEOS]:
        raise FormatError(
            path, f"has the key-points of several videos, such as {films[0][:60]}; write a file for each"
        )
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


def _is_frame(entry: object) -> bool:
    """Tell whether an entry of a list is a frame that does not say which: people in a list, or in a field."""
    if isinstance(entry, list):
        return all(isinstance(person, Mapping) and value_of(person, "frame") is None for person in entry)
    return (
        isinstance(entry, Mapping)
        and value_of(entry, "frame") is None
        and value_of(entry, "keypoints") is None
        and any(isinstance(entry.get(name), list) for name in NAMES["people"] if name not in OF_ONE)
    )


def _is_one_person(entries: Sequence) -> bool:
    """Tell whether a list is joints by name, of one person frame by frame."""
    named = all(isinstance(entry, Mapping) and joints_by_name(entry) for entry in entries)
    return named and len(entries) > 0 and len({str(value_of(entry, "person")) for entry in entries}) == 1


def _track_ids(people: Sequence[Person]) -> list[int]:
    """Return track ids; of other texts than numbers their place, and none if no id comes twice in a file."""
    ids = [None if person.track is None else str(person.track) for person in people]
    known = [one for one in dict.fromkeys(ids) if one is not None]
    if len(known) == len(ids) > 1:
        return [-1] * len(ids)
    numbers = {one: whole_number(one) for one in known}
    if None in numbers.values():
        numbers = {one: place for place, one in enumerate(known)}
    return [-1 if one is None else max(numbers[one] or 0, -1) for one in ids]


def detection_of(
    path: Path,
    person: Person,
    place: tuple[str, int],
    track: int,
    names: list[str],
    coordinates: str | None = None,
) -> Detection:
    """Return somebody in (video, frame).

    Args:
        names: gets what the joints are called, or must be that already.
        coordinates: as in `ReadOptions`: whether rows of numbers have y first.
    """
    video, frame = place
    joints, scores = value_of(person.entry, "keypoints"), list_of(person.entry, "scores")
    where, found = f"keypoints in frame {frame}", None
    if isinstance(joints, dict) and (apart := _flat_keypoints(joints)):
        joints, scores = apart["keypoints"], list_of(apart, "scores")
    if isinstance(joints, dict):
        joints = [
            joint | {"name": name} if isinstance(joint, dict) else [name, joint] for name, joint in joints.items()
        ]
    if isinstance(joints, list) and all(isinstance(joint, dict) or _is_pair(joint) for joint in joints):
        titles, joints = (
            zip(*(_named_joint(path, joint, where) for joint in joints), strict=True) if joints else ((), ())
        )
        joints, coordinates = [list(joint) for joint in joints], None  # they say which is x
        if found := [str(title) for title in titles if title is not None]:
            joints = _by_name(path, found, joints, names, where)
    values = numbers(path, joints, where)
    marks = None if scores is None else numbers(path, scores, f"scores in frame {frame}")
    if values.ndim == 1:
        size = 3 if marks is None and len(values) % 3 == 0 else 2
        values = values.reshape(-1, size) if len(values) % size == 0 else values
    if values.ndim != 2 or values.shape[1] not in (2, 3):
        raise FormatError(path, f"{where} have shape {values.shape}; they must be x, y or x, y, score each")
    if marks is None and values.shape[1] == 3 and _no_scores(values[:, 2]):
        raise FormatError(
            path, f"{where} have third values down to {values[:, 2].min():.4g}, which are no scores; write 3D as .npy"
        )
    values = x_first(values, coordinates or "")
    if marks is None:
        marks = values[:, 2] if values.shape[1] == 3 else np.ones(len(values))
    if marks.shape != (len(values),):
        raise FormatError(path, f"scores in frame {frame} have shape {marks.shape}; there are {len(values)} joints")
    values = np.column_stack((values[:, :2], marks))
    if person.titles is not None and not found:
        values = np.array(_by_name(path, person.titles, values.tolist(), names, where))
    return Detection(frame, values, track, None, video)


def _by_name(path: Path, found: list[str], joints: list[list], names: list[str], where: str) -> list[list]:
    """Return joints in the order of `names`, which gets those that are new; what is not there is missing."""
    rows = dict(zip(found, joints, strict=False))
    if not len(rows) == len(joints) == len(found):
        raise FormatError(path, f"{where} have {len(joints)} joints and {len(rows)} names; each must have its own")
    names += [name for name in found if name not in names]
    return [rows.get(name, NOWHERE) for name in names]


def same_joints(found: list[Detection], names: list[str]) -> list[Detection]:
    """Return detections with a row for each of `names`: those that were read before a joint was first seen lack it."""
    return [
        seen._replace(joints=np.concatenate([seen.joints, [NOWHERE] * more]))
        if len(seen.joints) and (more := len(names) - len(seen.joints)) > 0
        else seen
        for seen in found
    ]


def _is_pair(joint: object) -> bool:
    """Tell whether a joint is its name and its coordinates."""
    return isinstance(joint, list) and len(joint) == 2 and isinstance(joint[0], str)


def _point(joint: Mapping) -> object:
    """Return where the coordinates of a joint are."""
    names = ("position", "coordinates", "pos", "coords", "xy", "point", "location")
    return next((joint[name] for name in names if name in joint), joint)


def _named_joint(path: Path, joint: dict | list, where: str) -> tuple[object, Sequence]:
    """Return the name of a joint, None if it has none, and x, y, score."""
    if isinstance(joint, list):
        name, values = joint
        if not isinstance(values, (list, tuple, np.ndarray)) or len(values) not in (2, 3):
            raise FormatError(path, f"{where}: a joint is {brief(values)}; it must be x, y or x, y, score")
        return name, [*values, 1.0][:3]
    point = _point(joint)
    if isinstance(point, (list, np.ndarray)) and len(point) in (2, 3):
        point = {"x": point[0], "y": point[1]}
    if not isinstance(point, dict) or "x" not in point or "y" not in point:
        raise FormatError(path, f"{where}: a joint is {brief(joint)}; it must have x and y")
    return value_of(joint, "name"), (point["x"], point["y"], value_of(joint, "score", 1.0))
