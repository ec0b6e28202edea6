"""Pictures of motion and its tokens, after the paper's Fig. 1 and 3. Needs matplotlib (`pip install mofm[plot]`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from motion_data.drawing import draw_body, frame_map
from motion_data.layouts import get_layout

from .clip_inputs import ClipInputs
from .tokenization_mofm import MoFMTokenizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_clip(tokenizer: MoFMTokenizer, keypoints: Tensor, scores: Tensor, num_slices: int | None = None) -> Figure:
    """Draw a clip above its tokens, its heat and the heat that its tokens decode to, one column per time slice.

    Args:
        tokenizer: names the tokens and draws them.
        keypoints: `[F, 17, 2]` in map pixels, as the tokenizer returns them.
        scores: `[F, 17]`.
        num_slices: time slices to draw; None draws all.

    Returns:
        A matplotlib figure. The colour of a cube is its token id over T (viridis), white is `<empty>`. In the bottom
        row, orange is heat drawn where no joint is: the ghost.
    """
    from matplotlib.figure import Figure

    config = tokenizer.dved.config
    T, Y, X = config.grid_size
    slices = min(num_slices or T, T)
    with torch.no_grad():
        clips = ClipInputs.check(config, tokenizer.dved.dtype, keypoints[None], scores[None])
        encoded = tokenizer.dved.encode(keypoints[None], scores[None])
        drawn = tokenizer.dved.decode(encoded.input_ids)[0].amax(0).cpu().numpy()
        target = tokenizer.dved.target(clips)[0].amax(0).cpu().numpy()
    ids = encoded.input_ids.view(T, Y, X).cpu().numpy()
    tokens = np.where(ids < config.codebook_size, ids / config.codebook_size, np.nan)
    size, depth = config.heatmap_size, config.cube_size[0]
    figure = Figure(figsize=(2.1 * slices, 8.4), layout="constrained")
    grid = figure.subplots(4, slices, squeeze=False)
    for t in range(slices):
        middle = t * depth + depth // 2
        body = (keypoints[middle].cpu().numpy(), scores[middle].cpu().numpy())
        draw_body(grid[0, t], get_layout("coco17"), *body, width=1.6, dot=6)
        frame_map(grid[0, t], size)
        grid[0, t].set_title(f"frame {middle}", fontsize=9)
        image = grid[1, t].imshow(tokens[t], cmap="viridis", vmin=0, vmax=1, extent=(0, size, size, 0))
        frame_map(grid[1, t], size)
        grid[2, t].imshow(target[middle], cmap="gray_r", vmin=0, vmax=1)
        frame_map(grid[2, t], size)
        grid[3, t].imshow(_with_ghost(drawn[middle], target[middle]))
        frame_map(grid[3, t], size)
    for row, label in enumerate(("key-points", "MotionBook tokens", "heat", "heat decoded from tokens")):
        grid[row, 0].set_ylabel(label, fontsize=9)
    figure.colorbar(image, ax=grid[1], label="token id / T", shrink=0.8)
    return figure


def _with_ghost(drawn: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return `[H, W, 3]`: heat in black where there is a joint, in orange where there is none."""
    ghost = np.where(target > 0, 0, drawn)[..., None]
    true = np.where(target > 0, drawn, 0)[..., None]
    orange = np.array([0.84, 0.37, 0.0])
    return np.clip(1 - true - ghost * (1 - orange), 0, 1)
