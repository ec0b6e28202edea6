"""Watching pictures as they come: everybody keeps their id, is named after a while, and is forgotten when gone."""

import json
from pathlib import Path

import numpy as np
import pytest
from scripts import mofm

from modeling_mofm.live import LiveWatcher
from motion_data.inputs import as_recordings
from motion_data.readers.detections import Detections
from motion_data.readers.video.decoding import VideoError
from motion_data.resampling import known_rate
from motion_data.views import view

CLIPS = Path(__file__).resolve().parents[2] / "docs" / "clips"
FPS = 20.0


class Recorded:
    """An estimator that sees a recorded person from the left, and from `second` on another one beside them."""

    layout, num_joints = "coco17", 17

    def __init__(self, keypoints, second):
        self.keypoints, self.second, self.frame = keypoints, second, 0

    def estimate(self, batches):
        for _ in batches:
            body = self.keypoints[self.frame % len(self.keypoints)]
            people = [body] if self.frame < self.second else [body + [600, 0], body]
            self.frame += 1
            yield Detections(
                frames=np.zeros(len(people), np.int64),
                people=np.full(len(people), -1),
                keypoints=np.stack(people).astype(np.float32),
                scores=np.full((len(people), 17), 0.9, np.float32),
            )


def squat():
    """Return the key-points of somebody who squats, `[F, 17, 2]`."""
    (recording,) = as_recordings(CLIPS / "squat.json")
    motion = view(recording)
    return motion.keypoints[0, np.arange(0, motion.scores.shape[1], known_rate(recording.fps) / FPS).astype(int)]


@pytest.fixture(scope="module")
def seen():
    watcher = LiveWatcher(Recorded(squat(), second=60), threshold=0.0)
    pictures = [(number / FPS, np.zeros((8, 8, 3), np.uint8)) for number in range(100)]
    frames = list(watcher.watch(pictures))
    return frames, watcher.close()


def test_people_are_named_and_keep_their_ids(seen):
    seen, _ = seen
    assert len(seen) == 100 and all(frame.people.tolist() == [0] for frame in seen[:60])
    assert all(sorted(frame.people.tolist()) == [0, 1] for frame in seen[60:])
    places = [frame.keypoints[frame.people.tolist().index(0), :, 0].mean() for frame in seen]
    assert np.ptp(places) < 200, "the second stands 600 pixels to the right"
    assert not seen[0].actions and {frame.actions[0][0] for frame in seen[45:60]} == {"squat"}
    assert not seen[62].actions.get(1) and 1 in seen[85].actions
    assert seen[59].lines()[0].startswith("0: squat ")


def test_anomalies_come_as_scores_and_events(seen):
    seen, going_on = seen
    assert 0 in seen[50].odd and seen[50].odd[0] > 0
    assert json.dumps([event.to_dict() for frame in seen for event in frame.events]) == "[]", "it goes on to the end"
    assert [event.person for event in going_on] == [0, 1] and going_on[0].start < 1 < 4 < going_on[0].end


def test_a_threshold_that_nothing_reaches_gives_no_event_and_low_confidence_no_name():
    watcher = LiveWatcher(Recorded(np.random.default_rng(0).normal(300, 50, (9, 17, 2)), 99), min_confidence=1.0)
    pictures = ((number / FPS, np.zeros((8, 8, 3), np.uint8)) for number in range(30))
    assert watcher.close() == []
    with pytest.raises(ValueError, match="min_confidence must be from 0 to 1, got 1.5"):
        LiveWatcher(watcher.estimator, min_confidence=1.5)
    assert not any(frame.actions or frame.events for frame in watcher.watch(pictures)) and watcher.close() == []


class BreaksOff:
    """A camera of 40 pictures, then none."""

    dropped = 0

    def __init__(self, source):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __iter__(self):
        for number in range(40):
            yield number / FPS, np.zeros((8, 8, 3), np.uint8)
        raise VideoError("the pictures broke off: gone")


def test_what_was_told_before_a_camera_breaks_off_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr("motion_data.readers.video.live.LivePictures", BreaksOff)
    monkeypatch.setattr(
        "motion_data.readers.video.pose_estimation.load_estimator", lambda poses: Recorded(squat(), second=99)
    )
    result = mofm("watch", "camera", "--threshold", "0", "--events", tmp_path / "events.json")
    assert result.returncode == 1 and "mofm watch: the pictures broke off: gone" in result.stderr
    (event,) = json.loads((tmp_path / "events.json").read_text())
    assert event["label"] == "anomaly" and event["person"] == 0 and event["end"] > 1
    assert f"{event['end']:.2f} s  person 0  odd" in result.stdout
