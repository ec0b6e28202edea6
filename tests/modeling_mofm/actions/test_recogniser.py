"""Actions that are shown once are recognised, others are unknown, and both stay with the model."""

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY
from datasets import Dataset

from modeling_mofm import MoFMConfig, MoFMModel, MotionRecogniser
from modeling_mofm.actions.motion_reader import MotionReader
from modeling_mofm.actions.recogniser import READER_SHARE
from modeling_mofm.motion_pipeline import visible_motions
from motion_data.recording import Recording
from motion_data.schema import encode_row, motion_features
from tokenization_mofm.feature_extraction_mofm import collate_people
from training_mofm.evaluation.protocols import Fold, OneShotFold, Protocol
from training_mofm.one_shot import measure_one_shot

SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
JOINTS = {"left arm": 9, "right arm": 10, "left leg": 15, "right leg": 16, "head": 0}


def clip(action, seed=0):
    """Return a clip in which a joint moves out and back."""
    generator = np.random.default_rng(seed)
    body = np.stack([np.resize([40.0, 60.0], 17), np.linspace(10, 200, 17)], -1)
    motion = body + generator.normal(0, 1, (20, 17, 2))
    motion[:, JOINTS[action], 0] += 60 * np.sin(np.linspace(0, np.pi, 20))
    return motion


@pytest.fixture
def recogniser():
    torch.manual_seed(0)
    return MotionRecogniser(MoFMModel(MoFMConfig(**TINY_GEOMETRY, **SIZES, codebook_size=32)))


def test_what_was_shown_once_is_recognised(recogniser):
    for action in ("left arm", "right leg", "head"):
        recogniser.teach(action, clip(action))
    for action in ("left arm", "right leg", "head"):
        answer = recogniser(clip(action, seed=7))
        assert [entry["label"] for entry in answer][0] == action and len(answer) == 3
        assert answer[0]["score"] > answer[1]["score"] > answer[2]["score"]
    recogniser.teach("head", clip("left leg"))  # another way to do it
    assert recogniser.actions == ["left arm", "right leg", "head"]
    assert recogniser(clip("left leg", seed=3))[0]["label"] == "head"


def test_what_is_like_nothing_shown_is_unknown(recogniser):
    auxiliary = [clip(action, seed) for action in ("left arm", "right arm") for seed in range(6)]
    motions = [visible_motions(one, {}, "coco17")[0] for one in auxiliary]
    recogniser.fit(recogniser.embed(motions), np.repeat([0, 1], 6))
    recogniser.teach("left leg", clip("left leg"))
    answer = recogniser(clip("left leg", seed=5))
    assert answer[0]["label"] == "left leg" and answer[0]["score"] > recogniser.threshold
    answer = recogniser(clip("right arm", seed=5))
    assert answer[0] == {"label": "unknown", "score": recogniser.threshold} and answer[1]["label"] == "left leg"


def test_a_metric_leaves_out_what_differs_within_actions(recogniser):
    """Two directions tell actions apart, one of them drowned by what recordings of one action differ by."""
    generator = np.random.default_rng(0)
    width = recogniser._mean.size

    def features(labels):
        found = generator.normal(0, 0.3, (len(labels), width)).astype(np.float32)
        found[:, :200] += generator.normal(0, 4, (len(labels), 1))  # what nobody asks about
        found[:, 200:240] += np.asarray(labels)[:, None] - 10
        return found

    labels = np.repeat(np.arange(20), 6)
    auxiliary, novel = features(labels), np.array([3.5, 8.5, 16.5])
    asked = np.repeat([0, 1, 2], 30)
    exemplars, queries = features(novel), features(novel[asked])
    right = {}
    for metric in (False, True):
        recogniser.forget()
        recogniser.fit(auxiliary, labels, metric)
        recogniser.teach_features(["a", "b", "c"], exemplars)
        right[metric] = (recogniser.similarities(queries).argmax(1) == asked).mean()
    assert right[True] > right[False] + 0.1


