"""One value for an accuracy: counts in, share, interval and text out."""

from dataclasses import asdict

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from tenfold.values.accuracy import Accuracy, wilson_interval


def test_counts_give_share_interval_and_text() -> None:
    found = Accuracy.of(9953, 10_000)
    assert (found.accuracy, found.errors, found.n) == (0.9953, 47, 10_000)
    assert (found.low, found.high) == wilson_interval(9953, 10_000)
    assert found.text == "99.53% [99.38%, 99.65%] of 10,000"
    assert found == Accuracy.of_rows(np.arange(10_000) >= 47)
    assert found.as_dict() == asdict(found)
    assert list(found.as_dict()) == ["accuracy", "low", "high", "errors", "n"]


def test_a_stated_figure_has_no_interval_to_show() -> None:
    found = Accuracy.stated(0.997)
    assert found.text == found.short == "99.70%"
    assert found.as_dict() == {"accuracy": 0.997, "low": None, "high": None, "errors": None, "n": None}
    assert Accuracy.of(0, 0).accuracy == 1.0


@pytest.mark.parametrize(
    "damaged",
    [
        {"accuracy": 1.2, "low": 0.9, "high": 1.3, "errors": 0, "n": 10},
        {"accuracy": float("nan"), "low": 0.0, "high": 1.0, "errors": 0, "n": 10},
        {"accuracy": 0.5, "low": 0.6, "high": 0.9, "errors": 5, "n": 10},
        {"accuracy": 0.5, "low": 0.4, "high": 0.9, "errors": 11, "n": 10},
        {"accuracy": 0.5, "low": 0.4, "high": 0.9, "errors": -1, "n": 10},
    ],
)
def test_what_no_counts_could_give_is_refused_where_a_summary_is_read(damaged: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Accuracy).validate_python(damaged)


def test_more_right_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="successes"):
        Accuracy.of(11, 10)
