from __future__ import annotations

import numpy as np
import pytest

from _networks import random_images
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run


@pytest.fixture
def sample() -> Dataset:
    names = tuple(map(str, range(10)))
    return Dataset(random_images(), None, np.arange(1, 65), names)


@pytest.fixture
def run(tmp_path) -> Run:
    layers = "8C3 BN MP2 8C3VL BN RELU FLAT D40 SOFTMAX10"
    return Run.create(tmp_path / "runs", Recipe(name="small", model=[{"layers": layers}], ensemble={"members": 2}))