def test_a_metric_is_saved_and_needs_recordings_that_differ(recogniser, tmp_path):
    features = np.random.default_rng(0).normal(size=(6, recogniser._mean.size)).astype(np.float32)
    recogniser.fit(features, [0, 0, 0, 1, 1, 1], metric=True)
    recogniser.teach("left arm", clip("left arm"))
    recogniser.save_pretrained(tmp_path)
    again = MotionRecogniser.from_pretrained(tmp_path)
    np.testing.assert_allclose(again.similarities(features), recogniser.similarities(features), rtol=1e-4, atol=1e-5)
    assert recogniser._axes["parts"].shape[1] == 5
    with pytest.raises(ValueError, match="no class has two recordings that differ"):
        recogniser.fit(np.repeat(features[:2], 2, 0), [0, 0, 1, 1], metric=True)


def test_it_is_saved_with_what_it_knows(recogniser, tmp_path):
    recogniser.fit(np.random.default_rng(0).normal(size=(6, 816)).astype(np.float32), [0, 0, 0, 1, 1, 1])
    recogniser.teach("left arm", clip("left arm"))
    recogniser.save_pretrained(tmp_path)
    again = MotionRecogniser.from_pretrained(tmp_path)
    assert again.actions == ["left arm"] and again.threshold == recogniser.threshold
    first, second = (one(clip("left arm", seed=2))[-1]["score"] for one in (recogniser, again))
    assert first == pytest.approx(second, rel=1e-4)
    (tmp_path / "actions.safetensors").unlink()
    with pytest.raises(OSError, match="actions.safetensors"):
        MotionRecogniser.from_pretrained(tmp_path)


def test_nobody_and_several_recordings(recogniser):
    recogniser.teach("left arm", clip("left arm"))
    nobody = Recording(clip("head")[None], np.zeros((1, 20, 17)), "coco17")
    assert recogniser(nobody) == []
    rows = [encode_row(clip("left arm", s)[None], np.ones((1, 20, 17)), "coco17") for s in range(2)]
    assert len(recogniser(Dataset.from_list(rows, features=motion_features()))) == 2


def test_wrong_lessons_are_refused(recogniser):
    with pytest.raises(ValueError, match="nothing was taught; call teach first"):
        recogniser(clip("head"))
    with pytest.raises(ValueError, match="name is 'unknown'; it must be that of an action"):
        recogniser.teach("unknown", clip("head"))
    nobody = Recording(clip("head")[None], np.zeros((1, 20, 17)), "coco17")
    with pytest.raises(ValueError, match="motion has 0 recordings with someone in sight; one is needed to show 'a'"):
        recogniser.teach("a", nobody)
    with pytest.raises(ValueError, match="labels have 1 classes in 3 recordings; two classes"):
        recogniser.fit(np.zeros((3, 816), np.float32), [0, 0, 0])


def test_a_motion_reader_has_its_share_and_is_saved(recogniser, tmp_path):
    alone = MotionRecogniser(recogniser.model)
    recogniser.teach("head", clip("head"))
    config = MoFMConfig(**TINY_GEOMETRY, **SIZES, classifier_motion_size=8, num_labels=3)
    reader = MotionReader(config)
    recogniser.read_motion_with(reader)
    assert recogniser.names == [] and recogniser.motion_reader is reader and not reader.training
    for one in (recogniser, alone):
        one.teach("left arm", clip("left arm"))
        one.teach("right leg", clip("right leg"))
    motions = visible_motions(clip("left arm", seed=4), {}, "coco17")
    features = recogniser.embed(motions)
    assert features.shape == (1, 816 + 32)
    np.testing.assert_array_equal(features[:, :816], alone.embed(motions))
    motion, shown = features[:, 816:], recogniser.shown[:, 816:]
    cosines = (motion @ shown.T)[0] / np.linalg.norm(motion) / np.linalg.norm(shown, axis=1)
    expected = (1 - READER_SHARE) * alone.similarities(features[:, :816])[0] + READER_SHARE * cosines
    np.testing.assert_allclose(recogniser.similarities(features)[0], expected, rtol=1e-5)

    recogniser.save_pretrained(tmp_path)
    again = MotionRecogniser.from_pretrained(tmp_path)
    assert again.names == ["left arm", "right leg"] and again.motion_reader.sizes == (8, 3)
    np.testing.assert_allclose(again.similarities(again.embed(motions))[0], expected, rtol=1e-3)
    others = np.random.default_rng(0).normal(size=(6, 816 + 32)).astype(np.float32)
    recogniser.fit(others, [0, 0, 0, 1, 1, 1])
    plain = recogniser.similarities(others)
    recogniser.fit(others, [0, 0, 0, 1, 1, 1], metric=True)
    learnt = recogniser.similarities(others)
    recogniser._axes.pop("motion")
    of_parts = recogniser.similarities(others)
    assert min(np.abs(plain - learnt).max(), np.abs(of_parts - learnt).max()) > 0.01
    recogniser.fit(others, [0, 0, 0, 1, 1, 1], metric=True)
    recogniser.save_pretrained(tmp_path)
    again = MotionRecogniser.from_pretrained(tmp_path)
    np.testing.assert_allclose(again.similarities(others), learnt, rtol=1e-4, atol=1e-5)

    alone.save_pretrained(tmp_path)  # without one, over what had one
    assert MotionRecogniser.from_pretrained(tmp_path).motion_reader is None


