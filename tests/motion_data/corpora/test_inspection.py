"""What an inspection counts, which problems it names, and that the sheet can be read."""

import base64
import io
import re

import numpy as np
import pytest
from datasets import Dataset

from motion_data.corpora.inspect import inspect_corpus, row_problems, write_sheet
from motion_data.schema import encode_row, motion_features

pytest.importorskip("matplotlib")


def make_row(seed=0, frames=30, people=1, **columns):
    generator = np.random.default_rng(seed)
    body = np.stack([np.resize([40.0, 55.0], 17), np.linspace(10, 90, 17)], -1)  # upright
    keypoints = (body + generator.uniform(0, 2, (people, frames, 17, 2))).astype(np.float32)
    scores = np.full(keypoints.shape[:3], 0.55, np.float32)
    return encode_row(
        keypoints, scores, "coco17", **{"fps": 30.0, "frame_size": [100, 100], "source": f"clip {seed}", **columns}
    )


def with_values(row, **values):
    """Change `keypoints` [1, F, 17, 2] or `scores` of a row by functions."""
    shapes = {"keypoints": (1, -1, 17, 2), "scores": (1, -1, 17)}
    for name, change in values.items():
        array = row[name].reshape(shapes[name]).copy()
        change(array)
        row[name] = array.reshape(-1)
    return row


def clear(part):
    def change(array):
        array[part] = 0

    return change


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (make_row(frames=8), "shorter than 12 frames"),
        (with_values(make_row(), scores=clear(...)), "no joint is present"),
        (with_values(make_row(), scores=clear(np.s_[:, :, :9])), "more than half of the joints missing"),
        (with_values(make_row(), scores=clear(np.s_[:, :16])), "nobody is present in more than half"),
        (with_values(make_row(), keypoints=clear(...)), "nothing moves"),
        (make_row(frame_size=[50, 100]), "outside the picture"),
        (make_row(fps=0.0), "the frame rate is unknown"),
    ],
)
def test_problems_are_named(row, problem):
    assert row_problems(make_row(), {}) == []
    problems = row_problems(row, {})
    assert len(problems) == 1 and problem in problems[0]


def test_duplicates_are_found():
    seen = {}
    assert row_problems(make_row(1), seen) == [] == row_problems(make_row(2), seen)
    assert row_problems(make_row(1), seen) == ["the same key-points as another clip"]


def test_counts_are_those_of_the_rows():
    rows = [make_row(seed, 10 + 30 * seed, 1 + seed % 2, label=seed % 2) for seed in range(6)]
    with_values(rows[2], scores=clear(np.s_[:, :, 1]))
    train = Dataset.from_list(rows[:4], features=motion_features(["sit", "stand"]))
    test = Dataset.from_list(rows[4:], features=motion_features(["sit", "stand"]))
    found = inspect_corpus({"train": train, "test": test}, num_samples=4)
    statistics = found.statistics
    assert statistics.clips == {"train": 4, "test": 2} and statistics.frames == {"train": 220, "test": 290}
    assert statistics.labels == {"sit": 3, "stand": 3} and statistics.people == {"1": 3, "2": 3}
    assert statistics.person_frames == 10 + 2 * 40 + 70 + 2 * 100 + 130 + 2 * 160
    assert statistics.missing["left_eye"] == pytest.approx(70 / statistics.person_frames)
    assert statistics.scores[5] == sum(statistics.scores) == 17 * statistics.person_frames - 70
    assert statistics.lengths == [1, 0, 1, 1, 3, 0, 0, 0]
    assert found.problems == {"shorter than 12 frames": 1} and found.examples["shorter than 12 frames"] == "clip 0"
    assert len(found.samples) == 4 and {row["label"] for row in found.samples} <= {"sit", "stand"}


def test_doubts_about_bodies_are_problems():
    row = with_values(make_row(), keypoints=lambda array: array.__setitem__(np.s_[:, 10:], array[:, 10:] + 900))
    found = inspect_corpus({"test": Dataset.from_list([row], features=motion_features())}, num_samples=0)
    assert found.problems == {
        "bodies jump from frame to frame": 1,
        "more than a tenth of the joints lie outside the picture": 1,
    }
    assert found.examples["bodies jump from frame to frame"] == "clip 0 (frame 10)"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (with_values(make_row(), scores=clear(...)), "no joint is present"),
        (make_row(fps=0.001), "no camera has this frame rate"),
        (with_values(make_row(), keypoints=lambda array: array.fill(np.nan)), "no joint is present"),
        (with_values(make_row(), keypoints=lambda array: array.__setitem__((0, 3, 4), np.nan)), "are not finite"),
    ],
)
def test_damaged_rows_are_drawn_and_named(row, problem, tmp_path):
    found = inspect_corpus({"test": Dataset.from_list([row], features=motion_features())})
    assert any(problem in name for name in found.problems)
    write_sheet(found, tmp_path / "sheet.html", "damaged")


def test_the_sheet_holds_pictures_and_escapes_names(tmp_path):
    from PIL import Image

    rows = [make_row(seed, source=f"<b>{seed}</b>", label=-1) for seed in range(2)]
    world = np.random.default_rng(0).uniform(-0.5, 1.5, (1, 30, 17, 3)).astype(np.float32)
    rows.append(encode_row(world, np.ones(world.shape[:3], np.float32), "coco17", fps=30.0, source="world"))
    found = inspect_corpus({"train": Dataset.from_list(rows, features=motion_features())}, num_samples=3)
    write_sheet(found, tmp_path / "sheet.html", "a <corpus>")
    page = (tmp_path / "sheet.html").read_text()
    assert "a &lt;corpus&gt;" in page and "&lt;b&gt;1&lt;/b&gt;" in page and "<b>1</b>" not in page
    assert "there is no test split" in page
    pictures = re.findall(r"data:image/(png|gif);base64,([^\"]+)", page)
    assert [kind for kind, _ in pictures] == ["png"] * 4 + ["gif"]
    for kind, data in pictures:
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        assert np.asarray(picture.convert("L")).std() > 1
        assert getattr(picture, "n_frames", 1) == (30 if kind == "gif" else 1)
