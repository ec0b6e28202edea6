"""The identity of a training: data, rows, labels and options, written beside its checkpoints.

A run resumes from a checkpoint only if all of these are the same: else it would return the weights of another training
as its own. Nor does it overwrite the model of another training. The number of steps may change, to train for longer.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from transformers import TrainingArguments
from transformers.utils import SAFE_WEIGHTS_NAME

from motion_data.corpora.load import GENERATED, load_corpus

from .arguments import DataArguments, last_checkpoint
from .row_digests import row_digests

FILE = "run.json"
# of TrainingArguments: what shapes the weights
SHAPING = ("seed", "learning_rate", "lr_scheduler_type", "weight_decay", "adam_beta1", "adam_beta2", "max_grad_norm")

MEASURING = ("eval_clips", "num_clips", "flip_views")  # options that shape figures, not weights


def read_rows(data: DataArguments) -> list[str] | None:
    """Return the hashes of the training rows of corpora; None if they are streamed.

    Rows of the generated corpora are left out: no protocol tests on them.
    """
    if data.streaming:
        return None
    recorded = [name for name in data.dataset if name not in GENERATED]
    return [digest for name in recorded for digest in row_digests(load_corpus(name, "train"))]


def digest_of(*values: object) -> str:
    """Return a short hash of arrays, lists and whatever JSON holds."""
    digest = hashlib.blake2b(digest_size=8)
    for value in values:
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        digest.update(json.dumps(plain, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def check_identity(args: TrainingArguments, rows: Iterable[str] | None, **facts: object) -> None:
    """Refuse to resume from, or to overwrite, another training; write the identity of this one.

    Args:
        rows: hashes of the rows, in their order; None is a stream.
        facts: everything else that decides the result; dataclasses of arguments become their fields.

    Raises:
        ValueError: the first fact that differs, with its values there and here; or a model of unknown origin.
    """
    batch = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    here: dict[str, object] = {name: getattr(args, name) for name in SHAPING} | {"batch": batch}
    here["rows"] = "a stream" if rows is None else digest_of(list(rows))
    for name, value in facts.items():
        here |= asdict(value) if hasattr(value, "__dataclass_fields__") else {name: value}
    here = {name: value for name, value in here.items() if name not in MEASURING}
    here = json.loads(json.dumps(here, default=str))
    path = Path(args.output_dir) / FILE
    if last_checkpoint(args.output_dir) is not None or path.with_name(SAFE_WEIGHTS_NAME).is_file():
        if not path.is_file():
            raise ValueError(
                f"output_dir {args.output_dir!r} holds a model, and no {FILE} that tells how it was trained; it must "
                "be another folder"
            )
        there = json.loads(path.read_text())
        for name, value in here.items():
            if there.get(name) != value:
                raise ValueError(
                    f"{name} of the training in output_dir {args.output_dir!r} is {there.get(name, 'unknown')!r}, but "
                    f"this one's is {value!r}; they must be the same to go on, or output_dir be another folder"
                )
    if args.process_index == 0:
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(here, indent=1) + "\n")
        os.replace(unfinished, path)
