"""Released bundles: found by name, verified by hash, wherever they lie."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import tenfold
from tenfold.bundle import manifest as module
from tenfold.bundle.manifest import MANIFEST, MODEL, bundle_folder, check_hash, releases
from tenfold.bundle.verification import answer_faults
from tenfold.errors import IntegrityError, ResourceError
from tenfold.files import sha256_of, write_json

ROOT = Path(__file__).parents[2]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of two released bundles, kaggle/fast and mnist/fast, which are the one that comes along."""
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in ("kaggle/fast", "mnist/fast"):
        shutil.copytree(bundle_folder("builtin"), tmp_path / "models" / name)
    content = json.loads((tmp_path / "models/mnist/fast" / MANIFEST).read_text("utf-8"))
    write_json(tmp_path / "models/mnist/fast" / MANIFEST, {**content, "recipe": "other"})
    known = {
        name: {"sha256": sha256_of(tmp_path / "models" / name / MANIFEST), "accuracy": 0.9963}
        for name in ("kaggle/fast", "mnist/fast")
    }
    write_json(tmp_path / "released.json", known)
    monkeypatch.setattr(module, "_RELEASED", tmp_path / "released.json")
    monkeypatch.setenv("TENFOLD_MODELS", str(tmp_path / "models"))
    releases.cache_clear()
    yield tmp_path / "models"
    releases.cache_clear()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A web server of that folder, which TENFOLD_MODELS names."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(models))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("TENFOLD_MODELS", f"http://127.0.0.1:{server.server_port}/")
        yield server
        server.shutdown()
        thread.join()


def test_a_bundle_is_found_by_its_name_and_by_its_recipes(models: Path) -> None:
    assert bundle_folder("kaggle/fast") == bundle_folder("fast") == models / "kaggle" / "fast"
    assert bundle_folder("mnist/fast") == models / "mnist" / "fast"
    assert tenfold.Bundle.open("mnist/fast", threads=1).manifest.recipe == "other"
    assert list(tenfold.verify("fast")) == ["fast"]
    with pytest.raises(IntegrityError, match="tenfold recipes lists them"):
        bundle_folder("kaggle")


def test_a_bundle_of_ones_own_comes_first(models: Path) -> None:
    shutil.copytree(models / "mnist" / "fast", "fast")
    assert bundle_folder("fast") == Path("fast")


@pytest.mark.parametrize("file", [MANIFEST, MODEL])
def test_what_was_changed_is_refused(models: Path, file: str) -> None:
    path = models / "kaggle" / "fast" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="SHA-256 differs"):
        tenfold.Bundle.open("fast", threads=1)


def test_what_is_not_at_hand_is_said_with_the_ways_to_get_it(models: Path) -> None:
    shutil.rmtree(models / "kaggle")
    with pytest.raises(ResourceError, match=r"kaggle/fast is not in .*TENFOLD_MODELS.*tenfold run fast"):
        tenfold.predict("fast", [str(models / "nothing.png")])


def test_a_server_is_asked_once(server: ThreadingHTTPServer, models: Path) -> None:
    first = bundle_folder("fast")
    assert (first / MODEL).read_bytes() == (models / "kaggle/fast" / MODEL).read_bytes()
    shutil.rmtree(models)
    assert bundle_folder("kaggle/fast") == first
    with pytest.raises(ResourceError, match="404"):
        bundle_folder("mnist/fast")


@pytest.mark.parametrize("file", [MANIFEST, MODEL])
def test_of_a_server_that_sends_something_else_nothing_is_kept(
    server: ThreadingHTTPServer, models: Path, tmp_path: Path, file: str
) -> None:
    with (models / "kaggle/fast" / file).open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(IntegrityError, match=r"kaggle/fast.*: SHA-256 differs"):
        bundle_folder("fast")
    assert not [path for path in tmp_path.glob("home/**/*") if path.is_file()]


def test_recipes_say_what_they_have_trained(models: Path) -> None:
    found = {entry.name: entry.released for entry in tenfold.recipes()}
    assert (found["fast"], found["quick"]) == (("kaggle/fast", "mnist/fast"), ())


@pytest.mark.parametrize("name", releases())
def test_a_checkout_holds_every_release_as_it_was_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TENFOLD_MODELS", raising=False)
    folder = bundle_folder(name)
    assert folder == ROOT / "models" / name
    check_hash(folder)
    assert answer_faults(folder) == []
    recipe = name.rpartition("/")[2]
    assert {path.name for path in folder.iterdir()} == {MANIFEST, MODEL, "card.md", f"{recipe}.toml"}
    assert tenfold.Bundle.open(folder, threads=1).manifest.recipe == tenfold.load_recipe(recipe).name
    assert 0.99 < releases()[name]["accuracy"] < 1


def test_the_releases_are_small_and_outside_of_the_package() -> None:
    files = [path for path in (ROOT / "models").rglob("*") if path.is_file()]
    assert {path.parent.relative_to(ROOT / "models").as_posix() for path in files} == set(releases())
    assert sum(path.stat().st_size for path in files) <= 6_000_000
    assert [path for path in files if path.is_relative_to(Path(tenfold.__file__).parent)] == []
