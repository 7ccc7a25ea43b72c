"""Labels of what has them, without a word about what has none."""

import re

import numpy as np
import pytest

from _sources import PACKAGE
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions

LABELS = np.array([1, 0, 1])
IDS = np.arange(3)


@pytest.mark.parametrize("labels", [LABELS, None])
def test_truth_is_the_labels_or_an_error(labels: np.ndarray | None) -> None:
    data = Dataset(np.zeros((3, 1, 2, 2), np.uint8), labels, IDS, ("a", "b"))
    made = Predictions(IDS, np.full((3, 2), 0.5, np.float32), labels)
    for some in (data, made):
        if labels is None:
            with pytest.raises(ValueError, match="have no labels"):
                some.truth  # noqa: B018
        else:
            np.testing.assert_array_equal(some.truth, LABELS)


def test_predictions_of_some_rows_keep_their_labels() -> None:
    made = Predictions(IDS, np.array([[1, 0], [0, 1], [0.5, 0.5]], np.float32), LABELS)
    some = made.take(np.array([2, 0]))
    assert some.ids.tolist() == [2, 0] and some.truth.tolist() == [1, 1]
    assert made.take(LABELS == 1).ids.tolist() == [0, 2]
    assert Predictions(IDS, made.probabilities).take(IDS[:1]).labels is None


def test_nobody_asserts_that_a_set_has_labels() -> None:
    found = re.compile(r"assert .*\blabels is not None")
    names = [path.name for path in PACKAGE.rglob("*.py") if found.search(path.read_text("utf-8"))]
    assert names == ["paper_figures.py"], "whose labels are those of an exploration"
