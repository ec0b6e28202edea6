"""Train anomaly detectors: on normal motion only (DT3), or with labels of clips or frames (DT4).

Clips are the sliding windows that the detector will score, or whole recordings, in the fixed view if they are 3D.
Everything takes a `datasets.Dataset` and row ids, so that folds can be looped over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from datasets import ClassLabel, Dataset
from torch import Tensor

from modeling_mofm.anomaly.modeling import MoFMForAnomalyDetection
from modeling_mofm.anomaly.scorer import LONGEST
from modeling_mofm.configuration_mofm import ANOMALY_SCORES, MoFMConfig
from modeling_mofm.masking import noise_shape
from modeling_mofm.modeling_mofm import WORD_HEADS, MoFMForMaskedMotionModeling
from modeling_mofm.windows import MAX_GAP, sliding_windows
from motion_data.corpora.load import load_corpus
from motion_data.keypoints import MIN_FRAMES, Motion, NobodyVisibleError, sample_frames
from motion_data.resampling import FPS, frames_in, known_rate, resample, source_frames
from motion_data.rows import row_recording
from motion_data.views import MEASURING, USUAL_VIEW, choose_segment, view
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

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
from .pretraining import SIZE_FIELDS, MoFMTrainer, check_words, tokenise
from .publishing import publish
from .row_digests import row_digests
from .run_identity import check_identity, digest_of
from .samples import ClipMaker, MotionSamples, StoredClips, collate_samples, report_empty
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
        if self.anomaly_score not in ANOMALY_SCORES[:-1]:
            raise ValueError(f"anomaly_score must be one of {ANOMALY_SCORES[:-1]}, got {self.anomaly_score!r}")
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


def row_labels(corpus: Dataset, normal_classes: Sequence[str]) -> np.ndarray:
    """Return 0 for rows of normal classes and 1 for those of others, -1 without a class, `[rows]`.

    Raises:
        ValueError: a class that the corpus does not have, or a corpus whose labels have no names.
    """
    names = corpus.features["label"].names if isinstance(corpus.features["label"], ClassLabel) else []
    unknown = [name for name in normal_classes if name not in names]
    if unknown:
        raise ValueError(f"normal_classes has {unknown}, which the corpus has not; it has {names}")
    labels = np.asarray(corpus["label"])
    normal = np.isin(labels, [names.index(name) for name in normal_classes])
    return np.where(labels < 0, -1, ~normal)


def view_row(row: dict, window: float, rate: float = FPS) -> Motion:
    """Return the motion of a row in 2D: all of it at `rate` for windows, without (0) the segment that is one clip."""
    recording = row_recording(row)
    motion = view(recording, options=USUAL_VIEW if window else MEASURING)
    return resample(motion, known_rate(recording.fps), rate) if window else motion


def window_rate(corpus: Dataset, rows: Sequence[int]) -> float:
    """Return the frames a second at which rows are cut into windows: their own if it is the same for all, else 30."""
    rates = {round(float(rate) or FPS, 3) for rate in corpus.select_columns("fps").select(rows)["fps"]}
    return rates.pop() if len(rates) == 1 else FPS


def normal_clips(
    corpus: Dataset,
    rows: Sequence[int],
    tokenizer: MoFMTokenizer,
    window: float = 0.8,
    stride: float = 0.2,
    rate: float = FPS,
    missing: slice | None = None,
) -> dict[str, Tensor]:
    """Return the clips of single people from which normal motion is learnt, and their words.

    Args:
        corpus: rows with the columns of `motion_features`.
        rows: ids of normal rows; windows that hold a frame labelled anomalous are left out.
        tokenizer: fits clips into the map and tokenises them.
        window: seconds of a sliding window; 0 takes each recording as one clip.
        stride: seconds between windows.
        rate: frames a second to which recordings are brought before windows are cut out (`window_rate`).
        missing: key-points that are taken as not seen, such as those below the hips.

    Returns:
        `keypoints` [N, F, 17, 2], `scores` [N, F, 17] and `input_ids` [N, L].

    Raises:
        ValueError: no row gives a clip.
    """
    extractor = tokenizer.feature_extractor
    clips, empty = [], []
    length, step = frames_in(window, rate, MIN_FRAMES), frames_in(stride, rate)
    for number, row in zip(rows, corpus.select(rows).with_format("numpy"), strict=True):
        try:
            motion = view_row(row, window, rate)
        except NobodyVisibleError:
            empty.append(int(number))
            continue
        if missing is not None:
            motion.scores[..., missing] = 0
        if not window:
            clips.append(extractor.clip(motion))
            continue
        people, starts = sliding_windows(motion.scores.any(-1), length, step, frames_in(MAX_GAP, rate, 0))
        anomalous = np.asarray(row.get("frame_labels", ()), bool)
        if len(anomalous):
            anomalous = anomalous[source_frames(len(anomalous), known_rate(float(row["fps"])), rate)]
            normal = ~anomalous[starts[:, None] + np.arange(length)].any(1)
            people, starts = people[normal], starts[normal]
        clips.append(extractor.fit_windows(motion, people, starts, length))
    report_empty(empty, len(rows))
    if not sum(len(clip.keypoints) for clip in clips):
        least = f"{window:g} seconds" if window else "a frame"
        raise ValueError(f"none of {len(rows)} normal rows has a person in sight for {least}; one must")
    tensors = {
        name: torch.from_numpy(np.concatenate([getattr(clip, name) for clip in clips]).astype(np.float32))
        for name in ("keypoints", "scores")
    }
    return {**tensors, "input_ids": tokenise(tokenizer.dved, tensors)}


def hold_out(corpus: Dataset, rows: Sequence[int], share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into those to learn from and those to scale scores by: other subjects where subjects are known.

    Args:
        share: of the subjects, at least one; of the rows where there is only one subject; 0 holds none out.

    Returns:
        row ids of both, ascending.
    """
    rows = np.asarray(rows)
    groups = np.asarray(corpus["subject"])[rows] if "subject" in corpus.column_names else rows
    if len(np.unique(groups)) < 2 or (groups < 0).any():
        groups = rows
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    count = min(max(round(share * len(names)), 1), len(names) - 1) if share else 0
    held = np.isin(groups, names[:count])
    return np.sort(rows[~held]), np.sort(rows[held])


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
    config.view_loss_weight = 0.0  # normal clips have one view
    config.word_loss_weight = (
        config.word_loss_weight or 1.0
    )  # likelihoods are of words, whether it has learnt them or not
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
    if args.max_steps > 0:
        check_checkpoint(args.output_dir, config, SIZE_FIELDS)
        check_words(args.output_dir, tokenizer)
        check_identity(args, digests, options=options)
        check_space(model, args)
        clips = {"keypoints": normal["keypoints"], "scores": normal["scores"], "labels": normal["input_ids"]}
        shape = noise_shape(config.masking, config.grid_size, config.num_keypoints)
        samples = MotionSamples(StoredClips(clips), num_samples(args), args.seed, shape)
        trainer = MoFMTrainer(model=model, args=args, train_dataset=samples, dved=tokenizer.dved)
        if trainer.is_world_process_zero():
            tokenizer.save_pretrained(args.output_dir)
        trainer.train(resume_from_checkpoint=args.resume_from_checkpoint or last_checkpoint(args.output_dir))
    config.anomaly_score = options.anomaly_score
    config.window_seconds = options.window or config.window_seconds
    detector = MoFMForAnomalyDetection(config).to(args.device)
    detector.load_state_dict(model.state_dict(), strict=False)
    detector.fit_reference(normal, held_out, options.reference_size, seed=args.seed)
    save(detector, tokenizer, args, digests, options.model, datasets)
    reference = detector.reference
    figures = {
        f"{name}_{kind}": float(getattr(reference, f"{name}_{kind}"))
        for name in ("nll", "distance")
        for kind in ("mean", "std")
    }
    return detector, {
        "clips": len(normal["keypoints"]),
        "held_out_clips": len(held_out["keypoints"]) if held_out else 0,
        **figures,
    }


