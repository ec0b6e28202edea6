"""From files to shards: what is in a corpus, what happens to bad files, and what an interruption leaves."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import processes
import pytest
from datasets import load_dataset
from scripts import mofm

from motion_data.corpora import prepare
from motion_data.corpora.load import load_corpus
from motion_data.corpora.parts import parts_folder
from motion_data.corpora.prepare import PrepareOptions, check_recording, prepare_corpus
from motion_data.corpora.sources import find_sources
from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers import registry
from motion_data.readers.registry import FormatError, ReadOptions, Recording, register_format
from motion_data.rows import decode_row
from motion_data.schema import motion_features


def toy_recordings(seed):
    generator = np.random.default_rng(seed)
    for number in range(3):
        keypoints = generator.uniform(0, 640, (1 + number, 20 + seed, 17, 2)).astype(np.float32)
        scores = np.full(keypoints.shape[:3], 0.75, np.float32)
        scores[:, :, 1] = 0
        yield Recording(keypoints, scores, "coco17", name=str(number), label="ab"[seed % 2], first_frame=number * 100)


@pytest.fixture
def toy(monkeypatch):
    """A format whose files hold the seed of their recordings, or what is wrong with them."""
    monkeypatch.setattr(registry, "_FORMATS", dict(registry._FORMATS))

    @register_format("toy", "a number in a file", (".toy",))
    def read_toy(path, options):
        text = path.read_text()
        yield from toy_recordings(int(text) if text.isdigit() else 0)
        if not text.isdigit():
            raise FormatError(path, f"is {text}")


@pytest.fixture
def files(tmp_path, toy):
    folder = tmp_path / "files"
    for number in range(30):
        path = folder / str(number % 3) / f"{number}.toy"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    (folder / "notes.txt").write_text("not motion")
    return folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_corpus_holds_what_its_files_hold(files, tmp_path):
    done = prepare_corpus([files], tmp_path / "corpus", PrepareOptions(license="mit", test_fraction=0.2))
    assert done.sources == 30 and done.skipped == [] and done.unknown == ["notes.txt"]
    assert done.statistics.clips == {"train": 72, "test": 18} and done.statistics.labels == {"a": 45, "b": 45}
    assert done.statistics.missing["left_eye"] == 1 and done.statistics.missing["nose"] == 0
    rows = [row for split in ("train", "test") for row in load_corpus(tmp_path / "corpus", split)]
    assert len(rows) == 90
    by_source = {row["source"]: row for row in rows}
    for number in range(30):
        for expected in toy_recordings(number):
            row = by_source[f"{number % 3}/{number}.toy/{expected.name}"]
            keypoints, scores = decode_row(row)
            assert np.array_equal(keypoints, expected.keypoints) and np.array_equal(scores, expected.scores)
            assert row["label"] == number % 2 and row["first_frame"] == expected.first_frame
            assert row["license"] == "mit" and row["subject"] == -1
    by_split = {
        split: {row["source"].rsplit("/", 1)[0] for row in load_corpus(tmp_path / "corpus", split)}
        for split in ("train", "test")
    }
    assert len(by_split["test"]) == 6 and not by_split["train"] & by_split["test"]  # a file is on one side


def test_datasets_loads_it_by_its_card(files, tmp_path):
    prepare_corpus([files], tmp_path / "corpus", PrepareOptions())
    loaded = load_dataset(str(tmp_path / "corpus"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 81, "test": 9}
    assert loaded["train"].features == motion_features(["a", "b"])
    card = (tmp_path / "corpus" / "README.md").read_text()
    assert "| train | 81 |" in card and "| left eye | 100.0% |" in card


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_files_give_the_same_bytes(files, tmp_path, workers):
    for name in ("one", "two"):
        prepare_corpus([files], tmp_path / name, PrepareOptions(), 1 if name == "one" else workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_preparing_again_changes_nothing(files, tmp_path):
    first = prepare_corpus([files], tmp_path / "corpus", PrepareOptions())
    before = contents(tmp_path / "corpus")
    assert prepare_corpus([files], tmp_path / "corpus", PrepareOptions()) == first
    with pytest.raises(FileExistsError, match="not the outcome of this preparation"):
        prepare_corpus([files], tmp_path / "corpus", PrepareOptions(test_fraction=0.5))
    assert contents(tmp_path / "corpus") == before


def test_bad_files_stop_or_are_skipped(files, tmp_path):
    (files / "bad.toy").write_text("torn")
    with pytest.raises(FormatError, match="bad.toy: is torn"):
        prepare_corpus([files], tmp_path / "corpus", PrepareOptions())
    assert not (tmp_path / "corpus").exists()
    done = prepare_corpus([files], tmp_path / "corpus", PrepareOptions(on_error="skip"))
    assert done.sources == 31 and done.skipped == [("bad.toy", "is torn")]
    rows = [row for split in ("train", "test") for row in load_corpus(tmp_path / "corpus", split)]
    assert len(rows) == 90 and not any("bad" in row["source"] for row in rows)  # nor what came before the error
    assert not (tmp_path / "corpus.partial").exists()


def test_nothing_but_bad_files_is_an_error(tmp_path, toy):
    (tmp_path / "bad.toy").write_text("torn")
    with pytest.raises(ValueError, match="none of 1 files could be read; the first, bad.toy: is torn"):
        prepare_corpus([tmp_path / "bad.toy"], tmp_path / "corpus", PrepareOptions(on_error="skip"))
    assert not (tmp_path / "corpus").exists()


def test_an_interrupted_preparation_goes_on(files, tmp_path):
    prepare_corpus([files], tmp_path / "whole", PrepareOptions())
    (files / "0" / "27.toy").write_text("xx")  # the same size
    stamp = os.stat(files / "0" / "24.toy").st_mtime_ns
    os.utime(files / "0" / "27.toy", ns=(stamp, stamp))
    whole = contents(tmp_path / "whole")

    with pytest.raises(FormatError):
        prepare_corpus([files], tmp_path / "corpus", PrepareOptions())
    partial = tmp_path / "corpus.partial"
    (parts,) = partial.glob("parts-*")
    assert list(parts.glob("*.arrow"))
    with pytest.raises(ValueError, match="has not ended"):
        load_corpus(partial)
    (parts / "999999.unfinished").write_text("half a part")
    (files / "0" / "27.toy").write_text("27")
    os.utime(files / "0" / "27.toy", ns=(stamp, stamp))
    prepare_corpus([files], tmp_path / "corpus", PrepareOptions())
    now = contents(tmp_path / "corpus")
    manifest, expected = (json.loads(each.pop("corpus.json")) for each in (now, whole))
    assert now == whole and manifest["files"] == expected["files"] and not partial.exists()


def test_killed_while_preparing_it_ends_whole_and_identical(tmp_path):
    """The script itself, killed by signal 9 between two parts and started again."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(30):
        motion = np.random.default_rng(number).uniform(0, 600, (200, 17, 3)).round(1)
        motion[..., 2] = 0.9
        people = [
            {"image_id": frame, "category_id": 1, "keypoints": joints.reshape(-1).tolist(), "score": 1, "track_id": 1}
            for frame, joints in enumerate(motion)
        ]
        (folder / f"{number}.json").write_text(json.dumps(people))
    assert mofm("prepare", folder, "--output", tmp_path / "whole").returncode == 0
    process = processes.start(processes.COMMAND, "prepare", folder, "--output", tmp_path / "corpus")
    partial = tmp_path / "corpus.partial"
    deadline = time.time() + 60
    while len(list(partial.glob("parts-*/*.arrow"))) < 3 and process.is_alive() and time.time() < deadline:
        time.sleep(0.005)
    process.kill()
    assert process.wait().returncode == -signal.SIGKILL
    assert not (tmp_path / "corpus").exists() and partial.exists()
    assert mofm("prepare", folder, "--output", tmp_path / "corpus").returncode == 0
    assert contents(tmp_path / "corpus") == contents(tmp_path / "whole")


