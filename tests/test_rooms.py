"""The ladder of rooms: each imports only what stands above it, and reading motion needs no torch (docs/design.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("motion_data", "tokenization_mofm", "modeling_mofm", "training_mofm")
# the steps inside motion_data; modules that are named by no step are the contract, above all of them
STEPS = ("contract", "readers", "detected_frames", "inputs", "synthetic", "corpora")
TORCH = ("torch", "transformers", "accelerate")


def imports(path: Path) -> list[tuple[str, bool]]:
    """Return the modules that a file imports, absolute, and whether at its top level (not inside a function)."""
    tree = ast.parse(path.read_text())
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    inner = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    typing = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    never_run = {id(node) for block in typing for node in ast.walk(block)}
    found = []
    for node in ast.walk(tree):
        if id(node) in never_run:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) not in inner) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
            found += [(name, id(node) not in inner) for name in names]
    return found


def files(room: str) -> list[Path]:
    paths = sorted((ROOT / room).rglob("*.py"))
    assert paths
    return paths


def step(module: str) -> int:
    name = module.split(".")[1] if "." in module else "contract"
    return STEPS.index(name) if name in STEPS else 0


@pytest.mark.parametrize("room", ROOMS)
def test_no_arrow_points_down(room):
    below = ROOMS[ROOMS.index(room) + 1 :] + ("run", "benchmarks", "tests")
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files(room)
        for module, _ in imports(path)
        if module.split(".")[0] in below
    ]
    assert not wrong


def test_no_arrow_points_down_inside_motion_data():
    wrong = []
    for path in files("motion_data"):
        here = step(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for module, _ in imports(path):
            if module.split(".")[0] == "motion_data" and step(module) > here:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong


def test_motion_data_imports_torch_in_functions_of_video_and_of_its_own_files_alone():
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files("motion_data")
        for module, at_top in imports(path)
        if module.split(".")[0] in TORCH and (at_top or "video" not in path.parts and path.name != "torch_tensors.py")
    ]
    assert not wrong


def test_reading_and_preparing_load_no_torch():
    code = (
        "import sys, motion_data, motion_data.inputs, motion_data.corpora.prepare, motion_data.corpora.load\n"
        f"print([name for name in {TORCH} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "[]", result.stderr
