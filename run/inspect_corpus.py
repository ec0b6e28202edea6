"""Look at a motion corpus: counts, problems, and a sheet of pictures.

python run/inspect_corpus.py <corpus> [--output sheet.html]
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import sys
from pathlib import Path

from motion_data.corpora.inspect import inspect_corpus, write_sheet
from motion_data.corpora.load import load_splits
from training_mofm.command_line import CommandParser, at_least


def main() -> int:
    parser = CommandParser(__doc__)
    parser.add_argument("corpus", help="folder, packed .npz file or Hub id; 'synthetic' is the embedded one")
    parser.add_argument("--output", default="corpus.html", help="the sheet to write; default %(default)s")
    parser.add_argument("--samples", type=at_least(0), default=6, help="clips to draw; default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of their choice")
    args = parser.parse_args()

    with parser.refusals(args.output):
        found = inspect_corpus(load_splits(args.corpus), args.samples, args.seed)
        write_sheet(found, Path(args.output), args.corpus)
    for split, clips in found.statistics.clips.items():
        print(f"{split}: {clips} clips, {found.statistics.frames[split]} frames")
    for problem, count in found.problems.most_common():
        print(f"  {count} x {problem}" + (f", such as {found.examples[problem]}" if problem in found.examples else ""))
    print(f"written to {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
