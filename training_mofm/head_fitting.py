"""Fit a head for actions on what the frozen encoder says of random views of recordings: minutes instead of hours."""

from __future__ import annotations

import logging

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm, trange

from modeling_mofm.actions.modeling import MoFMForSequenceClassification

from .arguments import MotionTrainingArguments
from .samples import ClipMaker, EveryRow, collate_samples

MAX_VIEWS = 12  # random views of a recording whose parts are kept
MAX_LINEAR_VIEWS = 6  # for a linear head
LINEAR_C = 0.01  # inverse strength of its L2 penalty, on standardised features
MAX_BYTES = 2 * 2**30  # of all of them, in half precision; more recordings have fewer views each


def fit_linear_head(
    model: MoFMForSequenceClassification,
    corpus: Dataset,
    labels: np.ndarray,
    maker: ClipMaker,
    args: MotionTrainingArguments,
) -> None:
    """Fit a linear head by logistic regression on the parts of random views (a linear probe)."""
    from sklearn.linear_model import LogisticRegression

    parts = read_views(model, corpus, maker, args.seed, MAX_LINEAR_VIEWS)
    features, targets = parts.flatten(2).flatten(0, 1).float().numpy(), np.tile(labels, len(parts))
    mean, std = features.mean(0), features.std(0) + 1e-3
    probe = LogisticRegression(C=LINEAR_C, max_iter=300).fit((features - mean) / std, targets)
    weight, bias = probe.coef_ / std, probe.intercept_
    bias = bias - weight @ mean
    if len(weight) == 1:  # two classes have one row
        weight, bias = np.concatenate((-weight, weight)) / 2, np.concatenate((-bias, bias)) / 2
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(weight))
        model.classifier.bias.copy_(torch.from_numpy(bias))


def fit_hidden_head(
    model: MoFMForSequenceClassification,
    corpus: Dataset,
    labels: np.ndarray,
    maker: ClipMaker,
    args: MotionTrainingArguments,
) -> None:
    """Train a head with hidden layers on the parts of random views, which the frozen encoder reads once.

    Each epoch takes one view of each recording at random; epochs, batch size, learning rate (one cycle), weight decay
    and label smoothing are those of `args`.
    """
    parts = read_views(model, corpus, maker, args.seed)
    targets = torch.as_tensor(labels, device=args.device)
    head = [weights for name, weights in model.named_parameters() if weights.requires_grad and name[:4] != "norm"]
    per_epoch = -(-len(corpus) // args.train_batch_size)
    optimizer = torch.optim.AdamW(head, args.learning_rate, weight_decay=args.weight_decay)
    epochs = max(round(args.num_train_epochs), 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.learning_rate, total_steps=epochs * per_epoch)
    generator = np.random.default_rng(args.seed)
    model.train()
    for _ in trange(epochs, desc="fitting the head", disable=args.disable_tqdm):
        for rows in np.array_split(generator.permutation(len(corpus)), per_epoch):
            chosen = generator.integers(0, len(parts), len(rows))
            logits = model.classify_parts(parts[chosen, rows].to(args.device).float())
            loss = F.cross_entropy(logits, targets[rows], label_smoothing=args.label_smoothing_factor)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


@torch.no_grad()
def read_views(
    model: MoFMForSequenceClassification, corpus: Dataset, maker: ClipMaker, seed: int, most: int = MAX_VIEWS
) -> Tensor:
    """Return what a head reads of random views of each recording, `[views, rows, T, K, D]` in half precision."""
    config = model.config
    size = config.grid_size[0] * config.num_keypoints * model.norm.normalized_shape[0]
    num_views = 1 if maker.augmentation is None else min(max(MAX_BYTES // (2 * size * len(corpus)), 1), most)
    logging.getLogger(__name__).info("reading %d views of each of %d recordings", num_views, len(corpus))
    source = EveryRow(corpus, np.arange(len(corpus)), maker, seed)
    parts = torch.empty(
        (num_views, len(corpus), config.grid_size[0], config.num_keypoints, model.norm.normalized_shape[0]),
        dtype=torch.float16,
    )
    model.eval()
    indices = np.arange(num_views * len(corpus))
    for batch in tqdm(np.array_split(indices, -(-len(indices) // 32)), desc="reading views"):
        samples = [source.draw(int(index), np.random.default_rng([seed, int(index)])) for index in batch]
        clips = {name: values.to(model.device) for name, values in collate_samples(samples).items()}
        rows = clips.pop("labels").cpu()  # what is drawn in place of a label is the number of the row
        parts[batch // len(corpus), rows] = model(**clips).parts.half().cpu()
    return parts
