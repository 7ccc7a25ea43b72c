"""What holds wherever a file enters: an exit code that is not 1, the file's name, nothing written, bounded time."""

from __future__ import annotations

import inspect
import os
import signal
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

import tenfold as library
from _command_line import tenfold
from tenfold.errors import IntegrityError
from tenfold.values.predictions import Predictions

SECONDS = 20
REFUSALS = (2, 3, 4, 6)
COMMANDS: dict[str, tuple[str, ...]] = {
    "augment.image": ("augment", "{}", "--out", "picture.png"),
    "check_data.source": ("data", "check", "{}"),
    "check_data.test": ("data", "check", "digits.npz", "--test", "{}"),
    "check_submission.path": ("submit", "--check", "{}"),
    "compare.a": ("compare", "{}", "{}"),
    "convert.source": ("data", "convert", "{}", "out.csv"),
    "convert.labels": ("data", "convert", "digits.npz", "out.csv", "--labels", "{}"),
    "evaluate.data": ("evaluate", "builtin", "{}"),
    "evaluate.model": ("evaluate", "{}", "digits.npz"),
    "explore.data": ("explore", "{}", "--out", "page.html"),
    "explain.run": ("explain", "{}"),
    "export.run": ("export", "{}", "--to", "onnx", "--out", "out"),
    "import_log.file": ("import-log", "{}"),
    "load_recipe.name": ("train", "{}", "--train", "digits.npz"),
    "page.bundle": ("page", "{}"),
    "predict.sources": ("predict", "builtin", "{}"),
    "predict.model": ("predict", "{}", "digits.npz"),
    "read_pictures.images": ("read", "{}"),
    "read_pictures.bundle": ("read", "digit.png", "--bundle", "{}"),
    "resume.path": ("train", "--resume", "{}"),
    "review_labels.oof": ("data", "review", "digits.npz", "--oof", "{}"),
    "submit.test": ("submit", "builtin", "--test", "{}"),
    "train.train": ("train", "svm-fast", "--train", "{}"),
    "run.test": ("run", "svm-fast", "--train", "digits.npz", "--test", "{}"),
    "tune.recipe": ("tune", "{}", "--train", "digits.npz"),
    "teach.model": ("teach", "{}", "digits.npz"),
    "teach.train": ("teach", "builtin", "{}"),
    "ask.data": ("data", "ask", "builtin", "{}"),
    "verify.paths": ("verify", "{}"),
}
"""A command for every parameter of the public functions that names a file to read."""
SAME_WAY = {
    "bench": "no file of the user's but a recipe, as load_recipe",
    "cross_validate": "reads as train does",
    "doctor": "asks the machine",
    "fetch": "tests/data/test_fetch.py",
    "load": "reads as check_data does",
    "read": "one picture, as read_pictures",
    "recipes": "no file",
    "reproduce": "reads a run as explain does",
    "runs": "lists a folder; damaged runs are a row each, tests/cli/test_runs.py",
    "serve": "bundles, as predict; requests in tests/serve",
    "study": "reads as train does",
}

NUMBER = b"1" * 5001
CELL = b"1" * 200_000


def _png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\0\0\0\0\0\0\0\0"


CONTENTS: dict[str, bytes] = {
    "empty.csv": b"",
    "zeros.npz": bytes(4096),
    "not-utf8.csv": "Größe,Zahl\n1,2\n".encode("latin-1"),
    "long-cell.csv": b"id,label,decision,new_label\n" + CELL + b",1,keep,\n",
    "long-title.csv": b"title,test_accuracy\n" + CELL + b",0.9\n",
    "huge-number.csv": b"label,pixel0\n" + NUMBER + b"," + NUMBER + b"\n",
    "huge-number.toml": b"[[experiment]]\nid = " + NUMBER + b"\n",
    "hexadecimal.toml": b"seed = 0x" + b"f" * 5000 + b"\n",
    "deep.toml": b"a = " + b"[" * 20_000,
    "cut.zip": b"PK\x03\x04\x14\0\0\0\x08\0",
    "cut.csv.gz": b"\x1f\x8b\x08\x00\0\0\0\0\0\x03abc",
    "promise.png": _png(30_000, 30_000),
    "promise-idx3-ubyte": b"\0\0\x08\x03" + b"\xff" * 12,
    "cut.parquet": b"PAR1" + b"\xff" * 30 + b"PAR1",
    "deep.json": b"[" * 100_000,
    "page.html": b"<!doctype html><title>404</title>",
}


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to work in, with data that is fine and hostile files beside it."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    np.savez(folder / "digits.npz", x=rng.integers(0, 256, (40, 28, 28), np.uint8), y=np.arange(40) % 10)
    from PIL import Image

    Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(folder / "digit.png")
    bad = folder / "bad"
    bad.mkdir()
    for name, content in CONTENTS.items():
        (bad / name).write_bytes(content)
    os.mkfifo(bad / "pipe.csv")
    (bad / "device.toml").symlink_to("/dev/zero")
    (bad / "circle.csv").symlink_to("circle.csv")
    (bad / os.fsdecode(b"n\xffame.csv")).write_bytes(b"label,pixel0\n1,2\n0,3\n")
    with zipfile.ZipFile(bad / "bomb.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("train.csv", b"label,pixel0\n" + bytes(20_000_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENFOLD_HOME", str(folder / "home"))
        patch.chdir(folder)
        yield folder


