"""One comparison of a benchmark: ours and another way to the same end, run in turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from tqdm import trange

from benchmarks.timing import seconds


@dataclass
class Row:
    """One comparison; seconds of each run, ours and the peer's in turn, so that other work falls on both."""

    path: str
    peer: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    worth: float  # how much of the peer's work one of our runs does
    aim: str = ""

    def measure(self, repeats: int) -> dict:
        """Run both so often, and once more to warm up: median seconds, and how many times as fast ours is."""
        runs = trange(repeats + 1, desc=self.path, leave=False)
        pairs = [(seconds(self.ours), seconds(self.theirs)) for _ in runs][1:]
        ratios = [self.worth * theirs / ours for ours, theirs in pairs]
        spread = [min(ratios), max(ratios)]
        medians = (statistics.median(values) for values in (*zip(*pairs, strict=True), ratios))
        return dict(zip(("seconds", "peer_seconds", "ratio"), medians, strict=True)) | {"spread": spread}


def one_thread(step: Callable[[], object]) -> Callable[[], object]:
    """Return the step on one thread, whatever others run on."""

    def run() -> object:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return step()
        finally:
            torch.set_num_threads(threads)

    return run
