"""Fine-tune MoFM to recognise actions (DT1), or fit a linear head on what the frozen encoder says."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from datasets import ClassLabel, Dataset
from torch import Tensor, nn
from tqdm import trange

from modeling_mofm.actions.clip_views import views_of
from modeling_mofm.actions.modeling import MoFMForSequenceClassification
from modeling_mofm.configuration_mofm import MoFMConfig
from modeling_mofm.modeling_mofm import MoFMModel
from motion_data.keypoints import MIN_FRAMES, Motion, NobodyVisibleError
from motion_data.layouts import get_layout
from motion_data.notes import note
from motion_data.rows import row_recording
from motion_data.schema import VIEW_COLUMNS, first_row
from motion_data.views import view
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor, collate_people

from .arguments import (
    MotionTrainingArguments,
    check_checkpoint,
    check_run,
    check_space,
    last_checkpoint,
    num_samples,
)
from .augmentation import Augmentation
from .head_fitting import MAX_LINEAR_VIEWS, MAX_VIEWS, fit_hidden_head, fit_linear_head, read_views
from .motion_fitting import add_motion_reader
from .motion_trainer import MotionTrainer
from .pretraining import SIZE_FIELDS
from .row_digests import row_digests
from .run_identity import check_identity, digest_of
from .samples import ClipMaker, EveryRow, MotionSamples, collate_samples, report_empty
from .seen_rows import record_rows

NOBODY = Motion(np.zeros((1, MIN_FRAMES, 17, 2)), np.zeros((1, MIN_FRAMES, 17), np.float32))


class Predictions(NamedTuple):
    """What a classifier says of recordings, means over the views of each.

    Args:
        probabilities: `[rows, num_labels]`.
        parts: `[rows, T, K, D]`.
        of_head, of_motion: `[rows, num_labels]`, where there is a motion reader, the probabilities of each of the two.
    """

    probabilities: Tensor
    parts: Tensor
    of_head: Tensor | None = None
    of_motion: Tensor | None = None


@dataclass
class ClassificationArguments:
    """How to fine-tune."""

    model: str = field(metadata={"help": "Folder or Hub id of a pre-trained MoFM."})
    from_scratch: bool = field(default=False, metadata={"help": "Take its sizes but not its weights."})
    freeze_backbone: bool = field(
        default=False, metadata={"help": "Fit the head only, in minutes; with part_size 0 a linear probe."}
    )
    part_size: int = field(
        default=32, metadata={"help": "Numbers to which a new head reduces each part of the body; 0 is a linear head."}
    )
    slice_size: int = field(default=256, metadata={"help": "Numbers in which it mixes the parts of a slice."})
    motion_size: int = field(
        default=0,
        metadata={
            "help": "Width of a second reader in the head, of how key-points move, fitted by itself; 0 is none."
        },
    )
    read_centered: bool | None = field(
        default=None,
        metadata={"help": "A new head reads clips twice, also with people centred; unset: as the model's embeddings."},
    )
    shared_box: bool | None = field(
        default=None,
        metadata={"help": "A new head sees where people stand to each other; unset: as the model's embeddings."},
    )
    label_fraction: float = field(
        default=1.0, metadata={"help": "Fraction of the training rows of each class, above 0."}
    )
    labelled_only: bool = field(
        default=False, metadata={"help": "Leave out rows without a label, which are refused otherwise."}
    )
    layer_decay: float = field(
        default=1.0, metadata={"help": "Factor of the learning rate per layer from the top; 1 is the same for all."}
    )
    classifier_dropout: float = field(default=0.3, metadata={"help": "Dropout in the head."})
    num_clips: int = field(default=4, metadata={"help": "Clips of a recording that are averaged in the test."})
    flip_views: bool = field(default=True, metadata={"help": "Average over mirror images in the test too."})
    protocol: str | None = field(
        default=None, metadata={"help": "Protocol beside the corpus, each of whose folds is trained and measured."}
    )

    def __post_init__(self) -> None:
        if not 0 < self.label_fraction <= 1:
            raise ValueError(f"label_fraction must be above 0 and at most 1, got {self.label_fraction}")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay must be above 0 and at most 1, got {self.layer_decay}")
        if self.motion_size % 2:
            raise ValueError(f"motion_size must be even, got {self.motion_size}")
        for name, low in (("num_clips", 1), ("part_size", 0), ("slice_size", 1), ("motion_size", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")


@dataclass
class ClassificationTrainingArguments(MotionTrainingArguments):
    """`MotionTrainingArguments` for small labelled corpora: epochs, and no choice of a best one."""

    max_steps: int = field(default=-1, metadata={"help": "Optimiser steps; -1 trains `num_train_epochs`."})
    num_train_epochs: float = field(default=60.0, metadata={"help": "Times each row is seen."})
    weight_decay: float = field(default=0.05, metadata={"help": "AdamW's weight decay."})
    label_smoothing_factor: float = field(default=0.1, metadata={"help": "Label smoothing."})
    # what stands for masked cubes is in the model, and nothing is masked
    ddp_find_unused_parameters: bool | None = field(default=True, metadata={"help": "Not all parameters are used."})


class ClassificationTrainer(MotionTrainer):
    """`Trainer` whose learning rate falls from the head to the first layer (Clark et al. 2020; BEiT)."""

    def __init__(self, *args, layer_decay: float = 1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.layer_decay = layer_decay

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args)
            self.optimizer = kind(self.parameter_groups(), **options)
        return self.optimizer

    def parameter_groups(self) -> list[dict]:
        """Return parameters by depth, and apart those that do not decay (biases, norms, the mask embedding)."""
        depth = self.model.config.num_hidden_layers
        groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                below_top = depth_below_top(name, depth)
                groups.setdefault((below_top, parameter.ndim > 1), []).append(parameter)
        return [
            {
                "params": parameters,
                "lr": self.args.learning_rate * self.layer_decay**below_top,
                "weight_decay": self.args.weight_decay if decays else 0.0,
            }
            for (below_top, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
        ]


def depth_below_top(name: str, num_layers: int) -> int:
    """Return how many layers lie above a parameter: 0 for the head, `num_layers` + 1 for the embeddings."""
    parts = name.split(".")
    if "embeddings" in parts:
        return num_layers + 1
    if "layers" in parts:
        return num_layers - int(parts[parts.index("layers") + 1])
    return 0


def class_names(corpus: Dataset) -> list[str]:
    """Return the names of the classes of a corpus.

    Raises:
        ValueError: its labels have no names.
    """
    feature = corpus.features["label"]
    if not isinstance(feature, ClassLabel):
        raise ValueError(f"label of the corpus is {feature}; it must be a ClassLabel to learn classes from")
    return feature.names


def check_labels(train: Dataset, test: Dataset | None) -> None:
    """Refuse corpora that cannot be used for training, before any work; warn of subjects in both train and test.

    Raises:
        ValueError: a label that is missing, a class without an example to learn from, or other classes in the test.
    """
    names = class_names(train)
    for split, corpus in (("train", train), ("test", test)):
        if corpus is None:
            continue
        if class_names(corpus) != names:
            raise ValueError(f"classes of the test split are {class_names(corpus)}, those of the train split {names}")
        labels = np.asarray(corpus["label"][:])
        if (labels < 0).any():
            raise ValueError(
                f"{(labels < 0).sum()} of {len(labels)} rows of the {split} split have no label, the first is row "
                f"{int(np.argmax(labels < 0))}; each needs one, or labelled_only leaves them out"
            )
        wanted = set(range(len(names))) if split == "train" else set()
        missing = sorted(wanted - set(labels.tolist()))
        if missing:
            some = names[missing[0]]
            raise ValueError(f"{len(missing)} of {len(names)} classes have no example to learn from, such as {some!r}")
    if test is not None:
        shared = set(train["subject"][:]) & set(test["subject"][:]) - {-1}
        if shared:
            warnings.warn(f"{len(shared)} subjects are in the train and in the test split", stacklevel=2)


def labelled_rows(corpus: Dataset) -> Dataset:
    """Return the rows of a corpus that have a label, and note how many have none."""
    rows = np.flatnonzero(np.asarray(corpus["label"][:]) >= 0)
    if len(rows) == len(corpus):
        return corpus
    note(f"{len(corpus) - len(rows)} of {len(corpus)} rows have no label and are left out")
    return corpus.select(rows)


def draw_fraction(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Return ids of a fraction of the rows of each class, at least one, ascending."""
    generator = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        chosen.append(rows[: max(round(fraction * len(rows)), 1)])
    return np.sort(np.concatenate(chosen))


