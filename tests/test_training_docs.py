"""docs/training.md names every key of a recipe and every token of the notation."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from tenfold.values.recipe import DataSettings, EnsembleSettings, Recipe, TrainSettings

PAGE = (Path(__file__).parents[1] / "docs" / "training.md").read_text("utf-8")
TABLES: dict[str, type[BaseModel]] = {"data.": DataSettings, "train.": TrainSettings, "ensemble.": EnsembleSettings}


def keys() -> list[str]:
    top = [name for name in Recipe.model_fields if name not in ("data", "model", "train", "ensemble")]
    return top + [prefix + name for prefix, table in TABLES.items() for name in table.model_fields]


@pytest.mark.parametrize("key", keys())
def test_every_key_is_explained(key: str) -> None:
    assert f"`{key}`" in PAGE


def test_the_error_in_the_page_is_the_programs() -> None:
    from tenfold.errors import UsageError
    from tenfold.models.network import parse

    with pytest.raises(UsageError) as caught:
        parse("32C3 BN SOFTMAX", (1, 28, 28), 10)
    for line in caught.value.lines():
        assert f"error: {line}" in PAGE
