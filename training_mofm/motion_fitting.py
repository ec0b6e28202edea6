"""Train a `MotionReader` on its own: it needs another schedule than the encoder, and is worse if trained jointly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from modeling_mofm.actions.modeling import MoFMForSequenceClassification
from modeling_mofm.actions.motion_reader import MotionReader
from modeling_mofm.configuration_mofm import MoFMConfig

from .arguments import MotionTrainingArguments
from .samples import ClipMaker, EveryRow, MotionSamples, collate_samples

EPOCHS = 60
MIN_STEPS = 2000  # small sets get more epochs: after 120 steps it is near chance, and it improves up to here
BATCH_SIZE = 32
PEAK_RATE = 2e-3  # of the learning rate, one cycle
WEIGHT_DECAY = 0.01
SMOOTHING = 0.1  # of labels


def add_motion_reader(
    model: MoFMForSequenceClassification,
    size: int,
    train: Dataset,
    labels: np.ndarray,
    maker: ClipMaker,
    args: MotionTrainingArguments,
) -> MoFMForSequenceClassification:
    """Add a `MotionReader` to a model, trained on random views of recordings; the encoder and the head do not change.

    Trained jointly by one loss, each leaves the easy cases to the other, and both are less accurate.

    Args:
        size: width of the reader; 0 adds none.
        train, labels: recordings with at least one person each, and their labels `[rows]`, or `[rows, num_labels]`.
        maker: makes the clips.
        args: seed, label smoothing, workers and device are used.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    if not size:
        return model
    torch.manual_seed(args.seed)
    model.config.classifier_motion_size = size
    model.motion_reader = MotionReader(model.config).to(args.device)
    smoothing, workers = args.label_smoothing_factor, args.dataloader_num_workers

    def loss(clips: dict[str, Tensor]) -> Tensor:
        return model.loss(model.read_motion(clips["keypoints"], clips["scores"]), clips["labels"], smoothing)

    _fit(model.motion_reader, loss, EveryRow(train, labels, maker, args.seed), args.seed, workers, args.disable_tqdm)
    return model


def fit_motion_reader(
    config: MoFMConfig,
    size: int,
    train: Dataset,
    labels: np.ndarray,
    maker: ClipMaker,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> MotionReader:
    """Train a `MotionReader` on some classes, whose embeddings (`embed`) are then used for other classes.

    Args:
        config: configuration of the encoder beside which it is used.
        size: width of the reader.
        train, labels: recordings with at least one person each, and their labels `[rows]`, any integers.
        maker: makes the clips.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    torch.manual_seed(seed)
    classes, labels = np.unique(labels, return_inverse=True)
    reader = MotionReader(config, (size, len(classes))).to(device)

    def loss(clips: dict[str, Tensor]) -> Tensor:
        logits = reader(clips["keypoints"], clips["scores"])
        return F.cross_entropy(logits, clips["labels"], label_smoothing=SMOOTHING)

    _fit(reader, loss, EveryRow(train, labels, maker, seed), seed)
    return reader


def _fit(
    reader: MotionReader,
    loss_of: Callable[[dict[str, Tensor]], Tensor],
    source: EveryRow,
    seed: int,
    workers: int = 0,
    quiet: bool = False,
) -> None:
    device = next(reader.parameters()).device
    steps = max(EPOCHS * -(-len(source.corpus) // BATCH_SIZE), MIN_STEPS)
    samples = MotionSamples(source, steps * BATCH_SIZE, seed)
    loader = torch.utils.data.DataLoader(samples, BATCH_SIZE, collate_fn=collate_samples, num_workers=workers)
    optimizer = torch.optim.AdamW(reader.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    reader.train()
    for batch in tqdm(loader, desc="fitting the motion reader", disable=quiet):
        loss = loss_of({name: values.to(device) for name, values in batch.items()})
        if not loss.isfinite():
            raise FloatingPointError(f"the loss of the motion reader is {loss.item()}, no finite number")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    reader.eval()
