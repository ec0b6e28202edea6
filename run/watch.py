"""Say what people do in a recording, a video or before a camera, and what is odd; draw it, or write it down.

python run/watch.py walk.json --output walk.gif --events walk.events.json
python run/watch.py camera --output annotated.mp4            # stop it with Ctrl-C
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

from modeling_mofm.events import Event
from modeling_mofm.live import LiveWatcher
from modeling_mofm.shipped import SHIPPED
from modeling_mofm.watching import watch
from motion_data.animation import SUFFIXES, AnnotatedFilm, animate
from motion_data.notes import noted_once
from motion_data.readers.video.estimation_options import MOVENET, PoseEstimation, add_pose_options
from motion_data.readers.video.live import LivePictures, is_live
from motion_data.readers.video.pose_estimation import load_estimator
from motion_data.resampling import known_rate
from training_mofm.command_line import REFUSALS, CommandParser
from training_mofm.option_arguments import add_read_options, given_options

PICTURES = (".png", ".svg", ".pdf")


def watch_recordings(args: argparse.Namespace, poses: PoseEstimation, told: list[dict]) -> None:
    """Watch files, draw the first recording in them, and add what is told to `told`."""
    with noted_once():  # what it is drawn with is decided again
        for seen in watch(
            args.input, args.model, args.threshold, args.min_confidence, poses=poses, **given_options(args)
        ):
            name = seen.recording.name or Path(args.input).name
            print(name)
            print("\n".join(f"  {line}" for line in seen.lines()))
            if args.output and seen.motion is not None and not told:
                if Path(args.output).suffix.lower() in SUFFIXES:
                    animate(seen.motion, known_rate(seen.recording.fps), args.output, seen.captions(), seen.tints())
                else:
                    seen.draw().savefig(args.output, dpi=110)
            told.append(seen.to_dict() | {"name": name})


def watch_camera(args: argparse.Namespace, poses: PoseEstimation, told: list[dict]) -> None:
    """Watch pictures as they come, say what changes, and add the anomalies to `told`."""
    watcher = LiveWatcher(load_estimator(poses), args.model, args.threshold, args.min_confidence)
    layout = watcher.estimator.layout or ""
    doing: dict[int, str] = {}
    number = 0

    def tell(events: list[Event]) -> None:
        for event in events:
            told.append(event.to_dict())
            print(
                f"{event.start:8.2f} to {event.end:.2f} s  person {event.person}  odd ({event.score:.2f})", flush=True
            )

    with ExitStack() as stack:
        film = stack.enter_context(AnnotatedFilm(args.output)) if args.output else None
        pictures = stack.enter_context(LivePictures(args.input))  # when everything else is ready
        try:
            for seen in watcher.watch(pictures):
                number += 1
                for person, (label, score) in seen.actions.items():
                    if doing.get(person) != label:
                        print(f"{seen.time:8.2f} s  person {person}  {label} ({score:.2f})", flush=True)
                        doing[person] = label
                tell(seen.events)
                if film is not None:
                    film.add(seen.time, seen.picture, seen.keypoints, seen.scores, layout, seen.lines())
        except KeyboardInterrupt:
            pass
        finally:
            tell(watcher.close())
        print(f"{number} pictures were seen, {pictures.dropped} came too fast and were dropped")


def write_events(path: str | None, told: list[dict]) -> None:
    if path:
        Path(path).write_text(json.dumps(told, indent=1) + "\n")


def main() -> int:
    parser = CommandParser(__doc__)
    parser.add_argument(
        "input", help="poses of any known format, a video, 'camera', 'camera:1', or an address such as rtsp://..."
    )
    parser.add_argument("--live", action="store_true", help="play a video as a camera would, at its own pace")
    parser.add_argument("--model", default=str(SHIPPED), help="default: the one that comes along")
    parser.add_argument("--output", help=f"picture ({', '.join(PICTURES)}) or film ({', '.join(SUFFIXES)}) to write")
    parser.add_argument("--events", help="JSON to write")
    parser.add_argument("--threshold", type=float, help="anomaly score from which something is odd")
    parser.add_argument("--min-confidence", type=float, default=0.0, help="leave out actions that are less likely")
    add_read_options(parser)
    add_pose_options(parser.add_argument_group("videos and cameras"), MOVENET)
    args = parser.parse_args()
    live = args.live or is_live(args.input)
    given = given_options(args)
    if live and given:
        parser.error(f"--{next(iter(given)).replace('_', '-')} is about files of poses, not pictures of a camera")
    allowed = (".mp4",) if live else (*PICTURES, *SUFFIXES)
    if args.output and Path(args.output).suffix.lower() not in allowed:
        parser.error(f"--output is {args.output!r}; it must end in one of {', '.join(allowed)}")
    with parser.refusals(args.output, args.events):
        poses = PoseEstimation(args.pose_model, mediapipe_python=args.mediapipe_python, weights=args.weights)
        told: list[dict] = []
        try:
            (watch_camera if live else watch_recordings)(args, poses, told)
        except REFUSALS:
            if told:  # a camera that breaks off takes nothing along
                write_events(args.events, told)
            raise
        write_events(args.events, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
