"""Put a pre-trained MoFM and its heads together in one folder, to be used without any training.

The encoder is not trained further, only rounded to half precision: weights are stored in half precision to be small,
and load and compute in single precision. The heads are fitted on its features: an action head on labelled corpora, and
the reference of the anomaly detector on windows of everyday motion. One `model.safetensors` holds all of them; each
class loads its own.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from tqdm import tqdm

from modeling_mofm.actions.modeling import MoFMForSequenceClassification
from modeling_mofm.anomaly.modeling import MoFMForAnomalyDetection
from modeling_mofm.configuration_mofm import UNSUPERVISED_SCORES
from modeling_mofm.pretraining.modeling import MoFMForMaskedMotionModeling
from modeling_mofm.shipped import write_hashes
from motion_data.corpora.load import load_corpus
from motion_data.keypoints import Motion, NobodyVisibleError
from motion_data.resampling import FPS
from motion_data.rows import row_recording
from motion_data.schema import VIEW_COLUMNS, first_row
from motion_data.views import PRETRAINING, view
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor, collate_people
from tokenization_mofm.tokenization_mofm import DVED_FOLDER, MoFMTokenizer

from .action_labels import renamed
from .actions import class_names, uneven_keypoints
from .anomaly_clips import hold_out, normal_clips
from .arguments import DataArguments
from .augmentation import HIPS_TO_ANKLES, KNEES_AND_ANKLES, Augmentation
from .run_identity import read_rows
from .samples import ClipMaker
from .seen_rows import record_rows
from .weight_files import write_weights

WEIGHTS = "model.safetensors"
EVERYDAY = ("walk", "sit_down", "stand_up", "wave", "pick_up", "idle")
HALF_BODIES = 0.25  # of the views that the head learns from; of normal rows so many more of either kind
PROBE_C = 0.03  # inverse strength of the head's L2 penalty, on standardised features


@dataclass
class ReleaseArguments:
    """What goes into the folder."""

    model: str = field(metadata={"help": "Folder of a pre-trained MoFM with its tokenizer beside it."})
    output_dir: str = field(metadata={"help": "Folder for the result."})
    dataset: list[str] = field(default_factory=list, metadata={"help": "Labelled corpora to learn actions from."})
    rename: list[str] = field(
        default_factory=list, metadata={"help": "old=new: names under which classes of several corpora are one."}
    )
    rows_per_class: int = field(default=300, metadata={"help": "Training rows of each class of a corpus."})
    views: int = field(default=2, metadata={"help": "Random training views of each row."})
    normal: list[str] = field(
        default_factory=lambda: list(EVERYDAY),
        metadata={"help": "Actions that are normal in everyday life."},
    )
    reference_size: int = field(default=192, metadata={"help": "Normal windows that are remembered."})
    anomaly_score: str = field(
        default="distance", metadata={"help": "What the detector says: nll, distance or combined."}
    )
    embed_centered: bool = field(
        default=False, metadata={"help": "Embeddings read clips twice, also with people in the middle of each frame."}
    )
    shared_box: bool = field(
        default=False, metadata={"help": "Embeddings and actions see where people stand to each other."}
    )
    seed: int = field(default=0, metadata={"help": "Of the rows and views."})

    def __post_init__(self) -> None:
        renamed(self.rename)
        if self.anomaly_score not in UNSUPERVISED_SCORES:
            raise ValueError(f"anomaly_score must be one of {UNSUPERVISED_SCORES}, got {self.anomaly_score!r}")
        for name in ("rows_per_class", "views", "reference_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def names(self) -> dict[str, str]:
        """Old names of classes and their new ones."""
        return renamed(self.rename)


def labelled_views(
    corpora: Sequence[Dataset], names: Mapping[str, str], extractor: MoFMFeatureExtractor, options: ReleaseArguments
) -> tuple[list[Motion], list[str]]:
    """Return random views of rows of each class of each corpus, and the names of their actions."""
    maker = ClipMaker(extractor, Augmentation(joint_dropout=0.1, half_body_prob=HALF_BODIES))
    clips, labels = [], []
    for corpus in corpora:
        titles = class_names(corpus)
        numbers = np.asarray(corpus["label"][:])
        generator = np.random.default_rng(options.seed)
        rows = corpus.select_columns(VIEW_COLUMNS).with_format("arrow")
        for number, title in enumerate(tqdm(titles, desc="views", leave=False)):
            chosen = generator.permutation(np.flatnonzero(numbers == number))[: options.rows_per_class]
            for row in chosen.tolist() * options.views:
                try:
                    seen = view(row_recording(first_row(rows[row])), generator, PRETRAINING)
                except NobodyVisibleError:
                    continue
                clips.append(maker.clip(seen, generator))
                labels.append(names.get(title, title))
    return clips, labels


@torch.no_grad()
def head_features(model: MoFMForSequenceClassification, clips: Sequence[Motion], batch_size: int = 32) -> np.ndarray:
    """Return the inputs of the head for clips, `[N, T * K * D]`."""
    parts = []
    for start in tqdm(range(0, len(clips), batch_size), desc="features", leave=False):
        batch = collate_people(clips[start : start + batch_size])
        parts.append(model(**{name: values.to(model.device) for name, values in batch.items()}).parts.flatten(1))
    return torch.cat(parts).float().cpu().numpy()


def fit_actions(
    base: MoFMForMaskedMotionModeling,
    clips: Sequence[Motion],
    labels: Sequence[str],
    ignored_keypoints: Sequence[int] = (),
) -> MoFMForSequenceClassification:
    """Return a classifier whose head is fitted on the frozen encoder, with balanced classes."""
    config = copy.deepcopy(base.config)
    titles = sorted(set(labels))
    config.id2label = dict(enumerate(titles))
    config.label2id = {title: number for number, title in enumerate(titles)}
    config.ignored_keypoints = list(ignored_keypoints)
    config.classifier_part_size, config.classifier_centered = 0, False  # a linear head
    model = MoFMForSequenceClassification(config).eval()
    model.mofm.load_state_dict(base.mofm.state_dict())
    features = head_features(model, clips)
    mean, std = features.mean(0), features.std(0) + 0.1
    probe = LogisticRegression(C=PROBE_C, max_iter=300, class_weight="balanced")
    probe.fit((features - mean) / std, [config.label2id[label] for label in labels])
    weight = probe.coef_ / std  # the head reads features as they are
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(weight))
        model.classifier.bias.copy_(torch.from_numpy(probe.intercept_ - weight @ mean))
    return model


def fit_normal(
    base: MoFMForMaskedMotionModeling, tokenizer: MoFMTokenizer, corpora: Sequence[Dataset], options: ReleaseArguments
) -> MoFMForAnomalyDetection:
    """Return a detector with windows of normal actions, of whole and half bodies; its scores are scaled on others."""
    learnt, held = [], []
    for corpus in corpora:
        titles = [options.names.get(title, title) for title in class_names(corpus)]
        wanted = [number for number, title in enumerate(titles) if title in options.normal]
        rows = np.flatnonzero(np.isin(np.asarray(corpus["label"][:]), wanted))
        if not len(rows):
            continue
        rows = np.random.default_rng(options.seed).permutation(rows)[: options.rows_per_class * len(wanted)]
        for part, into in zip(hold_out(corpus, np.sort(rows), 0.3, options.seed), (learnt, held), strict=True):
            into.append(normal_clips(corpus, part, tokenizer, rate=FPS))
            # and as before a camera on a desk, from the hips up and without them, of one row in four each
            for place, missing in enumerate((KNEES_AND_ANKLES, HIPS_TO_ANKLES)):
                if len(some := part[place :: round(1 / HALF_BODIES)]):
                    into.append(normal_clips(corpus, some, tokenizer, rate=FPS, missing=missing))
    detector = MoFMForAnomalyDetection(copy.deepcopy(base.config))
    detector.load_state_dict(base.state_dict(), strict=False)
    detector.config.fps = FPS
    normal = {name: torch.cat([part[name] for part in learnt]) for name in learnt[0]}
    others = {name: torch.cat([part[name] for part in held]) for name in held[0]}
    detector.fit_reference(normal, others, options.reference_size, seed=options.seed)
    return detector


def release(options: ReleaseArguments) -> dict[str, int]:
    """Write everything to `options.output_dir`, and return counts of what it holds.

    It is written beside that folder, and renamed when it is complete.

    Raises:
        FileExistsError: the folder is there, and not empty.
        ValueError: corpora without classes, or a class that no corpus has.
        OSError: a model that cannot be loaded, or a folder that cannot be written.
    """
    whole = Path(options.output_dir)
    if whole.exists() and any(whole.iterdir()):
        raise FileExistsError(f"output_dir {options.output_dir!r} is not empty; name a new folder")
    tokenizer = MoFMTokenizer.from_pretrained(options.model)
    corpora = [load_corpus(name, "train") for name in options.dataset]
    titles = {title for corpus in corpora for title in class_names(corpus)}
    unknown = [name for name in options.names if name not in titles]
    unknown += [name for name in options.normal if name not in {options.names.get(t, t) for t in titles}]
    if unknown:
        raise ValueError(f"{unknown} are classes of no corpus in dataset; there are {', '.join(sorted(titles))}")
    base = MoFMForMaskedMotionModeling.from_pretrained(options.model)
    for model in (base, tokenizer.dved):
        round_weights(model)
    folder = whole.with_name(whole.name + ".partial")
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer.save_pretrained(folder)
    store(tokenizer.dved.state_dict(), folder / DVED_FOLDER / WEIGHTS)
    base.config.words = MoFMTokenizer.from_pretrained(folder).fingerprint
    clips, labels = labelled_views(corpora, options.names, tokenizer.feature_extractor, options)
    actions = fit_actions(base, clips, labels, uneven_keypoints(corpora))
    detector = fit_normal(base, tokenizer, corpora, options)
    config = detector.config
    config.id2label, config.label2id = actions.config.id2label, actions.config.label2id
    config.ignored_keypoints = actions.config.ignored_keypoints
    config.keep_objectives_of_clips()
    config.anomaly_score = options.anomaly_score
    config.embed_centered, config.shared_box = options.embed_centered, options.shared_box
    config.architectures = [type(base).__name__]
    config.dtype = torch.float32
    tensors: dict[str, Tensor] = {}
    for model in (base, actions, detector):
        tensors |= model.state_dict()
    # heads that only pre-training needs, and the head of supervised detection, which is not trained
    left_out = ("view_", "teacher_", "action_head", "anomaly_head")
    tensors = {name: values for name, values in tensors.items() if not name.startswith(left_out)}
    config.save_pretrained(folder)
    MoFMFeatureExtractor.for_config(config).save_pretrained(folder)
    store(tensors, folder / WEIGHTS)
    record_rows(folder, read_rows(DataArguments(dataset=options.dataset)), options.model)
    write_hashes(folder)
    if whole.exists():
        whole.rmdir()
    os.replace(folder, whole)
    return {"clips": len(clips), "actions": len(config.id2label), "normal windows": config.reference_size}


@torch.no_grad()
def round_weights(model: nn.Module) -> None:
    """Round weights to half precision, in which they are stored: heads are fitted on what will be loaded."""
    for values in (*model.parameters(), *model.buffers()):
        if values.is_floating_point():
            values.copy_(values.half().to(values.dtype))


def store(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write weights in half precision; the configuration beside them says in which they load."""
    stored = {
        name: (values.half() if values.is_floating_point() else values).contiguous()
        for name, values in tensors.items()
    }
    write_weights(stored, path)
