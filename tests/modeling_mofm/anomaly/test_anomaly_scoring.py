"""Windows, centres, people, missing frames and smoothing, each against the obvious loop; and the scorer over them."""

import numpy as np
import pytest
import torch
from detectors import build, make_motion, make_scorer, normal_set

from modeling_mofm import MoFMForAnomalyDetection
from modeling_mofm.anomaly.scorer import AnomalyScorer
from modeling_mofm.windows import fill_missing, over_people, place_at_centres, sliding_windows, smooth
from motion_data import Motion
from motion_data.notes import collect_notes
from tokenization_mofm import MoFMTokenizer


def slow_windows(seen, length, stride, max_gap):
    windows = []
    for m, row in enumerate(seen):
        track, tracks = [], []
        for f in np.flatnonzero(row):
            if track and f - track[-1] - 1 > max_gap:
                tracks.append(track)
                track = []
            track.append(int(f))
        for whole in [*tracks, track] if track else tracks:
            start = whole[0]
            while start + length - 1 <= whole[-1]:
                windows.append((m, start))
                start += stride
    return windows


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("max_gap", [0, 2, 9])
def test_windows_are_those_of_the_slow_loop(stride, max_gap):
    generator = np.random.default_rng(0)
    for share in (0.05, 0.6, 0.95, 1.0):
        seen = generator.random((4, 40)) < share
        people, starts = sliding_windows(seen, 8, stride, max_gap)
        assert list(zip(people.tolist(), starts.tolist(), strict=True)) == slow_windows(seen, 8, stride, max_gap)


def test_nobody_and_short_tracks_have_no_windows():
    for seen in (np.zeros((2, 30), bool), np.zeros((0, 30), bool), np.arange(30)[None] < 7):
        people, starts = sliding_windows(seen, 8, 1, 2)
        assert people.shape == starts.shape == (0,)


def test_two_people_one_after_the_other_share_no_window():
    seen = np.zeros((2, 20), bool)
    seen[0, 10:], seen[1, :10] = True, True
    people, starts = sliding_windows(seen, 8, 1, 12)
    assert people.tolist() == [0, 0, 0, 1, 1, 1] and starts.tolist() == [10, 11, 12, 0, 1, 2]


