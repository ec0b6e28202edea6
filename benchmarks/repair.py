"""Hide key-points of held-out clips, and measure how far those that are put back are from the true ones.

python -m benchmarks.repair --model <folder> --dataset <corpus> ... [--ratio 0.3]

Beside the model: straight lines in time between the frames in which the key-point is seen (its nearest one at the
ends; never seen, the mean of what is), and a PCA of poses of the training part, fitted to what is seen in each frame.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse

import numpy as np
import torch

from modeling_mofm import MoFMForMaskedMotionModeling
from modeling_mofm.masking import spread_over_span
from modeling_mofm.repair import expected_keypoints
from motion_data.corpora.load import load_corpus
from tokenization_mofm import MoFMFeatureExtractor
from training_mofm.samples import held_out_clips


def straight_lines(keypoints: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return key-points `[N, F, K, 2]`, those that are not seen on lines between frames in which they are."""
    N, F, K, _ = keypoints.shape
    found = np.zeros_like(keypoints)
    middle = (keypoints * seen[..., None]).sum((1, 2)) / np.maximum(seen.sum((1, 2)), 1)[:, None]
    for n in range(N):
        for k in range(K):
            frames = np.flatnonzero(seen[n, :, k])
            for axis in range(2):
                found[n, :, k, axis] = (
                    np.interp(np.arange(F), frames, keypoints[n, frames, k, axis]) if len(frames) else middle[n, axis]
                )
    return found


class Poses:
    """A PCA of poses, fitted to the key-points that are seen."""

    def __init__(self, poses: np.ndarray, components: int = 16, noise: float = 1.0):
        flat = poses.reshape(len(poses), -1)
        self.mean = flat.mean(0)
        _, values, axes = np.linalg.svd(flat - self.mean, full_matrices=False)
        self.axes = axes[:components].T  # 2K C
        self.prior = noise**2 / np.maximum(values[:components] ** 2 / len(flat), 1e-6)  # of each weight

    def __call__(self, keypoints: np.ndarray, seen: np.ndarray) -> np.ndarray:
        N, F, K, _ = keypoints.shape
        flat, known = keypoints.reshape(N * F, -1), seen.reshape(N * F, K).repeat(2, 1).astype(float)
        gram = np.einsum("dc,nd,de->nce", self.axes, known, self.axes) + np.diag(self.prior)
        right = np.einsum("dc,nd->nc", self.axes, known * (flat - self.mean))
        weights = np.linalg.solve(gram, right[..., None])[..., 0]
        return (self.mean + weights @ self.axes.T).reshape(N, F, K, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="pre-trained with coordinates")
    parser.add_argument("--dataset", nargs="+", required=True)
    parser.add_argument("--clips", type=int, default=128, help="of each part of each corpus")
    parser.add_argument("--ratio", type=float, default=0.3, help="chance that a key-point is hidden for a span")
    parser.add_argument("--span", type=int, default=2, help="time slices")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    model = MoFMForMaskedMotionModeling.from_pretrained(args.model).eval()
    config = model.config
    extractor = MoFMFeatureExtractor.for_config(config)
    print(f"mean distance in pixels of the {config.heatmap_size} px map, {args.ratio:.0%} hidden, {args.seeds} seeds")
    print(f"{'corpus':28s} {'straight lines':>18s} {'PCA of poses':>18s} {'model':>18s}")
    for name in args.dataset:
        clips = held_out_clips(load_corpus(name, "test"), extractor, args.clips)
        train = held_out_clips(load_corpus(name, "train"), extractor, args.clips)
        whole = train["scores"].flatten(0, 1).numpy() > 0
        poses = train["keypoints"].flatten(0, 1).numpy()[whole.all(1) | (whole.sum(1) == whole.sum(1).max())]
        pca = Poses(poses)
        errors: dict[str, list[float]] = {"lines": [], "pca": [], "model": []}
        keypoints, there = clips["keypoints"].numpy(), clips["scores"].numpy() > 0
        for seed in range(args.seeds):
            noise = torch.rand(len(there), 17, config.grid_size[0], generator=torch.Generator().manual_seed(seed))
            hidden = (spread_over_span(noise, args.span) < args.ratio).repeat_interleave(config.cube_size[0], -1)
            seen = there & ~hidden.transpose(1, 2).numpy()
            asked = there & ~seen & seen.any((1, 2), keepdims=True)
            scores = clips["scores"] * torch.from_numpy(seen)
            parts = zip(clips["keypoints"].split(32), scores.split(32), strict=True)
            found = {
                "lines": straight_lines(keypoints, seen),
                "pca": pca(keypoints, seen),
                "model": torch.cat([expected_keypoints(model, *part) for part in parts]).numpy(),
            }
            for method, places in found.items():
                errors[method].append(float(np.linalg.norm(places - keypoints, axis=-1)[asked].mean()))
        cells = "".join(f" {np.mean(values):9.2f} +- {np.std(values, ddof=1):5.2f}" for values in errors.values())
        print(f"{os.path.basename(name):28s}{cells}", flush=True)


if __name__ == "__main__":
    main()
