"""The command `mofm`: every script has a name, help comes at once, and arguments reach the script."""

import subprocess
import sys

import pytest

from modeling_mofm.shipped import SHIPPED
from motion_data.inputs import input_options
from training_mofm.command import COMMANDS, EXAMPLE, main, scripts, usage
from training_mofm.command_line import CommandParser
from training_mofm.option_arguments import add_read_options, given_options


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["mofm", *arguments])
    return main()


def test_every_script_has_a_command_and_every_command_a_script():
    assert {path.stem for path in scripts().glob("*.py")} == {script for script, _ in COMMANDS.values()}


def test_help_fits_a_screen_and_starts_with_an_example(monkeypatch, capsys):
    assert call(monkeypatch) == call(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(EXAMPLE) and all(name in shown for name in COMMANDS)
    lines = usage().splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100


TASKS = [["finetune", "--task", task] for task in ("anomaly", "classification")]


@pytest.mark.parametrize("command", [[name] for name in COMMANDS] + TASKS, ids=" ".join)
def test_help_of_each_command_fits_a_screen_and_starts_with_an_example(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, *command, "--help")
    lines = capsys.readouterr().out.splitlines()
    assert stopped.value.code == 0 and lines[0].startswith(f"mofm {command[0]}") and "usage" not in lines[0]
    assert len(lines) <= 48 and lines[-1].startswith("--help-all")
    assert max(len(line) for line in lines if line.startswith("  ")) <= 80


def test_all_options_are_told_when_asked_for(monkeypatch, capsys):
    for command, seldom in ((["prepare"], "--mediapipe-python"), (TASKS[0], "--gradient-checkpointing")):
        with pytest.raises(SystemExit):
            call(monkeypatch, *command, "--help-all")
        assert f"{seldom} " in capsys.readouterr().out


def test_names_of_options_are_spelt_with_hyphens_or_underscores(monkeypatch, capsys):
    for spelt in ("--test-fraction=7", "--test_fraction=7"):
        with pytest.raises(SystemExit) as stopped:
            call(monkeypatch, "prepare", "gone", "--output", "nowhere_at-all", spelt)
        assert stopped.value.code == 1 and "test_fraction" in capsys.readouterr().err
    options = ["--tokenizer", "gone_there", "--learning_rate", "1e-3", "--output-dir"]
    with pytest.raises(SystemExit):
        call(monkeypatch, "pretrain", *options)  # reaches the one that has no value
    assert "--output-dir: expected one argument" in capsys.readouterr().err


def test_an_unknown_command_is_named(monkeypatch, capsys):
    assert call(monkeypatch, "dance") == 2
    assert "'dance' is no command; there are watch, " in capsys.readouterr().err


def test_arguments_reach_the_script_and_its_status_comes_back(monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, "watch", "gone.json", "--output", "a.bmp")
    assert stopped.value.code == 2 and "mofm watch --help tells its options" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, "one-shot", "--model", "m", "--dataset", "gone/corpus", "--protocol", "p")
    assert stopped.value.code == 1 and "gone/corpus" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (["pretrain", "--tokenizer", "t", "--nonsense", "3", "--output-dir", "o"], 2, "unknown options: --nonsense 3"),
        (["pretrain", "--tokenizer", "t", "--mask-ratio", "x", "--output-dir", "o"], 2, "invalid float value: 'x'"),
        (["pretrain", "--tokenizer", "t", "--eval-strategy", "steps", "--output-dir", "o"], 2, "it must be 'no'"),
        (["train-tokenizer"], 2, "output_dir is missing"),
        (["draw", "--clip", "64", "--output", "a.png"], 1, "--clip must be from 0 to 63, got 64"),
        (["draw", "--book", "0", "--output", "a.png"], 2, "--book: must be a whole number, at least 1, got '0'"),
        (["evaluate-pretraining", "--model", "m", "--seeds", "x"], 2, "--seeds: must be a whole number, at least 1"),
        (["watch", "gone.json", "--events", "."], 1, ". is a folder; name a file"),  # before the input is missed
        (["calibrate", "gone", "--false-alarms-per-hour", "2", "--output-dir", "/proc/none"], 1, "/proc/none"),
        (["watch", "camera", "--frame-size", "640", "480"], 2, "--frame-size is about files of poses"),
        (["teach", "--actions", "a", "wave=gone.json", "--frame-size", "640", "0"], 1, "frame_size must be a width"),
        (["draw", "--output", "a.xyz"], 2, "--output is 'a.xyz'; it must end in one of .png, "),
        (["evaluate", "--dataset", "synthetic"], 1, "corpus 'synthetic' has no protocols.json beside it"),
        (["finetune", "--task", "anomaly", "--model", "m", "--mode", "odd", "--output-dir", "o"], 2, "mode must be"),
        (["train-tokenizer", "--dataset", "gone/corpus", "--output-dir", "o"], 1, "gone/corpus"),
        (["pretrain", "--tokenizer", "t", "--max-steps", "0", "--output-dir", "o"], 1, "max_steps is 0; it must be 1"),
        (["evaluate-pretraining", "--model", "./gone"], 1, "./gone"),
    ],
)
def test_what_is_refused_is_told_in_a_line(options, status, reason, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, *options)
    shown = capsys.readouterr().err.strip()
    assert stopped.value.code == status and reason in shown and "Traceback" not in shown
    assert shown.splitlines()[-2 if status == 2 else -1].startswith(f"mofm {options[0]}")


