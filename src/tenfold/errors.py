"""Every error a user can meet, with its exit code; and the command that installs what is missing here.

An error says what was found, what is expected and what to do next. The command line prints it as
``error: ...`` lines and leaves with ``exit_code``; the library raises it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHOWN_PROBLEMS = 20
SHOWN_PLACES = 3
LONGEST = 500
"""Characters of what was found that a message repeats."""


class TenfoldError(Exception):
    """Base of all errors that tenfold raises on purpose."""

    exit_code = 1
    kind = "internal"

    def lines(self) -> list[str]:
        """The message, and what was noted later, as the lines a terminal shows, without the ``error:`` prefix."""
        return [printable(line) for line in (*str(self).split("\n"), *self._notes())]

    def _notes(self) -> Sequence[str]:
        return getattr(self, "__notes__", ())

    def as_json(self) -> dict[str, object]:
        """The message as data, for ``--errors json``."""
        return {
            "kind": self.kind,
            "exit_code": self.exit_code,
            "problems": [{"message": line} for line in self.lines()],
        }


class UsageError(TenfoldError):
    """The command, an option or a recipe says something that cannot be meant."""

    exit_code = 2
    kind = "usage"


class ResourceError(TenfoldError):
    """The machine refuses: disk full, no permission, out of memory, a package is missing."""

    exit_code = 4
    kind = "environment"


def out_of_memory(error: BaseException) -> ResourceError | None:
    """What to say if ``error`` is about memory, else None; torch says it with a RuntimeError."""
    words = ("can't allocate memory", "out of memory")
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(each in str(error) for each in words)
    ):
        return ResourceError("out of memory; close other programs, or use fewer workers or a smaller batch")
    return None


class BusyError(TenfoldError):
    """Another process is writing to the same run directory."""

    exit_code = 5
    kind = "busy"


class IntegrityError(TenfoldError):
    """A hash, a version, a setting or a set of classes does not match what was recorded."""

    exit_code = 6
    kind = "integrity"


class Stopped(TenfoldError):
    """The user (130) or the system (143) asked us to stop; the work so far is kept."""

    kind = "stopped"

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Drained(Stopped):
    """A service ended in order, as it was asked to: nothing that is to be called an error."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, wherever it came: as Ctrl-C it is no Exception, so that nobody takes it for a failure and goes
    on.
    """

    def __init__(self, number: int = 15) -> None:
        super().__init__()
        self.exit_code = 128 + number


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input file.

    ``row`` counts lines of the file from 1, header included; ``column`` counts from 1.
    """

    file: str | Path
    found: str
    expected: str
    row: int | None = None
    column: int | None = None
    column_name: str | None = None
    hint: str | None = None

    @property
    def place(self) -> str:
        """File, row and column, as far as they are known."""
        place = printable(self.file)
        if self.row is not None:
            place += f":{self.row}"
        if self.column is not None:
            place += f":{self.column}"
            if self.column_name:
                place += f"({printable(self.column_name)})"
        return place

    def __str__(self) -> str:
        found = self.found if len(self.found) <= LONGEST else f"{self.found[:LONGEST]} ..."
        text = f"{self.place}: found {printable(found)}, expected {printable(self.expected)}"
        return f"{text}; {self.hint}" if self.hint else text

    def as_json(self) -> dict[str, object]:
        return {
            "file": printable(self.file),
            "row": self.row,
            "column": self.column,
            "column_name": self.column_name,
            "found": self.found,
            "expected": self.expected,
            "hint": self.hint,
            "message": str(self),
        }


class DataError(TenfoldError):
    """An input file is not what it should be; nothing was written."""

    exit_code = 3
    kind = "data"

    def __init__(self, *problems: Problem, total: int | None = None) -> None:
        self.problems: Sequence[Problem] = problems
        self.total = len(problems) if total is None else total
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        kinds: dict[tuple[str, str | None], list[Problem]] = {}
        for problem in self.problems:
            kinds.setdefault((problem.expected, problem.hint), []).append(problem)
        shown = [_of_a_kind(problems) for problems in list(kinds.values())[:SHOWN_PROBLEMS]]
        hidden = self.total - sum(map(len, list(kinds.values())[:SHOWN_PROBLEMS]))
        return [*shown, *([f"... and {hidden:,} more"] if hidden > 0 else []), *map(printable, self._notes())]

    def as_json(self) -> dict[str, object]:
        shown = [problem.as_json() for problem in self.problems[:SHOWN_PROBLEMS]]
        return {"kind": self.kind, "exit_code": self.exit_code, "problems": shown, "total": self.total}


def _of_a_kind(problems: Sequence[Problem]) -> str:
    """One line: the first, where the next few are, and how many there are."""
    first, *others = problems
    if not others:
        return str(first)
    places = [other.place.removeprefix(f"{printable(first.file)}:") for other in others[:SHOWN_PLACES]]
    more = f" and {len(others) - len(places):,} more" if len(others) > len(places) else ""
    return f"{first} ({len(problems):,} such; also {', '.join(places)}{more})"


