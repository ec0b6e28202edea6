"""Weights in safetensors files."""

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor


def write_weights(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a file of contiguous tensors, which takes its name when it is complete."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    save_file(dict(tensors), unfinished, {"format": "pt"})
    os.replace(unfinished, path)
