"""Hot paths beside what a user would take instead, and beside the machine's own limit, in one run.

python -m benchmarks.peers --dataset corpora/uiprmd_kinect --json peers.json
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from tqdm import trange
from transformers import BeitConfig, BeitForMaskedImageModeling, PreTrainedModel, VideoMAEConfig, VideoMAEModel

from benchmarks.loading import training_flops
from benchmarks.timing import seconds, training_step
from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from motion_data.corpora.load import SYNTHETIC, load_corpus
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor
from training_mofm.samples import held_out_clips

IMAGE_TOKENS = 196  # of BEiT and VideoMAE: a picture of 14 x 14 patches, a film of 4 x 7 x 7
MASKED = 0.4
SHAPE = (2048, 768, 768)  # of the product that shows the machine's peak


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
        pairs = [(seconds(self.ours), seconds(self.theirs)) for _ in trange(repeats + 1, desc=self.path, leave=False)][
            1:
        ]  # the first one warms up
        ratios = [self.worth * theirs / ours for ours, theirs in pairs]
        spread = [min(ratios), max(ratios)]
        medians = (statistics.median(values) for values in (*zip(*pairs, strict=True), ratios))
        return dict(zip(("seconds", "peer_seconds", "ratio"), medians, strict=True)) | {"spread": spread}


def seconds_of(*command: str) -> Callable[[], None]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--dataset", default=SYNTHETIC, help="how full its clips are changes what leaving out pays")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    dense = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(args.preset, drop_empty_cubes=False)).train()
    sparse = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(args.preset)).train()
    dved = DVEDModel(DVEDConfig.from_preset(args.preset)).eval()
    config = dense.config
    sizes = {
        name: getattr(config, name)
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    }
    clips = held_out_clips(load_corpus(args.dataset, "test"), MoFMFeatureExtractor.for_config(config), args.clips)
    n = len(clips["keypoints"])
    with torch.no_grad():
        encoded = dved.encode(**clips)
    active = (encoded.input_ids != dved.config.empty_id).sum(1).float()
    beit = BeitForMaskedImageModeling(
        BeitConfig(**sizes, vocab_size=config.codebook_size, use_mask_token=True)
    ).train()
    pixels = torch.rand(n, 3, 224, 224)
    masked = torch.rand(n, IMAGE_TOKENS) < MASKED
    words = torch.randint(0, config.codebook_size, (int(masked.sum()),))
    video = VideoMAEModel(VideoMAEConfig(**sizes, image_size=112, num_frames=8)).train()
    film = torch.rand(n, 8, 3, 112, 112)
    left, right = torch.rand(SHAPE[0], SHAPE[1]), torch.rand(SHAPE[1], SHAPE[2])

    dense_step = training_step(dense, lambda: dense(**clips, labels=encoded.input_ids).loss)
    sparse_step = training_step(sparse, lambda: sparse(**clips, labels=encoded.input_ids).loss)
    beit_step = training_step(beit, lambda: beit(pixels, bool_masked_pos=masked, labels=words).loss)
    video_step = training_step(video, lambda: video(film).last_hidden_state.square().mean())

    def product() -> None:
        for _ in range(20):
            left @ right

    def forward(model: PreTrainedModel) -> Callable[[], object]:
        @torch.no_grad()
        def run() -> object:
            model.eval()
            found = model(**clips)
            model.train()
            return found

        return run

    def encode() -> None:
        with torch.no_grad():
            dved.encode(**clips)

    work = n * training_flops(config, config.num_cubes)
    of_peak = work / (20 * 2.0 * SHAPE[0] * SHAPE[1] * SHAPE[2])
    of_video = work / (n * training_flops(config, IMAGE_TOKENS))  # of the same width and depth
    more_tokens = config.num_cubes / IMAGE_TOKENS
    python = sys.executable
    alone = seconds_of(python, "-c", "import torch, transformers; transformers.PreTrainedModel, transformers.Pipeline")
    package = seconds_of(python, "-c", "import modeling_mofm")
    usage, nothing = seconds_of(python, "-m", "training_mofm.command"), seconds_of(python, "-c", "pass")
    rows = [
        Row("pre-training step, tokens/s, nothing left out", "BEiT", dense_step, beit_step, more_tokens, ">= 1.4"),
        Row("pre-training step, clips/s, empty cubes left out", "BEiT", sparse_step, beit_step, 1.0, ">= 3"),
        Row("FLOP use of a step", "matrix products", dense_step, product, of_peak, ">= 0.5 at tiny"),
        Row("FLOP use of a step", "VideoMAE", dense_step, video_step, of_video, ">= 1"),
        Row("tokenising, clips/s", "MoFM's forward", encode, forward(sparse), 1.0, ">= 1"),
        Row("import modeling_mofm", "torch and transformers", package, alone, 1.0, ">= 0.9"),
        Row("mofm --help", "Python alone", usage, nothing, 1.0),
    ]
    filled = f"{active.mean():.0f} of {config.num_cubes} cubes active"
    print(f"preset {args.preset}, {n} clips, {filled}, {args.threads} threads")
    print("| path | beside | times as fast | spread | aim | seconds, ours and theirs |")
    print("| --- | --- | --- | --- | --- | --- |")
    figures = []
    for row in rows:
        found = row.measure(args.repeats)
        low, high = found["spread"]
        print(
            f"| {row.path} | {row.peer} | **{found['ratio']:.2f}** | {low:.2f} to {high:.2f} | {row.aim} | "
            f"{found['seconds']:.3f}, {found['peer_seconds']:.3f} |",
            flush=True,
        )
        figures.append({"path": row.path, "peer": row.peer, "aim": row.aim, **found})
    if args.json:
        with open(args.json, "w") as file:
            json.dump({**vars(args), "rows": figures}, file, indent=1)


if __name__ == "__main__":
    main()
