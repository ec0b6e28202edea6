"""A stream answers what the batch scorer answers, in bounded latency and memory."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from detectors import make_motion, make_scorer

from modeling_mofm.anomaly.stream import MotionStream
from modeling_mofm.events import find_events
from motion_data import Motion
from motion_data.layouts import COCO_KEYPOINTS, get_layout
from motion_data.options import ReadOptions


class CountingScorer:
    """Stands in for a model: the score of a window is the sum of what it holds."""

    tokenizer = SimpleNamespace(feature_extractor=SimpleNamespace(layout="coco17"))
    model = SimpleNamespace(config=SimpleNamespace(event_threshold=None))

    def __init__(self, window=12, stride=1, max_gap=3, fps=30.0):
        self.window_frames, self.stride_frames, self.gap_frames, self.fps = window, stride, max_gap, fps
        self.scored = 0

    def score_windows(self, keypoints, scores):
        self.scored += len(keypoints)
        assert keypoints.shape[1:] == (self.window_frames, 17, 2)
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
    scorer = make_scorer(dved, stride=stride / 30, window=window / 30)
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
    usual = window - window // 2 - 1 + stride - 1
    late = [f - frame.frame for f, answer in enumerate(answers[:-1]) for frame in answer]
    assert max(late) == usual
    gaps = play(MotionStream(CountingScorer(window, stride)), leave_and_return(80))
    late = [f - frame.frame for f, answer in enumerate(gaps[:-1]) for frame in answer]
    assert usual < max(late) <= usual + scorer.gap_frames


def test_a_week_does_not_grow():
    generator = np.random.default_rng(0)
    scorer = CountingScorer(window=12, max_gap=3, fps=10)
    stream = MotionStream(scorer)
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


def sway(fps, seconds=3.0, people=2):
    """People who sway, sampled at `fps`; the second comes after a second and goes half a second before the end."""
    time = np.arange(int(seconds * fps) + 1) / fps
    body = np.random.default_rng(5).uniform(100, 300, (people, 1, 17, 2))
    phase = np.random.default_rng(6).uniform(0, 6, (people, 1, 17, 2))
    scores = np.full((people, len(time), 17), 0.8, np.float32)
    scores[1:, (time < 1) | (time > seconds - 0.5)] = 0
    return Motion(body + 20 * np.sin(np.pi * time[:, None, None] + phase), scores), time


@pytest.mark.parametrize("rate", [30.0, 25.0])
@pytest.mark.parametrize("fps", [5, 10, 24, 60])
def test_at_any_rate_a_stream_answers_what_the_batch_answers(dved, fps, rate):
    scorer = make_scorer(dved, rate=rate, window=0.4)
    motion, times = sway(fps)
    expected = scorer.score(motion, fps).people
    for stream, given in ((MotionStream(scorer, fps), None), (MotionStream(scorer), 7.0 + times)):
        frames = [frame for answer in play(stream, motion, given) for frame in answer]
        assert [frame.frame for frame in frames] == list(range(len(times)))
        np.testing.assert_allclose([frame.time for frame in frames], times if given is None else given)
        found = np.array([[frame.people.get(name, np.nan) for frame in frames] for name in (100, 101)])
        np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert np.isfinite(expected).sum(1).min() > 0.4 * fps


def test_a_camera_that_hesitates_changes_little(dved):
    scorer = make_scorer(dved, window=0.4)
    motion, times = sway(30, people=1)
    uneven = times + np.random.default_rng(1).uniform(0, 0.01, len(times))
    kept = np.sort(np.random.default_rng(2).permutation(np.arange(1, 90))[:70])  # and loses one frame in five
    steady = [frame for answer in play(MotionStream(scorer), motion, times) for frame in answer]
    late, _ = sway(30, people=1)
    phase = np.random.default_rng(6).uniform(0, 6, (1, 1, 17, 2))
    body = np.random.default_rng(5).uniform(100, 300, (1, 1, 17, 2))
    late.keypoints = body + 20 * np.sin(np.pi * uneven[:, None, None] + phase)
    part = Motion(late.keypoints[:, kept], late.scores[:, kept])
    frames = [frame for answer in play(MotionStream(scorer), part, uneven[kept]) for frame in answer]
    known = {frame.frame: frame.score for frame in frames if frame.people}
    assert len(known) > 50
    expected = np.array([steady[kept[number]].score for number in known])
    assert np.nanmean(np.abs(np.array(list(known.values())) / expected - 1)) < 0.1


def test_a_long_jump_in_time_is_missing_frames():
    motion = make_motion(1, 60)
    motion.scores[0, 20:29] = 0  # 0.33 s between the frames beside them
    whole = [frame for answer in play(MotionStream(CountingScorer(max_gap=12)), motion) for frame in answer]
    stream = MotionStream(CountingScorer(max_gap=12))
    frames = []
    for f in np.flatnonzero(motion.scores[0].any(1)):
        frames += stream.push(motion.keypoints[:, f], motion.scores[:, f], [100], 3.0 + f / 30)
    frames += stream.close()
    assert len(frames) == 51
    for frame in frames:
        number = round(30 * (frame.time - 3))
        assert frame.people == pytest.approx(whole[number].people, rel=1e-5)
    assert sum(bool(frame.people) for frame in frames) > 35


def test_a_pause_longer_than_the_gap_ends_every_track():
    body = np.ones((1, 17, 2), np.float32)
    for pause, windows in ((4, 20 + 3 - 11), (5, 0), (13, 0), (10**7, 0)):
        scorer = CountingScorer(window=12, max_gap=3, fps=10)
        stream = MotionStream(scorer)
        for f in range(20):
            stream.push(body, None, [7], (f if f < 10 else f + pause - 1) / 10)
        assert scorer.scored == windows, pause


def test_an_unknown_rate_is_taken_for_30_and_noted_once(caplog):
    stream = MotionStream(CountingScorer())
    frames = [frame for _ in range(40) for frame in stream.push(20 * BODY)] + stream.close()
    assert len(caplog.messages) == 1 and "taken for 30 frames a second" in caplog.messages[0]
    assert [frame.time for frame in frames] == pytest.approx(np.arange(40) / 30)


def test_frames_without_people_are_answered_at_once():
    stream = MotionStream(CountingScorer())
    for f in range(30):
        (frame,) = stream.push(np.zeros((0, 17, 2)))
        assert frame.frame == f and math.isnan(frame.score) and not frame.people
    (frame,) = stream.push(np.full((2, 17, 2), np.nan))  # two detections without a joint
    assert not frame.people and not stream._tracks


def test_other_layouts_are_mapped():
    stream = MotionStream(CountingScorer(), options=ReadOptions(layout="openpose25"))
    body = np.full((1, 25, 2), np.nan)
    body[0, 19] = 5.0  # a toe, which COCO-17 has not
    stream.push(body)
    assert not stream._tracks
    body[0, 0] = 7.0
    stream.push(body)
    (track,) = stream._tracks.values()
    assert track.scores.sum() == 1 and (track.keypoints[track.scores > 0] == 7).all()


def test_the_first_body_decides_the_layout():
    scorer = CountingScorer()
    stream, told = MotionStream(scorer), MotionStream(scorer, options=ReadOptions(layout="mediapipe33"))
    for frames in (stream, told):
        frames.push(np.zeros((0, 0, 2)))
        frames.push(np.arange(66.0).reshape(1, 33, 2))
    (track,), (same,) = stream._tracks.values(), told._tracks.values()
    assert track.scores.sum() > 10
    np.testing.assert_array_equal(track.keypoints, same.keypoints)
    with pytest.raises(ValueError, match="keypoints has 17 joints, but layout 'mediapipe33' has 33"):
        stream.push(np.ones((1, 17, 2)))
    with pytest.raises(ValueError, match="16 joints without names, and it may be .*; name the layout"):
        MotionStream(scorer).push(np.ones((1, 16, 2)))


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
        ({"keypoints": BODY[:, :16]}, "keypoints has 16 joints, but layout 'coco17' has 17"),
        ({"keypoints": BODY[..., :1]}, r"keypoints must be \[people, joints, 2 or 3\], got \[2, 17, 1\]"),
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
    stream = MotionStream(CountingScorer(fps=10))
    stream.push(BODY, None, [1, 2], 2.0)
    with pytest.raises(ValueError, match=message):
        stream.push(**{"time": 2.1, **frame})
    assert stream._count == 1 and stream._frame == 0
    (answer,) = stream.push(BODY, None, [1, 2], 2.1)
    assert answer.frame == 1


@pytest.mark.parametrize("fps", [-1, math.inf, math.nan])
def test_wrong_rates_are_refused(fps):
    with pytest.raises(ValueError, match=f"fps must be positive and finite, or 0 for unknown, got {fps}"):
        MotionStream(CountingScorer(), fps=fps)


@pytest.mark.parametrize("threshold", [math.inf, math.nan])
def test_a_threshold_that_is_no_finite_number_is_refused(threshold):
    with pytest.raises(ValueError, match=f"threshold of events is {threshold}; give a number"):
        MotionStream(CountingScorer(), threshold=threshold)


def test_frames_hold_their_own_scores_and_options_say_what_they_mean():
    motion = make_motion(1, 20)
    stated = ReadOptions(coordinates="xyc", min_score=0.5, max_score=100)
    stream, plain = MotionStream(CountingScorer(), 30, stated), MotionStream(CountingScorer(), 30)
    expected, answers = [], []
    for f in range(20):
        body, scores = motion.keypoints[:, f], motion.scores[:, f]
        answers += stream.push(np.concatenate([body, 100 * scores[..., None]], -1), None, [7])
        expected += plain.push(body, np.where(scores >= 0.5, scores, 0), [7])
    assert any(frame.people for frame in expected)
    for frame, same in zip(expected, answers, strict=True):
        assert frame.people == pytest.approx(same.people, rel=1e-5)
    stated = ReadOptions(coordinates="yxc", min_score=0.5, max_score=100)
    stream, answers = MotionStream(CountingScorer(), 30, stated), []
    for f in range(20):  # as MoveNet hands it over
        body, scores = motion.keypoints[:, f, :, ::-1], motion.scores[:, f]
        answers += stream.push(np.concatenate([body, 100 * scores[..., None]], -1)[None], None, [7])
    for frame, same in zip(expected, answers, strict=True):
        assert frame.people == pytest.approx(same.people, rel=1e-5)
    with pytest.raises(ValueError, match="coordinates are 'xyz'; a stream takes 'xy', 'xyc', 'yx' or 'yxc'"):
        MotionStream(CountingScorer(), 30, ReadOptions(coordinates="xyz")).push(np.ones((1, 17, 3)))
    undecided = MotionStream(CountingScorer(), 30)
    undecided.push(BODY, np.full((2, 17), 0.9))
    with pytest.raises(ValueError, match="scores reach 90 and did not before; give max_score"):
        undecided.push(BODY, np.full((2, 17), 90.0))


@pytest.mark.parametrize("fps", [24.0, 30.0])
def test_events_of_a_stream_are_those_of_the_batch(dved, fps):
    scorer = make_scorer(dved)
    motion = leave_and_return()
    people = scorer.score(motion, fps).people
    threshold = float(np.nanquantile(people, 0.6))
    options = {"threshold": threshold, "join": 0.1, "shortest": 0.05}
    frames = [frame for answer in play(MotionStream(scorer, fps, **options), motion) for frame in answer]
    found = sorted((event for frame in frames for event in frame.events), key=lambda e: (e.start, e.person))
    expected = find_events(np.arange(60) / fps, people, threshold, [100, 101, 102], 0.1, 0.05)
    assert len(expected) > 2
    assert [(e.person, e.label) for e in found] == [(e.person, e.label) for e in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.start, one.end) == pytest.approx((other.start, other.end))
        assert one.score == pytest.approx(other.score, rel=1e-3)
    for frame in frames[:-1]:
        assert all(frame.time - event.end > 0.1 for event in frame.events)  # said as soon as they cannot go on
    assert not any(frame.events for answer in play(MotionStream(scorer, fps), motion) for frame in answer)
    scorer.model.config.event_threshold = threshold
    with_configured = [
        f for answer in play(MotionStream(scorer, fps, join=0.1, shortest=0.05), motion) for f in answer
    ]
    assert [event for frame in with_configured for event in frame.events] == [e for f in frames for e in f.events]


def test_times_that_are_no_seconds_are_told(caplog):
    """Milliseconds: each frame is minutes from the next, so nobody is ever seen long enough."""
    for times, said in ((np.arange(12) * 33.0, True), (np.arange(12) * 0.033, False)):
        caplog.clear()
        play(MotionStream(CountingScorer()), make_motion(1, 12), times)
        assert ("frames are 33 seconds apart or more" in caplog.text) == said
    for wrong in ("0.5", np.datetime64("2026-01-01")):
        with pytest.raises(ValueError, match="time must be a number of seconds, got"):
            MotionStream(CountingScorer()).push(np.zeros((0, 17, 2)), time=wrong)


@pytest.mark.parametrize("kind", ["one", "scored", "object", "named", "some", "own", "numbered", "points"])
def test_frames_of_one_person(kind):
    """As a pose model for one person gives them: the answers are those of the same people in an array."""
    motion = make_motion(1, 24)
    motion.keypoints[0] += 50
    motion.scores[:] = 1
    if kind == "some":
        motion.scores[0, :, :5] = 0
    if kind == "numbered":
        motion.scores[0, ::2, [3, 16]] = 0  # the last joint too

    def frame(f):
        keypoints, scores = motion.keypoints[0, f], motion.scores[0, f]
        named = dict(zip(COCO_KEYPOINTS, keypoints.tolist(), strict=True))
        there = np.flatnonzero(scores)
        numbered = {"keypoints": keypoints[there], "scores": scores[there], "labels": there}
        return {
            "numbered": ([numbered],),
            "points": ([{"keypoints": [{"name": n, "x": x, "y": y} for n, (x, y) in reversed(named.items())]}],),
            "one": (keypoints,),
            "scored": (keypoints, scores),
            "object": ({"keypoints": keypoints, "keypoint_scores": scores},),
            "named": (named,),
            "some": (dict(list(named.items())[5:]),),
            "own": ({"people": [{"id": 0, "joints": {name: {"x": x, "y": y} for name, (x, y) in named.items()}}]},),
        }[kind]

    stream, other = MotionStream(CountingScorer(), 30), MotionStream(CountingScorer(), 30)
    answers = [stream.push(*frame(f)) for f in range(24)] + [stream.close()]
    expected = [other.push(motion.keypoints[:, f], motion.scores[:, f]) for f in range(24)] + [other.close()]
    found, known = ([one.score for answer in answers for one in answer] for answers in (answers, expected))
    assert found == pytest.approx(known, nan_ok=True) and np.isfinite(found).sum() > 5


def test_nobody_may_be_none_and_named_joints_keep_their_skeleton():
    stream = MotionStream(CountingScorer(), 30)
    assert stream.push(None)[0].people == {}
    named = dict(zip(COCO_KEYPOINTS, make_motion(1, 2).keypoints[0, 0].tolist(), strict=True))
    stream.push(named)
    halpe = dict(zip(get_layout("halpe26").joints, (np.arange(52).reshape(26, 2) + 1).tolist(), strict=True))
    with pytest.raises(ValueError, match="joints have the names of halpe26; those of the stream are of coco17"):
        stream.push(halpe)
    with pytest.raises(ValueError, match="frame: has no key-points to read; it is dict of 2"):
        stream.push({"nose_x": 1, "nose_y": 2})
