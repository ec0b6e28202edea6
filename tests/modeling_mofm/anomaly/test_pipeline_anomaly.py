"""The pipeline: from a folder alone, from any input, in any batch, and as a stream."""

import json

import numpy as np
import pytest
import torch
from detectors import build, make_motion, normal_set
from transformers import AutoModel, pipeline

from modeling_mofm import AnomalyScorer, MoFMForAnomalyDetection, MotionAnomalyPipeline
from motion_data.readers.registry import Recording
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer

OPTIONS = {"window": 0.4, "max_gap": 0.1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mofm-watch")
    torch.manual_seed(0)
    config = DVEDConfig(num_frames=8, heatmap_size=24, cube_size=(4, 6, 6), hidden_size=16, codebook_size=32)
    model = build()
    model.fit_reference(normal_set())
    model.save_pretrained(folder)
    MoFMTokenizer(DVEDModel(config)).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def detector(folder):
    return pipeline("motion-anomaly-detection", model=folder, device="cpu")


def write_alphapose(path, motion):
    people = [
        {
            "image_id": f"{f}.jpg",
            "category_id": 1,
            "keypoints": np.concatenate((motion.keypoints[m, f], motion.scores[m, f, :, None]), -1).ravel().tolist(),
            "score": 2.0,
            "box": [0, 0, 10, 10],
            "idx": m + 1,
        }
        for f in range(motion.scores.shape[1])
        for m in range(len(motion.scores))
    ]
    path.write_text(json.dumps(people))
    return str(path)


def test_a_folder_is_enough(detector, folder):
    assert type(detector) is MotionAnomalyPipeline and type(detector.model) is MoFMForAnomalyDetection
    motion = make_motion(2, 30)
    (answer,) = detector(motion.keypoints, fps=30, **OPTIONS)
    assert answer["times"] == pytest.approx(np.arange(30) / 30) and answer["first_frame"] == 0
    assert [person["track_id"] for person in answer["people"]] == [0, 1]
    assert len(answer["frame_scores"]) == 30 and all(np.isfinite(answer["frame_scores"]))
    for person in answer["people"]:
        assert [score is None for score in person["scores"]] == [not 6 <= f < 30 - 5 for f in range(30)]
    assert type(AutoModel.from_pretrained(folder)).__name__ == "MoFMModel"


def test_scores_are_those_of_the_scorer(detector):
    motion = make_motion(2, 30)
    expected = AnomalyScorer(detector.model, detector.tokenizer, **OPTIONS).score(motion)
    sample = {"keypoints": motion.keypoints, "scores": motion.scores, "track_ids": [4, 9]}
    (answer,) = detector(sample, joint_scores=True, **OPTIONS)
    assert answer["times"] is None
    np.testing.assert_allclose(answer["frame_scores"], expected.frames, rtol=1e-4)
    for m, person in enumerate(answer["people"]):
        assert person["track_id"] == (4, 9)[m]
        np.testing.assert_allclose(
            [np.nan if s is None else s for s in person["scores"]], expected.people[m], rtol=1e-4
        )
        np.testing.assert_allclose(person["joint_scores"], expected.joints[m], rtol=1e-3, atol=1e-4)


def test_files_lists_and_generators(detector, tmp_path):
    motion = make_motion(2, 30)
    path = write_alphapose(tmp_path / "track.json", motion)
    (answer,) = detector(path, fps=30, **OPTIONS)
    assert len(answer["people"]) == 2 and answer["times"][1] == pytest.approx(1 / 30)
    recording = Recording(motion.keypoints, motion.scores, "coco17", fps=30.0)
    (same,) = detector(recording, **OPTIONS)
    np.testing.assert_allclose(same["frame_scores"], answer["frame_scores"], rtol=1e-2)
    several = detector([path, recording], **OPTIONS)
    assert [len(recordings) for recordings in several] == [1, 1]
    assert several[0][0]["frame_scores"] == pytest.approx(answer["frame_scores"], rel=1e-3)
    bodies = (motion.keypoints[0], motion.keypoints[1])
    for lazily in ((item for item in bodies), map(np.copy, bodies), iter(bodies)):
        assert [len(recordings[0]["people"]) for recordings in detector(lazily, **OPTIONS)] == [1, 1]


def test_batch_size_is_of_windows(detector):
    sizes = []
    hook = detector.model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(len(kwargs["keypoints"])), with_kwargs=True
    )
    motion = make_motion(2, 30)
    small, large = (detector(motion.keypoints, batch_size=n, **OPTIONS)[0]["frame_scores"] for n in (3, 64))
    hook.remove()
    assert max(sizes[:-1]) == 3 and sizes[-1] == 38
    np.testing.assert_allclose(small, large, rtol=1e-4)


def test_nobody_long_enough_in_sight_is_none(detector):
    (answer,) = detector(make_motion(1, 8).keypoints, **OPTIONS)
    assert answer["frame_scores"] is None and answer["people"][0]["scores"] == [None] * 8


def test_nobody_in_sight_is_an_empty_answer(detector):
    for inputs in (np.full((30, 17, 2), np.nan), [np.full((30, 17, 2), np.nan), make_motion(1, 30).keypoints]):
        answers = detector(inputs, **OPTIONS, events=True, threshold=0.0)
        answer = (answers[0] if isinstance(inputs, list) else answers)[0]
        assert answer["frame_scores"] is None and answer["people"][0]["scores"] == [None] * 30
        assert answer["events"] == []
    assert answers[1][0]["frame_scores"] is not None
    assert detector([], **OPTIONS) == []


def test_three_dimensions_are_seen_by_the_fixed_camera(detector):
    body = np.random.default_rng(0).normal(size=(20, 17, 3))
    (answer,) = detector(body, units="m", **OPTIONS)
    assert np.isfinite(answer["frame_scores"]).all()


