"""Watch streams of one and of many people: seconds of work for a second of video, and what cheaper ways cost in AUC.

python -m benchmarks.anomaly_streams --model <detector> [--dataset <corpus> --protocol <name>] [--threads 2]
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import statistics
import time

import numpy as np
import torch

from modeling_mofm import AnomalyScorer, MoFMForAnomalyDetection
from modeling_mofm.anomaly.stream import MotionStream
from motion_data.corpora.load import SYNTHETIC, load_corpus
from motion_data.keypoints import Motion
from motion_data.resampling import resample
from motion_data.rows import row_recording
from motion_data.views import view
from tokenization_mofm import MoFMTokenizer
from training_mofm.evaluation.protocol_files import find_protocol
from training_mofm.evaluation.protocols import Protocol
from training_mofm.seen_rows import askable

WAYS = [
    {"anomaly_score": "combined", "stride": 0.04},
    {"anomaly_score": "combined", "stride": 0.2},
    {"anomaly_score": "combined", "stride": 0.4},
    {"anomaly_score": "combined", "stride": 0.4, "gate": 1.0},
    {"anomaly_score": "distance", "stride": 0.4},
]


def crowd(people: int, seconds: float, fps: float) -> Motion:
    """Return people of the embedded corpus, all in one picture."""
    corpus = load_corpus(SYNTHETIC, "test")
    frames = round(seconds * fps)
    bodies = [resample(view(row_recording(corpus[row])), 30.0, fps) for row in range(people)]
    index = [np.arange(frames) % (2 * body.scores.shape[1] - 2) for body in bodies]  # there and back again
    index = [np.minimum(i, 2 * b.scores.shape[1] - 2 - i) for i, b in zip(index, bodies, strict=True)]
    return Motion(
        np.stack([body.keypoints[0, i] for body, i in zip(bodies, index, strict=True)]),
        np.stack([body.scores[0, i] for body, i in zip(bodies, index, strict=True)]),
    )


def watch(scorer: AnomalyScorer, motion: Motion, fps: float) -> float:
    """Return the seconds of work for a second of video."""
    stream = MotionStream(scorer, fps)
    start = time.perf_counter()
    for f in range(motion.scores.shape[1]):
        stream.push(motion.keypoints[:, f], motion.scores[:, f])
    return (time.perf_counter() - start) / (motion.scores.shape[1] / fps)


def auc(scorer: AnomalyScorer, protocol: Protocol) -> float:
    """Return the mean AUC over folds; a recording's score is the mean over its frames and people."""
    from sklearn.metrics import roc_auc_score

    figures = []
    rows = sorted({int(row) for fold in protocol.folds for row in fold.test})
    found = {}
    for row in rows:
        recording = row_recording(protocol.corpus[row])
        people = scorer.score(view(recording), recording.fps).people
        found[row] = float(np.nanmean(people)) if np.isfinite(people).any() else -np.inf
    for fold in protocol.folds:
        figures.append(roc_auc_score(fold.anomalous, [found[int(row)] for row in fold.test]))
    return statistics.mean(figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a fitted detector")
    parser.add_argument("--dataset", help="a corpus with the protocol")
    parser.add_argument("--protocol")
    parser.add_argument("--people", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = MoFMTokenizer.from_pretrained(args.model)
    protocol = None
    if args.protocol:
        protocol = find_protocol(args.dataset, load_corpus(args.dataset, None), args.protocol, "anomaly")
        protocol = askable(args.model, protocol)
    print(f"{args.threads} thread(s), {args.fps:g} fps; seconds of work a second of video, median of {args.repeats}")
    for way in WAYS:
        options = dict(way)
        model = MoFMForAnomalyDetection.from_pretrained(args.model, anomaly_score=options.pop("anomaly_score"))
        scorer = AnomalyScorer(model, tokenizer, batch_size=64, **options)
        line = [f"{name} {value}" for name, value in way.items()]
        for people in args.people:
            motion = crowd(people, args.seconds, args.fps)
            times = [watch(scorer, motion, args.fps) for _ in range(args.repeats)]
            line.append(f"{people} people {statistics.median(times):.2f}")
        if protocol is not None:
            line.append(f"AUC {auc(scorer, protocol):.3f}")
        print("  ".join(line), flush=True)


if __name__ == "__main__":
    main()
