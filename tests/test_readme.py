"""Every Python block of the README runs, on a model made here."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from modeling_mofm import (
    MoFMConfig,
    MoFMForAnomalyDetection,
    MoFMForMaskedMotionModeling,
    MoFMForSequenceClassification,
)
from motion_data.schema import decode_row
from motion_data.synthetic.corpus import generate_motion
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("readme")
    geometry = {"num_frames": 24, "heatmap_size": 36}
    MoFMTokenizer(DVEDModel(DVEDConfig(**geometry, hidden_size=16, codebook_size=32))).save_pretrained(path / "mofm")
    config = MoFMConfig(**geometry, hidden_size=24, num_hidden_layers=1, intermediate_size=32, codebook_size=32)
    MoFMForMaskedMotionModeling(config).save_pretrained(path / "mofm")
    config.id2label = {0: "walk", 1: "wave"}
    MoFMForSequenceClassification(config).save_pretrained(path / "mofm-actions")
    detector = MoFMForAnomalyDetection.from_pretrained(path / "mofm", anomaly_score="nll")
    detector.save_pretrained(path / "mofm-watch")
    MoFMTokenizer.from_pretrained(path / "mofm").save_pretrained(path / "mofm-watch")
    keypoints, scores = decode_row(generate_motion(1, 0)[0])
    body = np.concatenate([keypoints[0], scores[0, ..., None]], -1)
    people = [
        {"image_id": f"{f}.jpg", "category_id": 1, "keypoints": row.ravel().tolist(), "score": 2.0, "idx": 1}
        for f, row in enumerate(body)
    ]
    (path / "walk.json").write_text(json.dumps(people))
    return path


def test_python_blocks_run_in_order_in_a_fresh_process(folder):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr


def test_commands_name_scripts_and_targets_that_exist():
    text = (ROOT / "README.md").read_text() + (ROOT / "run" / "README.md").read_text()
    scripts = set(re.findall(r"run/(\w+\.py)", text)) | set(re.findall(r"^\| `(\w+\.py)`", text, re.MULTILINE))
    assert scripts and all((ROOT / "run" / script).is_file() for script in scripts)
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", text, re.MULTILINE)
    assert targets and all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
