"""Measure what a frozen encoder knows, on the protocols beside corpora, and beside the trivial answers.

python run/evaluate_tasks.py --model mofm --dataset corpora/* --output figures/mofm
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import sys

import torch
from datasets.utils.logging import disable_progress_bar

from modeling_mofm import MoFMModel
from modeling_mofm.shipped import SHIPPED
from training_mofm.command_line import CommandParser, at_least
from training_mofm.evaluation.protocols import TASKS
from training_mofm.evaluation.tables import TaskFigures, task_table


def main() -> int:
    parser = CommandParser(__doc__)
    parser.add_argument(
        "--model", default=str(SHIPPED), help="folder or Hub id of an encoder; default: the shipped one"
    )
    parser.add_argument("--dataset", nargs="+", required=True, help="corpora with a protocols.json beside them")
    parser.add_argument(
        "--protocol",
        nargs="+",
        default=["frozen"],
        help=f"names of protocols, or tasks ({', '.join(TASKS)}); default: frozen, which is all of them",
    )
    parser.add_argument(
        "--layers",
        type=int,
        nargs="+",
        default=[-1],
        help="layers that are read, of several the mean; default: last",
    )
    parser.add_argument(
        "--embed-centered",
        action="store_true",
        help="read clips twice, also with people in the middle of each frame; default: as the model says",
    )
    parser.add_argument(
        "--shared-box",
        action=argparse.BooleanOptionalAction,
        help="fit the people of a recording by one box, or each by their own; default: as the model says",
    )
    parser.add_argument(
        "--random", type=at_least(0), default=1, help="encoders with random weights; default %(default)s"
    )
    parser.add_argument("--output", help="folder for figures.json and the features, which later runs reuse")
    args = parser.parse_args()
    disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with parser.refusals(folder=args.output):
        model = MoFMModel.from_pretrained(args.model).to(device)
        model.config.embed_centered |= args.embed_centered
        if args.shared_box is not None:
            model.config.shared_box = args.shared_box
        figures = TaskFigures(args.model, model, args.random, args.output, args.layers)
        for corpus in args.dataset:
            for line in figures.add(corpus, [] if "frozen" in args.protocol else args.protocol):
                print(line, file=sys.stderr)
    print(task_table(figures.rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
