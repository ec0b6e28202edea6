"""Steps of a training, and how long steps take."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn


def training_step(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """Return a step of training: forward, backward, AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> None:
        loss().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def seconds(step: Callable[[], object]) -> float:
    """Return how long one step takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def timed(step: Callable[[], object], repeats: int) -> list[float]:
    """Return the seconds of several steps; a first one, which warms up, is not counted."""
    step()
    return [seconds(step) for _ in range(repeats)]
