"""What should be known about a data set before anything is trained on it.

Every check is a function that returns one :class:`Finding`, also when all is well; a file of this folder registers its
checks with :func:`registered`. Other packages name a :class:`Check` as an entry point of the group
``tenfold.data.checks``. Nothing is printed and nothing is changed. ``docs/checks.md`` lists the checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tenfold.data.cache import image_hashes
from tenfold.data.ink import InkMeasures, measure
from tenfold.registry import Entries
from tenfold.values.dataset import Dataset

Severity = Literal["note", "warning", "leak", "error"]
Need = Literal["labels", "test", "same shape"]

MOST_IDS = 1000
"""A finding lists at most this many groups of ids; its count is always complete."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: of the check.
        severity: "note" is for information; "warning" asks for a look; "leak" makes test figures
            worthless; "error" makes training impossible.
        count: affected rows (or classes), of ``total``.
        total: rows (or classes) looked at.
        message: what was found and what to do.
        ids: the rows behind it, one tuple per row, pair or group; at most :data:`MOST_IDS`.
        details: further figures, by name.
    """

    name: str
    severity: Severity
    count: int
    total: int
    message: str
    ids: tuple[tuple[int | str, ...], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """What people read for it: its severity, or "ok" where nothing was found."""
        return "ok" if self.severity == "note" and not self.count else self.severity

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "name": self.name,
            "severity": self.severity,
            "count": self.count,
            "total": self.total,
            "message": self.message,
            "ids": [list(group) for group in self.ids],
            "details": dict(self.details),
        }


class Subject:
    """The data sets that checks look at, and measures of their images, each made once and when it is first asked for.

    Attributes:
        train: the rows to learn from.
        test: the rows to predict, if there are any.
        close: whether seconds may pass; else checks of what images show look at some of them.
    """

    def __init__(self, train: Dataset, test: Dataset | None = None, *, close: bool = True) -> None:
        self.train, self.test, self.close = train, test, close

    @cached_property
    def hashes(self) -> NDArray[np.void]:
        """Of the training images (N,)."""
        return image_hashes(self.train.images)

    @cached_property
    def measures(self) -> InkMeasures:
        """Of the ink of the training images."""
        return measure(self.train.images)

    @cached_property
    def test_measures(self) -> InkMeasures:
        """Of the ink of the test images."""
        return measure(self.tested.images)

    @property
    def tested(self) -> Dataset:
        """The test set of a check that needs one."""
        assert self.test is not None
        return self.test

    def has(self, need: Need) -> bool:
        """Whether a check that needs this can run."""
        if need == "labels":
            return self.train.labels is not None
        if need == "test":
            return self.test is not None
        alike = self.test is not None and self.test.image_shape == self.train.image_shape
        return alike and len(self.train) > 0 and len(self.tested) > 0


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        look: from the data sets to the finding.
        order: place among the others; the house uses multiples of ten, below 100 for checks that take a moment.
        needs: without these it is left out.
    """

    look: Callable[[Subject], Finding]
    order: int
    needs: tuple[Need, ...] = ()

    @property
    def is_close(self) -> bool:
        """Whether it takes seconds, because it looks at what the images show."""
        return self.order >= 100


CHECKS: Entries[Check] = Entries(__name__, "check")


def registered(
    name: str, order: int, *needs: Need
) -> Callable[[Callable[[Subject], Finding]], Callable[[Subject], Finding]]:
    """Register the function below as the :class:`Check` that makes the finding ``name``."""

    def register(look: Callable[[Subject], Finding]) -> Callable[[Subject], Finding]:
        CHECKS.add(name, Check(look, order, needs))
        return look

    return register


def check(
    train: Dataset, test: Dataset | None = None, *, close: bool = False, subject: Subject | None = None
) -> list[Finding]:
    """Run all checks that fit the data.

    Args:
        train: the rows to learn from; without labels, the checks about labels are left out.
        test: the rows to predict; enables the checks that compare the two sets.
        close: run those too that look at what the images show, which takes seconds.
        subject: both, if their measures are known already.

    Returns:
        one finding per check, in their order.
    """
    subject = subject or Subject(train, test, close=close)
    chosen = sorted(CHECKS.load().values(), key=lambda some: some.order)
    return [
        some.look(subject)
        for some in chosen
        if (close or not some.is_close) and all(subject.has(need) for need in some.needs)
    ]


def limited_ids(data: Dataset, groups: Iterable[NDArray[np.int64]]) -> tuple[tuple[int | str, ...], ...]:
    """The ids of groups of rows, of at most :data:`MOST_IDS` groups."""
    return tuple(tuple(row_id(data, row) for row in group) for group, _ in zip(groups, range(MOST_IDS), strict=False))


def row_id(data: Dataset, row: int | np.integer[Any]) -> int | str:
    """The id of a row as a plain value."""
    value: int | str = data.ids[row].item()
    return value


def share_of(count: int, total: int, noun: str) -> str:
    """``12 of 1,000 images (1.20%)``."""
    return f"{count:,} of {total:,} {noun} ({count / total:.2%})"


def is_constant(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(N,): which images have a single grey level."""
    pixels = images.reshape(len(images), -1)
    result: NDArray[np.bool_] = (pixels == pixels[:, :1]).all(axis=1)
    return result
