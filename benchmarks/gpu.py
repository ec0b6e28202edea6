"""How near to a GPU's own limits pre-training, rendering and tokenising come, in one run on that GPU.

python -m benchmarks.gpu [--preset base] [--dataset synthetic] [--clips 256] [--json gpu.json]

The limits are measured first: a large product in bfloat16, and a copy. Steps are the paper's objective in bfloat16
autocast with empty cubes left out; operations are counted for cubes that hold heat alone, so that padding, which
`sdpa` leaves out and others do not, counts as lost. Without a GPU it says so.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from benchmarks.loading import loading_rate, training_flops
from benchmarks.timing import VISIBLE, timed, training_step
from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from modeling_mofm.masking import noise_shape
from modeling_mofm.modeling_mofm import compile_layers
from motion_data.corpora.load import SYNTHETIC, load_corpus
from motion_data.corpora.mixing import Mixture
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor
from tokenization_mofm.clip_inputs import ClipInputs
from tokenization_mofm.thermal_cubes import render_volume
from training_mofm.augmentation import Augmentation
from training_mofm.samples import ClipMaker, MotionSamples, RandomRows, collate_samples

SIDE = 8192  # of the square product that shows the peak
COPIED = 1 << 30  # bytes of the copy
ATTENTION = ("eager", "sdpa", "flex_attention")


def seconds_each(step: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the median seconds of a step, work on the device included; three steps before warm up."""

    def whole() -> None:
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(2):
        whole()
    return statistics.median(timed(whole, repeats))


def bfloat16_loss(model: MoFMForMaskedMotionModeling, batch: dict[str, Tensor], labels: Tensor) -> Tensor:
    with torch.autocast(labels.device.type, torch.bfloat16):
        return model(**batch, labels=labels).loss


class Found:
    """What was measured, printed as it comes.

    Args:
        device: that is waited for.
        repeats: timings; their median counts.
    """

    def __init__(self, device: torch.device, repeats: int):
        self.device, self.repeats = device, repeats
        self.figures: dict[str, float] = {}

    def measure(self, name: str, step: Callable[[], object], worth: float, unit: str) -> float:
        """Keep and return by how much `worth` of a step its time is divided."""
        figure = worth / seconds_each(step, self.device, self.repeats)
        self.figures[f"{name}, {unit}"] = figure
        print(f"{name}: {figure:.4g} {unit}", flush=True)
        return figure


def measure_limits(found: Found) -> float:
    """Return the TFLOP/s of a large product in bfloat16, beside which a copy is measured."""
    device = found.device
    print(torch.cuda.get_device_name(device), "torch", torch.__version__)
    left = torch.randn(SIDE, SIDE, device=device, dtype=torch.bfloat16)
    peak = found.measure("product in bfloat16", lambda: left @ left, 2 * SIDE**3 / 1e12, "TFLOP/s")
    source = torch.zeros(COPIED, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    found.measure("copy, bytes read and written", lambda: target.copy_(source), 2 * COPIED / 1e9, "GB/s")
    return peak


def measure_words(found: Found, dved: DVEDModel, clips: dict[str, Tensor]) -> Tensor:
    """Return the words of clips, after rendering and tokenising them are measured."""
    config, number = dved.config, len(clips["scores"])
    written = clips["scores"].numel() * config.heatmap_size**2 * 4 / 1e9
    gaussian = (config.heatmap_size, config.sigma, config.truncate)
    found.measure(
        "rendering maps of each joint",
        lambda: render_volume(clips["keypoints"], clips["scores"], *gaussian),
        written,
        "GB/s written",
    )
    with torch.no_grad():
        found.measure("tokenising", lambda: dved.encode(**clips), number, "clips/s")
        with torch.autocast(found.device.type, torch.bfloat16):
            found.measure("tokenising in bfloat16", lambda: dved.encode(**clips), number, "clips/s")
        return dved.encode(**clips).input_ids


def measure_steps(
    found: Found,
    preset: str,
    attentions: Sequence[str],
    batch: dict[str, Tensor],
    labels: Tensor,
    cubes: float,
    peak: float | None,
) -> None:
    """Measure training steps with each kind of attention, compiled, and of visible cubes alone.

    Args:
        cubes: with heat, of a clip.
        peak: TFLOP/s of a product, where it is known.
    """
    flops = training_flops(MoFMConfig.from_preset(preset), cubes)
    ways = [(name, False, {}) for name in attentions] + [("sdpa", True, {}), ("sdpa", True, VISIBLE)]
    for attention, compiled, fields in ways:
        name = f"step of {preset}, {attention}{', layers compiled' if compiled else ''}"
        name += ", visible 40 % alone" if fields else ""
        try:
            model = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(preset, **fields)).to(found.device).train()
            model.set_attn_implementation(attention)
            if compiled:
                compile_layers(model)
            step = training_step(model, partial(bfloat16_loss, model, batch, labels))
            rate = found.measure(name, step, len(labels), "clips/s")
        except Exception as error:  # what a version of torch cannot do is a row too
            print(f"{name}: not measured: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
            continue
        if fields:  # of another number of tokens in each layer
            continue
        done = found.figures[f"{name}, TFLOP/s"] = rate * flops / 1e12
        share = "" if peak is None else f", {done / peak:.1%} of the product"
        print(f"  {done:.1f} TFLOP/s of {cubes:.0f} cubes a clip{share}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="base")
    parser.add_argument("--dataset", default=SYNTHETIC, help="a motion corpus; how full its clips are decides")
    parser.add_argument("--clips", type=int, default=256, help="of a step; the fewer, the more a GPU waits")
    parser.add_argument("--attention", nargs="*", choices=ATTENTION, default=ATTENTION, help="compared")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("not measured: there is no GPU here")
        return
    device = torch.device(args.device)
    torch.manual_seed(0)
    found = Found(device, args.repeats)
    peak = measure_limits(found) if device.type == "cuda" else None

    config = MoFMConfig.from_preset(args.preset)
    maker = ClipMaker(MoFMFeatureExtractor.for_config(config), Augmentation())
    shape = noise_shape(config.masking, config.grid_size, config.num_keypoints)
    samples = MotionSamples(RandomRows(Mixture([load_corpus(args.dataset, "train")]), maker), 10**6, 0, shape)
    batch = {name: x.to(device) for name, x in collate_samples([samples[i] for i in range(args.clips)]).items()}
    clips = {name: batch[name] for name in ("keypoints", "scores")}
    labels = measure_words(found, DVEDModel(DVEDConfig.from_preset(args.preset)).to(device).eval(), clips)
    cubes = float(ClipInputs.check(config, torch.float32, **clips).active.sum(1).double().mean())
    measure_steps(found, args.preset, args.attention, batch, labels, cubes, peak)
    loaded = found.figures["one worker loads, clips/s"] = loading_rate(samples, 1, 20)
    print(f"one worker loads {loaded:.0f} clips/s")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(found.figures, file, indent=1)


if __name__ == "__main__":
    main()
