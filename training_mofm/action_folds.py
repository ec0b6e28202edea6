"""Fine-tune for actions on the splits of corpora, or on every fold of a protocol, and measure what is held out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

from datasets import Dataset, concatenate_datasets
from torch import Tensor

from motion_data.corpora.load import load_corpus
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor

from .actions import (
    ClassificationArguments,
    ClassificationTrainingArguments,
    check_labels,
    class_names,
    labelled_rows,
    predict,
    train_classifier,
)
from .arguments import DataArguments
from .augmentation import Augmentation
from .evaluation.drawing import write_confusion
from .evaluation.metrics import MotionClassificationMetric, Spread
from .evaluation.protocol_files import find_protocol
from .evaluation.protocols import Fold
from .publishing import publish
from .seen_rows import askable


def finetune_classification(
    options: ClassificationArguments, data: DataArguments, args: ClassificationTrainingArguments
) -> dict[str, float]:
    """Fine-tune on corpora, or on every fold of a protocol, and return figures of what is held out.

    Without a protocol, the model is trained on the train splits of the corpora and tested on the test splits; it is
    saved to `args.output_dir`. With one, each fold has a folder of its own below that, with its model and
    `figures.json`. Started again, folds that are done are only measured.

    Returns:
        figures of `MotionClassificationMetric`, from one view of each recording, and from several (`num_clips`,
        `flip_views`) with "_of_views" at the end of the name; with a motion reader `accuracy_of_head` and
        `accuracy_of_motion`, what each of the two reaches alone from one view; over folds their means, and "_std" of
        several folds.

    Raises:
        ValueError: corpora that cannot be used for training, or a protocol that is not there, before training starts.
    """
    augmentation = Augmentation() if data.augment else None
    if data.streaming:
        raise ValueError("streaming is true; fine-tuning needs corpora that are read at random")
    if options.protocol and args.push_to_hub:
        raise ValueError(
            f"push_to_hub is true, but protocol {options.protocol!r} trains a model for each fold; push the one of "
            "the corpus's own splits"
        )
    if not options.protocol:
        splits = (_joined([load_corpus(name, split) for name in data.dataset]) for split in ("train", "test"))
        train, test = (_rows_used(options, rows) for rows in splits)
        check_labels(train, test)
        return finetune_fold(options, train, test, args, augmentation, data.dataset)
    if len(data.dataset) != 1:
        raise ValueError(f"a protocol is of one corpus, got dataset {data.dataset}")
    corpus = load_corpus(data.dataset[0], None)
    protocol = find_protocol(data.dataset[0], corpus, options.protocol, "classification")
    if not options.from_scratch:
        protocol = askable(options.model, protocol)
    figures = []
    for fold in protocol.folds:
        own = deepcopy(args)
        own.output_dir = fold_folder(args.output_dir, fold)
        train, test = (_rows_used(options, corpus.select(rows)) for rows in (fold.train, fold.test))
        found = finetune_fold(options, train, test, own, augmentation)
        figures.append(found)
    means = {name: Spread.over([found[name] for found in figures]) for name in figures[0]}
    spread = {f"{name}_std": figure.std for name, figure in means.items()} if len(figures) > 1 else {}
    return {name: figure.value for name, figure in means.items()} | spread


def _rows_used(options: ClassificationArguments, rows: Dataset) -> Dataset:
    return labelled_rows(rows) if options.labelled_only else rows


def fold_folder(folder: str | os.PathLike, fold: Fold) -> str:
    """Return where a fold of a fine-tuning is, in the folder of its protocol."""
    return os.path.join(folder, re.sub(r"[^\w.-]+", "-", fold.name))


def measure(probabilities: Tensor, corpus: Dataset) -> dict:
    """Return the figures of `MotionClassificationMetric` of answers `[rows, num_labels]` about a corpus."""
    return MotionClassificationMetric().compute(predictions=probabilities.numpy(), references=corpus["label"][:])


def finetune_fold(
    options: ClassificationArguments,
    train: Dataset,
    test: Dataset,
    args: ClassificationTrainingArguments,
    augmentation: Augmentation | None,
    datasets: Sequence[str] = (),
) -> dict[str, float]:
    """Fine-tune on `train`, save to `args.output_dir`, and return the figures of `test`, also as `figures.json`.

    What is taken for what, from several views, is in `confusion.json`; `mofm draw --confusion` draws it.

    Args:
        datasets: names of the corpora, for the card.
    """
    model = train_classifier(options, train, args, augmentation)
    extractor = MoFMFeatureExtractor.for_config(model.config)
    one = several = predict(model, test, extractor)
    if options.num_clips > 1 or options.flip_views:
        several = predict(model, test, extractor, options.num_clips, options.flip_views)
    figures, counts = {}, []
    for ending, answers in (("", one), ("_of_views", several)):
        found = measure(answers.probabilities, test)
        counts = found.pop("confusion_matrix")
        figures |= {f"{name}{ending}": value for name, value in found.items()}
    for name in ("of_head", "of_motion"):
        if getattr(one, name) is not None:
            figures[f"accuracy_{name}"] = measure(getattr(one, name), test)["accuracy"]
    if args.process_index == 0:
        write_confusion(args.output_dir, class_names(train), counts)
        model.save_pretrained(args.output_dir)
        model.save_companions(args.output_dir)
        extractor.save_pretrained(args.output_dir)  # as this model reads clips
        (Path(args.output_dir) / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
        publish(args, datasets, figures)
    return figures


def _joined(corpora: list[Dataset]) -> Dataset:
    """Return the rows of corpora one after the other.

    Raises:
        ValueError: their classes are not the same.
    """
    names = class_names(corpora[0])
    for corpus in corpora[1:]:
        if class_names(corpus) != names:
            raise ValueError(f"corpora have the classes {names} and {class_names(corpus)}; they must have the same")
    return concatenate_datasets(corpora) if len(corpora) > 1 else corpora[0]
