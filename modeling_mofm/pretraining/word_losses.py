"""Words of masked cubes: whose are asked, and how wrong they are told."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..modeling_mofm import MoFMModelOutput, keep_cubes


def wanted_cubes(labels: Tensor, bool_masked_pos: Tensor | None, num_words: int) -> Tensor:
    """Tell whose words are to be predicted, bool `[N, L]`: masked cubes that have one."""
    wanted = (labels >= 0) & (labels < num_words)
    return wanted if bool_masked_pos is None else wanted & bool_masked_pos


def word_losses(
    head: nn.Linear, outputs: MoFMModelOutput, labels: Tensor, wanted: Tensor
) -> tuple[Tensor, MoFMModelOutput]:
    """Compare words with those of wanted cubes; no other cube's scores are computed.

    Args:
        head: tokens to scores of words.
        outputs: of the encoder or the predictor.
        labels: `[N, L]` words.
        wanted: bool `[N, L]`, cubes that have one and are asked about.

    Returns:
        cross-entropy `[N, Q]`, and which cubes these are (`cube_ids`, `attention_mask`); it is 0 in padding.
    """
    wanted = wanted.gather(1, outputs.cube_ids) & (outputs.attention_mask > 0)
    tokens, places, kept = keep_cubes(outputs.last_hidden_state, wanted)
    wanted = wanted.gather(1, places) & kept
    cube_ids = outputs.cube_ids.gather(1, places)
    labels = torch.where(wanted, labels.gather(1, cube_ids), 0)
    scores = head(tokens).float().flatten(0, 1)  # rows of scores: across them it takes a quarter longer
    losses = F.cross_entropy(scores, labels.flatten(), reduction="none").view_as(labels)
    return losses * wanted, MoFMModelOutput(cube_ids=cube_ids, attention_mask=wanted.long())
