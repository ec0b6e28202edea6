import numpy as np
import pytest

from motion_data.layouts import COCO_KEYPOINTS, get_layout
from motion_data.readers import cutting, linking
from motion_data.readers.cutting import cut_recordings
from motion_data.readers.detections import Detections
from motion_data.readers.linking import link_people
from motion_data.readers.registry import ReadOptions

SHORT = ReadOptions(min_track=1, max_gap=2)


def pose(x, y=100.0, height=100.0, seed=0, layout="coco17"):
    """A body [K, 2] of its own shape, with its centre at (x, y)."""
    shape = np.random.default_rng(seed).uniform(-0.5, 0.5, (get_layout(layout).num_joints, 2))
    return np.array([x, y]) + shape * [0.4 * height, height]


def detections(people, layout="coco17", ids=False, shuffle=None, boxes=False):
    """Detections of `people`: for each a dict frame -> pose; in random order with a seed `shuffle`."""
    rows = [(frame, person, body) for person, frames in enumerate(people) for frame, body in frames.items()]
    order = np.arange(len(rows)) if shuffle is None else np.random.default_rng(shuffle).permutation(len(rows))
    rows = [rows[index] for index in order]
    keypoints = np.array([body for *_, body in rows], np.float32)
    seen = Detections(
        frames=np.array([frame for frame, *_ in rows]),
        people=np.array([person if ids else -1 for _, person, _ in rows]),
        keypoints=keypoints,
        scores=np.ones(keypoints.shape[:2], np.float32),
        boxes=np.concatenate([keypoints.min(1), keypoints.max(1)], 1) if boxes else None,
    )
    return seen, np.array([person for _, person, _ in rows])


def same_partition(found, true):
    return len(set(zip(found.tolist(), true.tolist(), strict=True))) == len(set(found)) == len(set(true))


def walk(start, speed, frames, **kwargs):
    return {frame: pose(start + speed * frame, **kwargs) for frame in frames}


@pytest.mark.parametrize("shuffle", [None, 1, 2])
@pytest.mark.parametrize("layout", ["coco17", "halpe26", "openpose25", "h36m17", None])
@pytest.mark.parametrize("boxes", [False, True])
def test_people_who_cross_keep_their_ids(layout, shuffle, boxes):
    people = [walk(0, 6, range(40), seed=1, layout=layout or "coco17")]
    people.append(walk(240, -6, range(40), seed=2, layout=layout or "coco17"))
    seen, true = detections(people, shuffle=shuffle, boxes=boxes)
    found = link_people(seen, max_gap=2, layout=layout)
    assert same_partition(found, true)
    assert set(found) == {0, 1}
    assert found[np.lexsort((seen.keypoints[:, 0, 0], seen.frames))[0]] == 0  # counted from the left


def test_speed_tells_apart_people_of_one_shape_who_cross():
    people = [walk(0, 5, range(41)), walk(203, -5, range(41))]
    seen, true = detections(people)
    assert same_partition(link_people(seen, 2, "coco17"), true)


def test_one_who_is_hidden_while_crossing_is_found_again():
    people = [walk(0, 6, range(40), seed=1), walk(240, -6, [*range(18), *range(22, 40)], seed=2)]
    seen, true = detections(people)
    assert same_partition(link_people(seen, 4, "coco17"), true)
    found = link_people(seen, 3, "coco17")
    assert len(set(found)) == 3


@pytest.mark.parametrize(("gap", "num_tracks"), [(0, 1), (1, 1), (3, 1), (4, 2), (9, 2)])
def test_a_track_ends_after_max_gap_frames(gap, num_tracks):
    seen, _ = detections([walk(50, 1, [*range(5), *range(5 + gap, 10 + gap)])])
    assert len(set(link_people(seen, 3, "coco17"))) == num_tracks
    seen.people[:] = 7
    recordings = list(cut_recordings(seen, "coco17", ReadOptions(min_track=1, max_gap=3)))
    assert [len(recording.keypoints) for recording in recordings] == [num_tracks]
    assert recordings[0].track_ids == [7] * num_tracks
    assert recordings[0].keypoints.shape[1] == 10 + gap


