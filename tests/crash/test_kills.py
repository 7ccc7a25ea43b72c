"""K04, K05: real kill -9, at system calls and at random times."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kills import rounds

from _small_run import bits, command, environment, finish, write_inputs

CALLS = ("write", "fsync", "rename")
STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(STRACE is None, reason="needs strace")


def traced(options: list[str], out: Path, recipe: Path) -> subprocess.CompletedProcess[str]:
    """A new run below ``out`` under strace."""
    started = command("run", recipe, "--out", out, "--executor", "local")
    return subprocess.run(
        [str(STRACE), "-f", "--seccomp-bpf", *options, *started],
        env=environment(recipe.parent),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def killed_at(tmp_path: Path, points: int) -> None:
    """Kill a run at so many calls of each kind, spread evenly, and compare its end with that of one left alone."""
    recipe = write_inputs(tmp_path, checkpoint_minutes=2)
    trace = tmp_path / "trace"
    alone = finish(
        tmp_path / "alone", recipe, tmp_path
    )  # which also puts the data into the cache: fewer calls from now on
    whole = traced(["-e", f"trace={','.join(CALLS)}", "-o", str(trace)], tmp_path / "whole", recipe)
    assert whole.returncode == 0, whole.stderr
    calls = re.findall(rf"^(\d+) +({'|'.join(CALLS)})\(", trace.read_text("utf-8", "replace"), re.MULTILINE)
    made = {
        call: max(Counter(thread for thread, made in calls if made == call).values()) for call in CALLS
    }  # when= counts so
    for call in CALLS:
        assert made[call] >= points
        for point in range(points):
            out = tmp_path / f"{call}-{point}"
            when = max(1, round(made[call] * (point + 0.5) / points))
            died = traced(["-e", f"inject={call}:signal=KILL:when={when}"], out, recipe)
            assert died.returncode == -signal.SIGKILL, died.stderr
            assert bits(finish(out, recipe, tmp_path)) == bits(alone), f"killed at {call} number {when}"


@needs_strace
@pytest.mark.slow
def test_k04_killed_at_a_system_call_a_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    killed_at(tmp_path, 1)


@needs_strace
@pytest.mark.slow
def test_k04_killed_at_thirty_system_calls_a_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    killed_at(tmp_path, 10)


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_k05_killed_at_random_times_a_run_ends_with_the_same_bits(tmp_path: Path, kills: int) -> None:
    ended = list(rounds(tmp_path, kills, seed=1))
    assert sum(each.kills for each in ended) >= kills
    assert [each.different for each in ended if each.different] == []
