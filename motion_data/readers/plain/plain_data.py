"""Whoever is in plain data of lists and objects, whatever its fields are called: JSON and pickles of people's own.

`plain_people` says who is in it, `plain_joints` where their joints are; what is told of the whole file is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...notes import note
from ...recording import Recording
from ..data_fields import NAMES, depth_of, headers_of, label_text, list_of, value_of
from ..detections import Detection
from ..estimates import RESULT_LAYOUTS, check_guessed_depth, estimated_recordings
from ..frame_actions import with_actions
from ..frames import as_time, frames_of_times, picture_frames, rate_of_times, whole_number
from ..json_files import numbers, picture_side, stated_fps
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions
from .named_joints import joint_titles, trajectories
from .plain_joints import by_number, detection_of, no_scores, point_of, same_joints
from .plain_people import PERSON_KEY, Person, are_frames_of_one, flat_keypoints, is_bare_frame, people_in
from .unnamed_keypoints import noted_keypoints

LAYOUTS = {**RESULT_LAYOUTS, 18: "openpose18", 25: "openpose25", 33: "mediapipe33"}
METRES, HIGHEST = 10.0, 100.0  # x and y of people in metres lie within; scores, be they of 100, do
GUESSED = "inFrameLikelihood"  # of ML Kit, whose z is a guess


def are_people(content: object) -> bool:
    """Tell whether data in memory is what such a file holds: people with frames, or frames, under a name of theirs."""
    if isinstance(content, (list, tuple)):
        return (
            are_frames_of_one(content)
            or bool(content)
            and all(
                isinstance(entry, Mapping)
                and "shape" not in entry
                and (
                    value_of(entry, "frame") is not None
                    or value_of(entry, "time") is not None
                    and _axes_of(value_of(entry, "keypoints")) < 3  # of a frame, and not of a clip
                    or is_bare_frame(entry)
                    and "predictions" not in entry
                )
                for entry in content
            )
        )
    if not isinstance(content, Mapping) or "keypoints" in content or "shape" in content:
        return False
    if trajectories(content):
        return True
    if any(isinstance(content.get(name), (list, dict)) and content[name] for name in NAMES["people"]):
        return True
    return bool(content) and all(
        (whole_number(key) is not None or PERSON_KEY.match(str(key))) and _holds(entry)
        for key, entry in content.items()
    )


def _axes_of(value: Any) -> int:
    return value.ndim if hasattr(value, "ndim") else depth_of(value)


def _holds(entry: object) -> bool:
    return isinstance(entry, (list, dict)) or hasattr(entry, "shape")


def data_recordings(path: Path, content: object, options: ReadOptions) -> Iterator[Recording]:
    """Yield the recordings of what a file holds; see `read_any_json`."""
    about, of_frames = _stated(path, content, options)
    titles = joint_titles(content)
    within = value_of(content, "keypoints") if isinstance(content, Mapping) else None
    if isinstance(content, Mapping) and (within is None or isinstance(within, Mapping)):
        content = {**content, **(flat_keypoints(within or content, noted_keypoints) or {})}
    if joints := trajectories(content) or trajectories(within):
        content = [dict(zip(joints, places, strict=True)) for places in zip(*joints.values(), strict=True)]
    is_bare = isinstance(content, (list, np.ndarray)) and depth_of(content) > 2
    if is_bare:
        content = {"keypoints": content}
    if isinstance(content, dict) and (is_bare or _is_array(path, value_of(content, "keypoints"))):
        arrays = {"layout": np.array(content["layout"])} if isinstance(content.get("layout"), str) else {}
        arrays["label"] = np.array(of_frames or about["label"])
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
        found, names = by_number(found, names), []
    if not options.overrides("fps"):
        about["fps"] = about["fps"] or _stated_rate(path, people, found)
    recordings = estimated_recordings(path, found, LAYOUTS, options, names or titles, **about)
    labels = [value_of(person.entry, "action") for person in people]
    if of_frames and all(person.by_place for person in people):
        if not 0 <= (last := max(frame for _, frame in frames.values())) < len(of_frames):
            raise FormatError(path, f"has {len(of_frames)} labels, and {last + 1} frames; each must have one")
        labels = [of_frames[frames[person.frame][1]] for person in people]
    if not about["label"]:
        recordings = with_actions(recordings, [frames[person.frame] for person in people], labels)
    yield from recordings


def _is_array(path: Path, keypoints: object) -> bool:
    """Tell key-points that are read as those of NumPy: of several people in all frames, or of one in 3D."""
    depth = depth_of(keypoints)
    if depth != 3 or not isinstance(keypoints, (list, np.ndarray)):
        return depth == 4
    if len(keypoints[0][0]) != 3:
        return False
    joints = numbers(path, keypoints, "keypoints")
    third, reach = joints[..., 2], np.nanmax(np.abs(joints[..., :2]), initial=0)
    return no_scores(third) or bool((third > (1.1 if reach < METRES else HIGHEST)).any())


def _by_time(people: list[Person]) -> list[Person]:
    """Return people whose frames follow from their times, where they have times and no frames."""
    times = [time for person in people if (time := as_time(person.time[1])) is not None]
    if not people or len(times) < len(people) or any(person.frame is not None for person in people):
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
    point = point_of(first)
    return "z" in point if isinstance(point, dict) else isinstance(point, (list, np.ndarray)) and len(point) == 3


def _stated_rate(path: Path, people: Sequence[Person], found: Sequence[Detection]) -> float:
    """Return the rate that the times of frames tell; 0 is none.

    Raises:
        FormatError: times go back where frames do not.
    """
    timed = {seen.frame: as_time(person.time[1]) for person, seen in zip(people, found, strict=True)}
    times = [time for _, time in sorted(timed.items()) if time is not None]
    if not times or len(times) < len(timed):
        return 0.0
    if times != sorted(times):
        raise FormatError(path, "has frames whose times go back: numbers or places and times contradict each other")
    return rate_of_times(sorted(timed), times, people[0].time[0])


def _stated(path: Path, content: object, options: ReadOptions) -> tuple[dict, list[str]]:
    """Return the rate, the size of the picture and the label, as the file states them or else the options; and labels
    of frames, [] if it has none.
    """
    header = content if isinstance(content, dict) else {}
    if isinstance(content, list) and all(isinstance(entry, dict) for entry in content):  # of each frame
        for name in (*NAMES["width"], *NAMES["height"]):
            values = {str(entry.get(name)): entry.get(name) for entry in content}
            if len(values) == 1:
                header[name] = next(iter(values.values()))
    stated = {key: value for one in reversed(headers_of(header)) for key, value in one.items()}
    fps = options.fps if options.overrides("fps") else stated_fps(path, stated, NAMES["fps"])
    label = value_of(stated, "label")
    about = {"fps": fps, "frame_size": options.frame_size, "label": label_text(label)}
    width, height = value_of(stated, "width"), value_of(stated, "height")
    if width is not None and height is not None and not options.overrides("frame_size"):
        about["frame_size"] = (picture_side(path, width), picture_side(path, height))
    of_frames = list(map(label_text, label)) if isinstance(label, (list, tuple, np.ndarray)) else []
    return about, of_frames if any(of_frames) else []


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
