"""Fine-tuning for actions: on splits and on the folds of a protocol, resumed, probed, and refused before any work."""

import json
import shutil

import numpy as np
import processes
import pytest
import torch
from clips import TINY_GEOMETRY
from datasets import Dataset
from scripts import mofm
from transformers import pipeline

from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling, MoFMForSequenceClassification
from motion_data.layouts import COCO_KEYPOINTS, SkeletonLayout, canonical_indices, register_layout
from motion_data.schema import encode_row, motion_features
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor, MoFMTokenizer
from training_mofm import motion_fitting
from training_mofm.action_folds import finetune_classification
from training_mofm.actions import (
    ClassificationArguments,
    ClassificationTrainer,
    ClassificationTrainingArguments,
    check_labels,
    depth_below_top,
    draw_fraction,
    make_classifier,
    predict,
    train_classifier,
)
from training_mofm.arguments import DataArguments
from training_mofm.augmentation import Augmentation
from training_mofm.evaluation.drawing import read_confusion
from training_mofm.row_digests import row_digests
from training_mofm.seen_rows import record_rows, recorded_rows

SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
NAMES = ["still", "raise"]
FACELESS = [0, *range(5, 17)]


def make_corpus(n=24, seed=0, names=NAMES, empty=(), faceless=()):
    """Rows in which a wrist stays or rises; nobody in those of `empty`, no eyes and ears in labels of `faceless`."""
    generator = np.random.default_rng(seed)
    body = np.stack([np.resize([40.0, 60.0], 17), np.linspace(10, 200, 17)], -1)
    rows = []
    for i in range(n):
        clip = body + generator.normal(0, 1, (1, 16, 17, 2))
        clip[:, :, [9, 10], 1] -= np.linspace(0, 100 * (i % 2), 16)[:, None]
        scores = np.zeros(clip.shape[:3]) if i in empty else np.ones(clip.shape[:3])
        columns = {"label": i % 2, "subject": i // 2 % 4, "source": f"{i}", "recording": f"{i}"}
        if i % 2 in faceless:
            rows.append(encode_row(clip[:, :, FACELESS], scores[:, :, FACELESS], "faceless", **columns))
        else:
            rows.append(encode_row(clip, scores, "coco17", **columns))
    return Dataset.from_list(rows, features=motion_features(names))


def write_corpus(folder, **splits):
    (folder / "data").mkdir(parents=True)
    for name, corpus in splits.items():
        corpus.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("mofm")
    MoFMForMaskedMotionModeling(MoFMConfig(**TINY_GEOMETRY, **SIZES, codebook_size=32)).save_pretrained(folder)
    return str(folder)


def arguments(folder, **options):
    options = {"max_steps": 3, "per_device_train_batch_size": 4, "report_to": "none", **options}
    return ClassificationTrainingArguments(output_dir=str(folder), use_cpu=True, dataloader_num_workers=0, **options)


def test_what_is_learnt_is_measured_saved_and_recorded(model, tmp_path):
    dataset = write_corpus(tmp_path / "set", train=make_corpus(), test=make_corpus(12, 1, empty=(3,)))
    options = ClassificationArguments(model=model, num_clips=2)
    out = tmp_path / "out"
    figures = finetune_classification(
        options, DataArguments(dataset=dataset), arguments(out, max_steps=60, learning_rate=3e-3)
    )
    assert figures["accuracy"] > 0.8 < figures["accuracy_of_views"]
    assert figures == json.loads((out / "figures.json").read_text())
    recognise = pipeline("motion-classification", model=str(out), device="cpu")
    row = make_corpus(2, 5)[1]
    assert recognise(row, top_k=1)[0]["label"] == "raise"
    record_rows(tmp_path / "expected", row_digests(make_corpus()))
    assert recorded_rows(out) is None  # the model that it started from does not tell
    assert recorded_rows(tmp_path / "expected") == set(row_digests(make_corpus()))


def protocol(folder, folds=2):
    lists = {f"learn {n}": [str(i) for i in range(24) if i // 2 % 4 // 2 != n] for n in range(2)}
    specs = [
        {"name": f"fold {n}", "learn": {"recording": f"learn {n}"}, "ask": {"not": {"recording": f"learn {n}"}}}
        for n in range(folds)
    ]
    content = {"lists": lists, "protocols": {"set/actions": {"task": "classification", "folds": specs}}}
    (folder / "protocols.json").write_text(json.dumps(content))


def test_every_fold_of_a_protocol_has_a_folder_and_goes_on(model, tmp_path):
    dataset = write_corpus(tmp_path / "set", train=make_corpus())
    protocol(tmp_path / "set")
    command = ["finetune", "--task", "classification", "--model", model, "--dataset", dataset]
    command += ["--protocol", "set/actions", "--output-dir", str(tmp_path / "out")]
    command += ["--max-steps", "2", "--dataloader-num-workers", "0", "--num-clips", "1", "--report-to", "none"]
    result = mofm(*command)
    assert result.returncode == 0, result.stderr
    shown = dict(line.split() for line in result.stdout.splitlines() if len(line.split()) == 2)
    folds = [json.loads((tmp_path / "out" / f"fold-{n}" / "figures.json").read_text()) for n in range(2)]
    values = [fold["accuracy"] for fold in folds]
    assert float(shown["accuracy"]) == pytest.approx(np.mean(values), abs=1e-4)
    assert float(shown["accuracy_std"]) == pytest.approx(np.std(values, ddof=1), abs=1e-4)
    options = ClassificationArguments(model=model, protocol="set/actions", num_clips=1)
    same = {"max_steps": 2, "per_device_train_batch_size": 16}
    with pytest.raises(ValueError, match="learning_rate of the training in output_dir"):
        changed = arguments(tmp_path / "out", learning_rate=9e-4, **same)
        finetune_classification(options, DataArguments(dataset=dataset), changed)
    again = finetune_classification(options, DataArguments(dataset=dataset), arguments(tmp_path / "out", **same))
    assert again["accuracy"] == pytest.approx(float(shown["accuracy"]), abs=1e-4)


def test_questions_that_the_backbone_learnt_from_are_left_out(model, tmp_path):
    corpus = make_corpus()
    dataset = write_corpus(tmp_path / "set", train=corpus)
    protocol(tmp_path / "set", folds=1)
    MoFMForMaskedMotionModeling.from_pretrained(model).save_pretrained(tmp_path / "model")
    record_rows(tmp_path / "model", row_digests(corpus.select(range(8))))
    options = ClassificationArguments(model=str(tmp_path / "model"), protocol="set/actions", num_clips=1)
    with pytest.warns(UserWarning, match="4 test rows are left out, on which the model was trained"):
        finetune_classification(options, DataArguments(dataset=dataset), arguments(tmp_path / "out", max_steps=1))
    record_rows(tmp_path / "model", row_digests(corpus))
    with (
        pytest.warns(UserWarning, match="12 test rows"),
        pytest.raises(ValueError, match="the model was trained on all test rows of protocol"),
    ):
        finetune_classification(options, DataArguments(dataset=dataset), arguments(tmp_path / "no", max_steps=1))
    scratch = ClassificationArguments(model=str(tmp_path / "model"), protocol="set/actions", from_scratch=True)
    finetune_classification(scratch, DataArguments(dataset=dataset), arguments(tmp_path / "scratch", max_steps=1))
    assert recorded_rows(tmp_path / "scratch" / "fold-0") == set(
        row_digests(corpus.select([i for i in range(24) if i // 2 % 4 // 2 != 0]))
    )


@pytest.mark.parametrize("part_size", [0, 8])
def test_a_head_alone_leaves_the_backbone_as_it_is(model, tmp_path, part_size):
    options = ClassificationArguments(model=model, freeze_backbone=True, part_size=part_size, read_centered=True)
    args = arguments(tmp_path, num_train_epochs=30, learning_rate=1e-2)
    tuned = train_classifier(options, make_corpus(), args, Augmentation())
    assert tuned.config.classifier_centered and tuned.config.classifier_part_size == part_size
    before = MoFMForMaskedMotionModeling.from_pretrained(model)
    for name, weight in before.mofm.state_dict().items():
        assert torch.equal(weight, tuned.mofm.state_dict()[name]), name
    answers = predict(tuned, make_corpus(12, 1), tuned_extractor(tuned))[0].argmax(-1)
    assert (answers == torch.arange(12) % 2).float().mean() > 0.8


@pytest.mark.parametrize("frozen", [True, False])
def test_a_motion_reader_is_fitted_by_itself_and_answers_beside_the_head(model, tmp_path, frozen, monkeypatch):
    monkeypatch.setattr(motion_fitting, "MIN_STEPS", 60)
    dataset = write_corpus(tmp_path / "set", train=make_corpus(), test=make_corpus(12, 1))
    options = ClassificationArguments(model=model, freeze_backbone=frozen, part_size=8, motion_size=8)
    args = arguments(tmp_path / "out", max_steps=1, num_train_epochs=1)
    figures = finetune_classification(options, DataArguments(dataset=dataset), args)
    assert figures["accuracy_of_motion"] > 0.8 > figures["accuracy_of_head"]
    tuned = MoFMForSequenceClassification.from_pretrained(tmp_path / "out")
    assert tuned.config.classifier_motion_size == 8
    said = predict(tuned, make_corpus(12, 1), tuned_extractor(tuned))
    answers = [said.probabilities.argmax(-1), said.of_motion.argmax(-1)]
    found = [float((answer == torch.arange(12) % 2).float().mean()) for answer in answers]
    assert found == [figures["accuracy"], figures["accuracy_of_motion"]]
    again = train_classifier(
        ClassificationArguments(model=str(tmp_path / "out")), make_corpus(), arguments(tmp_path / "next")
    )
    assert again.motion_reader is None and again.config.classifier_motion_size == 0
    with pytest.raises(ValueError, match="motion_size must be even, got 7"):
        ClassificationArguments(model=model, motion_size=7)


@pytest.mark.parametrize(
    "task", [["classification"], ["anomaly", "--mode", "supervised", "--normal-classes", "still"]]
)
def test_two_processes_learn_as_one_does(model, tmp_path, task):
    shutil.copytree(model, tmp_path / "model")
    save_tokenizer(tmp_path / "model")
    dataset = write_corpus(tmp_path / "set", train=make_corpus(), test=make_corpus(12, 1))
    options = ["--task", *task, "--model", tmp_path / "model", "--dataset", dataset, "--max-steps", "3"]
    options += ["--logging-steps", "1", "--save-steps", "3", "--use-cpu", "true", "--dataloader-num-workers", "0"]
    options += ["--classifier-dropout", "0", "--num-clips", "1"] if task == ["classification"] else ["--window", "0"]
    results = [mofm("finetune", *options, "--per-device-train-batch-size", "4", "--output-dir", tmp_path / "1")]
    last = ["--per-device-train-batch-size", "2", "--output-dir", tmp_path / "2"]
    results += processes.run_in_two("finetune", *options, *last)
    assert not any(result.returncode for result in results), results[-1].stderr
    states = [json.loads((tmp_path / n / "checkpoint-3" / "trainer_state.json").read_text()) for n in "12"]
    one, two = ([entry["loss"] for entry in state["log_history"] if "loss" in entry] for state in states)
    assert len(one) == 3 and one == pytest.approx(two, abs=1e-4)


def save_tokenizer(folder):
    config = DVEDConfig(**TINY_GEOMETRY, codebook_size=32, hidden_size=16)
    MoFMTokenizer(DVEDModel(config)).save_pretrained(folder)


def test_what_lies_beside_the_model_goes_along(model, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    save_tokenizer(tmp_path / "model")
    dataset = write_corpus(tmp_path / "set", train=make_corpus(), test=make_corpus(12, 1))
    options = ClassificationArguments(model=str(tmp_path / "model"), freeze_backbone=True, shared_box=True)
    finetune_classification(options, DataArguments(dataset=dataset), arguments(tmp_path / "out"))
    words = [MoFMTokenizer.from_pretrained(tmp_path / name) for name in ("model", "out")]
    assert words[0].fingerprint == words[1].fingerprint
    assert MoFMFeatureExtractor.from_pretrained(tmp_path / "out").shared_box


def test_a_head_is_not_written_over_by_one_of_other_rows(model, tmp_path):
    options = ClassificationArguments(model=model, freeze_backbone=True)
    dataset = write_corpus(tmp_path / "set", train=make_corpus(), test=make_corpus(12, 1))
    other = write_corpus(tmp_path / "other", train=make_corpus(20, 2), test=make_corpus(12, 1))
    finetune_classification(options, DataArguments(dataset=dataset), arguments(tmp_path / "out"))
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    with pytest.raises(ValueError, match="rows of the training in output_dir .* or output_dir be another folder"):
        finetune_classification(options, DataArguments(dataset=other), arguments(tmp_path / "out"))
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before
    finetune_classification(options, DataArguments(dataset=dataset), arguments(tmp_path / "out"))


def test_a_head_that_is_lost_is_not_kept(model, tmp_path):
    options = ClassificationArguments(model=model, freeze_backbone=True, part_size=8)
    args = arguments(tmp_path, num_train_epochs=9, learning_rate=1e38)
    with pytest.raises(
        FloatingPointError, match=r"of the head are no finite numbers after epoch \d, with .* of 1e\+38"
    ):
        train_classifier(options, make_corpus(), args, Augmentation())


def test_a_head_does_not_learn_which_sensor_an_action_was_recorded_with(model, tmp_path):
    joints = tuple(COCO_KEYPOINTS[joint] for joint in FACELESS)
    register_layout(SkeletonLayout("faceless", joints, ((0, 1),), canonical_indices(joints)))
    options = ClassificationArguments(model=model, freeze_backbone=True)
    tuned = train_classifier(options, make_corpus(faceless=(0,)), arguments(tmp_path))
    assert tuned.config.ignored_keypoints == [1, 2, 3, 4]
    answers = predict(tuned, make_corpus(12, 1, faceless=(1,)), tuned_extractor(tuned))[0].argmax(-1)
    assert (answers == torch.arange(12) % 2).float().mean() > 0.8  # the sensors are the other way round
    tuned.save_pretrained(tmp_path)
    again = ClassificationArguments(model=str(tmp_path))
    assert make_classifier(again, NAMES).config.ignored_keypoints == [1, 2, 3, 4]
    assert list(make_classifier(again, ["sit", "walk"]).config.ignored_keypoints) == []


def tuned_extractor(model):
    from tokenization_mofm import MoFMFeatureExtractor

    return MoFMFeatureExtractor.for_config(model.config)


def test_nobody_in_sight_is_every_class_alike(model):
    options = ClassificationArguments(model=model)
    classifier = make_classifier(options, NAMES).eval()
    answers, *_ = predict(classifier, make_corpus(6, empty=(2,)), tuned_extractor(classifier))
    assert answers[2].tolist() == [0.5, 0.5] and (answers[[0, 1, 3]] != 0.5).all()


def test_a_model_with_a_head_for_other_actions_is_fine_tuned_with_a_new_one(model, tmp_path):
    first = make_classifier(ClassificationArguments(model=model), ["sit", "walk"])
    first.save_pretrained(tmp_path)
    options = ClassificationArguments(model=str(tmp_path))
    same, others = make_classifier(options, ["sit", "walk"]), make_classifier(options, NAMES)
    three = make_classifier(options, [*NAMES, "fall"])
    for tuned in (same, others, three):
        for name, values in first.mofm.state_dict().items():
            assert torch.equal(tuned.mofm.state_dict()[name], values), name
    assert torch.equal(same.classifier.weight, first.classifier.weight)
    assert not torch.equal(others.classifier.weight, first.classifier.weight) and len(three.classifier.weight) == 3
    assert others.config.id2label == dict(enumerate(NAMES))


def test_the_learning_rate_falls_with_the_depth(model, tmp_path):
    classifier = make_classifier(ClassificationArguments(model=model), NAMES)
    trainer = ClassificationTrainer(model=classifier, args=arguments(tmp_path, learning_rate=1.0), layer_decay=0.5)
    rates = {}
    for group in trainer.parameter_groups():
        rates |= {id(parameter): (group["lr"], group["weight_decay"]) for parameter in group["params"]}
    found = {name: rates[id(parameter)] for name, parameter in classifier.named_parameters()}
    assert found["classifier.weight"] == (1.0, 0.05) and found["classifier.bias"] == (1.0, 0.0)
    assert found["mofm.layers.1.mlp.fc1.weight"] == (0.5, 0.05) and found["mofm.layers.0.mlp.fc1.weight"][0] == 0.25
    assert found["mofm.embeddings.cube_embeddings.projection.weight"][0] == 0.125
    assert depth_below_top("norm.weight", 2) == 0


def test_fractions_keep_every_class():
    labels = np.repeat([0, 1, 2], [20, 10, 2])
    rows = draw_fraction(labels, 0.1, 0)
    assert np.bincount(labels[rows]).tolist() == [2, 1, 1]
    assert not np.array_equal(rows, draw_fraction(labels, 0.1, 1))


@pytest.mark.filterwarnings("ignore:.*recordings.* have stretches in both train and test")
@pytest.mark.parametrize(("of_protocol", "learnt", "asked"), [(False, 12, 10), (True, 20, 2)])
def test_rows_without_a_label_may_be_left_out(model, tmp_path, caplog, of_protocol, learnt, asked):
    def partly(row, i):
        return {"label": -1 if i in (5, 6) else row["label"]}

    train, test = (make_corpus(12, seed, **kind).map(partly, with_indices=True) for seed, kind in ((0, {}), (1, {})))
    dataset = write_corpus(tmp_path / "set", train=train, test=test)
    options = {"num_clips": 1}
    if of_protocol:
        fold = {"learn": {"not": {"subject": 3}}, "ask": {"subject": 3}}
        content = {"protocols": {"own": {"task": "classification", "folds": [fold]}}}
        (tmp_path / "set" / "protocols.json").write_text(json.dumps(content))
        options["protocol"] = "own"
    with pytest.raises(ValueError, match=f"2 of {learnt} rows of the train split have no label.*or labelled_only"):
        refused = ClassificationArguments(model=model, **options)
        finetune_classification(refused, DataArguments(dataset=dataset), arguments(tmp_path / "no", max_steps=1))
    kept = ClassificationArguments(model=model, labelled_only=True, **options)
    figures = finetune_classification(kept, DataArguments(dataset=dataset), arguments(tmp_path / "out", max_steps=1))
    _, counts = read_confusion(next((tmp_path / "out").rglob("confusion.json")).parent)
    assert 0 <= figures["accuracy"] <= 1 and counts.sum() == asked
    assert f"2 of {learnt} rows have no label and are left out" in caplog.text


def test_corpora_that_cannot_be_learnt_from_are_refused(model, tmp_path):
    unlabelled = make_corpus().map(lambda row, i: {"label": -1 if i == 5 else row["label"]}, with_indices=True)
    with pytest.raises(ValueError, match="1 of 24 rows of the train split have no label, the first is row 5"):
        check_labels(unlabelled, None)
    with pytest.raises(ValueError, match="1 of 3 classes have no example to learn from, such as 'fall'"):
        check_labels(make_corpus(names=[*NAMES, "fall"]), None)
    with pytest.raises(ValueError, match=r"classes of the test split are \['a', 'b'\]"):
        check_labels(make_corpus(), make_corpus(names=["a", "b"]))
    first = write_corpus(tmp_path / "a", train=make_corpus(), test=make_corpus(4))
    second = write_corpus(tmp_path / "b", train=make_corpus(names=["a", "b"]), test=make_corpus(4, names=["a", "b"]))
    options = ClassificationArguments(model=model)
    with pytest.raises(ValueError, match=r"corpora have the classes .* and \['a', 'b'\]; they must have the same"):
        finetune_classification(options, DataArguments(dataset=[first, second]), arguments(tmp_path / "out"))
    named = ClassificationArguments(model=model, protocol="a/b")
    (tmp_path / "a" / "protocols.json").write_text('{"protocols": {}}')
    with pytest.raises(ValueError, match="protocol must be one of none, got 'a/b'"):
        finetune_classification(named, DataArguments(dataset=first), arguments(tmp_path / "out"))
    assert not list((tmp_path / "out").glob("checkpoint-*"))
