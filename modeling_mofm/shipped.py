"""The model that comes with the package, in the folder `mofm` beside it: the default of the pipelines."""

from __future__ import annotations

import hashlib
import json
import os
import sysconfig
from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[1] / "mofm"
HASHES = "sha256.json"  # of each file


def shipped_clips() -> list[Path]:
    """Return the example clips: in `docs/clips` of a clone, else where the package installed them."""
    places = (SHIPPED.parent / "docs" / "clips", Path(sysconfig.get_path("data")) / "share" / "mofm" / "clips")
    return next((found for place in places if (found := sorted(place.glob("*.json")))), [])


def write_hashes(folder: str | os.PathLike) -> None:
    """Write the SHA-256 of each file of a folder into it, except of its card, which may be corrected later."""
    path = Path(folder)
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name not in (HASHES, "README.md"))
    hashes = {file.relative_to(path).as_posix(): _digest(file) for file in files}
    (path / HASHES).write_text(json.dumps(hashes, indent=1) + "\n")


def check_files(folder: str | os.PathLike) -> None:
    """Refuse a folder whose files differ from its hashes; a folder without hashes passes.

    Raises:
        OSError: naming the files that are missing, cut off or changed.
    """
    path = Path(folder)
    if not (path / HASHES).is_file():
        return
    for name, digest in json.loads((path / HASHES).read_text()).items():
        if not (path / name).is_file():
            raise OSError(f"{path} lacks {name}, which {HASHES} lists; get the folder again")
        if _digest(path / name) != digest:
            raise OSError(f"{name} in {path} is not the file that {HASHES} lists; get the folder again")


def check_shipped(name_or_path: str) -> None:
    """Check the files of the shipped model (`check_files`), if that is the one that was loaded."""
    if name_or_path and Path(name_or_path).resolve() == SHIPPED:
        check_files(SHIPPED)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
