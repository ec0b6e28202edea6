"""Actions are shown and asked about from the command line."""

import numpy as np
import pytest
import torch
from scripts import mofm

from modeling_mofm import MoFMConfig, MoFMModel


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("teach")
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    MoFMModel(MoFMConfig(num_frames=8, heatmap_size=24, cube_size=(4, 6, 6), **sizes)).save_pretrained(folder / "mofm")
    for seed, (name, joint) in enumerate({"left": 9, "right": 10, "left again": 9}.items()):
        generator = np.random.default_rng(seed)
        body = np.stack([np.resize([40.0, 60.0], 17), np.linspace(10, 200, 17)], -1)
        motion = body + generator.normal(0, 1, (20, 17, 2))
        motion[:, joint, 0] += 60 * np.sin(np.linspace(0, np.pi, 20))
        np.save(folder / f"{name}.npy", motion)
    return folder


def test_what_was_shown_is_found_by_a_later_command(folder, monkeypatch):
    monkeypatch.chdir(folder)

    def teach(*arguments):
        return mofm("teach", "--layout", "coco17", *arguments)

    result = teach("--actions", "mine", "--ask", "left.npy")
    assert result.returncode == 2 and "holds nothing that was taught" in result.stderr
    result = teach("--actions", "user/taught", "--ask", "left.npy")  # might be on the Hub, which is not asked in tests
    assert result.returncode == 1 and "couldn't find them in the cached files" in result.stderr
    result = teach("--actions", "mine", "--model", "mofm", "out left=left.npy", "out right=right.npy")
    assert result.returncode == 0 and "mine knows out left, out right" in result.stdout, result.stderr
    result = teach("--actions", "mine", "--ask", "left again.npy", "right.npy")
    assert result.returncode == 0, result.stderr
    assert [line.split("npy ")[1].split(" (")[0] for line in result.stdout.splitlines()] == ["out left", "out right"]
    result = teach("--actions", "mine", "wave=gone.npy")
    assert result.returncode == 1 and "gone.npy" in result.stderr and "Traceback" not in result.stderr
    result = teach("--actions", "mine", "wave")
    assert result.returncode == 2 and "'wave' must be name=file" in result.stderr
