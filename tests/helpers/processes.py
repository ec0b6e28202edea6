"""Processes of their own that have everything imported already, which takes a new interpreter seven seconds.

They are forked from one process that imported it once. A new interpreter is started only where what is imported, or
how a launcher starts, is the question.
"""

import importlib
import multiprocessing
import os
import socket
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["training_mofm.action_folds", "training_mofm.anomaly", "training_mofm.dved", "training_mofm.pretraining"]
)
COMMAND = "import sys; from training_mofm.command import main; sys.exit(main())"


class Started:
    """A process that was started; `wait()` gives its `returncode`, `stdout` and `stderr`."""

    def __init__(self, code, arguments, environment, cwd):
        self.folder = tempfile.TemporaryDirectory()
        streams = [os.path.join(self.folder.name, name) for name in ("stdout", "stderr")]
        job = code, list(map(str, arguments)), dict(environment), str(cwd), streams
        self.process = FORKS.Process(target=_run, args=job)
        self.process.start()

    def is_alive(self):
        return self.process.is_alive()

    def kill(self):
        self.process.kill()

    def wait(self, timeout=250):
        self.process.join(timeout)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"still running after {timeout} s")
        out, errors = ((Path(self.folder.name) / name).read_text() for name in ("stdout", "stderr"))
        self.folder.cleanup()
        return SimpleNamespace(returncode=self.process.exitcode, stdout=out, stderr=errors)


def start(code, *arguments, env=(), cwd="."):
    """Start Python code with these arguments in `sys.argv[1:]` and these variables beside those of the tests."""
    return Started(code, arguments, env, Path(cwd).resolve())


def run(code, *arguments, env=(), cwd="."):
    """Run it to its end, and return its `returncode`, `stdout` and `stderr`."""
    return start(code, *arguments, env=env, cwd=cwd).wait()


def run_in_two(*arguments):
    """Run `mofm <arguments>` in two processes, with the variables that a launcher sets for them; return both ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    return [process.wait() for process in [start(COMMAND, *arguments, env=meeting | rank) for rank in ranks]]


def _run(code, arguments, environment, cwd, streams):
    for number, path in enumerate(streams, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.update(environment)
    os.chdir(cwd)
    if "HF_HOME" in environment:
        _read_hub_variables()
    sys.argv = ["-c", *arguments]
    exec(compile(code, "<test>", "exec"), {"__name__": "__main__"})


def _read_hub_variables():
    """Let the clients of the Hub read their variables again: they do it when they are imported."""
    import datasets
    import huggingface_hub

    importlib.reload(huggingface_hub.constants)
    huggingface_hub.hf_api.api.endpoint = huggingface_hub.constants.ENDPOINT
    importlib.reload(datasets.config)
