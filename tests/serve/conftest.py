from collections.abc import Iterator
from pathlib import Path

import pytest

from _service import Served, big_bundle

pytest.importorskip("fastapi")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return big_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def web(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for all tests that leave it as it was."""
    with Served(f"digits={bundle}", "--keep", tmp_path_factory.mktemp("kept")) as served:
        yield served