@pytest.mark.parametrize(("length", "stride"), [(8, 1), (8, 4), (9, 2), (2, 1)])
def test_scores_stand_at_centres(length, stride):
    seen = np.ones((2, 30), bool)
    seen[1, 12:] = False
    people, starts = sliding_windows(seen, length, stride, 0)
    values = np.arange(len(people)) + 1.0
    placed = place_at_centres(values, people, starts, length, stride, (2, 30))
    expected = np.full((2, 30), np.nan)
    for m in range(2):
        centres = starts[people == m] + length // 2
        frames = np.arange(centres[0], centres[-1] + 1)
        expected[m, frames] = np.interp(frames, centres, values[people == m])
    np.testing.assert_allclose(placed, expected, atol=1e-12)
    assert np.isnan(placed[:, : length // 2]).all() and np.isnan(placed[1, 12:]).all()
    wide = place_at_centres(np.stack((values, -values), -1), people, starts, length, stride, (2, 30))
    np.testing.assert_allclose(wide, np.stack((expected, -expected), -1), atol=1e-12)


def test_there_is_no_line_over_a_gap_nor_to_a_window_without_a_score():
    seen = np.ones((1, 40), bool)
    seen[0, 14:20] = False
    people, starts = sliding_windows(seen, 8, 4, 2)
    assert starts.tolist() == [0, 4, 20, 24, 28, 32]
    values = np.array([1, 3, 5, np.nan, 7, 9])
    placed = place_at_centres(values, people, starts, 8, 4, (1, 40))[0]
    expected = {4: 1, 5: 1.5, 6: 2, 7: 2.5, 8: 3, 24: 5, 32: 7, 33: 7.5, 34: 8, 35: 8.5, 36: 9}
    assert {int(f): placed[f] for f in np.flatnonzero(~np.isnan(placed))} == expected


@pytest.mark.filterwarnings("error")
def test_a_frame_takes_the_maximum_and_missing_ones_the_minimum():
    nan = np.nan
    scores = np.array([[1.0, nan, 3.0, nan], [2.0, nan, -1.0, 0.5]])
    frames = over_people(scores)
    np.testing.assert_array_equal(frames, [2.0, nan, 3.0, 0.5])
    np.testing.assert_array_equal(fill_missing(frames), [2.0, 0.5, 3.0, 0.5])
    np.testing.assert_array_equal(fill_missing(frames, lowest=-4.0), [2.0, -4.0, 3.0, 0.5])
    assert np.isnan(over_people(np.zeros((0, 4)))).all() and over_people(np.zeros((0, 4))).shape == (4,)
    assert np.isnan(fill_missing(np.full(3, nan))).all()


def test_smoothing_is_a_gaussian_with_held_ends():
    scores = np.random.default_rng(0).random(50)
    weights = np.exp(-0.5 * (np.arange(-12, 13) / 3.0) ** 2)
    padded = np.pad(scores, 12, mode="edge")
    expected = [(padded[i : i + 25] * weights).sum() / weights.sum() for i in range(50)]
    np.testing.assert_allclose(smooth(scores, 3.0), expected, rtol=1e-6)
    np.testing.assert_array_equal(smooth(scores, 0), scores)


@pytest.fixture
def scorer(dved):
    return make_scorer(dved)


@pytest.mark.parametrize("kind", ["combined", "nll", "distance", "classifier"])
def test_a_window_scores_as_its_clip_alone(dved, kind):
    scorer = make_scorer(dved, kind)
    motion = make_motion()
    motion.scores[0, 20:] = 0
    result = scorer.score(motion)
    assert result.people.shape == (2, 30) and result.joints.shape == (2, 30, 17)
    assert np.isfinite(result.people).sum(1).tolist() == [20 - 12 + 1, 30 - 12 + 1]
    for person, centre in [(0, 6), (0, 14), (1, 10), (1, 24)]:
        window = slice(centre - 6, centre + 6)
        tokens = scorer.tokenizer(motion.keypoints[person, window], motion.scores[person, window])
        with torch.no_grad():
            output = scorer.model(**tokens)
        assert result.people[person, centre] == pytest.approx(output.anomaly_score.item(), rel=1e-4)
        joints = output.joint_score[0, 0, 4].numpy()  # frame 6 of 12 is frame 4 of 8
        np.testing.assert_allclose(result.joints[person, centre], joints, rtol=1e-3, atol=1e-4)
    frames = np.fmax(*result.people)
    frames = np.where(np.isnan(frames), np.nanmin(frames), frames)
    np.testing.assert_allclose(result.frames, smooth(frames, 3.0))


def test_people_and_batches_do_not_matter(dved):
    motion = make_motion(3)
    together = make_scorer(dved).score(motion)
    small = make_scorer(dved, batch_size=4).score(motion)
    np.testing.assert_allclose(small.people, together.people, rtol=1e-4)
    turned = make_scorer(dved).score(Motion(motion.keypoints[::-1], motion.scores[::-1]))
    np.testing.assert_allclose(turned.people[::-1], together.people, rtol=1e-4)
    np.testing.assert_allclose(turned.frames, together.frames, rtol=1e-4)


def test_place_and_size_in_the_picture_do_not_matter(scorer):
    motion = make_motion(1)
    moved = Motion(motion.keypoints * 3 + 500, motion.scores)
    np.testing.assert_allclose(scorer.score(moved).people, scorer.score(motion).people, rtol=1e-2)


def test_motion_too_short_for_a_window_has_no_score(scorer):
    result = scorer.score(make_motion(2, 11))
    assert np.isnan(result.people).all() and np.isnan(result.frames).all() and result.frames.shape == (11,)


def test_batches_of_windows_are_bounded(scorer):
    sizes = []
    scorer.model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(len(kwargs["keypoints"])), with_kwargs=True
    )
    scorer.batch_size = 5
    scorer.score(make_motion(2, 20))
    assert sum(sizes) == 2 * 9 and max(sizes) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0.05}, "window must be from 0.06667 to 3600 seconds, got 0.05"),
        ({"window": 1e9}, "window must be from 0.06667 to 3600 seconds, got 1000000000.0"),
        ({"stride": 0}, "stride must be from 0.03333 to 0.2 seconds, got 0"),
        ({"stride": 0.3}, "stride must be from 0.03333 to 0.2 seconds, got 0.3"),
        ({"max_gap": -1}, "max_gap must be from 0 to 3600 seconds, got -1"),
        ({"smoothing": -1.0}, "smoothing must be from 0 to 3600 seconds, got -1.0"),
        ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
        ({"gate": float("nan")}, "gate is nan, and anomaly_score 'combined'"),
        ({"gate": 1.0, "kind": "nll"}, "gate is 1.0, and anomaly_score 'nll'"),
    ],
)
def test_wrong_options_are_refused(dved, options, message):
    with pytest.raises(ValueError, match=message):
        make_scorer(dved, **options)