def test_a_corpus_that_lost_a_shard_is_refused(files, tmp_path):
    prepare_corpus([files], tmp_path / "corpus", PrepareOptions())
    shard = next((tmp_path / "corpus" / "data").glob("train-*"))
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(ValueError, match=f"is not whole: data/{shard.name} has"):
        load_corpus(tmp_path / "corpus", "test")


def test_subjects_are_on_one_side(tmp_path, toy, monkeypatch):
    @register_format("who", "a subject in a file", (".who",))
    def read_who(path, options):
        keypoints = np.ones((1, 20, 17, 2), np.float32)
        yield Recording(keypoints, keypoints[..., 0], "coco17", subject=int(path.read_text()))

    for number in range(40):
        (tmp_path / f"{number}.who").write_text(str(number % 5))
    prepare_corpus([tmp_path], tmp_path / "corpus", PrepareOptions(test_fraction=0.2))
    subjects = {split: set(load_corpus(tmp_path / "corpus", split)["subject"]) for split in ("train", "test")}
    assert len(subjects["train"]) == 4 and len(subjects["test"]) == 1 and not subjects["train"] & subjects["test"]


def test_a_large_corpus_is_cut_into_shards(files, tmp_path, monkeypatch):
    monkeypatch.setattr("motion_data.corpora.shards.SHARD_BYTES", 40_000)
    monkeypatch.setattr("motion_data.corpora.shards.ROW_GROUP_BYTES", 10_000)
    done = prepare_corpus([files], tmp_path / "corpus", PrepareOptions(test_fraction=0))
    shards = sorted((tmp_path / "corpus" / "data").glob("*.parquet"))
    size = sum(keypoints.keypoints.size * 4 * 3 // 2 for n in range(30) for keypoints in toy_recordings(n))
    assert len(shards) == -(-size // 40_000) and shards[0].name == f"train-00000-of-{len(shards):05d}.parquet"
    assert len(load_corpus(tmp_path / "corpus")) == 90 == done.statistics.num_clips
    assert load_corpus(tmp_path / "corpus", streaming=True).num_shards == len(shards)


def count_reads(monkeypatch):
    """Return the list that names of sources are put on as they are read."""
    names = []
    read = prepare.read_source

    def counted(source, labels, options):
        names.append(source.name)
        return read(source, labels, options)

    monkeypatch.setattr(prepare, "read_source", counted)
    return names


def test_what_is_read_already_is_not_read_again(files, tmp_path, monkeypatch):
    names = count_reads(monkeypatch)
    (files / "bad.toy").write_text("torn")
    with pytest.raises(FormatError):
        prepare_corpus([files], tmp_path / "corpus", PrepareOptions())
    first = len(names)
    (files / "bad.toy").write_text("31")
    (files / "0" / "new.toy").write_text("32")
    (files / "0" / "0.toy").unlink()
    prepare_corpus([files], tmp_path / "corpus", PrepareOptions(), parts=None)
    assert len(names) - first <= 31 - (first - 1)  # the rest, and the repaired and the new one

    names.clear()
    kept = tmp_path / "kept"
    for output, fraction in (("a", 0.1), ("b", 0.5)):
        prepare_corpus([files], tmp_path / output, PrepareOptions(test_fraction=fraction), parts=kept)
    assert len(names) == 31  # only splits changed: nothing is read
    (files / "1" / "1.toy").write_text("33")
    prepare_corpus([files], tmp_path / "c", PrepareOptions(), parts=kept)
    assert names[31:] == ["1/1.toy"]
    prepare_corpus([files], tmp_path / "d", PrepareOptions(read=ReadOptions(fps=25)), parts=kept)
    assert len(names) == 32 + 31  # read in another way


def test_a_preparation_touches_nothing_that_is_not_its_own(files, tmp_path):
    users = tmp_path / "corpus.partial"
    users.mkdir()
    (users / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="exists already, not made by a preparation"):
        prepare_corpus([files], tmp_path / "corpus", PrepareOptions())
    assert contents(users) == {"thesis.tex": b"years of work"}
    (users / "thesis.tex").rename(tmp_path / "thesis.tex")
    (users / "plan.unfinished").write_text('{"ver')  # killed while it wrote the plan
    prepare_corpus([files], tmp_path / "corpus", PrepareOptions())


def test_two_preparations_do_not_mix(files, tmp_path):
    with parts_folder(tmp_path / "corpus.partial"), pytest.raises(BlockingIOError, match="another preparation works"):
        prepare_corpus([files], tmp_path / "corpus", PrepareOptions())
    prepare_corpus([files], tmp_path / "corpus", PrepareOptions())


def test_a_corpus_without_a_test_split_says_so(files, tmp_path):
    done = prepare_corpus([files / "0" / "0.toy"], tmp_path / "one", PrepareOptions())
    assert "no test split" in done.warnings[-1]
    assert "no test split" not in " ".join(prepare_corpus([files], tmp_path / "many", PrepareOptions()).warnings)


def test_doubts_about_bodies_are_counted(tmp_path):
    person = np.random.default_rng(0).uniform(100, 200, (30, 17, 2))
    person[:] = np.sort(person[:1], 1)
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", person * [1, -1 if number else 1] + [0, 400])
    options = PrepareOptions(read=ReadOptions(layout="coco17", fps=25), test_fraction=0.5)
    done = prepare_corpus([tmp_path], tmp_path / "out", options)
    (warning,) = done.warnings
    assert re.fullmatch(
        r"bodies are upside down: 2 of 3 recordings, such as [12].npy \(in 100% of the frames; y must point down.*\)",
        warning,
    )
    assert prepare_corpus([tmp_path], tmp_path / "out", options).warnings == done.warnings


def test_what_was_decided_is_reported(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.random.default_rng(number).uniform(1, 640, (20, 17, 3)) * [1, 1, 1e-3])
    options = PrepareOptions(read=ReadOptions(layout="coco17"))
    done = prepare_corpus([tmp_path], tmp_path / "corpus", options)
    ((note, count),) = done.notes.items()
    assert "taken for the score" in note and count == 3
    assert prepare_corpus([tmp_path], tmp_path / "corpus", options) == done  # and kept


def test_sources_are_found_and_named(files, tmp_path, toy):
    sources, unknown = find_sources([files])
    assert {source.name for source in sources} == {f"{n % 3}/{n}.toy" for n in range(30)} and unknown == ["notes.txt"]
    one, _ = find_sources([files / "0" / "3.toy"])
    assert [source.name for source in one] == ["3.toy"]
    shutil.copytree(files, tmp_path / "again")
    both, _ = find_sources([files, tmp_path / "again"])
    assert len(both) == 60 and {source.name.split("/")[0] for source in both} == {"files", "again"}
    same, _ = find_sources([files / "0" / "3.toy", tmp_path / "again" / "0" / "3.toy"])
    assert {source.name for source in same} == {"files/0/3.toy", "again/0/3.toy"}
    twice, _ = find_sources([files, files / "0" / "3.toy", files / "0" / "3.toy"])
    assert len(twice) == 30
    (files / "0" / "loop").symlink_to(files)
    assert len(find_sources([files])[0]) == 30
    with pytest.raises(ValueError, match="^notes.txt is of no known format; known are .*toy"):
        find_sources([files / "notes.txt"])
    (tmp_path / "a.mat").write_text("MATLAB 5.0")
    with pytest.raises(ValueError, match="^a.mat is of no known format; name its variable keypoints, or save it"):
        find_sources([tmp_path / "a.mat"])
    (files / "9").mkdir()
    shutil.copy(files / "notes.txt", files / "9" / "broken.json")
    with pytest.raises(ValueError, match=r"^broken.json is no valid JSON \(Expecting value: line 1 .*known are .*toy"):
        find_sources([files / "9"])
    with pytest.raises(ValueError, match="none of the 2 files in .* is of a known format; known are .*toy"):
        find_sources([files / "notes.txt", tmp_path / "a.mat"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="there are no files in .*empty$"):
        find_sources([tmp_path / "empty"])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_sources([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "nonsense"}, "format must be one of .*, got 'nonsense'"),
        ({"test_fraction": 1.0}, r"test_fraction must be in \[0, 1\), got 1.0"),
        ({"on_error": "ignore"}, "on_error must be one of .*, got 'ignore'"),
    ],
)
def test_wrong_options_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        PrepareOptions(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fps": float("nan")}, "fps must be a number, 0 or more, got nan"),
        ({"max_frames": 1}, "max_frames must be a number, 2 or more, got 1"),
        ({"coordinates": "yz"}, "coordinates must be one of xy, xyc, xyz, xyzc, yx, yxc, got 'yz'"),
        ({"axes": "MFK"}, "axes must be F, K, C and perhaps M in some order"),
        ({"override": ("skeleton",)}, "override names 'skeleton'"),
        ({"frame_size": (640,)}, r"frame_size must be a width and a height in whole pixels, got \(640,\)"),
    ],
)
def test_wrong_read_options_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ReadOptions(**fields)


