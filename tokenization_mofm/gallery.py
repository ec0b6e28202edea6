"""The MotionBook as pictures: what each word looks like in motion, how often it is used, and what follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .clip_inputs import ClipInputs
from .thermal_cubes import cut_cubes
from .tokenization_mofm import MoFMTokenizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EARLY, LATE = np.array([0.0, 0.45, 0.70]), np.array([0.84, 0.37, 0.0])  # colours that colour-blind people tell apart
COLUMNS = 12


@dataclass
class WordUse:
    """
    Args:
        counts: `[T]` how often each word is used.
        pictures: `[T, t, h, w]` mean heat of its cubes; 0 where it is never used.
        followers: `[T]` the word that most often comes next at the same place; -1 where none ever does.
        follower_shares: `[T]` in how many of those cases it is that one.
        changes: `[T]` the other word that most often comes next there; -1 where none ever does.
    """

    counts: Tensor
    pictures: Tensor
    followers: Tensor
    follower_shares: Tensor
    changes: Tensor


@torch.no_grad()
def word_use(tokenizer: MoFMTokenizer, keypoints: Tensor, scores: Tensor, batch_size: int = 32) -> WordUse:
    """Look at the words of clips.

    Args:
        tokenizer: names the words.
        keypoints: `[N, F, 17, 2]` in map pixels.
        scores: `[N, F, 17]`.
        batch_size: clips at a time.
    """
    config = tokenizer.dved.config
    T, slices = config.codebook_size, config.grid_size[0]
    counts = torch.zeros(T, dtype=torch.long)
    sums = torch.zeros(T, int(np.prod(config.cube_size)))
    pairs = torch.zeros(T * T, dtype=torch.long)
    for start in range(0, len(keypoints), batch_size):
        batch = (keypoints[start : start + batch_size], scores[start : start + batch_size])
        clips = ClipInputs.check(config, tokenizer.dved.dtype, *(part.to(tokenizer.device) for part in batch))
        ids = tokenizer.dved.encode(clips.keypoints, clips.scores).input_ids.cpu()
        heat = cut_cubes(tokenizer.dved.target(clips).amax(1, keepdim=True), tuple(config.cube_size))
        used = ids < T
        counts += torch.bincount(ids[used], minlength=T)
        sums.index_add_(0, ids[used], heat.flatten(2)[used.to(heat.device)].float().cpu())
        along = ids.unflatten(1, (slices, -1))
        now, then = along[:, :-1].flatten(), along[:, 1:].flatten()
        both = (now < T) & (then < T)
        pairs += torch.bincount(now[both] * T + then[both], minlength=T * T)
    follows = pairs.view(T, T)
    most = follows.max(1)
    other = follows.clone().fill_diagonal_(0).max(1)
    return WordUse(
        counts,
        (sums / counts.clamp(min=1)[:, None]).view(T, *config.cube_size),
        torch.where(most.values > 0, most.indices, -1),
        most.values / follows.sum(1).clamp(min=1),
        torch.where(other.values > 0, other.indices, -1),
    )


def draw_motion_book(
    tokenizer: MoFMTokenizer, keypoints: Tensor, scores: Tensor, num_words: int = 72, batch_size: int = 32
) -> Figure:
    """Draw the words that clips use most, by how often they do.

    Args:
        tokenizer, keypoints, scores, batch_size: as in `word_use`.
        num_words: to draw.

    Returns:
        A matplotlib figure: of each word the mean heat of its cubes, blue in the first frames and orange in the last;
        above it its number and share of all words, below it what follows most often at the same place.

    Raises:
        ValueError: no word is used.
    """
    from matplotlib.figure import Figure

    use = word_use(tokenizer, keypoints, scores, batch_size)
    order = use.counts.argsort(descending=True)[:num_words]
    order = order[use.counts[order] > 0].tolist()
    if not order:
        raise ValueError("keypoints use no word of the MotionBook; somebody must be in sight")
    columns = min(COLUMNS, len(order))
    rows = -(-len(order) // columns)
    figure = Figure(figsize=(0.95 * columns, 1.4 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    total = int(use.counts.sum())
    for axes, word in zip(grid.flat, order, strict=False):
        axes.imshow(_in_time(use.pictures[word].numpy()))
        axes.set_title(f"{word}  {use.counts[word] / total:.1%}", fontsize=7, pad=2)
        if use.followers[word] >= 0:
            axes.set_xlabel(f"then {use.followers[word]} ({use.follower_shares[word]:.0%})", fontsize=6, labelpad=2)
        axes.set(xticks=[], yticks=[])
    for axes in grid.flat[len(order) :]:
        axes.set_visible(False)
    used = int((use.counts > 0).sum())
    figure.suptitle(
        f"{used} of {len(use.counts)} words are used by {len(keypoints)} clips; blue is early, orange late", fontsize=9
    )
    return figure


def draw_word(use: WordUse, word: int) -> Figure:
    """Draw the mean heat of the cubes of a word, frame by frame; black is heat, and an unused word stays white."""
    from matplotlib.figure import Figure

    cube = use.pictures[word].numpy()
    columns = min(6, len(cube))
    rows = -(-len(cube) // columns)
    figure = Figure(figsize=(1.3 * columns, 1.5 * rows), layout="constrained")
    for frame, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_visible(frame < len(cube))
        if frame < len(cube):
            axes.imshow(cube[frame], cmap="Greys", vmin=0, vmax=max(float(cube.max()), 1e-6))
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"frame {frame + 1}", fontsize=8, pad=2)
    return figure


def _in_time(cube: np.ndarray) -> np.ndarray:
    """Return `[h, w, 3]`: the strongest heat `[t, h, w]` of each pixel, in the colour of its frame on white."""
    frame = cube.argmax(0)
    late = (frame / max(len(cube) - 1, 1))[..., None]
    colour = EARLY * (1 - late) + LATE * late
    strength = (cube.max(0) / max(cube.max(), 1e-6))[..., None]
    return 1 - strength * (1 - colour)
