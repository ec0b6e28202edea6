"""Exported graphs answer as the pipelines do, for any batch, people and frames, and are refused where they cannot."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from clips import TINY_GEOMETRY, TINY_SIZES, make_clips
from scripts import mofm
from transformers import pipeline

from modeling_mofm import MoFMConfig, MoFMForAnomalyDetection, MoFMForSequenceClassification, MoFMModel
from modeling_mofm.export import (
    example_clips,
    export_graph,
    load_graph,
)
from modeling_mofm.fitting import fit_into_map
from motion_data.keypoints import normalise_clip
from tokenization_mofm import DVEDConfig, DVEDModel, MoFMFeatureExtractor, MoFMTokenizer

SIZES = {**TINY_SIZES, "num_hidden_layers": 1}  # writing ONNX takes seconds a layer
LABELS = {0: "sit", 1: "walk", 2: "fall"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder with a dVED, a fitted detector and a head for three actions."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("exported")
    tokenizer = MoFMTokenizer(DVEDModel(DVEDConfig(**TINY_GEOMETRY, hidden_size=32, codebook_size=16, code_size=8)))
    tokenizer.save_pretrained(path)
    watched = {"anomaly_score": "combined", "event_threshold": 2.5}
    config = MoFMConfig(**TINY_GEOMETRY, **SIZES, codebook_size=16, id2label=LABELS, **watched)
    detector = MoFMForAnomalyDetection(config).eval()
    keypoints, scores = make_clips(8)
    words = tokenizer.dved.encode(keypoints, scores).input_ids
    detector.fit_reference({"keypoints": keypoints, "scores": scores, "input_ids": words})
    detector.save_pretrained(path)
    options = {"cube_embedding": "frames", "ignored_keypoints": [1, 2], "center_frames": True}
    options |= {"classifier_part_size": 3, "classifier_slice_size": 5, "classifier_motion_size": 4}
    config = MoFMConfig(**TINY_GEOMETRY, **SIZES, codebook_size=16, id2label=LABELS, **options)
    MoFMForSequenceClassification(config).save_pretrained(path / "actions")
    return path


def run(file, keypoints, scores):
    session = onnxruntime.InferenceSession(file)
    names = [output.name for output in session.get_outputs()]
    feed = {"keypoints": keypoints.numpy(), "scores": scores.numpy()}
    notes = session.get_modelmeta().custom_metadata_map
    return dict(zip(names, session.run(None, feed), strict=True)), {k: json.loads(v) for k, v in notes.items()}


def test_people_are_fitted_as_the_extractor_does():
    generator = np.random.default_rng(0)
    keypoints = generator.normal(300, 60, (6, 1, 17, 2)) + generator.normal(0, 4, (6, 20, 17, 2)).cumsum(1)
    scores = np.where(generator.random((6, 20, 17)) < 0.2, 0, generator.uniform(0.5, 1, (6, 20, 17)))
    keypoints[0, 7, 3], scores[0, 7, 3] = 4000, 0.1  # one wild joint that hardly anything speaks for
    scores[1] = 0  # nobody
    scores[2, 5:] = 0  # too short to tell
    scores[3, :, 1:] = 0  # never two joints at once
    scores[4], scores[4, 6, 2] = 0, 1  # one point
    keypoints = keypoints.astype(np.float32)
    expected = normalise_clip(keypoints, scores)
    assert expected[0, 7, 3, 0] > 72  # the wild joint is outside the map, and the person is not shrunk
    found = fit_into_map(torch.from_numpy(keypoints), torch.from_numpy(scores).float(), 72, 0.9)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)
    scenes, seen = keypoints.reshape(2, 3, 20, 17, 2), scores.reshape(2, 3, 20, 17)
    found = fit_into_map(torch.from_numpy(scenes), torch.from_numpy(seen).float(), 72, shared_box=True)
    np.testing.assert_allclose(found.numpy(), normalise_clip(scenes, seen, shared_box=True), atol=1e-3)
    keypoints[0, 7, 3] = keypoints[0, 6, 3]
    expected = normalise_clip(keypoints, scores, center_frames=True)
    found = fit_into_map(torch.from_numpy(keypoints), torch.from_numpy(scores).float(), 72, 0.9, center_frames=True)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


@pytest.fixture(scope="module")
def actions(folder):
    """The graph of actions, and the program that it was written as."""
    graph = load_graph("classification", str(folder / "actions"))
    export_graph(graph, folder / "actions.pt2")
    return graph, torch.export.load(folder / "actions.pt2")


def test_actions_as_a_program_are_those_of_the_pipeline(folder, actions):
    graph, program = actions
    assert graph.notes["labels"] == list(LABELS.values())
    recognise = pipeline("motion-classification", model=str(folder / "actions"))
    for shape in ((1, 1, 8), (4, 2, 31)):
        keypoints, scores = example_clips(*shape, seed=3)
        (probabilities,) = program.module()(keypoints, scores)
        for clip, marks, answer in zip(keypoints, scores, probabilities.tolist(), strict=True):
            found = dict(zip(graph.notes["labels"], answer, strict=True))
            expected = recognise({"keypoints": clip.numpy(), "scores": marks.numpy()}, top_k=None)
            assert found == pytest.approx({one["label"]: one["score"] for one in expected}, abs=1e-5)


@torch.no_grad()
def test_anomalies_are_those_of_the_model(folder):
    graph = load_graph("anomaly", str(folder))
    keypoints, scores = example_clips(2, 3, 8, seed=5)
    scores[0, 2] = 0
    found = dict(zip(graph.outputs, graph(keypoints, scores), strict=True))
    tokenizer = MoFMTokenizer.from_pretrained(folder)
    expected = graph.model(**tokenizer(list(keypoints.numpy()), list(scores.numpy())))
    for name in ("anomaly_score", "joint_score"):
        torch.testing.assert_close(found[name], getattr(expected, name), rtol=1e-4, atol=1e-4, equal_nan=True)
    assert found["anomaly_score"].isnan().tolist() == [[False, False, True], [False] * 3]
    assert graph.notes["event_threshold"] == 2.5
    assert graph.notes["window_seconds"] == graph.model.config.window_seconds


def test_a_detector_that_was_not_fitted_is_not_exported(folder, tmp_path):
    tokenizer = MoFMTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(tmp_path)
    config = MoFMConfig.from_pretrained(folder, reference_size=0)
    MoFMForSequenceClassification(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="has no weights of lm_head; train it with run/finetune.py --task anomaly"):
        load_graph("anomaly", str(tmp_path))
    MoFMForAnomalyDetection(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="the model has no reference of normal motion"):
        load_graph("anomaly", str(tmp_path))


@torch.no_grad()
def test_features_are_those_of_the_pipeline(folder):
    graph = load_graph("features", str(folder))
    keypoints, scores = example_clips(1, 2, 20)
    found = dict(zip(graph.outputs, graph(keypoints, scores), strict=True))
    embed = pipeline("motion-feature-extraction", model=str(folder))
    expected = embed({"keypoints": keypoints[0].numpy(), "scores": scores[0].numpy()})
    for name, values in found.items():
        np.testing.assert_allclose(values[0].numpy(), expected[name], atol=1e-5)


def test_onnxruntime_puts_people_into_the_middle_of_each_frame(tmp_path):
    class Centred(torch.nn.Module):  # what embeddings that are read both ways have inside
        def forward(self, keypoints, scores):
            return fit_into_map(keypoints, scores, 24, center_frames=True)

    keypoints, scores = torch.randn(2, 12, 17, 2), torch.rand(2, 12, 17)
    scores[0, 3:6, 5] = 0
    program = torch.onnx.export(Centred().eval(), (keypoints, scores), dynamo=True, verbose=False)
    program.save(tmp_path / "centred.onnx")
    (found,) = run(tmp_path / "centred.onnx", keypoints, scores)[0].values()
    np.testing.assert_allclose(found, Centred()(keypoints, scores).numpy(), atol=1e-4)


def test_words_in_onnx_are_those_of_the_tokenizer(folder, tmp_path):
    found = mofm("export", "--model", folder, "--task", "words", "--output", tmp_path / "words.onnx")
    assert found.returncode == 0 and "MB, within" in found.stdout, found.stderr
    assert "arning" not in found.stderr and "torchvision" not in found.stderr, "nothing that users need not know"
    keypoints, scores = example_clips(3, 1, 12, seed=2)
    outputs, notes = run(tmp_path / "words.onnx", keypoints, scores)
    expected = MoFMTokenizer.from_pretrained(folder)(list(keypoints.numpy()), list(scores.numpy())).input_ids
    assert np.array_equal(outputs["input_ids"], expected.numpy()) and (expected != 16).any()
    assert notes["joints"][0] == "nose"


def test_eight_bits_hold_the_matrices_of_an_encoder_that_reads_both_ways(tmp_path):
    wide = {**SIZES, "hidden_size": 96, "intermediate_size": 192}  # smaller ones are transposed at once
    config = MoFMConfig(**TINY_GEOMETRY, **wide, embed_centered=True)
    MoFMModel(config).save_pretrained(tmp_path)
    MoFMFeatureExtractor(num_frames=8, heatmap_size=24).save_pretrained(tmp_path)
    graph = load_graph("features", str(tmp_path))
    difference = export_graph(graph, tmp_path / "small.onnx", int8=True)
    stored = onnx.load(tmp_path / "small.onnx").graph.initializer
    matrices = [weight for weight in stored if len(weight.dims) == 2 and min(weight.dims) >= config.hidden_size]
    assert len(matrices) == 6 and all(weight.data_type == onnx.TensorProto.INT8 for weight in matrices)
    assert 0 < difference < 0.1


def test_what_cannot_be_exported_is_refused_and_what_is_there_stays(folder, actions, tmp_path, monkeypatch):
    old = tmp_path / "old.pt2"
    old.write_text("kept")
    graph, program = actions
    with pytest.raises(ValueError, match="output must end in one of .onnx, .pt2, got 'old.bin'"):
        export_graph(graph, tmp_path / "old.bin")
    words = load_graph("words", str(folder))
    with pytest.raises(ValueError, match="int8 is for .onnx files of actions and features, got 'a.onnx' of input_ids"):
        export_graph(words, tmp_path / "a.onnx", int8=True)
    monkeypatch.setattr("torch.export.export", lambda *_, **__: program)
    monkeypatch.setattr("modeling_mofm.export._difference", lambda *_: 0.3)
    with pytest.raises(ValueError, match="old.pt2 would differ from the model by 3.0e-01"):
        export_graph(graph, old)
    assert old.read_text() == "kept" and [file.name for file in tmp_path.iterdir()] == ["old.pt2"]
    with pytest.raises(ValueError, match="has no weights of the classifier"):
        load_graph("classification", str(folder))
    with pytest.raises(ValueError, match="task must be one of classification, anomaly, features, words, got 'walk'"):
        load_graph("walk", str(folder))
