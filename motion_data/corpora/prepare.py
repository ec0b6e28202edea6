"""Prepare a corpus: files of any known format become parquet shards with a card, in bounded memory.

Two passes. The first reads each source into a part (`parts`), which appears whole or not at all, so that a preparation
that was stopped goes on, and one whose sources or splits changed reads what is new. The second writes the shards, now
that all labels are known. Everything happens in a folder beside the output, which takes its name when it is complete.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..layouts import get_layout
from ..notes import collect_notes, note
from ..options import WHOLE, ReadOptions
from ..plausibility import doubts
from ..readers.registry import Format, FormatError, format_of, formats
from ..recording import TEST, Recording
from ..rows import row_recording
from ..schema import recording_row
from .card import CorpusStatistics
from .label_table import LabelRow
from .labels import FRAMES, STATED, action_rows, labelled, read_labels
from .parts import VERSION, parts_folder
from .shards import PartWriter, part_facts, read_manifest, write_manifest, write_shards
from .sources import Source, find_sources, hash_of

ON_ERROR = ("raise", "skip")


@dataclass(frozen=True)
class PrepareOptions:
    """How to prepare a corpus.

    Args:
        format: name of the format of every file; None recognises each.
        read: what files may not say themselves.
        labels: "folders", "frames", or the path of a table or of masks (`labels`); "" takes what files state.
        test_fraction: of the subjects, or of the files without one, in the "test" split, unless sources state
            splits.
        license: of the material, as the Hub names licences.
        on_error: "raise" stops at the first file that cannot be read, "skip" leaves it out and goes on.
    """

    format: str | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    labels: str = ""
    test_fraction: float = 0.1
    license: str = ""
    on_error: str = "raise"

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in formats():
            raise ValueError(f"format must be one of {', '.join(formats())}, got {self.format!r}")
        if self.read.layout is not None:
            get_layout(self.read.layout)
        if not 0 <= self.test_fraction < 1:
            raise ValueError(f"test_fraction must be in [0, 1), got {self.test_fraction}")
        if self.on_error not in ON_ERROR:
            raise ValueError(f"on_error must be one of {ON_ERROR}, got {self.on_error!r}")


@dataclass
class Preparation:
    """What a preparation did.

    Args:
        statistics: of the rows written.
        sources: files read.
        skipped: (file, reason) of those left out.
        unknown: files that no format recognised; they were left alone.
        notes: what was decided or dropped while reading, and how many files it is true of.
        warnings: what may hinder the use of the corpus.
    """

    statistics: CorpusStatistics
    sources: int
    skipped: list[tuple[str, str]]
    unknown: list[str]
    notes: dict[str, int]
    warnings: list[str]


@dataclass(frozen=True)
class Job:
    """A source to read into a part."""

    part: Path
    source: Source
    labels: tuple[LabelRow, ...]
    options: PrepareOptions


def prepare_corpus(
    paths: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    options: PrepareOptions,
    workers: int = 1,
    parts: str | os.PathLike | None = None,
) -> Preparation:
    """Prepare a corpus from files and folders; started again after it was interrupted, it goes on.

    Args:
        paths: files, and folders that are searched for files of known formats.
        output: folder of the corpus; must not exist, unless it is the outcome of this very preparation.
        options: how; the same paths and options give the same bytes.
        workers: processes that read.
        parts: folder in which what is read stays, for later preparations of the same or other sources; None reads
            into `<output>.partial` and removes it at the end.

    Raises:
        FileNotFoundError: a path is not there.
        FileExistsError: `output`, or the folder of the parts, is something else; nothing in it is touched.
        BlockingIOError: another preparation works in the folder of the parts.
        FormatError: a file cannot be read and `options.on_error` is "raise"; what was read before is kept.
        ValueError: no file is of a known format, none could be read, or labels do not fit the files.
    """
    output = Path(output)
    if workers > 1 and options.read.poses and options.read.poses.device != "cpu":
        raise ValueError(f"workers must be 1 with pose models on {options.read.poses.device!r}, got {workers}")
    sources, unknown = find_sources(paths, options.format, options.read.poses is not None)
    labels = read_labels(options.labels, sources)
    keys = [_key(source, labels.get(source.name, ()), options) for source in sources]
    fingerprint = hash_of(json.dumps([keys, options.test_fraction]))
    if output.exists():
        return _prepared(output, fingerprint)
    output.parent.mkdir(parents=True, exist_ok=True)
    kept = parts is not None
    partial = Path(parts) if kept else output.with_name(output.name + ".partial")
    with parts_folder(partial) as folder:
        jobs = [
            Job(folder / f"{key}.arrow", source, labels.get(source.name, ()), options)
            for key, source in zip(keys, sources, strict=True)
        ]
        missing = [job for job in jobs if not _is_read(job)]
        with tqdm(total=len(jobs), initial=len(jobs) - len(missing), unit="file") as bar:
            for _ in _read_all(missing, workers):
                bar.update()
        written = partial / "corpus"
        shutil.rmtree(written, ignore_errors=True)
        all_parts = [job.part for job in jobs]
        statistics, skipped, notes, doubted = write_shards(all_parts, written, options.test_fraction, options.license)
        told = options.labels not in STATED
        unsaid = [source.name for source in sources if told and source.name not in labels]
        warnings = [*_unsaid(unsaid, len(sources)), *_warnings(statistics, doubted)]
        done = Preparation(statistics, len(sources), skipped, unknown, notes, warnings)
        write_manifest(written, {"fingerprint": fingerprint, **asdict(done)})
        if output.exists():
            raise FileExistsError(f"output {str(output)!r} appeared meanwhile; name another folder, or remove it")
        os.replace(written, output)
    if not kept:
        shutil.rmtree(partial)
    return done


def read_source(source: Source, labels: tuple[LabelRow, ...], options: PrepareOptions) -> Iterator[dict]:
    """Yield the corpus rows of one source, their labels by name.

    Raises:
        FormatError: whatever is wrong with the file.
    """
    format_: Format | None = formats()[options.format] if options.format else format_of(source.path)
    if format_ is None:
        raise FormatError(source.path, "is of no known format")
    by_frames = options.labels == FRAMES
    cuts = by_frames or any(not row.whole for row in labels)
    read = replace(options.read, max_frames=WHOLE) if cuts else options.read
    found: set[LabelRow] = set()
    for whole in format_.read(source.path, read):
        check_recording(whole, source.path)
        rows = action_rows(whole) if by_frames else labels
        if by_frames and not (rows or whole.label):
            note("no frame has a label")
        for recording in labelled(whole, rows, source.path, found):
            yield recording_row(recording, source.name, license=options.license)
    if lost := [row for row in labels if not row.whole and row not in found]:
        stretch = f"{lost[0].start:g} to {lost[0].end:g} {'(frames)' if lost[0].in_frames else 's'}"
        note(f"nobody is seen in {len(lost)} of the stretches that labels name, such as {stretch}")


def check_recording(recording: Recording, path: Path) -> None:
    """Raise a FormatError unless a recording is what its documentation says: readers of others are checked too."""
    keypoints, scores = recording.keypoints, recording.scores
    joints = get_layout(recording.layout).num_joints
    if keypoints.ndim != 4 or keypoints.shape[2] != joints or keypoints.shape[3] not in (2, 3) or 0 in keypoints.shape:
        raise FormatError(
            path, f"has key-points {keypoints.shape}; [M, F, {joints}, 2 or 3] is a recording of {recording.layout}"
        )
    if scores.shape != keypoints.shape[:3]:
        raise FormatError(path, f"has scores {scores.shape}; key-points {keypoints.shape} need {keypoints.shape[:3]}")
    if not (np.isfinite(scores).all() and 0 <= scores.min() and scores.max() <= 1):
        raise FormatError(path, f"has scores from {scores.min()} to {scores.max()}; they must be in [0, 1]")
    if not scores.any():
        raise FormatError(path, "has no joint with a score above 0; at least one must be seen")
    if not np.isfinite(keypoints[scores > 0]).all():
        raise FormatError(path, "has coordinates that are not finite at joints with a score above 0")
    labels = recording.frame_labels
    if labels is not None and (labels.shape != keypoints.shape[1:2] or not np.isin(labels, (0, 1)).all()):
        raise FormatError(path, f"has frame labels {labels.shape}; {keypoints.shape[1:2]} numbers 0 or 1 are needed")


def _key(source: Source, labels: tuple[LabelRow, ...], options: PrepareOptions) -> str:
    """Name a part by all that it depends on; not by the splits, nor by what is done about errors."""
    read = asdict(options.read)
    if options.read.poses:
        read["poses"] = options.read.poses.identity
    rows = [asdict(row) for row in labels]
    said = [source.name, source.size, source.modified, rows, options.labels == FRAMES]
    return hash_of(json.dumps([VERSION, options.format, read, options.license, said], sort_keys=True))


def _prepared(output: Path, fingerprint: str) -> Preparation:
    manifest = read_manifest(output)
    if manifest is None or manifest["fingerprint"] != fingerprint:
        raise FileExistsError(
            f"output {str(output)!r} exists and is not the outcome of this preparation; name another folder, or "
            "remove it"
        )
    facts = {name: manifest[name] for name in Preparation.__dataclass_fields__}
    facts["statistics"] = CorpusStatistics(**facts["statistics"])
    facts["skipped"] = [tuple(entry) for entry in facts["skipped"]]
    return Preparation(**facts)


def _unsaid(unsaid: list[str], count: int) -> list[str]:
    if not unsaid:
        return []
    return [f"labels say nothing of {len(unsaid)} of {count} files, such as {unsaid[0]}"]


def _warnings(statistics: CorpusStatistics, doubted: dict[str, tuple[int, str]]) -> list[str]:
    warnings = [
        f"{kind}: {count} of {statistics.num_clips} recordings, such as {example}"
        for kind, (count, example) in sorted(doubted.items(), key=lambda entry: -entry[1][0])
    ]
    if unknown := statistics.fps.get("0", 0):
        warnings.append(
            f"the frame rate of {unknown} of {statistics.num_clips} recordings is unknown, and taken for 30 wherever "
            "seconds count; give fps"
        )
    if TEST in statistics.clips:
        return warnings
    return [
        *warnings,
        "the corpus has no test split: it has one subject or file only, or test_fraction is 0; fine-tuning and "
        "evaluation will need a test set of their own",
    ]


def _read_all(jobs: list[Job], workers: int) -> Iterator[None]:
    if workers == 1:
        yield from map(_read_part, jobs)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            yield from pool.map(_read_part, jobs, chunksize=4)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _is_read(job: Job) -> bool:
    """Tell whether a part is there, and not that of a file that was left out where that is an error now."""
    if not job.part.exists():
        return False
    return job.options.on_error == "skip" or part_facts(job.part)["skipped"] is None


def _read_part(job: Job) -> None:
    """Read a source into its part. One that fails half-way is named in it, and has no rows."""
    unfinished = job.part.with_suffix(".unfinished")
    skipped = None
    doubted: dict[str, tuple[int, str]] = {}
    with collect_notes() as notes, PartWriter(unfinished, job.source.name) as writer:
        try:
            rows = 0
            for row in read_source(job.source, job.labels, job.options):
                writer.add(row)
                rows += 1
                for doubt in doubts(row_recording(row)):
                    count, example = doubted.get(doubt.kind, (0, f"{row['source']} ({doubt.where})"))
                    doubted[doubt.kind] = count + 1, example
            if not rows:
                raise FormatError(job.source.path, "; ".join(["holds no recording that is long enough", *notes]))
        except FormatError as error:
            if job.options.on_error == "raise":
                raise
            skipped = error.reason
        writer.finish(skipped, notes, doubted)
    os.replace(unfinished, job.part)
