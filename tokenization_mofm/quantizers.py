"""Quantisers of the dVED: the latent of each active cube becomes one of T code words.

Both have one form: `forward(latents [n, C], active [n]) -> QuantizerOutput`, `nearest(latents) -> ids [...]` and
`lookup(ids) -> codes [..., C]`, so that the model does not know which one it holds. Code words and latents lie on the
unit sphere (as in BEiT v2 and the Descript Audio Codec), where code books are used most evenly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class QuantizerOutput:
    """What a quantiser makes of the latents of a batch; every mean is over active cubes.

    Args:
        codes: `[n, C]` code word of each latent; passes gradients to the latents.
        ids: `[n]` index of the code word.
        kl: scalar, KL of a cube's posterior to the uniform prior over the words, nats.
        usage: scalar, KL of the batch's mean posterior to the uniform prior, nats; 0 is an evenly used vocabulary.
        commitment: scalar, squared distance of latents and code words.
    """

    codes: Tensor
    ids: Tensor
    kl: Tensor
    usage: Tensor
    commitment: Tensor


class CodeBook(nn.Module):
    """T unit-length code words, and a moving average of their use.

    A word whose share of the use falls below a threshold restarts on one of the current latents, so that no part of
    the vocabulary stays dead.
    """

    def __init__(self, codebook_size: int, code_size: int, restart_threshold: float, usage_decay: float):
        super().__init__()
        self.restart_threshold = restart_threshold
        self.usage_decay = usage_decay
        self.weight = nn.Parameter(torch.empty(codebook_size, code_size))  # lengths do not matter, only directions
        self.register_buffer("share", torch.ones(codebook_size))  # 1 is an even share of the use

    @property
    def words(self) -> Tensor:
        return F.normalize(self.weight, dim=-1)

    def forward(self, latents: Tensor) -> Tensor:
        """Cosine similarity `[..., T]` of unit-length latents `[..., C]` to every word."""
        return latents @ self.words.T

    @torch.no_grad()
    def track(self, latents: Tensor, active: Tensor) -> None:
        """Update the use of each word by unit-length latents `[n, C]`; restart words that are hardly used.

        All processes count together, and restart words with latents of the first one.
        """
        size = len(self.share)
        counts = torch.zeros_like(self.share)
        ids = self(latents).argmax(-1)
        counts.index_add_(0, ids, active.to(counts))
        counts = _sum_over_processes(counts)
        total = counts.sum().clamp(min=1)
        self.share.lerp_(counts * (size / total), 1 - self.usage_decay)
        if not len(latents):  # no cube is active: the words stand in, so that processes stay in step
            latents, active = self.words, active.new_zeros(size)
        weights = active.float()
        weights = torch.where(weights.sum() > 0, weights, torch.ones_like(weights))
        pick = torch.multinomial(weights, size, replacement=True)
        fresh = _from_first_process(latents[pick].to(self.weight))
        dead = (self.share < self.restart_threshold) & (counts.sum() > 0)
        self.weight.copy_(torch.where(dead[:, None], fresh * self.weight.norm(dim=-1).mean(), self.weight))
        self.share.copy_(torch.where(dead, torch.ones_like(self.share), self.share))


class Quantizer(nn.Module):
    """What the quantisers share: the code book, and how it is read."""

    def __init__(self, codebook_size: int, code_size: int, restart_threshold: float, usage_decay: float):
        super().__init__()
        self.book = CodeBook(codebook_size, code_size, restart_threshold, usage_decay)
        self.temperature = 1.0

    def nearest(self, latents: Tensor) -> Tensor:
        """Return the id of the word nearest to each latent `[..., C]`: `[...]`."""
        return self.book(latents).argmax(-1)

    def lookup(self, ids: Tensor) -> Tensor:
        """Return the words of `ids` `[...]`: `[..., C]`."""
        return F.embedding(ids, self.book.words)


class GumbelQuantizer(Quantizer):
    """The paper's quantiser: a categorical posterior over the words, sampled with Gumbel noise in training.

    The temperature sharpens the posterior that is sampled (noise is added behind it, not before), so that training
    ends where inference is, with the most probable word. The logits are the cosine similarities to the code words
    times a learnt scale, so that the word which is read is the word which is written. Samples are hard
    (straight-through): with soft ones the decoder learns to read mixtures that do not exist at inference, and the
    code book collapses.
    """

    initial_scale = 20.0

    def __init__(self, codebook_size: int, code_size: int, restart_threshold: float, usage_decay: float):
        super().__init__(codebook_size, code_size, restart_threshold, usage_decay)
        self.log_scale = nn.Parameter(torch.zeros(1))

    def forward(self, latents: Tensor, active: Tensor) -> QuantizerOutput:
        latents = F.normalize(latents, dim=-1)
        if self.training:
            self.book.track(latents, active)
        scale = (self.initial_scale * self.log_scale.exp()).clamp(max=200)
        log_posterior = (self.book(latents) * scale).log_softmax(-1)
        if self.training:
            choice = F.gumbel_softmax(log_posterior / self.temperature, hard=True)
            ids, codes = choice.argmax(-1), choice @ self.book.words
        else:
            ids = log_posterior.argmax(-1)
            codes = self.lookup(ids)
        log_size = math.log(log_posterior.shape[-1])
        posterior = log_posterior.exp()
        kl = masked_mean((posterior * log_posterior).sum(-1) + log_size, active)
        mean = masked_mean(posterior, active)
        usage = ((mean * mean.clamp(min=1e-9).log()).sum() + log_size) * active.any()
        return QuantizerOutput(codes, ids, kl, usage, latents.new_zeros(()))


class VectorQuantizer(Quantizer):
    """The nearest word with a straight-through gradient (VQ-VAE); words follow the latents by gradient."""

    def forward(self, latents: Tensor, active: Tensor) -> QuantizerOutput:
        latents = F.normalize(latents, dim=-1)
        if self.training:
            self.book.track(latents, active)
        ids = self.nearest(latents)
        words = self.lookup(ids)
        commitment = masked_mean((latents - words.detach()).square().sum(-1), active)
        # words move four times as fast as latents: the usual weight of 0.25 on the commitment, seen from the words
        commitment = commitment + 4 * masked_mean((latents.detach() - words).square().sum(-1), active)
        zero = latents.new_zeros(())
        return QuantizerOutput(latents + (words - latents).detach(), ids, zero, zero, commitment)


def masked_mean(values: Tensor, active: Tensor) -> Tensor:
    """Mean of `[n, ...]` over the active cubes `[n]`; 0 without any."""
    weights = active.to(values.dtype)
    return torch.tensordot(weights, values, 1) / weights.sum().clamp(min=1)


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _sum_over_processes(values: Tensor) -> Tensor:
    if _distributed():
        torch.distributed.all_reduce(values)
    return values


def _from_first_process(values: Tensor) -> Tensor:
    if _distributed():
        torch.distributed.broadcast(values, 0)
    return values
