"""One folder for all heads: each class takes its own, without a warning, and files that changed are found."""

import json
import logging
import re
import shutil

import numpy as np
import pytest
import torch
from clips import TINY_SIZES, make_clips
from safetensors.torch import load_file
from scripts import mofm
from transformers import AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification, pipeline

from modeling_mofm import MoFMConfig, MoFMForAnomalyDetection, MoFMForMaskedMotionModeling
from modeling_mofm.modeling_mofm import NotFittedError
from modeling_mofm.shipped import check_files, shipped_clips
from modeling_mofm.watching import load_watchers, watch
from motion_data.corpora.load import load_corpus
from motion_data.rows import decode_row
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer
from training_mofm.actions import ClassificationArguments, make_classifier
from training_mofm.release import ReleaseArguments, release

GEOMETRY = {"num_frames": 8, "heatmap_size": 24, "cube_size": (4, 6, 6), "codebook_size": 32}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("pretrained")
    objectives = {"teacher_loss_weight": 1.0, "coordinate_loss_weight": 1.0, "view_loss_weight": 1.0, "view_size": 16}
    objectives |= {"action_loss_weight": 1.0, "action_names": ["a", "b"]}
    config = MoFMConfig(**GEOMETRY, **TINY_SIZES, **objectives)
    MoFMForMaskedMotionModeling(config).save_pretrained(folder)
    MoFMTokenizer(DVEDModel(DVEDConfig(**GEOMETRY, hidden_size=16))).save_pretrained(folder)
    (folder / "training_rows.json").write_text(json.dumps({"rows": ["a row"]}))
    return str(folder)


