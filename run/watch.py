"""Say what people do in a recording and what is odd, from when to when; draw it, or write it down.

python run/watch.py walk.json
python run/watch.py film.mp4 --output walk.gif --events walk.events.json
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse
import json
import sys
from pathlib import Path

from modeling_mofm.shipped import SHIPPED
from modeling_mofm.watching import watch
from motion_data.animation import SUFFIXES, animate
from motion_data.layouts import layout_names
from motion_data.readers.video.estimation_options import MOVENET, PoseEstimation
from motion_data.resampling import known_rate

PICTURES = (".png", ".svg", ".pdf")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="file or folder of poses, of any known format, or a video")
    parser.add_argument("--model", default=str(SHIPPED), help="default: the one that comes along")
    parser.add_argument("--output", help=f"picture ({', '.join(PICTURES)}) or film ({', '.join(SUFFIXES)}) to write")
    parser.add_argument("--events", help="JSON to write")
    parser.add_argument("--threshold", type=float, help="anomaly score from which something is odd")
    parser.add_argument("--min-confidence", type=float, default=0.0, help="leave out actions that are less likely")
    parser.add_argument("--layout", choices=layout_names(), help="skeleton layout, where the file does not say")
    parser.add_argument("--fps", type=float, help="frames per second, where the file does not say")
    videos = parser.add_argument_group("videos")
    videos.add_argument("--pose-model", default=MOVENET, help="movenet (the default), mediapipe, or a ViTPose")
    videos.add_argument("--weights", default="", help="file of MoveNet's weights; default: those that are installed")
    videos.add_argument("--mediapipe-python", default="", help="Python of an environment that has MediaPipe")
    args = parser.parse_args()
    kind = Path(args.output).suffix.lower() if args.output else ""
    if kind not in ("", *PICTURES, *SUFFIXES):
        parser.error(f"--output is {args.output!r}; it must end in one of {', '.join((*PICTURES, *SUFFIXES))}")
    options = {name: value for name in ("layout", "fps") if (value := getattr(args, name)) is not None}
    told = []
    try:
        options["poses"] = PoseEstimation(
            args.pose_model, mediapipe_python=args.mediapipe_python, weights=args.weights
        )
        for seen in watch(args.input, args.model, args.threshold, args.min_confidence, **options):
            print(seen.recording.name or Path(args.input).name)
            print("\n".join(f"  {line}" for line in seen.lines()))
            if args.output and seen.motion is not None and not told:  # the first recording
                if kind in SUFFIXES:
                    animate(seen.motion, known_rate(seen.recording.fps), args.output, seen.captions(), seen.tints())
                else:
                    seen.draw().savefig(args.output, dpi=110)
            told.append(seen.to_dict())
    except (ValueError, OSError, ImportError) as error:
        print(f"watch: {error}", file=sys.stderr)
        return 1
    if args.events:
        Path(args.events).write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
