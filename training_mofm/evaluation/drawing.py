"""Pictures of trainings and of answers. They need matplotlib (`mofm[plot]`)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONFUSION = "confusion.json"
TIMES = ("_runtime", "_per_second")  # ends of names of what a log says of the machine
NUMBERS = 30  # classes up to which counts are written into the cells


def write_confusion(folder: str | os.PathLike, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
    """Write what was taken for what, `[C][C]` counts with a row for each true class, into a folder."""
    text = json.dumps({"classes": list(classes), "counts": [list(map(int, row)) for row in counts]})
    (Path(folder) / CONFUSION).write_text(text + "\n")


def read_confusion(folder: str | os.PathLike) -> tuple[list[str], np.ndarray]:
    """Return classes and counts `[C, C]` of a folder, or the sum over the folds below it.

    Raises:
        FileNotFoundError: there are none.
        ValueError: folds whose classes are not the same.
    """
    files = [*Path(folder).glob(CONFUSION), *sorted(Path(folder).glob(f"*/{CONFUSION}"))]
    if not files:
        raise FileNotFoundError(f"{folder} has no {CONFUSION}, nor has a folder in it; `mofm finetune` writes them")
    found = [json.loads(path.read_text()) for path in files]
    classes = found[0]["classes"]
    for path, one in zip(files, found, strict=True):
        if one["classes"] != classes:
            raise ValueError(f"{path} has the classes {one['classes']}, {files[0]} {classes}; draw them one by one")
    return classes, np.sum([one["counts"] for one in found], 0)


def draw_confusion(classes: Sequence[str], counts: np.ndarray) -> Figure:
    """Draw what is taken for what: a row for each true class, darker where more of it are answered so.

    Args:
        classes: C names.
        counts: `[C, C]`.
    """
    from matplotlib.figure import Figure

    shares = counts / counts.sum(1, keepdims=True).clip(1)
    side = 0.32 * len(classes) + 2.4
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis_r", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    right = np.trace(counts) / max(counts.sum(), 1)
    axes.set_title(f"{counts.sum()} recordings, {right:.1%} rightly named", fontsize=10)
    if len(classes) <= NUMBERS:
        for row, column in zip(*counts.nonzero(), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, counts[row, column], ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, ax=axes, label="share of the recordings of a class", shrink=0.7)
    return figure


def draw_curves(folders: Sequence[str | os.PathLike]) -> Figure:
    """Draw what trainings logged along their steps, one panel for each figure, one line for each training.

    Args:
        folders: of trainings, with their newest checkpoint; or checkpoints.

    Raises:
        FileNotFoundError: a folder without a log (`trainer_state.json`).
    """
    from matplotlib.figure import Figure

    logs = {str(folder): read_log(folder) for folder in folders}
    logged = dict.fromkeys(name for log in logs.values() for entry in log for name in entry)
    names = [name for name in logged if name not in ("step", "epoch", "total_flos") and not name.endswith(TIMES)]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        for folder, log in logs.items():
            points = [(entry["step"], entry[name]) for entry in log if isinstance(entry.get(name), int | float)]
            axes.plot(*np.array(points).reshape(-1, 2).T, linewidth=1.2, label=Path(folder).name)
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.set_xlabel("step", fontsize=8)
    for axes in grid[len(names) :]:
        axes.remove()
    if len(logs) > 1:
        grid[0].legend(fontsize=8)
    return figure


def read_log(folder: str | os.PathLike) -> list[dict[str, float]]:
    """Return what a training logged, from its newest checkpoint.

    Raises:
        FileNotFoundError: there is no log.
    """
    states = [path for where in ("", "checkpoint-*/") for path in Path(folder).glob(f"{where}trainer_state.json")]
    logs = [json.loads(path.read_text())["log_history"] for path in states]
    if not any(logs):
        raise FileNotFoundError(f"{folder} has no log of a training (trainer_state.json), nor has a checkpoint in it")
    return max(logs, key=lambda log: log[-1]["step"] if log else -1)