def from_json(error: Mapping[str, Any]) -> TenfoldError:
    """The error that :meth:`TenfoldError.as_json` described, as the same class: for errors from other processes."""
    kind, problems = error["kind"], error["problems"]
    if kind == DataError.kind:
        kept = ({key: value for key, value in problem.items() if key != "message"} for problem in problems)
        return DataError(*(Problem(**fields) for fields in kept), total=error["total"])
    message = "\n".join(problem["message"] for problem in problems)
    if kind == Stopped.kind:
        return Stopped(message, error["exit_code"])
    plain = {c.kind: c for c in (UsageError, ResourceError, BusyError, IntegrityError)}
    return plain.get(kind, TenfoldError)(message)


def printable(value: object) -> str:
    """``value`` as text that cannot move the cursor, start a colour or break a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in str(value))


def missing_extra(package: str, extra: str | None, purpose: str) -> ResourceError:
    """The error for an optional dependency that is not installed."""
    return ResourceError(
        f"{purpose} needs the package {package!r}, which is not installed; run: {install_command(extra)}"
    )


_DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "umap": "umap-learn", "multipart": "python-multipart"}
"""Module -> distribution, where they have different names."""


def missing_module(error: ImportError) -> ResourceError | None:
    """What to say of a failed import of a package that tenfold declares as a dependency, else None."""
    from tenfold.runtime import packages

    module = str(error.name).partition(".")[0]
    wanted = _DISTRIBUTIONS.get(module, module).lower().replace("_", "-")
    found = next((one for one in packages() if one.name.lower().replace("_", "-") == wanted), None)
    return None if found is None else missing_extra(found.name, found.extra, "this command")


def install_command(extra: str | None = None, *packages: str) -> str:
    """The command that adds an extra, or other ``packages``, to this installation.

    It names the checkout, wheel or URL that this copy came from, or else the extra's own packages. It never asks for
    tenfold by its name alone: an index may not have it, or something else of that name. pip, uv or pipx is called, as
    it was used.
    """
    wanted = list(packages) or _origin(extra) or _requirements(extra)
    return " ".join([_installer(), *map(_quoted, wanted)])


def _origin(extra: str | None) -> list[str]:
    """What pip is to install again with the extra: from the checkout, the file or the URL; empty if none is known."""
    from importlib import metadata
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    extras = f"[{extra}]" if extra else ""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():
        return _from_checkout(checkout, extras, editable=True)
    try:
        text = metadata.distribution("tenfold").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return []
    origin = json.loads(text or "{}")
    url = str(origin.get("url", ""))
    if vcs := origin.get("vcs_info"):
        return [f"tenfold{extras} @ {vcs['vcs']}+{url}@{vcs['commit_id']}"]
    if not url.startswith("file:"):
        return [f"tenfold{extras} @ {url}"] if url else []
    path = Path(url2pathname(urlsplit(url).path))
    if (path / "pyproject.toml").is_file():
        return _from_checkout(path, extras, editable=bool(origin.get("dir_info", {}).get("editable")))
    return [f"{_short(path)}{extras}"] if path.is_file() else []


def _from_checkout(path: Path, extras: str, *, editable: bool) -> list[str]:
    pins = path / "constraints.txt"
    constraints = ["-c", _short(pins)] if pins.is_file() else []
    place = _short(path)  # pip takes a bare folder's name for that of a package
    place = place if place == "." or Path(place).is_absolute() else os.path.join(".", place)  # noqa: PTH118
    return [*constraints, *(["-e"] if editable else []), f"{place}{extras}"]


def _requirements(extra: str | None) -> list[str]:
    """The extra's own packages that are not installed; all of them if none is missing."""
    from tenfold.runtime import packages

    declared = [one for one in packages() if one.extra in (None, extra)]
    missing = [one for one in declared if one.installed is None] or [one for one in declared if one.extra == extra]
    return [f"{one.name}{one.needed}" for one in missing] or ["tenfold"]


def _installer() -> str:
    """How packages come into the environment that runs this: the words before the packages."""
    from importlib import metadata, util

    if Path(sys.prefix, "pipx_metadata.json").is_file():
        return f"pipx runpip {_quoted(Path(sys.prefix).name)} install"
    try:
        by = (metadata.distribution("tenfold").read_text("INSTALLER") or "").strip()
    except metadata.PackageNotFoundError:
        by = ""
    if by == "uv" or util.find_spec("pip") is None:
        return f"uv pip install --python {_quoted(_short(Path(sys.executable)))}"
    here = Path(sys.executable).parent
    known = (name for name in ("python", "python3") if (found := shutil.which(name)) and Path(found).parent == here)
    return f"{next(known, None) or _quoted(_short(Path(sys.executable)))} -m pip install"


def _short(path: Path) -> str:
    """The path from the current folder if it is below that, else as it is."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _quoted(word: str) -> str:
    """A word for the shell: double quotes on Windows, where single ones mean nothing."""
    if os.name != "nt":
        return shlex.quote(word)
    return word if re.fullmatch(r"[\w.:/\\-]+", word) else f'"{word}"'
