"""How odd the shipped detector finds everyday actions and others, of whole bodies and of those seen from the hips up.

python -m benchmarks.shipped_detector --dataset corpora/cmu_subset synthetic --rename walking=walk

Scores are standard deviations above normal motion, means over held-out recordings; the area under the ROC curve tells
everyday actions from all others.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse

import numpy as np
from sklearn.metrics import roc_auc_score
from tqdm import trange

from benchmarks.shipped_head import without
from modeling_mofm import AnomalyScorer, MoFMForAnomalyDetection
from modeling_mofm.shipped import SHIPPED
from motion_data.corpora.load import load_corpus
from motion_data.rows import row_recording
from motion_data.schema import first_row
from motion_data.views import view
from tokenization_mofm import MoFMTokenizer
from training_mofm.release import ReleaseArguments

KNEES_AND_ANKLES = ("left_knee", "right_knee", "left_ankle", "right_ankle")
SEEN = {
    "whole bodies": (),
    "from the hips up": KNEES_AND_ANKLES,
    "without hips": ("left_hip", "right_hip", *KNEES_AND_ANKLES),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED))
    parser.add_argument("--dataset", nargs="+", required=True, help="corpora; their test parts are asked about")
    parser.add_argument("--rename", nargs="*", default=[], help="old=new names of classes")
    parser.add_argument("--clips", type=int, default=120, help="recordings of each, a seeded choice")
    args = parser.parse_args()
    names = dict(pair.split("=") for pair in args.rename)
    everyday = ReleaseArguments("", "").normal
    detector, tokenizer = MoFMForAnomalyDetection.from_pretrained(args.model), MoFMTokenizer.from_pretrained(SHIPPED)
    scorer = AnomalyScorer(detector, tokenizer, stride=0.4)
    print(
        "| corpus | seen | everyday: median, 9 of 10 below | others: median | AUC |\n| --- | --- | --- | --- | --- |"
    )
    for name in args.dataset:
        corpus = load_corpus(name, "test")
        titles = [names.get(title, title) for title in corpus.features["label"].names]
        rows = np.sort(np.random.default_rng(0).permutation(len(corpus))[: args.clips])
        part = corpus.select(rows).with_format("arrow")
        normal = np.array([titles[label] in everyday for label in np.asarray(corpus["label"][:])[rows]])
        for seen, hidden in SEEN.items():
            scores = []
            for row in trange(len(part), desc=seen, leave=False):
                recording = without(row_recording(first_row(part[row])), hidden)
                scores.append(np.nanmean(scorer.score(view(recording), recording.fps).people))
            found = np.array(scores)
            usual, area = "", ""
            if normal.any():
                usual = f"{np.median(found[normal]):.2f}, {np.quantile(found[normal], 0.9):.2f}"
            if 0 < normal.sum() < len(normal):
                area = f"{roc_auc_score(~normal, found):.3f}"
            others = "" if normal.all() else f"{np.median(found[~normal]):.2f}"
            print(f"| {os.path.basename(name)} ({len(rows)}) | {seen} | {usual} | {others} | {area} |", flush=True)


if __name__ == "__main__":
    main()
