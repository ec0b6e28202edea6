"""Recognise actions that were shown once: measured on a protocol, nothing trained.

python run/one_shot.py --model mofm --dataset corpora/jhmdb14_2d --protocol jhmdb14_2d/one-shot
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import sys

import torch
from datasets.utils.logging import disable_progress_bar

from modeling_mofm import MotionRecogniser
from motion_data.corpora.load import load_corpus
from training_mofm.evaluation.protocols import read_protocols
from training_mofm.one_shot import measure_one_shot
from training_mofm.row_digests import row_digests
from training_mofm.seen_rows import recorded_rows, unseen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder or Hub id of an encoder")
    parser.add_argument("--dataset", required=True, help="a corpus with a one-shot protocol")
    parser.add_argument("--protocol", required=True, help="its name")
    parser.add_argument("--cache", help="folder in which features stay, for later runs")
    parser.add_argument("--output_dir", help="save the recogniser, which knows the exemplars, to this folder")
    args = parser.parse_args()
    disable_progress_bar()
    try:
        corpus = load_corpus(args.dataset, None)
        protocols = read_protocols(args.dataset, corpus)
        if args.protocol not in protocols:
            raise ValueError(f"protocol must be one of {', '.join(protocols)}, got {args.protocol!r}")
        protocol = protocols[args.protocol]
        seen = recorded_rows(args.model)
        if seen is None:
            print("which rows the model learnt from is unknown; it may have seen what it is asked", file=sys.stderr)
        elif seen:
            asked, count = unseen(protocol, seen, row_digests(corpus))
            if count:
                print(f"{count} questions are left out, about rows that the model learnt from", file=sys.stderr)
            if asked is None:
                raise ValueError(f"protocol {args.protocol!r} asks about rows that the model learnt from alone")
            protocol = asked
        recogniser = MotionRecogniser.from_pretrained(args.model)
        recogniser.model.to("cuda" if torch.cuda.is_available() else "cpu")
        figures = measure_one_shot(recogniser, protocol, args.cache)
        if args.output_dir:
            recogniser.save_pretrained(args.output_dir)
    except (ValueError, OSError) as error:
        print(f"one_shot: {error}", file=sys.stderr)
        return 1
    for name, figure in figures.items():
        print(f"  {name:22s} {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
