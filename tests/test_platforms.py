"""Windows and macOS: no name that only some systems have is used unguarded, and without those names all goes on."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from _small_run import bits, command, environment, the_run, write_inputs
from _sources import modules
from tenfold.files import locked, remove_leftovers, write_bytes
from tenfold.runtime import ENDING, stop_flag, unwinding

MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "spwd", "syslog", "nis", "crypt", "readline"}
NAMES_OF_OS = (
    "O_CLOEXEC O_NOFOLLOW O_DIRECTORY O_NONBLOCK O_SYNC O_DSYNC O_NOCTTY O_PATH O_TMPFILE fork forkpty sync pwrite pread"
    " preadv pwritev readv writev statvfs fstatvfs fchmod fchown chown lchown chroot getuid geteuid getgid getegid setuid"
    " setgid getgroups setsid setpgid getpgid getpgrp getppgid killpg wait wait3 wait4 waitid WNOHANG sched_getaffinity"
    " sched_setaffinity sched_yield sysconf confstr uname getloadavg nice mkfifo mknod pipe2 posix_spawn posix_fallocate"
    " posix_fadvise sendfile splice memfd_create eventfd getrandom fdatasync ctermid ttyname tcgetpgrp openpty lockf"
    " initgroups makedev major minor getxattr setxattr listxattr copy_file_range pidfd_open symlink"
)
NAMES_OF_SIGNAL = (
    "SIGPIPE SIGHUP SIGUSR1 SIGUSR2 SIGKILL SIGCHLD SIGALRM SIGQUIT SIGSTOP SIGCONT SIGTSTP SIGWINCH SIGXCPU alarm pause"
    " setitimer getitimer pthread_kill pthread_sigmask sigwait sigpending siginterrupt"
)
OS, SIGNALS = set(NAMES_OF_OS.split()), set(NAMES_OF_SIGNAL.split())
HIDDEN = {"os": OS, "signal": SIGNALS, "select": {"poll", "epoll", "kqueue", "devpoll"}, "socket": {"AF_UNIX"}}
METHODS = {"symlink_to", "hardlink_to", "lchmod"}


def unguarded(tree: ast.Module) -> list[str]:
    """Names of one system that are used where no ``hasattr`` of the same function asks for them."""
    found: list[str] = []

    def visit(node: ast.AST, allowed: frozenset[str]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            asked = (n for n in ast.walk(node) if isinstance(n, ast.Call) and ast.unparse(n.func) == "hasattr")
            allowed |= {str(ast.literal_eval(n.args[1])) for n in asked if isinstance(n.args[1], ast.Constant)}
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = HIDDEN.get(str(node.module), set())
            found.extend([str(node.module)] if str(node.module).split(".")[0] in MODULES else [])
            found.extend(alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value).split(".")[-1]
            if node.attr in HIDDEN.get(owner, set()) - allowed:
                found.append(f"{owner}.{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            found.append(node.func.attr)
        for child in ast.iter_child_nodes(node):
            visit(child, allowed)

    visit(tree, frozenset())
    return found


def test_no_name_of_one_system_is_used_unguarded() -> None:
    assert {path: names for path, tree in modules() if (names := unguarded(tree))} == {}


@pytest.mark.parametrize(
    "code",
    [
        *("import fcntl", "def f():\n    import resource", "from pwd import getpwuid", "from os import fork"),
        *("os.open(p, os.O_CLOEXEC)", "os.sync()", "signal.signal(signal.SIGHUP, f)", "a.symlink_to(b)"),
        *(
            "select.poll()",
            "if hasattr(os, 'fork'):\n    os.pwrite(d, b, 0)",
            "def f():\n    hasattr(os, 'a')\n    os.sync()",
        ),
    ],
)
def test_the_test_sees(code: str) -> None:
    assert unguarded(ast.parse(code))


def test_the_test_lets_guarded_names_pass() -> None:
    assert (
        unguarded(ast.parse("def f():\n    if hasattr(os, 'sync'):\n        os.sync()\ngetattr(os, 'fork', None)"))
        == []
    )


SIMULATION = f'''
"""Takes away from tenfold, and from nobody else, what Windows lacks."""
import builtins, errno, fcntl, importlib, os, sys, types

MODULES, HIDDEN = {MODULES!r}, {HIDDEN!r}
MODULES = MODULES - {{"readline"}}


class Lacking(types.ModuleType):
    def __init__(self, real, hidden):
        super().__init__(real.__name__)
        self.__dict__["_real"], self.__dict__["_hidden"] = real, hidden

    def __getattr__(self, name):
        if name in self._hidden:
            raise AttributeError(f"module {{self._real.__name__!r}} has no attribute {{name!r}}")
        return getattr(self._real, name)

    def __setattr__(self, name, value):
        setattr(self._real, name, value)


def locking(descriptor, mode, size):
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, size, os.lseek(descriptor, 0, 1))
    except OSError as error:
        raise OSError(errno.EACCES, "Permission denied") from error


msvcrt = types.ModuleType("msvcrt")
msvcrt.locking, msvcrt.LK_NBLCK, msvcrt.LK_LOCK = locking, 2, 1
proxies = {{name: Lacking(importlib.import_module(name), hidden) for name, hidden in HIDDEN.items()}}
real_import, real_import_module = builtins.__import__, importlib.import_module


def guarded(name, caller):
    if caller.split(".")[0] == "tenfold" or caller == "__main__" and "tenfold" in sys.argv[0]:
        if name.split(".")[0] in MODULES:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        if name == "msvcrt":
            return msvcrt
        return proxies.get(name)


def __import__(name, globals=None, locals=None, fromlist=(), level=0):
    found = guarded(name, (globals or {{}}).get("__name__") or "")
    return found if found is not None else real_import(name, globals, locals, fromlist, level)


def import_module(name, package=None):
    found = guarded(name, sys._getframe(1).f_globals.get("__name__") or "")
    return found if found is not None else real_import_module(name, package)


builtins.__import__, importlib.import_module = __import__, import_module
'''


def windows(folder: Path) -> dict[str, str]:
    """The environment of a Python in which tenfold finds what Windows has."""
    place = folder / "simulation"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(SIMULATION)
    home = environment(folder)
    return {**home, "PYTHONPATH": os.pathsep.join([str(place), home.get("PYTHONPATH", "")])}


ALL = """
import sys
import tenfold.cli
for line in sys.stdin.read().splitlines():
    try:
        tenfold.cli.main(["--quiet", *line.split("\\t")])
    except SystemExit as end:
        print("exit", end.code, line.split("\\t")[0], flush=True)
