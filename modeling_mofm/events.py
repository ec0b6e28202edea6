"""From scores of frames to events: who did what, from when to when.

A run of frames whose score reaches a threshold is an event. Runs of a person with a short gap between them are joined,
and very short ones are dropped. `find_events` works on whole recordings, `EventWatch` finds the same events in a
stream.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

JOIN = 0.5  # seconds below the threshold that do not end an event
SHORTEST = 0.1  # seconds from the first to the last frame of an event


@dataclass(frozen=True)
class Event:
    """
    Args:
        person: track id.
        label: what happened, such as an action or "anomaly".
        start, end: seconds, of its first and last frame.
        score: the highest of an anomaly; the mean probability of an action.
    """

    person: int
    label: str
    start: float
    end: float
    score: float

    def later(self, seconds: float) -> Event:
        """Return the event shifted by so many seconds."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)

    def to_dict(self) -> dict[str, int | str | float]:
        """Return it as plain values, for JSON."""
        return {
            "person": self.person,
            "label": self.label,
            "start": self.start,
            "end": self.end,
            "score": self.score,
        }


def run_around(inside: np.ndarray, place: int) -> tuple[int, int]:
    """Return the first and last index of the run of True around an index in `inside`, bool `[N]`."""
    first = last = place
    while first > 0 and inside[first - 1]:
        first -= 1
    while last < len(inside) - 1 and inside[last + 1]:
        last += 1
    return first, last


def find_events(
    times: np.ndarray,
    scores: np.ndarray,
    threshold: float,
    people: Sequence[int] | None = None,
    join: float = JOIN,
    shortest: float = SHORTEST,
    label: str = "anomaly",
) -> list[Event]:
    """Find the events of a recording.

    Args:
        times: `[F]` seconds, ascending.
        scores: `[M, F]` of people in frames; NaN is none.
        threshold: frames with at least this score belong to events.
        people: track ids `[M]`; None numbers them.
        join: runs at most so many seconds apart are one event.
        shortest: shortest length of an event, seconds.
        label: label of the events.

    Returns:
        events, ordered by their start.
    """
    person, frame = np.nonzero(scores >= threshold)  # NaN never reaches it
    if not len(person):
        return []
    breaks = np.flatnonzero((np.diff(person) > 0) | (np.diff(times[frame]) > join)) + 1
    first, last = np.concatenate(([0], breaks)), np.concatenate((breaks, [len(person)])) - 1
    peaks = np.maximum.reduceat(scores[person, frame], first)
    starts, ends = times[frame[first]], times[frame[last]]
    names = np.arange(len(scores)) if people is None else np.asarray(people)
    events = [
        Event(int(names[who]), label, float(start), float(end), float(peak))
        for who, start, end, peak in zip(person[first], starts, ends, peaks, strict=True)
        if end - start >= shortest
    ]
    return sorted(events, key=lambda event: (event.start, event.person))


class EventWatch:
    """Finds the events of `find_events` in a stream of frames, each as soon as it is certain to have ended.

    Args:
        threshold, join, shortest, label: as in `find_events`.
    """

    def __init__(self, threshold: float, join: float = JOIN, shortest: float = SHORTEST, label: str = "anomaly"):
        self.threshold, self.join, self.shortest, self.label = threshold, join, shortest, label
        self._open: dict[int, Event] = {}

    def push(self, time: float, scores: Mapping[int, float]) -> list[Event]:
        """Add the next frame, track id -> score, and return the events that ended."""
        ended = self._close([name for name, event in self._open.items() if time - event.end > self.join])
        for name, score in scores.items():
            if math.isnan(score) or score < self.threshold:
                continue
            before = self._open.get(name)
            start, peak = (time, score) if before is None else (before.start, max(before.score, score))
            self._open[name] = Event(int(name), self.label, start, time, float(peak))
        return ended

    def close(self) -> list[Event]:
        """End the watch and return the events that were still going on."""
        return self._close(list(self._open))

    def _close(self, names: Sequence[int]) -> list[Event]:
        ended = [self._open.pop(name) for name in names]
        ended = [event for event in ended if event.end - event.start >= self.shortest]
        return sorted(ended, key=lambda event: (event.start, event.person))


def join_labels(
    starts: np.ndarray, ends: np.ndarray, labels: Sequence[str | None], scores: np.ndarray, person: int
) -> list[Event]:
    """Turn a person's consecutive stretches into events; adjacent stretches with the same label are joined.

    Args:
        starts, ends: `[W]` seconds, ascending.
        labels: `[W]`; None is no event.
        scores: `[W]`; an event has the mean of its stretches, weighted by length.
        person: track id.
    """
    events: list[Event] = []
    first = 0
    for place in range(1, len(labels) + 1):
        if place < len(labels) and labels[place] == labels[first] and starts[place] <= ends[place - 1] + 1e-6:
            continue
        label = labels[first]
        if label is not None:
            part = slice(first, place)
            length = np.maximum(ends[part] - starts[part], 1e-6)
            mean = float((scores[part] * length).sum() / length.sum())
            events.append(Event(person, label, float(starts[first]), float(ends[place - 1]), mean))
        first = place
    return events


def highest_allowed(
    recordings: Sequence[tuple[np.ndarray, np.ndarray]], allowed: float, join: float = JOIN, shortest: float = SHORTEST
) -> float:
    """Return the lowest threshold such that it and all higher ones give at most the allowed number of events.

    Args:
        recordings: times `[F]` and scores `[M, F]` of each.
        allowed: number of events.
        join, shortest: as in `find_events`.

    Raises:
        ValueError: nobody has a score in any recording.
    """
    found = [scores[~np.isnan(scores)] for _, scores in recordings]
    values = np.unique(np.concatenate([np.zeros(0), *found]))
    if not len(values):
        raise ValueError("nobody has a score in any of the recordings; people must be in sight for a window")
    # more events can start as a threshold falls, and fewer as runs grow together: go down until too many
    levels = np.quantile(values, 1 - np.concatenate(([0.0], np.geomspace(1e-5, 1.0, 400))))
    threshold = float(np.nextafter(values[-1], np.inf))
    for level in levels:
        count = sum(len(find_events(times, scores, level, None, join, shortest)) for times, scores in recordings)
        if count > allowed:
            break
        threshold = float(level)
    return threshold
