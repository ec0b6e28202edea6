"""The two scripts, end to end on small corpora: the result, resuming, two processes, and errors before any work."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import processes
import pytest
import torch
from clips import TINY_GEOMETRY
from datasets import Dataset
from safetensors.torch import load_file
from scripts import mofm
from transformers import AutoConfig, Trainer

from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from modeling_mofm.modeling_mofm import MoFMLayer
from motion_data.schema import encode_row, motion_features
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer
from training_mofm.arguments import (
    DataArguments,
    MotionTrainingArguments,
    check_checkpoint,
    check_run,
    check_space,
    last_checkpoint,
)
from training_mofm.dved import DVEDArguments, train_dved
from training_mofm.pretraining import MoFMArguments, pretrain

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
QUICK = ["--num-frames", "24", "--heatmap-size", "36", "--per-device-train-batch-size", "4", "--eval-clips", "8"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A parquet file of wandering skeletons."""
    generator = np.random.default_rng(0)
    body = generator.uniform(0, 100, (12, 1, 15, 2))
    motion = body + generator.normal(0, 1, (12, 30, 15, 2)).cumsum(1)
    rows = [
        encode_row(clip[None], np.ones((1, 30, 15)), "jhmdb15", fps=30.0, source=f"clip{i}", recording=f"clip{i}")
        for i, clip in enumerate(motion)
    ]
    path = tmp_path_factory.mktemp("corpus") / "wander.parquet"
    Dataset.from_list(rows, features=motion_features()).to_parquet(path)
    return str(path)


@pytest.fixture(scope="module")
def tokenizer_dir(tmp_path_factory):
    """A random tokenizer of the quick geometry: what it says does not matter here."""
    torch.manual_seed(0)
    folder = str(tmp_path_factory.mktemp("tokenizer"))
    config = DVEDConfig(num_frames=24, heatmap_size=36, hidden_size=16, codebook_size=32, num_decoder_blocks=1)
    MoFMTokenizer(DVEDModel(config)).save_pretrained(folder)
    return folder


def pretrain_options(corpus, tokenizer_dir, output_dir, *extra):
    options = ["--dataset", corpus, "--tokenizer", tokenizer_dir, "--output-dir", str(output_dir)]
    options += ["--eval-clips", "8", "--logging-steps", "1", "--dataloader-num-workers", "0", "--use-cpu", "true"]
    return [*options, *extra]


def launched(*options, processes):
    """Run the script with several processes, as a user does."""
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num-machines", "1", "--mixed-precision", "no"]
    launch += ["--dynamo-backend", "no", "--multi-gpu", "--num-processes", str(processes)]
    command = [*launch, str(ROOT / "run" / "pretrain.py"), *pretrain_options(*options)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)


def start_pretraining(*options):
    return processes.start(processes.COMMAND, "pretrain", *pretrain_options(*options))


def pretrain_in_two(*options):
    for result in processes.run_in_two("pretrain", *pretrain_options(*options)):
        assert result.returncode == 0, result.stderr


def losses(output_dir):
    """Return the logged loss of each step of the newest checkpoint."""
    state = json.loads((Path(last_checkpoint(str(output_dir))) / "trainer_state.json").read_text())
    return {entry["step"]: entry["loss"] for entry in state["log_history"] if "loss" in entry}


