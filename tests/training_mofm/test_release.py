"""One folder for all heads: each class takes its own, without a warning, and files that changed are found."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
from clips import make_clips
from transformers import AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification, pipeline

from modeling_mofm import MoFMConfig, MoFMForAnomalyDetection, MoFMForMaskedMotionModeling
from modeling_mofm.shipped import check_files
from motion_data.corpora.load import load_corpus
from motion_data.schema import decode_row
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMTokenizer
from training_mofm.release import ReleaseArguments, release

GEOMETRY = {"num_frames": 8, "heatmap_size": 24, "cube_size": (4, 6, 6), "codebook_size": 32}
SIZES = {"hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 72}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("pretrained")
    config = MoFMConfig(**GEOMETRY, **SIZES, coordinate_loss_weight=1.0, view_loss_weight=1.0, view_size=16)
    MoFMForMaskedMotionModeling(config).save_pretrained(folder)
    MoFMTokenizer(DVEDModel(DVEDConfig(**GEOMETRY, hidden_size=16))).save_pretrained(folder)
    (folder / "training_rows.json").write_text(json.dumps({"rows": ["a row"]}))
    return str(folder)


@pytest.fixture(scope="module")
def released(pretrained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("released") / "mofm"
    options = ReleaseArguments(
        pretrained, str(folder), ["synthetic"], ["run=jog"], rows_per_class=4, views=2, reference_size=20
    )
    counts = release(options)
    assert counts == {"clips": 12 * 4 * 2, "actions": 12, "normal windows": 20}
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
    assert not [record for record in caplog.records if "anomaly_head" not in record.getMessage()]
    for auto, (model, facts) in loaded.items():
        assert not facts["missing_keys"] and not facts["unexpected_keys"], auto
        encoder = getattr(model, "mofm", model).state_dict()
        assert all(torch.equal(encoder[name], value) for name, value in before.items())
    assert set(info["missing_keys"]) == {"anomaly_head.weight", "anomaly_head.bias"}
    assert detector.reference.parts.shape[0] == 20 and detector.reference.nll_std > 0
    model = loaded[AutoModelForPreTraining][0]
    clips = make_clips(2)
    assert model(*clips).logits.shape == (2, 32, 32) and model.view_projector is None


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
        ({"rename": ["fly=walk"]}, r"\['fly'\] are classes of no corpus"),
        ({"normal": ["sleep"]}, r"\['sleep'\] are classes of no corpus"),
    ],
)
def test_wrong_options_are_refused_before_any_work(options, message, pretrained, tmp_path):
    with pytest.raises(ValueError, match=message):
        release(ReleaseArguments(pretrained, str(tmp_path / "out"), ["synthetic"], **options))
    assert not (tmp_path / "out").exists()
