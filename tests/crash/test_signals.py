"""K08: SIGINT and SIGTERM stop within seconds, keep the work, say how to resume and leave no process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from _small_run import bits, command, environment, finish, the_run, write_inputs
from tenfold import files, pipeline
from tenfold.errors import Stopped
from tenfold.values.recipe import load_recipe
from tenfold.values.run import Run

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
BOTH = [pytest.param(signal.SIGTERM, id="SIGTERM"), pytest.param(signal.SIGINT, id="SIGINT", marks=pytest.mark.slow)]


def started(out: Path, recipe: Path, executor: str) -> subprocess.Popen[str]:
    """A run below ``out`` of two members at once, leader of a session of its own."""
    return subprocess.Popen(
        command("run", recipe, "--out", out, "--executor", executor, "--workers", "2"),
        env=environment(recipe.parent),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def once(process: subprocess.Popen[str], there: Callable[[], Any]) -> None:
    """Wait until something is there; the run must still go on then."""
    while not there():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


def ended(process: subprocess.Popen[str]) -> str:
    """What it said, when it has ended: within 10 seconds, and nothing of its session stays longer than 5."""
    said = process.communicate(timeout=10)[1]
    until = time.monotonic() + 5
    while list(session(process.pid)) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(session(process.pid)) == []
    return said


def session(leader: int) -> Iterator[int]:
    """Processes of the session, zombies left out."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            yield int(status.parent.name)


def long_inputs(folder: Path) -> Path:
    """A recipe that trains for minutes."""
    recipe = write_inputs(folder, checkpoint_minutes=0.001)
    recipe.write_text(recipe.read_text().replace("epochs = 2", "epochs = 5000"))
    return recipe


def hint(out: Path) -> str:
    """What the command says of a run that was stopped."""
    run = the_run(out)
    assert run is not None
    return f"stopped; everything so far is kept. Go on with: tenfold run --resume {run.path}\n"


@pytest.mark.parametrize("number", BOTH)
def test_k08_a_signal_to_the_group_ends_the_workers_too(number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    process = started(out, long_inputs(tmp_path), "processes")
    once(process, lambda: list(out.glob("*/checkpoints/01/*.safetensors")))
    os.killpg(process.pid, number)
    assert ended(process).endswith(hint(out))
    assert process.returncode == CODES[number]


def test_k08_a_second_sigint_stops_at_once(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    process = started(out, long_inputs(tmp_path), "processes")
    once(process, lambda: list(out.glob("*/checkpoints/00/*.safetensors")))
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert ended(process).endswith(hint(out))
    assert process.returncode == 130


@pytest.mark.parametrize("number", BOTH)
def test_k08_a_signal_before_the_first_batch(number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    process = started(out, write_inputs(tmp_path), "local")
    once(process, lambda: list(out.glob("*/environment.json")))
    process.send_signal(number)
    said = ended(process)
    assert process.returncode == CODES[number]
    recorded = list(out.glob("*/data.json"))  # which the signal may have outrun
    assert said.endswith(hint(out)) if recorded else "stopped before anything was trained; start it again" in said


class Signalling:
    """Stands in for ``os`` in the atomic writer: sends this process a signal while a checkpoint is written."""

    def __init__(self, number: int) -> None:
        self.number: int | None = number

    def replace(self, temporary: Path, path: Path) -> None:
        """Rename, with the signal before it."""
        if self.number is not None and "checkpoints" in path.parts:
            number, self.number = self.number, None
            os.kill(os.getpid(), number)
        os.replace(temporary, path)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_k08_a_signal_while_a_checkpoint_is_written(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    recipe = load_recipe(write_inputs(tmp_path, checkpoint_minutes=2))
    whole = pipeline.start(recipe, "run", pipeline.Settings(out=tmp_path / "whole", executor="local"))
    settings = pipeline.Settings(out=tmp_path / "runs", executor="local")
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", Signalling(number))
        with pytest.raises(Stopped) as caught:
            pipeline.start(recipe, "run", settings)
    assert caught.value.exit_code == CODES[number]
    run = Run(next((tmp_path / "runs").iterdir()))
    assert list(run.path.glob("checkpoints/*/*.safetensors"))
    assert not list(run.path.rglob("*.tmp"))
    assert bits(pipeline.resume(run, "run", settings)) == bits(whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_k08_a_signal_at_a_random_time_and_the_same_bits_in_the_end(seed: int, tmp_path: Path) -> None:
    draw, recipe = random.Random(seed), write_inputs(tmp_path, checkpoint_minutes=0.001)
    began = time.monotonic()
    whole = finish(tmp_path / "whole", recipe, tmp_path)
    usual = time.monotonic() - began
    number, out = draw.choice(sorted(CODES)), tmp_path / "runs"
    process = started(out, recipe, "processes")
    once(process, lambda: list(out.glob("*/data.json")))
    time.sleep(draw.uniform(0, 0.8) * usual)
    process.send_signal(number)
    said = ended(process)
    assert process.returncode in (CODES[number], 0)
    if process.returncode:
        assert said.endswith(hint(out))
    assert bits(finish(out, recipe, tmp_path)) == bits(whole)
