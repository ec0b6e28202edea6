"""Recognise actions that were shown once: measured on a protocol; the encoder is not trained.

python run/one_shot.py --model mofm --dataset corpora/jhmdb14_2d --protocol jhmdb14_2d/one-shot
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import sys

import torch
from datasets.utils.logging import disable_progress_bar

from modeling_mofm import MotionRecogniser
from motion_data.corpora.load import load_corpus
from training_mofm.command_line import CommandParser, at_least
from training_mofm.evaluation.protocol_files import find_protocol
from training_mofm.one_shot import measure_one_shot
from training_mofm.seen_rows import askable


def main() -> int:
    parser = CommandParser(__doc__)
    parser.add_argument("--model", required=True, help="folder or Hub id of an encoder")
    parser.add_argument("--dataset", required=True, help="a corpus with a one-shot protocol")
    parser.add_argument("--protocol", required=True, help="its name")
    parser.add_argument("--metric", action="store_true", help="learn from the other actions what does not matter")
    parser.add_argument(
        "--motion-size",
        type=at_least(0),
        default=0,
        help="width of a reader of how key-points move, fitted on the other actions in a few minutes; 0 is none",
    )
    parser.add_argument("--seed", type=int, default=0, help="of its fit")
    parser.add_argument("--cache", help="folder in which features stay, for later runs")
    parser.add_argument("--output-dir", help="save the recogniser, which knows the exemplars, to this folder")
    args = parser.parse_args()
    disable_progress_bar()
    with parser.refusals(new_folder=args.output_dir):
        corpus = load_corpus(args.dataset, None)
        protocol = askable(args.model, find_protocol(args.dataset, corpus, args.protocol, "one-shot"))
        recogniser = MotionRecogniser.from_pretrained(args.model)
        recogniser.model.to("cuda" if torch.cuda.is_available() else "cpu")
        figures = measure_one_shot(recogniser, protocol, args.cache, args.metric, args.motion_size, args.seed)
        if args.output_dir:
            recogniser.save_pretrained(args.output_dir)
    for name, figure in figures.items():
        print(f"  {name:22s} {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
