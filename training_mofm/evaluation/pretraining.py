"""Measure masked motion modelling on held-out clips, beside references that anyone could guess with."""

from __future__ import annotations

import torch
from torch import Tensor
from tqdm import trange

from modeling_mofm.masking import noise_shape
from modeling_mofm.pretraining.modeling import MoFMForMaskedMotionModeling
from tokenization_mofm.modeling_dved import DVEDModel


@torch.no_grad()
def evaluate_mofm(
    model: MoFMForMaskedMotionModeling, dved: DVEDModel, clips: dict[str, Tensor], batch_size: int = 32, seed: int = 0
) -> dict[str, float]:
    """Predict the masked words of clips.

    Args:
        model: put into evaluation mode; its configuration says how clips are masked.
        dved: gives the true words.
        clips: `keypoints` [N, F, K, 2] and `scores` [N, F, K].
        batch_size: clips at a time.
        seed: of the masks.

    Returns:
        Over all masked cubes that have a word: `loss` (nats), `top1`, `top5` and, on the same cubes, two references:
        `unigram_top1`, always the word that is most frequent in these very clips, and `neighbour_top1`, the true word
        of the same place one time slice earlier (later where there is none), which the model may have had to guess
        too. `ratio` is top1 over the better reference; `masked_fraction` the share of cubes with a word that was
        masked. Where coordinates of hidden key-points were an objective, `coordinate_error` is their mean distance
        from the true ones, map pixels. An objective that the model was not trained for has no figures.

    Raises:
        ValueError: words were an objective, and no clip has two active cubes, or their scores are no numbers.
    """
    model.eval()
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    shape = noise_shape(config.masking, config.grid_size, config.num_keypoints)
    losses, ranks, words, neighbours, active, distances = [], [], [], [], 0, []
    for start in trange(0, len(clips["keypoints"]), batch_size, desc="measuring", leave=False):
        batch = {name: values[start : start + batch_size].to(model.device) for name, values in clips.items()}
        noise = torch.rand(len(batch["keypoints"]), *shape, generator=generator).to(model.device)
        outputs = model(**batch, mask_noise=noise)
        if outputs.coordinate_error is not None:
            distances.append(outputs.coordinate_error.cpu().expand(len(noise)))
        if outputs.logits is None:
            continue
        ids = dved.encode(**batch).input_ids
        masked = outputs.bool_masked_pos & (ids < dved.config.empty_id)  # the encoder's heat reaches wider than words
        logits, labels = outputs.logits[masked].float(), ids[masked]
        if not logits.isfinite().all():
            raise ValueError("model answers with scores of words that are no numbers; its training has failed")
        losses.append(torch.nn.functional.cross_entropy(logits, labels, reduction="none").cpu())
        better = logits > logits.gather(1, labels[:, None])
        ranks.append(better.sum(1).cpu())
        words.append(labels.cpu())
        neighbours.append(neighbour_words(ids, config.grid_size, dved.config.empty_id)[masked].cpu())
        active += int((ids < dved.config.empty_id).sum())
    metrics = {"coordinate_error": float(torch.cat(distances).mean())} if distances else {}
    if model.lm_head is None:
        return metrics
    loss, rank, word, neighbour = (torch.cat(parts) for parts in (losses, ranks, words, neighbours))
    if not len(word):
        raise ValueError("clips has no clip with two or more active cubes; none could be masked")
    unigram = torch.bincount(word).max().item() / len(word)
    metrics |= {
        "loss": float(loss.mean()),
        "top1": float((rank < 1).double().mean()),
        "top5": float((rank < 5).double().mean()),
        "unigram_top1": unigram,
        "neighbour_top1": float((neighbour == word).double().mean()),
        "masked_fraction": len(word) / active,
    }
    metrics["ratio"] = metrics["top1"] / max(metrics["unigram_top1"], metrics["neighbour_top1"])
    return metrics


def neighbour_words(input_ids: Tensor, grid_size: tuple[int, int, int], empty_id: int) -> Tensor:
    """Return the word `[N, L]` of each cube's place in the slice before; in the one after where that is empty."""
    words = input_ids.unflatten(1, grid_size)
    empty = torch.full_like(words[:, :1], empty_id)
    before = torch.cat((empty, words[:, :-1]), 1)
    after = torch.cat((words[:, 1:], empty), 1)
    return torch.where(before == empty_id, after, before).flatten(1)
