"""Fine-tune a pre-trained MoFM for a task.

python run/finetune.py --task anomaly --mode unsupervised --model <folder> --dataset <corpus> --output_dir <folder>
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import sys

from transformers import HfArgumentParser

from training_mofm.anomaly import AnomalyArguments, finetune_anomaly
from training_mofm.arguments import DataArguments, MotionTrainingArguments

TASKS = {"anomaly": (AnomalyArguments, finetune_anomaly)}


def main() -> None:
    choice = argparse.ArgumentParser(add_help=False)
    choice.add_argument("--task", choices=sorted(TASKS), required=True)
    task, rest = choice.parse_known_args()
    arguments, finetune = TASKS[task.task]
    parser = HfArgumentParser(
        (arguments, DataArguments, MotionTrainingArguments), prog=f"{sys.argv[0]} --task {task.task}"
    )
    options, data, training = parser.parse_args_into_dataclasses(rest)
    figures = finetune(options, data, training)
    if training.process_index == 0:
        for name, value in figures.items():
            print(f"  {name:22s} {value:.4f}")


if __name__ == "__main__":
    main()
