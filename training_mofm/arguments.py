"""What training the dVED and pre-training MoFM share: arguments, the corpus, and checks before any work is done."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, IterableDataset
from torch import nn
from transformers import HfArgumentParser, TrainingArguments

from motion_data.corpora.load import SYNTHETIC, load_corpus
from motion_data.corpora.mixing import Mixture, check_weights, mix_streams
from tokenization_mofm.configuration_cubes import GEOMETRY_FIELDS, ThermalCubeConfig, first_difference
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor

from .augmentation import Augmentation
from .command_line import CommandParser
from .publishing import make_repository
from .samples import ClipMaker, ClipSource, MotionSamples, RandomRows, StreamedSamples, held_out_clips


@dataclass
class DataArguments:
    """Where clips come from."""

    dataset: list[str] = field(
        default_factory=lambda: [SYNTHETIC],
        metadata={"help": "Folders or Hub ids of motion corpora; 'synthetic' is the embedded one."},
    )
    weights: list[float] | None = field(
        default=None, metadata={"help": "Sampling weight per corpus. Default: every recording is equally likely."}
    )
    streaming: bool = field(default=False, metadata={"help": "Read the training corpus as a stream."})
    augment: bool = field(default=True, metadata={"help": "Flip, turn, scale, shift and thin out training clips."})
    center_prob: float = field(
        default=0.0,
        metadata={"help": "Chance that people of a training clip stand in the middle of the map in each frame."},
    )
    eval_clips: int = field(
        default=512, metadata={"help": "Held-out rows of each corpus to measure on; 0 takes all of them."}
    )

    def __post_init__(self) -> None:
        if isinstance(self.dataset, str):
            self.dataset = [self.dataset]
        check_weights(self.weights, len(self.dataset))
        if self.center_prob and not self.augment:
            raise ValueError(
                f"center_prob is {self.center_prob} and augment false: clips that never change cannot be centred now "
                "and then; leave augment on, or use center_frames"
            )
        Augmentation(center_prob=self.center_prob)  # says what is wrong with it


WITHOUT_MEANING = {  # fields of `TrainingArguments` that must be as they are there, and why
    "eval_strategy": "held-out rows are measured once, at the end (pre-training asks on the way with probe)",
    "load_best_model_at_end": "the model of the last step is the result",
    "label_smoothing_factor": "only labels of classes are smoothed",
    "neftune_noise_alpha": "cubes have no word embeddings to which noise could be added",
}


@dataclass
class MotionTrainingArguments(TrainingArguments):
    """`TrainingArguments` with the defaults of this project."""

    output_dir: str | None = field(default=None, metadata={"help": "Where the result and its checkpoints go."})
    max_steps: int = field(default=10_000, metadata={"help": "Optimiser steps."})
    per_device_train_batch_size: int = field(default=16, metadata={"help": "Clips per device and step."})
    learning_rate: float = field(default=1e-3, metadata={"help": "Peak learning rate."})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "Decay of the learning rate."})
    warmup_steps: float = field(default=0.05, metadata={"help": "Warm-up, as a fraction of the steps if below 1."})
    weight_decay: float = field(default=0.01, metadata={"help": "AdamW's weight decay."})
    adam_beta2: float = field(default=0.95, metadata={"help": "AdamW's second beta."})
    logging_steps: float = field(default=100, metadata={"help": "Steps between two lines of the log."})
    save_steps: float = field(default=500, metadata={"help": "Steps between two checkpoints."})
    save_total_limit: int | None = field(default=2, metadata={"help": "Checkpoints kept."})
    dataloader_num_workers: int = field(default=1, metadata={"help": "Processes that prepare clips."})
    remove_unused_columns: bool = field(default=False, metadata={"help": "Samples hold what the models take."})
    ddp_find_unused_parameters: bool | None = field(default=False, metadata={"help": "All parameters are used."})
    compile_layers: bool = field(
        default=False,
        metadata={"help": "Compile the encoder's layers: on a GPU a minute at the start, then steps are faster."},
    )
    use_cpu: bool = field(default=not torch.cuda.is_available(), metadata={"help": "Train on the CPU."})

    def __post_init__(self) -> None:
        if not self.output_dir:
            raise ValueError("output_dir is missing; it must name the folder for the result")
        for name, reason in WITHOUT_MEANING.items():
            allowed, value = getattr(TrainingArguments, name), getattr(self, name)
            value = getattr(value, "value", value)  # of an enumeration
            if value != allowed == getattr(type(self), name):  # else a kind of training gives it a meaning
                raise ValueError(f"{name} is {value!r}; it must be {allowed!r}: {reason}")
        super().__post_init__()


NOT_FOR_USERS = {"remove_unused_columns", "ddp_find_unused_parameters"}  # other values than ours do not work
SELDOM_CHANGED = {"adam_beta2", "save_total_limit"}


class _DefaultsShown(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    pass


class TrainingParser(HfArgumentParser, CommandParser):
    """Parser of a script that trains: the fields of dataclasses are its options.

    The short help leaves out fields of `TrainingArguments` whose defaults are transformers', or are seldom changed.

    Args:
        dataclass_types: as in `HfArgumentParser`.
        doc, others: as in `CommandParser`.
    """

    def __init__(self, dataclass_types: type | Sequence[type], doc: str, **others: Any) -> None:
        super().__init__(dataclass_types, doc=doc, formatter_class=_DefaultsShown, **others)

    def is_main(self, option: argparse.Action) -> bool:
        negated = option.option_strings[0].startswith("--no_")  # of a switch, which has a line of its own
        return super().is_main(option) and not negated and option.dest not in self._inherited

    def parse_args_into_dataclasses(self, args: Sequence[str] | None = None, **others: Any) -> tuple:
        """Parse as `HfArgumentParser` does; what the dataclasses refuse ends the script as any wrong option does."""
        try:
            *parsed, unknown = super().parse_args_into_dataclasses(args, return_remaining_strings=True, **others)
        except ValueError as error:
            self.error(str(error))
        if unknown:
            self.error(f"unknown options: {' '.join(unknown)}")
        return tuple(parsed)

    @cached_property
    def _inherited(self) -> set[str]:
        own = {name for one in self.dataclass_types for name in _own_fields(one)} - NOT_FOR_USERS - SELDOM_CHANGED
        return {one.name for one in fields(TrainingArguments)} - own


def _own_fields(arguments: type) -> set[str]:
    """Return the fields that a dataclass states itself, or whose default it changes, in this project."""
    lines = [one for one in arguments.__mro__ if one not in TrainingArguments.__mro__]
    return {name for one in lines for name in one.__dict__.get("__annotations__", {})}


def check_run(args: TrainingArguments, has_epochs: bool = True) -> None:
    """Refuse, before any work, what would fail later or spoil its result.

    Args:
        has_epochs: whether the training can do without a number of steps.

    Raises:
        ValueError: no steps, where they are needed.
        RuntimeError: the launcher started more processes than take part, so that each would train for itself.
        OSError: the output directory cannot be written, or the Hub refuses the repository to be pushed to.
    """
    if args.max_steps < 1 and not has_epochs:
        raise ValueError(
            f"max_steps is {args.max_steps}; it must be 1 or more: rows are drawn at random, there are no epochs"
        )
    launched = int(os.environ.get("WORLD_SIZE", 1))
    if launched != args.world_size:
        raise RuntimeError(
            f"WORLD_SIZE is {launched}, but {args.world_size} process(es) take part in the training; they must agree "
            "(on a CPU start with `accelerate launch --multi-gpu --num-processes N --num-machines 1 "
            "--mixed-precision no --dynamo-backend no`, and pass --use-cpu true)"
        )
    try:
        os.makedirs(args.output_dir, exist_ok=True)
        with tempfile.TemporaryFile(dir=args.output_dir) as probe:
            probe.write(b"\0" * 4096)
    except OSError as error:
        raise OSError(
            f"output_dir {args.output_dir!r} cannot be written ({error}); it must be a writable folder"
        ) from error
    if args.process_index == 0:
        make_repository(args)


def check_space(model: nn.Module, args: TrainingArguments) -> None:
    """Refuse to start a training whose checkpoints do not fit on the disk.

    Raises:
        OSError: naming the output directory, what is free and what the checkpoints take.
    """
    kept = (args.save_total_limit or 1) + 1  # the next one is written before the oldest is removed
    needed = 3 * kept * sum(p.numel() * p.element_size() for p in model.parameters())  # weights, two moments of Adam
    free = shutil.disk_usage(args.output_dir).free
    if free < needed:
        raise OSError(
            f"output_dir {args.output_dir!r} has {free / 1e6:.0f} MB free; {kept} checkpoints of this model take "
            f"{needed / 1e6:.0f} MB (lower save_total_limit, or choose another disk)"
        )


def last_checkpoint(output_dir: str) -> str | None:
    """Return the newest checkpoint that was written completely; one cut off half-way has no trainer state."""
    found = [p for p in Path(output_dir).glob("checkpoint-*") if p.name.split("-")[-1].isdigit()]
    whole = [p for p in found if (p / "trainer_state.json").is_file() and (p / "model.safetensors").is_file()]
    return str(max(whole, key=lambda p: int(p.name.split("-")[-1]))) if whole else None


def check_checkpoint(output_dir: str, config: ThermalCubeConfig, fields: tuple[str, ...]) -> None:
    """Refuse to go on from a model of another geometry, vocabulary or size.

    Raises:
        ValueError: naming the field, its value there and here.
    """
    checkpoint = last_checkpoint(output_dir)
    if checkpoint is None:
        return
    theirs = type(config).from_pretrained(checkpoint)
    if differing := first_difference(config, theirs, (*GEOMETRY_FIELDS, "codebook_size", *fields)):
        name, here, there = differing
        raise ValueError(
            f"{name} of {Path(checkpoint).name} in output_dir {output_dir!r} is {there}, but this run's is {here}"
            "; they must agree, or output_dir be another folder"
        )


def fixed_clips(
    data: DataArguments, extractor: MoFMFeatureExtractor, split: str, num_clips: int | None = None
) -> dict[str, torch.Tensor]:
    """Return one clip that never changes of each row of all corpora, or of `num_clips` rows of each."""
    parts = [held_out_clips(load_corpus(name, split), extractor, num_clips) for name in data.dataset]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def num_samples(args: TrainingArguments) -> int:
    """Return how many clips the steps of a training take, over all processes."""
    return args.max_steps * args.train_batch_size * args.gradient_accumulation_steps * args.world_size


def training_corpora(data: DataArguments) -> list[Dataset] | list[IterableDataset]:
    """Load the train split of each corpus: of generated ones it takes seconds."""
    return [load_corpus(name, "train", data.streaming) for name in data.dataset]


def training_samples(
    corpora: list[Dataset] | list[IterableDataset],
    data: DataArguments,
    args: MotionTrainingArguments,
    extractor: MoFMFeatureExtractor,
    noise_shape: tuple[int, ...] | None = None,
    pairs: bool = False,
    labels: list[np.ndarray] | None = None,
) -> torch.utils.data.Dataset:
    """Return the samples of a whole pre-training, as many as its steps take; two views of a motion each, or one.

    Args:
        corpora: of `training_corpora`.
        labels: `[rows]` of each corpus, which samples get as `action_labels`; not of streams.
    """
    maker = ClipMaker(extractor, Augmentation(center_prob=data.center_prob) if data.augment else None)
    if data.streaming:
        stream = mix_streams(corpora, data.weights, args.seed)
        return StreamedSamples(stream, maker, args.seed, noise_shape, args.process_index, args.world_size, pairs=pairs)
    source: ClipSource = RandomRows(Mixture(corpora, data.weights, labels), maker, pairs=pairs)
    return MotionSamples(source, num_samples(args), args.seed, noise_shape)
