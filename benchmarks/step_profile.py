"""Where the time and the memory of a pre-training step go, part by part.

python -m benchmarks.step_profile [--preset tiny] [--dataset <corpus>] [--clips 16] [--threads 2]
python -m benchmarks.step_profile --cube-embedding frames --truncate 1.5 --predictor-layers 1 --mask-ratio 0.6

Time is of the part itself, forwards and backwards; memory is what the backward pass keeps of it, each tensor once.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from modeling_mofm.modeling_mofm import MoFMAttention, MoFMMLP
from motion_data.corpora.load import SYNTHETIC, load_corpus
from motion_data.corpora.mixing import Mixture
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor
from training_mofm.augmentation import Augmentation
from training_mofm.samples import ClipMaker, MotionSamples, RandomRows, collate_samples

WORKER = "a worker does it meanwhile"
REST = "the rest: norms, residuals, gathering, losses"


class Watch:
    """Take the time of named parts of a model, and what autograd keeps of them."""

    def __init__(self, model: MoFMForMaskedMotionModeling):
        self.seconds: dict[str, float] = defaultdict(float)
        self.kept: dict[str, int] = defaultdict(int)
        self._inside: list[str] = []
        self._seen: set[int] = set()
        self._own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        for module in model.modules():
            if isinstance(module, MoFMAttention):
                self._follow(module, "attention")
            elif isinstance(module, MoFMMLP):
                self._follow(module, "MLP")
        self._follow(model.mofm.embeddings, "cube embedding")
        self._follow(model.lm_head, "head of words")
        if model.config.coordinate_loss_weight:
            self._follow(model.coordinate_decoder, "decoder of coordinates")

    def _follow(self, module: nn.Module, name: str) -> None:
        begun: list[float] = []

        def begin(*_: object) -> None:
            self._inside.append(name)
            begun.append(time.perf_counter())

        def end(*_: object) -> None:
            self._inside.pop()
            self.seconds[f"{name}, forwards"] += time.perf_counter() - begun.pop()

        def back(*_: object) -> None:
            begun.append(time.perf_counter())

        def done(*_: object) -> None:
            self.seconds[f"{name}, backwards"] += time.perf_counter() - begun.pop()

        module.register_forward_pre_hook(begin)
        module.register_forward_hook(end)
        if name != "cube embedding":  # whose inputs have no gradient: nothing tells when it ends
            module.register_full_backward_pre_hook(back)
            module.register_full_backward_hook(done)

    def restart(self) -> None:
        self.seconds.clear()
        self.kept.clear()
        self._seen.clear()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start

    def keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen | self._own:
            self._seen.add(storage.data_ptr())
            self.kept[self._inside[-1] if self._inside else REST] += storage.nbytes()
        return tensor


def timed_step(
    model: MoFMForMaskedMotionModeling,
    dved: DVEDModel,
    optimizer: torch.optim.Optimizer,
    clips: dict[str, torch.Tensor],
    watch: Watch,
) -> dict[str, float]:
    """Return the seconds of each part of a training step, those before it in `watch` among them."""
    with watch.part("tokenising"), torch.no_grad():
        labels = dved.encode(clips["keypoints"], clips["scores"]).input_ids
    start = time.perf_counter()
    with torch.autograd.graph.saved_tensors_hooks(watch.keep, lambda tensor: tensor):
        loss = model(**clips, labels=labels).loss
    loss.backward()
    both = time.perf_counter() - start
    rest = both - sum(value for name, value in watch.seconds.items() if name.endswith("wards"))
    with watch.part("optimiser"):
        optimizer.step()
        optimizer.zero_grad()
    return dict(watch.seconds) | {REST + " (and the embedding, backwards)": rest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--dataset", default=SYNTHETIC, help="a motion corpus; how full clips are changes the shares")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cube-embedding", default="linear")
    parser.add_argument("--truncate", type=float, default=3.0)
    parser.add_argument("--predictor-layers", type=int, default=0)
    parser.add_argument("--mask-ratio", type=float, default=0.4)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    dved = DVEDModel(DVEDConfig.from_preset(args.preset)).eval()
    chosen = {name: getattr(args, name) for name in ("cube_embedding", "truncate", "predictor_layers", "mask_ratio")}
    model = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(args.preset, coordinate_loss_weight=5.0, **chosen))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    maker = ClipMaker(MoFMFeatureExtractor.for_config(model.config), Augmentation())
    samples = MotionSamples(RandomRows(Mixture([load_corpus(args.dataset, "train")]), maker), 1_000, 0)
    watch = Watch(model)
    steps: list[dict[str, float]] = []
    for number in range(args.repeats + 1):
        watch.restart()
        with watch.part(f"making clips ({WORKER})"):
            first = number * args.clips
            clips = collate_samples([samples[index] for index in range(first, first + args.clips)])
        steps.append(timed_step(model, dved, optimizer, clips, watch))
    typical = {name: statistics.median(step[name] for step in steps[1:]) for name in steps[-1]}
    own = sum(parameter.nbytes for parameter in model.parameters())
    memory = {
        "weights": own,
        "their gradients": own,
        "two moments of AdamW": 2 * own,
        "the dVED": sum(parameter.nbytes for parameter in dved.parameters()),
        **{f"kept for the backward pass: {name}": size for name, size in watch.kept.items()},
    }
    whole = sum(value for name, value in typical.items() if WORKER not in name)
    print(f"preset {args.preset}, {args.clips} clips, {args.threads} thread(s): {whole * 1e3:.0f} ms a step\n")
    print("| part | ms | share |\n| --- | --- | --- |")
    for name, value in sorted(typical.items(), key=lambda item: -item[1]):
        print(f"| {name} | {value * 1e3:.0f} | {'' if WORKER in name else f'{value / whole:.0%}'} |")
    print("\n| memory | MB | MB a clip |\n| --- | --- | --- |")
    for name, size in sorted(memory.items(), key=lambda item: -item[1]):
        print(f"| {name} | {size / 1e6:.1f} | {f'{size / 1e6 / args.clips:.2f}' if 'kept' in name else ''} |")


if __name__ == "__main__":
    main()
