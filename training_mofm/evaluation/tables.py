"""One table of all tasks: each protocol a row, each reader of motion a column, and the same as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from modeling_mofm.modeling_mofm import MoFMModel
from motion_data.corpora.load import load_corpus

from ..row_digests import row_digests
from ..seen_rows import UNKNOWN, recorded_rows, unseen
from .frozen import ClipReader, Encoder, RawPoses, Row, measure, read_features
from .metrics import Spread
from .protocol_files import read_protocols
from .protocols import TASKS, Protocol

MODEL, RANDOM = "model", "random weights"


class TaskFigures:
    """Figures of a frozen encoder, of raw poses with and without paths, and of the same encoder with random weights.

    Args:
        name: folder or Hub id of the model, in which the rows that it was trained on are recorded.
        model: the encoder.
        num_random: how many encoders with random weights stand beside it; their mean and spread count.
        output: folder for `figures.json` and the features; None keeps nothing.
        layers: of the encoders that are read; of several the mean.

    Attributes:
        rows: the figures so far.
    """

    def __init__(
        self,
        name: str,
        model: MoFMModel,
        num_random: int = 1,
        output: str | os.PathLike | None = None,
        layers: Sequence[int] = (-1,),
    ):
        if num_random < 0:
            raise ValueError(f"num_random must be 0 or more, got {num_random}")
        self.name = name
        self.seen = recorded_rows(name)
        self.output = None if output is None else Path(output)
        self.rows: list[Row] = []
        encoder = Encoder(MODEL, model, layers)
        raw = [RawPoses(encoder.extractor, center_frames) for center_frames in (False, True)]
        self.readers: list[ClipReader] = [*raw, encoder]
        for seed in range(num_random):
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                self.readers.append(Encoder(f"{RANDOM} {seed}", MoFMModel(model.config).to(model.device), layers))

    def add(self, corpus_name: str, wanted: Sequence[str] = ()) -> Iterator[str]:
        """Measure on the protocols of a corpus; yields what its user should know.

        Args:
            wanted: names of protocols, or tasks; () takes all.

        Raises:
            FileNotFoundError, ValueError: see `read_protocols`; or no protocol is wanted.
        """
        corpus = load_corpus(corpus_name, None)
        protocols = list(read_protocols(corpus_name, corpus).values())
        chosen = [protocol for protocol in protocols if not wanted or {protocol.name, protocol.task} & set(wanted)]
        known = {name for protocol in protocols for name in (protocol.name, *TASKS)}
        if not chosen and not set(wanted) <= known:
            raise ValueError(
                f"no protocol of {corpus_name!r} is wanted; it has {', '.join(p.name for p in protocols)}"
            )
        if not chosen:
            return
        if self.seen is None:
            yield f"{corpus_name}: {UNKNOWN}"
        cache = None if self.output is None else self.output / "features"
        digests = row_digests(corpus) if self.seen or cache else []
        features = {reader.name: read_features(reader, corpus, cache, digests) for reader in self.readers}
        for protocol in chosen:
            asked: Protocol | None = protocol
            if self.seen:
                asked, count = unseen(protocol, self.seen, digests)
                if count:
                    yield f"{protocol.name}: {count} test rows are left out, on which the model was trained"
            if "anomaly" in protocol.task and any(fold.anomalous is None for fold in protocol.folds):
                yield f"{protocol.name}: asks about frames, which one clip of a recording cannot answer; left out"
                continue
            if asked is None:
                yield f"{protocol.name}: nothing is left to ask"
                continue
            found = [row for name, values in features.items() for row in measure(asked, name, values)]
            self.rows += _joined(found)
            self._save()

    def _save(self) -> None:
        if self.output is None:
            return
        self.output.mkdir(parents=True, exist_ok=True)
        content = {"model": self.name, "rows": [asdict(row) for row in self.rows]}
        unfinished = self.output / "figures.unfinished.json"
        unfinished.write_text(json.dumps(content, indent=1) + "\n")
        os.replace(unfinished, self.output / "figures.json")


def task_table(rows: Sequence[Row]) -> str:
    """Return figures as a Markdown table: protocols and methods down, readers across; the best reader is marked."""
    readers = sorted({row.reader for row in rows}, key=lambda name: (name == MODEL, name))
    lines = ["| protocol | method | " + " | ".join(readers) + " |", "| --- " * (len(readers) + 2) + "|"]
    entries: dict[tuple[str, str], dict[str, Spread]] = {}
    for row in rows:
        entries.setdefault((row.protocol, row.method), {})[row.reader] = row.figure
    for (protocol, method), figures in entries.items():
        best = max(figure.value for figure in figures.values()) if len(figures) > 1 else None
        cells = [
            ""
            if name not in figures
            else f"**{figures[name]}**"
            if figures[name].value == best
            else str(figures[name])
            for name in readers
        ]
        lines.append(f"| {protocol} | {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _joined(rows: list[Row]) -> list[Row]:
    """Return rows with those of several random encoders as one: the mean over the encoders, and its spread."""
    random = [row for row in rows if row.reader.startswith(RANDOM)]
    others = [row for row in rows if not row.reader.startswith(RANDOM)]
    for method in dict.fromkeys(row.method for row in random):
        figures = [row.figure for row in random if row.method == method]
        spread = figures[0] if len(figures) == 1 else Spread.over([figure.value for figure in figures])
        others.append(Row(random[0].protocol, RANDOM, method, spread))
    return others
