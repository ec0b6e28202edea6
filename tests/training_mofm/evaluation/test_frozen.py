"""Figures of frozen features, against the slow formula; the trivial answers beside them; and what is kept."""

import json

import numpy as np
import pytest
import torch
from clips import TINY_GEOMETRY
from datasets import Dataset
from scripts import mofm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from modeling_mofm import MoFMConfig, MoFMModel
from motion_data.schema import encode_row, motion_features
from tokenization_mofm import MoFMFeatureExtractor
from training_mofm.evaluation.frozen import Encoder, RawPoses, measure, read_features
from training_mofm.evaluation.protocols import Fold, OneShotFold, Protocol
from training_mofm.evaluation.tables import TaskFigures
from training_mofm.row_digests import row_digests
from training_mofm.seen_rows import record_rows

SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def tiny_model(seed=0):
    torch.manual_seed(seed)
    return MoFMModel(MoFMConfig(**TINY_GEOMETRY, **SIZES, codebook_size=32)).eval()


def make_corpus(n=24, people=1):
    """Three classes: an arm that rises by 0, 20 or 40 pixels in a clip."""
    generator = np.random.default_rng(0)
    body = generator.uniform(0, 60, (17, 2)) + [0, 20]
    rows = []
    for i in range(n):
        clip = np.tile(body, (people, 20, 1, 1)) + generator.normal(0, 0.5, (people, 20, 17, 2))
        clip[:, :, 9, 1] += np.linspace(0, 20 * (i % 3), 20)
        columns = {"label": i % 3, "subject": i % 4, "source": f"{i}", "recording": f"{i}"}
        rows.append(encode_row(clip, np.ones(clip.shape[:3]), "coco17", **columns))
    return Dataset.from_list(rows, features=motion_features(["low", "middle", "high"]))


