"""Settings of all tests."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from _case_table import pytest_runtest_logreport, pytest_terminal_summary
from _forks import CommandServer

__all__ = ["pytest_runtest_logreport", "pytest_terminal_summary"]  # pytest looks for hooks here

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # a test may load ONNX Runtime before tenfold does this

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell has it for what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # children inherit it, and tests send it

# The machines that run the tests are busy: a slow example is no failure. The same examples every time.
settings.register_profile("tenfold", deadline=None, derandomize=True)
settings.load_profile("tenfold")


@dataclass(frozen=True)
class Outcome:
    """What a command did: its exit code, what it printed, and the paths it created, changed or removed."""

    code: int
    stdout: str
    stderr: str
    changed: list[str]


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., Outcome]:
    """``cli("data", "check", path)`` runs the real command in a child process.

    It works in ``tmp_path/cwd`` with ``TMPDIR`` and ``TENFOLD_HOME`` beside it; everything below
    ``tmp_path`` is watched for change.
    """
    folder, places = _folders(tmp_path)

    def run(*arguments: object, timeout: float = 60) -> Outcome:
        before = _tree(tmp_path)
        command = [sys.executable, "-m", "tenfold", *map(str, arguments)]
        environment = {**os.environ, **places, "NO_COLOR": "1"}
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        return Outcome(done.returncode, done.stdout, done.stderr, _changed(before, _tree(tmp_path)))

    return run


@pytest.fixture(scope="session")
def _command_server() -> Iterator[CommandServer]:
    server = CommandServer()
    yield server
    server.close()


@pytest.fixture
def forked(tmp_path: Path, _command_server: CommandServer) -> Callable[..., Outcome]:
    """As ``cli``, in a child that is forked from a process with tenfold loaded: for cases by the hundred."""
    folder, places = _folders(tmp_path)

    def run(*arguments: object) -> Outcome:
        before = _tree(tmp_path)
        done = _command_server.run([str(argument) for argument in arguments], folder, places)
        return Outcome(*done, _changed(before, _tree(tmp_path)))

    return run


def _folders(root: Path) -> tuple[Path, dict[str, str]]:
    """A working directory below ``root``, and the variables that put everything else there."""
    folders = {name: root / name for name in ("cwd", "tmp", "home")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    return folders["cwd"], {"TMPDIR": str(folders["tmp"]), "TENFOLD_HOME": str(folders["home"])}


def _changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A Ray cluster of two cores for the tests of one module: starting one takes seconds."""
    pytest.importorskip("ray")
    from tenfold.plugins._ray_cluster import connected

    with connected(2, None, insecure=False):
        yield


def _tree(root: Path) -> dict[str, str]:
    """Every path below ``root`` with the hash of its content, or with its kind."""
    tree = {}
    for path in root.rglob("*"):
        regular = path.is_file() and not path.is_symlink()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if regular else str(path.lstat().st_mode)
        tree[str(path.relative_to(root))] = content
    return tree
