"""Reader of what `datasets` saves to disk, whose rows are clips: a folder of one split, or of several."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...recording import Recording
from ..data_fields import NAMES
from ..registry import FormatError, ReadOptions, register_format
from .clip_rows import LOOK, are_rows_of_clips, clip_recordings, title_of

_INFO, _STATE, _DICT = "dataset_info.json", "state.json", "dataset_dict.json"


def _is_saved(path: Path) -> bool:
    if not path.is_dir():
        return False
    splits = [path] if (path / _STATE).is_file() else [path / name for name in _splits_of(path)]
    return bool(splits) and all("shape" not in _features_of(split) != {} for split in splits)  # no corpus of ours


def _splits_of(path: Path) -> list[str]:
    names = _read(path / _DICT).get("splits")
    return [str(name) for name in names] if isinstance(names, list) else []


def _features_of(path: Path) -> Mapping[str, Any]:
    features = _read(path / _INFO).get("features")
    return features if isinstance(features, Mapping) else {}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, Mapping) else {}


@register_format("saved-dataset", "folder of datasets.save_to_disk, a row for each clip", recognises=_is_saved)
def read_saved_dataset(path: Path, options: ReadOptions) -> Iterator[Recording]:
    """Read the rows of a dataset, or of each split of several, as `clip_rows` says.

    Labels that are a `ClassLabel` get their names.

    Raises:
        FormatError: see `clip_recordings`; a folder that cannot be loaded, or rows that are no clips.
    """
    from datasets import Dataset, load_from_disk  # takes a second

    try:
        loaded = load_from_disk(str(path))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise FormatError(path, f"cannot be loaded by datasets ({error})") from error
    for split, dataset in {"": loaded}.items() if isinstance(loaded, Dataset) else loaded.items():
        rows = dataset.with_format(None)
        if not are_rows_of_clips(path, rows.select(range(min(len(rows), LOOK))).to_list()):
            raise FormatError(path, f"has rows of {', '.join(dataset.column_names)[:200]}; each must be a clip")
        label = next((dataset.features[name] for name in NAMES["label"] if name in dataset.features), None)
        clips = (
            (f"{split}/{title_of(row, number)}".strip("/"), {"split": str(split), **row})
            for number, row in enumerate(rows)
        )
        yield from clip_recordings(path, clips, options, getattr(label, "names", None) or ())
