"""Draw a clip in words, the MotionBook, what an action is recognised by, what is taken for what, a training.

python run/draw.py --clip 3 --output clip.png
python run/draw.py --book 72 --dataset corpus --output book.png
python run/draw.py --explain squat.json --output squat.png
python run/draw.py --confusion mofm-actions --output confusion.png
python run/draw.py --curves my-mofm other-mofm --output curves.png
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import sys
from pathlib import Path

from transformers import pipeline

from modeling_mofm.actions.drawing import draw_action
from modeling_mofm.actions.explain import explain_action
from modeling_mofm.shipped import SHIPPED
from motion_data.corpora.load import SYNTHETIC, load_corpus
from tokenization_mofm import MoFMTokenizer
from tokenization_mofm.drawing import draw_clip
from tokenization_mofm.gallery import draw_motion_book
from training_mofm.command_line import CommandParser, at_least
from training_mofm.evaluation.drawing import draw_confusion, draw_curves, read_confusion
from training_mofm.option_arguments import add_read_options, given_options
from training_mofm.samples import held_out_clips

PICTURES = (".png", ".svg", ".pdf", ".jpg")


def main() -> int:
    parser = CommandParser(__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--clip", type=int, default=0, help="which of the first 64 clips, with its tokens")
    what.add_argument("--book", type=at_least(1), metavar="WORDS", help="the words that are used most")
    what.add_argument("--explain", metavar="FILE", help="a recording, by what its action is recognised")
    what.add_argument("--confusion", metavar="FOLDER", help="what a fine-tuned model takes for what")
    what.add_argument("--curves", nargs="+", metavar="FOLDER", help="what trainings logged")
    parser.add_argument("--model", default=str(SHIPPED), help="a folder or Hub id; default: the shipped one")
    parser.add_argument("--dataset", default=SYNTHETIC, help="corpus of clips and words, from its held-out part")
    parser.add_argument(
        "--clips", type=at_least(1), default=256, help="rows that words are looked for in; default %(default)s"
    )
    parser.add_argument("--output", required=True, help="picture to write")
    add_read_options(parser)
    args = parser.parse_args()
    if Path(args.output).suffix.lower() not in PICTURES:
        parser.error(f"--output is {args.output!r}; it must end in one of {', '.join(PICTURES)}")
    with parser.refusals(args.output):
        draw(args).savefig(args.output, dpi=110)
    return 0


def draw(args: argparse.Namespace):
    if args.confusion:
        return draw_confusion(*read_confusion(args.confusion))
    if args.curves:
        return draw_curves(args.curves)
    if args.explain:
        recognise = pipeline("motion-classification", model=args.model, device="cpu")
        clips = recognise.feature_extractor(args.explain, **given_options(args))
        keypoints, scores = clips["keypoints"][0], clips["scores"][0]
        first = int((scores > 0).sum((1, 2)).argmax())  # who is seen most
        found = explain_action(recognise.model, keypoints, scores)
        return draw_action(keypoints[first], scores[first], found, recognise.model.config.heatmap_size)
    tokenizer = MoFMTokenizer.from_pretrained(args.model)
    corpus = load_corpus(args.dataset, "test")
    if args.book:
        clips = held_out_clips(corpus, tokenizer.feature_extractor, args.clips)
        return draw_motion_book(tokenizer, clips["keypoints"], clips["scores"], args.book)
    clips = held_out_clips(corpus, tokenizer.feature_extractor, 64)
    count = len(clips["keypoints"])
    if not 0 <= args.clip < count:
        raise ValueError(f"--clip must be from 0 to {count - 1}, got {args.clip}")
    return draw_clip(tokenizer, clips["keypoints"][args.clip], clips["scores"][args.clip])


if __name__ == "__main__":
    sys.exit(main())