def test_both_scripts_leave_what_auto_model_and_the_tokenizer_load(corpus, tmp_path):
    tokenizer = tmp_path / "tokenizer"
    options = [*QUICK, "--dataset", corpus, "--output-dir", tokenizer]
    options += ["--max-steps", "3", "--codebook-size", "16", "--use-cpu", "true"]
    result = mofm("train-tokenizer", *options)
    assert result.returncode == 0, result.stderr
    assert "codebook_perplexity" in result.stdout and "ssim" in result.stdout
    folder = tmp_path / "mofm"
    result = mofm("pretrain", *pretrain_options(corpus, str(tokenizer), folder, "--max-steps", "3"))
    assert result.returncode == 0, result.stderr
    assert "neighbour_top1" in result.stdout and "AutoModel.from_pretrained" in result.stdout
    script = (
        "import torch, modeling_mofm\n"
        "from transformers import AutoConfig, AutoModel, AutoModelForPreTraining\n"
        "from tokenization_mofm import MoFMTokenizer\n"
        "model = AutoModel.from_pretrained('mofm'); tokenizer = MoFMTokenizer.from_pretrained('mofm')\n"
        "keypoints = torch.rand(30, 17, 2) * 50\n"
        "tokens = tokenizer(keypoints, torch.ones(30, 17))\n"
        "heat = tokenizer.decode(tokens.input_ids)\n"
        "assert tokens.input_ids.shape == (1, 1, 32) and heat.shape == (1, 1, 24, 36, 36), heat.shape\n"
        "assert AutoConfig.from_pretrained('mofm').codebook_size == 16\n"
        "model(tokens.keypoints, tokens.scores); AutoModelForPreTraining.from_pretrained('mofm')\n"
    )
    result = processes.run(script, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_killed_run_resumes_with_the_same_losses(corpus, tokenizer_dir, tmp_path):
    options = ["--max-steps", "8", "--save-steps", "2", "--per-device-train-batch-size", "2"]
    straight = tmp_path / "straight"
    result = mofm("pretrain", *pretrain_options(corpus, tokenizer_dir, straight, *options))
    assert result.returncode == 0, result.stderr

    killed = tmp_path / "killed"
    process = start_pretraining(corpus, tokenizer_dir, killed, *options)
    deadline = time.time() + 120
    while last_checkpoint(str(killed)) is None and time.time() < deadline and process.is_alive():
        time.sleep(0.01)
    process.kill()
    assert process.wait().returncode == -signal.SIGKILL and last_checkpoint(str(killed)) is not None
    result = mofm("pretrain", *pretrain_options(corpus, tokenizer_dir, killed, *options))
    assert result.returncode == 0, result.stderr
    assert losses(killed) == pytest.approx(losses(straight), abs=1e-6)


def test_two_processes_train_as_one_does(corpus, tokenizer_dir, tmp_path):
    pretrain(MoFMArguments(tokenizer=tokenizer_dir), DataArguments(dataset=corpus, eval_clips=4), two_steps(tmp_path))
    options = ["--model", str(tmp_path), "--predictor-layers", "1", "--teacher", str(tmp_path)]  # all that may be new
    options += ["--teacher-loss-weight", "0.5", "--num-teacher-words", "16"]
    options += ["--max-steps", "4", "--save-steps", "4", "--per-device-train-batch-size"]
    result = mofm("pretrain", *pretrain_options(corpus, tokenizer_dir, tmp_path / "1", *options, "4"))
    assert result.returncode == 0, result.stderr
    result = launched(corpus, tokenizer_dir, tmp_path / "2", *options, "2", processes=2)
    assert result.returncode == 0, result.stderr
    one, two = losses(tmp_path / "1"), losses(tmp_path / "2")
    assert len(one) == 4 and one == pytest.approx(two, abs=1e-4)


def test_a_stream_over_two_processes_resumes_with_the_same_losses(corpus, tokenizer_dir, tmp_path):
    options = ["--streaming", "true", "--max-steps", "6", "--save-steps", "2", "--save-total-limit", "3"]
    options += ["--per-device-train-batch-size", "2"]  # an epoch of 12 clips is three steps
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    pretrain_in_two(corpus, tokenizer_dir, straight, *options)
    shutil.copytree(straight / "checkpoint-2", resumed / "checkpoint-2")
    shutil.copy(straight / "run.json", resumed)
    MoFMTokenizer.from_pretrained(straight).save_pretrained(resumed)
    pretrain_in_two(corpus, tokenizer_dir, resumed, *options)
    assert len(losses(straight)) == 6 and losses(resumed) == pytest.approx(losses(straight), abs=1e-6)


def test_refuses_processes_that_train_for_themselves(monkeypatch, tmp_path):
    args = MotionTrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match="WORLD_SIZE is 2, but 1 process"):
        check_run(args)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("eval_strategy", "steps"),
        ("load_best_model_at_end", True),
        ("label_smoothing_factor", 0.1),
        ("neftune_noise_alpha", 5.0),
    ],
)
def test_refuses_options_that_would_do_nothing(field, value, tmp_path):
    with pytest.raises(ValueError, match=f"{field} is {value!r}; it must be "):
        MotionTrainingArguments(output_dir=str(tmp_path), use_cpu=True, **{field: value})


def test_pretraining_without_steps_is_refused(corpus, tokenizer_dir, tmp_path):
    args = MotionTrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, max_steps=-1, num_train_epochs=2)
    with pytest.raises(ValueError, match="max_steps is -1; it must be 1 or more"):
        pretrain(MoFMArguments(tokenizer=str(tokenizer_dir)), DataArguments(dataset=[str(corpus)]), args)
    assert not (tmp_path / "out").exists()


