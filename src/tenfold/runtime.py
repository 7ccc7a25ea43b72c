"""What a computation runs on: versions, devices, memory, locks and signals, in the form that each system has.

Names that only POSIX systems or only Windows have are used here and in :mod:`tenfold.files`, nowhere else.
SIGINT, SIGTERM and SIGHUP are an exception while a command prepares, a flag while it works, so that work stops at a
safe point.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import os
import platform
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

from tenfold import __version__
from tenfold.errors import ResourceError, Stopped, Terminated, install_command

OPEN_FLAGS: int = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_BINARY", "O_NOINHERIT"))
"""For :func:`os.open`: no child has the descriptor, and bytes stay as they are; each system has some of these."""
ENDING = [number for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if (number := getattr(signal, name, None)) is not None]
"""Signals that ask us to end, besides SIGINT: of a service manager, a closed terminal, a closed console."""
TESTED_TORCH = "2.13.0"
"""Recipes' accuracies were measured with this one, as constraints.txt has it; others give other bits."""
_LOCKED_BYTE = 1 << 30
"""Windows locks a byte, which nobody else may read meanwhile: one behind any content."""


def _module(name: str) -> Any:
    """A module that not every system has, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def lock_file(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file for this process until the descriptor is closed, also by ``kill -9``.

    Returns:
        False if another process has it and we do not ``wait``.
    """
    if (fcntl := _module("fcntl")) is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True
    msvcrt = importlib.import_module("msvcrt")
    while True:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EDEADLK):
                raise
            if not wait:
                return False
            time.sleep(0.05)
            continue
        os.lseek(descriptor, 0, os.SEEK_SET)
        return True


def peak_memory_bytes() -> int:
    """The most memory that this process has had."""
    if (resource := _module("resource")) is not None:
        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)
    if (psutil := _module("psutil")) is None:
        return 0
    memory = psutil.Process().memory_info()
    return int(getattr(memory, "peak_wset", memory.rss))


def limit_memory(most: int) -> bool:
    """Let this process have ``most`` bytes of addresses; False where the system has no such limit."""
    if (resource := _module("resource")) is None or not hasattr(resource, "RLIMIT_AS"):
        return False
    try:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (OSError, ValueError):  # macOS has the name and refuses it
        return False
    return True


def allow_descriptors(wanted: int) -> int:
    """Ask for ``wanted`` open files and sockets; returns how many there may be."""
    if (resource := _module("resource")) is None:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most: int = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        return int(soft)
    return most


_CGROUP = Path("/sys/fs/cgroup")
_INSTRUCTION_SETS = {  # name as torch.backends.cpu has it -> flags of /proc/cpuinfo that it takes
    "AVX512": {"avx512f", "avx512dq", "avx512bw", "avx512vl"},
    "AVX2": {"avx2", "fma"},
    "SVE256": {"sve"},
}


def describe(*, load_torch: bool = False) -> dict[str, object]:
    """Versions, machine and device, as a JSON object: what ``environment.json`` records.

    Args:
        load_torch: import torch to ask it for devices; without it the device is None unless torch
            is loaded already.
    """
    device, why = device_and_reason() if load_torch or "torch" in sys.modules else (None, "torch was not asked")
    return {
        "tenfold": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": version("numpy"),
        "torch": version("torch"),
        "onnxruntime": version("onnxruntime"),
        "cpu": cpu_model(),
        "cores": cores(),
        "memory_bytes": memory_bytes(),
        "instruction_set": instruction_set(),
        "device": device,
        "device_reason": why,
        "accelerators": accelerators(),
    }


