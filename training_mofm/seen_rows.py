"""Which rows a model was trained on, recorded in its folder, so that it is never evaluated on them.

A row is known by a hash of its key-points and scores, whatever corpus, split or file it is in.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from .evaluation.protocols import OneShotFold, Protocol
from .row_digests import row_digests

FILE = "training_rows.json"
UNKNOWN = "which rows the model was trained on is unknown; it may have seen the test rows"


def record_rows(folder: str | os.PathLike, digests: Iterable[str] | None, *models: str) -> None:
    """Write the rows that a model was trained on, with those of the models it started from.

    Args:
        digests: hashes of the rows; None if they are unknown (streams).
        models: folders or Hub ids; if one has no record, the rows are written as unknown.
    """
    seen: set[str] | None = None if digests is None else set(digests)
    for model in models:
        before = recorded_rows(model)
        seen = None if seen is None or before is None else seen | before
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / FILE).write_text(json.dumps({"rows": None if seen is None else sorted(seen)}))


def recorded_rows(model: str | os.PathLike) -> set[str] | None:
    """Return the rows that a model was trained on; None if unknown."""
    path = Path(model) / FILE
    if not Path(model).is_dir():
        try:
            cached = try_to_load_from_cache(os.fspath(model), FILE)
        except HFValidationError:  # a folder that is not there
            return None
        path = Path(cached) if isinstance(cached, str) else path
    if not path.is_file():
        return None
    rows = json.loads(path.read_text())["rows"]
    return None if rows is None else set(rows)


def unseen(protocol: Protocol, seen: set[str], digests: list[str]) -> tuple[Protocol | None, int]:
    """Return a protocol without test rows that a model was trained on, and how many were removed.

    Folds with no test row left, or with only anomalous or only normal ones, are left out; None if no fold is left.

    Args:
        seen: hashes of rows that the model was trained on.
        digests: hashes of the rows of the protocol's corpus.
    """
    known = np.array([digest in seen for digest in digests])
    folds, count = [], 0
    for fold in protocol.folds:
        count += int(known[fold.asked].sum())
        if isinstance(fold, OneShotFold):
            fold = replace(fold, queries=fold.queries[~known[fold.queries]])
            flags = None
        else:
            new = ~known[fold.test]
            flags = None if fold.anomalous is None else fold.anomalous[new]
            fold = replace(fold, test=fold.test[new], anomalous=flags)
        if len(fold.asked) and (flags is None or (flags.any() and not flags.all())):
            folds.append(fold)
    return (replace(protocol, folds=tuple(folds)) if folds else None), count


def askable(model: str | os.PathLike, protocol: Protocol) -> Protocol:
    """Return a protocol without test rows that a model was trained on; warns how many were removed.

    Raises:
        ValueError: no test row is left.
    """
    seen = recorded_rows(model)
    if seen is None:
        warnings.warn(UNKNOWN, stacklevel=2)
    if not seen:
        return protocol
    asked, count = unseen(protocol, seen, row_digests(protocol.corpus))
    if count:
        warnings.warn(f"{count} test rows are left out, on which the model was trained", stacklevel=2)
    if asked is None:
        raise ValueError(f"the model was trained on all test rows of protocol {protocol.name!r}")
    return asked
