"""From what the user wrote to a dataset."""

from __future__ import annotations

import difflib
from pathlib import Path

from tenfold.data.options import ReadOptions, Role
from tenfold.data.sources import SOURCES, Source
from tenfold.errors import DataError, Problem
from tenfold.values.dataset import Dataset

DEFAULT = ReadOptions()


def load(source: str | Path, role: Role = "train", options: ReadOptions = DEFAULT, *, cache: bool = True) -> Dataset:
    """The images of ``role`` in ``source``.

    Args:
        source: a data set's name ("mnist") or a path. A name wins; write ``./mnist`` for a path of that name.
        role: "train" insists on labels; "test" takes them if they are there.
        options: how to read it.
        cache: keep a parsed copy of slow formats, and use it.

    Raises:
        DataError: missing, of no known format, or not what it should be; nothing was written.
        ResourceError: the operating system refused.
    """
    name = str(source)
    if name in named_sources():
        return SOURCES.get(name).read(None, role, options)
    path = Path(source)
    return _format_of(path).read(path, role, options)


def named_sources() -> list[str]:
    """The data sets known by name, sorted."""
    return [name for name in SOURCES if SOURCES.get(name).named]


def _format_of(path: Path) -> type[Source]:
    if not path.exists():
        names = [*named_sources(), *(p.name for p in path.parent.iterdir())] if path.parent.is_dir() else named_sources()
        near = difflib.get_close_matches(path.name, names, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else None
        raise DataError(Problem(path, "no such file", f"a path, or one of: {', '.join(named_sources())}", hint=hint))
    for name in SOURCES:
        candidate = SOURCES.get(name)
        if not candidate.named and candidate.recognises(path):
            return candidate
    raise DataError(Problem(path, "no known format", f"one of: {', '.join(SOURCES)}"))