def labelled_clips(
    corpus: Dataset,
    rows: Sequence[int],
    extractor: MoFMFeatureExtractor,
    labels: Sequence[int] | None = None,
    window: float = 0.8,
    stride: float = 0.2,
    rate: float = FPS,
) -> tuple[list[Motion], np.ndarray]:
    """Return clips of all people together, and their labels.

    Args:
        corpus, rows: as in `normal_clips`.
        labels: 1 (anomalous), 0 or -1 (not known) for each of the rows; None takes the corpus's `frame_labels`.
        window, stride, rate: as in `normal_clips`.

    Returns:
        clips `[M, F, 17, 2]` and labels `[N]`, or `[N, F]` from `frame_labels`.

    Raises:
        ValueError: labels that are missing, out of range, or all the same.
    """
    if labels is not None and (len(labels) != len(rows) or not np.isin(labels, (-1, 0, 1)).all()):
        raise ValueError(f"labels must be one of -1, 0 and 1 for each of {len(rows)} rows, got {list(labels)[:8]}")
    clips, targets, empty = [], [], []
    for number, row in enumerate(corpus.select(rows).with_format("numpy")):
        try:
            motion = view_row(row, window, rate)
        except NobodyVisibleError:
            empty.append(int(rows[number]))
            continue
        num_frames = motion.scores.shape[1]
        of_frames = np.asarray(row.get("frame_labels", ()), np.int64)
        if labels is None and len(of_frames) != np.asarray(row["shape"])[1]:
            raise ValueError(
                f"row {rows[number]} has {len(of_frames)} frame_labels for {row['shape'][1]} frames; each frame needs "
                "one, or each row a label"
            )
        if not window and labels is None:
            of_frames = of_frames[choose_segment(len(of_frames), float(row["fps"]), MEASURING, None)]
        elif window and len(of_frames):
            of_frames = of_frames[source_frames(len(of_frames), known_rate(float(row["fps"])), rate)]
        length = frames_in(window, rate, MIN_FRAMES) if window else num_frames
        for start in range(0, num_frames - length + 1, frames_in(stride, rate)):
            frames = start + sample_frames(length, extractor.num_frames)
            seen = motion.scores[:, frames].any((1, 2))
            if seen.any():
                clips.append(extractor.fit(Motion(motion.keypoints[seen][:, frames], motion.scores[seen][:, frames])))
                targets.append(of_frames[frames] if labels is None else labels[number])
    report_empty(empty, len(rows))
    known = np.asarray(targets, np.int64)
    if not ((known == 0).any() and (known == 1).any()):
        raise ValueError(
            f"labels of {len(known)} clips hold {np.unique(known).tolist()}; both 0 (normal) and 1 (anomalous) "
            "are needed"
        )
    return clips, known


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
    """Save a detector, its tokenizer, and which rows it learnt from: these, and those of the model it started from."""
    if args.process_index == 0:
        detector.save_pretrained(args.output_dir)
        tokenizer.save_pretrained(args.output_dir)
        record_rows(args.output_dir, digests, model)
        publish(args, datasets)
