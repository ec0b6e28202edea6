"""Reader of person detection by Google's Video Intelligence: tracks of people with landmarks at times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...recording import Recording
from ..estimates import RESULT_LAYOUTS, estimated_recordings
from ..frames import frames_of_times, rate_of_times
from ..json_files import as_list, as_mapping, item, json_head, read_json
from ..plain.plain_joints import detection_of, same_joints
from ..plain.plain_people import Person
from ..registry import FormatError, ReadOptions, register_format

# as JSON and as Python call them
RESULTS = ("annotationResults", "annotation_results")
DETECTIONS = ("personDetectionAnnotations", "person_detection_annotations")
OBJECTS, OFFSET = ("timestampedObjects", "timestamped_objects"), ("timeOffset", "time_offset")
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def _is_video_intelligence(path: Path) -> bool:
    head = json_head(path)
    return any(f'"{name}"' in head for name in DETECTIONS)


@register_format(
    "video-intelligence", "person detection of Google's Video Intelligence (.json)", (".json",), _is_video_intelligence
)
def read_video_intelligence(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the tracks of a video, each with objects at times that have `landmarks`, fractions of the picture by name.

    `options.frame_size` must tell the size of the picture. Frames follow from the times.

    Raises:
        FormatError: see `json_files`; objects without landmarks, which have to be asked for.
    """
    content = as_mapping(path, read_json(path), "the file")
    content = as_mapping(path, content.get("response", content), "the response")
    seen: list[tuple[int, float, list]] = []
    tracks = 0
    for result in _each(path, content, RESULTS):
        for detection in _each(path, result, DETECTIONS):
            for track in _each(path, detection, ("tracks",)):
                for entry in _each(path, track, OBJECTS):
                    landmarks = as_list(path, entry.get("landmarks", []), "landmarks")
                    seen.append((tracks, _seconds(path, _one_of(entry, OFFSET)), landmarks))
                tracks += 1
    if not any(landmarks for *_, landmarks in seen):
        raise FormatError(path, "has people without landmarks; ask for them (include_pose_landmarks)")
    times = [time for _, time, _ in seen]
    frames = frames_of_times(times).tolist()
    names: list[str] = []
    found = [
        detection_of(path, Person(frame, track, {"keypoints": _joints(path, landmarks)}), ("", frame), track, names)
        for frame, (track, _, landmarks) in zip(frames, seen, strict=True)
    ]
    fps = rate_of_times(frames, times, "seconds")
    yield from estimated_recordings(path, same_joints(found, names), RESULT_LAYOUTS, options, names, fps=fps)


def _one_of(entry: Mapping, names: tuple[str, ...]) -> object:
    return next((entry[name] for name in names if name in entry), None)


def _each(path: Path, entry: Mapping, names: tuple[str, ...]) -> Iterator[Mapping]:
    """Yield the objects of a list that is called so; none where it is missing."""
    for one in as_list(path, _one_of(entry, names) or [], names[0]):
        yield as_mapping(path, one, f"one of {names[0]}")


def _seconds(path: Path, offset: object) -> float:
    """Return a time as it stands in JSON, "1.5s", or as an object of seconds and nanos."""
    if isinstance(offset, str) and (match := _SECONDS.fullmatch(offset)):
        return float(match[1])
    if isinstance(offset, dict):
        try:
            return float(offset.get("seconds", 0)) + float(offset.get("nanos", 0)) * 1e-9
        except (TypeError, ValueError):
            pass
    raise FormatError(path, f"has the time {str(offset)[:60]!r}; it must be as 1.5s, or of seconds and nanos")


def _joints(path: Path, landmarks: list) -> list[dict]:
    joints = []
    for entry in landmarks:
        landmark = as_mapping(path, entry, "a landmark")
        point = as_mapping(path, item(path, landmark, "point", "a landmark"), "a point")
        joints.append(
            {
                "name": str(item(path, landmark, "name", "a landmark")),
                **{axis: point.get(axis, 0.0) for axis in ("x", "y")},  # what is 0 is left out
                "score": landmark.get("confidence", 1.0),
            }
        )
    return joints
