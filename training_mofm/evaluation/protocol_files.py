"""Protocols as data: those of a `protocols.json` beside a corpus, and the published ones of its set.

A file has `protocols` by name, and `lists` of recordings that they name:

    {"lists": {"train files": ["walk_01", ...]},
     "protocols": {"my-set/classification": {"task": "classification", "cross_subject": true, "folds": [
         {"name": "split 1", "learn": {"recording": "train files"}, "ask": {"not": {"recording": "train files"}}}]}}}

A choice names columns and the values that they may have (`SELECTABLE`); "recording" may also name one of the lists,
"anomalous" is whether any frame of the row is labelled so, and "not" turns a choice around. Anomaly protocols have
"normal" in each fold, the choice of what is normal, or `"frames": true` beside their folds if the labels of frames
tell (all training rows are normal); one-shot ones "auxiliary", "exemplars" and "queries" instead of "learn" and
"ask".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from motion_data.notes import note
from motion_data.schema import label_names

from .protocols import TASKS, Fold, OneShotFold, Protocol
from .published import published_protocols

PROTOCOLS = "protocols.json"  # beside the corpus whose protocols it holds
SELECTABLE = ("subject", "label", "recording", "camera", "split", "anomalous")
_PARTS = {task: ("learn", "ask") for task in TASKS} | {"one-shot": ("auxiliary", "exemplars", "queries")}
_OF_SPEC = {"task": str, "folds": list, "cross_subject": bool, "frames": bool}


def read_protocols(folder: str | Path, corpus: Dataset) -> dict[str, Protocol]:
    """Return the protocols beside a corpus and the published ones of its set, by name.

    Published ones that a part of the set does not have all rows of are left out, which is noted.

    Args:
        folder: of the corpus.
        corpus: all of its rows (`load_corpus(folder, None)`).

    Raises:
        FileNotFoundError: there are none.
        ValueError: the file is not as above, names what the corpus lacks, or a protocol that leaks (`Protocol`); or
            no published protocol is left.
    """
    found, unfit = _protocols_of(Path(folder), corpus)
    for name, reason in unfit.items() if found else ():
        note(f"{name} is left out: {reason}")
    if not found and unfit:
        raise ValueError(next(iter(unfit.values())))
    return found


def find_protocol(folder: str | Path, corpus: Dataset, name: str, task: str) -> Protocol:
    """Return the protocol of a corpus (`read_protocols`) that has a name and a task.

    Raises:
        ValueError: there is none; the message lists those of that task, or says why a published one is none.
    """
    found, unfit = _protocols_of(Path(folder), corpus)
    if name in unfit:
        raise ValueError(unfit[name])
    protocols = {title: protocol for title, protocol in found.items() if protocol.task == task}
    if name not in protocols:
        raise ValueError(f"protocol must be one of {', '.join(protocols) or 'none'}, got {name!r}")
    return protocols[name]


def _protocols_of(folder: Path, corpus: Dataset) -> tuple[dict[str, Protocol], dict[str, str]]:
    """Return the protocols of a corpus, and why each published one that does not fit it is none."""
    columns = _columns(corpus)
    lists, specs = published_protocols(folder, columns["recording"].tolist(), columns["label"].tolist())
    found: dict[str, Protocol] = {}
    unfit: dict[str, str] = {}
    for name, spec in specs.items():
        try:
            found[name] = _protocol(name, spec, corpus, columns, lists)
        except ValueError as error:
            unfit[name] = str(error)
    path = folder / PROTOCOLS
    if path.is_file():
        lists, specs = _read(path)
        found |= {name: _protocol(name, spec, corpus, columns, lists) for name, spec in specs.items()}
    elif not found and not unfit:
        raise FileNotFoundError(
            f"corpus {str(folder)!r} has no {PROTOCOLS} beside it, which names training and test rows, and is "
            "no published set whose protocols are known"
        )
    return found, {name: reason for name, reason in unfit.items() if name not in found}


def _read(path: Path) -> tuple[dict[str, list], dict[str, dict]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no valid JSON ({error})") from error
    _check_fields(str(path), content, {"lists": dict, "protocols": dict})
    lists = content.get("lists", {})
    for name, recordings in lists.items():
        if not isinstance(recordings, list):
            raise ValueError(
                f"{path}: list {name!r} is a {type(recordings).__name__}; it must be a list of recordings"
            )
    return lists, content.get("protocols", {})


def _check_fields(where: str, entry: Any, known: Mapping[str, type]) -> None:
    """Refuse anything but an object of fields that are known: a slip of the pen would turn a check off."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is a {type(entry).__name__}; it must be an object of {', '.join(known)}")
    for name, value in entry.items():
        if name not in known:
            raise ValueError(f"{where} has {name!r}; it may have {', '.join(known)}")
        if not isinstance(value, known[name]):
            kind = {str: "text", dict: "an object", list: "a list", bool: "true or false"}[known[name]]
            raise ValueError(f"{where}: {name} is {value!r}; it must be {kind}"[:300])


