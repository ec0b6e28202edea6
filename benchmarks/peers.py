"""Hot paths beside what a user would take instead, and beside the machine's own limit, in one run.

python -m benchmarks.peers --dataset corpora/uiprmd_kinect --json peers.json [--peer <name>=<its checkout> ...]

Peers are imported from checkouts (`benchmarks.checkout_rows` says which).
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import atexit
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import (
    BeitConfig,
    BeitForMaskedImageModeling,
    VideoMAEConfig,
    VideoMAEModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from benchmarks.checkout_rows import anomaly_rows, network_rows, render_rows, tokeniser_row
from benchmarks.checkouts import PEERS, checkouts
from benchmarks.comparison import Row
from benchmarks.loading import training_flops
from benchmarks.timing import VISIBLE, kept_bytes, training_step
from modeling_mofm import SHIPPED, MoFMConfig, MoFMForMaskedMotionModeling
from motion_data.corpora.load import SYNTHETIC, load_corpus
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor
from training_mofm.samples import held_out_clips

IMAGE_TOKENS = 196  # of BEiT and VideoMAE: a picture of 14 x 14 patches, a film of 4 x 7 x 7
MASKED = 0.4
SHAPE = (2048, 768, 768)  # of the product that shows the machine's peak
PRODUCTS = 20  # of them in a run
VARIANTS = {"dense": {"drop_empty_cubes": False}, "sparse": {}, "visible": VISIBLE}
SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


@dataclass
class Training:
    """A model that is trained, and its loss."""

    model: nn.Module
    loss: Callable[[], Tensor]

    @property
    def step(self) -> Callable[[], None]:
        return training_step(self.model, self.loss)


def trainings(preset: str, clips: dict[str, Tensor], words: Tensor) -> dict[str, Training]:
    """Return MoFM in its variants and its peers of the same width and depth, each with data of its own kind."""
    found = {}
    for name, options in VARIANTS.items():
        model = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(preset, **options)).train()
        found[name] = Training(model, lambda model=model: model(**clips, labels=words).loss)
    config, n = found["dense"].model.config, len(words)
    sizes = {name: getattr(config, name) for name in SIZES}
    beit = BeitConfig(**sizes, vocab_size=config.codebook_size, use_mask_token=True)
    pictures = BeitForMaskedImageModeling(beit).train()
    pixels, masked = torch.rand(n, 3, 224, 224), torch.rand(n, IMAGE_TOKENS) < MASKED
    labels = torch.randint(0, config.codebook_size, (int(masked.sum()),))
    found["beit"] = Training(pictures, lambda: pictures(pixels, bool_masked_pos=masked, labels=labels).loss)
    films = VideoMAEModel(VideoMAEConfig(**sizes, image_size=112, num_frames=8)).train()
    film = torch.rand(n, 8, 3, 112, 112)
    found["video"] = Training(films, lambda: films(film).last_hidden_state.square().mean())
    return found


def step_rows(trained: dict[str, Training], config: MoFMConfig, num_clips: int) -> list[Row]:
    """A step of pre-training."""
    left, right = torch.rand(SHAPE[:2]), torch.rand(SHAPE[1:])

    def products() -> None:
        for _ in range(PRODUCTS):
            left @ right

    step = {name: training.step for name, training in trained.items()}
    work = num_clips * training_flops(config, config.num_cubes)
    of_peak = work / (PRODUCTS * 2.0 * SHAPE[0] * SHAPE[1] * SHAPE[2])
    of_video = work / (num_clips * training_flops(config, IMAGE_TOKENS))
    more_tokens = config.num_cubes / IMAGE_TOKENS
    beit = step["beit"]
    return [
        Row("pre-training step, tokens/s, nothing left out", "BEiT", step["dense"], beit, more_tokens, ">= 1.4"),
        Row("pre-training step, clips/s, empty cubes left out", "BEiT", step["sparse"], beit, 1.0, ">= 3"),
        Row("pre-training step, clips/s, visible 40 % alone", "BEiT", step["visible"], beit, 1.0, ">= 3"),
        Row("FLOP use of a step", "matrix products", step["dense"], products, of_peak, ">= 0.5 at tiny"),
        Row("FLOP use of a step", "VideoMAE", step["dense"], step["video"], of_video, ">= 1"),
    ]


def start_rows() -> list[Row]:
    """Starting Python with what a user imports or types."""

    def start(*arguments: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    torch_alone = start("-c", "import torch, transformers; transformers.PreTrainedModel, transformers.Pipeline")
    package = start("-c", "import modeling_mofm")
    answer = "import numpy; import modeling_mofm; from transformers import pipeline; "
    answer += f"pipeline('motion-classification', model={str(SHIPPED)!r})(numpy.random.rand(48, 17, 2) * 200)"
    peer_answer = "from PIL import Image; from transformers import pipeline; "
    peer_answer += f"pipeline('image-classification', model={_saved_vit()!r})(Image.new('RGB', (224, 224)))"
    return [
        Row("import modeling_mofm", "torch and transformers", package, torch_alone, 1.0, ">= 0.9"),
        Row("first answer of a pipeline", "ViT's", start("-c", answer), start("-c", peer_answer), 1.0, ">= 0.9"),
        Row("mofm --help", "Python alone", start("-m", "training_mofm.command"), start("-c", "pass"), 1.0),
    ]


def _saved_vit() -> str:
    """Return a folder with a ViT of the size of `mofm/`, with random weights, whose pipeline is that of images."""
    folder = tempfile.mkdtemp(prefix="vit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = MoFMConfig.from_pretrained(SHIPPED)
    ViTForImageClassification(ViTConfig(**{name: getattr(config, name) for name in SIZES})).save_pretrained(folder)
    ViTImageProcessor().save_pretrained(folder)
    return folder


def measure(rows: list[Row], repeats: int) -> list[dict]:
    """Measure row by row and print a table meanwhile."""
    print("| path | beside | times as fast | spread | aim | seconds, ours and theirs |")
    print("| --- | --- | --- | --- | --- | --- |")
    figures = []
    for row in rows:
        found = row.measure(repeats)
        low, high = found["spread"]
        print(
            f"| {row.path} | {row.peer} | **{found['ratio']:.2f}** | {low:.2f} to {high:.2f} | {row.aim} | "
            f"{found['seconds']:.3f}, {found['peer_seconds']:.3f} |",
            flush=True,
        )
        figures.append({"path": row.path, "peer": row.peer, "aim": row.aim, **found})
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--dataset", default=SYNTHETIC, help="how full its clips are changes what leaving out pays")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", action="append", default=[], help="<name>=<folder of its checkout>; may be repeated")
    parser.add_argument("--rows", default="", help="measure only what has this in its name, such as pre-training")
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    try:
        peers = checkouts(args.peer)
    except ValueError as error:
        parser.error(str(error))
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    config = MoFMConfig.from_preset(args.preset)
    dved = DVEDModel(DVEDConfig.from_preset(args.preset)).eval()
    clips = held_out_clips(load_corpus(args.dataset, "test"), MoFMFeatureExtractor.for_config(config), args.clips)
    encode = torch.no_grad()(lambda: dved.encode(**clips))
    words = encode().input_ids
    trained, n = trainings(args.preset, clips, words), len(words)
    forward = torch.no_grad()(lambda: trained["sparse"].model.mofm(**clips))
    rows = step_rows(trained, config, n)
    rows.append(Row("tokenising, clips/s", "MoFM's forward", encode, forward, 1.0, ">= 1"))
    rows += start_rows()
    if "pyskl" in peers:
        rows += render_rows(peers["pyskl"])
        try:
            rows += network_rows(peers["pyskl"], args.preset, clips)
        except ImportError as error:
            print(f"PoseC3D and ST-GCN++: not measured ({error})")
    if "vqgan" in peers:
        rows.append(tokeniser_row(peers["vqgan"], dved.config, encode, n))
    rows = [row for row in rows + anomaly_rows(peers, clips) if args.rows in row.path]
    if not rows:
        raise SystemExit(f"rows is {args.rows!r}, which no path has in its name")
    for name in sorted(PEERS.keys() - peers.keys()):
        print(f"{name}: not measured; name a checkout by --peer {name}=<folder>")
    active = (words != dved.config.empty_id).sum(1).float().mean()
    print(f"preset {args.preset}, {n} clips, {active:.0f} of {config.num_cubes} cubes active, {args.threads} threads")
    figures = measure(rows, args.repeats)
    kept = {name: kept_bytes(trained[name].model, trained[name].loss) / n for name in (*VARIANTS, "beit")}
    print(
        f"kept for the backward pass, MB a clip: {kept['dense'] / 1e6:.1f} ({kept['sparse'] / 1e6:.1f} without empty "
        f"cubes, {kept['visible'] / 1e6:.1f} of visible ones alone), BEiT {kept['beit'] / 1e6:.1f}; "
        f"a token {kept['dense'] / config.num_cubes / 1e3:.0f} and "
        f"{kept['beit'] / IMAGE_TOKENS / 1e3:.0f} kB (aim: not more)"
    )
    if args.json:
        with open(args.json, "w") as file:
            json.dump({**vars(args), "rows": figures, "kept_bytes": kept}, file, indent=1)


if __name__ == "__main__":
    main()
