"""Which files (and folders that are one recording) a corpus is prepared from, and their names in it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..readers.arrays.gcn_arrays import labels_beside
from ..readers.mocap.amc import skeleton_of
from ..readers.registry import Format, format_of, formats
from ..readers.sets.pku_mmd import labels_of
from ..readers.unrecognised import no_format


@dataclass(frozen=True)
class Source:
    """A file, or a folder that is one recording, and the name under which the corpus knows it.

    Args:
        size: bytes, of all files of a folder, or of a file and the one that is read with it.
        modified: time of the latest change, nanoseconds.
    """

    path: Path
    name: str
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path, name: str) -> Source:
        files = path.rglob("*") if path.is_dir() else filter(None, (path, beside(path)))
        facts = [file.stat() for file in files if file.is_file()]
        return cls(
            path, name, sum(fact.st_size for fact in facts), max((fact.st_mtime_ns for fact in facts), default=0)
        )


def beside(path: Path) -> Path | None:
    """Return the file that is read with another, its labels or its skeleton; None if there is none."""
    return labels_beside(path) or labels_of(path) or skeleton_of(path)


def find_sources(
    paths: Sequence[str | os.PathLike], format_name: str | None = None, with_videos: bool = True
) -> tuple[list[Source], list[str]]:
    """Return the files (and folders) of known formats, and the names of all others.

    A file is taken once, however often it is named, and a folder that links to one of its parents is not entered
    again. HDF5 beside a CSV file of the same name is left alone: DeepLabCut writes the same to both. Files named one
    by one whose names are the same get those of their folders too.

    Args:
        format_name: of every file; None recognises each.
        with_videos: whether videos in folders count. Where no pose model sees them they are left alone: they often lie
            beside their key-points.

    Returns:
        sources in the order of a hash of their names: neighbours in a folder are alike, and shards should not be.

    Raises:
        FileNotFoundError: a path is not there.
        ValueError: no file is of a known format, or two have the same name.
    """
    found: dict[Path, tuple[Path, str]] = {}
    unknown: dict[str, Path] = {}
    videos: list[str] = []

    def known_format(path: Path) -> Format | None:
        if format_name is None:
            return format_of(path)
        return formats()[format_name] if formats()[format_name].recognises(path) else None

    def search(folder: Path, prefix: str, parents: tuple[Path, ...]) -> None:
        parents = (*parents, folder.resolve())
        for path in sorted(folder.iterdir()):
            name = prefix + path.name
            known = known_format(path)
            if known and known.needs_poses and not with_videos:
                videos.append(name)
            elif known:
                found.setdefault(path.resolve(), (path, name))
            elif path.is_dir():
                if path.resolve() not in parents:
                    search(path, name + "/", parents)
            else:
                unknown[name] = path

    folders = [path for path in map(Path, paths) if path.is_dir() and not known_format(path)]
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"{str(path)!r} is neither a file nor a folder")
        if path in folders:
            search(path, path.name + "/" if len(folders) > 1 else "", ())
    files = [path for path in map(Path, paths) if path not in folders and path.resolve() not in found]
    for path, name in zip(files, _different_names(files), strict=True):
        if known_format(path) or (format_name and path.is_file()):  # named by the user: reading says what is wrong
            found.setdefault(path.resolve(), (path, name))
        else:
            unknown[name] = path
    twins = [path for path in found if path.suffix == ".h5" and path.with_suffix(".csv") in found]
    unknown |= {name: path for path, name in map(found.pop, twins)}
    read_too = {other.resolve() for path in found if (other := beside(path))}
    unknown = {name: path for name, path in unknown.items() if path.resolve() not in read_too}
    if not found:
        raise ValueError(_nothing_found(paths, unknown, videos))
    name, times = Counter(name for _, name in found.values()).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{times} of the files are named {name!r}; a corpus names its sources, so names must differ")
    sources = [Source.of(path, name) for path, name in found.values()]
    return sorted(sources, key=lambda source: hash_of(source.name)), sorted([*unknown, *videos])


def _nothing_found(paths: Sequence[str | os.PathLike], unknown: dict[str, Path], videos: list[str]) -> str:
    if videos:
        return f"{len(videos)} files are videos, such as {videos[0]}; name a pose model to read them"
    places = ", ".join(map(str, paths))
    if not unknown:
        return f"there are no files in {places}"
    if len(unknown) == 1:
        name, path = next(iter(unknown.items()))
        return f"{name} {no_format(path)}"
    return f"none of the {len(unknown)} files in {places} is of a known format; known are {', '.join(formats())}"


def hash_of(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _different_names(files: Sequence[Path]) -> list[str]:
    """Return the names of files, with as many of their folders as it takes to tell them apart."""
    whole = [path.resolve().parts[1:] for path in files]
    count = 1
    while count < max(map(len, whole), default=0) and len({parts[-count:] for parts in whole}) < len(set(whole)):
        count += 1
    return ["/".join(parts[-count:]) for parts in whole]
