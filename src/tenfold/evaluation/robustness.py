"""How accuracy falls as images get worse: every corruption in every severity, on the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt, released_severities
from tenfold.evaluation.significance import ALPHA, holm, mcnemar_mid_p
from tenfold.values.accuracy import Accuracy
from tenfold.values.dataset import Dataset

BLOCK = 2000
"""Images corrupted at a time: bounds memory."""
Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 (N, C, H, W) -> probabilities (N, K)."""
Progress = Callable[[str, int, int], None]
"""Called with the name of a part, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Corrupted(Accuracy):
    """Accuracy under one corruption of one severity.

    ``p`` is of McNemar's test against the same images uncorrupted, corrected after Holm for all that were tried.
    """

    severity: int
    p: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {name: getattr(self, name) for name in ("severity", "accuracy", "low", "high", "errors", "p")}

    def is_worse_than(self, clean: float) -> bool:
        """Whether it is significantly below the accuracy ``clean``."""
        return self.accuracy < clean and self.p <= ALPHA


@dataclass(frozen=True)
class Row:
    """One corruption in every severity, mildest first."""

    name: str
    levels: list[Corrupted]

    @property
    def mean(self) -> float:
        """Accuracy over all severities."""
        return float(np.mean([level.accuracy for level in self.levels]))

    def worse_from(self, clean: float) -> int | None:
        """The mildest severity that costs accuracy significantly; None if none does."""
        return next((level.severity for level in self.levels if level.is_worse_than(clean)), None)


@dataclass(frozen=True)
class Robustness:
    """What corruptions do to a model.

    Attributes:
        uncorrupted: on the same images as they are.
        seed: of the random draws of the corruptions.
        rows: one a corruption.
    """

    uncorrupted: Accuracy
    seed: int
    rows: list[Row]

    @property
    def clean(self) -> float:
        """Accuracy without corruption."""
        return self.uncorrupted.accuracy

    @property
    def images(self) -> int:
        """How many were corrupted."""
        return self.uncorrupted.n

    @property
    def mean(self) -> float:
        """Accuracy over all corruptions and severities."""
        return float(np.mean([row.mean for row in self.rows]))

    @property
    def mnist_c(self) -> float | None:
        """Accuracy over the fifteen corruptions of MNIST-C, each in the severity of its released set; None if one is
        missing.
        """
        known = {row.name: row.levels for row in self.rows}
        found = [
            level.accuracy
            for name, wanted in released_severities().items()
            for level in known.get(name, [])
            if level.severity == wanted
        ]
        return float(np.mean(found)) if len(found) == len(released_severities()) else None

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        rows = [
            {
                "name": row.name,
                "mean": row.mean,
                "worse_from": row.worse_from(self.clean),
                "levels": [level.as_dict() for level in row.levels],
            }
            for row in self.rows
        ]
        figures = {"clean": self.clean, "low": self.uncorrupted.low, "high": self.uncorrupted.high}
        figures |= {name: getattr(self, name) for name in ("images", "seed", "mean", "mnist_c")}
        return {**figures, "corruptions": rows}


def robustness(
    predict: Predict,
    data: Dataset,
    names: Sequence[str] = (),
    *,
    severities: Sequence[int] = SEVERITIES,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Robustness:
    """Corrupt ``data`` in every way and ask again.

    Args:
        predict: the model.
        data: labelled, one image or more.
        names: of corruptions; all of them if none is named.
        severities: of 1..5.
        limit: look at so many images only, spread evenly over the data.
        seed: decides every corruption.
        progress: hears how far it is.

    Raises:
        UsageError: no such corruption or severity.
    """
    names = list(names) or list(CORRUPTIONS)
    for name in names:
        CORRUPTIONS[name]  # before anything is predicted
    if limit is not None and limit < len(data):
        data = data.take(np.linspace(0, len(data) - 1, limit).round().astype(np.int64))
    labels = data.truth
    clean = _right(predict(data.images), labels)
    tried = [(name, severity) for name in names for severity in severities]
    right = []
    for done, (name, severity) in enumerate(tried):
        if progress is not None:
            progress("corruptions", done, len(tried))
        right.append(_right(_ask_again(predict, data.images, name, severity, seed), labels))
    if progress is not None:
        progress("corruptions", len(tried), len(tried))
    p_values = holm([mcnemar_mid_p(int((clean & ~now).sum()), int((now & ~clean).sum())) for now in right])
    levels = [_level(severity, now, p) for (_, severity), now, p in zip(tried, right, p_values, strict=True)]
    rows = [Row(name, levels[i * len(severities) : (i + 1) * len(severities)]) for i, name in enumerate(names)]
    return Robustness(Accuracy.of_rows(clean), seed, rows)


def _ask_again(predict: Predict, images: NDArray[np.uint8], name: str, severity: int, seed: int) -> NDArray[np.float32]:
    blocks = range(0, len(images), BLOCK)
    return np.concatenate(
        [predict(corrupt(images[start : start + BLOCK], name, severity, seed + start)) for start in blocks]
    )


def _right(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    return probabilities.argmax(axis=1) == labels


def _level(severity: int, right: NDArray[np.bool_], p: float) -> Corrupted:
    return Corrupted(**asdict(Accuracy.of_rows(right)), severity=severity, p=p)


def occlusion(
    image: NDArray[Any], target: int, predict: Callable[[NDArray[Any]], NDArray[Any]],
    squares: Sequence[tuple[slice, slice]], background: int = 0,
) -> NDArray[np.float32]:  # fmt: skip
    """(H, W) the mean loss of the score of ``target`` over the squares that cover a pixel; positive where it costs.

    M. D. Zeiler, R. Fergus, ECCV 2014 (arXiv:1311.2901).

    Args:
        image: (C, H, W).
        target: the class.
        predict: (N, C, H, W) -> scores (N, K), such as probabilities or logits.
        squares: rows and columns of each, which together cover every pixel; those without ink are not asked about.
        background: what covered pixels become.
    """
    lost, cover = np.zeros(image.shape[1:]), np.zeros(image.shape[1:])
    for square in squares:
        cover[square] += 1
    inked = [square for square in squares if (image[:, *square] != background).any()]
    if inked:
        covered = np.repeat(image[None], len(inked) + 1, axis=0)
        for copy, square in zip(covered, inked, strict=False):  # the last copy stays whole
            copy[:, *square] = background
        scores = predict(covered)[:, target]
        for square, score in zip(inked, scores, strict=False):
            lost[square] += scores[-1] - score
    return (lost / cover).astype(np.float32)
