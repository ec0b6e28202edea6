"""Set the threshold of anomalies on normal motion of your own camera, by the false alarms that you allow.

python run/calibrate.py normal/ --model mofm-watch --false-alarms-per-hour 2 --output-dir mofm-watch-calibrated
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import sys
from collections.abc import Iterator

import torch
from tqdm import tqdm

from modeling_mofm import AnomalyScorer, MoFMForAnomalyDetection
from modeling_mofm.shipped import SHIPPED
from motion_data.corpora.sources import find_sources
from motion_data.inputs import as_recordings, input_options
from motion_data.keypoints import Motion, NobodyVisibleError
from motion_data.notes import noted_once
from motion_data.views import EVERYBODY, view
from tokenization_mofm import MoFMTokenizer
from training_mofm.command_line import CommandParser
from training_mofm.option_arguments import add_read_options, given_options


def normal_motion(paths: list[str], options: dict) -> Iterator[tuple[Motion, float]]:
    """Yield the motion and the frames a second of every recording of files and folders."""
    sources, unknown = find_sources(paths, with_videos=False)
    for path in unknown:
        print(f"calibrate: {path} is of no known format; left out", file=sys.stderr)
    for source in tqdm(sources, desc="reading", unit="file"):
        for recording in as_recordings(source.path, input_options(**options)):
            try:
                yield view(recording, options=EVERYBODY), recording.fps
            except NobodyVisibleError:
                continue


def main() -> int:
    parser = CommandParser(__doc__)
    parser.add_argument("normal", nargs="+", help="files and folders of normal motion that it has not learnt")
    parser.add_argument("--model", default=str(SHIPPED), help="a fitted detector; default: the shipped one")
    parser.add_argument("--false-alarms-per-hour", type=float, required=True, help="of one person in sight")
    parser.add_argument("--output-dir", required=True, help="folder for the detector with its threshold")
    parser.add_argument("--stride", type=float, help="seconds between windows; default: one frame")
    parser.add_argument("--gate", type=float, help="compute the likelihood of suspicious windows only")
    add_read_options(parser)
    args = parser.parse_args()
    with parser.refusals(new_folder=args.output_dir):
        device = "cuda" if torch.cuda.is_available() else "cpu"
        detector = MoFMForAnomalyDetection.from_pretrained(args.model).to(device)
        tokenizer = MoFMTokenizer.from_pretrained(args.model)
        scorer = AnomalyScorer(detector, tokenizer, stride=args.stride, gate=args.gate)
        with noted_once():  # of many files
            found = scorer.calibrate(normal_motion(args.normal, given_options(args)), args.false_alarms_per_hour)
        detector.save_pretrained(args.output_dir)
        tokenizer.save_pretrained(args.output_dir)
    print(
        f"threshold {found.threshold:.3f}, from {found.hours:.2f} hours of people in sight; "
        f"{found.false_alarms_per_hour:.2f} false alarms an hour in them"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
