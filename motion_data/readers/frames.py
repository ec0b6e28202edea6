"""Which frame of which video a picture is, from its number or its name.

1. Whole numbers are frame numbers.
2. Names that differ in one group of digits have that as their number: walk_10.jpg comes after walk_9.jpg.
3. Names that differ in other text, or in a group of digits before one that counts on from a small number each time,
   are of several videos.
4. Names that differ in several groups otherwise are time stamps: their order counts, and is noted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from ..notes import note
from .registry import FormatError

MAX_NUMBER = 2**53
MAX_NAME = 1000
TIMES = (  # what the times of frames are called
    *("timestamp", "time", "time_s", "time_sec", "timestamp_s", "seconds", "timeInSeconds", "ts", "t"),
    *("time_ms", "timestamp_ms", "timestampMs", "timeMs", "ms", "time_us", "timestamp_us", "timestamp_usec"),
    *("time_ns", "timestamp_ns", "timestamp_nanos"),
)
HIGHEST_RATE, LONGEST_STEP = 500.0, 0.5  # frames a second, seconds
_UNIT = re.compile(r"(?:^|_)(s|sec|seconds|ms|msec|us|usec|ns|nsec|nanos)$")
_SCALES = {"s": 1, "sec": 1, "seconds": 1, "ms": 1e3, "msec": 1e3, "us": 1e6, "usec": 1e6}
_SCALES |= dict.fromkeys(("ns", "nsec", "nanos"), 1e9)
MAX_TIME = 1e19  # nanoseconds since 1970 are 2e18
_CLOCK = re.compile(r"(?:(\d{1,4}):(?=[0-5]?\d:))?(\d{1,4}):([0-5]?\d(?:\.\d{0,9})?)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d")
_SUFFIX = re.compile(r"\.[a-zA-Z]\w{0,4}$")
_DIGITS = re.compile(r"(\d+)", re.ASCII)
_COUNT = re.compile(r"\d{1,16}", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,16}", re.ASCII)


def picture_frames(path: Path, names: Sequence[object]) -> dict[object, tuple[str, int]]:
    """Return (video, frame) of each picture; the video is "" if there is one only.

    Args:
        path: the file, for errors.
        names: numbers or names of pictures, each once or more.

    Raises:
        FormatError: a name without any number, or a number out of range.
    """
    found: dict[object, tuple[str, int]] = {}
    counted = _one_count(names)
    if counted is not None:
        return {name: ("", number) for name, number in zip(names, counted, strict=True)}
    grouped: dict[tuple[str, str], dict[str, tuple[int, ...]]] = {}
    for name in names:
        if isinstance(name, bool) or not isinstance(name, (str, int, float)):  # True equals 1, a list has no hash
            raise _no_frame(path, name)
    for name in dict.fromkeys(names):
        number = whole_number(name)
        if number is not None:
            found[name] = ("", _checked(path, number, name))
            continue
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise _no_frame(path, name)
        folder, _, title = name.replace("\\", "/").rpartition("/")
        parts = _DIGITS.split(_SUFFIX.sub("", title))
        if len(parts) < 3:
            raise _no_frame(path, name)
        numbers = tuple(_checked(path, int(part), name) for part in parts[1::2])
        grouped.setdefault((_folder(folder), "#".join(parts[::2])), {})[name] = numbers
    videos: dict[str, dict[str, int]] = {}
    for (folder, template), members in grouped.items():
        title = "/".join(part for part in (folder if folder != "." else "", template.strip("_-# .")) if part)
        for prefix, frames in _split(members).items():
            video = "_".join(part for part in (title, prefix) if part)
            while video in videos:  # a1b_2.jpg and ab1_2.jpg
                video += "_"
            videos[video] = frames
    for title, frames in videos.items():
        found |= {name: (title if len(videos) > 1 else "", frame) for name, frame in frames.items()}
    return found


def _one_count(names: Sequence[object]) -> list[int] | None:
    """Return the numbers of pictures if these are all there is, or all that differs: nearly always, and fast."""
    kinds = set(map(type, names))
    if kinds == {int}:
        numbers = [name for name in names if isinstance(name, int)]
    elif kinds == {str} and len(names[0]) <= MAX_NAME:
        first = names[0]
        start = max(first.rfind("/"), first.rfind("\\")) + 1
        groups = list(_DIGITS.finditer(_SUFFIX.sub("", first[start:])))
        if not groups:
            return None
        before, after = first[: start + groups[-1].start()], first[start + groups[-1].end() :]
        begin, end = len(before), -len(after) or None
        texts = [name[begin:end] for name in names if name.startswith(before) and name.endswith(after)]
        if len(texts) < len(names) or not all(map(_COUNT.fullmatch, texts)) or (before, after) == ("-", ""):
            return None
        numbers = list(map(int, texts))
    else:
        return None
    return numbers if 0 <= min(numbers) and max(numbers) <= MAX_NUMBER else None


@lru_cache
def _folder(text: str) -> str:
    """Return a folder in its shortest form; "." is none."""
    return str(PurePosixPath(text))


def _split(members: dict[str, tuple[int, ...]]) -> dict[str, dict[str, int]]:
    """Return the frames of names of one template, by the numbers that tell videos apart."""
    columns = list(zip(*members.values(), strict=True))
    varying = [place for place, column in enumerate(columns) if len(set(column)) > 1]
    if len(varying) <= 1:
        place = varying[0] if varying else len(columns) - 1
        constant = "_".join(str(column[0]) for other, column in enumerate(columns) if other != place)
        return {constant: {name: numbers[place] for name, numbers in members.items()}}
    last = varying[-1]
    by_prefix: dict[tuple[int, ...], list[int]] = {}
    for numbers in members.values():
        by_prefix.setdefault(tuple(numbers[place] for place in varying[:-1]), []).append(numbers[last])
    counts_on = all(
        max(found) - min(found) < 4 * len(found) and min(found) <= 4 * len(found) for found in by_prefix.values()
    )
    if counts_on and len(by_prefix) <= len(members) / 2:
        videos: dict[str, dict[str, int]] = {}
        for name, numbers in members.items():
            videos.setdefault("_".join(str(numbers[place]) for place in varying[:-1]), {})[name] = numbers[last]
        return videos
    note("names of pictures differ in several numbers and are taken for time stamps: only their order counts")
    ordered = sorted(members, key=lambda name: members[name])
    return {"": {name: frame for frame, name in enumerate(ordered)}}


def whole_number(value: object) -> int | None:
    """Return a whole number or the text of one as int; None for anything else, whole or not."""
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value == value and abs(value) <= 2 * MAX_NUMBER and value == int(value) else None


def _checked(path: Path, number: int, name: object) -> int:
    if not 0 <= number <= MAX_NUMBER:
        raise _no_frame(path, name)
    return number


def _no_frame(path: Path, name: object) -> FormatError:
    shown = ascii(name)[:60]
    return FormatError(path, f"frame {shown} must be a number from 0 to {MAX_NUMBER}, or a name with one")


def clock_seconds(text: str) -> float | None:
    """Return the seconds of a clock, 1:05.5 or 00:01:05.5; None of another text."""
    clock = _CLOCK.fullmatch(text)
    return 3600 * float(clock[1] or 0) + 60 * float(clock[2]) + float(clock[3]) if clock else None


def as_time(value: object) -> float | None:
    """Return a time as a number: itself, or the seconds of a clock (`clock_seconds`) or of a date (ISO 8601).

    None is no time.
    """
    if isinstance(value, str):
        text = value.strip()
        if (seconds := clock_seconds(text)) is not None:
            return seconds
        try:
            value = (
                datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if _DATE.match(text) else float(text)
            )
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < MAX_TIME else None


def frames_of_times(times: Sequence[float]) -> np.ndarray:
    """Return the frame of each time, in any order and unit, from 0.

    A step is one frame, or as many as it has median steps: step by step, so that rounded times do not drift.
    """
    moments, place = np.unique(np.asarray(times, np.float64), return_inverse=True)
    steps = np.diff(moments)
    if not len(steps):
        return place
    return np.concatenate([[0], np.maximum(np.rint(steps / np.median(steps)), 1).cumsum()]).astype(np.int64)[place]


def rate_of_times(frames: Sequence[int], times: Sequence[float], name: str = "") -> float:
    """Return how many frames there are in a second, from their times; 0 if these do not go on.

    They are what their name says. Without that the median step from frame to frame is seconds if it is between 1/500
    and 1/2, milliseconds up to 500, microseconds up to 500 000, nanoseconds from 2 million to 500 million.

    Args:
        frames: numbers, and
        times: of each, in any order.
        name: of the times; time_s, timeInSeconds, timestamp_ms, time_us and the like tell their unit.
    """
    order = np.argsort(frames, kind="stable")
    frame_steps, time_steps = np.diff(np.asarray(frames)[order]), np.diff(np.asarray(times, np.float64)[order])
    goes_on = (frame_steps > 0) & (time_steps > 0)
    if not goes_on.any():
        return 0.0
    step = float(np.median(time_steps[goes_on] / frame_steps[goes_on]))
    said = _UNIT.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    scales = (_SCALES[said[1]],) if said else (1, 1e3, 1e6, 1e9)
    scale = next((scale for scale in scales if 1 / HIGHEST_RATE <= step / scale <= LONGEST_STEP), None)
    if scale is None:
        return 0.0
    unit = {1: "seconds", 1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}[scale]
    note(f"frames are {step:.6g} {unit} apart: {scale / step:.4g} a second")
    return round(scale / step, 3)
