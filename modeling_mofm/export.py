"""Graphs from key-points to answers in one file, for places without this package: ONNX or `torch.export`.

A graph does what a pipeline does once a file is read: it samples frames, fits people into the map, and answers.
Batch, people and frames are free.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from motion_data.keypoints import MIN_FRAMES
from motion_data.layouts import get_layout
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

from .actions.modeling import MoFMForSequenceClassification
from .anomaly.modeling import MoFMForAnomalyDetection
from .anomaly.scorer import check_detector
from .fitting import fit_into_map
from .modeling_mofm import MoFMModel, NotFittedError, extractor_beside

TOLERANCE = 1e-4  # by which a written file may differ from the model, on generated motion
SUFFIXES = (".onnx", ".pt2")
EXAMPLE = (3, 2, 60)  # batch, people, frames of the clips that a graph is traced with


class MotionGraph(nn.Module):
    """Key-points to an answer.

    Args:
        model: what answers.
        extractor: how frames are sampled and people fitted.

    Attributes:
        outputs: names of what `forward` returns.
        takes_int8: whether its matrices can be in 8 bits: not where nearest words or neighbours are looked for.
        notes: what a reader of the file needs besides, by name.
    """

    outputs: tuple[str, ...] = ()
    takes_int8 = False

    def __init__(self, model: PreTrainedModel, extractor: MoFMFeatureExtractor):
        super().__init__()
        self.model = model.eval()
        self.num_frames = extractor.num_frames
        self.size, self.scale = extractor.heatmap_size, extractor.box_scale
        self.center_frames, self.shared_box = extractor.center_frames, extractor.shared_box
        self.notes: dict[str, object] = {"joints": list(get_layout("coco17").joints)}

    def forward(self, keypoints: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        """Answer.

        Args:
            keypoints: float32 `[B, M, F, 17, 2]`, joints of COCO; x to the right and y down, in any unit. A joint that
                is not finite, at (0, 0) or at (-1, -1) is missing.
            scores: float32 `[B, M, F, 17]`, 0 to 1; a joint whose score is not above 0 is missing. People that a clip
                lacks have score 0.
        """
        total = keypoints.shape[2]
        frames = (2 * torch.arange(self.num_frames, device=keypoints.device) + 1) * total // (2 * self.num_frames)
        keypoints, scores = keypoints[:, :, frames], scores[:, :, frames]
        placed = keypoints.isfinite().all(-1) & (keypoints != 0).any(-1) & (keypoints != -1).any(-1)
        scores = torch.where(placed & (scores > 0), scores, 0.0)
        fitted = fit_into_map(keypoints, scores, self.size, self.scale, self.center_frames, self.shared_box)
        return self.answer(fitted, scores)

    def answer(self, keypoints: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        """Answer clips `[B, M, num_frames, 17, 2]` in map pixels; outputs by `outputs`."""
        raise NotImplementedError


class ActionGraph(MotionGraph):
    """Probabilities of actions, `[B, num_labels]`."""

    outputs = ("probabilities",)
    takes_int8 = True

    def __init__(self, model: MoFMForSequenceClassification, extractor: MoFMFeatureExtractor):
        super().__init__(model, extractor)
        self.notes["labels"] = [model.config.id2label[number] for number in range(model.config.num_labels)]

    def answer(self, keypoints: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        return (self.model.probabilities(self.model(keypoints, scores).logits),)


class FeatureGraph(MotionGraph):
    """Means over people: `vector` `[B, T * K * D]` of length 1, `joints` `[B, K, D]`, `slices` `[B, T, D]`."""

    outputs = ("vector", "joints", "slices")
    takes_int8 = True

    def answer(self, keypoints: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        found = self.model.get_embeddings(keypoints, scores).over_people()
        return found.vectors, found.joints, found.slices


class WordGraph(MotionGraph):
    """MotionBook ids, `input_ids` int64 `[B, M, L]`."""

    outputs = ("input_ids",)

    def answer(self, keypoints: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        ids = self.model.encode(keypoints.flatten(0, 1), scores.flatten(0, 1)).input_ids
        return (ids.unflatten(0, keypoints.shape[:2]),)


class AnomalyGraph(MotionGraph):
    """Anomaly scores of windows: `anomaly_score` `[B, M]`, `joint_score` `[B, M, num_frames, 17]`.

    A clip is one window, of `notes["window_seconds"]`; people without a joint score NaN.
    """

    outputs = ("anomaly_score", "joint_score")

    def __init__(self, model: MoFMForAnomalyDetection, tokenizer: MoFMTokenizer):
        super().__init__(model, tokenizer.feature_extractor)
        check_detector(model, tokenizer)
        config = model.config
        self.dved = tokenizer.dved if config.anomaly_score in ("nll", "combined") else None
        self.notes |= {"window_seconds": config.window_seconds, "event_threshold": config.event_threshold}

    def answer(self, keypoints: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        words = None
        if self.dved is not None:
            words = self.dved.encode(keypoints.flatten(0, 1), scores.flatten(0, 1)).input_ids
            words = words.unflatten(0, keypoints.shape[:2])
        outputs = self.model(keypoints, scores, input_ids=words)
        return outputs.anomaly_score, outputs.joint_score


def load_graph(task: str, name_or_path: str, **options) -> MotionGraph:
    """Load the graph of a task: "classification", "anomaly", "features" or "words".

    Args:
        task: see `TASKS`.
        name_or_path: folder or Hub id of a model.
        options: revision, token, cache_dir ... for all its parts.

    Raises:
        ValueError: no such task, or a model that lacks what the task needs.
        OSError: a part that is missing or cannot be reached.
    """
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    return TASKS[task](name_or_path, options)


def _actions(name: str, options: dict) -> MotionGraph:
    model = MoFMForSequenceClassification.from_pretrained(name, **options)
    if "classifier" in model.new_parts:
        raise NotFittedError(f"{name!r} has no weights of the classifier; train it with run/finetune.py")
    return ActionGraph(model, extractor_beside(model))


def _features(name: str, options: dict) -> MotionGraph:
    model = MoFMModel.from_pretrained(name, **options)
    return FeatureGraph(model, extractor_beside(model))


def _words(name: str, options: dict) -> MotionGraph:
    tokenizer = MoFMTokenizer.from_pretrained(name, **options)
    return WordGraph(tokenizer.dved, tokenizer.feature_extractor)


def _anomaly(name: str, options: dict) -> MotionGraph:
    model = MoFMForAnomalyDetection.from_pretrained(name, **options)
    return AnomalyGraph(model, MoFMTokenizer.from_pretrained(name, **options))


TASKS: dict[str, Callable[[str, dict], MotionGraph]] = {
    "classification": _actions,
    "anomaly": _anomaly,
    "features": _features,
    "words": _words,
}


def example_clips(batch: int, people: int, frames: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return generated motion in pixels, `[B, M, F, 17, 2]` and scores: bodies that wander, some joints missing."""
    generator = torch.Generator().manual_seed(seed)
    body = torch.stack((torch.linspace(280, 360, 17) % 60 + 290, torch.linspace(80, 420, 17)), -1)
    steps = torch.randn(batch, people, frames, 17, 2, generator=generator).cumsum(2)
    scores = (torch.rand(batch, people, frames, 17, generator=generator) > 0.1).float()
    return body + steps, scores


