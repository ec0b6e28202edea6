"""Show actions once, and find them in other recordings; nothing is trained.

python run/teach.py --actions my-actions wave=wave.json bow=bow.json
python run/teach.py --actions my-actions --ask clip.json
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import sys
from pathlib import Path

from modeling_mofm import MotionRecogniser
from modeling_mofm.actions.recogniser import FILE
from modeling_mofm.shipped import SHIPPED
from training_mofm.command_line import CommandParser
from training_mofm.option_arguments import add_read_options, given_options


def main() -> int:
    parser = CommandParser(__doc__)
    parser.add_argument("shown", nargs="*", help="name=file of actions that are shown, any known format of poses")
    parser.add_argument(
        "--actions", required=True, help="folder of what was taught, made if it is not there; to ask also a Hub id"
    )
    parser.add_argument("--ask", nargs="+", default=[], help="files in which the actions are looked for")
    parser.add_argument("--model", default=str(SHIPPED), help="encoder of a new folder; default: the shipped one")
    add_read_options(parser)
    args = parser.parse_args()
    wrong = [pair for pair in args.shown if "=" not in pair]
    if wrong:
        parser.error(f"{wrong[0]!r} must be name=file")
    on_hub = not args.shown and not Path(args.actions).exists() and args.actions.count("/") == 1
    known = on_hub or (Path(args.actions) / FILE).is_file()
    untaught = f"--actions {args.actions!r} holds nothing that was taught; show an action first, as name=file"
    if not known and not args.shown:
        parser.error(untaught)
    options = given_options(args)
    place = args.actions if args.shown else None
    with parser.refusals(folder=place if known else None, new_folder=None if known else place):
        recogniser = MotionRecogniser.from_pretrained(args.actions if known else args.model)
        if not recogniser.names and not args.shown:
            raise ValueError(untaught)
        for pair in args.shown:
            recogniser.teach(*pair.split("=", 1), **options)
        if args.shown:
            recogniser.save_pretrained(args.actions)
            print(f"{args.actions} knows {', '.join(recogniser.actions)}")
        for path in args.ask:
            answers = recogniser(path, **options)
            best = answers[0] if answers and not isinstance(answers[0], list) else None
            print(path, f"{best['label']} ({best['score']:.2f})" if best else answers or "nobody is in sight")
    return 0


if __name__ == "__main__":
    sys.exit(main())
