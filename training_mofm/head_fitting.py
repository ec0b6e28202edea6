"""Fit a head for actions on frozen features of random views of recordings: minutes instead of hours."""

from __future__ import annotations

import logging

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn import functional as F
from tqdm import trange

from modeling_mofm.actions.modeling import MoFMForSequenceClassification

from .arguments import MotionTrainingArguments
from .samples import ClipMaker, EveryRow, collate_samples

MAX_VIEWS = 12  # views of a recording whose features are stored; the first is the test-time view, the others random
BATCH = 32  # clips in one forward pass
MAX_LINEAR_VIEWS = 6  # for a linear head
LINEAR_C = 0.01  # inverse strength of its L2 penalty, on standardised features
MAX_BYTES = 2 * 2**30  # of all stored features, in half precision; larger sets get fewer views of each recording


def fit_linear_head(model: MoFMForSequenceClassification, views: Tensor, labels: np.ndarray) -> None:
    """Fit a linear head (a probe) by logistic regression on all views `[views, rows, T, K, D]` of `read_views`."""
    from sklearn.linear_model import LogisticRegression

    features, targets = views.flatten(2).flatten(0, 1).float().numpy(), np.tile(labels, len(views))
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
    model: MoFMForSequenceClassification, views: Tensor, labels: np.ndarray, args: MotionTrainingArguments
) -> None:
    """Train a head with hidden layers on the views `[views, rows, T, K, D]` of `read_views`.

    Each epoch uses one random view of each recording; epochs, batch size, learning rate (one cycle), weight decay and
    label smoothing are taken from `args`.

    Raises:
        FloatingPointError: the weights are not finite.
    """
    num_rows = views.shape[1]
    targets = torch.as_tensor(labels, device=args.device)
    head = [weights for name, weights in model.named_parameters() if weights.requires_grad and name[:4] != "norm"]
    per_epoch = -(-num_rows // args.train_batch_size)
    optimizer = torch.optim.AdamW(head, args.learning_rate, weight_decay=args.weight_decay)
    epochs = max(round(args.num_train_epochs), 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.learning_rate, total_steps=epochs * per_epoch)
    generator = np.random.default_rng(args.seed)
    model.train()
    for epoch in trange(1, epochs + 1, desc="fitting the head", disable=args.disable_tqdm):
        for rows in np.array_split(generator.permutation(num_rows), per_epoch):
            chosen = generator.integers(0, len(views), len(rows))
            logits = model.classify_parts(views[chosen, rows].to(args.device).float())
            loss = F.cross_entropy(logits, targets[rows], label_smoothing=args.label_smoothing_factor)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if not all(weights.isfinite().all() for weights in head):
            raise FloatingPointError(
                f"weights of the head are no finite numbers after epoch {epoch}, with a learning rate of "
                f"{args.learning_rate}; use a lower learning_rate"
            )
    model.eval()


@torch.no_grad()
def read_views(
    model: MoFMForSequenceClassification,
    corpus: Dataset,
    plain: Tensor,
    maker: ClipMaker,
    seed: int,
    most: int,
) -> Tensor:
    """Return the inputs of a head for several views of each recording, `[views, rows, T, K, D]` in half precision.

    Args:
        plain: `[rows, T, K, D]`, of the view that is used at test time; it becomes the first view.
        maker: makes the other, random views; without augmentation there are none.
        seed: seed of the random views.
        most: largest number of views.
    """
    num_rows = len(corpus)
    others = 0 if maker.augmentation is None else min(max(MAX_BYTES // (2 * plain.numel()), 1), most) - 1
    logging.getLogger(__name__).info("reading %d more views of each of %d recordings", others, num_rows)
    source = EveryRow(corpus, np.arange(num_rows), maker, seed)
    parts = torch.empty((1 + others, *plain.shape), dtype=torch.float16)
    parts[0] = plain
    model.eval()
    indices = np.arange(others * num_rows)
    for start in trange(0, len(indices), BATCH, desc="reading views"):
        batch = indices[start : start + BATCH]
        samples = [source.draw(int(index), np.random.default_rng([seed, int(index)])) for index in batch]
        clips = {name: values.to(model.device) for name, values in collate_samples(samples).items()}
        rows = clips.pop("labels").cpu()  # the "label" of each sample is the number of its row
        parts[1 + batch // num_rows, rows] = model(**clips).parts.half().cpu()
    return parts
