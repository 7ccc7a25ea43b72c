"""Sources that lie elsewhere, by URL: whatever fsspec reaches (s3, gs, abfs, http, sftp, ...), copied once a machine.

A file is copied block by block into the cache, under a name made of its address and of what its store says about it
(size, time, version), and is read from there like any other; so memory does not depend on its size, and what the
readers refuse in a local file they refuse here. :mod:`tenfold.bundle.parts` writes to such places.
"""

from __future__ import annotations

import glob
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from tenfold.atomic import make_directory, write_chunks
from tenfold.data.cache import home
from tenfold.environment import cores
from tenfold.errors import DataError, Problem, ResourceError, missing_extra, printable

_URL = re.compile(r"[a-z][a-z0-9+.-]+(::[a-z0-9+.-]+)*://", re.IGNORECASE)
_PATTERN = re.compile(r"[*?\[]")
_URL_PATTERN = re.compile(r"[*\[]")  # a question mark begins a query
_CHUNK = 1 << 20
_KEPT = 16


def is_url(source: str | Path) -> bool:
    """Whether ``source`` is a URL, such as ``s3://bucket/test.parquet``, and no path."""
    return isinstance(source, str) and _URL.match(source) is not None


def local_path(source: str | Path) -> Path:
    """The path of ``source`` on this machine; what a URL names is copied unless that is done already.

    Raises:
        DataError: nothing is there.
        ResourceError: a package is missing, or the store or the disk refused.
    """
    if not is_url(source):
        return Path(source)
    url = str(source)
    system, path = store(url)
    with explained(url):
        info = system.info(path)
        files = sorted(system.find(path)) if info["type"] == "directory" else [path]
        known = [info, *([system.info(file) for file in files] if info["type"] == "directory" else [])]
    if not files:
        raise DataError(Problem(printable(url), "an empty folder", "files"))
    key = hashlib.sha256(json.dumps([url, known], sort_keys=True, default=str).encode()).hexdigest()[:32]
    entry = home() / "remote" / key
    name = PurePosixPath(path.rstrip("/")).name or "data"
    if not (entry / name).exists():
        _forget(entry.parent)
        folder = make_directory(entry / f".{name}.part") if info["type"] == "directory" else make_directory(entry)
        for file in files:
            inside = PurePosixPath(file).relative_to(path) if info["type"] == "directory" else PurePosixPath(name)
            if ".." in inside.parts:
                raise DataError(Problem(printable(url), f"a file named {printable(str(inside))}", "names below the folder"))
            make_directory((folder / inside).parent)
            with explained(url):
                write_chunks(folder / inside, _content(system, file))
        if folder != entry:
            _publish(folder, entry / name)
    return entry / name


def expanded(sources: Sequence[str]) -> list[str]:
    """``sources``, each pattern (``*``, ``?``, ``[..]``, ``**``) replaced by what it matches, sorted.

    Raises:
        DataError: a pattern that matches nothing.
        ResourceError: see :func:`local_path`.
    """
    found = []
    for source in sources:
        plain = not _URL_PATTERN.search(source) if is_url(source) else not _PATTERN.search(source) or Path(source).exists()
        if plain:
            found.append(source)
            continue
        if is_url(source):
            system, path = store(source)
            with explained(source):
                matches = sorted(map(system.unstrip_protocol, system.glob(path)))
        else:
            matches = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 - the pattern may be absolute
        if not matches:
            raise DataError(Problem(printable(source), "no file that matches", "at least one"))
        found += matches
    return found


def store(url: str, doing: str = "read") -> tuple[Any, str]:
    """The file system of fsspec that ``url`` names, and the path there.

    Raises:
        DataError: fsspec does not know the URL.
        ResourceError: a package is missing.
    """
    try:
        import fsspec
    except ImportError:
        raise missing_extra("fsspec", "remote", f"to {doing} {printable(url)}") from None
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ResourceError(f"to {doing} {printable(url)} needs another package: {error}") from None
    except ValueError as error:
        raise DataError(Problem(printable(url), str(error), "a URL that fsspec knows, or a path")) from None
    return system, path


@contextmanager
def explained(url: str, doing: str = "read") -> Iterator[None]:
    """What a store raises, as errors of ours."""
    try:
        yield
    except (ResourceError, DataError):
        raise
    except NotImplementedError:
        raise ResourceError(f"cannot {doing} {printable(url)}: fsspec can't do that with this kind of store") from None
    except Exception as error:  # every store has its own
        if isinstance(error, FileNotFoundError) and doing == "read":
            raise DataError(Problem(printable(url), "nothing there", "a file or a folder")) from None
        said = printable(" ".join(str(error).split()) or type(error).__name__)[:300]
        raise ResourceError(
            f"cannot {doing} {printable(url)}: {said}; check the address, the credentials and the network"
        ) from error


def _content(system: Any, path: str) -> Iterator[bytes]:
    with system.open(path, "rb", block_size=_CHUNK) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _publish(folder: Path, final: Path) -> None:
    """Give a copied folder its name; another worker may have been quicker with the same content."""
    try:
        folder.rename(final)
    except OSError:
        if not final.is_dir():
            raise
        shutil.rmtree(folder)


def _forget(folder: Path) -> None:
    """Make room: the oldest copies go. More are kept than workers of this machine read at a time."""
    if folder.is_dir():
        newest_first = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in newest_first[max(_KEPT, 4 * cores()) - 1 :]:
            shutil.rmtree(old, ignore_errors=True)
