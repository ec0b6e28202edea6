"""Fit the reader of how key-points move, by itself: it learns faster than the encoder, and another way."""

from __future__ import annotations

import numpy as np
import torch
from datasets import Dataset
from tqdm import tqdm

from modeling_mofm.actions.modeling import MoFMForSequenceClassification
from modeling_mofm.actions.motion_reader import MotionReader

from .arguments import MotionTrainingArguments
from .samples import ClipMaker, EveryRow, MotionSamples, collate_samples

EPOCHS = 60
MIN_STEPS = 500  # few recordings are seen more often: after 120 steps it knows next to nothing
BATCH_SIZE = 32
PEAK_RATE = 2e-3  # of the learning rate, one cycle
WEIGHT_DECAY = 0.01


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
        args: its seed, label smoothing, workers and device count.

    Raises:
        FloatingPointError: a loss that is no number any more.
    """
    if not size:
        return model
    torch.manual_seed(args.seed)
    model.config.classifier_motion_size = size
    reader = model.motion_reader = MotionReader(model.config).to(args.device)
    steps = max(EPOCHS * -(-len(train) // BATCH_SIZE), MIN_STEPS)
    samples = MotionSamples(EveryRow(train, labels, maker, args.seed), steps * BATCH_SIZE, args.seed)
    workers = args.dataloader_num_workers
    loader = torch.utils.data.DataLoader(samples, BATCH_SIZE, collate_fn=collate_samples, num_workers=workers)
    optimizer = torch.optim.AdamW(reader.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    smoothing = args.label_smoothing_factor
    reader.train()
    for batch in tqdm(loader, desc="fitting the motion reader", disable=args.disable_tqdm):
        clips = {name: values.to(args.device) for name, values in batch.items()}
        loss = model.loss(model.read_motion(clips["keypoints"], clips["scores"]), clips["labels"], smoothing)
        if not loss.isfinite():
            raise FloatingPointError(f"the loss of the motion reader is {loss.item()}, no finite number")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    reader.eval()
    return model
