"""Two classifiers on the same rows: where they differ, and whether the difference is significant."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import IntegrityError, UsageError, printable
from tenfold.evaluation.significance import (
    ALPHA,
    bootstrap_interval,
    holm,
    mcnemar_exact,
    mcnemar_mid_p,
    p_text,
    verdict,
    welch,
)
from tenfold.values import display
from tenfold.values.accuracy import Accuracy
from tenfold.values.predictions import Predictions
from tenfold.values.run import Run

LOSS_FLOOR = float(np.finfo(np.float32).eps)
"""As in :func:`~tenfold.evaluation.metrics.log_loss`."""


@dataclass(frozen=True)
class Difference:
    """A's figure minus B's, with its 95 % interval from the paired bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two classifiers on the same N rows, in A's order.

    Attributes:
        a, b: the predictions, aligned.
        sides: the figures of each.
        both_right, only_a, only_b, both_wrong: images.
        accuracy: difference of the accuracies.
        log_loss: difference of the log-losses; below 0, A is better.
        p_exact: of the exact McNemar test.
        p_mid: its mid-p, which the verdict goes by.
        rows: (M,) where one is right and the other is not, in order.
    """

    a: Predictions
    b: Predictions
    sides: tuple[Accuracy, Accuracy]
    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    accuracy: Difference
    log_loss: Difference
    p_exact: float
    p_mid: float
    rows: NDArray[np.int64]

    def _repr_html_(self) -> str:
        """In a notebook: the verdict and the figures behind it."""
        rows = {
            "A": self.sides[0].text,
            "B": self.sides[1].text,
            "A - B": (
                f"{100 * self.accuracy.value:+.2f} [{100 * self.accuracy.low:+.2f}, {100 * self.accuracy.high:+.2f}]"
                " points"
            ),
            "only A right": f"{self.only_a:,}",
            "only B right": f"{self.only_b:,}",
            "McNemar, mid-p": f"{self.p_mid:.3g}",
        }
        return display.table(self.verdict, rows)

    @property
    def verdict(self) -> str:
        """In words: "no significant difference (p = 0.31)" or "A better, p = 0.003"."""
        return verdict(self.p_mid, self.accuracy.value)


def compare(a: Predictions, b: Predictions) -> Comparison:
    """Compare A and B on the same labelled rows, matched by their ids.

    Raises:
        UsageError: no labels, no rows, or not the same rows; the message says which differ.
        IntegrityError: the same ids have different labels.
    """
    a, b = aligned([a, b])
    right_a, right_b = a.correct, b.correct
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    gains = right_a.astype(np.int8) - right_b.astype(np.int8)
    losses = _losses(a) - _losses(b)
    return Comparison(
        a=a,
        b=b,
        sides=(a.score, b.score),
        both_right=int((right_a & right_b).sum()),
        only_a=only_a,
        only_b=only_b,
        both_wrong=int((~right_a & ~right_b).sum()),
        accuracy=_difference(gains),
        log_loss=_difference(losses),
        p_exact=mcnemar_exact(only_a, only_b),
        p_mid=mcnemar_mid_p(only_a, only_b),
        rows=np.flatnonzero(gains),
    )


@dataclass(frozen=True)
class Seeds:
    """One figure a seed: their number, mean and standard deviation (of a sample; 0 for a single seed)."""

    values: tuple[float, ...]

    @property
    def number(self) -> int:
        """How many seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """Standard deviation between the seeds."""
        return float(np.std(self.values, ddof=1)) if self.number > 1 else 0.0


@dataclass(frozen=True)
class GroupComparison:
    """Two recipes, several seeds each, on the same N rows.

    Attributes:
        a, b: an accuracy for each seed.
        n: rows.
        accuracy: difference of the mean accuracies; its interval says what other images would do.
        p_seeds: of Welch's test over the seeds, which says what other seeds would do.
    """

    a: Seeds
    b: Seeds
    n: int
    accuracy: Difference
    p_seeds: float

    @property
    def verdict(self) -> str:
        """A difference is called one only if neither other seeds nor other images would likely undo it."""
        found = verdict(self.p_seeds, self.accuracy.value)
        if "better" in found and self.accuracy.low <= 0 <= self.accuracy.high:
            return f"no significant difference (the seeds agree, but {self.n:,} images are too few)"
        return found


def compare_seeds(a: Sequence[Predictions], b: Sequence[Predictions]) -> GroupComparison:
    """Compare two recipes, each trained with two seeds or more, on the same labelled rows.

    Raises:
        UsageError: as for :func:`compare`, or a side has a single seed.
        ResourceError: scipy is missing.
    """
    if min(len(a), len(b)) < 2:
        raise UsageError(f"to compare recipes, each side needs two seeds or more; found {len(a)} and {len(b)}")
    both = aligned([*a, *b])
    a, b = both[: len(a)], both[len(a) :]
    seeds = Seeds(tuple(made.accuracy for made in a)), Seeds(tuple(made.accuracy for made in b))
    gains = np.mean([made.correct for made in a], axis=0) - np.mean([made.correct for made in b], axis=0)
    return GroupComparison(*seeds, len(a[0]), _difference(gains), welch(seeds[0].values, seeds[1].values))


