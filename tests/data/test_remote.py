"""Sources by URL: read as if they lay here, copied once, and told apart when they change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from _command_line import tenfold
from tenfold.data import ReadOptions
from tenfold.data.fetch import SCHEMES, expanded, is_url, local_path
from tenfold.data.load import load
from tenfold.errors import DataError, ResourceError, TenfoldError

TABLE = "label,pixel0,pixel1,pixel2,pixel3\n1,2,3,4,5\n0,6,7,8,9\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


@pytest.fixture
def store() -> fsspec.AbstractFileSystem:
    """A store in memory, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    return system


def test_a_url_is_no_path() -> None:
    assert is_url("s3://bucket/a.csv") and is_url("simplecache::https://host/a.csv")
    assert not any(map(is_url, ("a.csv", "/a//b.csv", "C:\\a.csv", "memory:abc", Path("s3://bucket"))))
    assert local_path("a.csv") == Path("a.csv")


def test_a_table_elsewhere_is_the_table_here(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    store.pipe("/bucket/train.csv", TABLE.encode())
    (tmp_path / "train.csv").write_text(TABLE)
    assert load("memory://bucket/train.csv").fingerprint() == load(tmp_path / "train.csv").fingerprint()


def test_it_is_copied_once_and_again_when_it_changes(store: fsspec.AbstractFileSystem) -> None:
    store.pipe("/bucket/a.csv", TABLE.encode())
    copy = local_path("memory://bucket/a.csv")
    inode = copy.stat().st_ino
    assert local_path("memory://bucket/a.csv").stat().st_ino == inode
    store.pipe("/bucket/a.csv", TABLE.encode() + b"1,1,1,1,1\n")
    assert local_path("memory://bucket/a.csv").read_text() == TABLE + "1,1,1,1,1\n"
    assert copy.read_text() == TABLE


def test_a_folder_comes_with_all_that_is_below(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    for name in ("0", "1"):
        Image.fromarray(np.full((4, 4), 50 * int(name), np.uint8)).save(tmp_path / "image.png")
        store.pipe(f"/bucket/digits/{name}/a.png", (tmp_path / "image.png").read_bytes())
    data = load("memory://bucket/digits")
    assert (data.class_names, data.images[:, 0, 0, 0].tolist()) == (("0", "1"), [0, 50])
    assert not list((tmp_path / "home" / "remote").rglob(".*"))


def test_patterns_become_what_they_match_in_order(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        store.pipe(f"/bucket/{name}.csv", b"")
        (tmp_path / f"{name}.csv").touch()
    (tmp_path / "[x].csv").touch()
    assert expanded(["memory://bucket/*.csv", "plain"]) == [
        *(f"memory:///bucket/{name}.csv" for name in "abc"),
        "plain",
    ]
    assert expanded([f"{tmp_path}/?.csv"]) == [str(tmp_path / f"{name}.csv") for name in "abc"]
    assert expanded([str(tmp_path / "[x].csv")]) == [str(tmp_path / "[x].csv")]
    assert expanded(["https://host/a.csv?version=1"]) == ["https://host/a.csv?version=1"]
    with pytest.raises(DataError, match="no file that matches"):
        expanded([f"{tmp_path}/*.parquet"])


def test_what_is_not_there_or_not_known_is_said(
    store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"memory://bucket/none\.csv: found nothing there"):
        load("memory://bucket/none.csv")
    with pytest.raises(DataError, match=r"gopher://.*found a scheme that is not read"):
        load("gopher://host/a.csv")
    monkeypatch.setattr(store, "info", lambda path: 1 / 0)
    with pytest.raises(ResourceError, match="check the address, the credentials"):
        load("memory://bucket/a.csv")


def test_only_the_newest_copies_are_kept(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    for number in range(80):
        store.pipe(f"/bucket/{number}.csv", TABLE.encode())
        local_path(f"memory://bucket/{number}.csv")
    assert 16 <= len(list((tmp_path / "home" / "remote").iterdir())) < 80


def test_the_copy_never_leaves_the_cache(store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    store.pipe("/bucket/digits/a.png", b"x")
    monkeypatch.setattr(store, "find", lambda path: [f"{path}/../../../evil"])
    monkeypatch.setattr(store, "info", lambda path: {"type": "directory" if path.endswith("digits") else "file"})
    with pytest.raises(DataError, match="names below the folder"):
        local_path("memory://bucket/digits")


class _Server(BaseHTTPRequestHandler):
    """Answers as servers do that are broken, busy or hostile."""

    def do_GET(self) -> None:
        kind = self.path.strip("/").partition("/")[0].partition(".")[0]
        if kind.isdecimal():
            self.send_error(int(kind))
        elif kind == "circle":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        elif kind == "silent":
            self.server.release.wait(20)  # type: ignore[attr-defined]
        else:
            self.send_response(200)
            self.end_headers()
            try:
                while kind == "endless":
                    self.wfile.write(bytes(1 << 16))
            except OSError:
                pass
            self.wfile.write(TABLE.encode()) if kind == "good" else None

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    pytest.importorskip("aiohttp")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        running.release = threading.Event()  # type: ignore[attr-defined]
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.release.set()  # type: ignore[attr-defined]
        running.shutdown()


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("404", 3, "nothing there"),
        ("403", 4, "403"),
        ("500", 4, "500"),
        ("circle", 4, "cannot read"),
        ("silent", 4, "no answer for"),
        ("endless", 3, "--max-input-bytes"),
    ],
)
def test_what_servers_answer_is_told_apart_and_bounded(
    name: str, code: int, said: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.data.fetch.ANSWER_SECONDS", 1.0 if name == "silent" else 20.0)
    with pytest.raises(TenfoldError, match=said) as caught:
        load(f"{server}/{name}.csv", options=ReadOptions(max_input_bytes=3 << 20))
    assert caught.value.exit_code == code
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_a_port_that_refuses_is_no_missing_file() -> None:
    pytest.importorskip("aiohttp")
    with pytest.raises(ResourceError, match="cannot be reached"):
        load("http://127.0.0.1:9/a.csv")


def test_every_scheme_is_read_or_refused_by_name() -> None:
    for scheme in {*fsspec.available_protocols(), "gopher"} - SCHEMES:
        with pytest.raises(DataError, match=f"{scheme}://.*found a scheme that is not read"):
            local_path(f"{scheme}://host/a.csv")
    for url in ("simplecache::" * 200 + "file:///a.csv", "tar://a::file:///etc/passwd", "zip://a::https://h/a.zip"):
        with pytest.raises(DataError, match="found a scheme that is not read"):
            local_path(url)


def test_a_file_url_is_the_path_and_no_device(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLE)
    assert local_path(f"file://{tmp_path}/a.csv") == tmp_path / "a.csv"
    with pytest.raises(DataError, match="a character device"):
        load("file:///dev/zero")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@host/a.csv",
        "https://hunter2@host/a.csv",
        "ftp://user:hunter2@host/a.csv",
        "https://host/a.csv?X-Amz-Signature=hunter2",
        "https://host/a.csv?version=1&api_key=hunter2",
        "https://host/a.csv?token=hunter2#part",
    ],
)
def test_passwords_reach_no_message_and_no_file(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (("data", "check", url), ("train", "svm-fast", "--train", url), ("predict", "builtin", url)):
        done = tenfold(*command)
        assert done.code == 3 and "password or a token" in done.err
        assert "hunter2" not in done.err + done.out
    assert not any(b"hunter2" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
