"""Time how fast a corpus is loaded and augmented, by workers, against the training step that it feeds, in one run.

python -m benchmarks.loading [--dataset synthetic] [--preset tiny] [--workers 0 1 2] [--streaming]
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import statistics
import time
from itertools import islice

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.timing import timed, training_step
from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from modeling_mofm.masking import noise_shape
from motion_data.corpora.load import SYNTHETIC
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor
from training_mofm.arguments import DataArguments, MotionTrainingArguments, training_corpora, training_samples

BATCH = 16
MATMUL_FLOPS = 989e12  # bf16, dense, of an H200 (data sheet)
UTILISATION = 0.45  # of it that a training is assumed to reach


def loading_rate(samples: torch.utils.data.Dataset, workers: int, batches: int) -> float:
    """Return clips per second after the first batches, which start the workers and fill the buffers."""
    loader = iter(DataLoader(samples, BATCH, num_workers=workers))
    for _ in islice(loader, 4 * max(workers, 1)):
        pass
    start = time.perf_counter()
    for _ in islice(loader, batches):
        pass
    return batches * BATCH / (time.perf_counter() - start)


def step_rate(preset: str, batch: dict[str, torch.Tensor], repeats: int) -> float:
    """Return clips per second of tokenising, forward, backward and update."""
    dved = DVEDModel(DVEDConfig.from_preset(preset)).eval()
    model = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(preset)).train()

    def loss() -> torch.Tensor:
        with torch.no_grad():
            labels = dved.encode(batch["keypoints"], batch["scores"]).input_ids
        return model(**batch, labels=labels).loss

    return len(batch["keypoints"]) / statistics.median(timed(training_step(model, loss), repeats))


def training_flops(config: MoFMConfig, tokens: float) -> float:
    """Return the operations of a training step for a clip of so many tokens: 6 per weight and token, and attention."""
    weights = config.num_hidden_layers * (
        4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    )
    attention = 12 * config.num_hidden_layers * tokens**2 * config.hidden_size
    return 6 * weights * tokens + attention


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default=SYNTHETIC, help="a motion corpus")
    parser.add_argument("--preset", default="tiny", help="of the training step")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--streaming", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)

    config = MoFMConfig.from_preset(args.preset)
    data = DataArguments(dataset=[args.dataset], streaming=args.streaming)
    training = MotionTrainingArguments(output_dir="unused", use_cpu=True)
    shape = noise_shape(config.masking, config.grid_size, config.num_keypoints)
    samples = training_samples(training_corpora(data), data, training, MoFMFeatureExtractor.for_config(config), shape)

    step = step_rate(args.preset, next(iter(DataLoader(samples, BATCH))), args.repeats)
    print(f"{args.preset} training step, one thread: {step:.1f} clips/s")
    rates = {}
    for workers in args.workers:
        rates[workers] = loading_rate(samples, workers, args.batches)
        per_worker = rates[workers] / max(workers, 1)
        worth = per_worker / step
        print(
            f"{workers} workers: {rates[workers]:.0f} clips/s, {per_worker:.0f} each, {worth:.1f} times the step each"
        )

    base = MoFMConfig.from_preset("base")
    clips = next(iter(DataLoader(samples, 64)))
    active = MoFMForMaskedMotionModeling(config).mofm(clips["keypoints"], clips["scores"]).attention_mask.sum(1)
    tokens = float(active.double().mean()) * np.prod(base.grid_size) / np.prod(config.grid_size)
    flops = training_flops(base, tokens)
    need = MATMUL_FLOPS * UTILISATION / flops
    each = rates[max(rates)] / max(*rates, 1)
    print(f"by calculation: a base step takes {flops / 1e9:.0f} GFLOP for a clip of {tokens:.0f} tokens; at")
    print(f"{UTILISATION:.0%} of {MATMUL_FLOPS / 1e12:.0f} TFLOP/s one GPU trains on {need:.0f} clips/s,")
    print(f"which {need / each:.1f} workers load")


if __name__ == "__main__":
    main()
