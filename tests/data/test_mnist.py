import gzip
import hashlib
import os
import pickle
import struct
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from tenfold.data import ReadOptions
from tenfold.data.cache import home
from tenfold.data.convert import write_idx
from tenfold.data.fetch import FetchError
from tenfold.data.load import load
from tenfold.data.sources import mnist
from tenfold.data.sources import mnist as _mnist_wheel
from tenfold.data.sources.mnist import Mnist, NumpyUnpickler, read_wheel
from tenfold.errors import DataError, IntegrityError
from tenfold.values.dataset import Dataset

REAL_FOLDER = Mnist.cached_in()


def made(count: int, seed: int) -> Dataset:
    images = np.random.default_rng(seed).integers(0, 256, (count, 1, 28, 28), dtype=np.uint8)
    return Dataset(images, np.arange(count) % 10, np.arange(1, count + 1), tuple("0123456789"))


TRAIN, TEST = made(60, 0), made(10, 1)


def digests(data: Dataset) -> tuple[str, str]:
    assert data.labels is not None
    return (
        hashlib.sha256(data.images.tobytes()).hexdigest(),
        hashlib.sha256(data.labels.astype(np.uint8).tobytes()).hexdigest(),
    )


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and 70 images that pass for MNIST: a folder with their four files, compressed."""
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(mnist, "SHA256", {"train": digests(TRAIN), "test": digests(TEST)})
    monkeypatch.setattr(mnist, "download_wheel", lambda *arguments: pytest.fail("the package index was asked"))
    folder = tmp_path / "files"
    for data, role in ((TRAIN, "train"), (TEST, "test")):
        for path in write_idx(data, folder, role):  # type: ignore[arg-type]
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def mirror(small: Path) -> Iterator[str]:
    """A server of the small set's files at /files/ and of nothing at /none/."""
    handler = partial(Quiet, directory=str(small.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/files/"
        server.shutdown()
        thread.join()


def test_it_comes_from_a_mirror_once_and_then_from_the_cache(
    mirror: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", (mirror.replace("files", "none"), mirror))
    assert Mnist.cached_in() is None
    assert load("mnist").fingerprint() == TRAIN.fingerprint()
    assert Mnist.cached_in() == home() / "mnist"
    monkeypatch.setattr(mnist, "MIRRORS", ())
    assert load("mnist", "test").fingerprint() == TEST.fingerprint()
    assert list(small.parent.rglob("*.tmp")) == []


def test_a_mirror_with_other_content_is_passed_over(mirror: str, small: Path) -> None:
    bad = small.parent / "bad"
    bad.mkdir()
    for path in small.iterdir():
        (bad / path.name).write_bytes(path.read_bytes())
    (bad / f"{mnist.FILES[0]}.gz").write_bytes(gzip.compress(struct.pack(">4I", 0x803, 60, 28, 28) + bytes(60 * 784)))
    Mnist.fetch(mirrors=[mirror.replace("files", "bad"), mirror])
    assert load("mnist").fingerprint() == TRAIN.fingerprint()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(b"not IDX"), "not an IDX file"),
        (b"<html>log in first</html>", "HTML"),
        (gzip.compress(struct.pack(">4I", 0x803, 10, 28, 28) + TEST.images.tobytes())[:-100], "damaged or cut off"),
    ],
    ids=["other format", "log-in page", "truncated"],
)
def test_if_no_mirror_has_it_all_reasons_are_listed_and_the_cache_stays_empty(
    mirror: str, small: Path, content: bytes, reason: str
) -> None:
    (small / f"{mnist.FILES[2]}.gz").write_bytes(content)
    with pytest.raises(
        FetchError, match=rf"(?s)/none/train.*404.*/files/: holds something else.*({reason}).*--from FOLDER"
    ):
        Mnist.fetch(mirrors=[mirror.replace("files", "none"), mirror])
    assert Mnist.cached_in() is None


def test_it_comes_from_a_local_folder(small: Path) -> None:
    Mnist.fetch(small)
    assert load("mnist", "test").fingerprint() == TEST.fingerprint()


