"""Steps of a training, how long steps take, and what they keep in memory."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

# of a configuration whose encoder reads the visible cubes alone, 40 % of them
VISIBLE = {"predictor_layers": 1, "mask_ratio": 0.6}


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


def kept_bytes(model: nn.Module, loss: Callable[[], Tensor]) -> int:
    """Return how many bytes autograd keeps of a forward pass for the backward one, each tensor once, weights aside."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        found = loss()
    found.backward()
    model.zero_grad()
    return sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in own)
