"""What the width of the heat that the encoder sees is worth, and what it costs: a linear probe of random weights.

python -m benchmarks.encoder_input --dataset corpora/jhmdb14_2d corpora/msr_action3d [--seeds 3] [--threads 1]

Learns and asks on the protocols named "validation": rows of the training parts.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from datasets.utils.logging import disable_progress_bar

from modeling_mofm import MoFMConfig, MoFMModel
from motion_data.corpora.load import load_corpus
from training_mofm.evaluation.frozen import Encoder, measure, read_features
from training_mofm.evaluation.metrics import Spread
from training_mofm.evaluation.protocol_files import read_protocols
from training_mofm.evaluation.protocols import Fold, Protocol

INPUTS = ((0.75, 1), (1.5, 1), (3.0, 1), (3.0, 3))  # sigma and stride, pixels


def validation(name: str) -> Protocol:
    """Return the validation protocol of a corpus, and no other rows."""
    corpus = load_corpus(name, None)
    protocol = next(found for title, found in read_protocols(name, corpus).items() if title.endswith("/validation"))
    (fold,) = protocol.folds
    rows, count = np.concatenate([fold.train, fold.test]), len(fold.train)
    fold = Fold(fold.name, np.arange(count), np.arange(count, len(rows)))
    return replace(protocol, corpus=corpus.select(rows), folds=(fold,))


def counter(tokens: list[float]) -> Callable:
    """Return a hook that notes how many tokens a clip has."""
    return lambda module, inputs, outputs: tokens.append(outputs.attention_mask.sum(1).double().mean().item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", nargs="+", required=True, help="corpora with a protocol named validation")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    disable_progress_bar()
    torch.set_num_threads(args.threads)
    protocols = [validation(name) for name in args.dataset]
    print("sigma stride  protocol                       probe            ms a clip   tokens")
    for sigma, stride in INPUTS:
        for protocol in protocols:
            accuracy: list[float] = []
            seconds: list[float] = []
            tokens: list[float] = []
            for seed in range(args.seeds):
                torch.manual_seed(seed)
                model = MoFMModel(MoFMConfig.from_preset(args.preset, sigma=sigma, input_stride=stride))
                model.register_forward_hook(counter(tokens))
                start = time.perf_counter()
                features = read_features(Encoder("random weights", model), protocol.corpus)
                seconds.append(time.perf_counter() - start)
                accuracy.append(measure(protocol, "random weights", features)[0].figure.value)
            cost = 1e3 * min(seconds) / len(protocol.corpus)
            print(
                f"{sigma:5.2f} {stride:6d}  {protocol.name:30s} {Spread.over(accuracy)} {cost:10.1f} "
                f"{np.mean(tokens):10.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
