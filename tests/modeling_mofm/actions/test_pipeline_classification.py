"""The pipeline: any input, in any batch, with what is wrong with one told of that one; saved and opened again."""

import json

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES
from datasets import Dataset
from transformers import pipeline

from modeling_mofm import MoFMConfig, MoFMForSequenceClassification, MotionClassificationPipeline
from modeling_mofm.modeling_mofm import NotFittedError
from motion_data.recording import Recording
from motion_data.schema import encode_row, motion_features
from tokenization_mofm import MoFMFeatureExtractor

LABELS = {number: name for number, name in enumerate("walk run jump sit stand wave fall".split())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("mofm-actions")
    config = MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES, codebook_size=32, id2label=LABELS)
    model = MoFMForSequenceClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=0.1)
    model.save_pretrained(folder)
    MoFMFeatureExtractor.for_config(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def recognise(folder):
    return pipeline("motion-classification", model=folder, device="cpu")


def motion(seed=0, people=1, frames=20):
    generator = np.random.default_rng(seed)
    body = np.stack([np.resize([40.0, 60.0], 17), np.linspace(10, 200, 17)], -1)
    return body + generator.normal(0, 2, (people, frames, 17, 2)).cumsum(1)


def scores_of(answer):
    return {entry["label"]: entry["score"] for entry in answer}


def test_a_head_that_was_never_trained_does_not_answer(folder, tmp_path):
    encoder = MoFMForSequenceClassification.from_pretrained(folder).mofm
    encoder.save_pretrained(tmp_path)
    MoFMFeatureExtractor.for_config(encoder.config).save_pretrained(tmp_path)
    with pytest.raises(NotFittedError, match="has no weights of a head that names actions; train one with"):
        pipeline("motion-classification", model=str(tmp_path), device="cpu")
    model = MoFMForSequenceClassification.from_pretrained(tmp_path)
    assert model.new_parts
    model.train()  # what a trainer does first
    assert pipeline("motion-classification", model=model.eval(), device="cpu")(motion())


def test_a_folder_is_enough(recognise):
    assert type(recognise) is MotionClassificationPipeline
    answer = recognise(motion(), top_k=None)
    assert set(scores_of(answer)) == set(LABELS.values()) and sum(scores_of(answer).values()) == pytest.approx(1)
    assert [entry["score"] for entry in answer] == sorted((entry["score"] for entry in answer), reverse=True)
    assert len(recognise(motion())) == 5 and recognise(motion(), top_k=2) == answer[:2]


def test_answers_are_those_of_the_model(recognise):
    clip = recognise.feature_extractor(motion(3, 2))
    with torch.no_grad():
        expected = recognise.model(**clip).logits.softmax(-1)[0]
    found = scores_of(recognise(motion(3, 2), top_k=None))
    assert [found[name] for name in LABELS.values()] == pytest.approx(expected.tolist(), rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_the_batch_does_not_matter(recognise, batch_size):
    inputs = [motion(seed, 1 + seed % 3, 20 + seed) for seed in range(5)]
    alone = [recognise(one, top_k=None) for one in inputs]
    for several in (inputs, (one for one in inputs)):
        found = list(recognise(several, top_k=None, batch_size=batch_size))
        assert len(found) == 5
        for one, other in zip(alone, found, strict=True):
            assert scores_of(other) == pytest.approx(scores_of(one), rel=1e-3)


def test_options_given_when_it_is_made_hold(folder):
    made = pipeline("motion-classification", model=folder, device="cpu", top_k=1, num_clips=3, flip=True)
    assert len(made(motion())) == 1 and len(made(motion(), top_k=4)) == 4
    plain = pipeline("motion-classification", model=folder, device="cpu")
    assert made(motion()) == plain(motion(), num_clips=3, flip=True)[:1] != plain(motion())[:1]


def test_one_that_cannot_be_read_does_not_end_the_others(recognise, tmp_path):
    (tmp_path / "notes.txt").write_text("no poses")
    inputs = [motion(), str(tmp_path / "notes.txt"), np.ones((9, 14, 2)), motion(1)]
    for batch_size in (1, 4):
        first, second, third, last = recognise(inputs, batch_size=batch_size)
        assert "notes.txt: is of no known format" in second["error"] and "has 14 joints" in third["error"]
        assert scores_of(first) == pytest.approx(scores_of(recognise(motion())), rel=1e-3) and len(last) == 5
    with pytest.raises(ValueError, match="is of no known format"):
        recognise(str(tmp_path / "notes.txt"))


def test_nobody_in_sight_is_no_answer(recognise):
    nobody = Recording(motion(), np.zeros((1, 20, 17)), "coco17")
    assert recognise(nobody) == []
    assert [len(answer) for answer in recognise([nobody, Recording(motion(), np.ones((1, 20, 17)), "coco17")])] == [
        0,
        5,
    ]


def test_rows_of_corpora(recognise):
    rows = [encode_row(motion(seed), np.ones((1, 20, 17)), "coco17", label=-1) for seed in range(3)]
    corpus = Dataset.from_list(rows, features=motion_features())
    answers = recognise(corpus, top_k=1)
    assert [answer[0]["label"] for answer in answers] == [recognise(row, top_k=1)[0]["label"] for row in corpus]


def test_saved_pipelines_open_again(recognise, tmp_path):
    recognise.save_pretrained(tmp_path / "saved")
    again = pipeline("motion-classification", model=str(tmp_path / "saved"), device="cpu")
    assert scores_of(again(motion())) == pytest.approx(scores_of(recognise(motion())), rel=1e-5)
    config = json.loads((tmp_path / "saved" / "preprocessor_config.json").read_text())
    (tmp_path / "saved" / "preprocessor_config.json").write_text(json.dumps(config | {"box_scale": 0.5}))
    assert pipeline("motion-classification", model=str(tmp_path / "saved")).feature_extractor.box_scale == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k must be a whole number, 1 or more, or None for all, got 0"),
        ({"num_clips": 0}, "num_clips must be a whole number, 1 or more, got 0"),
        ({"num_clips": 1.5}, "num_clips must be a whole number, 1 or more, got 1.5"),
        ({"clips": 2}, r"unknown arguments \['clips'\]; allowed are top_k, num_clips"),
    ],
)
def test_wrong_options_are_refused(recognise, options, message):
    with pytest.raises(ValueError, match=message):
        recognise(motion(), **options)