def version(distribution: str) -> str | None:
    """The installed version of a package, or None; imports nothing."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Package:
    """Something that tenfold depends on.

    Attributes:
        name: of the distribution.
        needed: which versions, such as ">=2.0".
        installed: the version that is there, or None.
        extra: the extra that asks for it, or None if tenfold always does.
    """

    name: str
    needed: str
    installed: str | None
    extra: str | None


def packages() -> list[Package]:
    """Everything that the installed tenfold declares as a dependency, extras included."""
    try:
        declared = metadata.requires("tenfold") or []
    except metadata.PackageNotFoundError:  # run from its source, and not installed
        return []
    found = []
    for requirement in declared:
        specification, _, marker = requirement.partition(";")
        name, needed = re.fullmatch(r"([\w.-]+)\s*(.*)", specification.strip()).groups()  # type: ignore[union-attr]
        if name == "tenfold":  # an extra that is made of others
            continue
        extra = re.search(r"""extra == ["']([\w.-]+)["']""", marker)
        found.append(Package(name, needed, version(name), extra[1] if extra else None))
    return found


def require_training() -> None:
    """Say at once, and all together, which packages training lacks.

    Raises:
        ResourceError: naming them and the command that installs them.
    """
    missing = [package.name for package in packages() if package.extra in (None, "train") and package.installed is None]
    if missing:
        raise ResourceError(f"training cannot run without {', '.join(missing)}; run: {install_command('train')}")


def device_and_reason() -> tuple[str | None, str]:
    """Where training would run ("cuda", "mps", "cpu", or None without torch), and why."""
    if importlib.util.find_spec("torch") is None:
        return None, "torch is not installed"
    try:
        import torch
    except (ImportError, OSError) as error:  # a build for another machine, or half an installation
        return None, f"torch cannot be loaded: {error}"
    if torch.cuda.is_available():
        return "cuda", f"CUDA is there: {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available():
        return "mps", "Apple's Metal is there"
    return "cpu", "neither CUDA nor Metal is there"


def accelerators() -> list[str]:
    """The names of all GPUs that torch, where it is loaded, can train on: what replicas may have one of each."""
    if (torch := sys.modules.get("torch")) is None:
        return []
    found = [str(torch.cuda.get_device_name(number)) for number in range(torch.cuda.device_count())]
    return found + (["Apple's Metal"] if torch.backends.mps.is_available() else [])


def cores() -> int:
    """How many logical cores this process may use: affinity and container quota count, not the machine's total."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(available, int(quota))) if quota is not None else available


def memory_bytes() -> int | None:
    """The memory this process may use, in bytes: the machine's, or the container's limit if lower; None where
    unknown.
    """
    if hasattr(os, "sysconf"):
        try:
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (OSError, ValueError):
            return None
    elif (psutil := _module("psutil")) is not None:
        total = int(psutil.virtual_memory().total)
    else:
        return None
    limit = (_read(_CGROUP / "memory.max") or "").strip()
    return min(total, int(limit)) if limit.isdigit() else total


def instruction_set() -> str:
    """The vector instructions that decide the bits of a result, as torch names them when it is loaded."""
    if (torch := sys.modules.get("torch")) is not None:
        capability: str = torch.backends.cpu.get_cpu_capability()
        return capability
    flags = set(_cpuinfo("flags").split()) | set(_cpuinfo("Features").split())
    return next((name for name, needed in _INSTRUCTION_SETS.items() if needed <= flags), "DEFAULT")


def cpu_model() -> str:
    """The processor's name, as the system gives it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def commit() -> str | None:
    """The git commit of the source this package runs from, or None if it is not a checkout."""
    return _head_commit(Path(__file__).resolve().parents[2] / ".git")


def _head_commit(git: Path) -> str | None:
    """The commit in ``HEAD``, read without git itself, which need not be installed."""
    if git.is_file():  # a worktree: a line that says where the folder is
        git = (git.parent / (_read(git) or "").removeprefix("gitdir:").strip()).resolve()
    head = (_read(git / "HEAD") or "").strip()
    if not head.startswith("ref:"):
        return head or None
    name = head.removeprefix("ref:").strip()
    common = (git / (_read(git / "commondir") or ".").strip()).resolve()
    if loose := _read(common / name):
        return loose.strip()
    for line in (_read(common / "packed-refs") or "").splitlines():
        if line.endswith(f" {name}"):
            return line.split()[0]
    return None


def _cgroup_quota() -> float | None:
    quota, _, period = (_read(_CGROUP / "cpu.max") or "").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.strip().isdigit() else None


def _cpuinfo(field: str) -> str:
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def _read(path: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text("utf-8")
    return None


class Unwinding:
    """A handler that raises, and remembers what it was called for.

    It has to remember, because what it raises may be lost: compiled modules swallow every exception at places of their
    import (Cython registers its arrays so), and Python does in destructors.
    """

    def __init__(self) -> None:
        self.came: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came.append(number)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


@contextlib.contextmanager
def unwinding() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does: what is half written is removed; yields the signals that
    have come.

    A no-op outside the main thread; SIGINT stays as it is where it does not raise, SIGHUP where it is ignored (nohup).
    """
    handler = Unwinding()
    if threading.current_thread() is not threading.main_thread():
        yield handler.came
        return
    numbers = _heard()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield handler.came
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _heard() -> list[int]:
    """The signals of :data:`ENDING`, but for those that whoever started us wants ignored, as nohup does."""
    return [n for n in ENDING if n == signal.SIGTERM or signal.getsignal(n) != signal.SIG_IGN]


class StopFlag:
    """Which signal asked us to stop, if any."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    def stopped(self) -> Stopped:
        """The exception to raise: exit code 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""
        return Stopped("stopped", 128 + (self.signal or signal.SIGINT))


@contextlib.contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """Turn the signals into a flag for the time of the block; a second SIGINT raises. A no-op outside the main
    thread.

    Raises:
        Stopped: a signal came after the block last looked.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if flag() and number == signal.SIGINT:
            raise KeyboardInterrupt
        flag.signal = number

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, *_heard())}
    for before in previous.values():
        if isinstance(before, Unwinding) and before.came:  # what it raised was swallowed
            flag.signal = before.came[0]
    try:
        yield flag
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
    if flag():
        raise flag.stopped()
