"""Runs of one recipe that differ in the seed, as one row: mean, deviation, number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from tenfold.errors import ResourceError
from tenfold.evaluation.compare import Seeds
from tenfold.evaluation.leaderboard import Row
from tenfold.evaluation.noise import BEST, words
from tenfold.evaluation.significance import holm, welch


@dataclass(frozen=True)
class Group:
    """One recipe on one data set.

    Attributes:
        name: the recipe's, with the beginning of its key where two recipes have the same name.
        runs: names of the directories, by seed.
        validation: accuracy on the rows held out, a value a seed; None where not known.
        test: likewise on the test set.
        seconds: mean on the clock.
        core_seconds: mean processor time of the trainings.
        against_best: "best", "noise (p = 0.31)" or "worse, p = 0.003" by Welch's test over the seeds, corrected after
            Holm; empty where one of the two has a single seed or nothing else has the same images.
    """

    name: str
    runs: tuple[str, ...]
    validation: Seeds | None
    test: Seeds | None
    seconds: float
    core_seconds: float
    against_best: str = ""

    @property
    def figure(self) -> Seeds | None:
        """What groups are compared by: test, else validation."""
        return self.test or self.validation


def group_runs(rows: Sequence[Row]) -> list[Group]:
    """The complete runs among ``rows`` by recipe, best first."""
    together: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.state == "complete" and not row.leaked:
            together[str(row.recipe), str(row.group), str(row.images)].append(row)
    names = [name for name, _, _ in together]
    groups = [
        _group(name if names.count(name) == 1 else f"{name} {key[:6]}", members) for (name, key, _), members in together.items()
    ]
    images = [key[2] for key in together]
    verdicts = _verdicts(groups, images)
    judged = [replace(group, against_best=verdict) for group, verdict in zip(groups, verdicts, strict=True)]
    return sorted(judged, key=lambda group: -group.figure.mean if group.figure else 1.0)


def _group(name: str, members: Sequence[Row]) -> Group:
    members = sorted(members, key=lambda row: (row.seed or 0, row.name))

    def seeds(split: str) -> Seeds | None:
        values = [getattr(row, split) for row in members]
        return Seeds(tuple(value.accuracy for value in values)) if all(values) else None

    return Group(
        name,
        tuple(row.name for row in members),
        seeds("validation"),
        seeds("test"),
        fmean(row.seconds or 0.0 for row in members),
        fmean(row.core_seconds or 0.0 for row in members),
    )


def _verdicts(groups: Sequence[Group], images: Sequence[str]) -> list[str]:
    """One for each group, against the best with the same images."""
    found = [""] * len(groups)
    for these in dict.fromkeys(images):
        places = [i for i, group in enumerate(groups) if images[i] == these and group.figure]
        if len(places) < 2:
            continue
        best = max(places, key=lambda i: groups[i].figure.mean)  # type: ignore[union-attr]
        found[best] = BEST
        tested = [i for i in places if i != best and min(_number(groups[i]), _number(groups[best])) > 1]
        try:
            p_values = holm([welch(groups[best].figure.values, groups[i].figure.values) for i in tested])  # type: ignore[union-attr]
        except ResourceError:  # without scipy the table still has its figures
            continue
        for i, p in zip(tested, p_values, strict=True):
            found[i] = words(p)
    return found


def _number(group: Group) -> int:
    return group.figure.number if group.figure else 0
