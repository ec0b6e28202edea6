"""Time the hot paths of the main job against their plain versions, in one run.

python -m benchmarks.hot_paths [--preset tiny] [--threads 1]
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import statistics
from collections.abc import Callable

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


class HotPaths:
    """What is timed, and on what: clips of a corpus, and models of a preset.

    Args:
        preset: of models.
        dataset: whose held-out clips are taken.
        clips: how many.
        repeats: timings of a path; their median counts.
    """

    def __init__(self, preset: str, dataset: str, clips: int, repeats: int):
        self.dved = DVEDModel(DVEDConfig.from_preset(preset)).eval()
        self.mofm = MoFMForMaskedMotionModeling(MoFMConfig.from_preset(preset)).eval()
        config = self.mofm.config
        extractor, corpus = MoFMFeatureExtractor.for_config(config), load_corpus(dataset, "test")
        batch = held_out_clips(corpus, extractor, clips)
        self.clips = batch["keypoints"], batch["scores"]
        self.gaussian = (config.heatmap_size, config.sigma, config.truncate)
        sizes = (config.num_keypoints, config.hidden_size, config.heatmap_size, config.cube_size, config.sigma)
        self.embedding = CubeEmbedding(*sizes, config.truncate, config.input_stride)
        narrow = MoFMConfig.from_preset(preset, truncate=1.5)  # as in mofm/
        self.by_frames = FrameCubeEmbedding(*sizes, narrow.truncate, config.input_stride)
        self.looked_at = ClipInputs.check(narrow, torch.float32, *self.clips).active
        self.samples = MotionSamples(RandomRows(Mixture([corpus]), ClipMaker(extractor, Augmentation())), 1_000, 0)
        self.repeats = repeats

    def measure(self, step: Callable[[], object]) -> float:
        """Return the milliseconds of a step per clip."""
        return milliseconds(step, len(self.clips[0]), self.repeats)

    def without_gradients(self) -> tuple[dict[str, float], torch.Tensor]:
        """Return milliseconds of paths that are only asked, and the words of the clips."""
        clips, dved, mofm = self.clips, self.dved, self.mofm
        with torch.no_grad():
            rows = {
                "render joint maps": self.measure(lambda: render_volume(*clips, *self.gaussian)),
                "render the combined map": self.measure(lambda: render_map(*clips, *self.gaussian)),
                "dVED encode (tokenise)": self.measure(lambda: dved.encode(*clips)),
                "MoFM forward": self.measure(lambda: mofm(*clips)),
            }
            ids = dved.encode(*clips).input_ids
            mofm.config.drop_empty_cubes = False
            rows["MoFM forward, empty cubes kept"] = self.measure(lambda: mofm(*clips))
            mofm.config.drop_empty_cubes = True
        return rows, ids

    def with_gradients(self, ids: torch.Tensor) -> dict[str, float]:
        """Return milliseconds of paths of a training, whose words are `ids`, and of loading its clips."""
        volume = render_volume(*self.clips, *self.gaussian)

        def train_step(model: torch.nn.Module, **inputs: torch.Tensor) -> None:
            model.train()
            model(*self.clips, **inputs).loss.backward()
            model.zero_grad()
            model.eval()

        def embed(embedding: torch.nn.Module, step: Callable[[], torch.Tensor]) -> float:
            def whole() -> None:
                step().sum().backward()
                embedding.zero_grad()

            return self.measure(whole)

        def load() -> None:
            for index in range(len(ids)):
                self.samples[index]

        linear, by_frames = self.embedding, self.by_frames
        return {
            "embed cubes from key-points": embed(linear, lambda: linear.embed_keypoints(*self.clips)),
            "embed cubes from heat-maps": embed(linear, lambda: linear.embed_heatmaps(volume)),
            "embed cubes frame by frame": embed(
                by_frames, lambda: by_frames.embed_keypoints(*self.clips, self.looked_at)
            ),
            "the same, cubes without heat too": embed(by_frames, lambda: by_frames.embed_keypoints(*self.clips)),
            "dVED training step without optimiser": self.measure(lambda: train_step(self.dved)),
            "MoFM training step without optimiser": self.measure(lambda: train_step(self.mofm, labels=ids)),
            "load and augment a clip": self.measure(load),
        }


def ratios(rows: dict[str, float]) -> dict[str, float]:
    """Return how many times as long one path takes as another."""
    forward, encode = rows["MoFM forward"], rows["dVED encode (tokenise)"]
    dense = rows["embed cubes from heat-maps"] + rows["render joint maps"]
    step = rows["MoFM training step without optimiser"] + encode
    return {
        "tokenising / MoFM forward": encode / forward,
        "rendering + dense embedding / embedding": dense / rows["embed cubes from key-points"],
        "frame by frame: all cubes / those with heat": (
            rows["the same, cubes without heat too"] / rows["embed cubes frame by frame"]
        ),
        "empty cubes kept / left out": rows["MoFM forward, empty cubes kept"] / forward,
        "MoFM training step / loading": step / rows["load and augment a clip"],
    }


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
    paths = HotPaths(args.preset, args.dataset, args.clips, args.repeats)
    rows, ids = paths.without_gradients()
    rows |= paths.with_gradients(ids)
    active = (ids != paths.dved.config.empty_id).double().mean().item()
    print(f"preset {args.preset}, {len(ids)} clips, {active:.0%} of cubes active, {args.threads} thread(s)")
    for name, value in rows.items():
        print(f"  {name:45s} {value:8.2f} ms/clip {1e3 / value:9.1f} clips/s")
    print("ratios")
    for name, value in ratios(rows).items():
        print(f"  {name:45s} {value:6.2f}")


if __name__ == "__main__":
    main()