def uneven_keypoints(corpora: Iterable[Dataset]) -> list[int]:
    """Return the numbers of key-points that some skeletons of corpora have and others lack.

    By them a head would tell the corpora apart, and give their actions to whoever has the same sensor.
    """
    layouts = sorted({layout for corpus in corpora for layout in corpus.unique("layout")})
    has = np.array([np.array(get_layout(layout).canonical) >= 0 for layout in layouts])
    return np.flatnonzero(has.any(0) & ~has.all(0)).tolist()


def make_classifier(
    options: ClassificationArguments, names: Sequence[str], ignored_keypoints: Sequence[int] = ()
) -> MoFMForSequenceClassification:
    """Return the pre-trained encoder with a head for these classes; new weights everywhere where options say so.

    A model that has a head for just these classes keeps it; any other head is new, and ignores these key-points.
    """
    classes = dict(enumerate(names))
    config = MoFMConfig.from_pretrained(options.model)
    has_head = config.id2label == classes
    config.id2label = classes
    config.label2id = {name: number for number, name in enumerate(names)}
    config.classifier_dropout = options.classifier_dropout
    config.classifier_motion_size = 0  # it is fitted by itself, at the end
    config.reference_size, config.anomaly_score = 0, "distance"  # of a detector, which is not in it
    if not has_head:
        config.ignored_keypoints = list(ignored_keypoints)
        config.classifier_part_size, config.classifier_slice_size = options.part_size, options.slice_size
        config.classifier_centered = config.embed_centered if options.read_centered is None else options.read_centered
        if options.shared_box is not None:
            config.shared_box = options.shared_box
    if has_head and not options.from_scratch:
        return MoFMForSequenceClassification.from_pretrained(options.model, config=config)
    model = MoFMForSequenceClassification(config)
    model.name_or_path = options.model  # whose tokenizer goes along
    if not options.from_scratch:
        model.mofm = MoFMModel.from_pretrained(options.model, config=config)
    return model


