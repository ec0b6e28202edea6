"""Runs a library that damaged files can end in a process of its own, with bounds on its time and memory."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from .registry import MAX_FILE_BYTES, FormatError

MAX_SECONDS = 600
MAX_MEMORY = 8 * 2**30  # bytes


def read_by_worker(
    path: Path, worker: Path, library: str, kind: str, extra: str, *arguments: object
) -> dict[str, np.ndarray]:
    """Return the arrays that `python worker PATH OUTPUT [arguments]` writes to OUTPUT, an `.npz` file.

    Args:
        path: the file to read.
        worker: the script.
        library: what it imports, for errors.
        kind: of file, such as "C3D".
        extra: of this package, which installs the library.
        arguments: further ones of the script.

    Raises:
        FormatError: the file is too large or damaged; the last line that the worker wrote to its errors says why.
        ImportError: the library is not installed.
    """
    if importlib.util.find_spec(library) is None:
        raise ImportError(f"{kind} files need {library}, which is not installed: pip install 'mofm[{extra}]'")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error.strerror})") from error
    if size > MAX_FILE_BYTES:
        raise FormatError(path, f"has {size} bytes; files of at most {MAX_FILE_BYTES} are read")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "read.npz"
        command = [sys.executable, str(worker), str(path.resolve()), str(output), *map(str, arguments)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=MAX_SECONDS, preexec_fn=_bound_memory
            )
        except subprocess.TimeoutExpired as error:
            raise FormatError(path, f"is no {kind} file that {library} reads within {MAX_SECONDS} seconds") from error
        if done.returncode or not output.is_file():
            said = done.stderr.strip().splitlines()
            reason = said[-1] if said else f"its process ended with status {done.returncode}"
            raise FormatError(path, f"is damaged, or no {kind} file that {library} reads ({reason[:200]})")
        with np.load(output) as content:
            return dict(content)


def _bound_memory() -> None:
    import resource  # only where there is fork

    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
