"""What the frozen encoder knows, asked along pre-training: on validation rows only, and a reason to stop."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES
from datasets import Dataset
from scripts import mofm

from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from motion_data.schema import encode_row, motion_features
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer
from training_mofm.evaluation.frozen import Encoder, measure, read_features
from training_mofm.probing import ProbeArguments, ProbeCallback, validation_protocols
from training_mofm.row_digests import row_digests


@pytest.fixture
def folder(tmp_path):
    """A corpus of two actions, with a protocol of its own and one for choices."""
    generator = np.random.default_rng(0)
    body = generator.uniform(0, 60, (17, 2))
    rows = []
    for i in range(24):
        clip = body + generator.normal(0, 1, (1, 20, 17, 2))
        clip[:, :, 9, 1] += np.linspace(0, 30 * (i % 2), 20)
        rows.append(encode_row(clip, np.ones(clip.shape[:3]), "coco17", label=i % 2, source=f"{i}", recording=f"{i}"))
    (tmp_path / "set" / "data").mkdir(parents=True)
    corpus = Dataset.from_list(rows, features=motion_features(["low", "high"]))
    corpus.to_parquet(tmp_path / "set" / "data" / "test-00000-of-00001.parquet")
    fold = {"name": "one", "learn": {"recording": "learn"}, "ask": {"recording": "ask"}}
    protocols = {name: {"task": "classification", "folds": [fold]} for name in ("set/validation", "set/test")}
    lists = {"learn": [str(i) for i in range(10)], "ask": [str(i) for i in range(10, 20)]}
    (tmp_path / "set" / "protocols.json").write_text(json.dumps({"lists": lists, "protocols": protocols}))
    return str(tmp_path / "set")


def tiny_model(seed=0):
    torch.manual_seed(seed)
    return MoFMForMaskedMotionModeling(MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES, codebook_size=32))


def test_only_validation_rows_are_asked_about_and_none_that_are_learnt_from(folder):
    (protocol,) = validation_protocols([folder], None)
    assert protocol.name == "set/validation"
    digests = row_digests(protocol.corpus)
    validation_protocols([folder], digests[:10] + digests[20:])  # the rows of the probe itself
    with pytest.raises(ValueError, match="probe 'set/validation' asks about 3 rows that the training learns from"):
        validation_protocols([folder], digests[:13])
    content = json.loads(open(f"{folder}/protocols.json").read())
    del content["protocols"]["set/validation"]
    open(f"{folder}/protocols.json", "w").write(json.dumps(content))
    with pytest.raises(ValueError, match="no protocol whose name ends with '/validation'"):
        validation_protocols([folder], None)


def test_it_is_asked_every_so_many_steps_and_stops_where_nothing_rises(folder):
    (protocol,) = validation_protocols([folder], None)
    model = tiny_model().train()
    state = SimpleNamespace(global_step=0, log_history=[])
    control = SimpleNamespace(should_training_stop=False)
    options = ProbeArguments([folder], probe_steps=2, probe_patience=2)
    callback = ProbeCallback([protocol], options, state.log_history.append)
    for step in range(1, 7):
        state.global_step = step
        callback.on_step_end(None, state, control, model=model)
        assert model.training and len(state.log_history) == step // 2
        assert control.should_training_stop == (step == 6)  # the same twice after the first
    features = read_features(Encoder("e", model.mofm), protocol.corpus)
    expected = measure(protocol, "e", features)[0].figure.value
    assert state.log_history[0] == {"probe_set": expected, "probe_mean": expected}
    with pytest.raises(ValueError, match="probe_steps must be at least 1, got 0"):
        ProbeArguments(probe_steps=0)
    with pytest.raises(ValueError, match="probe_patience is 1, but probe names no corpus"):
        ProbeArguments(probe_patience=1)


def test_pre_training_logs_it(folder, tmp_path):
    torch.manual_seed(0)
    dved = DVEDModel(DVEDConfig(**TINY_GEOMETRY, hidden_size=16, codebook_size=32))
    MoFMTokenizer(dved).save_pretrained(tmp_path / "tokenizer")
    options = ["--tokenizer", tmp_path / "tokenizer", "--dataset", "synthetic", "--output-dir", tmp_path / "out"]
    options += ["--use-cpu", "true", "--max-steps", "4", "--save-steps", "4", "--per-device-train-batch-size", "2"]
    options += ["--eval-clips", "4"]
    result = mofm("pretrain", *options, "--probe", folder, "--probe-steps", "2")
    assert result.returncode == 0, result.stderr
    log = json.loads((tmp_path / "out" / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]
    assert [entry["step"] for entry in log if "probe_set" in entry] == [2, 4]
