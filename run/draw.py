"""Draw a held-out clip with its MotionBook tokens and the heat decoded from them, or the MotionBook itself.

python run/draw.py --clip 3 --output clip.png
python run/draw.py --book 72 --dataset corpus --output book.png
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse

from modeling_mofm.shipped import SHIPPED
from motion_data.corpora.load import SYNTHETIC, load_corpus
from tokenization_mofm import MoFMTokenizer
from tokenization_mofm.drawing import draw_clip
from tokenization_mofm.gallery import draw_motion_book
from training_mofm.samples import held_out_clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHIPPED), help="a folder or Hub id that holds a motion tokenizer")
    parser.add_argument("--dataset", default=SYNTHETIC, help="corpus, drawn from its held-out part")
    parser.add_argument("--clip", type=int, default=0, help="which of the first 64 clips")
    parser.add_argument("--book", type=int, metavar="WORDS", help="draw the words that are used most instead")
    parser.add_argument(
        "--clips", type=int, default=256, help="rows that words are looked for in; default %(default)s"
    )
    parser.add_argument("--output", required=True, help="picture to write")
    args = parser.parse_args()
    tokenizer = MoFMTokenizer.from_pretrained(args.model)
    corpus = load_corpus(args.dataset, "test")
    if args.book:
        clips = held_out_clips(corpus, tokenizer.feature_extractor, args.clips)
        figure = draw_motion_book(tokenizer, clips["keypoints"], clips["scores"], args.book)
    else:
        clips = held_out_clips(corpus, tokenizer.feature_extractor, 64)
        figure = draw_clip(tokenizer, clips["keypoints"][args.clip], clips["scores"][args.clip])
    figure.savefig(args.output, dpi=110)


if __name__ == "__main__":
    main()