def aligned(all_of: Sequence[Predictions]) -> list[Predictions]:
    """The same predictions in the order of the first one's ids, all with labels.

    Raises:
        UsageError: ids occur twice, are not the same, or no labels are known.
        IntegrityError: labels differ.
    """
    first = all_of[0]
    if not len(first):
        raise UsageError("there is nothing to compare: the first predictions have no rows")
    labels = next((made.labels for made in all_of if made.labels is not None), None)
    if labels is None:
        raise UsageError(
            "nothing can be compared: neither has labels; choose rows whose labels are known, such as --on validation"
        )
    ordered = [_in_order_of(first.ids, made, place) for place, made in enumerate(all_of)]
    known = next(made.labels for made in ordered if made.labels is not None)
    for made in ordered:
        if made.labels is not None and (wrong := np.flatnonzero(made.labels != known)).size:
            row = int(wrong[0])
            raise IntegrityError(
                f"{wrong.size:,} images have different labels on the two sides, the first with id"
                f" {printable(first.ids[row])}: found class {known[row]} and class {made.labels[row]}; these are not"
                " the same data"
            )
    return [Predictions(made.ids, made.probabilities, known) for made in ordered]


def _in_order_of(ids: NDArray[Any], made: Predictions, place: int) -> Predictions:
    """``made`` with its rows in the order of ``ids``."""
    wanted, found = ids.astype(str), made.ids.astype(str)
    order = np.argsort(found, kind="stable")
    if (twice := np.flatnonzero(found[order][1:] == found[order][:-1])).size:
        raise UsageError(
            f"the id {printable(found[order][twice[0]])} occurs twice; rows cannot be matched by their ids"
        )
    only_here, missing = np.setdiff1d(found, wanted), np.setdiff1d(wanted, found)
    if only_here.size or missing.size:
        raise UsageError(
            f"these are predictions of different rows: found {len(ids):,} and {len(found):,}, {missing.size:,} only in"
            f" the first{_example(missing)} and {only_here.size:,} only in"
            f" {'the second' if place < 2 else f'number {place + 1}'}{_example(only_here)}; expected the same images -"
            " train or predict both with the same data, or choose with --on"
        )
    rows = order[np.searchsorted(found[order], wanted)]
    return Predictions(ids, made.probabilities[rows], None if made.labels is None else made.labels[rows])


def _example(ids: NDArray[Any]) -> str:
    return f" (such as {printable(ids[0])})" if ids.size else ""


def _losses(made: Predictions) -> NDArray[np.float64]:
    """(N,) -ln of the probability that each true class was given."""
    truth = made.probabilities[np.arange(len(made)), made.truth].astype(np.float64)
    return -np.log(truth.clip(LOSS_FLOOR))


def _difference(values: NDArray[Any]) -> Difference:
    return Difference(float(values.mean(dtype=np.float64)), *bootstrap_interval(values))


BEST = "best"


@dataclass(frozen=True, eq=False)
class Scored:
    """Which images a run got right.

    Attributes:
        rows: names the images and their labels; only figures with equal ``rows`` may be compared.
        correct: (N,).
    """

    rows: str
    correct: NDArray[np.bool_]


def scored(run: Run) -> Scored | None:
    """The run's answers on the test set, else on the rows held out; None where no labels are known or the file is
    damaged.
    """
    for name in ("test", "validation", "estimate"):
        try:
            made = run.predictions(name) if run.has_predictions(name) else None
        except IntegrityError:
            return None
        if made is not None and made.labels is not None and len(made):
            return Scored(f"{name}-{_digest(made)}", made.correct)
    return None


def against_best(runs: Mapping[str, Scored]) -> dict[str, str]:
    """For each name "best", "no significant difference (p = 0.31)" or "worse, p = 0.003".

    Each is compared with the best of those with the same images.

    McNemar's mid-p-values, corrected after Holm for the number of runs that were compared. A run alone with its images
    is left out.
    """
    found: dict[str, str] = {}
    for names in _cohorts(runs):
        best = max(names, key=lambda name: float(runs[name].correct.mean()))
        others = [name for name in names if name != best]
        p_values = holm([_mid_p(runs[best].correct, runs[name].correct) for name in others])
        found |= {best: BEST} | {name: words(p) for name, p in zip(others, p_values, strict=True)}
    return found


def words(p: float) -> str:
    """What a p-value against the best means."""
    return f"worse, {p_text(p)}" if p <= ALPHA else f"no significant difference ({p_text(p)})"


def _cohorts(runs: Mapping[str, Scored]) -> Sequence[list[str]]:
    """Names by the images they have in common; two names or more each."""
    together = defaultdict(list)
    for name, some in runs.items():
        together[some.rows].append(name)
    return [names for names in together.values() if len(names) > 1]


def _mid_p(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return mcnemar_mid_p(int((a & ~b).sum()), int((b & ~a).sum()))


def _digest(made: Predictions) -> str:
    """Names ids and labels, in their order."""
    digest = hashlib.sha256()
    ids: NDArray[Any] = made.ids.astype(str)
    for array in (ids, made.labels):
        assert array is not None
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