def test_folders_of_what_is_to_be_written_are_made_before_the_work(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, "draw", "--output", str(tmp_path / "file" / "clip.png"))
    assert stopped.value.code == 1
    wanted = tmp_path / "new" / "one" / "events.json"
    with pytest.raises(SystemExit):  # nothing is left of a refusal
        call(monkeypatch, "watch", str(tmp_path / "gone.json"), "--events", str(wanted))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    with CommandParser("").refusals(str(wanted)):
        wanted.write_text("there is a place")


def test_the_weights_that_come_along_have_a_name_in_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    parser = CommandParser("")
    for option in ("--model", "--tokenizer", "--teacher"):
        parser.add_argument(option)
    said = ["--model", "mofm", "--tokenizer", "user/mofm", "--teacher", "mofm"]
    shipped = str(SHIPPED)
    assert vars(parser.parse_args(said)) == {"model": shipped, "tokenizer": "user/mofm", "teacher": shipped}
    (tmp_path / "mofm").mkdir()
    assert parser.parse_args(said).model == "mofm"


def test_a_model_that_is_no_folder_is_named_where_the_hub_cannot_be_reached(monkeypatch, capsys):
    """transformers says that the Hub cannot be reached, and not what was looked for there."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SystemExit):
        call(monkeypatch, "watch", str(SHIPPED.parent / "docs" / "clips" / "squat.json"), "--model", "mofmm")
    assert "mofmm is no folder here, and was looked for on the Hub" in capsys.readouterr().err


def test_what_files_may_not_say_is_told_by_the_same_options_everywhere(monkeypatch, capsys):
    parser = CommandParser("")
    add_read_options(parser)
    assert given_options(parser.parse_args([])) == {}
    said = parser.parse_args(["--frame-size", "640", "480", "--coordinates", "xyc", "--override", "layout", "fps"])
    given = {"frame_size": (640, 480), "coordinates": "xyc", "override": ("layout", "fps")}
    assert given_options(said) == given and input_options(**given).frame_size == (640, 480)
    for command in ("prepare", "watch", "teach", "calibrate", "draw"):
        with pytest.raises(SystemExit):
            call(monkeypatch, command, "--help-all")
        assert "--up-axis" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        ["calibrate", "gone", "--false-alarms-per-hour", "2", "--output-dir", "model"],
        ["teach", "--actions", "model", "wave=gone.json"],
        ["one-shot", "--model", "m", "--dataset", "gone", "--protocol", "p", "--output-dir", "model"],
    ],
)
def test_a_model_is_not_written_over(options, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_text("weeks of work")
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, *options)
    assert stopped.value.code == 1 and "model is not empty; name a new folder" in capsys.readouterr().err
    assert (tmp_path / "model" / "model.safetensors").read_text() == "weeks of work"


def test_help_imports_nothing_heavy():
    code = "import sys, training_mofm.command as c; c.usage(); print('torch' in sys.modules, 'numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["False", "False"], result.stderr
