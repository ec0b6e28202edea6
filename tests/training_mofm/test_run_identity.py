"""A run goes on from its own checkpoints alone, and a model is not tested on its training rows."""

import json

import numpy as np
import pytest
from datasets import Dataset

from motion_data.schema import encode_row, motion_features
from training_mofm.arguments import DataArguments, MotionTrainingArguments
from training_mofm.evaluation.protocols import Fold, OneShotFold, Protocol
from training_mofm.row_digests import row_digests
from training_mofm.run_identity import check_identity, read_rows
from training_mofm.seen_rows import record_rows, recorded_rows, unseen


def make_corpus(n=8, seed=0):
    generator = np.random.default_rng(seed)
    rows = [
        encode_row(generator.uniform(0, 9, (1, 4, 17, 2)), np.ones((1, 4, 17)), "coco17", label=i % 2, source=f"{i}")
        for i in range(n)
    ]
    return Dataset.from_list(rows, features=motion_features(["a", "b"]))


def arguments(folder, **options):
    return MotionTrainingArguments(output_dir=str(folder), use_cpu=True, **options)


def leave_a_checkpoint(folder):
    (folder / "checkpoint-1").mkdir(parents=True)
    for name in ("model.safetensors", "trainer_state.json"):
        (folder / "checkpoint-1" / name).write_text("{}")


def test_digests_are_of_what_rows_hold():
    corpus = make_corpus()
    digests = row_digests(corpus)
    assert len(set(digests)) == 8
    assert row_digests(corpus.select([5, 0])) == [digests[5], digests[0]]
    assert row_digests(corpus.map(lambda row: {"source": "another", "label": 0})) == digests
    assert not set(row_digests(make_corpus(seed=1))) & set(digests)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"args": {"seed": 1}}, "seed of the training in output_dir .* is 42, but this one's is 1;"),
        ({"args": {"learning_rate": 2e-3}}, "learning_rate of the training .* is 0.001, but this one's is 0.002"),
        ({"args": {"per_device_train_batch_size": 4}}, "batch of the training .* is 16, but this one's is 4"),
        ({"rows": ["a", "c"]}, "rows of the training"),
        ({"rows": None}, "rows of the training .* but this one's is 'a stream'"),
        ({"labels": "other"}, "labels of the training"),
        ({"data": DataArguments(dataset=["other"])}, r"dataset of the training .* is \['synthetic'\]"),
    ],
)
def test_another_training_is_not_gone_on_with(tmp_path, changed, message):
    changed = dict(changed)
    options = changed.pop("args", {})
    facts = {"rows": ["a", "b"], "labels": "one", "data": DataArguments()}
    check_identity(arguments(tmp_path, **options), **{**facts, **changed})  # no work is there yet
    check_identity(arguments(tmp_path), **facts)
    leave_a_checkpoint(tmp_path)
    check_identity(arguments(tmp_path, max_steps=99), **{**facts, "data": DataArguments(eval_clips=3)})
    with pytest.raises(ValueError, match=message):
        check_identity(arguments(tmp_path, **options), **{**facts, **changed})
    assert json.loads((tmp_path / "run.json").read_text())["seed"] == 42


def test_a_checkpoint_of_an_unknown_training_is_refused(tmp_path):
    leave_a_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="holds a model, and no run.json that tells how it was trained"):
        check_identity(arguments(tmp_path), [])


def test_the_model_of_another_training_is_not_written_over(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ValueError, match="output_dir .* holds a model, and no run.json"):
        check_identity(arguments(tmp_path), ["a"])
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    (tmp_path / "model.safetensors").unlink()
    check_identity(arguments(tmp_path), ["a"])
    (tmp_path / "model.safetensors").touch()
    check_identity(arguments(tmp_path), ["a"])  # the same is made again
    with pytest.raises(ValueError, match="seed of the training in output_dir .* is 42, but this one's is 3"):
        check_identity(arguments(tmp_path, seed=3), ["a"])


def test_what_models_learnt_from_is_handed_on(tmp_path):
    record_rows(tmp_path / "tokenizer", ["a", "b"])
    record_rows(tmp_path / "model", ["c"], str(tmp_path / "tokenizer"))
    assert recorded_rows(tmp_path / "model") == {"a", "b", "c"}
    record_rows(tmp_path / "streamed", None, str(tmp_path / "tokenizer"))
    assert recorded_rows(tmp_path / "streamed") is None is recorded_rows(tmp_path / "nowhere")
    record_rows(tmp_path / "tuned", ["d"], str(tmp_path / "streamed"))
    assert recorded_rows(tmp_path / "tuned") is None
    assert read_rows(DataArguments(streaming=True)) is None and read_rows(DataArguments()) == []


def test_questions_about_rows_that_were_learnt_from_are_left_out():
    corpus = make_corpus()
    digests = row_digests(corpus)
    folds = [
        Fold("first", np.array([0]), np.array([2, 3, 4, 5]), np.array([False, True, False, True])),
        Fold("second", np.array([0]), np.array([6, 7]), np.array([False, True])),
    ]
    protocol = Protocol("p", "anomaly", corpus, tuple(folds))
    left, count = unseen(protocol, {digests[3], digests[7]}, digests)
    assert count == 2 and [fold.name for fold in left.folds] == ["first"]  # the second has no anomaly left
    assert left.folds[0].test.tolist() == [2, 4, 5] and left.folds[0].anomalous.tolist() == [False, False, True]
    assert unseen(protocol, set(digests), digests) == (None, 6)
    shot = OneShotFold("novel", np.array([0, 2]), np.array([1]), np.array([3, 5]))
    left, count = unseen(Protocol("q", "one-shot", corpus, (shot,)), {digests[5]}, digests)
    assert count == 1 and left.folds[0].queries.tolist() == [3]