def test_refuses_an_output_directory_that_cannot_be_written(tmp_path):
    taken = tmp_path / "file"
    taken.write_text("kept")
    with pytest.raises(OSError, match="output_dir .* cannot be written"):
        check_run(MotionTrainingArguments(output_dir=str(taken / "below"), use_cpu=True))
    assert taken.read_text() == "kept"


def test_an_unfinished_checkpoint_is_not_taken_for_whole(tmp_path):
    for step, files in ((2, ("model.safetensors", "trainer_state.json")), (10, ("model.safetensors",))):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        for name in files:
            (folder / name).write_text("{}")
    assert last_checkpoint(str(tmp_path)) == str(tmp_path / "checkpoint-2")


def make_checkpoint(folder, model):
    """Save a model as the trainer does; what the check looks at is its configuration."""
    model.save_pretrained(folder / "checkpoint-1")
    (folder / "checkpoint-1" / "trainer_state.json").write_text("{}")


def test_refuses_a_checkpoint_of_another_size(tmp_path):
    config = MoFMConfig(**TINY_GEOMETRY, hidden_size=24, num_hidden_layers=1, codebook_size=32)
    make_checkpoint(tmp_path, MoFMForMaskedMotionModeling(config))
    check_checkpoint(str(tmp_path), config, ("hidden_size",))
    fields = {**TINY_GEOMETRY, "hidden_size": 24, "codebook_size": 32}
    for name, value in {"codebook_size": 64, "sigma": 1.0, "hidden_size": 36}.items():
        message = f"{name} of checkpoint-1 in output_dir .* is {getattr(config, name)}, but this run's is {value}"
        with pytest.raises(ValueError, match=message):
            check_checkpoint(str(tmp_path), MoFMConfig(**{**fields, name: value}), ("hidden_size",))


def test_training_a_tokenizer_refuses_a_checkpoint_of_another_vocabulary(corpus, tmp_path):
    make_checkpoint(tmp_path, DVEDModel(DVEDConfig(hidden_size=16, codebook_size=32)))
    args = MotionTrainingArguments(output_dir=str(tmp_path), use_cpu=True, max_steps=1)
    with pytest.raises(ValueError, match="codebook_size of checkpoint-1 .* is 32, but this run's is 512"):
        train_dved(DVEDArguments(), DataArguments(dataset=corpus), args)


def test_pretraining_refuses_a_checkpoint_that_learnt_other_words(corpus, tokenizer_dir, tmp_path):
    tokenizer = MoFMTokenizer.from_pretrained(tokenizer_dir)
    tokenizer.save_pretrained(tmp_path)
    arguments = MoFMArguments(tokenizer=tokenizer_dir)
    make_checkpoint(tmp_path, MoFMForMaskedMotionModeling(arguments.config(tokenizer.dved)))
    tokenizer.dved.quantizer.book.weight.data.neg_()
    tokenizer.save_pretrained(tmp_path / "other")
    args = MotionTrainingArguments(output_dir=str(tmp_path), use_cpu=True, max_steps=1)
    with pytest.raises(ValueError, match="tokenizer is .*other'.* learnt the words of another one"):
        pretrain(MoFMArguments(tokenizer=str(tmp_path / "other")), DataArguments(dataset=corpus), args)


def test_refuses_a_disk_without_room_for_the_checkpoints(monkeypatch, tmp_path):
    model = torch.nn.Linear(1000, 1000)  # 4.004 MB
    args = MotionTrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=36_000_000))
    with pytest.raises(OSError, match="has 36 MB free; 3 checkpoints of this model take 36 MB"):
        check_space(model, args)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=36_100_000))
    check_space(model, args)


def two_steps(output_dir):
    return MotionTrainingArguments(
        output_dir=str(output_dir),
        use_cpu=True,
        max_steps=2,
        per_device_train_batch_size=4,
        dataloader_num_workers=0,
        logging_steps=1,
        report_to="none",
    )


def test_streams_and_fixed_clips_train_too(corpus, tokenizer_dir, tmp_path):
    for name, options in {"stream": {"streaming": True}, "fixed": {"augment": False}}.items():
        data = DataArguments(dataset=corpus, eval_clips=4, **options)
        metrics = pretrain(MoFMArguments(tokenizer=tokenizer_dir), data, two_steps(tmp_path / name))
        assert metrics["eval_loss"] > 0 and 0 <= metrics["eval_dved_ssim"] <= 1


