"""What each member is worth, how much they differ, and what adding one more brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.diversity import disagreement, double_fault, growing_votes, mean_of_pairs, q_statistic
from tenfold.evaluation.metrics import log_loss
from tenfold.evaluation.significance import mcnemar_mid_p, verdict
from tenfold.report.figures.intervals import Intervals, intervals
from tenfold.values.interval import wilson_interval
from tenfold.values.predictions import Predictions
from tenfold.values.voting import vote

MOST = 32
"""Members up to which each has a row."""


@dataclass(frozen=True)
class Voter:
    """One member, or a vote of the first few. ``low`` and ``high`` bound the 95 % Wilson interval of ``accuracy``.

    ``against`` says whether the difference to what it is compared with is noise; empty where there is nothing.
    """

    name: str
    accuracy: float
    low: float
    high: float
    errors: int
    log_loss: float
    against: str


@dataclass(frozen=True)
class Ensemble:
    """Members beside the vote of all, votes that grow member by member, and their diversity (means over pairs).

    ``pairs`` is (M, M): for two members the images on which they differ; None for a single pair.
    """

    members: list[Voter]
    growth: list[Voter]
    figure: Intervals
    disagreement: float
    q: float
    double_fault: float
    pairs: list[list[int]] | None


def ensemble(whole: Predictions, members: Sequence[NDArray[np.float32]], how: str) -> Ensemble | None:
    """The section; None unless there are 2 to ``MOST`` members.

    Args:
        whole: the labelled predictions of all members together.
        members: probabilities (N, K) of each.
        how: they vote; see :func:`~tenfold.values.voting.vote`.
    """
    if whole.labels is None or not 2 <= len(members) <= MOST:
        return None
    labels = whole.labels
    each = [Predictions(whole.ids, probabilities, labels) for probabilities in members]
    grown = [Predictions(whole.ids, votes, labels) for votes in growing_votes(members, partial(vote, how=how))]
    rows = [_voter(f"member {i}", made, whole, ("member", "all")) for i, made in enumerate(each)]
    growth = [_voter("1 member", grown[0], None, ("", ""))]
    growth += [
        _voter(f"{count} members", now, before, ("more", "fewer")) for count, (before, now) in enumerate(pairwise(grown), 2)
    ]
    votes = np.stack([made.predicted for made in each])
    correct = votes == labels
    apart = disagreement(votes)
    return Ensemble(
        members=rows,
        growth=growth,
        figure=intervals([(row.name, row.low, row.accuracy, row.high) for row in growth]),
        disagreement=mean_of_pairs(apart),
        q=mean_of_pairs(q_statistic(correct)),
        double_fault=mean_of_pairs(double_fault(correct)),
        pairs=np.rint(apart * len(labels)).astype(int).tolist() if len(members) > 2 else None,
    )


def _voter(name: str, made: Predictions, other: Predictions | None, sides: tuple[str, str]) -> Voter:
    assert made.labels is not None
    right = made.correct
    hits = int(right.sum())
    against = ""
    if other is not None:
        only, only_other = int((right & ~other.correct).sum()), int((other.correct & ~right).sum())
        against = verdict(mcnemar_mid_p(only, only_other), only - only_other, sides)
    loss = log_loss(made.labels, made.probabilities)
    return Voter(name, hits / len(right), *wilson_interval(hits, len(right)), len(right) - hits, loss, against)
