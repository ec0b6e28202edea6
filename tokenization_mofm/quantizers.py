"""Quantisers of the dVED: the latent of each active cube becomes one of T code words.

All have one form: `forward(latents [n, C], active [n]) -> QuantizerOutput`, `nearest(latents) -> ids [...]` and
`lookup(ids) -> codes [..., C]`, so that the model works with any of them. Learnt code words and latents lie
on the unit sphere (as in BEiT v2 and the Descript Audio Codec), where code books are used most evenly; those of
`ResidualQuantizer` are sums of such words, those of `FiniteScalarQuantizer` the points of a grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class QuantizerOutput:
    """The result of quantising a batch of latents; every mean is over active cubes.

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

    share: Tensor

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
        counts = count_words(self(latents).argmax(-1), active, size)
        follow_use(self.share, counts, self.usage_decay)
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
    """Base class of quantisers with learnt words: the code book and its lookup."""

    def __init__(self, codebook_size: int, code_size: int, restart_threshold: float, usage_decay: float):
        super().__init__()
        self.book = CodeBook(codebook_size, code_size, restart_threshold, usage_decay)
        self.temperature = 1.0

    @property
    def share(self) -> Tensor:
        """How much each word is used, `[T]`, a moving average; 1 is an even share."""
        return self.book.share

    def nearest(self, latents: Tensor) -> Tensor:
        """Return the id of the word nearest to each latent `[..., C]`: `[...]`."""
        return self.book(latents).argmax(-1)

    def lookup(self, ids: Tensor) -> Tensor:
        """Return the words of `ids` `[...]`: `[..., C]`."""
        return F.embedding(ids, self.book.words)


class GumbelQuantizer(Quantizer):
    """The paper's quantiser: a categorical posterior over the words, sampled with Gumbel noise in training.

    The temperature sharpens the posterior that is sampled (noise is added after it, not before), so that training
    ends as inference works, with the most probable word. The logits are the cosine similarities to the code words
    times a learnt scale, so that encoding and decoding use the same code vectors. Samples are hard (straight-through):
    with soft ones the decoder learns mixtures that do not occur at inference, and the code book collapses.
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
        zero = latents.new_zeros(())
        commitment = commitment_of(latents, words, active)
        return QuantizerOutput(latents + (words - latents).detach(), ids, zero, zero, commitment)


class ResidualQuantizer(nn.Module):
    """Residual quantisation (Zeghidour et al. 2021, section III-C).

    The first step chooses a direction on the unit sphere, each further step the direction of the remaining error, with
    a learnt length. Every combination of steps is a word: a few small code books make a large vocabulary.

    Args:
        levels: directions of each step; their product is T.
        code_size, restart_threshold, usage_decay: of each code book, as in `CodeBook`.
    """

    share: Tensor
    shrinks = 0.5  # initial length of a step, relative to the step before

    def __init__(self, levels: Sequence[int], code_size: int, restart_threshold: float, usage_decay: float):
        super().__init__()
        self.levels = tuple(levels)
        self.usage_decay = usage_decay
        self.temperature = 1.0  # plays no part
        self.books = nn.ModuleList(CodeBook(size, code_size, restart_threshold, usage_decay) for size in levels)
        self.log_lengths = nn.Parameter(torch.zeros(len(self.levels)))
        self.register_buffer("share", torch.ones(math.prod(self.levels)))

    def forward(self, latents: Tensor, active: Tensor) -> QuantizerOutput:
        latents = F.normalize(latents, dim=-1)
        missing, numbers, steps = zip(*self._steps(latents, active if self.training else None), strict=True)
        ids = id_of(torch.stack(numbers, -1), self.levels)
        if self.training:
            follow_use(self.share, count_words(ids, active, len(self.share)), self.usage_decay)
        zero, codes = latents.new_zeros(()), torch.stack(steps).sum(0)
        commitment = sum((commitment_of(*pair, active) for pair in zip(missing, steps, strict=True)), zero)
        return QuantizerOutput(latents + (codes - latents).detach(), ids, zero, zero, commitment)

    def nearest(self, latents: Tensor) -> Tensor:
        """Return the id of the word of each latent `[..., C]`: `[...]`."""
        numbers = [number for _, number, _ in self._steps(F.normalize(latents, dim=-1))]
        return id_of(torch.stack(numbers, -1), self.levels)

    def lookup(self, ids: Tensor) -> Tensor:
        """Return the sums of the steps of `ids` `[...]`: `[..., C]`."""
        numbers = numbers_of(ids, self.levels).unbind(-1)
        return torch.stack([self._step(place, number) for place, number in enumerate(numbers)]).sum(0)

    def _steps(self, missing: Tensor, active: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield for each step the remaining error before it, its number and its vector; use is tracked if `active`."""
        for place, book in enumerate(self.books):
            if active is not None:
                book.track(F.normalize(missing.detach(), dim=-1), active)
            number = book(missing).argmax(-1)
            step = self._step(place, number)
            yield missing, number, step
            missing = missing - step.detach()

    def _step(self, place: int, number: Tensor) -> Tensor:
        """Return the vectors `[..., C]` of the numbers `[...]` of a step."""
        length = self.log_lengths[place].exp() * self.shrinks**place
        return F.embedding(number, self.books[place].words) * length