def train_classifier(
    options: ClassificationArguments,
    train: Dataset,
    args: ClassificationTrainingArguments,
    augmentation: Augmentation | None = None,
) -> MoFMForSequenceClassification:
    """Fine-tune on the rows of `train` and return the model of the last step.

    An interrupted run goes on from its last checkpoint.

    Raises:
        ValueError: labels that cannot be learnt, or what another training left in the output directory, before
            training starts.
        OSError: a model that cannot be loaded, or an output directory that cannot be written.
    """
    check_run(args)
    check_labels(train, None)
    torch.manual_seed(args.seed)
    model = make_classifier(options, class_names(train), uneven_keypoints([train]))
    extractor = MoFMFeatureExtractor.for_config(model.config)
    there = _with_people(train)
    report_empty(np.setdiff1d(np.arange(len(train)), there).tolist(), len(train))
    train = train.select(there)
    labels = np.asarray(train["label"][:])
    rows = draw_fraction(labels, options.label_fraction, args.seed)
    train, labels = train.select(rows), labels[rows]
    digests = row_digests(train)
    check_checkpoint(args.output_dir, model.config, SIZE_FIELDS)
    check_identity(args, digests, options=options, labels=digest_of(labels), augmentation=augmentation)
    if args.process_index == 0:
        record_rows(args.output_dir, digests, *([] if options.from_scratch else [options.model]))
    maker = ClipMaker(extractor, augmentation)
    if options.freeze_backbone:
        _fit_head(model, train, labels, maker, args)
    else:
        source = EveryRow(train, labels, maker, args.seed)
        _fine_tune(model, source, args, 1.0 if options.from_scratch else options.layer_decay)
    return add_motion_reader(model, options.motion_size, train, labels, maker, args)


