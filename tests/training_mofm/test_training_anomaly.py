"""Training of detectors: what is learnt from, what is held out, and errors before any work."""

import json

import numpy as np
import pytest
import torch
from clips import TINY_SIZES
from datasets import Dataset
from scripts import mofm
from transformers import pipeline

from modeling_mofm import MoFMConfig, MoFMForAnomalyDetection, MoFMForMaskedMotionModeling
from motion_data.schema import encode_row, motion_features
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer
from training_mofm import anomaly
from training_mofm.anomaly import (
    AnomalyArguments,
    AnomalyTrainingArguments,
    finetune_anomaly,
    train_supervised,
    train_unsupervised,
)
from training_mofm.anomaly_clips import hold_out, labelled_clips, normal_clips, row_labels, window_rate
from training_mofm.arguments import DataArguments, MotionTrainingArguments
from training_mofm.augmentation import Augmentation
from training_mofm.samples import ClipMaker, MotionSamples, StoredClips, collate_samples

GEOMETRY = {"num_frames": 8, "heatmap_size": 24, "cube_size": (4, 6, 6)}


def make_corpus(rows=12, frames=20, people=1, frame_labels=False):
    """Return rows of class "calm" and "wild" in turn, of four subjects; the second half of the wild is anomalous."""
    generator = np.random.default_rng(0)
    encoded = []
    for i in range(rows):
        body = generator.uniform(0, 100, (people, 1, 17, 2))
        wander = generator.normal(0, 8 if i % 2 else 0.5, (people, frames, 17, 2)).cumsum(1)
        columns = {"label": i % 2, "subject": i // 2 % 4, "source": f"made/{i}", "fps": 30.0}
        if frame_labels:
            columns["frame_labels"] = (np.arange(frames) >= frames // 2) & (i % 2 == 1)
        encoded.append(encode_row(body + wander, np.ones((people, frames, 17)), "coco17", **columns))
    return Dataset.from_list(encoded, features=motion_features(["calm", "wild"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mofm")
    torch.manual_seed(0)
    tokenizer = MoFMTokenizer(DVEDModel(DVEDConfig(**GEOMETRY, hidden_size=16, codebook_size=32)))
    tokenizer.save_pretrained(folder)
    config = MoFMConfig(**GEOMETRY, **TINY_SIZES, codebook_size=32, mask_span=1)
    MoFMForMaskedMotionModeling(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def tokenizer(folder):
    return MoFMTokenizer.from_pretrained(folder)


def arguments(output_dir, steps=3, **fields):
    return MotionTrainingArguments(
        output_dir=str(output_dir), max_steps=steps, per_device_train_batch_size=4, dataloader_num_workers=0,
        disable_tqdm=True, use_cpu=True, **fields,
    )  # fmt: skip


def test_normal_windows_leave_anomalous_frames_out(tokenizer):
    corpus = make_corpus(2, frame_labels=True)
    clips = normal_clips(corpus, [0, 1], tokenizer, window=8 / 30, stride=0.1)
    assert len(clips["keypoints"]) == 5 + 1  # of frames 0 to 19, and of 0 to 9
    assert clips["keypoints"].shape[1:] == (8, 17, 2) and clips["input_ids"].shape == (6, 32)
    words = tokenizer.dved.encode(clips["keypoints"], clips["scores"]).input_ids
    assert torch.equal(clips["input_ids"], words)
    alone = tokenizer(np.array(corpus[0]["keypoints"]).reshape(20, 17, 2)[3:11])
    torch.testing.assert_close(clips["keypoints"][1], alone["keypoints"][0, 0])


def test_windows_are_counted_at_one_rate_for_all_rows(tokenizer):
    corpus = make_corpus(2, frame_labels=True)
    assert window_rate(corpus, [0, 1]) == 30
    twice = [{**row, "fps": 15.0} if number else row for number, row in enumerate(corpus)]
    mixed = Dataset.from_list(twice, features=corpus.features)
    assert window_rate(mixed, [0, 1]) == 30 and window_rate(mixed, [1]) == 15
    clips = normal_clips(mixed, [0, 1], tokenizer, window=8 / 30, stride=0.1, rate=30.0)
    assert len(clips["keypoints"]) == 5 + 5  # of 20 frames, and of the 20 of which 10 at 15 frames a second are normal
    slow = normal_clips(mixed, [1], tokenizer, window=4 / 15, stride=0.2, rate=15.0)
    assert len(slow["keypoints"]) == 3  # of 10 frames


def test_whole_recordings_are_one_clip_of_each_person(tokenizer):
    corpus = make_corpus(3, people=2)
    clips = normal_clips(corpus, [2, 0], tokenizer, window=0)
    assert len(clips["keypoints"]) == 4
    keypoints = np.array(corpus[2]["keypoints"]).reshape(2, 20, 17, 2)
    torch.testing.assert_close(clips["keypoints"][:2], tokenizer(keypoints)["keypoints"][0])


def test_normal_motion_that_gives_no_clip_is_refused(tokenizer):
    with pytest.raises(ValueError, match="none of 2 normal rows has a person in sight for 0.8 seconds"):
        normal_clips(make_corpus(2), [0, 1], tokenizer, window=0.8)


@pytest.mark.parametrize(
    ("rows", "share", "message"),
    [
        ([0, 2], 0.0, "2 normal clips are learnt from, and 4 are needed"),
        (range(5), 0.2, "1 normal clips are held out"),
    ],
)
def test_too_little_normal_motion_is_refused_before_training(rows, share, message, folder, tmp_path):
    options = AnomalyArguments(folder, window=0, held_out_fraction=share)
    corpus = make_corpus(5)
    corpus = corpus.remove_columns("subject").add_column("subject", [-1] * 5)
    with pytest.raises(ValueError, match=message):
        train_unsupervised(options, corpus, list(rows), arguments(tmp_path))
    assert not list(tmp_path.iterdir())


def test_held_out_rows_are_of_other_subjects():
    corpus = make_corpus()
    rows = np.arange(0, 12, 2)
    learnt, held = hold_out(corpus, rows, 0.3)
    assert sorted([*learnt, *held]) == rows.tolist() and len(held)
    subjects = np.array(corpus["subject"])
    assert not set(subjects[learnt]) & set(subjects[held])
    alone = np.flatnonzero(subjects == 1)
    learnt, held = hold_out(corpus, alone, 0.3)
    assert len(held) == 1 and len(learnt) == len(alone) - 1
    assert len(hold_out(corpus, rows, 0.0)[1]) == 0
    assert hold_out(corpus, rows, 0.3)[1].tolist() == hold_out(corpus, rows[::-1], 0.3)[1].tolist()


def test_row_labels_are_by_class_names():
    corpus = make_corpus(4)
    assert row_labels(corpus, ["calm"]).tolist() == [0, 1, 0, 1]
    assert row_labels(corpus, ["calm", "wild"]).tolist() == [0, 0, 0, 0]
    with pytest.raises(ValueError, match=r"normal_classes has \['calmly'\], .* it has \['calm', 'wild'\]"):
        row_labels(corpus, ["calmly"])


@pytest.mark.parametrize("steps", [0, 3])
def test_unsupervised_leaves_a_folder_that_the_pipeline_opens(folder, tmp_path, steps):
    corpus = make_corpus()
    options = AnomalyArguments(model=folder, window=8 / 30, stride=4 / 30)
    model, figures = train_unsupervised(options, corpus, np.arange(0, 12, 2), arguments(tmp_path, steps))
    plain = MoFMForMaskedMotionModeling.from_pretrained(folder)
    same = all(torch.equal(model.state_dict()[name], value) for name, value in plain.state_dict().items())
    assert same == (steps == 0)
    assert figures["clips"] + figures["held_out_clips"] == 6 * 4 and figures["held_out_clips"] >= 4
    assert model.config.reference_size == figures["clips"] and model.config.window_seconds == 8 / 30
    watch = pipeline("motion-anomaly-detection", model=str(tmp_path), device="cpu")
    (answer,) = watch({"keypoints": np.random.default_rng(0).random((20, 17, 2))})
    assert np.isfinite(answer["frame_scores"]).all()
    if steps:
        assert list(tmp_path.glob("checkpoint-*"))


@pytest.mark.parametrize(("words", "predictor_layers"), [(0.2, 0), (0.2, 1), (0.0, 0), (0.0, 1)])
def test_a_detector_goes_on_from_other_objectives(words, predictor_layers, folder, tmp_path):
    """Normal clips have one view, and likelihoods need words whatever was pre-trained."""
    other = tmp_path / "other"
    objectives = {"word_loss_weight": words, "teacher_loss_weight": float(words > 0), "num_teacher_words": 20}
    objectives |= {"coordinate_loss_weight": 1.0, "view_loss_weight": 1.0, "view_size": 16}
    objectives |= {"predictor_layers": predictor_layers, "action_loss_weight": 1.0, "action_names": ["a", "b"]}
    config = MoFMConfig(**GEOMETRY, **TINY_SIZES, codebook_size=32, mask_span=1, **objectives)
    MoFMForMaskedMotionModeling(config).save_pretrained(other)
    MoFMTokenizer.from_pretrained(folder).save_pretrained(other)
    options = AnomalyArguments(model=str(other), window=8 / 30, stride=4 / 30, anomaly_score="combined")
    rows = np.arange(0, 12, 2)
    model, _ = train_unsupervised(options, make_corpus(), rows, arguments(tmp_path / "watch"))
    config = model.config
    assert config.view_loss_weight == config.teacher_loss_weight == config.action_loss_weight == 0
    assert config.word_loss_weight > 0
    learnt = MoFMForMaskedMotionModeling.from_pretrained(tmp_path / "watch" / "checkpoint-3")
    assert torch.equal(model.lm_head.weight, learnt.lm_head.weight)
    if predictor_layers:
        assert torch.equal(model.predictor.mask_token, learnt.predictor.mask_token)
    if not words:
        missing = "lm_head, predictor" if predictor_layers else "lm_head"
        with pytest.raises(ValueError, match=f"has no weights of {missing}, which"):
            train_unsupervised(options, make_corpus(), rows, arguments(tmp_path / "still", 0))


def test_clips_of_frames_carry_the_labels_of_their_frames(tokenizer):
    corpus = make_corpus(2, people=2, frame_labels=True)
    clips, labels = labelled_clips(corpus, [0, 1], tokenizer.feature_extractor, None, 8 / 30, 4 / 30)
    assert len(clips) == 8 and labels.shape == (8, 8) and not labels[:4].any()
    assert labels[4:].tolist() == [[int(f >= 10) for f in range(s, s + 8)] for s in (0, 4, 8, 12)]
    assert all(clip.keypoints.shape == (2, 8, 17, 2) for clip in clips)
    clips, labels = labelled_clips(corpus, [0, 1], tokenizer.feature_extractor, [0, 1], 0)
    assert len(clips) == 2 and labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0], "labels must be one of -1, 0 and 1 for each of 2 rows"),
        ([0, 2], "labels must be one of -1, 0 and 1 for each of 2 rows"),
        ([0, 0], r"labels of 2 clips hold \[0\]; both 0 \(normal\) and 1 \(anomalous\) are needed"),
        ([-1, 1], r"labels of 2 clips hold \[-1, 1\]; both"),
        (None, "row 0 has 0 frame_labels for 20 frames; each frame needs one, or each row a label"),
    ],
)
def test_labels_that_teach_nothing_are_refused(tokenizer, labels, message):
    with pytest.raises(ValueError, match=message):
        labelled_clips(make_corpus(2), [0, 1], tokenizer.feature_extractor, labels, 0)


def test_labelled_samples_are_pure_functions_of_seed_and_index(tokenizer):
    extractor = tokenizer.feature_extractor
    clips, labels = labelled_clips(make_corpus(4, people=2), range(4), extractor, [0, 1, 0, 1], 0)
    stored = {"keypoints": [c.keypoints for c in clips], "scores": [c.scores for c in clips], "labels": labels}
    samples = MotionSamples(StoredClips(stored, ClipMaker(extractor, Augmentation())), 20, 5)
    first, again = samples[7], samples[7]
    assert np.array_equal(first["keypoints"], again["keypoints"]) and first["labels"] == again["labels"]
    assert not np.array_equal(first["keypoints"], samples[8]["keypoints"])
    batch = collate_samples([samples[i] for i in range(3)])
    assert batch["keypoints"].shape == (3, 2, 8, 17, 2) and batch["labels"].shape == (3,)
    plain = MotionSamples(StoredClips(stored, ClipMaker(extractor)), 20, 5)
    assert any(np.array_equal(plain[0]["keypoints"], clip.keypoints) for clip in clips)


@pytest.mark.parametrize("freeze", [False, True])
def test_supervised_training_learns_to_tell(folder, tmp_path, freeze):
    corpus = make_corpus(24)
    labels = row_labels(corpus, ["calm"])
    labels[[1, 3, 5, 7]] = -1  # unknown: 8 anomalous, 12 normal
    options = AnomalyArguments(model=folder, mode="supervised", window=0, freeze_backbone=freeze)
    args = arguments(tmp_path, 40, learning_rate=1e-2)
    model, figures = train_supervised(options, corpus, np.arange(24), args, labels)
    assert figures == {"clips": 24, "normal": 12, "anomalous": 8, "pos_weight": 1.5}
    loaded = MoFMForAnomalyDetection.from_pretrained(tmp_path)
    assert loaded.config.anomaly_score == "classifier" and loaded.config.pos_weight == 1.5
    plain = MoFMForMaskedMotionModeling.from_pretrained(folder).state_dict()
    moved = {
        name for name, value in loaded.state_dict().items() if name in plain and not torch.equal(plain[name], value)
    }
    assert bool(moved) == (not freeze) and not any(name.startswith("lm_head") for name in moved)
    clips, _ = labelled_clips(
        corpus, np.arange(24), MoFMTokenizer.from_pretrained(folder).feature_extractor, labels, 0
    )
    batch = collate_samples([{"keypoints": clip.keypoints, "scores": clip.scores} for clip in clips])
    with torch.no_grad():
        scores = loaded.eval()(batch["keypoints"], batch["scores"]).anomaly_score[:, 0].numpy()
    wild = np.arange(24) % 2 == 1
    assert scores[wild].mean() > scores[~wild].mean() + (0 if freeze else 0.3)  # the frozen backbone is random


def test_steps_that_are_not_named_are_none_without_labels(folder, tmp_path, monkeypatch):
    (tmp_path / "corpus").mkdir()
    make_corpus().to_parquet(tmp_path / "corpus" / "train.parquet")
    data = DataArguments(dataset=[str(tmp_path / "corpus")])
    options = {"model": folder, "normal_classes": ["calm"], "window": 8 / 30, "stride": 4 / 30}
    args = AnomalyTrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, disable_tqdm=True)
    figures = finetune_anomaly(AnomalyArguments(**options), data, args)
    assert figures["clips"] > 0 and not list((tmp_path / "out").glob("checkpoint-*"))
    detector = MoFMForAnomalyDetection.from_pretrained(tmp_path / "out")
    assert detector.config.anomaly_score == "distance"
    before = MoFMForMaskedMotionModeling.from_pretrained(folder).mofm.state_dict()
    assert all(torch.equal(detector.mofm.state_dict()[name], value) for name, value in before.items())
    steps = []
    monkeypatch.setattr(anomaly, "train_supervised", lambda *given: steps.append(given[3].max_steps) or (None, {}))
    args = AnomalyTrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True)
    finetune_anomaly(AnomalyArguments(**options, mode="supervised"), data, args)
    assert steps == [anomaly.SUPERVISED_STEPS] == [1000]