def test_a_local_folder_with_something_else_is_refused(small: Path, tmp_path: Path) -> None:
    for data, role in ((TRAIN, "train"), (made(10, 2), "test")):
        write_idx(data, tmp_path / "other", role)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match="the test images are not MNIST's"):
        Mnist.fetch(tmp_path / "other")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError):
        Mnist.fetch(tmp_path / "nothing")
    assert Mnist.cached_in() is None


def test_a_damaged_cache_is_fetched_again(mirror: str, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Mnist.fetch(small)
    images = folder / mnist.FILES[0]
    content = bytearray(images.read_bytes())
    content[1000] ^= 1
    images.write_bytes(content)
    monkeypatch.setattr(mnist, "MIRRORS", (mirror,))
    assert load("mnist").fingerprint() == TRAIN.fingerprint()


def test_other_classes_than_the_ten_digits_are_an_integrity_error(small: Path) -> None:
    with pytest.raises(IntegrityError, match="expected cat, dog"):
        load("mnist", "test", ReadOptions(class_names=("cat", "dog")))


def test_importing_downloads_nothing(small: Path) -> None:
    assert not home().exists()


# the pickle


def python2_array(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """An array as Python 2 pickled it."""
    shape = b"".join(b"I%d\n" % size for size in array.shape)
    content = array.tobytes()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(" + shape + b"tcnumpy\ndtype\n(S'"
        + array.dtype.str[1:].encode() + b"'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nT"
        + struct.pack("<I", len(content)) + content + b"tb"
    )  # fmt: skip


def wheel_with(content: bytes) -> bytes:
    wheel = BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("mnist/data/mnist.pkl.gz", content)
    return wheel.getvalue()


def test_the_wheel_gives_both_sets_in_the_order_of_the_idx_files(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = []
    for data in (TRAIN.take(range(50)), TRAIN.take(range(50, 60)), TEST):
        assert data.labels is not None
        pixels = (data.images.reshape(-1, 784) / 256).astype("<f4")
        parts.append(b"(" + python2_array(pixels) + python2_array(data.labels) + b"t")
    packed = gzip.compress(b"\x80\x02(" + b"".join(parts) + b"t.")
    monkeypatch.setattr(_mnist_wheel, "_SHA256", hashlib.sha256(packed).hexdigest())
    train, test = read_wheel(wheel_with(packed))
    for (images, labels), data in ((train, TRAIN), (test, TEST)):
        np.testing.assert_array_equal(images, data.images)
        np.testing.assert_array_equal(labels, data.labels)
        assert labels.dtype == np.int64


class Exploit:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.canary),)


def test_a_pickle_with_another_hash_is_not_opened(tmp_path: Path) -> None:
    evil = gzip.compress(pickle.dumps(Exploit(tmp_path / "canary")))
    with pytest.raises(IntegrityError, match="it was not opened"):
        read_wheel(wheel_with(evil))
    assert not (tmp_path / "canary").exists()


def test_the_unpickler_refuses_every_other_name(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"refused to load posix\.mkdir"):
        NumpyUnpickler(BytesIO(pickle.dumps(Exploit(tmp_path / "canary")))).load()
    assert not (tmp_path / "canary").exists()
    for name in (b"cnumpy\nload\n.", b"cbuiltins\neval\n.", b"cnumpy\nndarray.tofile\n."):
        with pytest.raises(IntegrityError, match="refused to load"):
            NumpyUnpickler(BytesIO(name)).load()


@pytest.mark.parametrize("wheel", [b"", b"PK\3\4 broken", b"x" * 1000])
def test_what_is_no_wheel_is_an_integrity_error(wheel: bytes) -> None:
    with pytest.raises(IntegrityError, match="not the wheel expected"):
        read_wheel(wheel)


# the real one, where it has been fetched


@pytest.mark.skipif(REAL_FOLDER is None, reason="MNIST is not in the cache; run: tenfold data fetch mnist")
def test_mnist_itself() -> None:
    train, test = load("mnist"), load("mnist", "test")
    assert (train.images.shape, test.images.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert train.labels is not None
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert (train.ids[0], train.ids[-1], test.ids[-1]) == (1, 60_000, 10_000)
