"""Fit readers of how key-points move, by themselves: they learn faster than the encoder, and another way."""

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
MIN_STEPS = 2000  # few recordings are seen more often: after 120 steps it knows next to nothing, and gains up to here
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
    """Give a model a `MotionReader`, fitted on random views of recordings; the encoder and the head stay as they are.

    Trained together with them by one loss, either leaves to the other what is easy, and both answer worse.

    Args:
        size: width of the reader; 0 adds none.
        train, labels: recordings with somebody in each, and `[rows]`, or `[rows, num_labels]`.
        maker: of the clips.
        args: its seed, label smoothing, workers and device.

    Raises:
        FloatingPointError: a loss that is no number any more.
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
    """Return a `MotionReader` of its own that tells classes apart, for what it says of other ones (`embed`).

    Args:
        config: of the encoder beside which it is to read.
        size: its width.
        train, labels: recordings with somebody in each, and `[rows]`, any numbers.
        maker: of the clips.

    Raises:
        FloatingPointError: a loss that is no number any more.
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
