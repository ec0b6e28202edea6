"""Write a corpus as the pickle of annotations that PYSKL and MMAction2 train on, to compare with their networks."""

from __future__ import annotations

import copyreg
import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from datasets import Dataset
from tqdm import tqdm

from ..keypoints import NobodyVisibleError
from ..recording import Recording
from ..rows import row_recording
from ..schema import label_names
from ..views import view
from .load import load_splits

PROTOCOL = 4  # of pickles, which Python 3.7 reads
SIDE = 512  # pixels, of the picture into which people are put where there is none
MARGIN = 0.1  # of it, around them
THEIR_NAMES = {"validation": "val"}  # of splits


def write_annotations(corpus: str | os.PathLike, path: str | os.PathLike) -> dict[str, int]:
    """Write every split of a corpus as annotations, and return how many clips of each there are.

    The pickle holds `split`, the clips of each split ("validation" is "val"), `classes`, the names of the labels, and
    `annotations`, each with `frame_dir`, `total_frames`, `img_shape`, `original_shape`, `label` (where there is one),
    `keypoint` `[M, T, 17, 2]` in pixels and `keypoint_score` `[M, T, 17]`. Bodies are COCO-17; 3D ones are seen by the
    recording's own camera, else by the fixed one. Where a picture has no known size, people are put into one of
    512 x 512. Clips in which nobody is seen are left out. NumPy 1 opens the arrays, too.

    Args:
        corpus: as for `load_corpus`.
        path: file to write, `.pkl`; it is there whole or not at all.

    Raises:
        ValueError: of the corpus, as in `load_splits`; or the name does not end with .pkl.
        FileNotFoundError: there is no such corpus.
    """
    path = Path(path)
    if path.suffix != ".pkl":
        raise ValueError(f"output is {str(path)!r}; annotations are a pickle, whose name ends with .pkl")
    splits, annotations, classes = {}, [], []
    names: set[str] = set()
    for split, rows in load_splits(corpus).items():
        classes = label_names(rows)
        found = list(_annotations(rows, split, names))
        splits[THEIR_NAMES.get(split, split)] = [annotation["frame_dir"] for annotation in found]
        annotations += found
    content = {"split": splits, "classes": classes, "annotations": annotations}
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        pickler = pickle.Pickler(file, PROTOCOL)
        pickler.dispatch_table = copyreg.dispatch_table | {np.ndarray: _plain_array}
        pickler.dump(content)
    os.replace(unfinished, path)
    return {split: len(names) for split, names in splits.items()}


def _annotations(rows: Dataset, split: str, names: set[str]) -> Iterator[dict]:
    """Yield the annotation of each row, of a name that is none of `names`, and add it to them."""
    for number, row in enumerate(tqdm(rows, desc=split, unit="clip", leave=False)):
        name = row["source"] or f"{split}-{number}"
        while name in names:
            name = f"{name}-{number}"
        names.add(name)
        try:
            yield _annotation(row_recording(row), row, name)
        except NobodyVisibleError:
            continue


def _annotation(recording: Recording, row: Mapping, name: str) -> dict:
    motion = view(recording)
    keypoints, seen = motion.keypoints, motion.scores > 0
    width, height = recording.frame_size
    if recording.space != "image" or not (width and height):
        keypoints, width, height = _in_picture(keypoints, seen), SIDE, SIDE
    label = {"label": int(row["label"])} if row["label"] >= 0 else {}
    return label | {
        "frame_dir": name,
        "total_frames": keypoints.shape[1],
        "img_shape": (height, width),
        "original_shape": (height, width),
        "keypoint": np.where(seen[..., None], keypoints, 0).astype(np.float32),
        "keypoint_score": motion.scores.astype(np.float32),
    }


def _in_picture(keypoints: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Put everybody into the middle of a picture of `SIDE` pixels, in all frames at one scale."""
    present = keypoints[seen]
    low, high = present.min(0), present.max(0)
    extent = max(float((high - low).max()), 1e-6)
    return (keypoints - (low + high) / 2) / extent * (1 - 2 * MARGIN) * SIDE + SIDE / 2


def _plain_array(array: np.ndarray) -> tuple:
    """Say how an array is made again by names that every NumPy has; the pickles of NumPy 2 name what 1 lacks."""
    return np.ndarray, (array.shape, array.dtype.str, bytearray(np.ascontiguousarray(array).tobytes()))
