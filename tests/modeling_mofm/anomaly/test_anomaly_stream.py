"""A stream answers what the batch scorer answers, in bounded latency and memory."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from detectors import make_motion, make_scorer

from modeling_mofm.anomaly.stream import MotionStream


class CountingScorer:
    """Stands in for a model: the score of a window is the sum of what it holds."""

    def __init__(self, window=12, stride=1, max_gap=3):
        self.window, self.stride, self.max_gap = window, stride, max_gap
        self.scored = 0

    def score_windows(self, keypoints, scores):
        self.scored += len(keypoints)
        assert keypoints.shape[1:] == (self.window, 17, 2)
        return (keypoints * scores[..., None]).sum((1, 2, 3)), scores.sum(1)


def leave_and_return(frames=60):
    """Three people: one always there, one with short gaps, one who leaves for long and comes back."""
    motion = make_motion(3, frames)
    motion.scores[1, [5, 17, 18, 19, 40]] = 0
    motion.scores[2, :4], motion.scores[2, 22:31], motion.scores[2, 52:] = 0, 0, 0
    return motion


def play(stream, motion, times=None):
    answers = []
    for f in range(motion.scores.shape[1]):
        there = np.flatnonzero(motion.scores[:, f].any(1))
        answers.append(
            stream.push(
                motion.keypoints[there, f],
                motion.scores[there, f],
                [int(m) + 100 for m in there],
                None if times is None else times[f],
            )
        )
    return answers + [stream.close()]


@pytest.mark.parametrize(("stride", "window"), [(1, 12), (3, 12), (1, 9)])
def test_a_stream_answers_what_the_batch_answers(dved, stride, window):
    scorer = make_scorer(dved, stride=stride, window=window)
    motion = leave_and_return()
    expected = scorer.score(motion)
    frames = [frame for answer in play(MotionStream(scorer), motion) for frame in answer]
    assert [frame.frame for frame in frames] == list(range(60))
    for frame in frames:
        people = expected.people[:, frame.frame]
        known = {int(m) + 100: people[m] for m in np.flatnonzero(~np.isnan(people))}
        assert frame.people.keys() == frame.joints.keys() == known.keys()
        for name, score in known.items():
            assert frame.people[name] == pytest.approx(score, rel=1e-4)
            joints = expected.joints[name - 100, frame.frame]
            np.testing.assert_allclose(frame.joints[name], joints, rtol=1e-3, atol=1e-4)
        assert frame.score == pytest.approx(np.fmax.reduce(people), rel=1e-4, nan_ok=True)
    assert np.isfinite(expected.people).any(1).all()


@pytest.mark.parametrize("stride", [1, 2, 6])
@pytest.mark.parametrize("window", [12, 13])
def test_latency_is_the_stated_one(stride, window):
    scorer = CountingScorer(window, stride)
    answers = play(MotionStream(scorer), make_motion(2, 80))
    usual = window - window // 2 - 1
    late = [f - frame.frame for f, answer in enumerate(answers[:-1]) for frame in answer]
    assert max(late) == usual
    gaps = play(MotionStream(CountingScorer(window, stride)), leave_and_return(80))
    late = [f - frame.frame for f, answer in enumerate(gaps[:-1]) for frame in answer]
    assert usual < max(late) <= usual + scorer.max_gap


def test_a_week_does_not_grow():
    generator = np.random.default_rng(0)
    scorer = CountingScorer(window=12, max_gap=3)
    stream = MotionStream(scorer, fps=10)
    body = generator.random((4, 17, 2)).astype(np.float32)
    tracks, waiting, answered = [], [], []
    for f in range(6000):
        # every 50 frames other people, now and then nobody, each third of a day a pause of hours
        ids = [] if f % 37 < 5 else [f // 50 * 4 + i for i in range(1 + f % 4)]
        answered += [frame.frame for frame in stream.push(body[: len(ids)], None, ids, f / 10 + f // 2000 * 3e4)]
        tracks.append(len(stream._tracks))
        waiting.append(len(stream._waiting))
    assert max(tracks) <= 8 and max(waiting) <= 12 - 6 + 3 + 1
    assert all(len(track.scores) == 15 for track in stream._tracks.values())
    answered += [frame.frame for frame in stream.close()]
    assert len(answered) == len(set(answered)) == 6000 and answered == sorted(answered)
    assert scorer.scored > 1000 and not stream._tracks and not stream._waiting


def test_who_stays_away_longer_than_the_gap_starts_again():
    body = np.ones((1, 17, 2), np.float32)
    for away, windows in ((3, 20 + 3 - 11), (4, 0)):
        scorer = CountingScorer(window=12, max_gap=3)
        stream = MotionStream(scorer)
        for f in range(20 + away):
            there = not 10 <= f < 10 + away
            stream.push(body[:there], None, [7][:there])
        assert scorer.scored == windows, away


def test_a_jump_in_time_is_missing_frames():
    scorer = CountingScorer(window=12, max_gap=3)
    motion = make_motion(1, 40)
    motion.scores[0, [8, 9, 20, 33, 34, 35]] = 0
    whole = [frame for answer in play(MotionStream(scorer), motion) for frame in answer]
    skipping = MotionStream(CountingScorer(window=12, max_gap=3), fps=25)
    frames = []
    for f in np.flatnonzero(motion.scores[0].any(1)):
        frames += skipping.push(motion.keypoints[:, f], motion.scores[:, f], [100], 3.0 + f / 25 + 0.004 * (f % 3))
    frames += skipping.close()
    by_number = {frame.frame: frame for frame in whole}
    assert [frame.frame for frame in frames] == np.flatnonzero(motion.scores[0].any(1)).tolist()
    for frame in frames:
        assert frame.people == by_number[frame.frame].people
        assert frame.time == pytest.approx(3.0 + frame.frame / 25, abs=0.01)
    assert sum(bool(frame.people) for frame in frames) > 15


def test_a_pause_longer_than_the_gap_ends_every_track():
    body = np.ones((1, 17, 2), np.float32)
    for pause, windows in ((4, 20 + 3 - 11), (5, 0), (13, 0)):
        scorer = CountingScorer(window=12, max_gap=3)
        stream = MotionStream(scorer, fps=10)
        for f in range(20):
            stream.push(body, None, [7], (f if f < 10 else f + pause - 1) / 10)
        assert scorer.scored == windows, pause


def test_without_fps_times_are_only_names():
    stream = MotionStream(CountingScorer())
    body = np.ones((1, 17, 2))
    frames = [frame for time in (1.0, 50.0, 51.0) for frame in stream.push(body, None, [1], time)] + stream.close()
    assert [(frame.frame, frame.time) for frame in frames] == [(0, 1.0), (1, 50.0), (2, 51.0)]


def test_frames_without_people_are_answered_at_once():
    stream = MotionStream(CountingScorer())
    for f in range(30):
        (frame,) = stream.push(np.zeros((0, 17, 2)))
        assert frame.frame == f and math.isnan(frame.score) and not frame.people
    (frame,) = stream.push(np.full((2, 17, 2), np.nan))  # two detections without a joint
    assert not frame.people and not stream._tracks


def test_other_layouts_are_mapped():
    stream = MotionStream(CountingScorer(), layout="openpose25")
    body = np.full((1, 25, 2), np.nan)
    body[0, 19] = 5.0  # a toe, which COCO-17 has not
    stream.push(body)
    assert not stream._tracks
    body[0, 0] = 7.0
    stream.push(body)
    (track,) = stream._tracks.values()
    assert track.scores.sum() == 1 and (track.keypoints[track.scores > 0] == 7).all()


BODY = np.ones((2, 17, 2))


@pytest.mark.parametrize("kind", ["tensor", "array", "float", "results", "dicts"])
def test_frames_as_trackers_give_them(kind):
    motion = make_motion(1, 20)
    stream, other = MotionStream(CountingScorer()), MotionStream(CountingScorer())
    expected = [frame for f in range(20) for frame in stream.push(motion.keypoints[:, f], motion.scores[:, f], [7])]
    answers = []
    for f in range(20):
        body, scores = motion.keypoints[:, f], motion.scores[:, f]
        joints = torch.from_numpy(np.concatenate([body, scores[..., None]], -1))
        boxes = SimpleNamespace(id=torch.tensor([7.0]))
        frame = {
            "tensor": (torch.from_numpy(body), torch.from_numpy(scores), torch.tensor([7.0])),
            "array": (body, scores, np.array([7])),
            "float": (body, scores, [7.0]),
            "results": (SimpleNamespace(keypoints=SimpleNamespace(data=joints), boxes=boxes, orig_shape=(480, 640)),),
            "dicts": ([{"keypoints": body[0], "scores": scores[0], "track_id": 7}],),
        }[kind]
        answers += other.push(*frame)
    assert any(frame.people for frame in expected)
    for frame, same in zip(expected, answers, strict=True):
        assert frame.people == pytest.approx(same.people, rel=1e-5)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"keypoints": BODY[:, :16]}, r"keypoints must be \[people, 17, 2\] of layout 'coco17', got \[2, 16, 2\]"),
        ({"keypoints": BODY[0]}, r"keypoints must be \[people, 17, 2\] of layout 'coco17', got \[17, 2\]"),
        ({"keypoints": BODY, "scores": np.ones((2, 16))}, r"scores must be \[2, 17\] as keypoints are, got \[2, 16\]"),
        ({"keypoints": BODY, "scores": np.full((2, 17), 1.5)}, "scores reach 1.5; they must be from 0 to 1"),
        ({"keypoints": BODY, "track_ids": [1]}, r"track_ids must be 2 different ids, .*, got \[1\]"),
        ({"keypoints": BODY, "track_ids": [1, 2.5]}, "track_ids has 2.5; an id must be a whole number"),
        ({"keypoints": BODY, "track_ids": [3, 3]}, r"track_ids must be 2 different ids, .*, got \[3, 3\]"),
        ({"keypoints": BODY, "time": 2.0}, "time is 2.0; it must be finite and later than the last frame's 2.0"),
        ({"keypoints": BODY, "time": 1.5}, "time is 1.5; it must be finite and later than the last frame's 2.0"),
        ({"keypoints": BODY, "time": math.nan}, "time is nan; it must be finite and later"),
        ({"keypoints": BODY, "time": None}, "time is None, but the last frame's was 2.0"),
    ],
)
def test_wrong_frames_are_refused_and_leave_the_stream_as_it_was(frame, message):
    stream = MotionStream(CountingScorer(), fps=10)
    stream.push(BODY, None, [1, 2], 2.0)
    with pytest.raises(ValueError, match=message):
        stream.push(**{"time": 2.1, **frame})
    assert len(stream._waiting) == 0 and stream._frame == 0
    (answer,) = stream.push(BODY, None, [1, 2], 2.1)
    assert answer.frame == 1


@pytest.mark.parametrize("fps", [0, -1, math.inf, math.nan])
def test_wrong_rates_are_refused(fps):
    with pytest.raises(ValueError, match=f"fps must be positive and finite, got {fps}"):
        MotionStream(CountingScorer(), fps=fps)


@pytest.mark.parametrize(("camera", "counted"), [(15, 15), (25, 25), (60, 25)])
def test_a_minute_has_as_many_frames_as_the_stream_says(camera, counted):
    stream = MotionStream(CountingScorer(window=2, max_gap=0), fps=25)
    answers = [frame for f in range(60 * camera) for frame in stream.push(BODY, None, None, f / camera)]
    answers += stream.close()
    assert abs(len(answers) - 60 * counted) <= 1 and abs(answers[-1].frame - 60 * 25) <= 2
