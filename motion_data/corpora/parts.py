"""What a preparation has read so far: a part for each source, in a folder that one preparation works in at a time.

A part is named by what it depends on: the source, its size and time of change, and how it was read. So a file that is
repaired, added or removed costs the reading of that one, and a preparation that was stopped goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .shards import PLAN

VERSION = 5  # of what is written in parts; a folder of another version starts again
LOCK = "lock"


@contextmanager
def parts_folder(folder: Path) -> Iterator[Path]:
    """Open the folder of parts, made if need be, for one preparation alone; yields where its parts lie.

    Raises:
        FileExistsError: the folder is there and was not made for this; nothing in it is touched.
        BlockingIOError: another preparation works in it.
    """
    if folder.exists() and not _is_ours(folder):
        raise FileExistsError(
            f"{str(folder)!r} is needed for what is read and exists already, not made by a preparation; rename it, or "
            "name another output"
        )
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BlockingIOError(f"another preparation works in {str(folder)!r}; wait until it has ended") from None
    try:
        write_atomically(folder / PLAN, json.dumps({"version": VERSION}))
        parts = folder / f"parts-{VERSION}"
        parts.mkdir(exist_ok=True)
        for unfinished in parts.glob("*.unfinished"):
            unfinished.unlink()
        yield parts
    finally:
        lock.release()


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    os.replace(unfinished, path)


def _is_ours(folder: Path) -> bool:
    """Tell whether a preparation made a folder: it has a plan, or was stopped before it wrote one."""
    if not folder.is_dir():
        return False
    plan = folder / PLAN
    return plan.is_file() or {path.name for path in folder.iterdir()} <= {LOCK, plan.with_suffix(".unfinished").name}