def test_order_of_detections_is_irrelevant():
    people = [walk(100 * i, i - 2, range(3 * i, 25), seed=i) for i in range(5)]
    results = []
    for shuffle in (None, 3, 4):
        seen, true = detections(people, shuffle=shuffle)
        found = link_people(seen, 2, "coco17")
        assert same_partition(found, true)
        results.append(list(cut_recordings(seen, "coco17", SHORT)))
    for other in results[1:]:
        np.testing.assert_array_equal(other[0].keypoints, results[0][0].keypoints)
        assert other[0].track_ids == results[0][0].track_ids


def test_far_jumps_are_not_linked():
    seen, true = detections([walk(0, 0, range(5)), walk(900, 0, range(5, 9))])
    assert same_partition(link_people(seen, 12, "coco17"), true)


def test_ids_that_are_there_stay():
    seen, true = detections([walk(0, 1, range(5)), walk(300, 1, range(5), seed=1)])
    seen.people[true == 0] = 41
    found = link_people(seen, 2)
    assert set(found[true == 0]) == {41} and set(found[true == 1]) == {42}
    assert (seen.people[true == 1] == -1).all()


def test_boxes_link_people_without_common_joints():
    keypoints = np.zeros((2, 17, 2), np.float32)
    keypoints[0, 0], keypoints[1, 16] = (50, 20), (50, 180)
    scores = (keypoints > 0).all(-1).astype(np.float32)
    boxes = np.array([[20, 0, 80, 200], [22, 0, 82, 200]], np.float32)
    seen = Detections(np.arange(2), np.full(2, -1), keypoints, scores, boxes)
    assert set(link_people(seen, 2, "coco17")) == {0}
    seen.boxes = None
    assert set(link_people(seen, 2, "coco17")) == {0, 1}
    seen.boxes = np.full_like(boxes, np.nan)
    assert set(link_people(seen, 2, "coco17")) == {0, 1}


@pytest.mark.parametrize("form", ["width and height", "fractions", "of another picture"])
def test_boxes_that_hold_no_joint_of_their_person_do_not_count(form):
    people = [walk(300, 4, range(10)), walk(600, -4, range(10))]
    seen, true = detections(people, boxes=True)
    corners = seen.boxes
    seen.boxes = {
        "width and height": np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1),
        "fractions": corners / 1000,
        "of another picture": np.tile([1, 2, 3, 4], (len(corners), 1)).astype(np.float32),
    }[form]
    assert same_partition(link_people(seen, 2, "coco17"), true)


def test_similarity_matches_the_slow_formula():
    generator = np.random.default_rng(0)
    keypoints = generator.uniform(0, 100, (5, 26, 2)).astype(np.float32)
    scores = (generator.random((5, 26)) > 0.3).astype(np.float32)
    bodies = linking._compared(Detections(np.arange(5), np.full(5, -1), keypoints, scores), get_layout("halpe26"))
    moved = generator.normal(0, 5, (2, 2))
    found = linking._similarity(bodies, np.array([0, 1]), moved, np.array([2, 3, 4]))
    for i, track in enumerate((0, 1)):
        for j, other in enumerate((2, 3, 4)):
            a, b = keypoints[track].astype(float) + moved[i], keypoints[other].astype(float)
            in_a, in_b = scores[track] > 0, scores[other] > 0
            box_a, box_b = (np.r_[p[k].min(0), p[k].max(0)] for p, k in ((a, in_a), (b, in_b)))
            area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (box_a, box_b))
            width, height = (min(box_a[d + 2], box_b[d + 2]) - max(box_a[d], box_b[d]) for d in (0, 1))
            overlap = max(width, 0) * max(height, 0)
            terms = [
                np.exp(-((a[k] - b[k]) ** 2).sum() / (2 * (area_a + area_b) / 2 * (2 * linking.COCO_SIGMAS[k]) ** 2))
                for k in range(17)
                if in_a[k] and in_b[k]
            ]
            expected = (np.mean(terms) + overlap / (area_a + area_b - overlap)) / 2
            assert found[i, j] == pytest.approx(expected, abs=1e-9)