@pytest.mark.parametrize(("words", "predictor_layers"), [(0.2, 0), (0.2, 1), (0.0, 0)])
def test_all_objectives_train_together_and_without_words(words, predictor_layers, corpus, tokenizer_dir, tmp_path):
    weights = {"word_loss_weight": words, "coordinate_loss_weight": 5.0, "view_loss_weight": 0.5}
    model = MoFMArguments(tokenizer=tokenizer_dir, predictor_layers=predictor_layers, **weights)
    metrics = pretrain(model, DataArguments(dataset=corpus, eval_clips=4), two_steps(tmp_path))
    assert metrics["eval_coordinate_error"] > 0 and ("eval_top1" in metrics) == (words > 0)
    state = json.loads((Path(last_checkpoint(str(tmp_path))) / "trainer_state.json").read_text())
    logged = state["log_history"][0]
    terms = {"word_loss": words, "coordinate_loss": 5.0, "view_loss": 0.5}
    assert logged["loss"] == pytest.approx(sum(w * logged.get(name, 0) for name, w in terms.items()), abs=1e-3)
    config = AutoConfig.from_pretrained(tmp_path)
    found = (config.word_loss_weight, config.view_loss_weight, config.predictor_layers)
    assert found == (words, 0.5, predictor_layers)


@pytest.mark.parametrize("options", [{}, {"augment": False}, {"streaming": True}])
def test_words_of_a_teacher_are_learnt_and_its_groups_kept(options, corpus, tokenizer_dir, tmp_path):
    data = DataArguments(dataset=corpus, eval_clips=4)
    pretrain(MoFMArguments(tokenizer=tokenizer_dir), data, two_steps(tmp_path / "first"))
    tokenizer = shutil.copytree(tokenizer_dir, tmp_path / "tokenizer")
    for name, row in (("tokenizer", "a row of the tokenizer"), ("first", "a row of the teacher")):
        (tmp_path / name / "training_rows.json").write_text(json.dumps({"rows": [row]}))
    teacher = {"teacher": str(tmp_path / "first"), "teacher_loss_weight": 2.0, "num_teacher_words": 16}
    model_args = MoFMArguments(tokenizer=str(tokenizer), word_loss_weight=0.5, predictor_layers=1, **teacher)
    data, args = DataArguments(dataset=corpus, eval_clips=4, **options), two_steps(tmp_path / "second")
    pretrain(model_args, data, args)
    state = json.loads((Path(last_checkpoint(args.output_dir)) / "trainer_state.json").read_text())
    logged = state["log_history"][0]
    assert logged["loss"] == pytest.approx(0.5 * logged["word_loss"] + 2 * logged["teacher_loss"], abs=1e-3)
    model = MoFMForMaskedMotionModeling.from_pretrained(args.output_dir)
    assert model.teacher_head.weight.shape[0] == model.config.num_teacher_words == 16
    seen = json.loads((tmp_path / "second" / "training_rows.json").read_text())["rows"]
    assert seen is None if options.get("streaming") else "a row of the teacher" in seen

    groups = (tmp_path / "second" / "teacher_words.safetensors").read_bytes()
    args.max_steps = 3  # goes on, with the same groups
    pretrain(model_args, data, args)
    assert (tmp_path / "second" / "teacher_words.safetensors").read_bytes() == groups


def test_actions_of_several_corpora_are_learnt_under_common_names(corpus, tokenizer_dir, tmp_path):
    data = DataArguments(dataset=["synthetic", "synthetic-3d", corpus], weights=[1, 1, 1], eval_clips=4)
    options = {"action_loss_weight": 2.0, "word_loss_weight": 0.0, "view_loss_weight": 0.5, "rename": ["run=jog"]}
    args = two_steps(tmp_path)
    pretrain(MoFMArguments(tokenizer=tokenizer_dir, **options), data, args)
    config = AutoConfig.from_pretrained(tmp_path)
    assert "jog" in config.action_names and "run" not in config.action_names
    assert config.action_names == sorted(config.action_names) and not config.id2label[0].startswith("fall")
    state = json.loads((Path(last_checkpoint(args.output_dir)) / "trainer_state.json").read_text())
    for logged in state["log_history"][:2]:
        assert logged["loss"] == pytest.approx(2 * logged["action_loss"] + 0.5 * logged["view_loss"], abs=1e-3)


