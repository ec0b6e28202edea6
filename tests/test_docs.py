"""The pages of docs/: their Python and `mofm` blocks run in order, their links lead somewhere, their site builds."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from scripts import mofm

from motion_data.rows import row_recording
from motion_data.synthetic.corpus import generate_motion

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(page.name for page in (ROOT / "docs").glob("*.md"))
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "run/README.md", "mofm/README.md")]
DOCUMENTS += sorted((ROOT / "docs").glob("**/*.md"))


@pytest.fixture
def folder(clone):
    """A clone, and clips of two actions in folders."""
    rows = [row for row in generate_motion(60, 0) if row["label"] in (0, 4)]
    for label, action in ((0, "squat"), (4, "wave")):
        (clone / "clips" / action).mkdir(parents=True)
        for name, row in zip("abcd", (row for row in rows if row["label"] == label), strict=False):
            motion = np.dstack((row_recording(row).keypoints[0], row_recording(row).scores[0]))
            person = {"category_id": 1, "score": 1.0, "idx": 1}
            people = [
                {**person, "image_id": f"{i:06}.jpg", "keypoints": frame.ravel().tolist()}
                for i, frame in enumerate(motion)
            ]
            (clone / "clips" / action / f"{name}.json").write_text(json.dumps(people))
    return clone


@pytest.mark.parametrize("page", [page for page in PAGES if "```python\n" in (ROOT / "docs" / page).read_text()])
def test_blocks_run_in_order(page, folder):
    blocks = re.findall(r"^```(python|bash)\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    for language, block in blocks:
        if language == "python":
            exec(compile(block, page, "exec"), names)
            continue
        for line in block.splitlines():
            command, *arguments = shlex.split(line)
            assert command == "mofm", f"{page}: blocks that cannot run here are `console`: {line}"
            result = mofm(*arguments)
            assert result.returncode == 0, f"{line}\n{result.stdout}{result.stderr}"


def anchors(document):
    """Return what sections of a document are called in links, as GitHub makes names of headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in target:
            continue
        path, _, section = target.partition("#")
        place = document.parent / path if path else document
        assert place.exists(), f"{document.name}: {target}"
        assert not section or section in anchors(place), f"{document.name}: {target}"


def test_every_page_is_in_the_site():
    text = (ROOT / "docs" / "index.md").read_text()
    listed = set(re.findall(r"^([\w/-]+)$", text, re.MULTILINE))
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in (ROOT / "docs").glob("**/*.md")}
    assert pages - {"index", "clips/README"} == listed


@pytest.mark.parametrize("path", sorted((ROOT / "run" / "accelerate").glob("*.yaml")), ids=lambda path: path.stem)
def test_configurations_of_launches_are_read(path):
    config = load_config_from_file(str(path))
    stated = yaml.safe_load(path.read_text())
    assert config.num_processes == stated["num_processes"] and config.mixed_precision == "bf16"
    assert str(config.distributed_type).endswith(stated["distributed_type"])


@pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="pip install 'mofm[docs]' brings sphinx")
def test_the_site_builds_without_a_warning(tmp_path):
    options = ["-q", "-W", "--keep-going", "-b", "html"]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr
    assert "MoFMForSequenceClassification" in (tmp_path / "reference" / "modeling_mofm.html").read_text()