def test_sigmas_are_those_of_coco_only_where_its_joints_are():
    assert linking.UNIFORM_SIGMA == pytest.approx(linking.COCO_SIGMAS.mean(), abs=5e-4)
    assert len(linking.COCO_SIGMAS) == len(COCO_KEYPOINTS)
    for layout, is_coco in [("coco17", True), ("coco-wholebody", True), ("openpose18", True), ("h36m17", False)]:
        num_joints = get_layout(layout).num_joints
        seen = Detections(np.zeros(1), np.zeros(1), np.ones((1, num_joints, 2)), np.ones((1, num_joints)))
        sigmas = linking._compared(seen, get_layout(layout)).sigmas
        assert len(sigmas) == (17 if is_coco else num_joints)
        assert (sigmas == (linking.COCO_SIGMAS if is_coco else linking.UNIFORM_SIGMA)).all()


def test_too_many_people_in_one_frame():
    keypoints = np.ones((1001, 17, 2), np.float32)
    seen = Detections(np.zeros(1001, int), np.full(1001, -1), keypoints, np.ones((1001, 17), np.float32))
    with pytest.raises(ValueError, match="frame 0 has 1001 people"):
        link_people(seen, 2)


def test_recording_holds_exactly_what_was_seen():
    seen, _ = detections([{3: pose(10), 5: pose(30)}, {4: pose(99, seed=1)}], ids=True)
    seen.scores[0, 4] = 0
    seen.keypoints[1, 5] = np.nan
    options = ReadOptions(min_track=1, fps=25.0, frame_size=(640, 480))
    (recording,) = cut_recordings(seen, "coco17", options, label="walk", subject=3, camera="c1")
    assert recording.keypoints.shape == (2, 3, 17, 2) and recording.keypoints.dtype == np.float32
    assert (recording.name, recording.first_frame, recording.track_ids) == ("", 3, [0, 1])
    assert (recording.label, recording.subject, recording.camera) == ("walk", 3, "c1")
    assert (recording.fps, recording.frame_size, recording.layout) == (25.0, (640, 480), "coco17")
    expected = np.zeros((2, 3, 17, 2), np.float32)
    expected[0, 0], expected[0, 2], expected[1, 1] = seen.keypoints
    expected[0, 0, 4] = expected[0, 2, 5] = 0
    np.testing.assert_array_equal(recording.keypoints, expected)
    np.testing.assert_array_equal(recording.scores, (expected != 0).any(-1))
    assert recording.frame_labels is None


def test_fields_of_the_file_go_before_options():
    seen, _ = detections([{0: pose(10)}])
    (recording,) = cut_recordings(seen, "coco17", ReadOptions(min_track=1, fps=25), "a", fps=30.0, frame_size=(4, 3))
    assert (recording.name, recording.fps, recording.frame_size) == ("a", 30.0, (4, 3))


@pytest.mark.parametrize("name", ["", "a"])
def test_segments_are_cut_at_fixed_frames(name):
    seen, _ = detections([walk(0, 1, range(2, 14)), walk(300, 1, [8, 31, 33], seed=1)], ids=True)
    labels = np.arange(40) % 2
    options = ReadOptions(min_track=1, max_frames=10, max_gap=40)
    first, second, third = cut_recordings(seen, "coco17", options, name, frame_labels=labels)
    assert [segment.segment for segment in (first, second, third)] == ["000002", "000010", "000031"]
    assert {segment.name for segment in (first, second, third)} == {name}
    assert [segment.first_frame for segment in (first, second, third)] == [2, 10, 31]
    assert [segment.keypoints.shape[:2] for segment in (first, second, third)] == [(2, 8), (1, 4), (1, 3)]
    assert [segment.track_ids for segment in (first, second, third)] == [[0, 1], [0], [1]]
    assert (third.scores[0].max(1) == [1, 0, 1]).all()
    for segment in (first, second, third):
        assert segment.frame_labels.dtype == np.uint8
        end = segment.first_frame + segment.keypoints.shape[1]
        assert segment.frame_labels.tolist() == labels[segment.first_frame : end].tolist()


