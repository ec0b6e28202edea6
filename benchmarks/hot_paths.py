"""Time the hot paths of the main job against their plain versions, in one run.

python -m benchmarks.hot_paths [--preset tiny] [--threads 1]
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import statistics
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.timing import timed
from modeling_mofm import MoFMConfig, MoFMForMaskedMotionModeling
from motion_data.corpora.load import SYNTHETIC, load_corpus
from motion_data.corpora.mixing import Mixture
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor
from tokenization_mofm.clip_inputs import ClipInputs
from tokenization_mofm.cube_embedding import CubeEmbedding
from tokenization_mofm.frame_embedding import FrameCubeEmbedding
from tokenization_mofm.thermal_cubes import render_map, render_volume
from training_mofm.augmentation import Augmentation
from training_mofm.samples import ClipMaker, MotionSamples, RandomRows, held_out_clips


def milliseconds(step: Callable[[], object], clips: int, repeats: int) -> float:
    """Median milliseconds per clip of a step over `clips` clips; the first call is not counted."""
    return statistics.median(timed(step, repeats)) / clips * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--dataset", default=SYNTHETIC, help="a motion corpus; how full clips are changes the ratios")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    dved = DVEDModel(DVEDConfig.from_preset(args.preset)).eval()
    mofm = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(args.preset)).eval()
    config = mofm.config
    corpus = load_corpus(args.dataset, "test")
    batch = held_out_clips(corpus, MoFMFeatureExtractor.for_config(config), args.clips)
    keypoints, scores = batch["keypoints"], batch["scores"]
    n = len(keypoints)
    gaussian = (config.heatmap_size, config.sigma, config.truncate)
    sizes = (config.num_keypoints, config.hidden_size, config.heatmap_size, config.cube_size, config.sigma)
    embedding = CubeEmbedding(*sizes, config.truncate, config.input_stride)
    narrow = MoFMConfig.from_preset(args.preset, truncate=1.5)  # as in mofm/
    by_frames = FrameCubeEmbedding(*sizes, narrow.truncate, config.input_stride)
    looked_at = ClipInputs.check(narrow, torch.float32, keypoints, scores).active
    volume = render_volume(keypoints, scores, *gaussian)
    maker = ClipMaker(MoFMFeatureExtractor.for_config(config), Augmentation())
    samples = MotionSamples(RandomRows(Mixture([corpus]), maker), 1_000, 0)

    def train_step(model: torch.nn.Module, **inputs: torch.Tensor) -> None:
        model.train()
        model(keypoints, scores, **inputs).loss.backward()
        model.zero_grad()
        model.eval()

    def embed(step: Callable[[], torch.Tensor]) -> None:
        step().sum().backward()
        embedding.zero_grad()
        by_frames.zero_grad()

    def load() -> None:
        for index in np.arange(n):
            samples[int(index)]

    def measure(step: Callable[[], object]) -> float:
        return milliseconds(step, n, args.repeats)

    with torch.no_grad():
        rows = {
            "render joint maps": measure(lambda: render_volume(keypoints, scores, *gaussian)),
            "render the combined map": measure(lambda: render_map(keypoints, scores, *gaussian)),
            "dVED encode (tokenise)": measure(lambda: dved.encode(keypoints, scores)),
            "MoFM forward": measure(lambda: mofm(keypoints, scores)),
        }
        ids = dved.encode(keypoints, scores).input_ids
        active = (ids != dved.config.empty_id).double().mean().item()
        mofm.config.drop_empty_cubes = False
        rows["MoFM forward, empty cubes kept"] = measure(lambda: mofm(keypoints, scores))
        mofm.config.drop_empty_cubes = True
    rows["embed cubes from key-points, with gradients"] = measure(
        lambda: embed(lambda: embedding.embed_keypoints(keypoints, scores))
    )
    rows["embed cubes from heat-maps, with gradients"] = measure(
        lambda: embed(lambda: embedding.embed_heatmaps(volume))
    )
    rows["embed cubes frame by frame, with gradients"] = measure(
        lambda: embed(lambda: by_frames.embed_keypoints(keypoints, scores, looked_at))
    )
    rows["the same, cubes without heat too"] = measure(
        lambda: embed(lambda: by_frames.embed_keypoints(keypoints, scores))
    )
    rows["dVED training step without optimiser"] = measure(lambda: train_step(dved))
    rows["MoFM training step without optimiser"] = measure(lambda: train_step(mofm, labels=ids))
    rows["load and augment a clip"] = measure(load)

    print(f"preset {args.preset}, {n} clips, {active:.0%} of cubes active, {args.threads} thread(s)")
    for name, value in rows.items():
        print(f"  {name:45s} {value:8.2f} ms/clip {1e3 / value:9.1f} clips/s")
    forward, encode = rows["MoFM forward"], rows["dVED encode (tokenise)"]
    dense = rows["embed cubes from heat-maps, with gradients"] + rows["render joint maps"]
    sparse = rows["embed cubes from key-points, with gradients"]
    step = rows["MoFM training step without optimiser"] + encode
    print("ratios")
    print(f"  tokenising / MoFM forward                     {encode / forward:6.2f}")
    print(f"  rendering + dense embedding / embedding       {dense / sparse:6.1f}")
    whole, looked = rows["the same, cubes without heat too"], rows["embed cubes frame by frame, with gradients"]
    print(f"  frame by frame: all cubes / those with heat   {whole / looked:6.2f}")
    print(f"  empty cubes kept / left out                   {rows['MoFM forward, empty cubes kept'] / forward:6.2f}")
    print(f"  MoFM training step / loading                  {step / rows['load and augment a clip']:6.1f}")


if __name__ == "__main__":
    main()
