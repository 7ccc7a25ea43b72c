"""Labels changed on purpose are found; what is known of only some images says so."""

import numpy as np
import pytest
from cleanlab.filter import find_label_issues

from _report_runs import digits, predict
from tenfold.errors import IntegrityError
from tenfold.evaluation.label_issues import suspected_labels
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions

TRUE = digits(300)
CHANGED = [5, 50, 250]


def mislabelled() -> Dataset:
    labels = TRUE.labels.copy()
    labels[CHANGED] = (labels[CHANGED] + 1) % 10
    return Dataset(TRUE.images, labels, TRUE.ids, TRUE.class_names)


def seen(noise: float = 0.3) -> Predictions:
    """A good model of the true labels, not equally sure everywhere."""
    logits = np.random.default_rng(1).normal(size=(300, 10)) * noise + 6 * np.eye(10)[TRUE.labels]
    logits[CHANGED] += np.eye(10)[TRUE.labels[CHANGED]]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(TRUE.ids, probabilities.astype(np.float32))


def test_the_changed_labels_are_found_as_cleanlab_finds_them() -> None:
    data = mislabelled()
    found = suspected_labels(data, seen())
    assert sorted(found.rows.tolist()) == CHANGED
    np.testing.assert_array_equal(found.suggested, TRUE.labels[found.rows])
    np.testing.assert_array_equal(found.given, data.labels[found.rows])
    assert (np.diff(found.quality) >= 0).all()
    expected = find_label_issues(
        data.labels,
        seen().probabilities.astype(float),
        filter_by="confident_learning",
        return_indices_ranked_by="self_confidence",
    )
    assert found.rows.tolist() == list(expected)


def test_predictions_are_matched_by_id_and_may_be_of_some_images_only() -> None:
    part = np.array([250, 5, 7, 9, *range(100, 180)])
    some = Predictions(TRUE.ids[part].astype(str), seen().probabilities[part])
    found = suspected_labels(mislabelled(), some)
    assert sorted(found.rows.tolist()) == [5, 250]
    assert found.judged == 84
    assert "of 84 images that were judged, of 300," in found.finding().message


def test_the_finding_names_images_and_pairs() -> None:
    finding = suspected_labels(mislabelled(), seen()).finding()
    assert (finding.name, finding.severity, finding.count, finding.total) == ("suspected-labels", "warning", 3, 300)
    assert {group[0] for group in finding.ids} == {6, 51, 251}  # ids count from 1
    assert sum(finding.details["counts"].values()) == 3
    clean = suspected_labels(TRUE, seen(0.1)).finding()
    assert (clean.severity, clean.count) == ("note", 0)


def test_few_among_many_are_a_note() -> None:
    rows = np.tile(np.arange(300), 12)
    labels = TRUE.labels[rows].copy()
    labels[0] = (labels[0] + 1) % 10
    many = Dataset(TRUE.images[rows], labels, np.arange(len(rows)), TRUE.class_names)
    probabilities = predict(TRUE, {}).probabilities[rows]
    finding = suspected_labels(many, Predictions(many.ids, probabilities)).finding()
    assert (finding.severity, finding.count) == ("note", 1)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            Predictions(np.array([1, 999]), np.full((2, 10), 0.1, np.float32)),
            "of the image 999, which the data do not have",
        ),
        (Predictions(np.array([1]), np.full((1, 3), 1 / 3, np.float32)), "of 3 classes, the data of 10"),
        (Predictions(np.array([], int), np.zeros((0, 10), np.float32)), "no prediction of any image"),
    ],
)
def test_predictions_of_other_data_are_refused(made: Predictions, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        suspected_labels(TRUE, made)


def test_data_without_labels_have_none_to_suspect() -> None:
    with pytest.raises(IntegrityError, match="no labels"):
        suspected_labels(TRUE.without_labels(), seen())
