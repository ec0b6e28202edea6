"""One-shot recognition (DT2): a person shows an action once, and it is recognised from then on; nothing is trained.

recogniser = MotionRecogniser.from_pretrained("mofm")
recogniser.teach("wave", "wave.json")
recogniser("clip.json")  # [{"label": "wave", "score": 0.81}, ...]
recogniser.save_pretrained("my-actions")
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from transformers.utils import PushToHubMixin, cached_file

from motion_data.inputs import MotionInput
from motion_data.keypoints import Motion
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor, collate_people

from ..modeling_mofm import MoFMModel, extractor_beside
from ..motion_pipeline import visible_motions
from ..scenes import embed_scenes
from .metric import within_class_axes
from .motion_reader import MotionReader

FILE, VECTORS = "actions.json", "actions.safetensors"
READER = "motion_reader."  # before the names of its weights
AXES = "axes."  # before what the axes of the metric are for
READER_SHARE = 0.25  # of a cosine, where a motion reader looks at how key-points move
UNKNOWN = "unknown"


class MotionRecogniser(PushToHubMixin):
    """Recognise actions by the cosine similarity of embeddings to those of examples.

    Args:
        model: the encoder.
        extractor: fits motion into the map; None makes the one for the model's sizes.

    Attributes:
        threshold: similarity below which the answer is "unknown"; None never answers "unknown". `fit` sets it.
        motion_reader: a `MotionReader` whose embedding is used beside the encoder's; `read_motion_with` sets it.
        names: names of the examples, in order; an action may have several.
    """

    def __init__(self, model: MoFMModel, extractor: MoFMFeatureExtractor | None = None):
        self.model = model.eval()
        self.extractor = extractor or MoFMFeatureExtractor.for_config(model.config)
        slices = model.config.grid_size[0]
        self._parts = slices * model.config.num_keypoints * model.config.embedding_size
        self.motion_reader: MotionReader | None = None
        self._know_nothing(self._parts)

    def _know_nothing(self, width: int) -> None:
        self.names: list[str] = []
        self.threshold: float | None = None
        self._shown = np.zeros((0, width), np.float32)
        self._mean, self._std = np.zeros(width, np.float32), np.ones(width, np.float32)
        self._axes: dict[str, np.ndarray] = {}  # of the metric, for parts and for what a motion reader says

    def read_motion_with(self, reader: MotionReader) -> None:
        """Use a motion reader's embedding beside the encoder's; examples and fits so far are forgotten.

        The reader may be trained on other actions (`training_mofm.motion_fitting.fit_motion_reader`).
        """
        self.motion_reader = reader.to(self.model.device).eval()
        self._know_nothing(self._parts + reader.embedding_size)

    def embed(self, motions: Sequence[Motion], batch_size: int = 32) -> np.ndarray:
        """Return the embeddings of motions, `[N, D]`: body parts, averaged over people.

        With a motion reader, its embedding is appended.
        """
        found = []
        for start in range(0, len(motions), batch_size):
            clips = [self.extractor.clip(motion) for motion in motions[start : start + batch_size]]
            features = embed_scenes(self.model, clips).parts.flatten(1).float().cpu().numpy()
            if self.motion_reader is not None:
                features = np.concatenate((features, self.embed_motion(clips)), 1)
            found.append(features)
        return np.concatenate(found)

    @torch.no_grad()
    def embed_motion(self, clips: Sequence[Motion]) -> np.ndarray:
        """Return the motion reader's embeddings of prepared clips of one or more people each, `[N, D]`."""
        batch = {name: values.to(self.model.device) for name, values in collate_people(clips).items()}
        return self.motion_reader.embed(**batch).float().cpu().numpy()

    def fit(self, features: np.ndarray, labels: Sequence[int], metric: bool = False) -> None:
        """Learn the scale of features, and the threshold of "unknown", from recordings of other actions.

        The threshold is at the equal error rate of telling known from unknown actions, with the first recording of
        each auxiliary class as its example.

        Args:
            features: `[N, D]` embeddings (`embed`) of auxiliary recordings.
            labels: `[N]`, their classes.
            metric: learn a within-class metric too (`metric.within_class_axes`); pays with dozens of classes.

        Raises:
            ValueError: fewer than two classes, or none with two recordings.
        """
        from sklearn.metrics import roc_curve  # loaded here: it takes a second

        labels = np.asarray(labels)
        classes, first = np.unique(labels, return_index=True)
        rest = np.setdiff1d(np.arange(len(labels)), first)
        if len(classes) < 2 or not len(rest):
            raise ValueError(
                f"labels have {len(classes)} classes in {len(labels)} recordings; two classes and a second recording "
                "of one are needed"
            )
        self._mean, self._std = features.mean(0), np.where(features.std(0) > 0, features.std(0), 1)
        said = self._said(features)
        self._axes = {name: within_class_axes(values, labels) for name, values in said.items()} if metric else {}
        similar = self._unit(features[rest]) @ self._unit(features[first]).T  # rest, classes
        own = labels[rest, None] == classes
        known, unknown = similar.max(1), np.where(own, -np.inf, similar).max(1)
        reported, found, levels = roc_curve(np.repeat([1, 0], len(rest)), np.concatenate([known, unknown]))
        self.threshold = float(levels[1:][np.abs(reported - (1 - found))[1:].argmin()])

    def teach(self, name: str, motion: MotionInput, **options) -> None:
        """Add an example of an action.

        Args:
            name: name of the action.
            motion: one recording, in any form that `as_recordings` takes.
            options: facts that it does not state itself (`motion_data.inputs.INPUT_OPTIONS`).

        Raises:
            ValueError: an empty name or "unknown", several recordings, or nobody in sight.
        """
        if not name or name == UNKNOWN:
            raise ValueError(f"name is {name!r}; it must be that of an action, and not {UNKNOWN!r}")
        motions = visible_motions(motion, options, self.extractor.layout)
        if len(motions) != 1 or motions[0] is None:
            seen = sum(one is not None for one in motions)
            raise ValueError(f"motion has {seen} recordings with someone in sight; one is needed to show {name!r}")
        self.teach_features([name], self.embed(motions))

    def teach_features(self, names: Sequence[str], features: np.ndarray) -> None:
        """Add examples by their embeddings `[N, D]`."""
        self.names += list(names)
        self._shown = np.concatenate([self._shown, features.astype(np.float32)])

    def forget(self) -> None:
        """Remove all examples; what `fit` learnt stays."""
        self.names, self._shown = [], self._shown[:0]

    def similarities(self, features: np.ndarray) -> np.ndarray:
        """Return the cosine similarity of embeddings `[N, D]` to each action, `[N, actions]` in [-1, 1].

        Actions are in the order of `actions`; of several examples of an action the most similar counts.
        """
        if not self.names:
            raise ValueError("nothing was taught; call teach first")
        similar = self._unit(features) @ self._unit(self._shown).T
        names = np.array(self.names)
        return np.stack([similar[:, names == name].max(1) for name in self.actions], 1)

    @property
    def actions(self) -> list[str]:
        """The names of the actions that have examples, each once."""
        return list(dict.fromkeys(self.names))

    @property
    def shown(self) -> np.ndarray:
        """The embeddings of the examples, `[names, D]`."""
        return self._shown

    def __call__(self, motion: MotionInput, **options) -> list[dict] | list[list[dict]]:
        """Recognise what is done in a recording.

        Returns:
            `[{"label": ..., "score": ...}, ...]`, the most similar first; "unknown" comes first if no action is
            similar enough; [] if nobody is in sight. For a file with several recordings, a list of such lists.
        """
        answers = []
        for seen in visible_motions(motion, options, self.extractor.layout):
            if seen is None:
                answers.append([])
                continue
            similar = self.similarities(self.embed([seen]))[0]
            answer = [{"label": self.actions[k], "score": float(similar[k])} for k in np.argsort(-similar)]
            if self.threshold is not None and similar.max() < self.threshold:
                answer.insert(0, {"label": UNKNOWN, "score": self.threshold})
            answers.append(answer)
        return answers[0] if len(answers) == 1 else answers

    def save_pretrained(self, folder: str | os.PathLike, **kwargs) -> None:
        """Save the encoder and the examples; `kwargs` go to the encoder. `push_to_hub` pushes the same files."""
        self.model.save_pretrained(folder, **kwargs)
        self.extractor.save_pretrained(folder)
        facts: dict[str, object] = {"names": self.names, "threshold": self.threshold}
        arrays = {"shown": self._shown, "mean": self._mean, "std": self._std}
        arrays |= {f"{AXES}{name}": axes for name, axes in self._axes.items()}
        if self.motion_reader is not None:
            facts["motion_reader"] = self.motion_reader.sizes
            weights = self.motion_reader.state_dict()
            arrays |= {f"{READER}{name}": values.cpu().numpy() for name, values in weights.items()}
        (Path(folder) / FILE).write_text(json.dumps(facts, indent=1))
        arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
        save_file(arrays, Path(folder) / VECTORS)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike, **kwargs) -> MotionRecogniser:
        """Load an encoder, and the examples saved with it if there are any, from a folder or the Hub.

        Args:
            folder: folder or Hub id.
            kwargs: as for any model (`revision`, `token`, `cache_dir`, ...).

        Raises:
            OSError: an encoder that cannot be loaded, or `actions.json` without `actions.safetensors`.
        """
        model = MoFMModel.from_pretrained(folder, **kwargs)
        recogniser = cls(model, extractor_beside(model))
        file = cached_file(folder, FILE, _raise_exceptions_for_missing_entries=False, **model.hub_options)
        if file is None:
            return recogniser
        facts = json.loads(Path(file).read_text())
        arrays = load_file(cached_file(folder, VECTORS, **model.hub_options))
        if facts.get("motion_reader"):
            weights = {name[len(READER) :]: array for name, array in arrays.items() if name.startswith(READER)}
            reader = MotionReader(model.config, tuple(facts["motion_reader"]))
            reader.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
            recogniser.read_motion_with(reader)
        recogniser.names, recogniser.threshold = facts["names"], facts["threshold"]
        recogniser._shown, recogniser._mean, recogniser._std = (arrays[name] for name in ("shown", "mean", "std"))
        recogniser._axes = {name[len(AXES) :]: axes for name, axes in arrays.items() if name.startswith(AXES)}
        return recogniser

    def _unit(self, features: np.ndarray) -> np.ndarray:
        said = self._said(features)
        said |= {name: said[name] @ axes for name, axes in self._axes.items()}
        if self.motion_reader is None:
            return _of_length_1(said["parts"])
        shares = {"parts": np.sqrt(1 - READER_SHARE), "motion": np.sqrt(READER_SHARE)}  # cosines are weighted so
        return np.concatenate([share * _of_length_1(said[name]) for name, share in shares.items()], 1)

    def _said(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Return the standardised embeddings of the encoder ("parts") and of the motion reader ("motion")."""
        scaled = (features - self._mean) / self._std
        said = {"parts": scaled[:, : self._parts]}
        return said if self.motion_reader is None else said | {"motion": scaled[:, self._parts :]}


def _of_length_1(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