def _columns(corpus: Dataset) -> dict[str, np.ndarray]:
    names, numbers = label_names(corpus), np.asarray(corpus["label"][:])
    return {
        "label": np.array([*names, ""])[numbers] if names else numbers.astype(str),
        "anomalous": np.array([any(flags) for flags in corpus["frame_labels"][:]], bool),
        **{name: np.asarray(corpus[name][:]) for name in ("subject", "recording", "camera", "split")},
    }


def _select(where: str, choice: Any, columns: Mapping[str, np.ndarray], lists: Mapping[str, list]) -> np.ndarray:
    """Return which rows a choice takes, bool `[rows]`."""
    if not isinstance(choice, dict):
        raise ValueError(f"{where} is {choice!r}; it must be an object of {', '.join(SELECTABLE)} or not"[:300])
    chosen = np.ones(len(columns["label"]), bool)
    for name, values in choice.items():
        if name == "not":
            chosen &= ~_select(where, values, columns, lists)
            continue
        if name not in SELECTABLE:
            raise ValueError(f"{where} chooses by {name!r}; it must be one of {', '.join(SELECTABLE)} or not")
        if isinstance(values, str) and name == "recording":
            if values not in lists:
                raise ValueError(f"{where} names the list {values!r}; there are {', '.join(lists) or 'none'}")
            values = lists[values]
        values, there = values if isinstance(values, list) else [values], set(columns[name].tolist())
        unknown = [value for value in values if isinstance(value, (list, dict)) or value not in there]
        if unknown:
            raise ValueError(f"{where} chooses {name} {unknown[0]!r}, which no row of the corpus has")
        chosen &= np.isin(columns[name], values)
    return chosen


def _protocol(
    name: str, spec: Any, corpus: Dataset, columns: Mapping[str, np.ndarray], lists: Mapping[str, list]
) -> Protocol:
    _check_fields(f"protocol {name!r}", spec, _OF_SPEC)
    task = spec.get("task")
    if task not in TASKS:
        raise ValueError(f"protocol {name!r}: task is {task!r}; it must be one of {', '.join(TASKS)}")
    has_normal = "anomaly" in task and not spec.get("frames")
    parts = (*_PARTS[task], *(["normal"] if has_normal else []))
    folds = []
    for number, fold in enumerate(spec.get("folds", [])):
        where = f"protocol {name!r}, fold {fold.get('name', number) if isinstance(fold, dict) else number!r}"
        _check_fields(where, fold, {"name": str} | dict.fromkeys(parts, dict))
        if missing := [part for part in parts if part not in fold]:
            raise ValueError(f"{where} lacks {missing[0]!r}; it has {', '.join(fold)}")
        rows = {part: _select(f"{where}: {part}", fold[part], columns, lists) for part in parts}
        folds.append(_fold(str(fold.get("name", number)), task, rows))
    return Protocol(name, task, corpus, tuple(folds), spec.get("cross_subject", False))


def _fold(title: str, task: str, rows: Mapping[str, np.ndarray]) -> Fold | OneShotFold:
    """Return the fold of the rows that its parts take, bool `[rows]` each."""
    if task == "one-shot":
        return OneShotFold(title, *map(np.flatnonzero, rows.values()))
    learn, ask, normal = rows["learn"], rows["ask"], rows.get("normal")
    if normal is None:
        return Fold(title, np.flatnonzero(learn), np.flatnonzero(ask))
    if task == "anomaly":
        learn = learn & normal
    flags = ~normal[learn] if task == "supervised-anomaly" else None
    return Fold(title, np.flatnonzero(learn), np.flatnonzero(ask), ~normal[ask], flags)