class FiniteScalarQuantizer(nn.Module):
    """Finite scalar quantisation (FSQ, Mentzer et al. 2024).

    A latent becomes a few numbers, each is rounded to one of a few levels, and every combination of levels is a word.
    No code book is learnt.

    Args:
        levels: number of levels of each number; their product is T.
        code_size: width C of latents and codes, which are mapped linearly to and from the numbers.
        usage_decay: decay of the moving average of the use of each word.
    """

    share: Tensor
    margin = 1e-3  # how far beyond its outermost levels a number can go, so that rounding reaches them

    def __init__(self, levels: Sequence[int], code_size: int, usage_decay: float):
        super().__init__()
        self.levels = tuple(levels)
        self.usage_decay = usage_decay
        self.temperature = 1.0  # plays no part
        self.to_numbers = nn.Linear(code_size, len(levels))
        self.to_codes = nn.Linear(len(levels), code_size)
        self.register_buffer("share", torch.ones(math.prod(levels)))

    def forward(self, latents: Tensor, active: Tensor) -> QuantizerOutput:
        numbers = self._bounded(latents)
        steps = numbers.round()
        ids = id_of(steps.long(), self.levels)
        if self.training:
            follow_use(self.share, count_words(ids, active, len(self.share)), self.usage_decay)
        codes = self._codes(numbers + (steps - numbers).detach())
        zero = latents.new_zeros(())
        return QuantizerOutput(codes, ids, zero, zero, zero)

    def nearest(self, latents: Tensor) -> Tensor:
        """Return the id of the word nearest to each latent `[..., C]`: `[...]`."""
        return id_of(self._bounded(latents).round().long(), self.levels)

    def lookup(self, ids: Tensor) -> Tensor:
        """Return the codes of `ids` `[...]`: `[..., C]`."""
        return self._codes(numbers_of(ids, self.levels).to(self.to_codes.weight.dtype))

    def _bounded(self, latents: Tensor) -> Tensor:
        """Return numbers from 0 to levels - 1, `[..., numbers]`, not yet rounded."""
        most = latents.new_tensor(self.levels) - 1
        return most / 2 + self.to_numbers(latents).tanh() * (most / 2 + 0.5 - self.margin)

    def _codes(self, steps: Tensor) -> Tensor:
        most = steps.new_tensor(self.levels) - 1
        return self.to_codes(steps / most * 2 - 1)


def id_of(numbers: Tensor, levels: Sequence[int]) -> Tensor:
    """Return the id `[...]` of one number below each of `levels`, int64 `[..., len(levels)]`; the first counts up."""
    return (numbers * numbers.new_tensor(_strides(levels))).sum(-1)


def numbers_of(ids: Tensor, levels: Sequence[int]) -> Tensor:
    """Return the numbers, `[..., len(levels)]`, of which `ids` `[...]` are the `id_of`."""
    return ids[..., None] // ids.new_tensor(_strides(levels)) % ids.new_tensor(levels)


def _strides(levels: Sequence[int]) -> list[int]:
    """Return by how much an id grows with each of its numbers."""
    return [math.prod(levels[:place]) for place in range(len(levels))]


def commitment_of(latents: Tensor, words: Tensor, active: Tensor) -> Tensor:
    """Return how far active latents `[n, C]` are from their words: a loss that moves both."""
    commitment = masked_mean((latents - words.detach()).square().sum(-1), active)
    # words move four times as fast as latents: the usual weight of 0.25 on the commitment, seen from the words
    return commitment + 4 * masked_mean((latents.detach() - words).square().sum(-1), active)


def count_words(ids: Tensor, active: Tensor, codebook_size: int) -> Tensor:
    """Count how often each word is the one of an active cube, `[T]`, over all processes."""
    counts = torch.zeros(codebook_size, device=ids.device)
    return _sum_over_processes(counts.index_add_(0, ids, active.to(counts)))


def follow_use(share: Tensor, counts: Tensor, decay: float) -> None:
    """Bring the moving average `[T]` of the use of words nearer to that of a batch, in place; 1 is an even share."""
    share.lerp_((counts * (len(share) / counts.sum().clamp(min=1))).to(share), 1 - decay)


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
