"""Draw a held-out clip, its MotionBook tokens, its heat and the heat decoded from the tokens.

python run/draw.py --model mofm --output clip.png
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse

from modeling_mofm.shipped import SHIPPED
from motion_data.corpora.load import SYNTHETIC, load_corpus
from tokenization_mofm import MoFMTokenizer
from tokenization_mofm.drawing import draw_clip
from training_mofm.samples import held_out_clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED), help="a folder or Hub id that holds a motion tokenizer")
    parser.add_argument("--dataset", default=SYNTHETIC, help="corpus, drawn from its held-out part")
    parser.add_argument("--clip", type=int, default=0, help="which of the first 64 clips")
    parser.add_argument("--output", required=True, help="picture to write")
    args = parser.parse_args()
    tokenizer = MoFMTokenizer.from_pretrained(args.model)
    clips = held_out_clips(load_corpus(args.dataset, "test"), tokenizer.feature_extractor, 64)
    figure = draw_clip(tokenizer, clips["keypoints"][args.clip], clips["scores"][args.clip])
    figure.savefig(args.output, dpi=110)


if __name__ == "__main__":
    main()
