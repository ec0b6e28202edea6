"""The code that travels with a model: one file that stands alone; where MoFM is installed, its own code is used."""

import ast
import json

import pytest
from clips import TINY_GEOMETRY, TINY_SIZES
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel

from modeling_mofm import MoFMConfig, MoFMModel
from tokenization_mofm import MoFMFeatureExtractor, remote_code
from tokenization_mofm.remote_code import CODE_FILE, INSTALLED, MODULE, PIPELINES, add_remote_code


@pytest.fixture
def folder(tmp_path):
    model = MoFMModel(MoFMConfig(**TINY_GEOMETRY, **TINY_SIZES))
    model.save_pretrained(tmp_path)
    MoFMFeatureExtractor.for_config(model.config).save_pretrained(tmp_path)
    return tmp_path


def test_one_file_holds_every_class_that_is_named(folder):
    add_remote_code(folder)
    tree = ast.parse((folder / CODE_FILE).read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    named = [json.loads((folder / f"{name}.json").read_text()) for name in ("config", "preprocessor_config")]
    classes = [place.split(".") for fields in named for place in fields["auto_map"].values()]
    classes += [entry["impl"].split(".") for entry in named[0]["custom_pipelines"].values()]
    assert len(classes) == 6 + len(PIPELINES)
    assert {module for module, _ in classes} == {MODULE} and {name for _, name in classes} <= defined
    always = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    packages = {(node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name for node in always}
    assert {package.split(".")[0] for package in packages} <= INSTALLED
    inside = {node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert inside == {0}, "the file imports others of ours"


def test_a_folder_that_names_other_code_runs_none_of_it(folder):
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    for name in ("config.json", "preprocessor_config.json"):
        fields = json.loads((folder / name).read_text())
        autos = ("AutoConfig", "AutoModel", "AutoFeatureExtractor")
        fields["auto_map"] = dict.fromkeys(autos, "evil.Evil")
        fields["custom_pipelines"] = {"motion-classification": {"impl": "evil.Evil", "pt": ["AutoModel"]}}
        (folder / name).write_text(json.dumps(fields))
    config = AutoConfig.from_pretrained(folder)
    assert isinstance(config, MoFMConfig) and not hasattr(config, "auto_map")
    assert not hasattr(config, "custom_pipelines")
    assert isinstance(AutoModel.from_pretrained(folder), MoFMModel)
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    assert isinstance(extractor, MoFMFeatureExtractor) and "auto_map" not in extractor.to_dict()


def test_modules_that_one_file_cannot_hold_are_refused(tmp_path, monkeypatch):
    room = tmp_path / "motion_data"
    room.mkdir()
    files = {
        "one.py": '"""One."""\n\nLIMIT = 1\n',
        "two.py": '"""Two."""\n\nfrom .one import LIMIT\n\nUPPER = LIMIT\n',
        "twice.py": '"""Twice."""\n\nfrom .one import LIMIT as FIRST\n',
        "again.py": '"""Again."""\n\nfrom .one import LIMIT\n\nLIMIT = LIMIT + 1\n',
        "inner.py": '"""Inner."""\n\n\ndef f():\n    from .one import LIMIT\n\n    return LIMIT\n',
    }
    for name, text in files.items():
        (room / name).write_text(text)
    monkeypatch.setattr(remote_code, "__file__", str(tmp_path / "tokenization_mofm" / "remote_code.py"))

    def put_together(name):
        monkeypatch.setattr(remote_code, "ENTRIES", (f"motion_data/{name}",))
        remote_code.remote_code.cache_clear()
        return remote_code.remote_code()

    names = {}
    exec(compile(put_together("two.py"), "two", "exec"), names)
    assert names["UPPER"] == 1
    for name, reason in (
        ("twice.py", "imports a package or renames"),
        ("again.py", "LIMIT is defined in one.py and again.py"),
        ("inner.py", "imports another module inside a function"),
    ):
        with pytest.raises(ValueError, match=reason):
            put_together(name)
    remote_code.remote_code.cache_clear()
