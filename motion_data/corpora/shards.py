"""Parts, which preparing a corpus reads files into, and shards, which the corpus is made of.

A part is an Arrow file with the rows of one source, labels by name, and what was found out about the source beside
the last rows. Shards have the columns of `motion_features`, labels by number; they are cut by size, and their rows
never lie in memory together.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Features, Value
from tqdm import tqdm

from ..schema import motion_features
from .card import CorpusStatistics, write_card
from .splits import assign_splits

MANIFEST = "corpus.json"
PLAN = "plan.json"  # of a preparation that has not ended
ROW_GROUP_BYTES = 1 << 20  # of key-points and scores, before compression
SHARD_BYTES = 16 << 20  # likewise; a reader of streams holds several shards
SHARD_ROWS = 64  # a small corpus has a shard for so many rows, up to
MIN_SHARDS = 16  # of them: processes and workers share shards
SURVEYED = ["shape", "label", "subject", "recording", "split", "file"]


@cache
def part_schema() -> pa.Schema:
    """Return the columns of a part: labels are names, and `file` is the file that a row was read from."""
    return Features({**motion_features(), "label": Value("string"), "file": Value("string")}).arrow_schema


def part_facts(part: Path) -> dict:
    """Return what a part says of its source.

    They are `name`, `skipped` (why it has no rows; None if it has), `notes` and `doubts` (of each kind, how many
    recordings and one of them).
    """
    with _opened(part) as file:
        return _facts(file)


def _facts(file: pa.ipc.RecordBatchFileReader) -> dict:
    return json.loads(file.get_batch_with_custom_metadata(file.num_record_batches - 1).custom_metadata[b"facts"])


@contextmanager
def _opened(part: Path) -> Iterator[pa.ipc.RecordBatchFileReader]:
    """Open a part; its rows are not in memory until they are copied."""
    with pa.memory_map(str(part)) as file, pa.ipc.open_file(file) as reader:
        yield reader


class PartWriter:
    """Writes the rows of a source to its part, some at a time."""

    def __init__(self, path: Path, name: str):
        self.name = name
        self.writer = pa.ipc.new_file(str(path), part_schema())
        self.rows: list[dict] = []
        self.size = 0

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.writer.close()

    def add(self, row: dict) -> None:
        self.rows.append({**row, "file": self.name})
        self.size += row["keypoints"].nbytes + row["scores"].nbytes
        if self.size >= ROW_GROUP_BYTES:
            self._flush()

    def finish(self, skipped: str | None, notes: list[str], doubts: dict[str, tuple[int, str]]) -> None:
        """Write what is left, why its rows do not count (None if they do), and what was noted and doubted."""
        facts = {"name": self.name, "skipped": skipped, "notes": notes, "doubts": doubts}
        self._flush({"facts": json.dumps(facts)})

    def _flush(self, facts: dict[str, str] | None = None) -> None:
        rows = pa.RecordBatch.from_pylist(self.rows, schema=part_schema())
        self.writer.write_batch(rows, custom_metadata=facts)
        self.rows, self.size = [], 0


class SplitWriter:
    """Writes the shards of a split one after the other, in row groups of about one size."""

    def __init__(self, folder: Path, schema: pa.Schema):
        self.folder = folder
        self.schema = schema
        self.name = ""
        self.writer: pq.ParquetWriter | None = None
        self.waiting: list[pa.Table] = []
        self.size = 0

    def __enter__(self) -> SplitWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if self.writer is not None:
            self._flush()
            self.writer.close()

    def write(self, name: str, rows: pa.Table) -> None:
        """Write rows to the shard `name`; the names of later calls never go back."""
        if name != self.name:
            self.__exit__()
            self.name, self.writer = name, _writer(self.folder / name, self.schema)
        self.waiting.append(rows)
        self.size += rows.nbytes
        if self.size >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self.waiting:
            self.writer.write_table(pa.concat_tables(self.waiting))
        self.waiting, self.size = [], 0


def write_shards(
    parts: Sequence[Path], folder: Path, test_fraction: float, license: str
) -> tuple[CorpusStatistics, list[tuple[str, str]], dict[str, int], dict[str, tuple[int, str]]]:
    """Write the rows of parts as the shards of a corpus, with its card.

    Args:
        parts: complete parts.
        folder: made here; shards are `data/<split>-<number>-of-<count>.parquet`.
        test_fraction: of subjects (of files, where the subject is unknown) in the "test" split, unless sources state
            splits.
        license: for the card.

    Returns:
        statistics of the rows, (file, reason) of the files left out, how many files each note is about, and of each
        kind of doubt how many recordings and one of them.

    Raises:
        ValueError: there is no row.
    """
    facts, surveys, kept = [], [part_schema().empty_table().select(SURVEYED)], []
    for part in parts:
        with _opened(part) as file:
            facts.append(_facts(file))
            if facts[-1]["skipped"] is None:  # one that failed half-way may hold rows
                rows = file.read_all().select(SURVEYED)
                surveys.append(rows.take(np.arange(len(rows))))  # copied: no more of the file stays in memory
                kept.append(part)
    skipped = [(fact["name"], fact["skipped"]) for fact in facts if fact["skipped"] is not None]
    notes = Counter(note for fact in facts for note in fact["notes"])
    doubts: dict[str, tuple[int, str]] = {}
    for kind, (count, example) in (entry for fact in facts for entry in fact["doubts"].items()):
        before, first = doubts.get(kind, (0, example))
        doubts[kind] = before + count, first
    survey = pa.concat_tables(surveys)
    if not len(survey):
        first = f"; the first, {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        raise ValueError(f"none of {len(skipped)} files could be read{first}")
    classes = sorted(set(survey["label"].unique().to_pylist()) - {""})
    schema = motion_features(classes or None).arrow_schema
    names = _shard_names(survey, test_fraction)
    num_segments = _count_segments(survey["recording"].combine_chunks())
    statistics = CorpusStatistics()
    (folder / "data").mkdir(parents=True)
    start = 0
    with ExitStack() as stack:
        shards = {
            split: stack.enter_context(SplitWriter(folder / "data", schema))
            for split in {name.split("-")[0] for name in names}
        }
        bar = stack.enter_context(tqdm(total=len(names), unit="clip", desc="writing"))
        for table in _row_groups(kept):
            targets = names[start : start + len(table)]
            table = _with_column(table, "num_segments", num_segments.slice(start, len(table)))
            start += len(table)
            for name in np.unique(targets):
                split = name.split("-")[0]
                rows = table.filter(pa.array(targets == name))
                statistics.add(rows, split)
                shards[split].write(name, _numbered(rows, classes, schema))
            bar.update(len(table))
    write_card(folder, statistics, license)
    return statistics, skipped, dict(sorted(notes.items())), doubts


def write_manifest(folder: Path, facts: dict) -> None:
    """Write what a prepared corpus says of itself: facts, and the size and SHA-256 of every shard."""
    files = {}
    for path in sorted((folder / "data").iterdir()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files[f"data/{path.name}"] = {"size": path.stat().st_size, "sha256": digest}
    (folder / MANIFEST).write_text(json.dumps({**facts, "files": files}, indent=1) + "\n")


def read_manifest(folder: Path) -> dict | None:
    """Return what a prepared corpus says of itself; None if `folder` was not prepared.

    Raises:
        ValueError: a shard is missing or cut off.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    manifest = json.loads(path.read_text())
    for name, facts in manifest["files"].items():
        size = (folder / name).stat().st_size if (folder / name).is_file() else 0
        if size != facts["size"]:
            raise ValueError(f"corpus {str(folder)!r} is not whole: {name} has {size} of {facts['size']} bytes")
    return manifest


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Write numbers that hardly repeat byte by byte (BYTE_STREAM_SPLIT): smaller, and a third of the time."""
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[field.name for field in schema if pa.types.is_string(field.type)],
        use_byte_stream_split=[f"{name}.list.element" for name in ("keypoints", "scores")],
    )


def _row_groups(parts: Sequence[Path]) -> Iterator[pa.Table]:
    """Yield the rows of parts, those of many small ones together."""
    waiting, size = [], 0
    for part in parts:
        with _opened(part) as file:
            for number in range(file.num_record_batches):
                waiting.append(pa.Table.from_batches([file.get_batch(number)]))
                size += waiting[-1].nbytes
                if size >= ROW_GROUP_BYTES:
                    yield pa.concat_tables(waiting)
                    waiting, size = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def _count_segments(recordings: pa.Array) -> pa.Array:
    """Return of each row how many there are of its recording, int32."""
    indices = recordings.dictionary_encode().indices.to_numpy()
    return pa.array(np.bincount(indices)[indices].astype(np.int32))


def _numbered(table: pa.Table, classes: list[str], schema: pa.Schema) -> pa.Table:
    """Return rows of a part with the columns of the corpus."""
    numbers = pc.fill_null(pc.index_in(table["label"], pa.array(classes, pa.string())), -1)
    table = _with_column(table, "label", numbers.cast(pa.int64()))
    return table.select(schema.names).cast(schema)


def _shard_names(survey: pa.Table, test_fraction: float) -> np.ndarray:
    """Return the file name of the shard of each row."""
    shape = np.array(survey["shape"].to_pylist())
    sizes = 4 * shape[:, :3].prod(1) * (shape[:, 3] + 1)
    splits = np.array(
        assign_splits(
            survey["split"].to_pylist(), survey["subject"].to_pylist(), survey["file"].to_pylist(), test_fraction
        )
    )
    names = np.empty(len(sizes), "U64")
    for split in sorted(set(splits.tolist())):
        chosen = splits == split
        ends = sizes[chosen].cumsum()
        count = max(-(-int(ends[-1]) // SHARD_BYTES), min(MIN_SHARDS, int(chosen.sum()) // SHARD_ROWS), 1)
        numbers = (ends - 1) * count // ends[-1]
        names[chosen] = [f"{split}-{number:05d}-of-{count:05d}.parquet" for number in numbers]
    return names
