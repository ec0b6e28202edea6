"""Train anomaly detectors: on normal motion only (DT3), or with labels of clips or frames (DT4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from modeling_mofm.anomaly.modeling import MoFMForAnomalyDetection
from modeling_mofm.anomaly.scorer import LONGEST
from modeling_mofm.configuration_mofm import UNSUPERVISED_SCORES, MoFMConfig
from modeling_mofm.masking import noise_shape
from modeling_mofm.modeling_mofm import WORD_HEADS
from modeling_mofm.pretraining.modeling import MoFMForMaskedMotionModeling
from motion_data.corpora.load import load_corpus
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

from .anomaly_clips import hold_out, labelled_clips, normal_clips, row_labels, window_rate
from .arguments import (
    DataArguments,
    MotionTrainingArguments,
    check_checkpoint,
    check_run,
    check_space,
    last_checkpoint,
    num_samples,
)
from .augmentation import Augmentation
from .motion_trainer import MotionTrainer
from .pretraining import SIZE_FIELDS, MoFMTrainer, check_words
from .publishing import publish
from .row_digests import row_digests
from .run_identity import check_identity, digest_of
from .samples import ClipMaker, MotionSamples, StoredClips, collate_samples
from .seen_rows import record_rows

MODES = ("unsupervised", "supervised")
SUPERVISED_STEPS = 1000


@dataclass
class AnomalyArguments:
    """Which anomaly detector to train."""

    model: str = field(metadata={"help": "Folder or Hub id of a pre-trained MoFM with its tokenizer beside it."})
    mode: str = field(default="unsupervised", metadata={"help": "unsupervised (normal motion only) or supervised."})
    window: float = field(default=0.8, metadata={"help": "Seconds of a sliding window; 0 takes whole recordings."})
    stride: float = field(default=0.2, metadata={"help": "Seconds between two windows to learn from."})
    anomaly_score: str = field(default="distance", metadata={"help": "nll, distance or combined (unsupervised)."})
    normal_classes: list[str] | None = field(
        default=None, metadata={"help": "Names of the classes that are normal; without them frame labels tell."}
    )
    held_out_fraction: float = field(
        default=0.2, metadata={"help": "Fraction of normal subjects (or rows) held out to standardise both scores."}
    )
    reference_size: int = field(default=1024, metadata={"help": "Normal clips remembered at most."})
    freeze_backbone: bool = field(default=False, metadata={"help": "Train the head only (supervised)."})

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}, got {self.mode!r}")
        if self.anomaly_score not in UNSUPERVISED_SCORES:
            raise ValueError(f"anomaly_score must be one of {UNSUPERVISED_SCORES}, got {self.anomaly_score!r}")
        if not 0 <= self.window <= LONGEST:
            raise ValueError(f"window must be 0 (whole recordings) or seconds up to {LONGEST:g}, got {self.window}")
        if not 0 < self.stride <= LONGEST:
            raise ValueError(f"stride must be above 0 and at most {LONGEST:g} seconds, got {self.stride}")
        if not 0 <= self.held_out_fraction < 1:
            raise ValueError(f"held_out_fraction must be in [0, 1), got {self.held_out_fraction}")


@dataclass
class AnomalyTrainingArguments(MotionTrainingArguments):
    """`MotionTrainingArguments` for detectors, of which an unsupervised one needs no training."""

    max_steps: int = field(
        default=-1,
        metadata={
            "help": f"Optimiser steps; -1: {SUPERVISED_STEPS} if supervised, else none: the encoder stays as it is."
        },
    )
    learning_rate: float = field(default=1e-4, metadata={"help": "Peak learning rate."})
    # a supervised detector predicts no words, and masks nothing
    ddp_find_unused_parameters: bool | None = field(default=True, metadata={"help": "Not all parameters are used."})


def train_unsupervised(
    options: AnomalyArguments,
    corpus: Dataset,
    rows: Sequence[int],
    args: MotionTrainingArguments,
    datasets: Sequence[str] = (),
) -> tuple[MoFMForAnomalyDetection, dict[str, float]]:
    """Continue masked pre-training on normal motion, then fit the reference; saved to `args.output_dir`.

    Both scores are scaled by normal motion that neither the training nor the reference has seen. With `max_steps` 0
    the backbone stays as it is.

    Args:
        rows: ids of normal rows.
        datasets: name of the corpus, for the card.

    Returns:
        the detector, and of the held-out normal clips the mean and spread of both scores.

    Raises:
        ValueError: no normal motion, or options that cannot work, before training starts.
    """
    check_run(args)
    tokenizer = MoFMTokenizer.from_pretrained(options.model).to(args.device)
    torch.manual_seed(args.seed)
    config = MoFMConfig.from_pretrained(options.model)
    config.keep_objectives_of_clips()
    config.word_loss_weight = config.word_loss_weight or 1.0  # likelihoods are of words, learnt before or not
    model = MoFMForMaskedMotionModeling.from_pretrained(options.model, config=config)
    config = model.config
    new = sorted(model.new_parts & set(WORD_HEADS))
    if new and args.max_steps <= 0 and options.anomaly_score != "distance":
        raise ValueError(
            f"model {options.model!r} has no weights of {', '.join(new)}, which anomaly_score "
            f"{options.anomaly_score!r} needs; give max_steps to train them, or take anomaly_score distance"
        )
    learnt, held = hold_out(corpus, rows, options.held_out_fraction, args.seed)
    digests = row_digests(corpus.select(rows))
    config.fps = window_rate(corpus, rows)
    windows = (options.window, options.stride, config.fps)
    normal = normal_clips(corpus, learnt, tokenizer, *windows)
    held_out = normal_clips(corpus, held, tokenizer, *windows) if len(held) else None
    for name, clips, needed in (("learnt from", normal, config.num_neighbors + 1), ("held out", held_out, 2)):
        if clips is not None and len(clips["keypoints"]) < needed:
            raise ValueError(
                f"{len(clips['keypoints'])} normal clips are {name}, and {needed} are needed; give more recordings, "
                "longer ones, or another held_out_fraction"
            )
    check_checkpoint(args.output_dir, config, SIZE_FIELDS)
    check_words(args.output_dir, tokenizer)
    check_identity(args, digests, options=options)
    if args.max_steps > 0:
        learn_words(model, tokenizer, normal, args)
    config.anomaly_score = options.anomaly_score
    config.window_seconds = options.window or config.window_seconds
    detector = MoFMForAnomalyDetection(config).to(args.device)
    detector.load_state_dict(model.state_dict(), strict=False)
    detector.fit_reference(normal, held_out, options.reference_size, seed=args.seed)
    save(detector, tokenizer, args, digests, options.model, datasets)
    scales = ("nll_mean", "nll_std", "distance_mean", "distance_std")
    counts = {"clips": normal, "held_out_clips": held_out}
    figures = {name: 0 if clips is None else len(clips["keypoints"]) for name, clips in counts.items()}
    return detector, figures | {name: float(getattr(detector.reference, name)) for name in scales}


def learn_words(
    model: MoFMForMaskedMotionModeling,
    tokenizer: MoFMTokenizer,
    normal: dict[str, Tensor],
    args: MotionTrainingArguments,
) -> None:
    """Go on with masked pre-training on clips of `normal_clips`, from the last checkpoint where there is one."""
    config = model.config
    check_space(model, args)
    clips = {"keypoints": normal["keypoints"], "scores": normal["scores"], "labels": normal["input_ids"]}
    shape = noise_shape(config.masking, config.grid_size, config.num_keypoints)
    samples = MotionSamples(StoredClips(clips), num_samples(args), args.seed, shape)
    trainer = MoFMTrainer(model=model, args=args, train_dataset=samples, dved=tokenizer.dved)
    if trainer.is_world_process_zero():
        tokenizer.save_pretrained(args.output_dir)
    trainer.train(resume_from_checkpoint=args.resume_from_checkpoint or last_checkpoint(args.output_dir))


def train_supervised(
    options: AnomalyArguments,
    corpus: Dataset,
    rows: Sequence[int],
    args: MotionTrainingArguments,
    labels: Sequence[int] | None = None,
    augmentation: Augmentation | None = None,
    datasets: Sequence[str] = (),
) -> tuple[MoFMForAnomalyDetection, dict[str, float]]:
    """Train the binary head, and the backbone with it unless frozen; saved to `args.output_dir`.

    Anomalous examples weigh as much in sum as normal ones (`config.pos_weight`).

    Args:
        rows: ids of rows to learn from.
        labels: see `labelled_clips`.
        augmentation: of the clips; None leaves them as they are.
        datasets: name of the corpus, for the card.

    Returns:
        the detector, and the numbers of clips and of anomalous and normal labels.

    Raises:
        ValueError: labels that cannot work, before training starts.
    """
    check_run(args)
    tokenizer = MoFMTokenizer.from_pretrained(options.model)
    torch.manual_seed(args.seed)
    model = MoFMForAnomalyDetection.from_pretrained(options.model)
    config = model.config
    extractor = tokenizer.feature_extractor
    config.fps = window_rate(corpus, rows)
    clips, targets = labelled_clips(corpus, rows, extractor, labels, options.window, options.stride, config.fps)
    normal, anomalous = int((targets == 0).sum()), int((targets == 1).sum())
    config.pos_weight = normal / anomalous
    config.anomaly_score = "classifier"
    config.window_seconds = options.window or config.window_seconds
    check_checkpoint(args.output_dir, config, SIZE_FIELDS)
    digests = row_digests(corpus.select(rows))
    said = None if labels is None else digest_of(np.asarray(labels))
    check_identity(args, digests, options=options, labels=said, augmentation=augmentation)
    check_space(model, args)
    if options.freeze_backbone:
        model.mofm.requires_grad_(False)
    stored = {"keypoints": [c.keypoints for c in clips], "scores": [c.scores for c in clips], "labels": targets}
    source = StoredClips(stored, ClipMaker(extractor, augmentation))
    samples = MotionSamples(source, num_samples(args), args.seed)
    trainer = MotionTrainer(model=model, args=args, train_dataset=samples, data_collator=collate_samples)
    trainer.train(resume_from_checkpoint=args.resume_from_checkpoint or last_checkpoint(args.output_dir))
    model.new_parts -= {"anomaly_head"}
    save(model, tokenizer, args, digests, options.model, datasets)
    return model, {"clips": len(clips), "normal": normal, "anomalous": anomalous, "pos_weight": config.pos_weight}


def finetune_anomaly(
    options: AnomalyArguments, data: DataArguments, args: MotionTrainingArguments
) -> dict[str, float]:
    """Train a detector on the training part of one corpus, as `options.mode` says, and return its figures.

    Steps below 0 are those of `AnomalyTrainingArguments`.

    Raises:
        ValueError: more than one corpus, or labels that cannot work.
    """
    if len(data.dataset) != 1 or data.streaming:
        raise ValueError(f"dataset must be one corpus that is not streamed, got {data.dataset}")
    if args.max_steps < 0:
        args.max_steps = SUPERVISED_STEPS if options.mode == "supervised" else 0
    corpus = load_corpus(data.dataset[0], "train")
    rows = np.arange(len(corpus))
    labels = None if options.normal_classes is None else row_labels(corpus, options.normal_classes)
    if options.mode == "unsupervised":
        rows = rows if labels is None else rows[labels == 0]
        return train_unsupervised(options, corpus, rows, args, data.dataset)[1]
    augmentation = Augmentation() if data.augment else None
    return train_supervised(options, corpus, rows, args, labels, augmentation, data.dataset)[1]


def save(
    detector: MoFMForAnomalyDetection,
    tokenizer: MoFMTokenizer,
    args: MotionTrainingArguments,
    digests: list[str],
    model: str,
    datasets: Sequence[str],
) -> None:
    """Save a detector, its tokenizer, and the record of its training rows and those of the model it started from."""
    if args.process_index == 0:
        detector.save_pretrained(args.output_dir)
        tokenizer.save_pretrained(args.output_dir)
        record_rows(args.output_dir, digests, model)
        publish(args, datasets)
