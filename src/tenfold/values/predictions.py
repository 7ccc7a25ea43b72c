"""What a model said about some rows: the only thing that evaluation, reports and submissions see."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import IntegrityError
from tenfold.files import write_bytes
from tenfold.values.accuracy import Accuracy
from tenfold.values.serialisation import npz_array


def vote(members: Iterable[NDArray[np.float32]], how: str) -> NDArray[np.float32]:
    """Combine the probabilities (N, K) of members, taken one by one.

    ``mean`` is the soft vote; ``log-mean`` the normalised geometric mean, which trusts a member that
    excludes a class more than one that is sure of it.
    """
    total, count = np.zeros(()), 0
    for probabilities in members:
        total = total + (
            np.log(np.maximum(probabilities, PROBABILITY_FLOOR))
            if how == "log-mean"
            else probabilities.astype(np.float64)
        )
        count += 1
    mean = total / count
    if how == "log-mean":
        mean = np.exp(mean - mean.max(axis=1, keepdims=True))
    mean /= mean.sum(axis=1, keepdims=True)
    return mean.astype(np.float32)


PROBABILITY_FLOOR = 1e-12
"""A smaller probability counts as this where logarithms are taken, in training as in the exported graph: no member has
a veto.
"""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities for N images.

    Attributes:
        ids: (N,) int64 or text, the ids of the images.
        probabilities: float32 (N, K), finite, rows sum to 1.
        labels: int64 (N,) true classes, or None where unknown.

    Example:
        >>> import numpy as np, tenfold
        >>> made = tenfold.Predictions(np.arange(2), np.array([[0.9, 0.1], [0.4, 0.6]], np.float32), np.array([0, 0]))
        >>> made.predicted.tolist(), made.accuracy
        ([0, 1], 0.5)
    """

    ids: NDArray[Any]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.ids.ndim != 1:
            raise ValueError(f"ids must have shape (N,), got {self.ids.shape}")
        n = len(self.ids)
        if self.probabilities.ndim != 2 or len(self.probabilities) != n or self.probabilities.dtype != np.float32:
            raise ValueError(
                f"probabilities must be float32 ({n}, K), got {self.probabilities.dtype} {self.probabilities.shape}"
            )
        if self.labels is not None and self.labels.shape != (n,):
            raise ValueError(f"labels must have shape ({n},), got {self.labels.shape}")
        if self.labels is not None and self.labels.dtype.kind not in "iu":
            raise ValueError(f"labels must be whole numbers, got {self.labels.dtype}")
        if not np.isfinite(self.probabilities).all():
            bad = int((~np.isfinite(self.probabilities)).any(axis=1).sum())
            raise IntegrityError(
                f"{bad:,} of {n:,} predictions hold NaN or infinity; the model is damaged or diverged while training"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[Any]) -> Predictions:
        """The predictions of these rows (indices, or bool (N,)), in this order."""
        return Predictions(self.ids[rows], self.probabilities[rows], None if self.labels is None else self.labels[rows])

    def _repr_html_(self) -> str:
        """In a notebook: how many rows, how many of them right, how sure."""
        from tenfold.values import display

        n, classes = self.probabilities.shape
        rows: dict[str, object] = {}
        if self.labels is not None and n:
            rows = {"accuracy": self.score.text, "errors": f"{self.score.errors:,}"}
        if n:
            rows["confidence"] = (
                f"median {float(np.median(self.confidence)):.4f}, least {float(self.confidence.min()):.4f}"
            )
        return display.table(f"Predictions of {n:,} images, {classes} classes", rows)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) the most probable class of each image."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(N,) the probability of the predicted class."""
        return self.probabilities.max(axis=1)

    @property
    def truth(self) -> NDArray[np.int64]:
        """(N,) the labels of predictions that have them.

        Raises:
            ValueError: they are not known.
        """
        if self.labels is None:
            raise ValueError("these predictions have no labels")
        return self.labels

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(N,) whether the prediction equals the label; ValueError as :attr:`truth`."""
        return self.predicted == self.truth

    @property
    def accuracy(self) -> float:
        """Share of correct predictions, 0..1."""
        return float(self.correct.mean())

    @property
    def score(self) -> Accuracy:
        """The same with its interval; ValueError as :attr:`correct`."""
        return Accuracy.of_rows(self.correct)

    def save(self, path: Path) -> str:
        """Write as .npz, atomically; returns the SHA-256 of the file."""
        ids = self.ids.astype(str) if self.ids.dtype == object else self.ids  # objects would be pickled
        arrays: dict[str, Any] = {"ids": ids, "probabilities": self.probabilities}
        if self.labels is not None:
            arrays["labels"] = self.labels
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return write_bytes(path, buffer.getbuffer())

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what :meth:`save` wrote.

        Raises:
            IntegrityError: the file is missing, not such a file, or of more than 2 GiB unpacked.
        """
        try:
            if not Path(path).is_file():
                raise ValueError("expected a file")
            with zipfile.ZipFile(path) as archive:
                arrays = {name: npz_array(archive, f"{name}.npy") for name in ("ids", "probabilities")}
                known = "labels.npy" in archive.namelist()
                return cls(**arrays, labels=npz_array(archive, "labels.npy") if known else None)._checked()
        except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
            raise IntegrityError(f"{path} is not a readable predictions file: {error}") from error

    def _checked(self) -> Predictions:
        """These predictions; ValueError where a file holds what no model says."""
        classes = self.probabilities.shape[1]
        if not len(self) or not classes or self.ids.dtype.kind not in "iuU":
            raise ValueError(f"{len(self):,} rows of {classes} classes, ids of type {self.ids.dtype}")
        off = np.abs(self.probabilities.sum(axis=1, dtype=np.float64) - 1) > 1e-3
        if (bad := off | (self.probabilities < 0).any(axis=1)).any():
            raise ValueError(f"row {int(bad.argmax()):,}: found values that are no probabilities")
        if self.labels is not None and ((bad := (self.labels < 0) | (self.labels >= classes)).any()):
            raise ValueError(f"found the label {self.labels[bad][0]}, expected 0 to {classes - 1}")
        return self