def test_a_training_goes_on_with_its_own_labels_only(corpus, tokenizer_dir, tmp_path):
    rows, path = Dataset.from_parquet(corpus).to_list(), str(tmp_path / "labelled.parquet")

    def write(first):
        named = [row | {"label": (first + number) % 2} for number, row in enumerate(rows)]
        Dataset.from_list(named, features=motion_features(["walk", "wave"])).to_parquet(path)

    model = MoFMArguments(tokenizer=tokenizer_dir, action_loss_weight=1.0)
    data, args = DataArguments(dataset=path, eval_clips=4), two_steps(tmp_path / "out")
    write(0)
    pretrain(model, data, args)
    write(1)
    args.max_steps = 3
    with pytest.raises(ValueError, match="actions of the training in output_dir .* they must be the same to go on"):
        pretrain(model, data, args)


@pytest.mark.parametrize(("name", "value"), [("augment", False), ("streaming", True)])
def test_actions_of_clips_without_labels_are_refused(name, value, corpus, tokenizer_dir, tmp_path):
    data = DataArguments(dataset=["synthetic", corpus], **{name: value})
    with pytest.raises(ValueError, match=f"{name} is {value} and action_loss_weight 1.0: such clips carry no labels"):
        pretrain(MoFMArguments(tokenizer=tokenizer_dir, action_loss_weight=1.0), data, two_steps(tmp_path))
    with pytest.raises(ValueError, match=r"the corpora have the actions \[\]; at least two are needed"):
        pretrain(
            MoFMArguments(tokenizer=tokenizer_dir, action_loss_weight=1.0),
            DataArguments(dataset=corpus),
            two_steps(tmp_path),
        )


def test_a_teacher_that_cannot_teach_is_refused(corpus, tokenizer_dir, tmp_path):
    for one in ({"teacher": "mofm"}, {"teacher_loss_weight": 1.0}):
        with pytest.raises(ValueError, match="a teacher needs a weight above 0, and a weight a teacher"):
            MoFMArguments(tokenizer=tokenizer_dir, **one)
    other = str(tmp_path / "other")
    MoFMForMaskedMotionModeling(MoFMConfig(**TINY_GEOMETRY)).save_pretrained(other)
    wrong = MoFMArguments(tokenizer=tokenizer_dir, teacher=other, teacher_loss_weight=1.0)
    with pytest.raises(ValueError, match="num_frames of teacher .*other.* is 8, but this run's is 24; they must be"):
        pretrain(wrong, DataArguments(dataset=corpus), two_steps(tmp_path / "new"))
    assert not list((tmp_path / "new").glob("checkpoint-*"))


def test_layers_are_compiled_where_asked_for(monkeypatch, corpus, tokenizer_dir, tmp_path):
    compiled = []
    monkeypatch.setattr(MoFMLayer, "compile", lambda self, **options: compiled.append((self, options)))
    args = two_steps(tmp_path / "mofm")
    args.compile_layers = True
    data = DataArguments(dataset=corpus, eval_clips=4)
    pretrain(MoFMArguments(tokenizer=tokenizer_dir, predictor_layers=1), data, args)
    assert len({layer for layer, _ in compiled}) == 7 and all(options == {"dynamic": True} for _, options in compiled)
    args.output_dir = str(tmp_path / "dved")
    with pytest.raises(ValueError, match="compile_layers is true; DVEDModel has no layers"):
        train_dved(DVEDArguments(), data, args)


def test_goes_on_from_a_model_and_centres_people(corpus, tokenizer_dir, tmp_path):
    data = DataArguments(dataset=corpus, eval_clips=4)
    frames = MoFMArguments(tokenizer=tokenizer_dir, cube_embedding="frames", truncate=1.5, predictor_layers=2)
    pretrain(frames, data, two_steps(tmp_path / "first"))
    first = MoFMForMaskedMotionModeling.from_pretrained(tmp_path / "first")
    options = MoFMArguments(tokenizer=tokenizer_dir, model=str(tmp_path / "first"), center_frames=True)
    args = two_steps(tmp_path / "second")
    args.learning_rate = 0.0
    pretrain(options, data, args)
    second = MoFMForMaskedMotionModeling.from_pretrained(tmp_path / "second")
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))
    tokenizer = MoFMTokenizer.from_pretrained(tmp_path / "second")
    parts = second.config, tokenizer.dved.config, tokenizer.feature_extractor
    assert not first.config.center_frames and all(part.center_frames for part in parts)
    kept = (second.config.cube_embedding, second.config.truncate, second.config.predictor_layers)
    assert kept == ("frames", 1.5, 2)  # the model's, unasked
    with pytest.raises(ValueError, match="sigma of model .*first.* is 3.0, but this run's is 2.0"):
        other = MoFMArguments(tokenizer=tokenizer_dir, model=str(tmp_path / "first"), sigma=2.0)
        pretrain(other, data, two_steps(tmp_path / "third"))
    assert not list((tmp_path / "third").glob("checkpoint-*"))


