"""Size, speed and agreement of exported graphs beside the model itself, in one run.

python -m benchmarks.exported --dataset corpora/uiprmd_kinect --threads 1
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import timed
from modeling_mofm.export import TASKS, export_graph, load_graph, open_onnx
from modeling_mofm.shipped import SHIPPED
from motion_data.corpora.load import SYNTHETIC, load_corpus
from tokenization_mofm import MoFMFeatureExtractor
from training_mofm.samples import held_out_clips

Runner = Callable[[torch.Tensor, torch.Tensor], list[np.ndarray]]


def clips_a_second(run: Runner, keypoints: torch.Tensor, scores: torch.Tensor, batch: int, repeats: int) -> float:
    """Median clips a second in batches; a first pass is not counted."""

    def all_clips() -> None:
        for first in range(0, len(keypoints), batch):
            run(keypoints[first : first + batch], scores[first : first + batch])

    return len(keypoints) / statistics.median(timed(all_clips, repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED))
    parser.add_argument("--dataset", default=SYNTHETIC, help="a motion corpus; its test part is asked about")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    extractor = MoFMFeatureExtractor.from_pretrained(args.model)
    clips = held_out_clips(load_corpus(args.dataset, "test"), extractor, args.clips)
    keypoints, scores = clips["keypoints"][:, None] + 1, clips["scores"][:, None]  # (0, 0) would be missing
    print(f"{len(keypoints)} clips of one person, {args.threads} threads; clips a second in batches of {args.batch}")
    for task in TASKS:
        graph = load_graph(task, args.model)
        runners: dict[str, tuple[float, Runner]] = {}
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            runners["PyTorch"] = (0.0, lambda *clip, graph=graph: [values.numpy() for values in graph(*clip)])
            for name, int8 in (("ONNX", False), ("ONNX int8", True)):
                if int8 and not graph.takes_int8:
                    continue
                path = Path(folder) / f"{task}-{int8}.onnx"
                export_graph(graph, path, int8)
                runners[name] = (path.stat().st_size / 1e6, open_onnx(path, args.threads))
            expected = runners["PyTorch"][1](keypoints, scores)[0]
            for name, (size, run) in runners.items():
                speeds = [clips_a_second(run, keypoints, scores, batch, args.repeats) for batch in args.batch]
                found = run(keypoints, scores)[0]
                apart = float(np.abs(found - expected).max())
                same = float((found.argmax(-1) == expected.argmax(-1)).mean()) if task == "classification" else np.nan
                print(
                    f"{task:15s} {name:10s} {size:6.1f} MB  {' '.join(f'{speed:7.1f}' for speed in speeds)} clips/s  "
                    f"largest difference {apart:.1e}  same answer {same:.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
