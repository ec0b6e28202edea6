"""The page as a Space: pushed to a server on loopback, fetched from it, and started there."""

import os
import subprocess
import sys

import pytest
from hub_server import TOKEN, HubServer
from huggingface_hub import HfApi, RepoCard, constants, snapshot_download
from packaging.requirements import Requirement
from scripts import mofm

from modeling_mofm import space

# in the folder that was fetched, as a Space starts it; the page is made, and not served
START = """
import runpy, gradio, modeling_mofm.page
def launch(page, **options):
    print(modeling_mofm.page.__file__, options["server_name"], *(block.value for block in page.blocks.values()
        if type(block).__name__ == "Button"))
gradio.Blocks.launch = launch
runpy.run_path("app.py", run_name="__main__")
"""


def test_a_space_that_was_pushed_starts(tmp_path, monkeypatch):
    folder = tmp_path / "fetched"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with HubServer() as hub:
        client = {"endpoint": hub.url, "token": TOKEN}
        monkeypatch.setattr(space, "HfApi", lambda token: HfApi(**client))
        assert space.push_space("user/page").endswith("/spaces/user/page")
        space.push_space("user/page")  # renewed
        snapshot_download("user/page", repo_type="space", local_dir=folder, cache_dir=tmp_path / "cache", **client)
        files = set(hub.repositories["space", "user/page"].files)
    assert {"app.py", "requirements.txt", "README.md", "mofm/model.safetensors", "docs/clips/squat.json"} <= files
    assert not [name for name in files if "__pycache__" in name or name.startswith(("tests", "training_mofm"))]
    card = RepoCard.load(folder / "README.md")
    assert card.data.to_dict()["sdk"] == "gradio" and card.data.to_dict()["app_file"] == "app.py"
    names = {Requirement(line).name for line in (folder / "requirements.txt").read_text().splitlines()}
    assert {"gradio", "torch", "transformers", "matplotlib", "av", "ai-edge-litert"} <= names and not names & {
        "mofm",
        "pytest",
        "onnx",
    }
    result = subprocess.run([sys.executable, "-c", START], cwd=folder, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr
    printed = result.stdout.splitlines()[-1]
    assert printed.startswith(f"{folder}{os.sep}modeling_mofm") and "0.0.0.0" in printed and "Watch" in printed


def test_a_folder_with_something_in_it_stays_as_it_is(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    result = mofm("demo", "--write-space", tmp_path)
    assert result.returncode == 1 and "is not empty; name a new folder" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_damaged_weights_are_not_spread(tmp_path, monkeypatch):
    def refuse(folder):
        raise OSError("model.safetensors is not the file that sha256.json lists")

    monkeypatch.setattr(space, "check_files", refuse)
    with pytest.raises(OSError, match="sha256"):
        space.write_space(tmp_path / "space")
    assert not (tmp_path / "space").exists()
