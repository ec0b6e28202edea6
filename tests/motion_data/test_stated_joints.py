"""Joints with numbers or names beside them, of which some may be left out: each stays what it is, in any order."""

import json

import numpy as np
import pytest

from motion_data.inputs import as_recordings, input_options, is_batch
from motion_data.layouts import COCO_KEYPOINTS, get_layout
from motion_data.readers import FormatError

FRAMES = 20
RNG = np.random.default_rng(0)
XY = np.stack((np.linspace(100, 160, 17), np.linspace(50, 300, 17)), -1) + RNG.normal(0, 2, (FRAMES, 17, 2))
SCORES = RNG.uniform(0.3, 1, (FRAMES, 17))


def frames(seen, kind=list):
    """Return what `post_process_pose_estimation` gives for each picture, without joints that are not `seen`."""
    return [
        [
            {
                "keypoints": kind(XY[frame][seen[frame]].tolist()),
                "scores": kind(SCORES[frame][seen[frame]].tolist()),
                "labels": kind(np.flatnonzero(seen[frame]).tolist()),
                "bbox": kind([80, 40, 180, 310]),
            }
        ]
        for frame in range(FRAMES)
    ]


def check(recording, seen):
    assert recording.layout == "coco17"
    np.testing.assert_array_equal(recording.scores[0] > 0, seen)
    np.testing.assert_allclose(recording.keypoints[0][seen], XY[seen], atol=1e-3)
    np.testing.assert_allclose(recording.scores[0][seen], SCORES[seen], atol=1e-6)


@pytest.fixture
def seen():
    found = RNG.random((FRAMES, 17)) < 0.7
    found[:, :2] = True
    return found


@pytest.mark.parametrize("kind", [list, np.array])
def test_results_in_memory(seen, kind):
    assert not is_batch(frames(seen, kind))
    (recording,) = as_recordings(frames(seen, kind))
    check(recording, seen)


def test_results_in_a_file(tmp_path, seen):
    (tmp_path / "pose.json").write_text(json.dumps(frames(seen)))
    (recording,) = as_recordings(tmp_path / "pose.json")
    check(recording, seen)


@pytest.mark.parametrize("constant", [False, True])
def test_where_the_last_joints_are_never_seen_the_layout_must_be_named(seen, constant):
    seen[:, 13:] = False
    if constant:
        seen[:, :13] = True
    with pytest.raises(ValueError, match="joints are numbered up to 12, and some may be left out; name the layout"):
        as_recordings(frames(seen))
    (recording,) = as_recordings(frames(seen), input_options(layout="coco17"))
    check(recording, seen)


def test_whole_bodies_are_what_their_number_says():
    everything = np.ones((FRAMES, 17), bool)
    (recording,) = as_recordings(frames(everything))
    check(recording, everything)
    fourteen = [[{name: rows[:14] for name, rows in person.items()} for person in one] for one in frames(everything)]
    with pytest.raises(ValueError, match="crowdpose14 or aic14"):
        as_recordings(fourteen)


def test_joints_by_number_leave_gaps_for_those_that_nobody_has(tmp_path):
    rows = [
        {"frame": frame, "keypoints": {str(k): [*XY[frame, k], 0.9] for k in range(17) if k != 3}}
        for frame in range(FRAMES)
    ]
    (tmp_path / "numbered.json").write_text(json.dumps(rows))
    (recording,) = as_recordings(tmp_path / "numbered.json")
    seen = np.tile(np.arange(17) != 3, (FRAMES, 1))
    assert recording.layout == "coco17"
    np.testing.assert_array_equal(recording.scores[0] > 0, seen)
    np.testing.assert_allclose(recording.keypoints[0][seen], XY[seen], atol=1e-3)


def test_joints_may_be_numbered_from_one(tmp_path):
    rows = [
        {"frame": frame, "keypoints": {str(k + 1): [*XY[frame, k], 0.9] for k in range(17)}} for frame in range(FRAMES)
    ]
    (tmp_path / "numbered.json").write_text(json.dumps(rows))
    (recording,) = as_recordings(tmp_path / "numbered.json")
    np.testing.assert_allclose(recording.keypoints[0], XY, atol=1e-3)
    rows = [row | {"keypoints": dict(list(row["keypoints"].items())[:15])} for row in rows]
    (tmp_path / "fewer.json").write_text(json.dumps(rows))
    with pytest.raises(FormatError, match="people have 15 joints"):
        as_recordings(tmp_path / "fewer.json")


SHUFFLED = RNG.permutation(17).tolist()


def named_points(frame, key="name"):
    """Return somebody whose joints have names and come in no order."""
    points = [
        {key: COCO_KEYPOINTS[k], "x": XY[frame, k, 0], "y": XY[frame, k, 1], "score": SCORES[frame, k]}
        for k in SHUFFLED
    ]
    return {"keypoints": points, "score": 0.9}


def named_rows(frame, title):
    rows = [[*XY[frame, k], SCORES[frame, k]] for k in SHUFFLED]
    return {"keypoints": rows, title: [COCO_KEYPOINTS[k] for k in SHUFFLED]}


@pytest.mark.parametrize("key", ["name", "part", "label", "class"])
@pytest.mark.parametrize("of_frame", [lambda one: [one], lambda one: one, lambda one: {"predictions": [[one]]}])
def test_names_in_memory_count_and_not_the_order(key, of_frame):
    (recording,) = as_recordings([of_frame(named_points(frame, key)) for frame in range(FRAMES)])
    check(recording, np.ones((FRAMES, 17), bool))


@pytest.mark.parametrize("title", ["joint_names", "labels"])
def test_names_beside_rows_in_memory_count(title):
    (recording,) = as_recordings([[named_rows(frame, title)] for frame in range(FRAMES)])
    check(recording, np.ones((FRAMES, 17), bool))


def test_names_beside_an_array_in_memory_count():
    fields = {"keypoints": XY[:, SHUFFLED], "scores": SCORES[:, SHUFFLED], "fps": 25}
    fields["joint_names"] = [COCO_KEYPOINTS[k] for k in SHUFFLED]
    (recording,) = as_recordings(fields)
    check(recording, np.ones((FRAMES, 17), bool))
    assert recording.fps == 25
    with pytest.raises(ValueError, match=r"has 16 joint_names .* and keypoints of shape \(20, 17, 2\)"):
        as_recordings(fields | {"joint_names": COCO_KEYPOINTS[:16]})
    with pytest.raises(ValueError, match="only 0 of the joints are known by name"):
        as_recordings(fields | {"joint_names": [f"marker {k}" for k in range(17)]})


def test_a_layout_that_overrides_names_takes_the_order():
    options = input_options(layout="coco17", override=("layout",))
    (recording,) = as_recordings([[named_points(frame)] for frame in range(FRAMES)], options)
    np.testing.assert_allclose(recording.keypoints[0], XY[:, SHUFFLED], atol=1e-3)


def test_frames_of_other_skeletons_are_refused():
    halpe = [{"name": name, "x": 10.0 + k, "y": 20.0 + k} for k, name in enumerate(get_layout("halpe26").joints)]
    frames_ = [[named_points(0)], [{"keypoints": halpe}]]
    with pytest.raises(ValueError, match="joints of several skeletons, coco17, halpe26"):
        as_recordings(frames_)
