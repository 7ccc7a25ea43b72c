"""``tenfold doctor``: what is there, what is missing, and how to get it."""

import json
from pathlib import Path

import pytest

from _command_line import tenfold
from tenfold import runtime
from tenfold.errors import install_command
from tenfold.runtime import Package


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path))


def test_where_training_can_run(tmp_path: Path) -> None:
    done = tenfold("doctor", "--json")
    assert (done.code, done.err) == (0, "")
    findings = json.loads(done.out)
    assert findings["problems"] == []
    assert findings["would_use"]["members_at_once"] == runtime.cores()
    assert findings["cache"] == {"folder": str(tmp_path), "datasets": {"mnist": None}}
    torch = next(p for p in findings["packages"] if p["name"] == "torch")
    assert torch["extra"] == "train"
    assert torch["installed"].startswith("2.13.0")


def test_the_tables_name_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    done = tenfold("doctor")
    assert done.code == 0
    for text in (
        "torch",
        "onnxruntime",
        "cores",
        "memory",
        str(tmp_path),
        "tenfold data fetch mnist",
        runtime.instruction_set(),
    ):
        assert text in done.out


def test_what_is_missing_comes_with_its_command_and_exit_code_4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    missing = [Package("torch", "==2.13.0", None, "train"), Package("numpy", ">=2.0", "2.4.6", None)]
    monkeypatch.setattr(runtime, "packages", lambda: missing)
    done = tenfold("doctor")
    assert done.code == 4
    assert done.err == f"error: training cannot run without torch; run: {install_command('train')}\n"
    assert f"missing: {install_command('train')}" in done.out


def test_a_torch_that_cannot_be_loaded_is_exit_code_4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "device_and_reason", lambda: (None, "torch cannot be loaded: odd"))
    done = tenfold("doctor", "--json")
    assert done.code == 4
    assert json.loads(done.out)["would_use"]["device"] is None
    assert "torch cannot be loaded: odd" in done.err
