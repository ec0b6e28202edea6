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
from tqdm import tqdm

from modeling_mofm import MoFMForAnomalyDetection
from modeling_mofm.windows import MAX_GAP, sliding_windows
from motion_data.corpora.load import load_corpus
from motion_data.keypoints import MIN_FRAMES
from motion_data.resampling import frames_in
from tokenization_mofm import MoFMTokenizer
from training_mofm.anomaly_clips import view_row
from training_mofm.evaluation.metrics import Spread
from training_mofm.evaluation.protocol_files import find_protocol
from training_mofm.evaluation.protocols import Protocol
from training_mofm.pretraining import tokenise
from training_mofm.seen_rows import askable

SCORES = ("distance", "nll", "combined")
STRIDES = (0.0, 0.2, 0.4)  # seconds; 0 is each frame
GATES = (-1.0, 0.0, 1.0, 2.0)

# score, gate, frames from window to window, whether those between are on a line
Way = tuple[str, float | None, int, bool]
# AUC of frames and of recordings, change of scores, share of words asked for
Figures = tuple[float, float, float, float]


@dataclass
class Windows:
    """Windows of a row, of one person, in order: `clips` as the model takes them, `parts` and `nll` [W]."""

    clips: dict[str, Tensor]
    parts: Tensor
    nll: Tensor


def measure_row(
    model: MoFMForAnomalyDetection, tokenizer: MoFMTokenizer, corpus: Dataset, row: int, window: float, stride: float
) -> Windows | None:
    """Measure the windows of the first person of a row, `stride` seconds apart (0: each frame); None without any."""
    fps = model.config.fps
    motion = view_row(corpus.with_format("numpy")[row], window, fps)
    length, step = frames_in(window, fps, MIN_FRAMES), frames_in(stride, fps)
    people, starts = sliding_windows(motion.scores[:1].any(-1), length, step, frames_in(MAX_GAP, fps, 0))
    if not len(starts):
        return None
    fitted = tokenizer.feature_extractor.fit_windows(motion, people, starts, length)
    clips = {name: torch.as_tensor(getattr(fitted, name), dtype=torch.float32) for name in ("keypoints", "scores")}
    clips["input_ids"] = tokenise(tokenizer.dved, clips)
    return Windows(clips, *model.measure(clips))


def fit(model: MoFMForAnomalyDetection, rows: Sequence[Windows | None], size: int) -> None:
    """Give a model windows of every second row as its reference, and scale its scores by those of the others."""
    learnt, held = ([row for row in part if row is not None] for part in (rows[::2], rows[1::2]))
    measured = torch.cat([row.parts for row in learnt]), torch.cat([row.nll for row in learnt])
    chosen = torch.randperm(len(measured[1]), generator=torch.Generator().manual_seed(0))[:size]
    clips = {name: torch.cat([row.clips[name] for row in learnt])[chosen] for name in ("keypoints", "scores")}
    others = torch.cat([row.parts for row in held]), torch.cat([row.nll for row in held])
    model.fit_measured(clips, (measured[0][chosen], measured[1][chosen]), others)


def frame_scores(values: np.ndarray, step: int, interpolated: bool) -> np.ndarray:
    """Return scores of all frames `[W]` from those of every `step`-th: held, or on a straight line between them."""
    seen = np.arange(0, len(values), step)
    if interpolated:
        return np.interp(np.arange(len(values)), seen, values[seen])
    return values[seen].repeat(step)[: len(values)]


def ways(fps: float) -> list[Way]:
    """Return score, gate, frames from window to window, and whether those between are on a line; all of it first."""
    steps = [frames_in(stride, fps) for stride in STRIDES]
    found: list[Way] = [("combined", None, 1, False)]
    for step in steps:
        for score in SCORES:
            found += [(score, None, step, between) for between in ((False, True) if step > 1 else (False,))]
    found += [("combined", gate, 1, False) for gate in GATES]
    return list(dict.fromkeys(found))


