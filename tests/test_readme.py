"""Every Python block of the README runs on the shipped model, and so does its first command."""

import re
from pathlib import Path

from scripts import mofm
from transformers import pipeline

import modeling_mofm  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]


def test_python_blocks_run_in_order(clone):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    exec(compile("\n".join(blocks), "README.md", "exec"), {})


def test_the_first_command_answers_and_draws(clone):
    line = re.search(r"^mofm (watch .*?) +#", (ROOT / "README.md").read_text(), re.MULTILINE)[1]
    result = mofm(*line.split())
    assert result.returncode == 0 and "squat" in result.stdout, result.stderr
    assert (clone / "squat.gif").stat().st_size > 10_000


def test_the_clips_of_the_readme_are_named_by_the_shipped_head(clone):
    """Subjects that no training saw, in the camera in which results are compared."""
    recognise = pipeline("motion-classification", device="cpu")
    for name, action in (("squat", "squat"), ("sit-to-stand", "sit_to_stand")):
        best = [entry["label"] for entry in recognise(str(clone / "docs" / "clips" / f"{name}.json"), top_k=3)]
        assert action in best, best


def test_commands_name_scripts_and_targets_that_exist():
    text = (ROOT / "README.md").read_text() + (ROOT / "run" / "README.md").read_text()
    scripts = set(re.findall(r"run/(\w+\.py)", text)) | set(re.findall(r"^\| `(\w+\.py)`", text, re.MULTILINE))
    assert scripts and all((ROOT / "run" / script).is_file() for script in scripts)
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", text, re.MULTILINE)
    assert targets and all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