def test_short_tracks_are_dropped_by_frames_with_keypoints():
    seen, _ = detections([walk(0, 1, range(5)), walk(300, 1, range(4), seed=1)], ids=True)
    (recording,) = cut_recordings(seen, "coco17", ReadOptions(min_track=5))
    assert recording.track_ids == [0]
    seen.scores[0] = 0
    assert list(cut_recordings(seen, "coco17", ReadOptions(min_track=5))) == []


def test_of_two_detections_of_one_person_the_surer_stays():
    seen, _ = detections([{0: pose(10)}, {0: pose(400)}])
    seen.people[:] = 5
    for surer in (0, 1):
        seen.scores[:] = 0.5
        seen.scores[surer] = 0.6
        (recording,) = cut_recordings(seen, "coco17", SHORT)
        np.testing.assert_array_equal(recording.keypoints[0, 0], seen.keypoints[surer])


def test_far_frames_cost_no_memory():
    seen, _ = detections([walk(0, 0, [0, 1, 2**50, 2**50 + 1])], ids=True)
    first, second = cut_recordings(seen, "coco17", SHORT)
    assert first.keypoints.shape == second.keypoints.shape == (1, 2, 17, 2)
    assert second.first_frame == 2**50


def test_inputs_stay_as_they_are():
    seen, _ = detections([walk(0, 1, range(5)), walk(90, 1, range(5), seed=1)], shuffle=0)
    before = [seen.frames.copy(), seen.people.copy(), seen.keypoints.copy(), seen.scores.copy()]
    list(cut_recordings(seen, "coco17", SHORT))
    for array, copy in zip((seen.frames, seen.people, seen.keypoints, seen.scores), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_nobody_gives_nothing():
    seen = Detections(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 17, 2)), np.zeros((0, 17)))
    assert list(cut_recordings(seen, "coco17", SHORT)) == []
    assert link_people(seen, 2).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.ones((2, 16), np.float32)}, "scores has shape"),
        ({"people": np.zeros(3, int)}, "people has shape"),
        ({"boxes": np.zeros((2, 2))}, "boxes has shape"),
        ({"frames": np.array([-1, 0])}, "frame -1 is negative"),
        ({"num_frames": 1}, "frame 1 is beyond the 1 frames"),
    ],
)
def test_contradictions_are_errors(change, message):
    seen, _ = detections([walk(0, 1, range(2))])
    for field, value in change.items():
        setattr(seen, field, value)
    with pytest.raises(ValueError, match=message):
        list(cut_recordings(seen, "coco17", SHORT))


def test_other_errors(monkeypatch):
    seen, _ = detections([walk(0, 1, range(3))])
    with pytest.raises(ValueError, match="layout 'halpe26'"):
        list(cut_recordings(seen, "halpe26", SHORT))
    with pytest.raises(ValueError, match="frame_labels has 2 frames"):
        list(cut_recordings(seen, "coco17", SHORT, frame_labels=np.zeros(2)))
    monkeypatch.setattr(cutting, "MAX_RECORDING_JOINTS", 50)
    with pytest.raises(ValueError, match="max_frames less than 600"):
        list(cut_recordings(seen, "coco17", SHORT))


@pytest.mark.parametrize("place", [0.0, -1.0, np.nan, np.inf])
def test_joints_without_a_place_are_missing_whatever_their_score(place):
    keypoints = np.random.default_rng(0).uniform(10, 90, (20, 17, 2)).astype(np.float32)
    keypoints[5, 3] = place
    seen = Detections(np.arange(20), np.zeros(20, np.int64), keypoints, np.full((20, 17), 0.9, np.float32))
    (recording,) = cut_recordings(seen, "coco17", ReadOptions())
    assert np.argwhere(recording.scores == 0).tolist() == [[0, 5, 3]] and not recording.keypoints[0, 5, 3].any()