def _fit_head(
    model: MoFMForSequenceClassification,
    train: Dataset,
    labels: np.ndarray,
    maker: ClipMaker,
    args: ClassificationTrainingArguments,
) -> None:
    model.mofm.requires_grad_(False)
    model.to(args.device)
    hidden = model.config.classifier_part_size > 0
    plain = predict(model, train, maker.extractor).parts
    views = read_views(model, train, plain, maker, args.seed, MAX_VIEWS if hidden else MAX_LINEAR_VIEWS)
    if hidden:
        fit_hidden_head(model, views, labels, args)
    else:
        fit_linear_head(model, views, labels)


def _fine_tune(
    model: MoFMForSequenceClassification, source: EveryRow, args: ClassificationTrainingArguments, layer_decay: float
) -> None:
    check_space(model, args)
    if args.max_steps <= 0:  # the epoch is part of a sample's index, so that a resumed run goes on where it was
        per_step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        args.max_steps = max(math.ceil(args.num_train_epochs * len(source.corpus) / per_step), 1)
    trainer = ClassificationTrainer(
        model=model,
        args=args,
        train_dataset=MotionSamples(source, num_samples(args), args.seed),
        data_collator=collate_samples,
        layer_decay=layer_decay,
    )
    trainer.train(resume_from_checkpoint=args.resume_from_checkpoint or last_checkpoint(args.output_dir))


@torch.no_grad()
def predict(
    model: MoFMForSequenceClassification,
    corpus: Dataset,
    extractor: MoFMFeatureExtractor,
    num_clips: int = 1,
    flip: bool = False,
    batch_size: int = 32,
) -> Predictions:
    """Return what a classifier says of recordings.

    Args:
        num_clips, flip: see `views_of`.
        batch_size: recordings at once.

    Of a recording in which nobody is seen every class is as likely as any other.
    """
    model.eval()
    corpus = corpus.select_columns(VIEW_COLUMNS).with_format("arrow")
    found: dict[str, list[Tensor]] = {}
    for start in trange(0, len(corpus), batch_size, desc="predicting", leave=False):
        motions, empty = [], []
        for row in range(start, min(start + batch_size, len(corpus))):
            try:
                motions.append(view(row_recording(first_row(corpus[row]))))
            except NobodyVisibleError:
                empty.append(row - start)
                motions.append(NOBODY)
        views = [view for motion in motions for view in views_of(motion, extractor, num_clips, flip)]
        batch = {name: values.to(model.device) for name, values in collate_people(views).items()}
        outputs = model(**batch)
        answers = {"probabilities": outputs.logits, "of_head": outputs.head_logits, "of_motion": outputs.motion_logits}
        said = {name: model.probabilities(logits) for name, logits in answers.items() if logits is not None}
        for name, values in {**said, "parts": outputs.parts.float()}.items():
            mean = values.unflatten(0, (len(motions), -1)).mean(1).cpu()
            if name in said:
                mean[empty] = 1 / mean.shape[1]
            found.setdefault(name, []).append(mean)
    return Predictions(**{name: torch.cat(values) for name, values in found.items()})


def _with_people(corpus: Dataset) -> np.ndarray:
    """Return the ids of rows in which someone is seen."""
    seen = []
    for batch in corpus.select_columns(["scores"]).with_format("arrow").iter(batch_size=256):
        seen += [bool((scores.values.to_numpy() > 0).any()) for scores in batch["scores"].combine_chunks()]
    return np.flatnonzero(seen)