def test_models_that_do_not_fit_are_refused(dved):
    with pytest.raises(ValueError, match=r"anomaly_score is 'combined', but .* \(reference_size is 0\)"):
        AnomalyScorer(build(), MoFMTokenizer(dved))
    with pytest.raises(ValueError, match="codebook_size of the model is 31, but the tokenizer's is 32"):
        AnomalyScorer(build(codebook_size=31), MoFMTokenizer(dved))
    with pytest.raises(ValueError, match=r"cube_size of the model is .*8, 6, 6.*, but the tokenizer's is .*4, 6, 6"):
        AnomalyScorer(build(cube_size=(8, 6, 6)), MoFMTokenizer(dved))


RATES = (10, 15, 25, 30, 60)


def smooth_motion(fps, seconds=4.0):
    """A person who sways, sampled at `fps`."""
    time = np.arange(int(seconds * fps) + 1) / fps
    body = np.random.default_rng(5).uniform(0, 200, (17, 2))
    phase = np.random.default_rng(6).uniform(0, 6, (17, 2))
    sway = 20 * np.sin(2 * np.pi * 0.5 * time[:, None, None] + phase)
    return Motion((300 + body + sway)[None], np.ones((1, len(time), 17), np.float32))


def test_scores_do_not_hang_on_the_frame_rate(dved):
    scorer = make_scorer(dved, smoothing=0)
    scores = {fps: scorer.score(smooth_motion(fps), fps) for fps in RATES}
    for fps, found in scores.items():
        assert found.people.shape == (1, 4 * fps + 1)
        assert np.nanmean(found.people) == pytest.approx(np.nanmean(scores[30].people), rel=0.05)
        known = np.isfinite(found.people[0])
        assert known[fps] and not known[0]  # in sight of a window after a second, at every rate
    np.testing.assert_allclose(scores[60].people[:, ::2], scores[30].people, rtol=1e-4)


def test_an_unknown_rate_is_taken_for_30_and_noted(dved):
    scorer = make_scorer(dved, rate=15.0)
    with collect_notes() as notes:
        found = scorer.score(smooth_motion(30))
    assert "taken for 30 frames a second" in notes[0]
    np.testing.assert_allclose(found.people, scorer.score(smooth_motion(30), 30).people)


def test_what_was_never_trained_does_not_answer(dved, tmp_path):
    model = build(anomaly_score="nll")
    model.mofm.save_pretrained(tmp_path / "encoder")
    for kind, part in (("nll", "lm_head"), ("classifier", "anomaly_head")):
        bare = MoFMForAnomalyDetection.from_pretrained(tmp_path / "encoder", anomaly_score=kind)
        with pytest.raises(ValueError, match=f"anomaly_score is '{kind}', but .* has no weights of {part}"):
            AnomalyScorer(bare, MoFMTokenizer(dved))
    bare = MoFMForAnomalyDetection.from_pretrained(tmp_path / "encoder", anomaly_score="distance", reference_size=9)
    with pytest.raises(ValueError, match="has no weights of reference"):
        AnomalyScorer(bare, MoFMTokenizer(dved))
    bare.fit_reference(normal_set())
    assert np.isfinite(AnomalyScorer(bare, MoFMTokenizer(dved)).score(make_motion()).people).any()
    model.save_pretrained(tmp_path / "whole")
    AnomalyScorer(MoFMForAnomalyDetection.from_pretrained(tmp_path / "whole"), MoFMTokenizer(dved))


def test_the_words_must_be_those_that_were_learnt(dved):
    tokenizer = MoFMTokenizer(dved)
    AnomalyScorer(build(anomaly_score="nll", words=tokenizer.fingerprint), tokenizer)
    with pytest.raises(ValueError, match="the model learnt the words of the tokenizer abc, but this one is"):
        AnomalyScorer(build(anomaly_score="nll", words="abc"), tokenizer)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_answers_nearly_the_same(dved, dtype, tmp_path):
    scorer = make_scorer(dved, "distance")
    scorer.model.save_pretrained(tmp_path)
    motion = make_motion()
    motion.scores[0, :, 3:9] = 0
    half = MoFMForAnomalyDetection.from_pretrained(tmp_path, dtype=dtype)
    assert half.reference.parts.dtype == torch.float32 and half.lm_head.weight.dtype == dtype
    expected = scorer.score(motion).people
    found = AnomalyScorer(half, scorer.tokenizer, 0.4, max_gap=0.1).score(motion).people
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=0.1, atol=0.3)
