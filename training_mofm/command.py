"""The command `mofm`: one name for all scripts of `run/`. It imports none of them until one is asked for."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# command -> script of `run/`, and what it does
COMMANDS = {
    "watch": ("watch", "what people do in a recording, and what is odd, from when to when"),
    "demo": ("demo", "all of it as a page in a browser"),
    "teach": ("teach", "show an action once, and find it in other recordings"),
    "prepare": ("prepare", "make a corpus of pose files, motion capture, arrays or videos"),
    "inspect": ("inspect_corpus", "counts, problems and pictures of a corpus"),
    "convert": ("convert", "write a corpus as annotations of PYSKL and MMAction2"),
    "train-tokenizer": ("train_tokenizer", "train the dVED and its MotionBook"),
    "pretrain": ("pretrain", "pre-train MoFM with a tokenizer"),
    "finetune": ("finetune", "train a pre-trained MoFM for actions or anomalies"),
    "calibrate": ("calibrate", "set the threshold of anomalies by the false alarms an hour that are allowed"),
    "one-shot": ("one_shot", "measure recognition of actions that were shown once"),
    "evaluate": ("evaluate_tasks", "measure what an encoder knows, beside the trivial answers"),
    "evaluate-pretraining": ("evaluate_pretraining", "measure words and reconstructions on held-out motion"),
    "export": ("export", "write a model as one file for onnxruntime or torch.export"),
    "draw": ("draw", "draw a clip, its tokens and what they decode to"),
    "release": ("release", "put a pre-trained MoFM and fitted heads together in one folder"),
}
EXAMPLE = "mofm watch walk.json --output walk.gif"


def scripts() -> Path:
    """Return the folder of the scripts: beside this file where the package was built, else that of the clone."""
    inside = Path(__file__).parent / "run"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "run"


def usage() -> str:
    """Return the help of the command."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {said}" for name, (_, said) in COMMANDS.items()]
    return f"{EXAMPLE}\n\nusage: mofm <command> ...; mofm <command> --help tells its options\n\n" + "\n".join(lines)


def main() -> int:
    """Run the script that the first argument names with the rest of the arguments."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name not in COMMANDS:
        print(f"mofm: {name!r} is no command; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    script = scripts() / f"{COMMANDS[name][0]}.py"
    sys.argv = [f"mofm {name}", *sys.argv[2:]]
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None and spec.loader is not None, script
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main() or 0
