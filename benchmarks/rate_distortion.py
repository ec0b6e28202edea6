"""How much of held-out motion dVEDs keep, against the bits that their words take.

python -m benchmarks.rate_distortion --tokenizer runs/gumbel-512 runs/vq-512 ... --dataset corpora/jhmdb14_2d ...

A clip takes the entropy of the words of its cubes with heat, as often as the words of a corpus come; the cubes without
heat are known from those around them, and are not counted. Words that are said in steps (rvq) take the entropy of each
step: so many words would not come often enough to be counted.
"""

import argparse
import json
import math

import torch
from torch import Tensor

from motion_data.corpora.load import load_corpus
from tokenization_mofm import DVEDModel, MoFMTokenizer
from tokenization_mofm.quantizers import numbers_of
from tokenization_mofm.reconstruction_metrics import codebook_use
from training_mofm.evaluation.dved import evaluate_dved
from training_mofm.pretraining import tokenise
from training_mofm.samples import held_out_clips

COLUMNS = ("ssim", "black_ssim", "peak_error", "true_peak_error", "peak_lost", "ghost", "codebook_usage")


def rate(dved: DVEDModel, clips: dict[str, Tensor], batch_size: int = 32) -> dict[str, float]:
    """Return `cubes`, those with heat of a clip, `bits`, the entropy of the word of one, and `clip_bits`."""
    words = tokenise(dved, clips, batch_size)
    said = words[words != dved.config.empty_id]
    cubes = len(said) / len(words)
    levels = dved.config.levels if dved.config.quantizer == "rvq" else [dved.config.codebook_size]
    bits = sum(math.log2(codebook_use(torch.bincount(step))[1]) for step in numbers_of(said, levels).unbind(-1))
    return {"cubes": cubes, "bits": bits, "clip_bits": cubes * bits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", nargs="+", required=True, help="folders or Hub ids")
    parser.add_argument("--dataset", nargs="+", required=True, help="motion corpora; their test parts are drawn")
    parser.add_argument("--clips", type=int, default=96, help="rows of each")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}
    print("| words | corpus | bits a clip | bits a cube |", " | ".join(COLUMNS), "|")
    print("|", " --- |" * (4 + len(COLUMNS)))
    for name in args.tokenizer:
        tokenizer = MoFMTokenizer.from_pretrained(name).to(args.device)
        found[name] = {}
        for corpus in args.dataset:
            clips = held_out_clips(load_corpus(corpus, "test"), tokenizer.feature_extractor, args.clips)
            figures = evaluate_dved(tokenizer.dved, clips) | rate(tokenizer.dved, clips)
            found[name][corpus] = figures
            cells = " | ".join(f"{figures.get(column, float('nan')):.3f}" for column in COLUMNS)
            print(f"| {name} | {corpus} | {figures['clip_bits']:.0f} | {figures['bits']:.2f} | {cells} |", flush=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
