"""Fine-tune a pre-trained MoFM for a task; --task <name> --help lists its options.

python run/finetune.py --task classification --model <folder> --dataset <corpus> --output_dir <folder>
python run/finetune.py --task anomaly --mode unsupervised --model <folder> --dataset <corpus> --output_dir <folder>
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import sys

from transformers import HfArgumentParser

from training_mofm.actions import (
    ClassificationArguments,
    ClassificationTrainingArguments,
    finetune_classification,
)
from training_mofm.anomaly import AnomalyArguments, finetune_anomaly
from training_mofm.arguments import DataArguments, MotionTrainingArguments

TASKS = {
    "anomaly": (AnomalyArguments, MotionTrainingArguments, finetune_anomaly),
    "classification": (ClassificationArguments, ClassificationTrainingArguments, finetune_classification),
}
HELP = ("-h", "--help")


def main() -> None:
    choice = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice.add_argument("--task", choices=sorted(TASKS), required=True, help="what to learn")
    named = any(option.split("=")[0] == "--task" for option in sys.argv[1:])
    task, rest = choice.parse_known_args([option for option in sys.argv[1:] if not (named and option in HELP)])
    arguments, training_arguments, finetune = TASKS[task.task]
    rest += [option for option in sys.argv[1:] if option in HELP]
    parser = HfArgumentParser((arguments, DataArguments, training_arguments), prog=f"{sys.argv[0]} --task {task.task}")
    options, data, training = parser.parse_args_into_dataclasses(rest)
    figures = finetune(options, data, training)
    if training.process_index == 0:
        for name, value in figures.items():
            print(f"  {name:22s} {value:.4f}")


if __name__ == "__main__":
    main()
