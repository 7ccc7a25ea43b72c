"""What values show in a notebook: right figures, pictures, and nothing that a name could smuggle in."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from _bundles import digits_run
from tenfold.evaluation.compare import compare
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions


def text(markup: str) -> str:
    return re.sub(r"<[^>]*>", " ", markup)


def predictions(right: int, n: int, labelled: bool = True) -> Predictions:
    probabilities = np.full((n, 2), 0.1, np.float32)
    predicted = np.where(np.arange(n) < right, 0, 1)
    probabilities[np.arange(n), predicted] = 0.9
    return Predictions(np.arange(n), probabilities, np.zeros(n, np.int64) if labelled else None)


def test_a_dataset_shows_its_counts_and_its_first_thirty_images() -> None:
    images = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((40, 1, 5, 4), np.uint8)
    markup = Dataset(images, np.arange(40) % 2, np.arange(1, 41), ("cat", "dog"))._repr_html_()
    assert "cat: 20, dog: 20" in text(markup)
    encoded = re.search(r"base64,([^\"]+)", markup)
    assert encoded
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded[1]))))
    assert sheet.shape == (3 * 5, 10 * 4)
    assert sheet[0, ::4].tolist() == list(range(10))
    assert sheet[-1, -1] == 29


def test_names_are_escaped() -> None:
    images = np.zeros((2, 1, 2, 2), np.uint8)
    markup = Dataset(images, np.array([0, 1]), np.arange(2), ("<script>alert(1)</script>", "b"))._repr_html_()
    assert "<script" not in markup
    assert "&lt;script&gt;" in markup


def test_an_empty_dataset_shows_itself_too() -> None:
    assert (
        "0 unlabelled images" in Dataset(np.zeros((0, 1, 2, 2), np.uint8), None, np.arange(0), ("a", "b"))._repr_html_()
    )


@pytest.mark.parametrize(("labelled", "shown"), [(True, "95.00% [88.82%, 97.85%] of 100"), (False, "median 0.9000")])
def test_predictions_show_an_accuracy_only_where_labels_are_known(labelled: bool, shown: str) -> None:
    markup = text(predictions(95, 100, labelled)._repr_html_())
    assert shown in markup
    assert ("accuracy" in markup) == labelled


def test_a_comparison_begins_with_its_verdict() -> None:
    markup = text(compare(predictions(95, 100), predictions(60, 100))._repr_html_())
    assert markup.split()[:2] == ["A", "better,"]
    assert "+35.00" in markup


def test_a_run_that_is_not_complete_says_so(tmp_path: Path) -> None:
    markup = text(digits_run(tmp_path)._repr_html_())
    assert "digits, seed 0, members: 1" in markup
    assert "not complete" in markup
