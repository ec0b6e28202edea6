"""Files of other projects, imported from the user's own checkout of them: nothing of theirs is installed or copied."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace

# peers, and what in a checkout tells that it is theirs
PEERS = {"pyskl": "pyskl", "vqgan": "vqgan/encoder.py", "stg-nf": "models/STG_NF", "sparta": "models.py"}
_REGISTRY = SimpleNamespace(register_module=lambda *_, **__: lambda kind: kind)
# what their files import to register classes or to load weights, which is not needed to time them
STUBS: dict[str, dict[str, dict[str, object]]] = {
    "pyskl": {
        "pyskl.datasets.builder": {"PIPELINES": _REGISTRY},
        "pyskl.models.builder": {"BACKBONES": _REGISTRY},
        "pyskl.utils": {"cache_checkpoint": None, "get_root_logger": None},
    }
}


def checkouts(named: list[str]) -> dict[str, Path]:
    """Return the folders of peers from "name=folder" texts.

    Raises:
        ValueError: a peer that is not known, or a folder that does not hold it.
    """
    found = {}
    for text in named:
        name, _, folder = text.partition("=")
        if name not in PEERS or not (Path(folder) / PEERS[name]).exists():
            raise ValueError(f"peer is {text!r}; it must be <name>=<folder of its checkout>, name: {', '.join(PEERS)}")
        found[name] = Path(folder)
    return found


def import_from(folder: Path, module: str, **more: Mapping[str, object]) -> ModuleType:
    """Import a module such as "pyskl.models.gcns.stgcn" from a checkout; packages on the way are not run.

    Args:
        folder: of the checkout.
        module: its full name; of a file that is in no package, the name of the file.
        more: further names of a stub, by its last part, such as `utils={"Graph": Graph}`.

    Raises:
        ImportError: it needs a package that is not installed.
    """
    name, *parts = module.split(".")
    if not parts:
        return _file(folder / f"{name}.py")
    for depth in range(len(parts)):
        _put(".".join((name, *parts[:depth])), folder.joinpath(name, *parts[:depth]))
    # mmcv loads published weights through torchvision, and needs it for nothing else
    if "torchvision" not in sys.modules and importlib.util.find_spec("torchvision") is None:
        _put("torchvision", folder)
    for place, values in STUBS.get(name, {}).items():
        own = place.partition(".")[2].replace(".", "/")
        _put(place, folder / name / own, {**values, **more.get(place.rpartition(".")[2], {})})
    return importlib.import_module(module)


def _file(path: Path) -> ModuleType:
    """Import a file that is in no package."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _put(name: str, folder: Path, values: Mapping[str, object] | None = None) -> None:
    package = sys.modules.setdefault(name, ModuleType(name))
    if not hasattr(package, "__path__"):
        package.__path__ = [str(folder)]
    vars(package).update(values or {})
