"""Recompute the held-out figures of a tokenizer, and of the MoFM beside it if there is one.

python run/evaluate_pretraining.py --model <folder or Hub id> --dataset <corpus> [<corpus> ...]
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import json

import torch

from modeling_mofm import MoFMForMaskedMotionModeling
from motion_data.corpora.load import SYNTHETIC, load_corpus
from tokenization_mofm import MoFMTokenizer
from training_mofm.command_line import CommandParser, at_least
from training_mofm.evaluation.dved import evaluate_dved
from training_mofm.evaluation.pretraining import evaluate_mofm
from training_mofm.samples import held_out_clips


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        "--model", required=True, help="a folder or Hub id written by train_tokenizer.py or pretrain.py"
    )
    parser.add_argument(
        "--dataset", nargs="+", default=[SYNTHETIC], help="corpora, each measured on its held-out part"
    )
    parser.add_argument("--split", default="test", help="train or test")
    parser.add_argument("--clips", type=at_least(0), default=0, help="rows to measure on; 0 takes all of them")
    parser.add_argument("--seeds", type=at_least(1), default=3, help="choices of masks; the spread is over them")
    parser.add_argument("--output", help="write the figures to this JSON file too")
    args = parser.parse_args()

    with parser.refusals(args.output):
        device = "cuda" if torch.cuda.is_available() else "cpu"
        tokenizer = MoFMTokenizer.from_pretrained(args.model).to(device)
        model = None
        if not os.path.isdir(args.model) or os.path.isfile(os.path.join(args.model, "config.json")):
            model = MoFMForMaskedMotionModeling.from_pretrained(args.model).to(device)
        figures = {}
        for name in args.dataset:
            clips = held_out_clips(load_corpus(name, args.split), tokenizer.feature_extractor, args.clips or None)
            figures[name] = {"clips": len(clips["keypoints"]), **evaluate_dved(tokenizer.dved, clips)}
            if model is not None:
                runs = [evaluate_mofm(model, tokenizer.dved, clips, seed=seed) for seed in range(args.seeds)]
                for key in runs[0]:
                    values = torch.tensor([run[key] for run in runs], dtype=torch.float64)
                    figures[name][f"masked_{key}"] = values.mean().item()
                    figures[name][f"masked_{key}_std"] = values.std().item() if len(runs) > 1 else 0.0
            print(name)
            for key, value in figures[name].items():
                print(f"  {key:28s} {value:.4f}")
        if args.output:
            with open(args.output, "w") as file:
                json.dump(figures, file, indent=2)


if __name__ == "__main__":
    main()