def test_events_say_who_does_what_from_when_to_when(recognise):
    keypoints = motion(4, 2, 120)
    recording = Recording(
        keypoints, np.ones(keypoints.shape[:-1]), "coco17", fps=30.0, first_frame=60, track_ids=[5, 8]
    )
    events = recognise(recording, events=True, window=1.0, stride=0.25)
    assert json.dumps(events) and {event["person"] for event in events} == {5, 8}
    for person in (5, 8):
        own = [event for event in events if event["person"] == person]
        assert own[0]["start"] == pytest.approx(2.0) and own[-1]["end"] == pytest.approx(2.0 + 119 / 30)
        assert all(one["end"] == pytest.approx(other["start"]) for one, other in zip(own, own[1:], strict=False))
        assert all(one["label"] != other["label"] for one, other in zip(own, own[1:], strict=False))
        assert {event["label"] for event in own} <= set(LABELS.values())
    batch = recognise([recording, motion(1, 1, 40)], events=True, batch_size=2, window=1.0, stride=0.25)
    assert batch[0] == [{**event, "score": pytest.approx(event["score"], rel=1e-4)} for event in events]
    whole = recognise(motion(1, 1, 40), events=True, window=60.0)
    assert len(whole) == 1 and whole[0]["label"] == recognise(motion(1, 1, 40))[0]["label"]
    assert recognise(recording, events=True, min_confidence=1.0) == []


def test_options_of_events_alone_are_refused(recognise):
    with pytest.raises(ValueError, match="window, min_confidence are of events; give events=True"):
        recognise(motion(), window=1.0, min_confidence=0.5)
    with pytest.raises(ValueError, match="min_confidence must be from 0 to 1"):
        recognise(motion(), events=True, min_confidence=2)
    with pytest.raises(ValueError, match="stride must be above 0"):
        recognise(motion(), events=True, stride=0)