def test_embeddings_are_parts_of_people():
    model = tiny_model()
    keypoints = torch.rand(2, 3, 8, 17, 2) * 20
    scores = torch.ones(2, 3, 8, 17)
    scores[0, 1] = 0
    scores[1, 2, :4, 5] = 0
    found = model.get_embeddings(keypoints, scores)
    assert found.parts.shape == (2, 3, 2, 17, 24) and found.present.shape == (2, 3, 2, 17)
    assert not found.present[0, 1].any() and not found.present[1, 2, 0, 5] and found.present[1, 2, 1, 5]
    assert (found.parts[~found.present] == 0).all() and (found.parts[found.present] != 0).any(-1).all()
    alone = model.get_embeddings(keypoints[1, 2:3], scores[1, 2:3])
    torch.testing.assert_close(alone.parts[0], found.parts[1, 2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.over_people().parts[0], (found.parts[0, 0] + found.parts[0, 2]) / 2)
    torch.testing.assert_close(found.joints[1, 2, 5], found.parts[1, 2, 1, 5])  # from the one slice with it
    torch.testing.assert_close(found.slices[1, 0], found.parts[1, 0].mean(1))
    torch.testing.assert_close(found.vectors.norm(dim=-1)[1], torch.ones(3))


def test_layers_are_chosen():
    model = tiny_model()
    keypoints, scores = torch.rand(2, 8, 17, 2) * 20, torch.ones(2, 8, 17)
    last, first = (model.get_embeddings(keypoints, scores, layers=layer).parts for layer in (-1, 1))
    torch.testing.assert_close(model.get_embeddings(keypoints, scores, layers=2).parts, last)
    torch.testing.assert_close(model.get_embeddings(keypoints, scores, layers=(1, 2)).parts, (first + last) / 2)
    assert not torch.allclose(first, last)
    with pytest.raises(ValueError, match=r"layers must be from 0 \(the embedded cubes\) to 2, or -1 .*, got 3"):
        model.get_embeddings(keypoints, scores, layers=3)


def test_features_are_kept_by_reader_and_corpus(tmp_path):
    corpus = make_corpus()
    first, second = Encoder("a", tiny_model(0)), Encoder("b", tiny_model(1))
    features = read_features(first, corpus, tmp_path)
    assert features.shape == (24, 2 * 17 * 24)
    (kept,) = tmp_path.iterdir()
    np.save(kept, features + 1)  # shows that it is read
    assert np.array_equal(read_features(Encoder("a", tiny_model(0)), corpus, tmp_path), features + 1)
    other = read_features(
        Encoder("a", tiny_model(0), layers=(0, 1)), corpus, tmp_path
    )  # not what was kept of the last
    assert other.shape == features.shape and not np.allclose(other, features) and not np.allclose(other, features + 1)
    assert not np.array_equal(read_features(second, corpus, tmp_path), features + 1)
    part = read_features(first, corpus.select([3]), tmp_path)
    np.testing.assert_allclose(part[0], features[3], rtol=1e-3, atol=1e-5)


def folds(task, corpus):
    labels = np.asarray(corpus["label"][:])
    rows = np.arange(len(corpus))
    learn, ask = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    if task == "one-shot":
        novel = labels == 2
        exemplar = np.flatnonzero(novel)[:1]
        other = np.flatnonzero(labels == 1)
        queries = np.setdiff1d(np.concatenate([np.flatnonzero(novel), other[1:]]), exemplar)
        return OneShotFold("f", np.flatnonzero(labels == 0), np.concatenate([exemplar, other[:1]]), queries)
    if task == "classification":
        return Fold("f", learn, ask)
    normal = labels == 0
    if task == "anomaly":
        return Fold("f", learn[normal[learn]], ask, ~normal[ask])
    return Fold("f", learn, ask, ~normal[ask], ~normal[learn])


def slow_figure(task, method, fold, x, labels):
    if task == "one-shot":
        mean, std = x[fold.auxiliary].mean(0), x[fold.auxiliary].std(0)
        x = (x - mean) / np.where(std > 0, std, 1)
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        right = [
            labels[fold.exemplars][np.argmax([x[q] @ x[e] for e in fold.exemplars])] == labels[q] for q in fold.queries
        ]
        return np.mean(right)
    if method == "majority":
        return np.mean(labels[fold.test] == np.bincount(labels[fold.train]).argmax())
    if task == "anomaly":
        near = [np.sort(np.linalg.norm(x[fold.train] - x[q], axis=1))[:3].mean() for q in fold.test]
        return roc_auc_score(fold.anomalous, near)
    scale = StandardScaler().fit(x[fold.train])
    x = scale.transform(x)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    if method == "1-NN":
        near = [labels[fold.train][np.argmax(unit[fold.train] @ unit[q])] for q in fold.test]
        return np.mean(labels[fold.test] == near)
    targets = labels[fold.train] if task == "classification" else fold.train_anomalous
    probe = LogisticRegression(C=0.1, max_iter=5000, tol=1e-8).fit(x[fold.train], targets)
    if task == "classification":
        return probe.score(x[fold.test], labels[fold.test])
    return roc_auc_score(fold.anomalous, probe.decision_function(x[fold.test]))


@pytest.mark.parametrize("task", ["classification", "one-shot", "anomaly", "supervised-anomaly"])
def test_figures_are_those_of_the_slow_formula(task):
    corpus = make_corpus(96)
    labels = np.asarray(corpus["label"][:])
    reader = RawPoses(MoFMFeatureExtractor.for_config(tiny_model().config))
    features = read_features(reader, corpus)
    fold = folds(task, corpus)
    rows = measure(Protocol("p", task, corpus, (fold,)), "raw poses", features)
    for row in rows:
        assert row.figure.value == pytest.approx(slow_figure(task, row.method, fold, features, labels), abs=1e-6)
    assert rows[0].figure.value > 0.6 and 0 < rows[0].figure.std < 0.2
    assert [row.reader for row in rows][-1] == ("majority" if task == "classification" else "raw poses")
    shuffled = np.random.default_rng(0).permutation(features)
    assert measure(Protocol("p", task, corpus, (fold,)), "x", shuffled)[0].figure.value < rows[0].figure.value


def test_the_same_motion_done_farther_is_an_anomaly():
    corpus = make_corpus(40)
    normal = np.random.default_rng(0).normal(0, 1, (40, 3))
    normal[30:] *= 20  # in the same directions from the mean, and far away
    fold = Fold("f", np.arange(20), np.arange(20, 40), np.arange(20, 40) >= 30)
    (row,) = measure(Protocol("p", "anomaly", corpus, (fold,)), "x", normal.astype(np.float32))
    assert row.figure.value > 0.95


def protocols_of(corpus):
    names = [str(i) for i in range(12)]
    fold = {"name": "one", "learn": {"recording": "learn"}, "ask": {"not": {"recording": "learn"}}}
    normal = {**fold, "normal": {"label": ["low"]}}
    return {
        "lists": {"learn": names},
        "protocols": {
            "set/classification": {"task": "classification", "folds": [fold]},
            "set/anomaly": {"task": "anomaly", "folds": [normal]},
        },
    }


def test_the_command_gives_a_table_and_json_and_asks_nothing_that_was_seen(tmp_path):
    corpus = make_corpus()
    (tmp_path / "set" / "data").mkdir(parents=True)
    corpus.to_parquet(tmp_path / "set" / "data" / "test-00000-of-00001.parquet")
    (tmp_path / "set" / "protocols.json").write_text(json.dumps(protocols_of(corpus)))
    tiny_model().save_pretrained(tmp_path / "model")

    def run(*options):
        return mofm("evaluate", "--model", tmp_path / "model", "--dataset", tmp_path / "set", *options)

    result = run("--output", str(tmp_path / "out"), "--random", "2")
    assert result.returncode == 0, result.stderr
    assert "which rows the model was trained on is unknown" in result.stderr
    table = [line for line in result.stdout.splitlines() if line.startswith("| set/")]
    assert len(table) == 4 and result.stdout.splitlines()[0].count("|") == 8
    rows = json.loads((tmp_path / "out" / "figures.json").read_text())["rows"]
    assert {row["reader"] for row in rows} == {
        "model",
        "random weights",
        "raw poses",
        "raw poses, centred",
        "majority",
    }
    assert {row["figure"]["count"] for row in rows if row["reader"] == "random weights"} == {2}

    def said(*wanted):
        return list(TaskFigures(str(tmp_path / "model"), tiny_model()).add(str(tmp_path / "set"), wanted))

    record_rows(tmp_path / "model", row_digests(corpus.select(range(12, 18))))
    assert said("classification") == ["set/classification: 6 test rows are left out, on which the model was trained"]
    record_rows(tmp_path / "model", row_digests(corpus))
    assert said("set/anomaly")[-1] == "set/anomaly: nothing is left to ask"
    with pytest.raises(ValueError, match="no protocol of .* is wanted; it has set/classification, set/anomaly"):
        said("set/other")


def test_several_random_encoders_are_one_row(tmp_path):
    with pytest.raises(ValueError, match="num_random must be 0 or more, got -1"):
        TaskFigures("m", tiny_model(), -1)
