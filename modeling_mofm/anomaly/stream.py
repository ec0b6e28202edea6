"""Score a stream of frames, one by one, in bounded memory and with bounded latency: a camera that runs for a week.

What comes out equals `AnomalyScorer.score` of the same motion, but for the steps that need the whole recording: no
frame is filled with a minimum, and nothing is smoothed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from motion_data.detected_frames import frame_people, is_people, is_result, whole_ids
from motion_data.interpret import as_numbers
from motion_data.keypoints import ArrayLike, as_motion
from motion_data.layouts import get_layout

from .scorer import AnomalyScorer


@dataclass
class FrameScores:
    """What is known of one frame, once it is decided.

    Args:
        frame: number of the frame in the stream, from 0; frames that were skipped over (`time`) count.
        time: as it was pushed; None without times.
        score: the maximum over people; NaN where nobody has a score.
        people: track id -> score.
        joints: track id -> `[17]`, the score joint by joint.
    """

    frame: int
    time: float | None
    score: float = math.nan
    people: dict[int, float] = field(default_factory=dict)
    joints: dict[int, np.ndarray] = field(default_factory=dict)


class _Track:
    """A person in sight, and their latest frames in a ring: frame f is in slot f modulo its size."""

    def __init__(self, frame: int, size: int, num_joints: int):
        self.next_start = frame  # of the next window
        self.last_seen = frame
        self.keypoints = np.zeros((size, num_joints, 2), np.float32)
        self.scores = np.zeros((size, num_joints), np.float32)

    def write(self, frame: int, keypoints: np.ndarray, scores: np.ndarray) -> None:
        """Take the joints `[17, 2]` of a frame; those since the last one are missing."""
        size = len(self.scores)
        self.scores[np.arange(self.last_seen + 1, frame) % size] = 0
        self.keypoints[frame % size], self.scores[frame % size] = keypoints, scores
        self.last_seen = frame

    def read(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slots = frames % len(self.scores)
        return self.keypoints[slots], self.scores[slots]


class MotionStream:
    """Score frames as they come.

    A frame is answered as soon as no window can reach it any more. Latency: `window - window // 2 - 1` frames behind
    the newest one while everybody is in sight, and at most `max_gap` more while someone may come back.
    Memory: `window + max_gap` frames of each person seen within the last `max_gap` frames, and the scores of the
    frames that wait.

    A person out of sight for at most `max_gap` frames has missing frames; one who stays away longer is forgotten, and
    starts another track on return, under the same id or not. Frames without people are pushed too: they are time.

    Args:
        scorer: model, window, stride and `max_gap`.
        fps: frames per second of the stream; with it, frames are counted by their `time` since the first: a jump is
            that many missing frames, and of several within one the first counts.
        layout: skeleton layout of the key-points.

    Raises:
        ValueError: an unknown layout, or fps that are not positive.
    """

    def __init__(self, scorer: AnomalyScorer, fps: float | None = None, layout: str = "coco17"):
        if fps is not None and not 0 < fps < math.inf:
            raise ValueError(f"fps must be positive and finite, got {fps}")
        self.scorer = scorer
        self.fps = fps
        self.layout = get_layout(layout)
        self._frame = -1
        self._time: float | None = None
        self._start = 0.0
        self._tracks: dict[int, _Track] = {}
        self._waiting: deque[FrameScores] = deque()

    def push(
        self,
        keypoints: ArrayLike,
        scores: ArrayLike | None = None,
        track_ids: Sequence[int] | None = None,
        time: float | None = None,
    ) -> list[FrameScores]:
        """Take the next frame.

        Args:
            keypoints: `[M, K, 2]`, pixels; M may be 0. Or one frame as a pose model or tracker gives it, with scores
                and ids in it: a `Results` of ultralytics or a list of dicts (`motion_data.detected_frames`).
            scores: `[M, K]` in [0, 1], 0 is missing; None: finite joints are there.
            track_ids: the tracker's id of each person, whole numbers; None takes those of the frame, or numbers people
                from 0, for streams of people who stay in their order.
            time: seconds, later than the last frame's; with every frame or with none.

        Returns:
            the frames that are now decided, oldest first; often one, none at the beginning, several after a gap.

        Raises:
            ValueError: naming what is wrong; the stream is as if the frame had not been pushed.
        """
        people = self._people(keypoints, scores, track_ids)
        frame = self._next_frame(time)
        if frame == self._frame:  # more frames come than the stream has
            self._time = time
            return []
        self._frame, self._time = frame, time
        self._waiting.append(FrameScores(frame, time))
        gap = self.scorer.max_gap
        # tracks that ended go first: the same id may start another one
        self._tracks = {name: track for name, track in self._tracks.items() if frame - track.last_seen <= gap + 1}
        windows = [window for name, (body, seen) in people.items() for window in self._extend(name, body, seen)]
        self._score(windows)
        self._tracks = {name: track for name, track in self._tracks.items() if frame - track.last_seen <= gap}
        return self._decided()

    def close(self) -> list[FrameScores]:
        """End the stream and return the frames that still waited; the next frame pushed starts another stream."""
        self._tracks.clear()
        rest = self._decided()
        self._frame, self._time = -1, None
        return rest

    def _people(
        self, keypoints: ArrayLike, scores: ArrayLike | None, track_ids: Sequence[int] | None
    ) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Check a frame and return track id -> (`[17, 2]`, `[17]`) of the people who have a joint."""
        if is_result(keypoints) or is_people(keypoints):
            keypoints, scores, ids = _taken_apart(keypoints, scores)
            track_ids = ids if track_ids is None else track_ids
        keypoints = as_numbers("keypoints", keypoints)
        joints = self.layout.num_joints
        if keypoints.size == 0:
            keypoints = keypoints.reshape(0, joints, 2)
        if keypoints.ndim != 3 or keypoints.shape[1:] != (joints, 2):
            raise ValueError(
                f"keypoints must be [people, {joints}, 2] of layout {self.layout.name!r}, got {list(keypoints.shape)}"
            )
        track_ids = list(range(len(keypoints))) if track_ids is None else whole_ids(track_ids)
        if len(track_ids) != len(keypoints) or len(set(track_ids)) != len(track_ids):
            raise ValueError(f"track_ids must be {len(keypoints)} different ids, one for each person, got {track_ids}")
        finite = np.isfinite(keypoints).all(-1)
        scores = finite.astype(np.float64) if scores is None else as_numbers("scores", scores)
        if len(keypoints) and scores.shape != finite.shape:
            raise ValueError(f"scores must be {list(finite.shape)} as keypoints are, got {list(scores.shape)}")
        known = [joint for joint in self.layout.canonical if joint >= 0]
        if not len(keypoints) or (not (finite & (scores > 0))[:, known].any() and not (scores > 1).any()):
            return {}
        # a motion has two frames or more: the frame twice
        motion = as_motion(keypoints[:, None].repeat(2, 1), scores[:, None].repeat(2, 1), self.layout.name)
        return {
            name: (body[0], seen[0])
            for name, body, seen in zip(track_ids, motion.keypoints, motion.scores, strict=True)
            if seen.any()
        }

    def _next_frame(self, time: float | None) -> int:
        if self._frame < 0:
            if time is not None and not math.isfinite(time):
                raise ValueError(f"time must be finite, got {time}")
            self._start = time or 0.0
            return 0
        if (time is None) != (self._time is None):
            raise ValueError(f"time is {time}, but the last frame's was {self._time}; give it with all frames or none")
        if time is None:
            return self._frame + 1
        if not self._time < time < math.inf:
            raise ValueError(f"time is {time}; it must be finite and later than the last frame's {self._time}")
        if self.fps is None:
            return self._frame + 1
        return max(round((time - self._start) * self.fps), self._frame)

    def _extend(self, name: int, body: np.ndarray, seen: np.ndarray) -> list[tuple[int, int]]:
        """Add the newest frame to a person's track and return the windows (id, start) that are now complete."""
        frame, scorer = self._frame, self.scorer
        if name not in self._tracks:
            self._tracks[name] = _Track(frame, scorer.window + scorer.max_gap, len(body))
        track = self._tracks[name]
        track.write(frame, body, seen)
        starts = range(track.next_start, frame - scorer.window + 2, scorer.stride)
        track.next_start += len(starts) * scorer.stride
        return [(name, start) for start in starts]

    def _score(self, windows: list[tuple[int, int]]) -> None:
        """Score windows (id, start) in batches and put each at its centre."""
        if not windows:
            return
        window, stride = self.scorer.window, self.scorer.stride
        clips = [self._tracks[name].read(np.arange(start, start + window)) for name, start in windows]
        scores, joints = self.scorer.score_windows(*(np.stack(arrays) for arrays in zip(*clips, strict=True)))
        waiting = {frame.frame: frame for frame in self._waiting}
        for (name, start), score, joint in zip(windows, scores, joints, strict=True):
            for number in range(start + window // 2, start + window // 2 + stride):
                if number in waiting and not math.isnan(score):
                    waiting[number].people[name] = float(score)
                    waiting[number].joints[name] = joint

    def _decided(self) -> list[FrameScores]:
        """Take the oldest frames that no window of an open track can reach any more."""
        centres = (track.next_start + self.scorer.window // 2 for track in self._tracks.values())
        reachable = min(centres, default=self._frame + 1)
        decided = []
        while self._waiting and self._waiting[0].frame < reachable:
            frame = self._waiting.popleft()
            frame.score = max(frame.people.values(), default=math.nan)
            decided.append(frame)
        return decided


def _taken_apart(frame: object, scores: ArrayLike | None) -> tuple[np.ndarray, np.ndarray | None, list[int] | None]:
    """Return the key-points `[M, K, 2]`, scores and ids of a frame; None where it has none."""
    if scores is not None:
        raise ValueError("scores are given beside a frame that holds them")
    people = list(frame_people(frame))
    if not people:
        return np.zeros((0, 0, 2)), None, None
    joints = np.stack([person.joints for person in people])
    ids = [person.person for person in people]
    return joints[..., :2], joints[..., 2] if joints.shape[-1] == 3 else None, None if -1 in ids else ids
