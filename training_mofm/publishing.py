"""Push what a training leaves to the Hub: all parts of the model in one commit, and nothing of the training itself.

transformers' Trainer would push its own model after each checkpoint, without tokenizer and preprocessor, and for a
detector the model that it was made from.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from huggingface_hub import HfApi
from transformers import TrainingArguments

from tokenization_mofm.card import write_card
from tokenization_mofm.remote_code import CODE_FILE, add_remote_code

PARTS = [
    "README.md",
    CODE_FILE,
    "config.json",
    "model*.safetensors*",
    "preprocessor_config.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "dved/*",
    "training_rows.json",
    "figures.json",
]


def make_repository(args: TrainingArguments) -> str | None:
    """Make the repository that a training is to be pushed to, if there is to be one, and return its id.

    Called before a training, so that a missing token or permission costs nothing.

    Raises:
        huggingface_hub.errors.HfHubHTTPError: the Hub refuses.
    """
    if not args.push_to_hub:
        return None
    name = args.hub_model_id or Path(args.output_dir).resolve().name
    api = HfApi(token=args.hub_token)
    return api.create_repo(name, private=args.hub_private_repo, exist_ok=True).repo_id


def publish(args: TrainingArguments, datasets: Sequence[str] = (), figures: Mapping[str, float] | None = None) -> None:
    """Push the parts of the model in `args.output_dir` with a card, where `args.push_to_hub` says so, in one commit.

    Args:
        datasets: corpora that it was trained on.
        figures: measured on held-out rows.
    """
    if not args.push_to_hub or args.process_index:
        return
    repository = make_repository(args)
    if not (Path(args.output_dir) / "README.md").is_file():  # one that somebody wrote stays
        write_card(Path(args.output_dir), repository or "", datasets, figures or {}, sys.argv)
    add_remote_code(args.output_dir)
    HfApi(token=args.hub_token).upload_folder(
        folder_path=args.output_dir, repo_id=repository, allow_patterns=PARTS, commit_message="Upload MoFM"
    )
