"""What a frozen encoder knows: linear probe, nearest neighbour, one-shot and one-class, of one clip a recording.

Features of recordings are kept in a folder, so that a run that was interrupted, or asks about other protocols, goes
on. Beside the encoder stand the trivial answers: raw poses in the map, and the same encoder with random weights.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler, normalize
from tqdm import trange

from modeling_mofm.modeling_mofm import MoFMModel
from modeling_mofm.scenes import embed_scenes
from motion_data.keypoints import Motion, NobodyVisibleError
from motion_data.rows import row_recording
from motion_data.schema import VIEW_COLUMNS, first_row
from motion_data.views import view
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor
from tokenization_mofm.fingerprint import fingerprint

from ..row_digests import row_digests
from .metrics import Spread, bootstrap
from .protocols import Fold, OneShotFold, Protocol

RAW = "raw poses"
NEIGHBOURS = 3  # normal recordings whose mean distance is an anomaly score
PROBE_C = 0.1  # inverse strength of the probe's L2 penalty, on standardised features
METHODS = {  # of each task; the first is what it is judged by
    "classification": ("logistic regression", "1-NN", "majority"),
    "one-shot": ("cosine",),
    "anomaly": ("3-NN",),
    "supervised-anomaly": ("logistic regression",),
}


@dataclass(frozen=True)
class Row:
    """One figure: accuracy of classification and one-shot, area under the ROC curve of anomalies.

    Args:
        protocol: its name.
        reader: whose features.
        method: what reads them.
        figure: mean over the folds and their spread; of a single fold the spread over resampled recordings.
    """

    protocol: str
    reader: str
    method: str
    figure: Spread


class ClipReader(typing.Protocol):
    """What says something of recordings, some at a time, from clips that its extractor makes."""

    name: str
    extractor: MoFMFeatureExtractor
    batch_size: int

    @property
    def fingerprint(self) -> str:
        """What its answers depend on, but for the extractor."""
        ...

    def __call__(self, clips: list[Motion]) -> np.ndarray:
        """Return the features of clips, `[N, D]`."""
        ...


class Encoder:
    """A frozen encoder as a reader of recordings: the parts of everybody in them, averaged over people.

    Args:
        name: of the reader.
        model: the encoder.
        layers: which are read; see `MoFMModel.get_embeddings`.
        batch_size: recordings at a time.
    """

    def __init__(self, name: str, model: MoFMModel, layers: Sequence[int] = (-1,), batch_size: int = 32):
        self.name, self.layers = name, tuple(layers)
        self.model = model.eval()
        self.extractor = MoFMFeatureExtractor.for_config(model.config)
        self.batch_size = batch_size

    @property
    def fingerprint(self) -> str:
        """Hash of configuration and weights, and the layers."""
        config = json.dumps(self.model.config.to_diff_dict(), sort_keys=True, default=str)
        return f"{hashlib.sha256(config.encode()).hexdigest()[:16]}-{fingerprint(self.model)}-{self.layers}"

    def __call__(self, clips: list[Motion]) -> np.ndarray:
        return embed_scenes(self.model, clips, self.layers).parts.flatten(1).float().cpu().numpy()


class RawPoses:
    """The trivial reader: where joints are in the map, missing ones in its middle, averaged over people.

    Args:
        extractor: the geometry of clips.
        center_frames: whether people's paths are taken away, whatever the extractor says.
        batch_size: recordings at a time.
    """

    fingerprint = "raw-poses-1"

    def __init__(self, extractor: MoFMFeatureExtractor, center_frames: bool = False, batch_size: int = 256):
        self.name = f"{RAW}, centred" if center_frames else RAW
        self.extractor = copy.copy(extractor)
        self.extractor.center_frames = center_frames
        self.batch_size = batch_size

    def __call__(self, clips: list[Motion]) -> np.ndarray:
        half = (self.extractor.heatmap_size - 1) / 2
        poses = [np.where(clip.scores[..., None] > 0, clip.keypoints / half - 1, 0).mean(0) for clip in clips]
        return np.stack(poses).reshape(len(clips), -1).astype(np.float32)


def read_features(
    reader: ClipReader,
    corpus: Dataset,
    cache: str | os.PathLike | None = None,
    digests: Sequence[str] | None = None,
) -> np.ndarray:
    """Return the features of each recording of a corpus, `[rows, D]` float32; 0 where nobody is in sight.

    Args:
        reader: of clips of the middle frames.
        corpus: rows with the columns of `motion_features`.
        cache: folder in which features stay, by reader and corpus.
        digests: `row_digests` of the corpus, where they are known already; only a cache needs them.

    Raises:
        ValueError: nobody is in sight in any recording.
    """
    kept = None
    if cache is not None:
        geometry = json.dumps(reader.extractor.to_dict(), sort_keys=True, default=str)
        digest = hashlib.sha256(f"{reader.fingerprint} {geometry}".encode())
        digest.update("".join(row_digests(corpus) if digests is None else digests).encode())
        kept = Path(cache) / f"{digest.hexdigest()[:24]}.npy"
        if kept.is_file():
            return np.load(kept)
    rows = corpus.select_columns(VIEW_COLUMNS).with_format("arrow")
    seen: list[int] = []
    features: list[np.ndarray] = []
    for start in trange(0, len(rows), reader.batch_size, desc=reader.name, leave=False):
        clips = []
        for row in range(start, min(start + reader.batch_size, len(rows))):
            try:
                clips.append(reader.extractor.clip(view(row_recording(first_row(rows[row])))))
                seen.append(row)
            except NobodyVisibleError:
                pass
        if clips:
            features.append(reader(clips))
    if not features:
        raise ValueError(f"nobody is in sight in any of {len(rows)} recordings")
    whole = np.zeros((len(rows), features[0].shape[1]), np.float32)
    whole[seen] = np.concatenate(features)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".unfinished.npy")
        np.save(unfinished, whole)
        os.replace(unfinished, kept)
    return whole


def measure(protocol: Protocol, reader: str, features: np.ndarray) -> list[Row]:
    """Return the figures of features `[rows, D]` on a protocol, one for each method of its task."""
    labels = np.asarray(protocol.corpus["label"][:])
    rows = []
    for method in METHODS[protocol.task]:
        if method == "majority" and reader != RAW:
            continue  # it reads nothing: once is enough
        outcomes = [_outcome(protocol.task, method, fold, features, labels) for fold in protocol.folds]
        figures = [score(*arrays) for score, arrays in outcomes]
        if len(figures) > 1:
            spread = Spread.over(figures)
        else:
            spread = bootstrap(outcomes[0][0], *outcomes[0][1], num_samples=500)
        rows.append(Row(protocol.name, "majority" if method == "majority" else reader, method, spread))
    return rows


def _outcome(task: str, method: str, fold: Fold | OneShotFold, features: np.ndarray, labels: np.ndarray) -> tuple:
    """Return the metric of a fold and its arrays: true labels, and answers or scores."""
    if isinstance(fold, OneShotFold):
        scale = StandardScaler().fit(features[fold.auxiliary])
        exemplars, queries = (normalize(scale.transform(features[ids])) for ids in (fold.exemplars, fold.queries))
        answers = labels[fold.exemplars][(queries @ exemplars.T).argmax(1)]
        return _accuracy, (labels[fold.queries], answers)
    if method == "majority":
        values, counts = np.unique(labels[fold.train], return_counts=True)
        return _accuracy, (labels[fold.test], np.full(len(fold.test), values[counts.argmax()]))
    if (
        task == "anomaly"
    ):  # as far as they are, as in `NormalReference`: centred on few normal rows, a cosine sees none
        near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(fold.train))).fit(features[fold.train])
        return roc_auc_score, (fold.anomalous, near.kneighbors(features[fold.test])[0].mean(1))
    scale = StandardScaler().fit(features[fold.train])
    learn, ask = scale.transform(features[fold.train]), scale.transform(features[fold.test])
    if method == "1-NN":
        near = NearestNeighbors(n_neighbors=1, metric="cosine").fit(learn)
        return _accuracy, (labels[fold.test], labels[fold.train][near.kneighbors(ask)[1][:, 0]])
    targets = labels[fold.train] if task == "classification" else fold.train_anomalous
    learn, ask = _turned(learn, ask)
    probe = LogisticRegression(C=PROBE_C, max_iter=2000).fit(learn, targets)
    if task == "classification":
        return _accuracy, (labels[fold.test], probe.predict(ask))
    return roc_auc_score, (fold.anomalous, probe.decision_function(ask))


def _turned(learn: np.ndarray, ask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn features into the space that the examples span: the probe's answers stay, in far fewer dimensions."""
    if learn.shape[0] >= learn.shape[1]:
        return learn, ask
    axes = np.linalg.qr(learn.T)[0]
    return learn @ axes, ask @ axes


def _accuracy(labels: np.ndarray, answers: np.ndarray) -> float:
    return float((labels == answers).mean())
