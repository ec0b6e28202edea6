"""Prepare a motion corpus from pose files, motion capture, arrays or videos.

python run/prepare.py <file or folder> [<file or folder> ...] --output <folder>

The exit status is 0 if every file was read, 3 if some were skipped, and 1 if nothing was written or uploaded.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import sys

from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import validate_repo_id

from motion_data.corpora.prepare import ON_ERROR, Preparation, PrepareOptions, prepare_corpus
from motion_data.corpora.share import push_corpus
from motion_data.options import ReadOptions
from motion_data.readers.registry import FormatError, formats
from motion_data.readers.video.estimation_options import DETECTOR, PoseEstimation, add_pose_options
from training_mofm.command_line import CommandParser, at_least
from training_mofm.option_arguments import add_read_options, given_options

SKIPPED = 3


def add_track_options(parser: argparse.ArgumentParser) -> None:
    read = ReadOptions()
    tracks = parser.add_argument_group("tracks")
    tracks.add_argument(
        "--max-frames", type=int, default=read.max_frames, help="longer recordings are cut; default %(default)s"
    )
    tracks.add_argument(
        "--min-track", type=int, default=read.min_track, help="drop people seen in fewer frames; default %(default)s"
    )
    tracks.add_argument(
        "--max-gap", type=int, default=read.max_gap, help="frames a person may be unseen; default %(default)s"
    )


def read_options(args: argparse.Namespace) -> ReadOptions:
    tracks = {name: getattr(args, name) for name in ("max_frames", "min_track", "max_gap")}
    return ReadOptions(**given_options(args), **tracks, poses=pose_estimation(args))


def add_video_options(parser: argparse.ArgumentParser) -> None:
    """Add how people are found in videos, one option for each field of `PoseEstimation`."""
    videos = parser.add_argument_group("videos")
    add_pose_options(videos)
    videos.add_argument("--detector", default=DETECTOR, help="the same of an object detector; default %(default)s")
    videos.add_argument("--threshold", type=float, help="score of a person; default: that of the model")
    videos.add_argument("--batch-size", type=int, default=8, help="pictures at once; default %(default)s")
    videos.add_argument("--device", default="cpu", help="where the models run; default %(default)s")


def pose_estimation(args: argparse.Namespace) -> PoseEstimation | None:
    if args.pose_model is None:
        return None
    models = (args.pose_model, args.detector, args.threshold, args.batch_size, args.device)
    return PoseEstimation(*models, args.mediapipe_python, args.weights)


def report(done: Preparation, output: str) -> None:
    """Print what became of the files."""
    statistics = done.statistics
    splits = ", ".join(f"{count} {split}" for split, count in statistics.clips.items())
    print(f"{output}: {splits} clips, {statistics.num_frames} frames from {done.sources} files")
    for note, count in done.notes.items():
        print(f"  {note} ({count} files)" if count > 1 else f"  {note}")
    for warning in done.warnings:
        print(f"  warning: {warning}")
    for name, reason in done.skipped:
        print(f"  skipped {name}: {reason}")
    if done.unknown:
        print(f"  {len(done.unknown)} files of no known format, such as {done.unknown[0]}")


def main() -> int:
    known = "\n".join(f"  {name:16s} {entry.description}" for name, entry in formats().items())
    parser = CommandParser(__doc__, epilog=f"formats:\n{known}")
    parser.add_argument("paths", nargs="+", help="files, and folders that are searched")
    parser.add_argument("--output", required=True, help="folder of the corpus; made here")
    parser.add_argument("--format", choices=list(formats()), help="format of every file; else each is recognised")
    add_read_options(parser)
    add_track_options(parser)
    add_video_options(parser)
    parser.add_argument(
        "--test-fraction", type=float, default=0.1, help="of the subjects, or files; default %(default)s"
    )
    parser.add_argument(
        "--labels",
        default="",
        help="'folders', 'frames' (cuts out what files call their frames), a CSV table (file, start, end, label, "
        "subject, split, anomalous), or a folder of .npy masks",
    )
    parser.add_argument("--parts", help="folder in which what is read stays, for later preparations")
    parser.add_argument("--license", default="", help="of the material, as the Hub names licences")
    parser.add_argument("--on-error", choices=ON_ERROR, default="raise", help="what a file that cannot be read does")
    parser.add_argument("--workers", type=at_least(1), default=1, help="processes that read; default %(default)s")
    parser.add_argument("--push-to-hub", metavar="USER/NAME", help="upload the corpus to this dataset repository")
    parser.add_argument("--private", action="store_true", help="make that repository private")
    args = parser.parse_args()

    with parser.refusals():
        if args.push_to_hub:
            validate_repo_id(args.push_to_hub)
        options = PrepareOptions(
            args.format, read_options(args), args.labels, args.test_fraction, args.license, args.on_error
        )
        try:
            done = prepare_corpus(args.paths, args.output, options, args.workers, args.parts)
        except FormatError as error:
            hint = "--on-error skip leaves such files out; what was read is kept"
            parser.exit(1, f"{parser.prog}: {error}\n{parser.prog}: {hint}\n")
    report(done, args.output)
    if args.push_to_hub:
        try:
            print(push_corpus(args.output, args.push_to_hub, args.private or None))
        except (HfHubHTTPError, OSError) as error:
            print(f"{parser.prog}: {args.output} is complete, but was not uploaded: {error}", file=sys.stderr)
            print(f"{parser.prog}: the same command uploads it without reading anything again", file=sys.stderr)
            return 1
    return SKIPPED if done.skipped else 0


if __name__ == "__main__":
    sys.exit(main())
