"""The metrics against slow versions of their definitions, and what they refuse."""

import numpy as np
import pytest

from training_mofm.evaluation.metrics import MotionAnomalyMetric, MotionClassificationMetric, Spread, bootstrap


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def test_classification_by_counting(generator):
    scores, labels = generator.normal(size=(40, 7)), generator.integers(0, 6, 40)  # class 6 has no example
    figures = MotionClassificationMetric().compute(predictions=scores, references=labels, top_k=3)
    chosen = [int(np.argmax(row)) for row in scores]
    right = [a == b for a, b in zip(chosen, labels, strict=True)]
    assert figures["accuracy"] == pytest.approx(sum(right) / 40)
    ranks = [sorted(row, reverse=True).index(row[label]) for row, label in zip(scores, labels, strict=True)]
    assert figures["top_k_accuracy"] == pytest.approx(sum(rank < 3 for rank in ranks) / 40)
    recalls, f1 = [], []
    for label in range(6):
        hits = sum(a == b == label for a, b in zip(chosen, labels, strict=True))
        recalls.append(hits / sum(labels == label))
        f1.append(2 * hits / (sum(labels == label) + chosen.count(label)))
    assert figures["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert figures["macro_f1"] == pytest.approx(np.mean(f1))
    matrix = figures["confusion_matrix"]
    assert np.sum(matrix) == 40 and matrix[2][4] == sum(a == 2 and b == 4 for a, b in zip(labels, chosen, strict=True))


@pytest.mark.parametrize(("classes", "top_k", "expected"), [(2, 1, 0.5), (2, 5, 1.0), (3, 5, 1.0)])
def test_few_classes(classes, top_k, expected):
    scores = np.eye(classes)[[0, 0]]
    figures = MotionClassificationMetric().compute(predictions=scores, references=[0, 1], top_k=top_k)
    assert figures["top_k_accuracy"] == expected


def test_batches_add_up(generator):
    scores, labels = generator.normal(size=(30, 4)), generator.integers(0, 4, 30)
    metric = MotionClassificationMetric()
    for start in range(0, 30, 7):
        metric.add_batch(predictions=scores[start : start + 7], references=labels[start : start + 7])
    assert metric.compute() == MotionClassificationMetric().compute(predictions=scores, references=labels)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([[1, 0], [0, 1]], [0, -1], r"references are from -1 to 0; with 2 classes they must be from 0 to 1"),
        ([[1, 0], [0, 1]], [0, 2], r"references are from 0 to 2"),
        ([[1, float("nan")], [0, 1]], [0, 1], "1 predictions are not finite"),
        ([[1], [0]], [0, 0], r"predictions must be \[clips, 2 or more classes\], got \[2, 1\]"),
    ],
)
def test_classification_refuses(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        MotionClassificationMetric().compute(predictions=scores, references=labels)


def slow_curve(scores, labels):
    """Return the corners (share of normal reported, share of anomalous found), from strict to lenient."""
    corners = [(0.0, 0.0)]
    for threshold in sorted(set(scores), reverse=True):
        reported = [score >= threshold for score in scores]
        corners.append(
            tuple(np.mean([r for r, y in zip(reported, labels, strict=True) if y == kind]) for kind in (0, 1))
        )
    return corners


@pytest.mark.parametrize("decimals", [6, 1], ids=["distinct", "ties"])
@pytest.mark.parametrize("seed", range(5))
def test_anomaly_by_walking_the_curve(seed, decimals):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, 60)
    scores = np.round(generator.normal(size=60) + labels, decimals)
    figures = MotionAnomalyMetric().compute(predictions=scores, references=labels)
    pairs = [(a, b) for a in scores[labels == 1] for b in scores[labels == 0]]
    assert figures["auc_roc"] == pytest.approx(np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]))
    corners = slow_curve(scores, labels)
    fine = [
        tuple(a + share * (b - a) for a, b in zip(one, other, strict=True))
        for one, other in zip(corners, corners[1:], strict=False)
        for share in np.linspace(0, 1, 2001)
    ]
    assert figures["eer"] == pytest.approx(next(x for x, y in fine if x >= 1 - y - 1e-9), abs=1e-3)
    assert figures["fpr_at_fnr10"] == pytest.approx(next(x for x, y in fine if y >= 0.9 - 1e-9), abs=1e-3)
    precisions, recall, total = [], 0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        reported = scores >= threshold
        found = labels[reported].sum() / labels.sum()
        precisions.append(labels[reported].mean())
        total, recall = total + (found - recall) * precisions[-1], found
    assert figures["auc_pr"] == pytest.approx(total)


def test_perfect_and_reversed_scores():
    labels = np.repeat([0, 1], 10)
    perfect = MotionAnomalyMetric().compute(predictions=labels, references=labels)
    assert perfect == {"auc_roc": 1.0, "auc_pr": 1.0, "eer": 0.0, "fpr_at_fnr10": 0.0}
    wrong = MotionAnomalyMetric().compute(predictions=-labels, references=labels)
    assert (wrong["auc_roc"], wrong["eer"], wrong["fpr_at_fnr10"]) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([0.1, 0.2], [0, 0], "references are all normal; both normal and anomalous ones are needed"),
        ([0.1, 0.2], [1, 1], "references are all anomalous"),
        ([0.1, 0.2], [0, 2], r"references must be 0 \(normal\) or 1 \(anomalous\), got \[0, 2\]"),
        ([0.1, float("nan")], [0, 1], "1 of 2 predictions are not finite"),
    ],
)
def test_anomaly_refuses(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        MotionAnomalyMetric().compute(predictions=scores, references=labels)


def mean(values):
    return float(np.mean(values))


def test_bootstrap_of_a_mean(generator):
    values = generator.normal(3, 2, 400)
    spread = bootstrap(mean, values)
    assert spread.value == pytest.approx(values.mean()) and spread.count == 1000
    assert spread.std == pytest.approx(2 / 20, rel=0.15)
    assert spread.low == pytest.approx(values.mean() - 1.96 * spread.std, abs=0.03) and spread.low < spread.high
    assert bootstrap(mean, values) == spread != bootstrap(mean, values, seed=1)
    assert str(spread) == f"{spread.value:.3f} +- {spread.std:.3f}"


def test_groups_are_drawn_together(generator):
    groups = np.repeat(np.arange(20), 20)
    values = generator.normal(size=20)[groups]  # the same in a group: 20 independent numbers, not 400
    alone, together = (bootstrap(mean, values, groups=chosen).std for chosen in (None, groups))
    assert together == pytest.approx(values.std() / np.sqrt(20), rel=0.2) and together > 3 * alone


def test_resamples_without_anomalies_do_not_count():
    labels = np.array([1] + [0] * 9)

    def found(labels):
        if not labels.any():
            raise ValueError("no anomaly")
        return 1.0

    assert 500 < bootstrap(found, labels).count < 1000
    with pytest.raises(ValueError, match="is defined on 0 of 1000 resamples"):
        bootstrap(found, np.zeros(5))
    with pytest.raises(ValueError, match=r"must have one length, got \[5, 6\]"):
        bootstrap(mean, np.zeros(5), groups=np.zeros(6))


def test_spread_over_runs():
    assert Spread.over([1.0, 2.0, 6.0]) == Spread(3.0, pytest.approx(np.sqrt(14 / 2)), 1.0, 6.0, 3)
    with pytest.raises(ValueError, match="values is empty"):
        Spread.over([])
