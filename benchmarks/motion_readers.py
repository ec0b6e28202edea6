"""What a reader of motion adds to models that were fine-tuned without one: the head, the reader, and both.

python -m benchmarks.motion_readers --dataset <corpus> --protocol <name> --models runs/finetuned/msr100/pre-trained-1-*

Each model is a folder of `run/finetune.py --protocol`, with a folder for each fold. Readers are fitted on the rows
that the fold learns from, one view of each recording is asked about, and nothing is chosen on these.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import argparse

import numpy as np
import torch
from datasets import Dataset

from modeling_mofm import MoFMForSequenceClassification
from motion_data.corpora.load import load_corpus
from tokenization_mofm import MoFMFeatureExtractor
from training_mofm.action_folds import fold_folder, measure
from training_mofm.actions import ClassificationTrainingArguments, draw_fraction, predict
from training_mofm.augmentation import Augmentation
from training_mofm.evaluation.metrics import Spread
from training_mofm.evaluation.protocol_files import find_protocol
from training_mofm.motion_fitting import add_motion_reader
from training_mofm.samples import ClipMaker

ANSWERS = {"head": "of_head", "motion": "of_motion", "both": "probabilities"}


def accuracies(folder: str, train: Dataset, test: Dataset, fraction: float, size: int, seed: int) -> dict[str, float]:
    """Return the accuracy of each of `ANSWERS` on `test`, with a reader that was fitted on `train`."""
    model = MoFMForSequenceClassification.from_pretrained(folder)
    extractor = MoFMFeatureExtractor.for_config(model.config)
    args = ClassificationTrainingArguments(output_dir="unused", seed=seed, dataloader_num_workers=0)
    train = train.select(draw_fraction(np.asarray(train["label"][:]), fraction, seed))  # as the model's own rows
    maker, labels = ClipMaker(extractor, Augmentation()), np.asarray(train["label"][:])
    add_motion_reader(model.to(args.device), size, train, labels, maker, args)
    answers = predict(model, test, extractor)
    return {name: measure(getattr(answers, field), test)["accuracy"] for name, field in ANSWERS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, help="a motion corpus with protocols.json")
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--models", nargs="+", required=True, help="folders of fine-tuned models, each of all folds")
    parser.add_argument("--label-fraction", type=float, default=1.0, help="of the models; their seeds are 42, 43 ...")
    parser.add_argument("--motion-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    corpus = load_corpus(args.dataset, None)
    protocol = find_protocol(args.dataset, corpus, args.protocol, "classification")
    runs: list[dict[str, float]] = []
    for number, model in enumerate(args.models):
        for fold in protocol.folds:
            train, test = corpus.select(fold.train), corpus.select(fold.test)
            folder = fold_folder(model, fold)
            runs.append(accuracies(folder, train, test, args.label_fraction, args.motion_size, 42 + number))
            print(folder, *(f"{name} {value:.3f}" for name, value in runs[-1].items()), flush=True)
    print(f"| {' | '.join(ANSWERS)} |\n|{' --- |' * len(ANSWERS)}")
    print(f"| {' | '.join(str(Spread.over([run[name] for run in runs])) for name in ANSWERS)} |")


if __name__ == "__main__":
    main()
