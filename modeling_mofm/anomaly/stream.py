"""Score a stream of frames, one by one, in bounded memory and with bounded latency: a camera that runs for a week.

Time is seconds: whatever the rate of the camera, people are brought to the model's rate, as in `AnomalyScorer.score`.
What comes out equals its answer for the same motion, but for the steps that need the whole recording: no frame is
filled with a minimum, and nothing is smoothed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real

import numpy as np

from motion_data.detected_frames import (
    frame_people,
    has_names,
    is_named,
    named_people,
    of_one_picture,
    whole_ids,
    with_rows,
)
from motion_data.interpret import apply, as_numbers, choose_max_score, decide, is_joint, layout_of
from motion_data.keypoints import ArrayLike, as_motion
from motion_data.layouts import get_layout
from motion_data.notes import note
from motion_data.options import AXES, ReadOptions
from motion_data.pose_results import are_numbered, is_result
from motion_data.resampling import Joints, between, known_rate, nearest_frame

from ..events import JOIN, SHORTEST, Event, EventWatch
from .scorer import AnomalyScorer, event_threshold

HOLD = 0.2  # seconds; motion is interpolated between frames at most so far apart, beyond that nobody was seen
FIRST_FRAMES = 5  # frames after which a note says if they are too far apart
SAME = 1e-6  # tolerance of times for rounding, frames or seconds

People = dict[int, Joints]  # track id -> joints [17, 2] and their scores [17]


@dataclass
class FrameScores:
    """The final scores of one frame.

    Args:
        frame: its number; the first frame pushed is 0.
        time: seconds, as it was pushed; without times, `frame` at the stream's rate.
        score: the maximum over people; NaN if nobody has a score.
        people: track id -> score.
        joints: track id -> `[17]`, the score per joint.
        events: anomalies that this frame shows to have ended; those that last until the stream ends are in the last
            frame.
    """

    frame: int
    time: float
    score: float = math.nan
    people: dict[int, float] = field(default_factory=dict)
    joints: dict[int, np.ndarray] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)


class _Track:
    """A person in sight, and their latest frames in a ring buffer: frame f is in slot f modulo its size."""

    def __init__(self, frame: int, size: int, num_joints: int):
        self.next_start = frame  # of the next window
        self.newest: tuple[float, np.ndarray] | None = None  # scores of the newest window, and of its joints
        self.last_seen = frame
        self.keypoints = np.zeros((size, num_joints, 2), np.float32)
        self.scores = np.zeros((size, num_joints), np.float32)

    def write(self, frame: int, keypoints: np.ndarray, scores: np.ndarray) -> None:
        """Add the joints `[17, 2]` of a frame; the frames since the last one are missing."""
        size = len(self.scores)
        self.scores[np.arange(self.last_seen + 1, frame) % size] = 0
        self.keypoints[frame % size], self.scores[frame % size] = keypoints, scores
        self.last_seen = frame

    def read(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slots = frames % len(self.scores)
        return self.keypoints[slots], self.scores[slots]


class MotionStream:
    """Score frames as they arrive.

    Frames may come at any rate, and at an uneven one with `time`. They are interpolated linearly to the model's rate
    (`config.fps`), as `resample` does; between frames more than `HOLD` apart nobody was seen. Each frame pushed gets
    the scores of the model's frame that is nearest in time, as soon as no later window covers it. Latency: half a
    window and a stride while everybody is in sight, and at most `max_gap` more while someone may come back. Memory: a
    window and `max_gap` for each person seen within the last `max_gap`, and the frames that wait.

    A person out of sight for at most `max_gap` seconds has missing frames; after that the track ends, and a new one
    starts on return, under the same id or another. Push frames without people too: they count as time.

    Args:
        scorer: model, window, stride and `max_gap`.
        fps: rate of frames that are pushed without a time; None or 0 is unknown, and taken for 30.
        options: facts that frames do not state: `layout`, `coordinates`, `frame_size`, `min_score`, `max_score`.
            What is not given is decided by the first frame with someone in it (`motion_data.interpret`); its layout
            is the extractor's if it fits, else the only one with that number of joints.
        threshold: threshold of events; None takes `config.event_threshold`, and without one there are no events.
        join, shortest: as in `events.find_events`.

    Raises:
        ValueError: an unknown layout, fps that are not positive, or a threshold that is no finite number.
    """

    def __init__(
        self,
        scorer: AnomalyScorer,
        fps: float | None = None,
        options: ReadOptions | None = None,
        threshold: float | None = None,
        join: float = JOIN,
        shortest: float = SHORTEST,
    ):
        if fps is not None and not 0 <= fps < math.inf:
            raise ValueError(f"fps must be positive and finite, or 0 for unknown, got {fps}")
        options = options or ReadOptions()
        self.scorer = scorer
        self.fps = fps or 0.0  # once it was needed, that of unknown rates
        if options.layout:
            get_layout(options.layout)
        self.options = replace(options, axes=AXES)
        self._decisions: ReadOptions | None = None
        config = scorer.model.config
        threshold = config.event_threshold if threshold is None else threshold
        self._watch = None if threshold is None else EventWatch(event_threshold(config, threshold), join, shortest)
        self._restart()

    def _restart(self) -> None:
        self._count = 0  # frames pushed
        self._times_given = False
        self._start = self._time = 0.0  # of the first and the newest frame
        self._closest = math.inf  # seconds between two frames
        self._seen: People = {}  # who was in the newest frame
        self._frame = -1  # the newest frame at the model's rate
        self._tracks: dict[int, _Track] = {}
        self._waiting: deque[tuple[int, FrameScores]] = deque()  # with the frame at the model's rate
        self._found: dict[int, dict[int, tuple[float, np.ndarray]]] = {}  # by frame at the model's rate

    def push(
        self,
        keypoints: ArrayLike,
        scores: ArrayLike | None = None,
        track_ids: Sequence[int] | None = None,
        time: float | None = None,
    ) -> list[FrameScores]:
        """Add the next frame.

        Args:
            keypoints: `[M, K, 2]`, pixels, or `[M, K, 3]` with the scores in it; M may be 0, None is nobody, and
                `[K, 2 or 3]` one person. Or one frame as a pose model or tracker gives it, with scores and ids in it:
                a `Results` of ultralytics, a list of dicts (`motion_data.detected_frames`), joints by name.
            scores: `[M, K]` in [0, 1], 0 is missing; None: finite joints are there.
            track_ids: the tracker's id of each person, whole numbers; None takes those of the frame, or numbers people
                from 0, for streams of people who stay in their order.
            time: seconds, later than the last frame's; with every frame or with none.

        Returns:
            the frames whose scores are now final, oldest first; often one, none at the beginning, several after a
            gap.

        Raises:
            ValueError: wrong input; the frame is not added, and the stream can go on.
        """
        people = self._people(keypoints, scores, track_ids)
        self._check_time(time)
        rate, gap = self.scorer.fps, self.scorer.gap_frames
        if self._count == 0:
            self._times_given = time is not None
            self._start = self._time = time or 0.0
            self._seen = people
        if time is None:
            self.fps = self.fps or known_rate(0.0)
        now = self._count / self.fps if time is None else time
        place = (now - self._start) * rate
        self._waiting.append((int(nearest_frame(place)), FrameScores(self._count, now)))
        if self._count:
            self._closest = min(self._closest, now - self._time)
        if self._count == FIRST_FRAMES and self._closest > HOLD + SAME:
            note(
                f"frames are {self._closest:g} seconds apart or more, and where that is more than {HOLD} nobody is "
                "seen between them: nothing is scored. Times are seconds"
            )
        for frame, bodies in self._frames_until(now, place, people):
            # tracks that ended go first: the same id may start another one
            self._tracks = {name: track for name, track in self._tracks.items() if frame - track.last_seen <= gap + 1}
            self._score([window for name, body in bodies.items() for window in self._extend(name, frame, *body)])
        self._frame = math.floor(place + SAME)
        self._tracks = {name: track for name, track in self._tracks.items() if self._frame - track.last_seen <= gap}
        self._count, self._time, self._seen = self._count + 1, now, people
        return self._decided()

    def close(self) -> list[FrameScores]:
        """End the stream and return the frames still waiting; the next frame pushed starts a new stream."""
        self._tracks.clear()
        last = self._frame
        self._waiting = deque((min(place, last), frame) for place, frame in self._waiting)
        rest = self._decided()
        if self._watch is not None and (going_on := self._watch.close()):
            rest = rest or [FrameScores(self._count - 1, self._time)]
            rest[-1].events += going_on
        self._restart()
        return rest

    def _people(self, keypoints: ArrayLike, scores: ArrayLike | None, track_ids: Sequence[int] | None) -> People:
        """Check a frame and return track id -> joints of the people who have one."""
        named, options = None, self.options
        if is_result(keypoints) or is_named(keypoints):
            named, keypoints, scores, ids = _taken_apart(keypoints, scores, options)
            options = replace(options, coordinates=None)  # x is first by now
            track_ids = ids if track_ids is None else track_ids
        keypoints = of_one_picture(as_numbers("keypoints", [] if keypoints is None else keypoints))
        if keypoints.ndim == 2 and keypoints.size:  # one person
            keypoints, scores = keypoints[None], None if scores is None else as_numbers("scores", scores)[None]
        if keypoints.size == 0:
            keypoints = keypoints.reshape(0, 1, 2)
        if keypoints.ndim != 3 or keypoints.shape[2] not in (2, 3):
            raise ValueError(f"keypoints must be [people, joints, 2 or 3], got {list(keypoints.shape)}")
        track_ids = list(range(len(keypoints))) if track_ids is None else whole_ids(track_ids)
        if len(track_ids) != len(keypoints) or len(set(track_ids)) != len(track_ids):
            raise ValueError(f"track_ids must be {len(keypoints)} different ids, one for each person, got {track_ids}")
        if scores is not None:
            scores = as_numbers("scores", scores)
            if len(keypoints) and scores.shape != keypoints.shape[:2]:
                raise ValueError(
                    f"scores must be {list(keypoints.shape[:2])} as keypoints are, got {list(scores.shape)}"
                )
        if not len(keypoints) or not is_joint(keypoints[..., :2]).any():
            return {}
        keypoints, scores = keypoints[:, None], None if scores is None else scores[:, None]
        decisions = self._decisions or self._decide(keypoints, scores, options, named)
        if named is not None and named != decisions.layout:
            raise ValueError(f"joints have the names of {named}; those of the stream are of {decisions.layout}")
        layout_of(keypoints.shape[2], decisions.layout)  # of each frame
        marks = scores if scores is not None else keypoints[..., -1] if decisions.coordinates.endswith("c") else None
        if marks is not None and not self.options.max_score and choose_max_score(marks) > decisions.max_score:
            raise ValueError(f"scores reach {marks.max():.6g} and did not before; give max_score")
        poses = apply(keypoints, scores, decisions)
        self._decisions = decisions
        known = [joint for joint in get_layout(decisions.layout).canonical if joint >= 0]
        if not poses.scores[..., known].any():
            return {}
        # a motion has two frames or more: the frame twice
        motion = as_motion(poses.keypoints.repeat(2, 1), poses.scores.repeat(2, 1), decisions.layout)
        return {
            name: (body[0], seen[0])
            for name, body, seen in zip(track_ids, motion.keypoints, motion.scores, strict=True)
            if seen.any()
        }

    def _decide(
        self, keypoints: np.ndarray, scores: np.ndarray | None, options: ReadOptions, layout: str | None
    ) -> ReadOptions:
        default = self.scorer.tokenizer.feature_extractor.layout
        decisions = decide(keypoints, scores, options, layout, default)
        if decisions.coordinates.startswith("xyz"):
            raise ValueError(f"coordinates are {decisions.coordinates!r}; a stream takes 'xy', 'xyc', 'yx' or 'yxc'")
        return decisions

    def _check_time(self, time: float | None) -> None:
        if time is not None and not isinstance(time, Real):
            raise ValueError(f"time must be a number of seconds, got {time!r}")
        if self._count == 0:
            if time is not None and not math.isfinite(time):
                raise ValueError(f"time must be finite, got {time}")
        elif (time is not None) != self._times_given:
            last = self._time if self._times_given else None
            raise ValueError(f"time is {time}, but the last frame's was {last}; give it with all frames or none")
        elif time is not None and not self._time < time < math.inf:
            raise ValueError(f"time is {time}; it must be finite and later than the last frame's {self._time}")

    def _frames_until(self, now: float, place: float, people: People) -> Iterator[tuple[int, People]]:
        """Yield the frames at the model's rate since the last one pushed in which someone is, and who."""
        rate = self.scorer.fps
        first, last = self._frame + 1, math.floor(place + SAME)
        joined = now - self._time <= HOLD + SAME
        for frame in range(first, last + 1) if joined else sorted({first, last} if first <= last else ()):
            before, after = frame - (self._time - self._start) * rate, place - frame  # in frames
            weight = before / (before + after) if before + after > SAME else 1.0
            if joined:
                yield frame, between(self._seen, people, weight if SAME < weight < 1 - SAME else round(weight))
            elif min(before, after) < 0.5:
                yield frame, self._seen if before < after else people

    def _extend(self, name: int, frame: int, body: np.ndarray, seen: np.ndarray) -> list[tuple[int, int]]:
        """Add a frame to a person's track and return the windows (id, start) that are now complete."""
        scorer = self.scorer
        if name not in self._tracks:
            self._tracks[name] = _Track(frame, scorer.window_frames + scorer.gap_frames, len(body))
        track = self._tracks[name]
        track.write(frame, body, seen)
        starts = range(track.next_start, frame - scorer.window_frames + 2, scorer.stride_frames)
        track.next_start += len(starts) * scorer.stride_frames
        return [(name, start) for start in starts]

    def _score(self, windows: list[tuple[int, int]]) -> None:
        """Score windows (id, start) in batches and put each at its centre."""
        if not windows:
            return
        window, stride = self.scorer.window_frames, self.scorer.stride_frames
        clips = [self._tracks[name].read(np.arange(start, start + window)) for name, start in windows]
        scores, joints = self.scorer.score_windows(*(np.stack(arrays) for arrays in zip(*clips, strict=True)))
        for (name, start), score, joint in zip(windows, scores, joints, strict=True):
            track, centre = self._tracks[name], start + window // 2
            before, track.newest = track.newest, None
            if math.isnan(score):
                continue
            track.newest = self._found.setdefault(centre, {})[name] = (float(score), joint)
            if before is not None:
                for behind in range(1, stride):
                    share = behind / stride
                    line = score * (1 - share) + before[0] * share, joint * (1 - share) + before[1] * share
                    self._found.setdefault(centre - behind, {})[name] = (float(line[0]), line[1])

    def _decided(self) -> list[FrameScores]:
        """Take the oldest frames that no window of an open track can reach any more."""
        line = self.scorer.stride_frames - 1  # the frames between two centres wait for the second
        half = self.scorer.window_frames // 2
        first = (track.next_start + half - (line if track.newest else 0) for track in self._tracks.values())
        reachable = min(first, default=self._frame + 1)
        decided = []
        while self._waiting and self._waiting[0][0] < reachable:
            place, frame = self._waiting.popleft()
            for name, (score, joint) in self._found.get(place, {}).items():
                frame.people[name], frame.joints[name] = score, joint
            frame.score = max(frame.people.values(), default=math.nan)
            if self._watch is not None:
                frame.events = self._watch.push(frame.time, frame.people)
            decided.append(frame)
        needed = self._waiting[0][0] if self._waiting else min(reachable, self._frame)
        self._found = {place: found for place, found in self._found.items() if place >= needed}
        return decided


def _taken_apart(
    frame: object, scores: ArrayLike | None, options: ReadOptions
) -> tuple[str | None, np.ndarray, np.ndarray | None, list[int] | None]:
    """Return the layout that joints' names make, key-points `[M, K, 2]`, scores and ids; None where there is none."""
    if scores is not None:
        raise ValueError("scores are given beside a frame that holds them")
    layout = None
    if is_result(frame) and not has_names(frame):
        people = list(frame_people(frame, frame_size=options.frame_size))
    else:
        layout, people = named_people(frame, options.coordinates)
    if not people:
        return layout, np.zeros((0, 0, 2)), None, None
    if are_numbered(frame):  # some joints may be left out
        people = with_rows(people, get_layout(options.layout or "coco17").num_joints)
    joints = np.stack([person.joints for person in people])
    ids = [person.person for person in people]
    return layout, joints[..., :2], joints[..., 2] if joints.shape[-1] == 3 else None, None if -1 in ids else ids