def five_actions():
    """Return a corpus of six recordings of each action, and a fold that learns from two and shows the other three."""
    actions = list(JOINTS)
    rows = [
        encode_row(clip(action, seed)[None], np.ones((1, 20, 17)), "coco17", label=number)
        for number, action in enumerate(actions)
        for seed in range(6)
    ]
    fold = OneShotFold("novel", np.arange(12), np.array([12, 18, 24]), np.r_[13:18, 19:24, 25:30])
    return Dataset.from_list(rows, features=motion_features(actions)), fold


def test_a_motion_reader_is_fitted_on_the_other_actions(recogniser, monkeypatch):
    for name, value in {"EPOCHS": 1, "MIN_STEPS": 40, "BATCH_SIZE": 12, "PEAK_RATE": 2e-2}.items():
        monkeypatch.setattr(f"training_mofm.motion_fitting.{name}", value)
    corpus, _ = five_actions()
    learnt = np.r_[:6, 24:30]  # actions that are not each other's mirror image
    fold = OneShotFold("novel", learnt, np.array([6, 12, 18]), np.r_[7:12, 13:18, 19:24])
    figures = measure_one_shot(recogniser, Protocol("p", "one-shot", corpus, (fold,)), motion_size=8)
    reader = recogniser.motion_reader
    assert reader.sizes == (8, 2) and figures["accuracy"].value > 0.9
    again = measure_one_shot(recogniser, Protocol("p", "one-shot", corpus, (fold,)))
    assert recogniser.motion_reader is reader and again["open_set_auroc"].value == figures["open_set_auroc"].value
    with pytest.raises(ValueError, match="motion_size must be even and at least 0, got 7"):
        measure_one_shot(recogniser, Protocol("p", "one-shot", corpus, (fold,)), motion_size=7)
    logits = []
    for action in ("left arm", "head"):
        clips = collate_people([recogniser.extractor.clip(*visible_motions(clip(action, 9), {}, "coco17"))])
        with torch.no_grad():
            logits.append(recogniser.motion_reader(clips["keypoints"], clips["scores"])[0])
    assert logits[0].argmax() == 0 and logits[1].argmax() == 1


def test_a_protocol_is_measured(recogniser):
    corpus, fold = five_actions()
    figures = measure_one_shot(recogniser, Protocol("p", "one-shot", corpus, (fold,)))
    assert figures["accuracy"].value > 0.9 and figures["open_set_auroc"].value > 0.9
    assert figures["unknown_rate_known"].value < figures["unknown_rate_novel"].value
    assert recogniser.actions == ["left leg", "right leg", "head"]
    shuffled = corpus.select(np.random.default_rng(0).permutation(30))
    relabelled = shuffled.remove_columns("label").add_column("label", corpus["label"][:]).cast(corpus.features)
    chance = measure_one_shot(recogniser, Protocol("p", "one-shot", relabelled, (fold,)))
    assert chance["accuracy"].value < 0.75 and chance["open_set_auroc"].value < 0.8
    with pytest.raises(ValueError, match="is of task 'classification'; it must be 'one-shot'"):
        measure_one_shot(
            recogniser, Protocol("p", "classification", corpus, (Fold("f", np.arange(29), np.array([29])),))
        )
