"""Whether a detector gains by going on with masked pre-training on normal motion before it remembers it.

python -m benchmarks.normal_training --model mofm --dataset <corpus> --protocol <name> [--steps 0 150] [--every 2]

Each fold trains a detector of its own on its normal rows, by each number of steps; the AUC is of recordings, by the
mean score of their windows.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import tempfile

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.cheaper_scoring import SCORES, measure_row, open_protocol, protocol_parser
from training_mofm.anomaly import AnomalyArguments, AnomalyTrainingArguments, train_unsupervised
from training_mofm.evaluation.metrics import Spread


def main() -> None:
    parser = protocol_parser(__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 150])
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--every", type=int, default=1, help="1 takes all folds, 2 every second")
    parser.add_argument("--rows", type=int, default=8, help="of a kind and fold that are asked about")
    args = parser.parse_args()
    corpus, protocol, tokenizer = open_protocol(args)
    options = AnomalyArguments(model=args.model)
    generator = np.random.default_rng(0)
    found: dict[tuple[int, str], list[float]] = {(steps, score): [] for steps in args.steps for score in SCORES}
    for fold in protocol.folds[:: args.every]:
        kinds = (fold.test[fold.anomalous == label] for label in (False, True))
        asked = [
            (int(row), label) for label, rows in enumerate(kinds) for row in generator.permutation(rows)[: args.rows]
        ]
        for steps in args.steps:
            with tempfile.TemporaryDirectory() as folder:
                training = AnomalyTrainingArguments(
                    output_dir=folder, max_steps=steps, learning_rate=args.learning_rate, report_to="none"
                )
                detector, _ = train_unsupervised(options, corpus, fold.train, training)
            detector.eval()
            measured = [
                (measure_row(detector, tokenizer, corpus, row, options.window, 0.2), label) for row, label in asked
            ]
            seen = [(windows, label) for windows, label in measured if windows is not None]
            for score in SCORES:
                detector.config.anomaly_score = score
                values = [
                    float(detector.anomaly_score(None, windows.nll, detector.reference(windows.parts)[0]).mean())
                    for windows, _ in seen
                ]
                found[steps, score].append(roc_auc_score([label for _, label in seen], values))
    print("| steps | " + " | ".join(SCORES) + " |\n| --- |" + " --- |" * len(SCORES))
    for steps in args.steps:
        print(f"| {steps} | " + " | ".join(str(Spread.over(found[steps, score])) for score in SCORES) + " |")


if __name__ == "__main__":
    main()
