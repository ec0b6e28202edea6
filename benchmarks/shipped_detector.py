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
from tqdm import tqdm

from benchmarks.shipped_head import held_out, without
from modeling_mofm import AnomalyScorer, MoFMForAnomalyDetection
from modeling_mofm.shipped import SHIPPED
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.views import view
from tokenization_mofm import MoFMTokenizer
from training_mofm.augmentation import HIPS_TO_ANKLES, KNEES_AND_ANKLES
from training_mofm.release import EVERYDAY

SEEN = {
    "whole bodies": (),
    "from the hips up": COCO_KEYPOINTS[KNEES_AND_ANKLES],
    "without hips": COCO_KEYPOINTS[HIPS_TO_ANKLES],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED))
    parser.add_argument("--dataset", nargs="+", required=True, help="corpora; their test parts are asked about")
    parser.add_argument("--rename", nargs="*", default=[], help="old=new names of classes")
    parser.add_argument("--clips", type=int, default=120, help="recordings of each, a seeded choice")
    args = parser.parse_args()
    names = dict(pair.split("=") for pair in args.rename)
    detector = MoFMForAnomalyDetection.from_pretrained(args.model)
    scorer = AnomalyScorer(detector, MoFMTokenizer.from_pretrained(args.model), stride=0.4)
    print(
        "| corpus | seen | everyday: median, 9 of 10 below | others: median | AUC |\n| --- | --- | --- | --- | --- |"
    )
    for name in args.dataset:
        recordings, true = held_out(name, names, args.clips)
        normal = np.isin(true, EVERYDAY)
        for seen, hidden in SEEN.items():
            scores = []
            for recording in tqdm(recordings, desc=seen, leave=False):
                motion = view(without(recording, hidden))
                scores.append(np.nanmean(scorer.score(motion, recording.fps).people))
            found = np.array(scores)
            usual, area = "", ""
            if normal.any():
                usual = f"{np.median(found[normal]):.2f}, {np.quantile(found[normal], 0.9):.2f}"
            if 0 < normal.sum() < len(normal):
                area = f"{roc_auc_score(~normal, found):.3f}"
            others = "" if normal.all() else f"{np.median(found[~normal]):.2f}"
            print(f"| {os.path.basename(name)} ({len(true)}) | {seen} | {usual} | {others} | {area} |", flush=True)


if __name__ == "__main__":
    main()