def choose_rows(protocol: Protocol, count: int) -> list[tuple[list[int], list[int], list[int]]]:
    """Return `count` normal and anomalous rows of each fold to ask about, after twice as many to learn from."""
    generator = np.random.default_rng(0)

    def some(rows: np.ndarray, number: int) -> list[int]:
        return generator.permutation(rows)[:number].tolist()

    chosen = []
    for fold in protocol.folds:
        usual, odd = (fold.test[fold.anomalous == label] for label in (False, True))
        chosen.append((some(fold.train, 2 * count), some(usual, count), some(odd, count)))
    return chosen


def ask(model: MoFMForAnomalyDetection, asked: list[tuple[Windows, int]], known: list[Way]) -> dict[Way, Figures]:
    """Return the figures of each way of scoring, the first of which looks at everything.

    Args:
        asked: windows of recordings, and whether these are anomalous.
    """
    distances = [model.reference(windows.parts)[0] for windows, _ in asked]
    whole = np.zeros(0)
    figures: dict[Way, Figures] = {}
    for way in known:
        model.config.anomaly_score, gate, step, interpolated = way
        frames, share = [], []
        for (windows, _), distance in zip(asked, distances, strict=True):
            nll = windows.nll
            if gate is not None:  # the others count as those of normal motion
                suspicious = model.reference.standardise("distance", distance) >= gate
                share.append(float(suspicious.float().mean()))
                nll = torch.where(suspicious, nll, model.reference.nll_mean)
            values = model.anomaly_score(None, nll, distance)
            frames.append(frame_scores(values.numpy(), step, interpolated))
        labels = np.repeat([label for _, label in asked], [len(values) for values in frames])
        joined = np.concatenate(frames)
        whole = whole if len(whole) else joined
        recordings = roc_auc_score([label for _, label in asked], [values.mean() for values in frames])
        change = np.abs(joined - whole).mean() / whole.std() if way[0] == "combined" else np.nan
        figures[way] = roc_auc_score(labels, joined), recordings, change, np.mean(share) if share else np.nan
    return figures


def protocol_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of what `open_protocol` needs."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a pre-trained MoFM with its tokenizer")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--protocol", required=True, help="of anomalies")
    parser.add_argument("--threads", type=int, default=2)
    return parser


def open_protocol(args: argparse.Namespace) -> tuple[Dataset, Protocol, MoFMTokenizer]:
    """Return the corpus, what is asked of it that the model has not seen, and the model's tokenizer."""
    torch.set_num_threads(args.threads)
    corpus = load_corpus(args.dataset, None)
    protocol = askable(args.model, find_protocol(args.dataset, corpus, args.protocol, "anomaly"))
    return corpus, protocol, MoFMTokenizer.from_pretrained(args.model)


def main() -> None:
    parser = protocol_parser(__doc__)
    parser.add_argument("--rows", type=int, default=12, help="of a kind and fold that are learnt from and asked about")
    parser.add_argument("--window", type=float, default=0.8, help="seconds")
    parser.add_argument("--reference-size", type=int, default=256)
    args = parser.parse_args()
    corpus, protocol, tokenizer = open_protocol(args)
    model = MoFMForAnomalyDetection.from_pretrained(args.model, reference_size=0, fps=float(corpus[0]["fps"]))
    model.eval()
    folds = choose_rows(protocol, args.rows)
    measured: dict[tuple[int, bool], Windows | None] = {}
    wanted = {(row, group == 0) for fold in folds for group, rows in enumerate(fold) for row in rows}
    for row, learnt in tqdm(sorted(wanted), desc="windows"):
        stride = args.window / 4 if learnt else 0.0
        measured[row, learnt] = measure_row(model, tokenizer, corpus, row, args.window, stride)
    figures: dict[Way, list[Figures]] = {way: [] for way in ways(model.config.fps)}
    for normal, usual, odd in folds:
        fit(model, [measured[row, True] for row in normal], args.reference_size)
        asked = [(measured[row, False], label) for label, rows in enumerate((usual, odd)) for row in rows]
        for way, found in ask(model, [(windows, label) for windows, label in asked if windows], list(figures)).items():
            figures[way].append(found)
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
