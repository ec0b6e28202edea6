"""What is pushed to the Hub is a whole repository, whichever part of it is pushed."""

from __future__ import annotations

import os
from pathlib import Path

from .card import write_card
from .remote_code import add_remote_code

UNFILLED = "[More Information Needed]"  # in the cards that transformers writes by itself


class WholeRepository:
    """Mixed into what transformers can push: the parts beside it, the code, and a card go along.

    A card that somebody wrote stays as it is.
    """

    def save_companions(self, folder: str | os.PathLike) -> None:
        """Save the parts that belong to this one and that its own `save_pretrained` leaves out; here none."""

    def _upload_modified_files(self, working_dir: str | os.PathLike, repo_id: str, *args, **kwargs):
        folder = Path(working_dir)
        self.save_companions(folder)
        add_remote_code(folder)
        card = folder / "README.md"
        if not card.is_file() or UNFILLED in card.read_text():
            try:
                write_card(folder, repo_id)
            except FileNotFoundError:  # neither a model nor a dVED, or the template is not at hand
                pass
        return super()._upload_modified_files(working_dir, repo_id, *args, **kwargs)  # type: ignore[misc]
