"""What people do along a recording: stretches cover their tracks, and say what the clip around them shows."""

import numpy as np
import pytest

from modeling_mofm.actions.timeline import action_events, cut_stretches
from motion_data.keypoints import Motion
from tokenization_mofm import MoFMFeatureExtractor

EXTRACTOR = MoFMFeatureExtractor(num_frames=8, heatmap_size=24)


def motion(people=1, frames=100, seed=0):
    generator = np.random.default_rng(seed)
    keypoints = generator.uniform(0, 100, (people, 1, 17, 2)) + generator.normal(0, 2, (people, frames, 17, 2)).cumsum(
        1
    )
    return Motion(keypoints.astype(np.float32), np.ones((people, frames, 17), np.float32))


def test_stretches_cover_each_track_without_gap_or_overlap():
    seen = motion(3)
    seen.scores[1, :30] = seen.scores[1, 90:] = 0
    seen.scores[2, 20:60] = 0  # leaves and returns: two tracks, the first shorter than a window
    cut = cut_stretches(seen, 25.0, EXTRACTOR, window=1.0, stride=0.4)
    assert len(cut.clips) == len(cut.people) == len(cut.starts) == len(cut.ends)
    spans = {}
    for person, start, end in zip(cut.people, cut.starts, cut.ends, strict=True):
        assert start < end
        last = spans.setdefault(int(person), [])
        if last and last[-1][1] == pytest.approx(start):
            last[-1][1] = end
        else:
            last.append([start, end])
    rounded = {who: [(round(a, 3), round(b, 3)) for a, b in parts] for who, parts in spans.items()}
    assert rounded == {0: [(0, 3.96)], 1: [(1.2, 3.56)], 2: [(0, 0.76), (2.4, 3.96)]}
    assert (cut.people == 2).sum() == 1 + 2  # one clip of the short track


def test_a_stretch_is_in_the_middle_of_what_its_clip_looks_at():
    cut = cut_stretches(motion(), 25.0, EXTRACTOR, window=2.0, stride=0.4)
    assert cut.starts[3] - cut.ends[2] == pytest.approx(0) and cut.ends[3] - cut.starts[3] == pytest.approx(0.4)
    assert (cut.starts[3] + cut.ends[3]) / 2 == pytest.approx(3 * 0.4 + (50 - 1) / 25 / 2)
    frames = np.arange(30, 80)[np.round(np.linspace(3, 46, 8)).astype(int)]
    given = motion()
    near = EXTRACTOR.fit(Motion(given.keypoints[:, frames], given.scores[:, frames]))
    assert np.abs(cut.clips[3].keypoints - near.keypoints).mean() < 1


def test_events_join_what_stays_the_same_and_leave_out_the_unsure():
    cut = cut_stretches(motion(2), 25.0, EXTRACTOR, window=1.0, stride=0.5)
    table = np.full((len(cut.people), 3), 0.1)
    own = np.flatnonzero(cut.people == 0)
    table[own[:3], 1], table[own[3:], 2] = 0.8, 0.6
    table[cut.people == 1, 0] = 0.4
    events = action_events(cut, table, ["sit", "walk", "run"], [70, 80], min_confidence=0.5)
    assert [(event.person, event.label) for event in events] == [(70, "walk"), (70, "run")]
    assert events[0].end == events[1].start and events[1].end == pytest.approx(99 / 25)
    assert events[0].score == pytest.approx(0.8)
    unsure = action_events(cut, table, ["sit", "walk", "run"], [70, 80])
    assert [event.label for event in unsure if event.person == 80] == ["sit"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 0}, "stride must be"),
        ({"stride": 3, "window": 2}, "at most window 2"),
        ({"max_gap": -1}, "max_gap"),
    ],
)
def test_seconds_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        cut_stretches(motion(), 25.0, EXTRACTOR, **options)


def test_nobody_has_no_stretches():
    empty = motion()
    empty.scores[:] = 0
    cut = cut_stretches(empty, 25.0, EXTRACTOR)
    assert not cut.clips and action_events(cut, np.zeros((0, 2)), ["a", "b"], [0]) == []