def _inputs(folder: Path) -> list[Path]:
    return [*sorted((folder / "bad").iterdir()), folder / "bad" / "missing.csv"]


@pytest.mark.parametrize("step", [pytest.param(5, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)])
@pytest.mark.parametrize("entrance", COMMANDS)
def test_bad_input_is_a_refusal_that_names_it(entrance: str, step: int, place: Path) -> None:
    before = _listing(place)
    for path in _inputs(place)[list(COMMANDS).index(entrance) % step :: step]:
        with Within(SECONDS, f"{entrance} {path.name}"):
            done = tenfold(*(str(path) if word == "{}" else word for word in COMMANDS[entrance]))
        told = f"{entrance} {path.name!r}: exit {done.code}\n{done.err[-600:]}"
        assert done.code in REFUSALS, told
        name = path.name.encode("utf-8", "backslashreplace").decode()
        assert "Traceback" not in done.err and "bug in tenfold" not in done.err, told
        assert _squeezed(name.rpartition("\\")[0] or name) in _squeezed(done.err), told
        assert len(done.err) < 6000, told
        assert _listing(place) == before, told


def test_every_public_function_is_listed() -> None:
    functions = {name for name in library.__all__ if inspect.isfunction(getattr(library, name))}
    listed = {entrance.partition(".")[0] for entrance in COMMANDS}
    assert functions == listed | set(SAME_WAY), "add a command that reads the new function's file"
    for entrance in COMMANDS:
        function, _, parameter = entrance.partition(".")
        assert parameter in inspect.signature(getattr(library, function)).parameters, entrance


@pytest.mark.parametrize(
    "arrays",
    [
        {"ids": np.int64(3)},
        {"ids": np.zeros((3, 1), np.int64)},
        {"ids": np.array([1.5, 2, 3])},
        {"ids": np.array([None, 1, 2], object)},
        {"labels": np.array([0, 1, 7])},
        {"labels": np.array([0, 1, -1])},
        {"labels": np.array([0.0, 1, 1])},
        {"labels": np.array([["0", "1", "1"]])},
        {"probabilities": np.zeros((3, 0), np.float32)},
        {"probabilities": np.full((3, 2), 0.9, np.float32)},
        {"probabilities": np.array([[2, -1]] * 3, np.float32)},
        {"probabilities": np.zeros((3, 2), np.complex64)},
        {"ids": np.zeros(0, np.int64), "probabilities": np.zeros((0, 2), np.float32), "labels": None},
    ],
)
def test_predictions_that_no_model_makes_are_refused(arrays: dict[str, object], tmp_path: Path) -> None:
    good = {"ids": np.arange(3), "probabilities": np.full((3, 2), 0.5, np.float32), "labels": np.array([0, 1, 1])}
    path = tmp_path / "validation.npz"
    np.savez(path, **{name: value for name, value in (good | arrays).items() if value is not None})
    with pytest.raises(IntegrityError, match=r"validation\.npz"):
        Predictions.load(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_predictions_take_no_memory_that_their_file_does_not_fill(method: int, tmp_path: Path) -> None:
    header = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (900000000, 900), }".ljust(
        117
    ) + b"\n"  # fmt: skip
    path = tmp_path / "validation.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("ids.npy", header + bytes(10_000_000))
    with pytest.raises(IntegrityError, match=r"validation\.npz"):
        Predictions.load(path)


def test_a_closed_standard_input_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    done = tenfold("read", "-")
    assert (done.code, "standard input" in done.err) == (3, True)


def _squeezed(text: str) -> str:
    return "".join(text.replace("│", "").split())


def _listing(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if "home" not in path.parts)


class Within:
    """The block ends in time, or the test fails."""

    def __init__(self, seconds: int, what: str) -> None:
        self.seconds, self.what = seconds, what

    def __enter__(self) -> None:
        def late(number: int, frame: FrameType | None) -> None:
            raise TimeoutError(f"{self.what}: more than {self.seconds} s")

        self.before: Callable[[int, FrameType | None], object] | int | None = signal.signal(signal.SIGALRM, late)
        signal.alarm(self.seconds)

    def __exit__(self, *_: object) -> None:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, self.before)
