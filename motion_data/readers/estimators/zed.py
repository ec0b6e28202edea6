"""Reader of the JSON that Stereolabs' samples of body tracking write: people in the left picture of a ZED camera."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ...recording import Recording
from ..detections import Detection
from ..estimates import estimated_recordings
from ..frames import frames_of_times, rate_of_times
from ..json_files import as_list, as_mapping, item, json_head, numbers, person_number, read_json
from ..registry import FormatError, ReadOptions, register_format

ZED_LAYOUTS = {18: "openpose18"}  # BODY_18
_LIMBS = "left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot"
_ARM = "@_clavicle @_shoulder @_elbow @_wrist @_hand @_handtip @_thumb"
_PAIRS = "eye ear clavicle shoulder elbow wrist hip knee ankle big_toe small_toe heel thumb_4 index_1 middle_4 pinky_1"
ZED_PARTS = {  # what the SDK calls the joints of BODY_34 and BODY_38, in its order
    34: [
        *("pelvis", "naval_spine", "chest_spine", "neck"),
        *_ARM.replace("@", "left").split(),
        *_ARM.replace("@", "right").split(),
        *_LIMBS.split(),
        *("head", "nose", "left_eye", "left_ear", "right_eye", "right_ear", "left_heel", "right_heel"),
    ],
    38: [
        *("pelvis", "spine_1", "spine_2", "spine_3", "neck", "nose"),
        *(f"{side}_{part}" for part in _PAIRS.split() for side in ("left", "right")),
    ],
}
MAX_CONFIDENCE = 100.0


def _is_zed(path: Path) -> bool:
    return '"body_list"' in json_head(path)


@register_format("zed", "bodies of a ZED camera, of Stereolabs' samples (.json)", (".json",), _is_zed)
def read_zed(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read an object, or a list, of frames, each with `timestamp`, nanoseconds, and `body_list`.

    Joints are `keypoint_2d`, pixels, of BODY_18, 34 or 38; `keypoint_confidence`, 0 to 100, is their score. A negative
    place is missing. Frames follow from their times.

    Raises:
        FormatError: see `json_files`; bodies without `keypoint_2d`, or with other joints.
    """
    content = read_json(path)
    entries = list(content.items()) if isinstance(content, dict) else list(enumerate(as_list(path, content, "frames")))
    frames = [as_mapping(path, frame, "a frame") for _, frame in entries]
    times = [_time(path, key, frame) for (key, _), frame in zip(entries, frames, strict=True)]
    places = frames_of_times(times).tolist()
    found = [
        _body(path, number, as_mapping(path, body, "a body"))
        for number, frame in zip(places, frames, strict=True)
        for body in as_list(path, item(path, frame, "body_list", "a frame"), "body_list")
    ]
    names = ZED_PARTS.get(max((len(body.joints) for body in found), default=0))
    fps = rate_of_times(places, times) if len(times) > 1 else 0.0
    yield from estimated_recordings(path, found, ZED_LAYOUTS, options, names, states_joints=True, fps=fps)


def _time(path: Path, key: object, frame: Mapping) -> float:
    """Return when a frame was: its time stamp, which may stand in a list, or else the key it has."""
    stamp = frame.get("timestamp", key)
    stamp = stamp[0] if isinstance(stamp, list) and stamp else stamp
    try:
        time = float(stamp) if isinstance(stamp, (int, float, str)) else float("nan")
    except (ValueError, OverflowError):
        time = float("nan")
    if not np.isfinite(time):
        raise FormatError(path, f"has a frame of time {str(stamp)[:40]!r}; it must be a number")
    return time


def _body(path: Path, frame: int, body: Mapping) -> Detection:
    places = numbers(path, item(path, body, "keypoint_2d", "a body"), f"keypoint_2d in frame {frame}")
    if places.ndim != 2 or places.shape[1] != 2:
        raise FormatError(path, f"keypoint_2d in frame {frame} have shape {places.shape}; they must be [joints, 2]")
    scores = np.full(len(places), MAX_CONFIDENCE)
    if "keypoint_confidence" in body:
        scores = numbers(path, body["keypoint_confidence"], f"keypoint_confidence in frame {frame}")
    if scores.shape != places.shape[:1]:
        raise FormatError(
            path, f"keypoint_confidence in frame {frame} have shape {scores.shape}; {len(places)} needed"
        )
    scores = np.where((places >= 0).all(1), np.nan_to_num(scores) / MAX_CONFIDENCE, 0)
    return Detection(frame, np.column_stack((places, scores)), person_number(path, body.get("id")))
