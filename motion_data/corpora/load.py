"""Load a motion corpus from wherever it is: the embedded one, `.npz` files, a saved dataset, parquet, the Hub."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from datasets import (
    Dataset,
    DatasetDict,
    DatasetInfo,
    Features,
    IterableDataset,
    LargeList,
    List,
    Value,
    concatenate_datasets,
    load_dataset,
    load_from_disk,
)

from ..readers.packed import packed_split, read_packed
from ..schema import KEYPOINT_COLUMNS, UNKNOWN, motion_features
from ..synthetic.corpus import SyntheticConfig, synthetic_dataset
from .shards import PLAN, read_manifest

SYNTHETIC = "synthetic"
# clips, first seed and people of each split of the embedded corpus: no clip and nobody is in two splits
SYNTHETIC_SPLITS = {"train": (4096, 0, (0, 48)), "test": (512, 10**9, (48, 64))}
MAX_SHARDS = 64
SPLIT_NAMES = ("train", "test", "validation")


def load_corpus(
    name_or_path: str | os.PathLike, split: str = "train", streaming: bool = False
) -> Dataset | IterableDataset:
    """Load one split of a motion corpus (`schema.motion_features`).

    Args:
        name_or_path: one of
            - "synthetic", the embedded corpus (`synthetic`);
            - a packed `.npz` file or a folder of them, split by `packed.packed_split`. Several sets become one; if
              their classes differ, `label` is -1 (no label);
            - a folder written by `save_to_disk`;
            - a folder written by `preparing.prepare_corpus`; its shards must all be there;
            - a parquet file or a folder of them; "train", "test" or "validation" in a file's name is its split, and
              a folder without such names is all "train";
            - the id of a dataset on the Hub.
        split: name of the split. A single parquet file and a saved dataset without splits are returned whole.
        streaming: whether to return an `IterableDataset`.

    Columns that it lacks, besides those of the key-points, are added as unknown.

    Raises:
        FileNotFoundError: if `name_or_path` looks like a path and is not there.
        ValueError: if there is no such split, it is empty, or the columns are not those of a motion corpus.
    """
    if name_or_path == SYNTHETIC:
        return _load_synthetic(split, streaming)
    path = Path(name_or_path).expanduser()
    if path.exists():
        dataset = _load_local(path, split, streaming)
    elif _looks_like_path(os.fspath(name_or_path)):
        raise FileNotFoundError(f"corpus {str(name_or_path)!r} is neither a file nor a folder")
    else:
        dataset = load_dataset(os.fspath(name_or_path), split=split, streaming=streaming)
    if isinstance(dataset, Dataset) and len(dataset) == 0:
        raise ValueError(f"corpus {str(name_or_path)!r}: split {split!r} is empty")
    check_columns(dataset)
    dataset = with_unknown(dataset)
    if streaming and isinstance(dataset, Dataset):
        return dataset.to_iterable_dataset(num_shards=min(len(dataset), MAX_SHARDS))
    return dataset


def check_columns(dataset: Dataset | IterableDataset) -> None:
    """Check that `dataset` has the key-point columns of a motion corpus, with flat lists.

    A streamed dataset that does not state its features is judged by its first row.

    Raises:
        ValueError: if a column is missing or has another type, or a streamed dataset is empty.
    """
    features = dataset.features or _features_of_first_row(dataset)
    missing = [name for name in KEYPOINT_COLUMNS if name not in features]
    if missing:
        raise ValueError(f"corpus lacks the columns {', '.join(missing)}; it has {', '.join(features)}")
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


def _load_synthetic(split: str, streaming: bool) -> Dataset | IterableDataset:
    if split not in SYNTHETIC_SPLITS:
        raise ValueError(f"corpus {SYNTHETIC!r} has no split {split!r}; it has {', '.join(SYNTHETIC_SPLITS)}")
    num_clips, seed, subjects = SYNTHETIC_SPLITS[split]
    return synthetic_dataset(num_clips, seed, SyntheticConfig(subjects=subjects), streaming)


def _looks_like_path(name: str) -> bool:
    return (
        name.startswith((".", "/", "~"))
        or name.endswith((".npz", ".parquet", "/"))
        or name.count("/") > 1
        or "\\" in name
        or Path(name).is_absolute()
    )


def _load_local(path: Path, split: str, streaming: bool) -> Dataset | IterableDataset:
    if path.is_file():
        if path.suffix == ".npz":
            return _load_packed([path], split)
        if path.suffix == ".parquet":
            return load_dataset("parquet", data_files=str(path), split="train", streaming=streaming)
        raise ValueError(f"corpus {str(path)!r} is a {path.suffix or 'nameless'} file; it must be .npz or .parquet")
    if (path / PLAN).is_file():
        raise ValueError(f"corpus folder {str(path)!r} is a preparation that has not ended; start it again")
    read_manifest(path)
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        return _load_saved(path, split)
    packed = sorted(path.glob("*.npz"))
    if packed:
        return _load_packed(packed, split)
    parquet = sorted(path.rglob("*.parquet"))
    if parquet:
        return _load_parquet(path, parquet, split, streaming)
    raise ValueError(
        f"corpus folder {str(path)!r} holds no .npz or .parquet files, and was not written by save_to_disk"
    )


def _load_saved(path: Path, split: str) -> Dataset:
    dataset = load_from_disk(str(path))
    if not isinstance(dataset, DatasetDict):
        return dataset
    if split not in dataset:
        raise ValueError(f"corpus {str(path)!r} has no split {split!r}; it has {', '.join(map(str, dataset))}")
    return dataset[split]


def _load_packed(paths: Sequence[Path], split: str) -> Dataset:
    rows = {path: packed_split(path, split) for path in paths}
    parts = [_select(read_packed(path), ids) for path, ids in rows.items() if len(ids)]
    if not parts:
        raise ValueError(f"corpus {', '.join(path.name for path in paths)}: split {split!r} is empty")
    if len({str(part.features["label"]) for part in parts}) > 1:
        parts = [_without_labels(part) for part in parts]
    return concatenate_datasets(parts) if len(parts) > 1 else parts[0]


def _select(dataset: Dataset, ids: np.ndarray) -> Dataset:
    """Take rows of an in-memory dataset as a plain table: an indices mapping would make every later read slower."""
    if len(ids) == len(dataset):
        return dataset
    return Dataset(dataset.data.table.take(ids), info=dataset.info)


def _without_labels(dataset: Dataset) -> Dataset:
    features = motion_features()
    table = dataset.data.table
    position = table.schema.get_field_index("label")
    labels = np.full(len(dataset), -1, np.int64)
    table = table.set_column(position, features.arrow_schema.field("label"), [labels])
    return Dataset(table.cast(features.arrow_schema), info=_info(dataset, features))


def _load_parquet(folder: Path, paths: Sequence[Path], split: str, streaming: bool) -> Dataset | IterableDataset:
    by_split: dict[str, list[str]] = {}
    for path in paths:
        words = re.split(r"[^a-z]+", path.relative_to(folder).as_posix().lower())
        name = next((name for name in SPLIT_NAMES if name in words), "")
        by_split.setdefault(name, []).append(str(path))
    if set(by_split) == {""}:
        by_split = {"train": by_split[""]}
    if split not in by_split:
        raise ValueError(
            f"corpus {str(folder)!r} has no parquet files of split {split!r}; it has splits "
            f"{', '.join(sorted(name for name in by_split if name))}"
        )
    return load_dataset("parquet", data_files={split: by_split[split]}, split=split, streaming=streaming)


def _info(dataset: Dataset, features: Features) -> DatasetInfo:
    info = dataset.info.copy()
    info.features = features
    return info


def _features_of_first_row(dataset: IterableDataset) -> Features:
    row = next(iter(dataset), None)
    if row is None:
        raise ValueError("corpus is empty")
    return Dataset.from_list([row]).features
