"""A corpus goes to the Hub and comes back, through the real clients and a server on loopback."""

import json

import numpy as np
import processes
import pytest
from hub_server import HubServer

from motion_data.corpora.prepare import PrepareOptions, prepare_corpus
from motion_data.corpora.share import push_corpus
from motion_data.readers.registry import ReadOptions

REPO = "dataset", "user/motions"


@pytest.fixture
def hub(tmp_path):
    with HubServer() as hub:
        hub.home = tmp_path / "hub-home"
        yield hub


def make_poses(folder, files=6, seed=0):
    folder.mkdir()
    generator = np.random.default_rng(seed)
    for number in range(files):
        np.save(folder / f"{number}.npy", generator.uniform(1, 99, (30 + number, 17, 2)).astype(np.float32))
    return folder


def client(hub, code, *arguments):
    return processes.run(code, *arguments, env=hub.environment(hub.home))


def prepare(hub, poses, output, *options):
    command = ["prepare", poses, "--output", output, "--layout", "coco17", "--license", "cc0-1.0"]
    return client(hub, processes.COMMAND, *command, "--push-to-hub", "user/motions", *options)


LOAD = """
import json, sys
from datasets import load_dataset
from huggingface_hub import DatasetCard
from motion_data.corpora.load import load_corpus
whole = load_dataset("user/motions")
streamed = load_corpus("user/motions", "train", streaming=True)
card = DatasetCard.load("user/motions")
card.validate()
print(json.dumps({
    "sources": {split: sorted(rows["source"]) for split, rows in whole.items()},
    "lengths": sorted(row["shape"][1] for row in load_corpus("user/motions", "train")),
    "same": sorted(row["source"] for row in streamed) == sorted(whole["train"]["source"]),
    "license": card.data.license,
    "text": card.text,
}))
"""


def test_a_corpus_goes_to_the_hub_and_comes_back(hub, tmp_path):
    result = prepare(hub, make_poses(tmp_path / "poses"), tmp_path / "corpus", "--private")
    assert result.returncode == 0, result.stderr
    files = hub.repositories[REPO].files
    assert set(files) == {"README.md", "corpus.json", *(name for name in files if name.startswith("data/"))}
    assert f"{hub.url}/datasets/user/motions/commit/" in result.stdout and hub.repositories[REPO].private
    result = client(hub, LOAD)
    assert result.returncode == 0, result.stderr
    loaded = json.loads(result.stdout)
    assert sorted(sum(loaded["sources"].values(), [])) == [f"{number}.npy" for number in range(6)]
    assert set(loaded["sources"]) == {"train", "test"} and loaded["same"] and loaded["license"] == "cc0-1.0"
    assert loaded["lengths"] == sorted(30 + int(name.split(".")[0]) for name in loaded["sources"]["train"])
    assert "| coco17 | 6 |" in loaded["text"] and "person-frames" in loaded["text"]
    result = client(hub, processes.COMMAND, "convert", "user/motions", "--output", tmp_path / "annotations.pkl")
    counts = [f"{len(sources)} {split}" for split, sources in loaded["sources"].items()]
    assert result.returncode == 0 and all(count in result.stdout for count in counts), result.stderr


def test_a_new_version_replaces_the_shards_in_one_commit(hub, tmp_path):
    assert prepare(hub, make_poses(tmp_path / "poses"), tmp_path / "corpus").returncode == 0
    before = hub.repositories[REPO].files
    many = make_poses(tmp_path / "more", files=300, seed=1)
    result = prepare(hub, many, tmp_path / "second")
    assert result.returncode == 0, result.stderr
    commits = hub.repositories[REPO].commits
    after = hub.repositories[REPO].files
    assert len(commits) == 3  # the empty one, and one for each version
    assert set(before) - set(after) == {name for name in before if name.startswith("data/train")}
    assert after["corpus.json"] == (tmp_path / "second" / "corpus.json").read_bytes()


def test_an_upload_that_fails_keeps_the_corpus_and_goes_on(hub, tmp_path):
    poses = make_poses(tmp_path / "poses")
    hub.refuse = "POST */commit/*"
    result = prepare(hub, poses, tmp_path / "corpus")
    assert result.returncode == 1 and "is complete, but was not uploaded" in result.stderr
    assert "Traceback" not in result.stderr and hub.repositories[REPO].files == {}
    hub.refuse = ""
    result = prepare(hub, poses, tmp_path / "corpus")
    assert result.returncode == 0 and "README.md" in hub.repositories[REPO].files, result.stderr


def test_a_wrong_name_is_refused_before_anything_is_read(hub, tmp_path):
    result = prepare(hub, make_poses(tmp_path / "poses"), tmp_path / "corpus", "--push-to-hub", "a/b/c")
    assert result.returncode == 1 and "a/b/c" in result.stderr and not (tmp_path / "corpus").exists()
    assert not hub.requests


def test_what_is_not_whole_is_not_uploaded(tmp_path):
    with pytest.raises(ValueError, match="is not a prepared corpus: it has no corpus.json"):
        push_corpus(tmp_path, "user/motions")
    prepare_corpus(
        [make_poses(tmp_path / "poses")], tmp_path / "corpus", PrepareOptions(read=ReadOptions(layout="coco17"))
    )
    shard = next((tmp_path / "corpus" / "data").iterdir())
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not whole: data/.* has .* of .* bytes"):
        push_corpus(tmp_path / "corpus", "user/motions")
