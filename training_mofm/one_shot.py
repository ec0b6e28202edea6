"""One-shot recognition (DT2) on a protocol: one example of each novel class, tested on all other recordings."""

from __future__ import annotations

import os

import numpy as np
from sklearn.metrics import roc_auc_score

from modeling_mofm.actions.recogniser import MotionRecogniser
from motion_data.keypoints import Motion
from tokenization_mofm.fingerprint import fingerprint

from .augmentation import Augmentation
from .evaluation.frozen import Encoder, read_features
from .evaluation.metrics import Spread, bootstrap
from .evaluation.protocols import OneShotFold, Protocol
from .motion_fitting import fit_motion_reader
from .samples import ClipMaker


class MotionVectors:
    """What the motion reader of a recogniser says of recordings."""

    name, batch_size = "motion reader", 256

    def __init__(self, recogniser: MotionRecogniser):
        self.recogniser, self.extractor = recogniser, recogniser.extractor

    @property
    def fingerprint(self) -> str:
        """Hash of its weights."""
        return fingerprint(self.recogniser.motion_reader)

    def __call__(self, clips: list[Motion]) -> np.ndarray:
        return self.recogniser.embed_motion(clips)


def measure_one_shot(
    recogniser: MotionRecogniser,
    protocol: Protocol,
    cache: str | os.PathLike | None = None,
    metric: bool = False,
    motion_size: int = 0,
    seed: int = 0,
) -> dict[str, Spread]:
    """Fit a recogniser on the auxiliary rows, teach it the exemplars, and test it on the queries.

    Args:
        recogniser: an encoder that was taught nothing; afterwards it knows the exemplars of the last fold.
        protocol: of the task "one-shot".
        cache: folder in which features stay.
        metric: see `MotionRecogniser.fit`.
        motion_size: width of a motion reader that is fitted on the auxiliary rows and looks beside the encoder; 0
            leaves the recogniser as it is.
        seed: of its fit.

    Returns:
        `accuracy`, each query among the novel classes; `open_set_auroc`, how well the highest similarity tells a class
        that was shown from one that was not, each novel class left out once; `unknown_rate_known` and
        `unknown_rate_novel`, shares of queries below the threshold, of classes shown and left out. Spread over
        resampled queries, of several folds over the folds.

    Raises:
        ValueError: another task, a `motion_size` that is odd or below 0, or auxiliary rows that `MotionRecogniser.fit`
            cannot use.
    """
    if protocol.task != "one-shot":
        raise ValueError(f"protocol {protocol.name!r} is of task {protocol.task!r}; it must be 'one-shot'")
    if motion_size < 0 or motion_size % 2:
        raise ValueError(f"motion_size must be even and at least 0, got {motion_size}")
    of_encoder = read_features(Encoder("model", recogniser.model), protocol.corpus, cache)
    labels = np.asarray(protocol.corpus["label"][:])
    names = protocol.class_names
    outcomes = []
    for fold in protocol.folds:
        if not isinstance(fold, OneShotFold):
            continue
        if motion_size:
            there = fold.auxiliary[of_encoder[fold.auxiliary].any(1)]  # of those with nobody in sight all are 0
            corpus, maker = protocol.corpus.select(there), ClipMaker(recogniser.extractor, Augmentation())
            config, device = recogniser.model.config, recogniser.model.device
            reader = fit_motion_reader(config, motion_size, corpus, labels[there], maker, seed, device)
            recogniser.read_motion_with(reader)
        features = of_encoder
        if recogniser.motion_reader is not None:
            features = np.concatenate((of_encoder, read_features(MotionVectors(recogniser), protocol.corpus)), 1)
        recogniser.forget()
        recogniser.fit(features[fold.auxiliary], labels[fold.auxiliary], metric)
        recogniser.teach_features([names[label] for label in labels[fold.exemplars]], features[fold.exemplars])
        similar = recogniser.similarities(features[fold.queries])  # in the order of the exemplars
        novel, asked = labels[fold.exemplars], labels[fold.queries]
        outcomes.append(_figures(similar, novel, asked, recogniser.threshold))
    if len(outcomes) == 1:
        return outcomes[0]
    return {name: Spread.over([found[name].value for found in outcomes]) for name in outcomes[0]}


def _figures(similar: np.ndarray, novel: np.ndarray, asked: np.ndarray, threshold: float | None) -> dict[str, Spread]:
    known = similar.max(1)  # its class is among those that were shown
    own = asked[:, None] == novel
    left_out = np.where(own, -np.inf, similar).max(1)  # its class alone was not shown

    def auroc(known: np.ndarray, left_out: np.ndarray) -> float:
        return float(roc_auc_score(np.repeat([1, 0], len(known)), np.concatenate([known, left_out])))

    def share_below(values: np.ndarray) -> float:
        return 0.0 if threshold is None else float((values < threshold).mean())

    return {
        "accuracy": bootstrap(lambda hit: float(hit.mean()), novel[similar.argmax(1)] == asked),
        "open_set_auroc": bootstrap(auroc, known, left_out),
        "unknown_rate_known": bootstrap(share_below, known),
        "unknown_rate_novel": bootstrap(share_below, left_out),
    }
