"""Run a script of `run/` in this process, as the command `mofm` does: starting another takes ten seconds."""

import contextlib
import io
import sys
from types import SimpleNamespace

from training_mofm.command import main


def mofm(*arguments):
    """Return the `returncode`, `stdout` and `stderr` of `mofm <arguments>`."""
    before, out, errors = sys.argv, io.StringIO(), io.StringIO()
    sys.argv = ["mofm", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            try:
                code = main()
            except SystemExit as stopped:
                code = stopped.code
    finally:
        sys.argv = before
    return SimpleNamespace(returncode=code or 0, stdout=out.getvalue(), stderr=errors.getvalue())