def test_saved_pipelines_open_again(detector, tmp_path):
    detector.save_pretrained(tmp_path)
    again = pipeline("motion-anomaly-detection", model=str(tmp_path), device="cpu")
    motion = make_motion(1, 20)
    first, second = (watch(motion.keypoints, **OPTIONS)[0]["frame_scores"] for watch in (detector, again))
    np.testing.assert_allclose(first, second, rtol=1e-5)


def test_a_model_in_memory_needs_its_tokenizer(detector):
    watch = pipeline("motion-anomaly-detection", model=detector.model, tokenizer=detector.tokenizer, device="cpu")
    assert watch.tokenizer is detector.tokenizer


def test_the_stream_of_a_pipeline(detector):
    motion = make_motion(1, 20)
    stream = detector.stream(fps=30, **OPTIONS)
    frames = [f for i in range(20) for f in stream.push(motion.keypoints[:, i], motion.scores[:, i], [5], i / 30)]
    frames += stream.close()
    (answer,) = detector({"keypoints": motion.keypoints, "scores": motion.scores}, **OPTIONS)
    scores = answer["people"][0]["scores"]
    assert [frame.people.get(5) for frame in frames] == [
        None if s is None else pytest.approx(s, rel=1e-4) for s in scores
    ]


@pytest.mark.parametrize(
    ("inputs", "options", "error", "message"),
    [
        ("nowhere.json", {}, FileNotFoundError, "'nowhere.json' is neither a file nor a folder"),
        ({"poses": 1}, {}, ValueError, "inputs has poses; it must have keypoints"),
        (
            {"keypoints": np.ones((9, 17, 2)), "frames": 9},
            {},
            ValueError,
            r"inputs has \['frames'\]; allowed are keypoints",
        ),
        (
            {"keypoints": np.ones((9, 17, 2)), "track_ids": [1, 2]},
            {},
            ValueError,
            r"track_ids must be 1 ids, .* got \[1, 2\]",
        ),
        (np.ones((9, 12, 2)), {}, ValueError, "has 12 joints without names, and no layout has that many"),
        (
            np.ones((9, 17, 2)),
            {"windows": 3},
            ValueError,
            r"unknown arguments \['windows'\]; allowed are batch_size, joint_scores",
        ),
        (np.ones((9, 17, 2)), {"stride": 0}, ValueError, "stride must be from 0.03333 to 0.4 seconds, got 0"),
    ],
)
def test_wrong_inputs_are_refused(detector, inputs, options, error, message):
    with pytest.raises(error, match=message):
        detector(inputs, **options)


def test_files_of_no_known_format_are_refused(detector, tmp_path):
    (tmp_path / "notes.txt").write_text("no poses")
    with pytest.raises(ValueError, match="notes.txt: is of no known format; known are"):
        detector(str(tmp_path / "notes.txt"))


def test_events_say_who_from_when_to_when(detector):
    motion = make_motion(2, 60)
    recording = Recording(motion.keypoints, motion.scores, "coco17", fps=25.0, first_frame=50, track_ids=[4, 9])
    (plain,) = detector(recording, **OPTIONS)
    assert "events" not in plain
    with pytest.raises(ValueError, match="threshold of events is None.*calibrate"):
        detector(recording, events=True, **OPTIONS)
    people = np.array([[np.nan if v is None else v for v in person["scores"]] for person in plain["people"]])
    threshold = float(np.nanquantile(people, 0.5))
    (answer,) = detector(recording, events=True, threshold=threshold, **OPTIONS)
    assert answer["events"] and json.dumps(answer["events"])
    (explained,) = detector(recording, events=True, explain=True, threshold=threshold, **OPTIONS)
    for event, other in zip(explained["events"], answer["events"], strict=True):
        assert event.pop("explanation").endswith(" s") and event == other
    with pytest.raises(ValueError, match="explain are of events; give events=True"):
        detector(recording, explain=True, **OPTIONS)
    for event in answer["events"]:
        assert event["person"] in (4, 9) and event["label"] == "anomaly"
        assert 2.0 <= event["start"] <= event["end"] <= 110 / 25  # the clock of `times`
        row = people[[4, 9].index(event["person"])]
        inside = [f for f in range(60) if event["start"] - 1e-6 <= answer["times"][f] <= event["end"] + 1e-6]
        assert np.nanmax(row[inside]) == pytest.approx(event["score"]) and event["score"] >= threshold


def test_a_calibrated_threshold_is_kept_with_the_model(detector, folder, tmp_path):
    scorer = AnomalyScorer(detector.model, detector.tokenizer, **OPTIONS)
    normal = [(make_motion(2, 60, seed), 30.0) for seed in range(4)]
    with pytest.raises(ValueError, match=r"false_alarms_per_hour 1 needs 3 hours.*hold 0.00.*allow at least"):
        scorer.calibrate(normal, 1)
    with pytest.raises(ValueError, match="false_alarms_per_hour must be positive"):
        scorer.calibrate(normal, 0)
    assert detector.model.config.event_threshold is None
    found = scorer.calibrate(normal, 1500)
    try:
        assert found.hours == pytest.approx(4 * 2 * (60 - 11) / 30 / 3600)
        assert found.false_alarms_per_hour <= 1500
        looser = scorer.calibrate(normal, 6000)
        assert looser.threshold < found.threshold and looser.false_alarms_per_hour > found.false_alarms_per_hour
        detector.save_pretrained(tmp_path)
        again = pipeline("motion-anomaly-detection", model=str(tmp_path), device="cpu")
        assert again.model.config.event_threshold == looser.threshold
        assert "events" in again(normal[0][0].keypoints, fps=30, events=True, **OPTIONS)[0]
    finally:
        detector.model.config.event_threshold = None
