"""Watch a camera: who is there, what they do, and what is odd, picture by picture, in bounded memory::

    watcher = LiveWatcher(load_estimator(PoseEstimation("movenet")))
    with LivePictures("camera") as pictures:
        for seen in watcher.watch(pictures):
            print(seen.time, seen.actions, seen.events)

Pictures that come faster than the estimator can process them are dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from motion_data.readers.linking import LiveLinker
from motion_data.readers.video.pose_estimation import PoseEstimator
from motion_data.recording import Recording

from .actions.timeline import STRIDE, WINDOW
from .anomaly.stream import MotionStream
from .events import Event
from .shipped import SHIPPED
from .watching import load_watchers
from .windows import MAX_GAP

RATE = 25.0  # frames a second of the clips that are classified, whatever the camera's rate
MAX_MISSED = 10  # pictures in which a person may be missed without getting a new id
ANOMALY_STRIDE = 0.4  # seconds between windows: half of a window of the shipped model


@dataclass
class LiveFrame:
    """
    Args:
        time: seconds, as the picture has it.
        picture: `[H, W, 3]` uint8 RGB.
        people: `[M]` ids; a person keeps the same id.
        keypoints: `[M, K, 2]` pixels, in the layout of the estimator.
        scores: `[M, K]`.
        actions: person -> the most likely action of the last seconds, and its probability; people who have just
            appeared have none.
        odd: person -> anomaly score of the newest window that is final.
        events: anomalies that ended with this picture.
    """

    time: float
    picture: np.ndarray
    people: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    actions: dict[int, tuple[str, float]] = field(default_factory=dict)
    odd: dict[int, float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return a line for each person, in their order: action and anomaly score."""
        said = []
        for person in self.people:
            label, score = self.actions.get(person, ("", 0.0))
            odd = f", odd {self.odd[person]:.1f}" if person in self.odd else ""
            said.append(f"{person}: {label.replace('_', ' ')} {score:.2f}{odd}" if label else f"{person}{odd}")
        return said


class _Recent:
    """The last seconds of a person."""

    def __init__(self) -> None:
        self.frames: deque[tuple[float, np.ndarray, np.ndarray]] = deque()

    def add(self, time: float, keypoints: np.ndarray, scores: np.ndarray) -> None:
        self.frames.append((time, keypoints, scores))
        while self.frames[0][0] < time - WINDOW:
            self.frames.popleft()

    @property
    def seconds(self) -> float:
        return self.frames[-1][0] - self.frames[0][0]

    def recording(self, layout: str) -> Recording:
        """Return them as a recording at `RATE`, with the nearest frame in time, or missing joints if none is near."""
        times = np.array([time for time, _, _ in self.frames])
        grid = np.arange(times[0], times[-1] + 1e-6, 1 / RATE)
        nearest = np.abs(grid[:, None] - times).argmin(1)
        there = np.abs(times[nearest] - grid) <= MAX_GAP / 2
        keypoints, scores = (np.stack([frame[i] for frame in self.frames])[nearest] for i in (1, 2))
        return Recording(keypoints[None], (scores * there[:, None])[None], layout, fps=RATE)


class LiveWatcher:
    """Models that watch pictures as they come; the time for a picture grows with the people in it.

    Args:
        estimator: estimates the poses of people.
        model: folder or Hub id with a classifier, a detector or both.
        threshold: threshold of anomalies; None takes the model's, and without one there are scores but no events.
        min_confidence: actions with a lower probability are left out.
        device: None takes a GPU if there is one.

    Raises:
        ValueError: a `min_confidence` out of range; `watch` refuses a threshold that is no finite number.
    """

    def __init__(
        self,
        estimator: PoseEstimator,
        model: str = str(SHIPPED),
        threshold: float | None = None,
        min_confidence: float = 0.0,
        device: str | None = None,
    ):
        if not 0 <= min_confidence <= 1:
            raise ValueError(f"min_confidence must be from 0 to 1, got {min_confidence}")
        self.estimator = estimator
        self.threshold, self.min_confidence = threshold, min_confidence
        self.recognise, self.detect = load_watchers(model, device)
        self._stream: MotionStream | None = None

    def watch(self, pictures: Iterable[tuple[float, np.ndarray]]) -> Iterator[LiveFrame]:
        """Yield a frame for each picture; `close` returns the anomalies that last beyond the last one.

        Args:
            pictures: seconds and `[H, W, 3]` uint8 RGB, such as `LivePictures`.
        """
        layout = self.estimator.layout
        if self.detect is not None:
            options = {"threshold": self.threshold, "layout": layout, "coordinates": "xy"}
            self._stream = self.detect.stream(stride=ANOMALY_STRIDE, **options)
        linker = LiveLinker(MAX_MISSED, layout)
        recent: dict[int, _Recent] = {}
        actions: dict[int, tuple[str, float]] = {}
        odd: dict[int, float] = {}
        asked = -np.inf
        for time, picture in pictures:
            (found,) = self.estimator.estimate([picture[None]])
            ids = linker.push(found.keypoints, found.scores)
            people = ids.tolist()
            for person, keypoints, scores in zip(people, found.keypoints, found.scores, strict=True):
                recent.setdefault(person, _Recent()).add(time, keypoints, scores)
            recent = {person: last for person, last in recent.items() if time - last.frames[-1][0] <= WINDOW}
            if time - asked >= STRIDE:
                asked, actions = time, self._actions(recent)
            seen = LiveFrame(time, picture, ids, found.keypoints, found.scores)
            if self._stream is not None:
                for frame in self._stream.push(found.keypoints, found.scores, people, time):
                    odd = frame.people
                    seen.events += frame.events
            seen.actions = {person: actions[person] for person in people if person in actions}
            seen.odd = {person: odd[person] for person in people if person in odd}
            yield seen

    def close(self) -> list[Event]:
        """End the watch and return the anomalies that were still going on, ordered by their start."""
        if self._stream is None:
            return []
        events = [event for frame in self._stream.close() for event in frame.events]
        return sorted(events, key=lambda event: (event.start, event.person))

    def _actions(self, recent: dict[int, _Recent]) -> dict[int, tuple[str, float]]:
        """Return the most likely action of everybody who was seen long enough."""
        ready = {person: last for person, last in recent.items() if last.seconds >= STRIDE}
        if not ready or self.recognise is None:
            return {}
        answers = self.recognise([last.recording(self.estimator.layout) for last in ready.values()], top_k=1)
        found = {
            person: (answer[0]["label"], answer[0]["score"])
            for person, answer in zip(ready, answers, strict=True)
            if answer
        }
        return {person: best for person, best in found.items() if best[1] >= self.min_confidence}