def good_recording(**fields):
    keypoints = np.ones((1, 5, len(COCO_KEYPOINTS), 2), np.float32)
    return Recording(**{"name": "", "keypoints": keypoints, "scores": keypoints[..., 0], "layout": "coco17", **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layout": "ntu25"}, r"has key-points \(1, 5, 17, 2\); \[M, F, 25, 2 or 3\] is a recording of ntu25"),
        ({"scores": np.ones((1, 5, 16), np.float32)}, r"has scores \(1, 5, 16\)"),
        ({"scores": np.full((1, 5, 17), 2, np.float32)}, "has scores from 2.0 to 2.0"),
        ({"scores": np.full((1, 5, 17), np.nan, np.float32)}, "has scores from nan to nan"),
        ({"scores": np.zeros((1, 5, 17), np.float32)}, "has no joint with a score above 0"),
        ({"keypoints": np.full((1, 5, 17, 2), np.inf, np.float32)}, "coordinates that are not finite"),
        ({"frame_labels": np.zeros(4, np.uint8)}, r"has frame labels \(4,\)"),
    ],
)
def test_recordings_of_other_packages_are_checked(fields, message):
    check_recording(good_recording(), Path("file"))
    with pytest.raises(FormatError, match=message):
        check_recording(good_recording(**fields), Path("file"))


def test_a_format_is_registered_once(toy):
    assert registry.format_of(Path("a.toy")).name == "toy" and registry.format_of(Path("a.unheard")) is None
    with pytest.raises(ValueError, match="format 'toy' is already registered"):
        register_format("toy", "another", (".toy2",))
    with pytest.raises(ValueError, match="neither suffixes nor recognises"):
        register_format("lost", "nowhere")
