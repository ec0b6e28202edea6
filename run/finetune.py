"""Fine-tune a pre-trained MoFM for a task; --task <name> --help lists its options.

python run/finetune.py --task classification --model <folder> --dataset <corpus> --output-dir <folder>
python run/finetune.py --task anomaly --mode unsupervised --model <folder> --dataset <corpus> --output-dir <folder>
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import sys

from training_mofm.action_folds import finetune_classification
from training_mofm.actions import ClassificationArguments, ClassificationTrainingArguments
from training_mofm.anomaly import AnomalyArguments, AnomalyTrainingArguments, finetune_anomaly
from training_mofm.arguments import DataArguments, TrainingParser
from training_mofm.command_line import CommandParser

TASKS = {
    "anomaly": (AnomalyArguments, AnomalyTrainingArguments, finetune_anomaly),
    "classification": (ClassificationArguments, ClassificationTrainingArguments, finetune_classification),
}


def main() -> None:
    named = any(option.split("=")[0] == "--task" for option in sys.argv[1:])  # then --help is about the task
    choice = argparse.ArgumentParser(add_help=False) if named else CommandParser(__doc__)
    choice.add_argument("--task", choices=sorted(TASKS), required=True, help="what to learn")
    task, rest = choice.parse_known_args()
    arguments, training_arguments, finetune = TASKS[task.task]
    prog = f"{sys.argv[0]} --task {task.task}"
    parser = TrainingParser((arguments, DataArguments, training_arguments), __doc__, prog=prog)
    options, data, training = parser.parse_args_into_dataclasses(rest)
    with parser.refusals(folder=training.output_dir):
        figures = finetune(options, data, training)
    if training.process_index == 0:
        for name, value in figures.items():
            print(f"  {name:22s} {value:.4f}")


if __name__ == "__main__":
    main()
