"""From the ranges of a recipe's ``[tune]`` table to the recipe of a trial."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tenfold.values.recipe import Range, Recipe, TuneSettings

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def distributions(tune: TuneSettings) -> dict[str, BaseDistribution]:
    """What optuna draws from, by key."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    drawn: dict[str, Any] = {}
    for key, some in tune.ranges.items():
        if not isinstance(some, Range):
            drawn[key] = CategoricalDistribution(some)
        elif some.is_whole:
            drawn[key] = IntDistribution(int(some.low), int(some.high), log=some.log, step=int(some.step or 1))
        else:
            drawn[key] = FloatDistribution(float(some.low), float(some.high), log=some.log, step=some.step)
    return drawn


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with ``values`` by key, as ``--set`` would have them, and nothing left to tune.

    Raises:
        UsageError: an unknown key, or a value that is not allowed there.
    """
    plain = recipe.model_copy(update={"tune": None, "expected": {}})
    return plain.overridden([f"{key}={json.dumps(value)}" for key, value in values.items()])


def corners(tune: TuneSettings) -> list[dict[str, Any]]:
    """Values to try before anything is trained: each end and each choice by itself."""
    found: list[dict[str, Any]] = []
    for key, some in tune.ranges.items():
        found += [{key: value} for value in ((some.low, some.high) if isinstance(some, Range) else some)]
    return found
