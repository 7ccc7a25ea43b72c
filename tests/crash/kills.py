"""Kills a training at random times until it has been killed often enough, and compares it with one that was left alone.

    python tests/crash/kills.py [--kills 500] [--seed 0]

A run is killed, resumed, killed again, some three times before it is let to its end; then comes the next. Sometimes the
whole process group dies, sometimes the parent alone, sometimes one of its workers. A line for each run; exit code 1 if
one ended with other bits.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from _small_run import bits, environment, finish, started_or_resumed, write_inputs

KILLS_PER_RUN = 3
VICTIMS = ("group", "parent", "worker")


@dataclass(frozen=True)
class Ended:
    """A run that was killed ``kills`` times; ``different`` files are not as in the run that was left alone."""

    kills: int
    seconds: float
    different: list[str]


def rounds(folder: Path, kills: int, seed: int) -> Iterator[Ended]:
    """Kill at least ``kills`` times, and see how each run ends."""
    recipe = write_inputs(folder, epochs=3, checkpoint_minutes=0.01)
    draw = random.Random(seed)
    began = time.monotonic()
    expected = bits(finish(folder / "whole", recipe, folder))
    usual = time.monotonic() - began
    done = 0
    while done < kills:
        out = folder / f"run-{done}"
        began, here = time.monotonic(), 0
        while here < KILLS_PER_RUN and killed(
            out, recipe, folder, draw.uniform(0.2, 1.1) * usual, draw.choice(VICTIMS)
        ):
            here += 1
        found = bits(finish(out, recipe, folder))
        names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        done += here
        yield Ended(here, time.monotonic() - began, names)


def killed(out: Path, recipe: Path, home: Path, seconds: float, victim: str) -> bool:
    """Start or resume the run, kill it after so many seconds; False if it was at its end before."""
    command = started_or_resumed(out, recipe, executor="processes")
    process = subprocess.Popen(
        command, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        if victim == "worker" and (workers := children(process.pid)):
            os.kill(workers[0], signal.SIGKILL)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        elif victim == "parent":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def children(process: int) -> list[int]:
    """Process numbers of the direct children."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    total, bad = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for ended in rounds(Path(folder), arguments.kills, arguments.seed):
            total += ended.kills
            bad += bool(ended.different)
            words = f"other bits in {', '.join(ended.different)}" if ended.different else "the same bits"
            print(f"{total} kills: {ended.kills} in {ended.seconds:.0f} s, {words}", flush=True)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
