"""Arrays of several recordings, as networks on skeleton graphs are trained with, and the labels beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...recording import TEST, TRAIN, Recording
from ..data_fields import label_text
from ..pickle_data import read_pickle
from ..pose_arrays import array_recordings
from ..registry import FormatError, ReadOptions
from ..sets.ntu_skeleton import performance

GCN_SPLITS = {"train": TRAIN, "val": TEST, "test": TEST}


def set_recordings(path: Path, array: np.ndarray, options: ReadOptions) -> Iterator[Recording]:
    """Yield the recordings of ST-GCN's `[N, C, F, K, M]`, or another array of recordings; what is 0 is left out.

    Names and labels are those of the file beside it, `train_label.pkl` of `train_data.npy` or `train_data_joint.npy`:
    a list of names and a list of numbers; axes are ST-GCN's then. A name as in NTU RGB+D tells joints, subject, camera
    and action too, and what the files are called the split. Without that file they are named by their numbers.

    Raises:
        FormatError: there are not as many labels; see `array_recordings`.
    """
    split, beside = path.stem.partition("_")[0], labels_beside(path)
    labels = _labels(beside, len(array)) if beside else []
    if labels:
        options = replace(options, axes=options.axes or "CFKM")
    for number, recording in enumerate(array):
        name, fields, read = f"{number:06d}", {}, options
        if labels:
            name, label = labels[number]
            told = performance(name)
            fields = {"label": label_text(label), "split": GCN_SPLITS.get(split, "")} | told
            read = replace(options, layout=options.layout or "ntu25") if told else options
        if recording.any():
            for one in array_recordings(path, recording, {}, read, name=name.removesuffix(".skeleton")):
                yield replace(one, **fields)


def labels_beside(path: Path) -> Path | None:
    """Return the file with the names and labels of an `.npy` file, as ST-GCN calls it; None if there is none."""
    beside = path.with_name(path.stem.partition("_")[0] + "_label.pkl")
    return beside if path.suffix == ".npy" and "_" in path.stem and beside.is_file() else None


def _labels(path: Path, count: int) -> list[tuple[str, object]]:
    content = read_pickle(path)
    pair = list(content) if isinstance(content, (list, tuple)) and len(content) == 2 else [None, None]
    names, labels = (one.tolist() if isinstance(one, np.ndarray) else one for one in pair)
    if not isinstance(names, (list, tuple)) or not isinstance(labels, (list, tuple)):
        raise FormatError(path, "must be a list of names and a list of labels, as ST-GCN writes them")
    if not len(names) == len(labels) == count:
        raise FormatError(path, f"has {len(names)} names and {len(labels)} labels; the array has {count} recordings")
    return [(str(name)[:200], label) for name, label in zip(names, labels, strict=True)]
