"""What cheaper ways to watch people cost in AUC: fewer windows, words of suspicious windows only, distances alone.

python -m benchmarks.cheaper_scoring --model mofm --dataset <corpus> --protocol <name> [--rows 12]

All windows are measured once; each fold then has its own reference of normal motion, and each way of scoring takes of
them what it would have looked at. A frame is anomalous where its recording is.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from modeling_mofm import MoFMForAnomalyDetection
from modeling_mofm.anomaly.reference import NormalReference
from modeling_mofm.windows import MAX_GAP, sliding_windows
from motion_data.corpora.load import load_corpus
from motion_data.keypoints import MIN_FRAMES, Motion, sample_frames
from motion_data.resampling import frames_in
from tokenization_mofm import MoFMTokenizer
from training_mofm.anomaly import view_row
from training_mofm.evaluation.metrics import Spread
from training_mofm.evaluation.protocols import find_protocol
from training_mofm.pretraining import tokenise
from training_mofm.seen_rows import askable

SCORES = ("distance", "nll", "combined")
STRIDES = (0.0, 0.2, 0.4)  # seconds; 0 is each frame
GATES = (-1.0, 0.0, 1.0, 2.0)


@dataclass
class Windows:
    """Windows of a row, of one person and frame after frame: `parts` [W, T, K, D] and `nll` [W]."""

    parts: Tensor
    nll: Tensor


@torch.no_grad()
def measure_row(
    model: MoFMForAnomalyDetection, tokenizer: MoFMTokenizer, corpus: Dataset, row: int, window: float, stride: float
) -> Windows:
    """Measure the windows of the first person of a row, `stride` seconds apart (0: each frame)."""
    fps, extractor = model.config.fps, tokenizer.feature_extractor
    motion = view_row(corpus.with_format("numpy")[row], window, fps)
    length, step = frames_in(window, fps, MIN_FRAMES), max(frames_in(stride, fps, 0), 1)
    people, starts = sliding_windows(motion.scores[:1].any(-1), length, step, frames_in(MAX_GAP, fps, 0))
    frames = starts[:, None] + sample_frames(length, extractor.num_frames)
    clips = extractor.fit(Motion(motion.keypoints[people[:, None], frames], motion.scores[people[:, None], frames]))
    if not len(starts):
        T, K, D = model.config.grid_size[0], model.config.num_keypoints, model.config.hidden_size
        return Windows(torch.zeros(0, T, K, D), torch.zeros(0))
    tensors = {name: torch.as_tensor(getattr(clips, name), dtype=torch.float32) for name in ("keypoints", "scores")}
    return Windows(*model.measure({**tensors, "input_ids": tokenise(tokenizer.dved, tensors)}))


def fitted(reference: NormalReference, learnt: Sequence[Windows], held: Sequence[Windows], size: int) -> None:
    """Fill a reference with windows of normal rows, and scale its scores by those of others."""
    parts = torch.cat([windows.parts for windows in learnt])
    order = torch.randperm(len(parts), generator=torch.Generator().manual_seed(0))
    reference.parts = parts[order[:size]]
    others, nll = torch.cat([windows.parts for windows in held]), torch.cat([windows.nll for windows in held])
    for name, values in (("distance", reference(others)[0]), ("nll", nll)):
        getattr(reference, f"{name}_mean").fill_(values.mean())
        getattr(reference, f"{name}_std").fill_(values.std())


def frame_scores(values: np.ndarray, step: int, interpolated: bool) -> np.ndarray:
    """Return scores of all frames `[W]` from those of every `step`-th: held, or on a straight line between them."""
    seen = np.arange(0, len(values), step)
    if interpolated:
        return np.interp(np.arange(len(values)), seen, values[seen])
    return values[seen].repeat(step)[: len(values)]


def ways(fps: float) -> list[tuple[str, float | None, int, bool]]:
    """Return score, gate, frames from window to window, and whether those between are on a line; all of it first."""
    steps = [max(frames_in(stride, fps, 0), 1) for stride in STRIDES]
    found = [("combined", None, 1, False)]
    for step in steps:
        for score in SCORES:
            found += [(score, None, step, between) for between in ((False, True) if step > 1 else (False,))]
    found += [("combined", gate, 1, False) for gate in GATES]
    return list(dict.fromkeys(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a pre-trained MoFM with its tokenizer")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--protocol", required=True, help="of anomalies")
    parser.add_argument("--rows", type=int, default=12, help="of a kind and fold that are learnt from and asked about")
    parser.add_argument("--window", type=float, default=0.8, help="seconds")
    parser.add_argument("--reference_size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    corpus = load_corpus(args.dataset, None)
    protocol = askable(args.model, find_protocol(args.dataset, corpus, args.protocol, "anomaly"))
    tokenizer = MoFMTokenizer.from_pretrained(args.model)
    model = MoFMForAnomalyDetection.from_pretrained(args.model, reference_size=0, fps=float(corpus[0]["fps"]))
    model.eval()
    generator = np.random.default_rng(0)

    def some(rows: np.ndarray, count: int) -> list[int]:
        return generator.permutation(rows)[:count].tolist()

    folds = []
    for fold in protocol.folds:
        usual, odd = (fold.test[fold.anomalous == label] for label in (False, True))
        folds.append([some(fold.train, 2 * args.rows), some(usual, args.rows), some(odd, args.rows)])
    measured: dict[tuple[int, bool], Windows] = {}
    wanted = {(row, group == 0) for fold in folds for group, rows in enumerate(fold) for row in rows}
    for row, learnt in tqdm(sorted(wanted), desc="windows"):
        stride = args.window / 4 if learnt else 0.0
        measured[row, learnt] = measure_row(model, tokenizer, corpus, row, args.window, stride)
    figures: dict[tuple, list[tuple[float, float, float]]] = {way: [] for way in ways(model.config.fps)}
    for normal, usual, odd in folds:
        reference = model._reference(1)  # sizes are those of its model
        learnt = [measured[row, True] for row in normal]
        fitted(reference, learnt[::2], learnt[1::2], args.reference_size)
        asked = [(row, label) for label, rows in enumerate((usual, odd)) for row in rows]
        asked = [(measured[row, False], label) for row, label in asked if len(measured[row, False].nll)]
        full: list[np.ndarray] = []
        for way in figures:
            score, gate, step, interpolated = way
            frames, share = [], []
            for windows, _ in asked:
                distance = reference.standardise("distance", reference(windows.parts)[0])
                nll = reference.standardise("nll", windows.nll)
                if gate is not None:
                    share.append(float((distance >= gate).float().mean()))
                    nll = torch.where(distance >= gate, nll, 0.0)
                both = F.softplus(distance) + F.softplus(nll)
                values = {"distance": distance, "nll": nll, "combined": both}[score]
                frames.append(frame_scores(values.numpy(), step, interpolated))
            full = full or frames
            labels = np.repeat([label for _, label in asked], [len(values) for values in frames])
            joined = np.concatenate(frames)
            whole = np.concatenate(full)
            recordings = roc_auc_score([label for _, label in asked], [values.mean() for values in frames])
            change = np.abs(joined - whole).mean() / whole.std() if score == "combined" else np.nan
            figures[way].append(
                (roc_auc_score(labels, joined), recordings, change, np.mean(share) if share else np.nan)
            )
    print("| score | gate | frames between windows | between them | AUC of frames | of recordings | change | asked |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for (score, gate, step, interpolated), found in figures.items():
        frames, recordings, change, share = (Spread.over(values) for values in zip(*found, strict=True))
        between = "" if step == 1 else "line" if interpolated else "held"
        print(
            f"| {score} | {'' if gate is None else gate} | {step} | {between} | {frames} | {recordings} | "
            f"{change.value:.3f} | {share.value:.2f} |"
        )


if __name__ == "__main__":
    main()
