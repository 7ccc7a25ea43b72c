"""Answers as parts, here or at a URL: found again, joined to the bytes of the plain way, and refused in one line."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import json
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from _bundles import digits_run
from _command_line import tenfold
from _far_store import announce
from _small_training import table
from tenfold.bundle import batch
from tenfold.bundle.pieces import MANIFEST, read_parts, thumbprint
from tenfold.errors import IntegrityError, ResourceError
from tenfold.values.run import Run

ROWS = 64


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return digits_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(batch, "ROWS", ROWS)
    return announce(tmp_path / "far", monkeypatch)


def joined(folder: Path) -> bytes:
    contents = [
        (folder / part["name"]).read_bytes().partition(b"\n")
        for part in json.loads((folder / MANIFEST).read_text())["parts"]
    ]
    return contents[0][0] + b"\n" + b"".join(content[2] for content in contents)


def test_parts_go_where_fsspec_writes(run: Run, far: Path, tmp_path: Path) -> None:
    """By worker processes, which get the URL and nothing else."""
    data = table(tmp_path)
    assert tenfold("predict", run.path, data, "--out", tmp_path / "here.csv").code == 0
    done = tenfold(
        "predict", run.path, data, "--out", "far://answers/digits", "--parts", "--executor", "processes", "--workers", 1
    )
    assert (done.code, done.err) == (0, "")
    assert joined(far / "answers" / "digits") == (tmp_path / "here.csv").read_bytes()
    manifest = read_parts("far://answers/digits")
    assert manifest["rows"] == 600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far", "here.csv", "train.csv"]
    again = tenfold("predict", run.path, data, "--out", "far://answers/digits", "--parts")
    assert again.code == 2
    assert "far://answers/digits/parts.json exists; pass --force" in again.err
    (far / "answers" / "digits" / manifest["parts"][0]["name"]).write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"differs from parts\.json"):
        read_parts("far://answers/digits")


def test_a_store_that_refuses_is_one_line_and_what_it_has_is_found_again(
    run: Run, far: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = table(tmp_path)
    monkeypatch.setenv("FAR_STORE_ROOM", "3")
    done = tenfold("predict", run.path, data, "--out", "far://answers", "--parts")
    assert (done.code, done.err.count("\n")) == (4, 1)
    assert (
        "cannot write far://answers: the store is full; check the address, the credentials and the network" in done.err
    )
    monkeypatch.delenv("FAR_STORE_ROOM")
    assert len(list((far / "answers").iterdir())) == 3
    outcome = batch.predict_to_csv(run.path, [str(data)], "far://answers/", options=batch.ReadOptions(), as_parts=True)
    assert (outcome.rows, outcome.reused) == (600, 3 * ROWS)
    assert read_parts("far://answers")["rows"] == 600


def test_what_is_wrong_with_the_data_leaves_nothing_there(run: Run, far: Path, tmp_path: Path) -> None:
    data = table(tmp_path)
    data.write_text(data.read_text() + "1,2,3\n")
    assert tenfold("predict", run.path, data, "--out", "far://answers", "--parts").code == 3
    assert not [path for path in far.rglob("*") if path.is_file()]


def test_a_url_of_this_machine_is_a_path(run: Run, tmp_path: Path) -> None:
    data = table(tmp_path)
    done = tenfold("predict", run.path, data, "--out", f"file://{tmp_path}/answers", "--parts")
    assert done.code == 0, done.err
    assert read_parts(tmp_path / "answers") == read_parts(f"file://{tmp_path}/answers")


def test_other_files_of_the_folder_stay(run: Run, tmp_path: Path) -> None:
    """A table beside the answers was taken for an old part once, and removed."""
    data = table(tmp_path)
    for more in ([], ["--probabilities", "--force"]):
        assert tenfold("predict", run.path, data, "--out", tmp_path, "--parts", *more).code == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".csv", ".json"]
    assert data.is_file()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a server that gives files and takes none."""
    (tmp_path / "www").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path / "www"))
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_store_that_only_reads_says_so(run: Run, web: str, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    done = tenfold("predict", run.path, table(tmp_path), "--out", f"{web}/answers", "--parts")
    assert (done.code, done.err.count("\n")) == (4, 1)
    assert f"cannot write {web}/answers: fsspec can't do that with this kind of store" in done.err


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("nope://bucket/a", 2, "a scheme that is not read"),
        pytest.param(
            "s3://bucket/a",
            4,
            "to write s3://bucket/a needs another package: .*s3fs",
            marks=pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed"),
        ),
    ],
)
def test_a_url_that_leads_nowhere_is_one_line(run: Run, tmp_path: Path, url: str, code: int, message: str) -> None:
    done = tenfold("predict", run.path, table(tmp_path), "--out", url, "--parts")
    assert (done.code, done.err.count("\n")) == (code, 1)
    assert re.search(message, done.err)
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]


def test_one_file_at_a_url_is_refused(run: Run, tmp_path: Path) -> None:
    done = tenfold("predict", run.path, table(tmp_path), "--out", "s3://bucket/a.csv")
    assert done.code == 2
    assert "s3://bucket/a.csv is a URL: pass --parts" in done.err


def test_d12_another_file_of_that_name_on_a_worker_is_refused(run: Run, tmp_path: Path) -> None:
    data, model = table(tmp_path), batch.Bundle.open(run.path, 1).manifest.model.sha256
    task = {
        "bundle": str(run.path),
        "model": model,
        "source": str(data),
        "number": 0,
        "options": asdict(batch.ReadOptions()),
    }
    task |= {
        "probabilities": False,
        "folder": str(tmp_path / "out"),
        "threads": 1,
        "piece": None,
        "thumb": thumbprint(str(data)),
    }
    data.write_text(data.read_text().replace("1", "2", 1))  # as long as before
    with pytest.raises(IntegrityError, match="is another file on the machine"):
        batch.predict_piece(None, **task)  # type: ignore[arg-type]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ResourceError, match=r"to write s3://b needs the package 'fsspec'.*pip install .*\[remote\]'"):
        batch.parts_folder("s3://b")
