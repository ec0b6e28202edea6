"""What a reader of motion files takes and gives, and the open register of formats.

A format is a function `read(path, options) -> Iterator[Recording]`, registered with `register_format`. A third-party
package registers its own the same way, in a module named by an entry point of the group `mofm.formats`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, wraps
from importlib.metadata import entry_points
from pathlib import Path

from ..options import ReadOptions
from ..recording import Recording

ENTRY_POINTS = "mofm.formats"
MAX_FILE_BYTES = 2 * 2**30  # of a file, or a folder of pictures, that is read as a whole


class FormatError(ValueError):
    """A file is not what its format says.

    Args:
        path: the file or folder.
        reason: what is wrong, with the value found and what is allowed.
    """

    def __init__(self, path: Path | str, reason: str):
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.path, self.reason)


Reader = Callable[[Path, ReadOptions], Iterator[Recording]]


@dataclass(frozen=True)
class Format:
    """A registered format.

    Args:
        name: as users name it.
        description: one line, for lists of formats.
        read: yields the recordings of a path; raises `FormatError`, and nothing else, for whatever the file holds.
        recognises: whether a path is of this format, from its name and at most its head; never raises.
        needs_poses: whether it holds pictures, which cannot be read without `ReadOptions.poses`.
    """

    name: str
    description: str
    read: Reader
    recognises: Callable[[Path], bool]
    needs_poses: bool = False


_FORMATS: dict[str, Format] = {}


def register_format(
    name: str,
    description: str,
    suffixes: tuple[str, ...] = (),
    recognises: Callable[[Path], bool] | None = None,
    needs_poses: bool = False,
) -> Callable[[Reader], Reader]:
    """Register the decorated reader as a format.

    Joints below `ReadOptions.min_score` of what it reads are missing, and `ReadOptions.origin` may turn y down.

    Args:
        name: as users name it; not yet taken.
        description: one line.
        suffixes: lower-case endings of file names; a path without one of them is not of this format.
        recognises: looks closer where the suffix does not decide (JSON is in many formats).
        needs_poses: whether files hold pictures; in a folder they are left alone where no pose model is named.

    Raises:
        ValueError: the name is taken, or there is neither a suffix nor `recognises`.
    """
    if name in _FORMATS:
        raise ValueError(f"format {name!r} is already registered: {_FORMATS[name].description}")
    if not suffixes and recognises is None:
        raise ValueError(f"format {name!r} has neither suffixes nor recognises; it would never be found")

    def matches(path: Path) -> bool:
        return path.name.lower().endswith(suffixes or "") and (recognises is None or recognises(path))

    def register(read: Reader) -> Reader:
        @wraps(read)
        def sure(path: Path, options: ReadOptions) -> Iterator[Recording]:
            return (
                recording.without_unsure(options.min_score).with_y_down(options.origin)
                for recording in read(path, options)
            )

        _FORMATS[name] = Format(name, description, sure, matches, needs_poses)
        return read

    return register


def file_head(path: Path, count: int) -> bytes:
    """Return the first bytes of a file, b"" of whatever cannot be read; never raises."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except (OSError, ValueError):
        return b""


def formats() -> dict[str, Format]:
    """Return every format by name, those of other packages among them."""
    _load_plugins()
    return dict(_FORMATS)


@cache
def _load_plugins() -> None:
    for entry in entry_points(group=ENTRY_POINTS):
        entry.load()


def format_of(path: Path) -> Format | None:
    """Return the format of a file or folder; None if no format knows it. Later registrations are asked first."""
    return next((known for known in reversed(formats().values()) if known.recognises(path)), None)
