"""Write a corpus as annotations of PYSKL and MMAction2, to train or to measure their networks on the same motion.

python run/convert.py <corpus> --output annotations.pkl
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import sys

from motion_data.corpora.annotations import write_annotations
from training_mofm.command_line import CommandParser


def main() -> int:
    parser = CommandParser(__doc__)
    parser.add_argument("corpus", help="folder or Hub id; 'synthetic' is the embedded one")
    parser.add_argument("--output", required=True, help="pickle to write, .pkl")
    args = parser.parse_args()
    with parser.refusals(args.output):
        counts = write_annotations(args.corpus, args.output)
    print(f"{args.output}: {', '.join(f'{count} {split}' for split, count in counts.items())} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
