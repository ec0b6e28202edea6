"""The page of `mofm demo` as a Space of the Hub: a folder with the page, the weights and the code that both need."""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

from huggingface_hub import HfApi
from packaging.requirements import Requirement

from .shipped import SHIPPED, check_files, shipped_clips

ROOMS = ("motion_data", "tokenization_mofm", "modeling_mofm")
EXTRAS = ("plot", "video", "camera", "demo")  # of the package, which the page needs
APP = '''"""The page of MoFM, as a Space: what `mofm demo` opens."""

from modeling_mofm.page import PageAnswers, launch_page, make_page

launch_page(make_page(PageAnswers()), server_name="0.0.0.0")
'''
ABOUT = (
    "Key-points of any pose estimator: what is done, what is odd, and in which motion words. Drop a pose file, or "
    "take one of the recorded clips."
)


def write_space(folder: str | os.PathLike, title: str = "MoFM") -> Path:
    """Write the folder of a Space, which needs only what its `requirements.txt` names.

    Args:
        folder: a new or empty folder.
        title: of the Space.

    Raises:
        FileExistsError: there is something in the folder.
        OSError: the weights that come along are damaged.
        ModuleNotFoundError: gradio, whose version the Space names, is not installed (`mofm[demo]`).
    """
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{folder} is not empty; name a new folder for the Space")
    import gradio

    check_files(SHIPPED)
    path.mkdir(parents=True, exist_ok=True)
    for source in (*(SHIPPED.parent / room for room in ROOMS), SHIPPED):
        shutil.copytree(source, path / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for clip in shipped_clips():
        (path / "docs" / "clips").mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, path / "docs" / "clips")
    (path / "app.py").write_text(APP)
    (path / "requirements.txt").write_text("\n".join(requirements()) + "\n")
    fields = {
        "title": title,
        "sdk": "gradio",
        "sdk_version": gradio.__version__,
        "app_file": "app.py",
        "license": "apache-2.0",
        "short_description": "What is done, and what is odd, in key-points",
    }
    header = "\n".join(f"{name}: {value}" for name, value in fields.items())
    (path / "README.md").write_text(f"---\n{header}\n---\n\n# {title}\n\n{ABOUT}\n")
    return path


def push_space(repo_id: str, private: bool | None = None, token: str | None = None) -> str:
    """Make a Space of the Hub, or renew one, in one commit; return its address.

    Args:
        repo_id: "user/name".
        private, token: as of `HfApi.create_repo`.

    Raises:
        OSError: as of `write_space`, or of the Hub.
    """
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        path = write_space(Path(folder) / "space", repo_id.split("/")[-1])
        address = api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id,
            repo_type="space",
            folder_path=path,
            commit_message="The page of MoFM",
            delete_patterns="*",
        )
    return str(address)


def requirements() -> list[str]:
    """Return what the package needs for the page, one requirement a line; of its own extras what they bring."""
    named = [Requirement(line) for line in metadata.requires("mofm") or []]
    wanted = [
        one
        for one in named
        if one.name != "mofm" and (one.marker is None or any(one.marker.evaluate({"extra": name}) for name in EXTRAS))
    ]
    return sorted({f"{one.name}{one.specifier}" for one in wanted})
