"""Every figure of an evaluation beside scikit-learn's and statsmodels'."""

import json

import numpy as np
import pytest
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from tenfold.data.checks import Finding
from tenfold.evaluation.calibration import Confidence, with_temperature
from tenfold.evaluation.evaluated import Evaluation
from tenfold.values.predictions import Predictions

NAMES = ("zero", "one", "two", "three", "never")


def made(rows: int = 400, seed: int = 0) -> Predictions:
    """Rows of four of five classes, read with some skill."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, rows)
    logits = rng.normal(size=(rows, 5)) + 2.5 * np.eye(5)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(np.arange(1, rows + 1), probabilities.astype(np.float32), labels)


MADE = made()
FOUND = Evaluation(
    "model", "data", "test", MADE, NAMES, Confidence(0.7, 0.8, 0.99, 100), members=[made(seed=1).probabilities]
)
FIGURES = FOUND.as_dict()


def test_headline_figures():
    low, high = proportion_confint(int(MADE.correct.sum()), len(MADE), method="wilson")
    assert (FIGURES["low"], FIGURES["high"]) == (pytest.approx(low), pytest.approx(high))
    assert FIGURES["accuracy"] == metrics.accuracy_score(MADE.labels, MADE.predicted)
    assert FIGURES["log_loss"] == pytest.approx(
        metrics.log_loss(MADE.labels, MADE.probabilities, labels=range(5)), rel=1e-5
    )
    brier = np.square(MADE.probabilities - np.eye(5)[MADE.labels]).sum(axis=1).mean()
    assert FIGURES["brier"] == pytest.approx(brier, rel=1e-5)
    assert FIGURES["errors"] == int((~MADE.correct).sum())


def test_figures_at_the_temperature():
    scaled = with_temperature(MADE.probabilities, 0.7)
    after = FIGURES["temperature"]
    assert after["log_loss"] == pytest.approx(metrics.log_loss(MADE.labels, scaled, labels=range(5)), rel=1e-5)
    assert (after["temperature"], after["learnt_from"]) == (0.7, 100)
    assert FOUND.calibrated.accuracy == FOUND.score.accuracy


def test_the_reject_threshold_and_the_curve():
    sure = MADE.confidence >= 0.8
    reject = FIGURES["reject"]
    assert (reject["answered"], reject["errors"]) == (int(sure.sum()), int((sure & ~MADE.correct).sum()))
    assert reject["accuracy"] == pytest.approx(MADE.correct[sure].mean())
    order = np.argsort(-MADE.confidence)
    for point in FIGURES["coverage"]:
        first = round(point["coverage"] * len(MADE))
        assert point["accuracy"] == pytest.approx(MADE.correct[order[:first]].mean())


def test_classes_and_confusions():
    np.testing.assert_array_equal(
        FIGURES["confusion"], metrics.confusion_matrix(MADE.labels, MADE.predicted, labels=range(5))
    )
    expected = metrics.precision_recall_fscore_support(MADE.labels, MADE.predicted, labels=range(4))
    for k in range(4):
        row = FIGURES["classes"][k]
        assert [row["precision"], row["recall"], row["f1"]] == pytest.approx(
            [float(column[k]) for column in expected[:3]]
        )
    assert FIGURES["classes"][4]["recall"] is None  # no image of this class
    pairs = FIGURES["confused"]
    assert [pair["count"] for pair in pairs] == sorted((pair["count"] for pair in pairs), reverse=True)
    assert sum(pair["count"] for pair in pairs) == FIGURES["errors"]


def test_the_hardest_are_those_whose_truth_got_least():
    truth = MADE.probabilities[np.arange(len(MADE)), MADE.labels]
    assert FIGURES["hardest"][0] == MADE.ids[truth.argmin()]
    assert len(FIGURES["hardest"]) == 24


def test_it_is_json_and_shows_itself_in_a_notebook():
    assert json.loads(json.dumps(FIGURES, allow_nan=False)) == FIGURES
    assert "model on data" in FOUND._repr_html_()


def test_without_held_out_rows_there_is_no_temperature():
    bare = Evaluation("model", "data", "test", MADE, NAMES).as_dict()
    assert (bare["temperature"], bare["reject"], bare["members"]) == (None, None, [])


def test_a_leak_is_said():
    leaked = Evaluation("m", "d", "test", MADE, NAMES, leak=Finding("leakage", "leak", 400, 400, "known from training"))
    assert leaked.as_dict()["leaked"]
    assert "trained on these images" in leaked._repr_html_()