def test_weights_stored_in_half_precision_are_trained_in_single(corpus, tokenizer_dir, tmp_path):
    data = DataArguments(dataset=corpus, eval_clips=4)
    pretrain(MoFMArguments(tokenizer=tokenizer_dir), data, two_steps(tmp_path / "first"))
    MoFMForMaskedMotionModeling.from_pretrained(tmp_path / "first", dtype=torch.float16).save_pretrained(
        tmp_path / "half"
    )
    args = two_steps(tmp_path / "second")
    pretrain(MoFMArguments(tokenizer=tokenizer_dir, model=str(tmp_path / "half")), data, args)
    assert {value.dtype for value in load_file(tmp_path / "second" / "model.safetensors").values()} == {torch.float32}


def test_a_lost_training_stops_and_its_checkpoints_stay_whole(corpus, tokenizer_dir, tmp_path):
    data = DataArguments(dataset=corpus, eval_clips=4)
    args = two_steps(tmp_path)
    args.max_steps, args.learning_rate, args.warmup_steps, args.save_steps = 3, 1e30, 0, 1
    with pytest.raises(FloatingPointError, match=r"loss of 1 step\(s\) is not a finite.* step 2.*rate of 1e\+30"):
        pretrain(MoFMArguments(tokenizer=tokenizer_dir), data, args)
    assert [folder.name for folder in tmp_path.glob("checkpoint-*")] == ["checkpoint-1"]
    weights = load_file(tmp_path / "checkpoint-1" / "model.safetensors")
    assert all(value.isfinite().all() for value in weights.values())


def test_weights_that_are_no_numbers_are_not_kept(corpus, tokenizer_dir, tmp_path, monkeypatch):
    data = DataArguments(dataset=corpus, eval_clips=4)

    def spoil(self, *args, **kwargs):
        self.model.lm_head.bias.data[0] = torch.nan
        return torch.zeros(())

    monkeypatch.setattr(Trainer, "training_step", spoil)
    args = two_steps(tmp_path)
    args.save_steps = 1
    with pytest.raises(FloatingPointError, match=r"parameter 'lm_head.bias' is not a finite number at step 1"):
        pretrain(MoFMArguments(tokenizer=tokenizer_dir), data, args)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_sizes_are_those_of_the_model_unless_a_preset_is_named(tokenizer_dir, tmp_path):
    MoFMConfig(hidden_size=48, num_attention_heads=2, input_stride=1).save_pretrained(tmp_path)
    dved = MoFMTokenizer.from_pretrained(tokenizer_dir).dved
    options = {"tokenizer": tokenizer_dir, "model": str(tmp_path)}
    sizes = [
        (config.hidden_size, config.num_attention_heads, config.input_stride)
        for config in (
            MoFMArguments(**options).config(dved),
            MoFMArguments(**options, preset="small").config(dved),
            MoFMArguments(tokenizer_dir).config(dved),
        )
    ]
    assert sizes == [(48, 2, 1), (384, 6, 1), (192, 3, 3)]


def test_two_views_of_clips_that_never_change_are_refused(corpus, tokenizer_dir, tmp_path):
    data = DataArguments(dataset=corpus, eval_clips=4, augment=False)
    with pytest.raises(ValueError, match="augment is false and view_loss_weight 0.5"):
        pretrain(MoFMArguments(tokenizer=tokenizer_dir, view_loss_weight=0.5), data, two_steps(tmp_path))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [("missing/folder", "missing/folder"), ("empty", "empty")],
)
def test_bad_corpora_stop_before_training(dataset, message, tokenizer_dir, tmp_path):
    if dataset == "empty":
        (tmp_path / "empty").mkdir()
        dataset = str(tmp_path / "empty")
    args = MotionTrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, max_steps=1)
    with pytest.raises((ValueError, OSError), match=message):
        pretrain(MoFMArguments(tokenizer=tokenizer_dir), DataArguments(dataset=dataset), args)
    assert not list((tmp_path / "out").glob("checkpoint-*"))
