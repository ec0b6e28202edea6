"""Fine-tune from a pre-trained model and from scratch, with several seeds and shares of the labels: one table.

python -m benchmarks.fine_tuning --model mofm --dataset <corpus> --protocol <name> --output runs/finetuned \
    [--fractions 0.1 1] [--seeds 42 43 44] [options of run/finetune.py --task classification]

Each run has a folder of its own in `--output`; started again, what is done is read, and what was interrupted goes on.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import json
from pathlib import Path

from transformers import HfArgumentParser

from training_mofm.action_folds import finetune_classification
from training_mofm.actions import ClassificationArguments, ClassificationTrainingArguments
from training_mofm.arguments import DataArguments
from training_mofm.evaluation.metrics import Spread

FIGURES = ("accuracy", "accuracy_of_views", "balanced_accuracy_of_views", "macro_f1_of_views")


def run(options: list[str], folder: Path) -> list[dict[str, float]]:
    """Return the figures of each fold of a fine-tuning, from its folder where it is done."""
    done = folder / "all_folds.json"
    if not done.is_file():
        kinds = (ClassificationArguments, DataArguments, ClassificationTrainingArguments)
        parsed = HfArgumentParser(kinds).parse_args_into_dataclasses([*options, "--output-dir", str(folder)])
        done.write_text(json.dumps(finetune_classification(*parsed), indent=1) + "\n")
    folds = sorted(folder.glob("*/figures.json")) or [folder / "figures.json"]
    return [json.loads(fold.read_text()) for fold in folds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, help="folder of the runs")
    parser.add_argument("--fractions", type=float, nargs="+", default=[1.0], help="shares of each class's labels")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    args, rest = parser.parse_known_args()
    print(f"| labels | from | runs | {' | '.join(FIGURES)} |\n| --- | --- | --- |{' --- |' * len(FIGURES)}")
    for fraction in args.fractions:
        for start in ("pre-trained", "scratch"):
            found = []
            for seed in args.seeds:
                own = ["--from-scratch", str(start == "scratch"), "--label-fraction", str(fraction)]
                own += ["--seed", str(seed)]
                found += run([*rest, *own], Path(args.output) / f"{start}-{fraction:g}-{seed}")
            spread = " | ".join(str(Spread.over([figures[name] for figures in found])) for name in FIGURES)
            print(f"| {fraction:.0%} | {start} | {len(found)} | {spread} |", flush=True)


if __name__ == "__main__":
    main()
