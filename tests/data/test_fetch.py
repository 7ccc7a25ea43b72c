import logging
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tenfold.data.fetch import FetchError, download, download_wheel
from tenfold.errors import ResourceError

CONTENT = bytes(range(256)) * 1000


class Handler(BaseHTTPRequestHandler):
    """A server with one path per behaviour."""

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path == "/good":
            self.wfile.write(CONTENT)
        elif self.path == "/truncated":
            self.wfile.write(CONTENT[:1000])
        elif self.path == "/silent":
            self.wfile.flush()
            self.server.stop.wait(5)  # type: ignore[attr-defined]
        elif self.path == "/dripping":
            while not self.server.stop.wait(0.02):  # type: ignore[attr-defined]
                self.wfile.write(b"x")
                self.wfile.flush()

    def log_message(self, *arguments: object) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments: object) -> None:
        """Clients that give up are what is tested."""


@pytest.fixture
def server() -> Iterator[str]:
    with QuietServer(("127.0.0.1", 0), Handler) as server:
        server.stop = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.stop.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def test_a_good_file_comes_with_progress(server: str) -> None:
    seen: list[tuple[str, int, int | None]] = []
    assert download(f"{server}/good", limit=10**6, progress=lambda *step: seen.append(step)) == CONTENT
    assert seen[0] == (f"{server}/good", 0, None)
    assert seen[-1] == (f"{server}/good", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_programs_find_progress_in_the_log(server: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tenfold"):
        download(f"{server}/good", limit=10**6)
    assert caplog.messages == [f"fetching {server}/good"]


@pytest.mark.parametrize(
    ("path", "limit", "reason"),
    [
        ("missing", 10**6, "404"),
        ("truncated", 10**6, r"cut off after 1,000 of 256,000 bytes"),
        ("good", 1000, "more than 1,000 bytes"),
        ("silent", 10**6, "timed out"),
        ("dripping", 10**6, r"not complete after 0\.3 s"),
    ],
)
def test_what_does_not_arrive_is_named_with_its_reason(server: str, path: str, limit: int, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises(ResourceError, match=f"^{server}/{path}: .*{reason}"):
        download(f"{server}/{path}", limit=limit, silence=0.2, total=0.3)
    assert time.monotonic() - began < 3


def test_nobody_listens(server: str) -> None:
    with pytest.raises(ResourceError, match="refused"):
        download("http://127.0.0.1:1/x", limit=1)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "nonsense", "http://"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ResourceError, match=r"https|no host"):
        download(url, limit=1000)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write a wheel into a folder that stands in for the package index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    def write(name: str) -> Path:
        path = tmp_path / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            archive.writestr(
                f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
        return path

    return write


def test_a_wheel_comes_from_the_index_pip_is_set_up_for(wheels: Callable[[str], Path]) -> None:
    path = wheels("made_up")
    seen: list[tuple[str, int, int | None]] = []
    assert download_wheel("made-up==1.0", progress=lambda *step: seen.append(step)) == path.read_bytes()
    assert seen[-1] == ("made-up==1.0 with pip", path.stat().st_size, path.stat().st_size)


def test_a_wheel_that_nobody_has(wheels: Callable[[str], Path]) -> None:
    with pytest.raises(ResourceError, match=r"^made-up==1\.0 with pip: .*No matching distribution"):
        download_wheel("made-up==1.0")


def test_a_fetch_error_says_who_was_asked_and_what_to_do() -> None:
    error = FetchError("mnist", ["https://a: 404", "https://b: timed out"], "bring it yourself")
    assert error.lines()[1:] == ["https://a: 404", "https://b: timed out", "bring it yourself"]
    assert "offline" in error.lines()[0]
    assert error.exit_code == 4