def test_one_corpus_with_the_labels_it_needs(folder, tmp_path):
    data = DataArguments(dataset=["a", "b"])
    with pytest.raises(ValueError, match=r"dataset must be one corpus that is not streamed, got \['a', 'b'\]"):
        finetune_anomaly(AnomalyArguments(model=folder), data, arguments(tmp_path))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mode": "half"}, r"mode must be one of \('unsupervised', 'supervised'\), got 'half'"),
        ({"window": -1}, r"window must be 0 \(whole recordings\) or seconds up to 3600, got -1"),
        ({"stride": 0}, "stride must be above 0 and at most 3600 seconds, got 0"),
        ({"held_out_fraction": 1.0}, r"held_out_fraction must be in \[0, 1\), got 1.0"),
        ({"anomaly_score": "classifier"}, r"anomaly_score must be one of \('nll', 'distance', 'combined'\)"),
    ],
)
def test_wrong_options_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        AnomalyArguments(model="mofm", **fields)


def test_the_script_end_to_end(folder, tmp_path):
    (tmp_path / "corpus").mkdir()
    make_corpus().to_parquet(tmp_path / "corpus" / "train.parquet")
    command = ["finetune", "--task", "anomaly", "--mode", "supervised"]
    command += ["--model", folder, "--dataset", str(tmp_path / "corpus"), "--output-dir", str(tmp_path / "out")]
    command += ["--normal-classes", "calm", "--window", "0", "--max-steps", "2", "--dataloader-num-workers", "0"]
    result = mofm(*command, "--use-cpu", "true")
    assert result.returncode == 0, result.stderr
    assert "anomalous" in result.stdout and "pos_weight" in result.stdout
    assert json.loads((tmp_path / "out" / "config.json").read_text())["anomaly_score"] == "classifier"
    watch = pipeline("motion-anomaly-detection", model=str(tmp_path / "out"), device="cpu")
    (answer,) = watch(np.random.default_rng(0).random((30, 17, 2)))
    scores = [score for score in answer["people"][0]["scores"] if score is not None]
    assert scores and 0 < min(scores) and max(scores) < 1