@pytest.fixture(scope="module")
def released(pretrained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("released") / "mofm"
    options = ReleaseArguments(
        pretrained,
        str(folder),
        ["synthetic"],
        ["run=jog"],
        rows_per_class=4,
        views=2,
        reference_size=20,
        embed_centered=True,
    )
    counts = release(options)
    assert counts == {"clips": 12 * 4 * 2, "actions": 12, "normal windows": 20}
    assert [file.name for file in folder.parent.iterdir()] == ["mofm"]
    with pytest.raises(FileExistsError, match="output_dir .* is not empty; name a new folder"):
        release(options)
    return str(folder)


def test_each_class_takes_its_own_without_a_warning(pretrained, released, caplog):
    before = AutoModel.from_pretrained(pretrained).state_dict()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        loaded = {
            auto: auto.from_pretrained(released, output_loading_info=True)
            for auto in (AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification)
        }
        detector, info = MoFMForAnomalyDetection.from_pretrained(released, output_loading_info=True)
    assert not caplog.records
    for auto, (model, facts) in loaded.items():
        assert not facts["missing_keys"] and not facts["unexpected_keys"], auto
        encoder = getattr(model, "mofm", model).state_dict()
        assert all(torch.equal(encoder[name], value.half().float()) for name, value in before.items())
        assert model.dtype == torch.float32
    assert not info["missing_keys"] and detector.new_parts == {"anomaly_head"}
    assert detector.reference.parts.shape[0] == 20 and detector.reference.nll_std > 0
    assert detector.reference.parts.dtype == torch.float32
    seen = (detector.reference.scores > 0).any(1)  # clips, key-points
    legs, hips = seen[:, 13:].any(1), seen[:, 11:13].any(1)
    assert legs.any() and (hips & ~legs).any() and (~hips).any(), "whole bodies, from the hips up, and without hips"
    stored = load_file(f"{released}/model.safetensors")
    assert {values.dtype for values in stored.values()} == {torch.float16}
    assert not [name for name in stored if name.split(".")[0] in ("view_projector", "teacher_head", "action_head")]
    tokenizer = MoFMTokenizer.from_pretrained(released)
    assert tokenizer.fingerprint == detector.config.words and tokenizer.dved.dtype == torch.float32
    model = loaded[AutoModelForPreTraining][0]
    clips = make_clips(2)
    assert model(*clips).logits.shape == (2, 32, 32) and model.view_projector is None
    width = loaded[AutoModel][0].get_embeddings(*clips).parts.shape[-1]
    assert width == 2 * detector.config.hidden_size  # embeddings read clips twice, as was asked


def test_pipelines_of_the_folder_answer(released):
    keypoints, scores = decode_row(load_corpus("synthetic", "test")[0])
    clip = {"keypoints": keypoints, "scores": scores, "fps": 30.0}
    answer = pipeline("motion-classification", model=released, device="cpu")(clip, top_k=None)
    assert "jog" in {entry["label"] for entry in answer} and "run" not in {entry["label"] for entry in answer}
    (watched,) = pipeline("motion-anomaly-detection", model=released, device="cpu")(clip, events=True, threshold=1.0)
    assert np.isfinite(watched["frame_scores"]).all()


def test_the_head_recognises_what_it_learnt(pretrained, released):
    """Random weights tell some actions apart; a head that was not fitted would not."""
    model = AutoModelForSequenceClassification.from_pretrained(released).eval()
    recognise = pipeline("motion-classification", model=model, device="cpu")
    corpus = load_corpus("synthetic", "train")
    rows = range(120)
    names = ["jog" if name == "run" else name for name in corpus.features["label"].names]
    given = [dict(zip(("keypoints", "scores"), decode_row(corpus[row]), strict=True)) for row in rows]
    answers = recognise(given, top_k=1, batch_size=32)
    right = [answer[0]["label"] == names[corpus[row]["label"]] for row, answer in zip(rows, answers, strict=True)]
    assert np.mean(right) > 2.5 / 12


def test_one_is_watched_by_what_a_model_was_trained_for(released, tmp_path):
    keypoints, scores = decode_row(load_corpus("synthetic", "test")[3])
    clip = {"keypoints": keypoints, "scores": scores, "fps": 30.0}
    detector = MoFMForAnomalyDetection.from_pretrained(released)
    detector.save_pretrained(tmp_path / "detector")
    MoFMTokenizer.from_pretrained(released).save_pretrained(tmp_path / "detector")
    (seen,) = watch(clip, str(tmp_path / "detector"), device="cpu")
    assert seen.actions == [] and np.isfinite(seen.scores).any() and len(seen.draw().axes) == 2
    head = make_classifier(ClassificationArguments(model=released), ["a", "b"])
    head.save_pretrained(tmp_path / "head")
    (seen,) = watch(clip, str(tmp_path / "head"), device="cpu")
    assert seen.actions[0]["label"] in ("a", "b") and seen.scores is None
    with pytest.raises(OSError, match="head' holds no tokenizer: there is no folder dved in it"):
        pipeline("motion-anomaly-detection", model=str(tmp_path / "head"), device="cpu")
    head.mofm.save_pretrained(tmp_path / "encoder")
    with pytest.raises(NotFittedError, match="encoder' has neither a head that names actions nor a reference"):
        load_watchers(str(tmp_path / "encoder"))
    asked = ["--explain", shipped_clips()[0], "--model", tmp_path / "encoder", "--output", tmp_path / "a.png"]
    refused = mofm("draw", *asked)
    assert refused.returncode == 1 and "has no weights of a head that names actions" in refused.stderr


def test_a_recording_is_watched_in_one_call(released):
    keypoints, scores = decode_row(load_corpus("synthetic", "test")[3])
    clip = {"keypoints": keypoints, "scores": scores, "fps": 30.0, "first_frame": 30, "track_ids": [7]}
    (plain,) = watch(clip, released, device="cpu")
    assert plain.actions and plain.anomalies is None and plain.scores.shape == scores.shape[:2]
    threshold = float(np.nanquantile(plain.scores, 0.5))
    (seen,) = watch(clip, released, threshold, device="cpu")
    assert seen.anomalies and len(seen.lines()) == len(seen.actions) + len(seen.anomalies)
    assert all("person 7" in line for line in seen.lines()) and "nearest normal motion" in "".join(seen.lines())
    assert json.dumps(seen.to_dict()) and seen.times[0] == 1.0
    captions, tints = seen.captions(), seen.tints()
    assert len(captions) == len(tints) == keypoints.shape[1] and set(tints) == {0.0, 1.0}
    assert seen.actions[0]["label"] in captions[0] and "anomaly" in captions[tints.index(1.0)]
    figure = seen.draw()
    assert len(figure.axes) == 3 and figure.axes[2].get_ylabel() == "anomaly score"
    clip["scores"] = np.zeros_like(scores)
    (nobody,) = watch(clip, released, device="cpu")
    assert nobody.lines() == ["nobody is in sight"]
    with pytest.raises(ValueError, match="nobody is in sight"):
        nobody.draw()


def test_the_script_writes_a_picture_a_film_and_events(released, tmp_path, caplog):
    keypoints, scores = decode_row(load_corpus("synthetic", "test")[0])
    poses = tmp_path / "walk.npy"
    np.save(poses, np.concatenate([keypoints[0], scores[0, ..., None]], -1))
    command = ["watch", poses, "--model", released, "--layout", "coco17"]
    for output, rate in (("walk.png", []), ("walk.gif", ["--fps", "30"])):
        options = ["--output", str(tmp_path / output), "--events", str(tmp_path / "events.json")]
        result = mofm(*command, *options, *rate)
        assert result.returncode == 0 and "person 0" in result.stdout, result.stderr
        assert caplog.text.count("rate is unknown") == (not rate), "said once"
        caplog.clear()
        assert (tmp_path / output).stat().st_size > 1000
    (found,) = json.loads((tmp_path / "events.json").read_text())
    assert found["actions"][0].keys() == {"person", "label", "start", "end", "score"}
    result = mofm(*command, "--output", "a.bmp")
    assert result.returncode == 2 and "must end in one of .png" in result.stderr
    command[1] = tmp_path / "gone.npy"
    result = mofm(*command)
    assert result.returncode == 1 and "gone.npy" in result.stderr and "Traceback" not in result.stderr


def test_a_threshold_is_calibrated_on_files_of_normal_motion(released, tmp_path):
    normal = tmp_path / "normal"
    normal.mkdir()
    for number in range(3):
        keypoints, scores = decode_row(load_corpus("synthetic", "test")[number])
        np.save(normal / f"{number}.npy", np.concatenate([keypoints[0], scores[0, ..., None]], -1))
    (normal / "notes.txt").write_text("nothing")
    command = [
        "calibrate",
        normal,
        "--model",
        released,
        "--layout",
        "coco17",
    ]
    command += ["--output-dir", str(tmp_path / "watch"), "--stride", "0.4", "--false-alarms-per-hour"]
    result = mofm(*command, "1")
    assert result.returncode == 1 and "false_alarms_per_hour 1 needs 3 hours" in result.stderr
    assert not (tmp_path / "watch").exists()
    result = mofm(*command, "9000")
    assert result.returncode == 0 and "notes.txt is of no known format" in result.stderr, result.stderr
    said = re.search(r"threshold (-?[\d.]+), from ([\d.]+) hours", result.stdout)
    detector = MoFMForAnomalyDetection.from_pretrained(tmp_path / "watch")
    assert detector.config.event_threshold == pytest.approx(float(said[1]), abs=1e-3)
    again = pipeline("motion-anomaly-detection", model=str(tmp_path / "watch"), device="cpu")
    (found,) = again(str(normal / "0.npy"), layout="coco17", events=True)
    assert isinstance(found["events"], list)


def test_what_was_learnt_from_is_recorded(released):
    with open(f"{released}/training_rows.json") as file:
        assert json.load(file)["rows"] == ["a row"]


def test_changed_and_missing_files_are_refused(released, tmp_path, monkeypatch):
    check_files(released)
    copy = tmp_path / "mofm"
    shutil.copytree(released, copy)
    with open(copy / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    with pytest.raises(OSError, match="model.safetensors in .* is not the file that sha256.json lists"):
        check_files(copy)
    monkeypatch.setattr("modeling_mofm.shipped.SHIPPED", copy)
    with pytest.raises(OSError, match="model.safetensors"):
        pipeline("motion-classification", model=str(copy), device="cpu")
    (copy / "dved" / "config.json").unlink()
    with pytest.raises(OSError, match="lacks dved/config.json"):
        check_files(copy)
    (copy / "sha256.json").unlink()
    check_files(copy)  # a folder of one's own needs none


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rename": ["run"]}, "rename has 'run'; it must be old=new"),
        ({"views": 0}, "views must be at least 1"),
        ({"anomaly_score": "classifier"}, "anomaly_score must be one of .*, got 'classifier'"),
        ({"rename": ["fly=walk"]}, r"\['fly'\] are classes of no corpus"),
        ({"normal": ["sleep"]}, r"\['sleep'\] are classes of no corpus"),
    ],
)
def test_wrong_options_are_refused_before_any_work(options, message, pretrained, tmp_path):
    with pytest.raises(ValueError, match=message):
        release(ReleaseArguments(pretrained, str(tmp_path / "out"), ["synthetic"], **options))
    assert not (tmp_path / "out").exists()
