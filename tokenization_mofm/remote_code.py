"""The code that travels with a model, so that it loads where MoFM is not installed (`trust_remote_code=True`).

transformers copies flat files that import nothing but each other and what is installed. So one file is made of the
modules that models, feature extractor and pipelines need, one behind the other, without their imports of each other.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from functools import cache
from pathlib import Path

CODE_FILE = "modeling_mofm.py"
ROOMS = ("motion_data", "tokenization_mofm", "modeling_mofm")
# what is asked for; the modules that these import come along
ENTRIES = (
    "motion_data/readers/estimators/alphapose.py",
    "motion_data/readers/estimators/mmpose_json.py",
    "motion_data/readers/estimators/person_tracks.py",
    "motion_data/readers/estimators/ultralytics_json.py",
    "motion_data/readers/sets/kinetics_skeleton.py",
    "motion_data/readers/estimators/mediapipe_json.py",
    "motion_data/readers/estimators/openpose_folder.py",
    "modeling_mofm/actions/modeling.py",
    "modeling_mofm/actions/pipeline.py",
    "modeling_mofm/anomaly/pipeline.py",
    "modeling_mofm/feature_pipeline.py",
    "modeling_mofm/pretraining/modeling.py",
)
# what every environment with transformers has; other packages are only missed by what uses them
INSTALLED = {
    *sys.stdlib_module_names,
    "huggingface_hub",
    "numpy",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
}

MODULE = CODE_FILE.removesuffix(".py")
MODEL_CLASSES = {
    "AutoConfig": "MoFMConfig",
    "AutoModel": "MoFMModel",
    "AutoModelForPreTraining": "MoFMForMaskedMotionModeling",
    "AutoModelForSequenceClassification": "MoFMForSequenceClassification",
    # transformers has no class for detectors; pipelines need one of its names
    "AutoModelForVideoClassification": "MoFMForAnomalyDetection",
}
DVED_CLASSES = {"AutoConfig": "DVEDConfig", "AutoModel": "DVEDModel"}
EXTRACTOR_CLASSES = {"AutoFeatureExtractor": "MoFMFeatureExtractor"}
PIPELINES = {
    "motion-classification": ("MotionClassificationPipeline", "AutoModelForSequenceClassification"),
    "motion-anomaly-detection": ("MotionAnomalyPipeline", "AutoModelForVideoClassification"),
    "motion-feature-extraction": ("MotionFeaturePipeline", "AutoModel"),
}
CLASSES = {"mofm": MODEL_CLASSES, "mofm_dved": DVED_CLASSES}  # by `model_type`
REMOTE_FIELDS = ("auto_map", "custom_pipelines")

MISSING = '''
class _Missing:
    """Stands for what is not installed, until it is used."""

    def __init__(self, package):
        self.package = package

    def __call__(self, *args, **kwargs):
        raise ImportError(f"this needs {self.package}; pip install {self.package}")
'''


def add_remote_code(folder: str | os.PathLike) -> None:
    """Put the code beside what was saved into a folder, and let its configurations name its classes."""
    path = Path(folder)
    (path / CODE_FILE).write_text(remote_code(), encoding="utf-8")
    _name_classes(path / "config.json")
    _name_classes(path / "dved" / "config.json")
    _name_classes(path / "preprocessor_config.json", EXTRACTOR_CLASSES)


def without_remote_code(fields: dict) -> dict:
    """Drop what names classes of a folder from fields of a configuration: where MoFM is installed, its own are used.

    Else a folder could name other code, and pipelines would ask for `trust_remote_code`.
    """
    if __name__.startswith("transformers_modules."):
        return fields
    return {name: value for name, value in fields.items() if name not in REMOTE_FIELDS}


def _name_classes(file: Path, classes: dict[str, str] | None = None) -> None:
    if not file.is_file():
        return
    fields = json.loads(file.read_text())
    classes = classes or CLASSES.get(fields.get("model_type"))
    if classes is None:  # not one of ours
        return
    fields["auto_map"] = {auto: f"{MODULE}.{name}" for auto, name in classes.items()}
    if classes is MODEL_CLASSES:
        fields["custom_pipelines"] = {
            task: {"impl": f"{MODULE}.{name}", "pt": [auto], "type": "video"}
            for task, (name, auto) in PIPELINES.items()
        }
    file.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")


@cache
def remote_code() -> str:
    """Return the code of the file; where this is that file already, itself.

    Raises:
        ValueError: two modules define the same name, or import each other in a way that one file cannot hold.
    """
    if __name__.startswith("transformers_modules."):
        return Path(__file__).read_text(encoding="utf-8")
    root = Path(__file__).parents[1]
    modules: dict[Path, None] = {}
    for entry in ENTRIES:
        _visit(root, root / entry, modules)
    imports: dict[str, None] = {}
    defined: dict[str, Path] = {}
    parts = []
    for path in modules:
        parts.append(_body(root, path, imports, defined))
    always = [line for line in imports if _package(line) in INSTALLED]
    others = [line for line in imports if _package(line) not in INSTALLED]
    head = ['"""MoFM, put together from the packages of its repository; written by `remote_code`, not by hand."""']
    head += ["from __future__ import annotations", "", *sorted(always), MISSING]
    for line in sorted(others):
        names = [alias.name for alias in ast.parse(line).body[0].names]
        head += ["try:", f"    {line}", "except ImportError:"]
        head += [f"    {name} = _Missing({_package(line)!r})" for name in names]
    return "\n".join([*head, *parts]) + "\n"


def _package(line: str) -> str:
    return line.split()[1].split(".")[0]


def _imported(root: Path, path: Path, node: ast.ImportFrom) -> list[Path] | None:
    """Return the modules of ours that a statement imports from; None for those of others."""
    package = path.relative_to(root).with_suffix("").parts[:-1]
    base = package[: len(package) - node.level + 1] if node.level else ()
    parts = (*base, *(node.module.split(".") if node.module else ()))
    if parts[0] not in ROOMS:
        return None
    module = root.joinpath(*parts).with_suffix(".py")
    if not module.is_file() or any(alias.asname for alias in node.names):
        raise ValueError(f"{path.name} line {node.lineno} imports a package or renames; one file cannot hold that")
    return [module]


def _is_typing(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _visit(root: Path, path: Path, modules: dict[Path, None]) -> None:
    """Add a module behind all those that it imports."""
    if path in modules:
        return
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            for module in _imported(root, path, node) or ():
                _visit(root, module, modules)
    modules[path] = None


def _body(root: Path, path: Path, imports: dict[str, None], defined: dict[str, Path]) -> str:
    """Return the text of a module without docstring and imports; note what it imports from others and defines."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    lines = source.splitlines()
    dropped: set[int] = set()
    for node in tree.body:
        names: list[str] = []
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            dropped.update(range(node.lineno, node.end_lineno + 1))
            ours = isinstance(node, ast.ImportFrom) and _imported(root, path, node) is not None
            if not ours and getattr(node, "module", "") != "__future__":
                for alias in node.names:
                    one = ast.ImportFrom(node.module, [alias], 0) if isinstance(node, ast.ImportFrom) else None
                    imports[ast.unparse(one or ast.Import([alias]))] = None
        elif _is_typing(node) or node is tree.body[0]:  # the docstring
            dropped.update(range(node.lineno, node.end_lineno + 1))
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        for name in names:
            if defined.setdefault(name, path) is not path:
                raise ValueError(f"{name} is defined in {defined[name].name} and {path.name}; one file holds both")
        inner = [one for one in ast.walk(node) if isinstance(one, ast.ImportFrom) and one is not node]
        if not _is_typing(node) and any(_imported(root, path, one) for one in inner):
            raise ValueError(f"{path.name} imports another module inside a function; one file cannot hold that")
    kept = [line for number, line in enumerate(lines, 1) if number not in dropped]
    title = f"\n\n# {path.relative_to(root).as_posix()}: {ast.get_docstring(tree).splitlines()[0]}\n"
    return title + "\n".join(kept).strip("\n")
