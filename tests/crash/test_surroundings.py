"""K16: where, when and by whom a run is made changes no bit and is no bug: clock, time zone, locale, umask, streams,
folders.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from _small_run import bits, command, environment, finish, the_run, write_inputs
from tenfold.values.run import Run

YEARS = 10 * 365 * 86400
ODD = """
import os, sys, threading, time
from pathlib import Path
shift, here, out = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
real_time, real_strftime, real_localtime = time.time, time.strftime, time.localtime
time.time = lambda: real_time() + shift
time.localtime = lambda seconds=None: real_localtime(time.time() if seconds is None else seconds)
time.strftime = lambda form, when=None: real_strftime(form, time.localtime() if when is None else when)
os.umask(0o077)
os.chdir(here)

def remove_it():
    while not list(out.glob("*/members/00/member.json")):
        time.sleep(0.001)
    os.rmdir(here)

remover = threading.Thread(target=remove_it, daemon=True)
remover.start()
from tenfold.cli import main
main(sys.argv[4:])
"""
"""A clock that is wrong by so many seconds, a umask that shuts everybody out, a working directory that goes
away after a member is trained (torch looks for it when it begins)."""

UNUSUAL = {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "123"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"), checkpoint_minutes=2)


@pytest.fixture(scope="module")
def whole(recipe: Path) -> Run:
    return finish(recipe.parent / "whole", recipe, recipe.parent)


@pytest.mark.parametrize(
    "shift", [-86400, pytest.param(YEARS, marks=pytest.mark.slow)], ids=["a-day-back", "ten-years-on"]
)
def test_k16_r01_r06_odd_surroundings_change_no_bit(shift: int, recipe: Path, whole: Run, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    python, _, _, *arguments = command("run", recipe, "--out", tmp_path / "runs", "--executor", "local")
    unusual = environment(recipe.parent, **UNUSUAL)
    done = subprocess.run(
        [
            "bash",
            "-c",
            '"$@" <&-',
            "bash",
            python,
            "-c",
            ODD,
            str(shift),
            tmp_path / "gone",
            tmp_path / "runs",
            *arguments,
        ],
        env={name: value for name, value in unusual.items() if name not in ("HOME", "USER", "LOGNAME")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = the_run(tmp_path / "runs")
    assert run is not None
    assert bits(run) == bits(whole)
    assert not (tmp_path / "gone").exists()
    assert stat.S_IMODE((run.path / "submission.csv").stat().st_mode) == 0o600  # as the umask says
    assert re.fullmatch(r"\d{8}-\d{6}_small_[0-9a-f]{8}", run.path.name)  # not localised


def test_k16_without_locale_home_or_time_zone(recipe: Path, whole: Run, tmp_path: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "OMP_NUM_THREADS") if name in os.environ}
    done = subprocess.run(
        command("run", recipe, "--out", tmp_path / "runs", "--executor", "local"),
        env={**kept, "TENFOLD_HOME": str(tmp_path / "home"), "PYTHONHASHSEED": "0", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = the_run(tmp_path / "runs")
    assert run is not None and bits(run) == bits(whole)


def test_k16_a_working_directory_that_is_gone_is_said_to_be(recipe: Path, tmp_path: Path) -> None:
    """Whatever is found by a relative path would not be found, and libraries die of it without a word of sense."""
    (tmp_path / "gone").mkdir()
    started = command("run", recipe, "--out", tmp_path / "runs")
    done = subprocess.run(
        ["bash", "-c", 'cd "$0" && rmdir "$0" && "$@"', tmp_path / "gone", *started],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.endswith(
        "error: the folder that this was started in is gone; change to another one and run again\n"
    )
    assert not (tmp_path / "runs").exists()
