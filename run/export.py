"""Write a model as one file from key-points to answers: ONNX (for onnxruntime, also in a browser) or torch.export.

python run/export.py --task classification --output actions.onnx
python run/export.py --model mofm-watch --task anomaly --output watch.onnx
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import sys
from pathlib import Path

from modeling_mofm.export import SUFFIXES, TASKS, export_graph, load_graph
from modeling_mofm.shipped import SHIPPED
from training_mofm.command_line import CommandParser


def main() -> int:
    parser = CommandParser(__doc__)
    parser.add_argument("--model", default=str(SHIPPED), help="folder or Hub id; default: the one that comes along")
    parser.add_argument("--task", choices=TASKS, required=True, help="what is answered")
    parser.add_argument("--output", required=True, help=f"file to write, {' or '.join(SUFFIXES)}")
    parser.add_argument("--int8", action="store_true", help="matrices in 8 bits: smaller, and a little less exact")
    args = parser.parse_args()
    with parser.refusals(args.output):
        difference = export_graph(load_graph(args.task, args.model), args.output, args.int8)
    size = Path(args.output).stat().st_size / 1e6
    print(f"{args.output}: {size:.1f} MB, within {difference:.1e} of the model on generated motion")
    return 0


if __name__ == "__main__":
    sys.exit(main())