"""


def commands(folder: Path, *lines: list[str | Path]) -> list[str]:
    """The commands, one after another in one process; what it printed of their exits."""
    asked = "\n".join("\t".join(map(str, line)) for line in lines)
    done = subprocess.run(
        [sys.executable, "-c", ALL], input=asked, env=windows(folder), capture_output=True, text=True, timeout=300
    )
    exits = [line for line in done.stdout.splitlines() if line.startswith("exit")]
    assert exits == [f"exit 0 {line[0]}" for line in lines], done.stdout + done.stderr
    return done.stdout.splitlines()


def test_the_simulation_takes_names_from_tenfold_alone(tmp_path: Path) -> None:
    code = "import fcntl, os, tenfold.files as f, tenfold.runtime as r; os.sync; print(hasattr(f.os, 'sync'), r._module('fcntl'))"
    done = subprocess.run([sys.executable, "-c", code], env=windows(tmp_path), capture_output=True, text=True)
    assert done.stdout.strip() == "False None", done.stderr


@pytest.mark.slow
def test_all_commands_go_on_without_the_names_that_windows_lacks(tmp_path: Path) -> None:
    recipe, out = write_inputs(tmp_path, checkpoint_minutes=1), tmp_path / "out"
    picture = tmp_path / "seven.png"
    Image.fromarray(255 - (load_digits().images[7] * 15.9).astype(np.uint8)).resize((56, 56)).save(picture)
    commands(tmp_path, ["run", recipe, "--out", out], ["data", "check", tmp_path / "train.npz"], ["read", picture])
    run = the_run(out)
    assert run is not None
    before = bits(run)
    (run.path / "manifest.json").unlink()
    (run.path / "members" / "01" / "member.json").unlink()
    (run.path / ".x.1.00000000.tmp").write_bytes(b"left over")
    commands(
        tmp_path,
        ["run", "--resume", run.path],
        ["runs", out],
        ["predict", run.path, tmp_path / "test.npz", "--out", tmp_path / "predicted.csv"],
        ["page", "builtin", "--out", tmp_path / "page.html"],
        ["doctor"],
    )
    assert bits(run) == before
    with subprocess.Popen(
        command("serve", run.path, "--port", "0"),
        env=windows(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        assert server.stdout is not None
        said = ""
        for line in server.stdout:
            said += line
            if re.search(r"http://|Traceback|error", line):
                break
        server.send_signal(signal.SIGTERM)
        said += server.stdout.read()
    assert "http://" in said and "Traceback" not in said and "error:" not in said, said


def test_a_lock_is_one_writers_in_either_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(tmp_path / "lock") as mine, locked(tmp_path / "lock") as second:
        assert mine is not None and second is None
    with locked(tmp_path / "lock", wait=True) as again:
        assert again is not None


def test_leftovers_of_a_killed_writer_go_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in (".a.npz.77.0123abcd.tmp", "sub/.b.99.ffffffff.tmp", ".mine.tmp", "x.tmp", ".c.1.zzzzzzzz.tmp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".folder.5.00000000.tmp").mkdir()
    write_bytes(tmp_path / "kept", b"x")
    assert [path.name for path in remove_leftovers(tmp_path)] == [
        ".a.npz.77.0123abcd.tmp",
        ".folder.5.00000000.tmp",
        ".b.99.ffffffff.tmp",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".c.1.zzzzzzzz.tmp",
        ".mine.tmp",
        "kept",
        "sub",
        "x.tmp",
    ]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_closed_terminal_ends_the_work_as_sigterm_does(name: str) -> None:
    number = getattr(signal, name)
    assert number in ENDING
    with pytest.raises(KeyboardInterrupt) as caught, unwinding():
        signal.raise_signal(number)
    assert caught.value.exit_code == 128 + number  # type: ignore[attr-defined]
    from tenfold.errors import Stopped

    with pytest.raises(Stopped) as stopped, stop_flag():
        signal.raise_signal(number)
    assert stopped.value.exit_code == 128 + number


def test_nohup_keeps_its_promise() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with unwinding(), stop_flag():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
