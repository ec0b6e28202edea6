"""Prepare a corpus: files of any known format become parquet shards with a card, in bounded memory.

Two passes. The first reads the files, a group at a time, into parts that name their labels; each part appears whole or
not at all, so that an interrupted preparation goes on with the next one. The second writes the shards, now that all
labels are known. Everything happens in a folder beside the output, which takes its name when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..layouts import get_layout
from ..readers.registry import Format, FormatError, ReadOptions, Recording, format_of, formats
from ..schema import recording_row
from .card import CorpusStatistics
from .shards import PLAN, PartWriter, read_manifest, write_manifest, write_shards

VERSION = 2  # of what is written; a preparation started by another version starts again
GROUP_BYTES = 32 << 20  # of input files, read into one part
ON_ERROR = ("raise", "skip")


@dataclass(frozen=True)
class PrepareOptions:
    """How to prepare a corpus.

    Args:
        format: name of the format of every file; None recognises each.
        read: what files may not say themselves.
        test_fraction: of the subjects, or of the files without one, in the "test" split, unless sources state
            splits.
        license: of the material, as the Hub names licences.
        on_error: "raise" stops at the first file that cannot be read, "skip" leaves it out and goes on.
    """

    format: str | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
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


@dataclass(frozen=True)
class Source:
    """A file, or a folder that is one recording, and the name under which the corpus knows it."""

    path: Path
    name: str
    size: int


@dataclass
class Preparation:
    """What a preparation did.

    Args:
        statistics: of the rows written.
        sources: files read.
        skipped: (file, reason) of those left out.
        unknown: files that no format recognised; they were left alone.
    """

    statistics: CorpusStatistics
    sources: int
    skipped: list[tuple[str, str]]
    unknown: list[str]


def prepare_corpus(
    paths: Sequence[str | os.PathLike], output: str | os.PathLike, options: PrepareOptions, workers: int = 1
) -> Preparation:
    """Prepare a corpus from files and folders; started again after it was interrupted, it goes on.

    Args:
        paths: files, and folders that are searched for files of known formats.
        output: folder of the corpus; must not exist, unless it is the outcome of this very preparation.
        options: how; the same paths and options give the same bytes.
        workers: processes that read.

    Raises:
        FileNotFoundError: a path is not there.
        FileExistsError: `output` is something else.
        FormatError: a file cannot be read and `options.on_error` is "raise"; what was read before is kept.
        ValueError: no file is of a known format, or none could be read.
    """
    output = Path(output)
    if workers > 1 and options.read.poses and options.read.poses.device != "cpu":
        raise ValueError(f"workers must be 1 with pose models on {options.read.poses.device!r}, got {workers}")
    sources, unknown = find_sources(paths, options)
    fingerprint = _fingerprint(sources, options)
    if output.exists():
        return _prepared(output, fingerprint)
    partial = output.with_name(output.name + ".partial")
    parts = _resume(partial, fingerprint)
    groups = list(enumerate(_groups(sources)))
    missing = [(parts / f"{number:06d}.parquet", group, options) for number, group in groups]
    missing = [job for job in missing if not job[0].exists()]
    with tqdm(total=len(sources), initial=len(sources) - sum(len(job[1]) for job in missing), unit="file") as bar:
        for count in _read_all(missing, workers):
            bar.update(count)
    written = partial / "corpus"
    shutil.rmtree(written, ignore_errors=True)
    statistics, skipped = write_shards(
        sorted(parts.glob("*.parquet")), written, options.test_fraction, options.license
    )
    manifest = {
        "fingerprint": fingerprint,
        "sources": len(sources),
        "skipped": skipped,
        "unknown": unknown,
        "statistics": asdict(statistics),
    }
    write_manifest(written, manifest)
    os.replace(written, output)
    shutil.rmtree(partial)
    return Preparation(statistics, len(sources), skipped, unknown)


def find_sources(paths: Sequence[str | os.PathLike], options: PrepareOptions) -> tuple[list[Source], list[str]]:
    """Return the files (and folders) of known formats, and the names of all others.

    Videos in folders are left alone where no pose model is named: they often lie beside their key-points. The order
    is that of a hash of their names: neighbours in a folder are alike, and shards should not be.

    Raises:
        FileNotFoundError: a path is not there.
        ValueError: no file is of a known format, or two have the same name.
    """
    sources: list[Source] = []
    unknown: list[str] = []
    videos: list[str] = []
    format_name = options.format

    def known_format(path: Path) -> Format | None:
        if format_name is None:
            return format_of(path)
        return formats()[format_name] if formats()[format_name].recognises(path) else None

    def add(path: Path, name: str) -> None:
        files = path.rglob("*") if path.is_dir() else [path]
        sources.append(Source(path, name, sum(file.stat().st_size for file in files if file.is_file())))

    def search(folder: Path, prefix: str) -> None:
        for path in sorted(folder.iterdir()):
            name = prefix + path.name
            found = known_format(path)
            if found and found.needs_poses and options.read.poses is None:
                videos.append(name)
            elif found:
                add(path, name)
            elif path.is_dir():
                search(path, name + "/")
            else:
                unknown.append(name)

    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"{str(path)!r} is neither a file nor a folder")
        if known_format(path) or (format_name and path.is_file()):  # named by the user: reading says what is wrong
            add(path, path.name)
        elif path.is_dir():
            search(path, path.name + "/" if len(paths) > 1 else "")
        else:
            unknown.append(path.name)
    if videos and not sources:
        raise ValueError(f"{len(videos)} files are videos, such as {videos[0]}; name a pose model to read them")
    if not sources:
        raise ValueError(
            f"none of the {len(unknown)} files in {', '.join(map(str, paths))} is of a known format; known are "
            f"{', '.join(formats())}"
        )
    name, times = Counter(source.name for source in sources).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{times} of the files are named {name!r}; a corpus names its sources, so names must differ")
    return sorted(sources, key=lambda source: _hash(source.name)), sorted(unknown + videos)


def read_source(source: Source, options: PrepareOptions) -> Iterator[dict]:
    """Yield the corpus rows of one source, their labels by name.

    Raises:
        FormatError: whatever is wrong with the file.
    """
    format_: Format | None = formats()[options.format] if options.format else format_of(source.path)
    if format_ is None:
        raise FormatError(source.path, "is of no known format")
    for recording in format_.read(source.path, options.read):
        check_recording(recording, source.path)
        yield recording_row(recording, source.name, license=options.license)


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


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fingerprint(sources: list[Source], options: PrepareOptions) -> str:
    """Identify a preparation: what it reads and how. Not by its policy for errors, which may change on the way."""
    how = asdict(options)
    del how["on_error"]
    if options.read.poses:
        how["read"]["poses"] = options.read.poses.identity
    files = [(source.name, source.size, source.path.stat().st_mtime_ns) for source in sources]
    return _hash(json.dumps([VERSION, how, files], sort_keys=True))


def _prepared(output: Path, fingerprint: str) -> Preparation:
    manifest = read_manifest(output)
    if manifest is None or manifest["fingerprint"] != fingerprint:
        raise FileExistsError(
            f"output {str(output)!r} exists and is not the outcome of this preparation; name another folder, or "
            "remove it"
        )
    return Preparation(
        CorpusStatistics(**manifest["statistics"]), manifest["sources"], manifest["skipped"], manifest["unknown"]
    )


def _resume(partial: Path, fingerprint: str) -> Path:
    """Return the folder of the parts; those of another preparation are removed."""
    plan = partial / PLAN
    if partial.exists() and not (plan.is_file() and json.loads(plan.read_text()) == fingerprint):
        shutil.rmtree(partial)
    parts = partial / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    if not plan.exists():
        plan.write_text(json.dumps(fingerprint))
    return parts


def _groups(sources: list[Source]) -> Iterator[list[Source]]:
    """Yield runs of sources of about `GROUP_BYTES`: what is lost at most when a preparation is interrupted."""
    group, size = [], 0
    for source in sources:
        group.append(source)
        size += source.size
        if size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _read_all(jobs: list[tuple[Path, list[Source], PrepareOptions]], workers: int) -> Iterator[int]:
    if workers == 1:
        yield from map(_read_group, jobs)
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            yield from pool.map(_read_group, jobs)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _read_group(job: tuple[Path, list[Source], PrepareOptions]) -> int:
    """Read a group of sources into one part. One that fails half-way is named, and left out by the second pass."""
    part, group, options = job
    skipped = []
    unfinished = part.with_suffix(".unfinished")
    with PartWriter(unfinished) as writer:
        for source in group:
            try:
                rows = 0
                for row in read_source(source, options):
                    writer.add({**row, "file": source.name})
                    rows += 1
                if not rows:
                    raise FormatError(source.path, "holds no recording that is long enough")
            except FormatError as error:
                if options.on_error == "raise":
                    raise
                skipped.append((source.name, error.reason))
        writer.finish(skipped)
    os.replace(unfinished, part)
    return len(group)
