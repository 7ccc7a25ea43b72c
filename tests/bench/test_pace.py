"""Rates of works that take turns."""

from __future__ import annotations

import time

import pytest

from tenfold.errors import Stopped
from tenfold.speed.measure import SIDE, matrix_product, rates


def sleeper(seconds: float, units: float) -> object:
    def work() -> float:
        time.sleep(seconds)
        return units

    return work


def test_rates_are_units_a_second_and_windows_lie_side_by_side() -> None:
    found = rates({"slow": sleeper(0.02, 1), "fast": sleeper(0.02, 10)}, 0.2, lambda: False)  # type: ignore[dict-item]
    assert len(found["slow"]) == len(found["fast"]) >= 3
    assert max(found["slow"]) <= 50  # a sleep may last longer, never shorter
    assert max(found["fast"]) <= 500
    assert min(found["fast"]) > max(found["slow"])


def test_it_can_be_stopped() -> None:
    with pytest.raises(Stopped):
        rates({"work": lambda: 1.0}, 1.0, lambda: True)


def test_a_product_counts_its_multiplications_and_additions() -> None:
    assert matrix_product()() == 2 * SIDE**3 / 1e9
