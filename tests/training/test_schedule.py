"""Learning rates at the places that define each schedule."""

from __future__ import annotations

import pytest

from tenfold.training.optimisers import learning_rate
from tenfold.values.recipe import TrainSettings


@pytest.mark.parametrize(
    ("schedule", "progress", "epoch", "rate"),
    [
        ("one-cycle", 0.0, 0, 0.05),
        ("one-cycle", 0.1, 0, 0.525),
        ("one-cycle", 0.2, 0, 1.0),
        ("one-cycle", 0.6, 0, 0.5),
        ("one-cycle", 1.0, 9, 0.0),
        ("cosine", 0.0, 0, 1.0),
        ("cosine", 0.5, 0, 0.5),
        ("cosine", 1.0, 9, 0.0),
        ("exponential", 0.99, 3, 0.95**3),
        ("constant", 0.7, 7, 1.0),
        ("plateau", 0.7, 7, 1.0),
    ],
)
def test_rates(schedule: str, progress: float, epoch: int, rate: float) -> None:
    settings = TrainSettings.model_validate({"schedule": schedule, "learning_rate": 1.0, "warmup": 0.2, "decay": 0.95})
    assert learning_rate(settings, progress, epoch) == pytest.approx(rate)
