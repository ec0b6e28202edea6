"""Events: runs above a threshold, the same from a whole recording and from frames that come in."""

import numpy as np
import pytest

from modeling_mofm.events import Event, EventWatch, find_events, highest_allowed, join_labels

TIMES = np.arange(40) / 10


def scores(*runs, people=1, high=5.0):
    values = np.zeros((people, 40))
    for person, first, last in runs:
        values[person, first : last + 1] = high
    return values


def test_an_event_is_a_run_of_a_person_with_its_highest_score():
    values = scores((0, 5, 9), (1, 20, 30), people=2)
    values[0, 7] = 8
    values[1, :20] = np.nan
    found = find_events(TIMES, values, 5.0, [70, 71])
    assert found == [Event(70, "anomaly", 0.5, 0.9, 8.0), Event(71, "anomaly", 2.0, 3.0, 5.0)]
    assert found[0].to_dict() == {"person": 70, "label": "anomaly", "start": 0.5, "end": 0.9, "score": 8.0}


def test_near_runs_are_one_event_and_short_ones_are_none():
    near, far = scores((0, 5, 9), (0, 13, 15)), scores((0, 5, 9), (0, 16, 18))
    assert [(e.start, e.end) for e in find_events(TIMES, near, 5.0, join=0.45)] == [(0.5, 1.5)]
    assert [(e.start, e.end) for e in find_events(TIMES, far, 5.0, join=0.45)] == [(0.5, 0.9), (1.6, 1.8)]
    assert find_events(TIMES, scores((0, 5, 5)), 5.0) == []
    assert len(find_events(TIMES, scores((0, 5, 5)), 5.0, shortest=0)) == 1
    assert find_events(TIMES, scores(), 5.0) == []


def test_a_run_does_not_go_over_to_the_next_person():
    values = scores((0, 36, 39), (1, 0, 3), people=2)
    assert [(e.person, e.start) for e in find_events(TIMES, values, 5.0)] == [(1, 0.0), (0, 3.6)]


@pytest.mark.parametrize("seed", range(8))
def test_a_watch_finds_what_the_whole_recording_has(seed):
    generator = np.random.default_rng(seed)
    values = generator.normal(0, 1, (3, 200)).cumsum(1)
    values[generator.random((3, 200)) < 0.1] = np.nan
    times = generator.uniform(0.02, 0.3, 200).cumsum()  # an uneven camera
    watch = EventWatch(2.0, join=0.4)
    found = []
    for f, time in enumerate(times):
        ended = watch.push(time, {m: values[m, f] for m in range(3) if not np.isnan(values[m, f])})
        assert all(time - event.end > 0.4 for event in ended)
        found += ended
    found += watch.close()
    expected = find_events(times, values, 2.0, join=0.4)
    assert expected and sorted(found, key=lambda event: (event.start, event.person)) == expected
    assert watch.close() == []


def test_stretches_of_one_label_that_touch_are_one_event():
    starts = np.array([0.0, 1.0, 2.0, 3.0, 6.0])
    ends = np.array([1.0, 2.0, 3.0, 4.0, 7.0])
    events = join_labels(starts, ends, ["walk", "walk", None, "walk", "walk"], np.array([0.5, 0.7, 0.1, 0.9, 0.8]), 4)
    spans = [(event.label, event.start, event.end, round(event.score, 6)) for event in events]
    assert spans == [("walk", 0, 2, 0.6), ("walk", 3, 4, 0.9), ("walk", 6, 7, 0.8)]
    assert {event.person for event in events} == {4}


def test_the_lowest_threshold_that_allows_so_many_events():
    values = scores(*((0, start, start + 2) for start in (2, 12, 22, 32)))
    for number, (start, high) in enumerate(zip((2, 12, 22, 32), (9.0, 7.0, 5.0, 3.0), strict=True)):
        values[0, start : start + 3] = high
        assert number >= 0
    for allowed, least, most in ((0, 9.0, np.inf), (1, 7.0, 9.0), (2, 5.0, 7.0), (3, 3.0, 5.0)):
        threshold = highest_allowed([(TIMES, values)], allowed)
        assert least < threshold <= most or (allowed == 0 and threshold > 9.0)
        assert len(find_events(TIMES, values, threshold)) <= allowed
    with pytest.raises(ValueError, match="nobody has a score"):
        highest_allowed([(TIMES, np.full((1, 40), np.nan))], 1)
