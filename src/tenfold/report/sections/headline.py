"""The first thing one reads: how good, how sure, on how many images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tenfold.evaluation.scores import Score, score
from tenfold.evaluation.significance import two_shares, verdict
from tenfold.report.figures.intervals import Intervals, intervals
from tenfold.values.predictions import Predictions


@dataclass(frozen=True)
class Headline:
    """The scores of the labelled sets, the one that counts most first; none if no labels are known."""

    scores: list[Score]
    figure: Intervals | None
    apart: str
    """Whether the first two scores differ by more than noise; empty for fewer."""

    @property
    def main(self) -> Score | None:
        """The score in large type."""
        return self.scores[0] if self.scores else None


def headline(predictions: Mapping[str, Predictions]) -> Headline:
    """Scores of every non-empty set with labels, in the order given."""
    scores = [score(split, made) for split, made in predictions.items() if made.labels is not None and len(made)]
    figure = intervals([(s.split, s.low, s.accuracy, s.high) for s in scores]) if scores else None
    return Headline(scores, figure, _apart(*scores[:2]) if len(scores) > 1 else "")


def _apart(a: Score, b: Score) -> str:
    p = two_shares(a.n - a.errors, a.n, b.n - b.errors, b.n)
    return verdict(p, a.accuracy - b.accuracy, (a.split, b.split))
