"""How time grows with frames, people, cubes, clips, words and processes: curves to 16 times, and their slopes.

python -m benchmarks.growth [--preset tiny] [--axes frames people] [--json growth.json]

A slope is the exponent of a power law through the last three points: 1 is twice the time for twice as much, 0 no
growth. Beside it stands what the algorithm itself asks for.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.corpus_scale import walk, write_alphapose
from benchmarks.timing import timed, training_step
from modeling_mofm import AnomalyScorer, MoFMConfig, MoFMForAnomalyDetection, MoFMForMaskedMotionModeling, MoFMModel
from modeling_mofm.shipped import SHIPPED
from motion_data.inputs import as_recordings
from motion_data.keypoints import Motion
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer

TIMES = (1, 2, 4, 8, 16)
Axis = Callable[[str, int], Callable[[], object]]


def wander(*shape: int) -> torch.Tensor:
    """Return key-points `[*shape, 17, 2]` of bodies that wander a little; the second last of `shape` are frames."""
    generator = torch.Generator().manual_seed(0)
    body = torch.rand(*shape[:-1], 1, 17, 2, generator=generator) * 42 + 14  # of the 72 pixels of a map
    return body + torch.randn(*shape, 17, 2, generator=generator).cumsum(-3) * 0.2


def reading(preset: str, times: int) -> Callable[[], object]:
    folder = tempfile.TemporaryDirectory()  # there as long as what is returned
    write_alphapose(Path(folder.name) / "poses.json", walk(500 * times, 0))
    return lambda: as_recordings(Path(folder.name) / "poses.json")


def watching(preset: str, times: int) -> Callable[[], object]:
    detector, tokenizer = MoFMForAnomalyDetection.from_pretrained(SHIPPED), MoFMTokenizer.from_pretrained(SHIPPED)
    scorer = AnomalyScorer(detector, tokenizer, stride=0.4)
    keypoints = wander(1, 60 * times).numpy()
    motion = Motion(keypoints, np.ones(keypoints.shape[:-1], np.float32))
    return lambda: scorer.score(motion, 30.0)


def people(preset: str, times: int) -> Callable[[], object]:
    model = MoFMModel(MoFMConfig.from_preset(preset)).eval()
    keypoints = wander(1, times, model.config.num_frames)
    return torch.inference_mode()(lambda: model(keypoints))


def cubes(preset: str, times: int) -> Callable[[], object]:
    """Frames of a clip, all cubes kept: each slice has as many."""
    frames = MoFMConfig.from_preset(preset).num_frames // 2 * times
    model = MoFMModel(MoFMConfig.from_preset(preset, num_frames=frames, drop_empty_cubes=False)).eval()
    keypoints = wander(1, frames)
    return torch.inference_mode()(lambda: model(keypoints))


def clips(preset: str, times: int, count: int = 2, parallel: bool = False) -> Callable[[], object]:
    """A training step of so many times `count` clips, of a model that others train too where it is `parallel`."""
    config = MoFMConfig.from_preset(preset)
    model: nn.Module = MoFMForMaskedMotionModeling(config).train()
    model = DistributedDataParallel(model) if parallel else model
    keypoints = wander(count * times, config.num_frames)
    labels = torch.randint(0, config.codebook_size, (count * times, config.num_cubes))
    return training_step(model, lambda: model(keypoints, labels=labels).loss)


def words(preset: str, times: int) -> Callable[[], object]:
    dved = DVEDModel(DVEDConfig.from_preset(preset, codebook_size=256 * times)).eval()
    keypoints = wander(8, dved.config.num_frames)
    return torch.inference_mode()(lambda: dved.encode(keypoints))


AXES: dict[str, tuple[str, str, Axis]] = {
    "file": ("frames of a file, read", "1", reading),
    "frames": ("frames of a recording, watched every 0.4 s", "1", watching),
    "people": ("people of a clip, encoded", "1", people),
    "cubes": ("cubes of a clip, encoded", "1 to 2 (attention)", cubes),
    "clips": ("clips of a training step", "1", clips),
    "words": ("words of the MotionBook, tokenised", "0 to 1", words),
}


def train_in_processes(rank: int, processes: int, preset: str, repeats: int, folder: str) -> None:
    """Time steps of 8 clips in each of several processes of one thread, on gloo; the first one writes the median."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/{processes}", rank=rank, world_size=processes)
    torch.manual_seed(0)
    found = timed(clips(preset, 1, count=8, parallel=True), repeats)
    if rank == 0:
        Path(folder, f"{processes}.seconds").write_text(str(statistics.median(found)))
    dist.destroy_process_group()


def efficiency(preset: str, repeats: int, processes: int = 2) -> float:
    """Return the clips a second of several processes as a fraction of so many times those of one."""
    with tempfile.TemporaryDirectory() as folder:
        for count in (1, processes):
            mp.spawn(train_in_processes, (count, preset, repeats, folder), nprocs=count)
        alone, together = (float(Path(folder, f"{count}.seconds").read_text()) for count in (1, processes))
    return alone / together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--axes", nargs="+", default=[*AXES, "processes"], choices=[*AXES, "processes"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    figures = {}
    print(f"preset {args.preset}, {args.threads} threads, median of {args.repeats}; seconds at {TIMES} times")
    print("| what | seconds | slope | of the algorithm |\n| --- | --- | --- | --- |")
    for axis in args.axes:
        if axis == "processes":
            figures[axis] = {"efficiency": efficiency(args.preset, args.repeats)}
            print(f"two processes of one thread each on gloo: {figures[axis]['efficiency']:.2f} of twice one process")
            continue
        what, order, make = AXES[axis]
        seconds = [statistics.median(timed(make(args.preset, times), args.repeats)) for times in TIMES]
        slope = float(np.polyfit(np.log(TIMES[-3:]), np.log(seconds[-3:]), 1)[0])
        figures[axis] = {"seconds": seconds, "slope": slope}
        print(f"| {what} | {', '.join(f'{one:.3f}' for one in seconds)} | {slope:.2f} | {order} |", flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
