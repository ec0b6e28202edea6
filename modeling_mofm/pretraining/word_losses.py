"""Cross-entropy of the words of masked cubes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..modeling_mofm import MoFMModelOutput, keep_cubes


def wanted_cubes(labels: Tensor, bool_masked_pos: Tensor | None, num_words: int) -> Tensor:
    """Return the cubes whose words are to be predicted, bool `[N, L]`: masked ones that have a label."""
    wanted = (labels >= 0) & (labels < num_words)
    return wanted if bool_masked_pos is None else wanted & bool_masked_pos


def word_losses(
    head: nn.Linear, outputs: MoFMModelOutput, labels: Tensor, wanted: Tensor
) -> tuple[Tensor, MoFMModelOutput]:
    """Return the cross-entropy of the words of wanted cubes; logits are computed for these only.

    Args:
        head: maps tokens to logits of words.
        outputs: outputs of the encoder or the predictor.
        labels: `[N, L]` words.
        wanted: bool `[N, L]`, cubes with a label whose loss is wanted.

    Returns:
        cross-entropy `[N, Q]`, 0 in padding, and which cubes these are (`cube_ids`, `attention_mask`).
    """
    wanted = wanted.gather(1, outputs.cube_ids) & (outputs.attention_mask > 0)
    tokens, places, kept = keep_cubes(outputs.last_hidden_state, wanted)
    wanted = wanted.gather(1, places) & kept
    cube_ids = outputs.cube_ids.gather(1, places)
    labels = torch.where(wanted, labels.gather(1, cube_ids), 0)
    scores = head(tokens).float().flatten(0, 1)  # rows of scores: across them it takes a quarter longer
    losses = F.cross_entropy(scores, labels.flatten(), reduction="none").view_as(labels)
    return losses * wanted, MoFMModelOutput(cube_ids=cube_ids, attention_mask=wanted.long())
