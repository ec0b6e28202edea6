"""Share a prepared corpus: one commit of its shards, its card and its manifest to a dataset repository on the Hub."""

from __future__ import annotations

import os
from pathlib import Path

from huggingface_hub import HfApi

from .shards import MANIFEST, PLAN, read_manifest

SHARED = ["README.md", MANIFEST, "data/*.parquet"]


def push_corpus(folder: str | os.PathLike, repo_id: str, private: bool | None = None, token: str | None = None) -> str:
    """Upload a corpus; `load_corpus(repo_id)` and `datasets.load_dataset(repo_id)` load it again.

    The upload is one commit, which also removes the shards of an earlier version: a reader sees one corpus or the
    other, never a mixture, and an interrupted upload changes nothing.

    Args:
        folder: written by `preparing.prepare_corpus`; what else lies there stays here.
        repo_id: "<user>/<name>"; made if it does not exist.
        private: whether a new repository is.
        token: of the user; None takes that of `hf auth login`.

    Returns:
        URL of the commit.

    Raises:
        ValueError: the folder was not prepared, or not to the end, or a shard is missing or cut off.
        huggingface_hub.errors.HfHubHTTPError: the Hub refuses: no access, or a card that it does not accept.
    """
    folder = Path(folder)
    if (folder / PLAN).is_file() or read_manifest(folder) is None:
        raise ValueError(f"corpus folder {str(folder)!r} is not a prepared corpus: it has no {MANIFEST}")
    api = HfApi(token=token)
    repo_id = api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True).repo_id
    commit = api.upload_folder(
        folder_path=folder,
        repo_id=repo_id,
        repo_type="dataset",
        allow_patterns=SHARED,
        delete_patterns=["data/*.parquet"],
        commit_message="Upload motion corpus",
    )
    return commit.commit_url
