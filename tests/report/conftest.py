from pathlib import Path

import pytest

from _report_runs import RunMaker


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    return RunMaker(tmp_path / "runs")
