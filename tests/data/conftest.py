"""What the tests of reading share."""

from pathlib import Path

import pytest


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache: else a file that an earlier run of the tests has read is not read again, and no fault of a reader
    seen.
    """
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