@torch.no_grad()
def export_graph(graph: MotionGraph, path: str | os.PathLike, int8: bool = False) -> float:
    """Write a graph to a file, checked against the model before it is put in place.

    Args:
        graph: of `load_graph`.
        path: ".onnx", or ".pt2" for `torch.export.load`. What is there is replaced.
        int8: store and multiply matrices in 8 bits, each activation scaled as it comes; of actions and features, in
            ".onnx".

    Returns:
        the largest difference from the model on generated motion, relative to the largest value.

    Raises:
        ValueError: another suffix, int8 where it is not to be had, or (but for int8) a difference above `TOLERANCE`.
        ImportError: onnx, onnxscript or onnxruntime are missing (`pip install mofm[onnx]`).
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"output must end in one of {', '.join(SUFFIXES)}, got {path.name!r}")
    if int8 and not (path.suffix == ".onnx" and graph.takes_int8):
        raise ValueError(f"int8 is for .onnx files of actions and features, got {path.name!r} of {graph.outputs[0]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("people"), 2: torch.export.Dim("frames", min=MIN_FRAMES)}
    program = torch.export.export(graph, example_clips(*EXAMPLE), dynamic_shapes=(free, free), strict=False)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        if path.suffix == ".pt2":
            torch.export.save(program, draft, extra_files={"notes.json": json.dumps(graph.notes)})
            run = _run_program(draft)
        else:
            with _without_warnings():  # which are of the libraries about themselves
                _write_onnx(program, graph, draft)
                if int8:
                    _quantise(draft)
            run = open_onnx(draft)
        difference = max(_difference(graph, run, shape) for shape in ((1, 1, 2), EXAMPLE, (2, 3, 37)))
        if difference > TOLERANCE and not int8:
            raise ValueError(f"{path.name} would differ from the model by {difference:.1e}; {TOLERANCE} is allowed")
        os.replace(draft, path)
    return difference


@contextmanager
def _without_warnings() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _write_onnx(program: torch.export.ExportedProgram, graph: MotionGraph, path: Path) -> None:
    from onnxscript.optimizer import fold_constants

    names = {"input_names": ["keypoints", "scores"], "output_names": list(graph.outputs)}
    written = torch.onnx.export(program, dynamo=True, verbose=False, **names)
    # weights that are used twice stay behind a transposition otherwise, where nothing sees that they could have 8 bits
    fold_constants(written.model, should_fold=lambda node: node.op_type == "Transpose" or None)
    written.model.metadata_props.update({name: json.dumps(value) for name, value in graph.notes.items()})
    written.save(path, external_data=False)


def _quantise(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(path, path, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])


def open_onnx(path: str | os.PathLike, num_threads: int = 0) -> Callable[[Tensor, Tensor], list[np.ndarray]]:
    """Open a written graph: key-points and scores in, its outputs out; 0 threads leaves it to onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda keypoints, scores: session.run(None, {"keypoints": keypoints.numpy(), "scores": scores.numpy()})


def _run_program(path: Path) -> Callable[[Tensor, Tensor], list[np.ndarray]]:
    module = torch.export.load(path).module()
    return lambda keypoints, scores: [values.numpy() for values in module(keypoints, scores)]


def _difference(
    graph: MotionGraph, run: Callable[[Tensor, Tensor], list[np.ndarray]], shape: tuple[int, int, int]
) -> float:
    clips = example_clips(*shape, seed=1)
    worst = 0.0
    for found, wanted in zip(run(*clips), graph(*clips), strict=True):
        apart = np.nan_to_num(np.abs(found - wanted.numpy()), nan=np.inf)  # everybody is in sight: nothing is NaN
        worst = max(worst, float(apart.max()) / max(float(wanted.abs().max()), 1.0))
    return worst
