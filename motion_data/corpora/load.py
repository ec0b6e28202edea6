"""Load a motion corpus from wherever it is: the embedded one, a prepared folder, a saved dataset, parquet, the Hub."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from datasets import (
    Dataset,
    DatasetDict,
    Features,
    IterableDataset,
    LargeList,
    List,
    Value,
    concatenate_datasets,
    load_dataset,
    load_from_disk,
)

from ..schema import KEYPOINT_COLUMNS, UNKNOWN, motion_features
from ..synthetic.actions import ACTIONS, FREE_ACTIONS
from ..synthetic.corpus import SyntheticConfig, synthetic_dataset
from .shards import PLAN, read_manifest
from .splits import split_dataset

SYNTHETIC = "synthetic"
SYNTHETIC_3D = "synthetic-3d"  # the same actions and freer ones, before any camera: for views of pre-training
GENERATED = (SYNTHETIC, SYNTHETIC_3D)
# clips, first seed and people of each split of the embedded corpus: no clip and nobody is in two splits
SYNTHETIC_SPLITS = {"train": (4096, 0, (0, 48)), "test": (512, 10**9, (48, 64))}
MAX_SHARDS = 64
SPLIT_NAMES = ("train", "test", "validation", "rest")


def load_corpus(
    name_or_path: str | os.PathLike, split: str | None = "train", streaming: bool = False
) -> Dataset | IterableDataset:
    """Load one split of a motion corpus (`schema.motion_features`).

    Args:
        name_or_path: one of

            - "synthetic", the embedded corpus (`synthetic`), or "synthetic-3d", in metres and with freer motion;
            - a folder written by `prepare.prepare_corpus`; its shards must all be there;
            - a folder written by `save_to_disk`;
            - a parquet file or a folder of them; "train", "test", "validation" or "rest" in a file's name is its
              split;
            - the id of a dataset on the Hub.

            Where nothing says what is held out, the rule of `splits.assign_splits` does: train and test never share a
            row, a subject or a recording.
        split: name of the split; None takes all splits, one after the other.
        streaming: whether to return an `IterableDataset`.

    Columns that it lacks, besides those of the key-points, are added as unknown.

    Raises:
        FileNotFoundError: if `name_or_path` looks like a path and is not there.
        ValueError: if there is no such split, it is empty, or the columns are not those of a motion corpus.
    """
    path = Path(name_or_path).expanduser()
    if name_or_path in GENERATED:
        dataset = _load_synthetic(str(name_or_path), split, streaming)
    elif path.exists():
        dataset = _load_local(path, split, streaming)
    elif _looks_like_path(os.fspath(name_or_path)):
        raise FileNotFoundError(f"corpus {str(name_or_path)!r} is neither a file nor a folder")
    else:
        dataset = load_dataset(os.fspath(name_or_path), split=split, streaming=streaming)
        if isinstance(dataset, dict):
            dataset = concatenate_datasets(list(dataset.values()))
    if isinstance(dataset, Dataset) and len(dataset) == 0:
        raise ValueError(f"corpus {str(name_or_path)!r}: split {split!r} is empty")
    check_columns(dataset)
    dataset = with_unknown(dataset)
    if streaming and isinstance(dataset, Dataset):
        return dataset.to_iterable_dataset(num_shards=min(len(dataset), MAX_SHARDS))
    return dataset


def load_splits(name_or_path: str | os.PathLike) -> dict[str, Dataset]:
    """Load every split of `SPLIT_NAMES` that a motion corpus has, by name; see `load_corpus`.

    Raises:
        FileNotFoundError: as in `load_corpus`.
        ValueError: there is none of them, or rows in a split of another name.
    """
    found, reason = {}, None
    for split in SPLIT_NAMES:
        try:
            found[split] = load_corpus(name_or_path, split)
        except ValueError as error:  # there is none
            reason = reason or error
    if not found:
        raise ValueError(str(reason))
    if name_or_path in GENERATED:  # which have no others
        return found
    whole = len(load_corpus(name_or_path, None))
    if missing := whole - sum(map(len, found.values())):
        raise ValueError(
            f"corpus {os.fspath(name_or_path)!r} has {missing} of {whole} rows in splits of other names; they must be "
            f"named {', '.join(SPLIT_NAMES)}"
        )
    return found


def check_columns(dataset: Dataset | IterableDataset) -> None:
    """Check that `dataset` has the key-point columns of a motion corpus, with flat lists.

    A streamed dataset that does not state its features is judged by its first row.

    Raises:
        ValueError: if a column is missing or has another type, or a streamed dataset is empty.
    """
    features = dataset.features or _features_of_first_row(dataset)
    missing = [name for name in KEYPOINT_COLUMNS if name not in features]
    if missing:
        raise ValueError(
            f"corpus lacks the columns {', '.join(missing)}; it has {', '.join(features)}. Data of another form "
            "become a corpus with `mofm prepare`"
        )
    for name, kind in (("keypoints", "float"), ("scores", "float"), ("shape", "int")):
        item = getattr(features[name], "feature", None) if isinstance(features[name], (List, LargeList)) else None
        if not isinstance(item, Value) or not item.dtype.startswith(kind):
            raise ValueError(f"corpus column {name!r} is {features[name]}; it must be a flat list of {kind} values")
    layout = features["layout"]
    if not isinstance(layout, Value) or layout.dtype not in ("string", "large_string"):
        raise ValueError(f"corpus column 'layout' is {layout}; it must be a string")


def with_unknown(dataset: Dataset | IterableDataset) -> Dataset | IterableDataset:
    """Add the columns that a motion corpus has and `dataset` lacks, all unknown."""
    features = dataset.features or _features_of_first_row(dataset)
    added = {name: feature for name, feature in motion_features().items() if name not in features}
    if not added:
        return dataset
    if isinstance(dataset, IterableDataset):
        unknown = {name: UNKNOWN[name] for name in added}
        return dataset.map(lambda row: unknown, features=Features({**features, **added}))
    for name, feature in added.items():
        dataset = dataset.add_column(name, [UNKNOWN[name]] * len(dataset), feature=feature)
    return dataset


def _load_synthetic(name: str, split: str | None, streaming: bool) -> Dataset | IterableDataset:
    if split is None:
        return concatenate_datasets([_load_synthetic(name, part, streaming) for part in SYNTHETIC_SPLITS])
    if split not in SYNTHETIC_SPLITS:
        raise ValueError(f"corpus {name!r} has no split {split!r}; it has {', '.join(SYNTHETIC_SPLITS)}")
    num_clips, seed, subjects = SYNTHETIC_SPLITS[split]
    config = SyntheticConfig(subjects=subjects)
    if name == SYNTHETIC_3D:
        config = replace(config, num_frames=(48, 144), actions=(*ACTIONS, *FREE_ACTIONS), space="world")
    return synthetic_dataset(num_clips, seed, config, streaming)


def _looks_like_path(name: str) -> bool:
    return (
        name.startswith((".", "/", "~"))
        or name.endswith((".npz", ".npy", ".json", ".parquet", "/"))
        or name.count("/") > 1
        or "\\" in name
        or Path(name).is_absolute()
    )


def _load_local(path: Path, split: str | None, streaming: bool) -> Dataset | IterableDataset:
    if path.is_file():
        if path.suffix != ".parquet":
            raise ValueError(
                f"corpus {str(path)!r} is a {path.suffix or 'nameless'} file; it must be .parquet, or a folder "
                "(run/prepare.py makes a corpus of files of motion)"
            )
        return _load_parquet(path, [path], split, streaming)
    if (path / PLAN).is_file():
        raise ValueError(f"corpus folder {str(path)!r} is a preparation that has not ended; start it again")
    read_manifest(path)
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        return _load_saved(path, split)
    parquet = sorted(path.rglob("*.parquet"))
    if not parquet:
        raise ValueError(
            f"corpus folder {str(path)!r} holds no .parquet files, and was not written by save_to_disk "
            "(run/prepare.py makes a corpus of files of motion)"
        )
    return _load_parquet(path, parquet, split, streaming)


def _load_saved(path: Path, split: str | None) -> Dataset:
    dataset = load_from_disk(str(path))
    if not isinstance(dataset, DatasetDict):
        return _part(path, dataset, split)
    if split is None:
        return concatenate_datasets(list(dataset.values()))
    if split not in dataset:
        raise ValueError(f"corpus {str(path)!r} has no split {split!r}; it has {', '.join(map(str, dataset))}")
    return dataset[split]


def _load_parquet(path: Path, files: Sequence[Path], split: str | None, streaming: bool) -> Dataset | IterableDataset:
    by_split: dict[str, list[str]] = {}
    for file in files:
        words = re.split(r"[^a-z]+", file.relative_to(path).as_posix().lower()) if path.is_dir() else []
        name = next((name for name in SPLIT_NAMES if name in words), "")
        by_split.setdefault(name, []).append(str(file))
    if set(by_split) == {""}:
        whole = load_dataset("parquet", data_files=by_split[""], split="train")
        return _part(path, whole, split)
    if split is None:
        chosen = [file for name in (*SPLIT_NAMES, "") for file in by_split.get(name, [])]
    elif split in by_split:
        chosen = by_split[split]
    else:
        raise ValueError(
            f"corpus {str(path)!r} has no parquet files of split {split!r}; it has splits "
            f"{', '.join(sorted(name for name in by_split if name))}"
        )
    return load_dataset("parquet", data_files=chosen, split="train", streaming=streaming)


def _part(path: Path, dataset: Dataset, split: str | None) -> Dataset:
    """Return one split of a dataset that was saved without splits."""
    check_columns(dataset)
    if split is None or not len(dataset):
        return dataset
    try:
        return split_dataset(with_unknown(dataset), split)
    except ValueError as error:
        raise ValueError(f"corpus {str(path)!r} {error}") from error


def _features_of_first_row(dataset: IterableDataset) -> Features:
    row = next(iter(dataset), None)
    if row is None:
        raise ValueError("corpus is empty")
    return Dataset.from_list([row]).features
