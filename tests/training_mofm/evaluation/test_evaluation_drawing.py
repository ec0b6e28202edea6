"""What is taken for what, and how trainings went, as files and pictures."""

import json

import numpy as np
import pytest
from scripts import mofm

from training_mofm.evaluation.drawing import draw_confusion, draw_curves, read_confusion, write_confusion


def test_folds_are_added_up_and_drawn(tmp_path):
    for name, counts in {"one": [[3, 1], [0, 2]], "two": [[1, 0], [2, 2]]}.items():
        (tmp_path / name).mkdir()
        write_confusion(tmp_path / name, ["walk", "run"], np.array(counts))
    classes, counts = read_confusion(tmp_path)
    assert classes == ["walk", "run"] and counts.tolist() == [[4, 1], [2, 4]]
    axes = draw_confusion(classes, counts).axes[0]
    assert axes.get_title() == "11 recordings, 72.7% rightly named"
    assert axes.images[0].get_array().tolist() == [[4 / 5, 1 / 5], [2 / 6, 4 / 6]]  # shares of a true class
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {
        ((0, 0), "4"),
        ((1, 0), "1"),
        ((0, 1), "2"),
        ((1, 1), "4"),
    }
    assert [label.get_text() for label in axes.get_yticklabels()] == classes


def test_folds_of_other_classes_and_folders_without_any_are_refused(tmp_path):
    write_confusion(tmp_path, ["walk", "run"], [[1, 0], [0, 1]])
    (tmp_path / "fold").mkdir()
    write_confusion(tmp_path / "fold", ["walk", "jump"], [[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="classes .*'jump'.*draw them one by one"):
        read_confusion(tmp_path)
    result = mofm("draw", "--confusion", tmp_path / "no", "--output", tmp_path / "out.png")
    assert result.returncode == 1 and "confusion.json" in result.stderr and not (tmp_path / "out.png").exists()


def test_the_newest_log_is_drawn(tmp_path):
    for step in (2, 4):
        (tmp_path / f"checkpoint-{step}").mkdir()
        log = [{"step": number, "loss": 1 / number, "epoch": 1.0} for number in range(1, step + 1)]
        log.append({"step": step, "train_runtime": 3.0, "eval_ssim": 0.5})
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps({"log_history": log}))
    panels = {axes.get_title(): axes for axes in draw_curves([tmp_path]).axes}
    assert set(panels) == {"loss", "eval ssim"}
    assert panels["loss"].lines[0].get_xdata().tolist() == [1, 2, 3, 4]
    assert panels["loss"].lines[0].get_ydata() == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    with pytest.raises(FileNotFoundError, match="has no log of a training"):
        draw_curves([tmp_path / "checkpoint-2" / "nothing"])
