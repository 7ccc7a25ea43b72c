"""The experiment log: one row a run directory, read from what the runs themselves recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenfold.errors import IntegrityError, UsageError
from tenfold.evaluation.external import ExternalEntry, read_external
from tenfold.evaluation.noise import Scored, against_best, scored
from tenfold.values.interval import wilson_interval
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run, list_runs


class _Figures(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False, frozen=True)


class Estimate(_Figures):
    """A share of correct predictions with its 95 % interval, as ``summary.json`` holds it.

    A figure that somebody wrote down elsewhere may have no number of images, and then no interval.
    """

    accuracy: float = Field(ge=0, le=1)
    low: float | None = None
    high: float | None = None
    errors: int | None = None
    n: int | None = None


class _Seconds(_Figures):
    total: float


class _Summary(_Figures):
    test: Estimate | None = None
    validation: Estimate | None = None
    seconds: _Seconds
    core_seconds: float
    members: int
    leaked: bool
    finished: str


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        name: of the directory.
        state: "complete", "incomplete", "damaged" or "external", which is a figure that somebody wrote down elsewhere.
        detail: for an incomplete run how far it came, for a damaged one what is wrong with it, for a cross-validation
            how many folds it has.
        recipe: the recipe's name; None, like all that follow, where it is not known.
        finished: ISO 8601, local time.
        members: how many networks were trained.
        validation: accuracy on the rows held out; of a cross-validation, on all rows, each out of its fold.
        test: accuracy on the test set, if its labels were known.
        seconds: on the clock, from start to end.
        core_seconds: processor time of the trainings.
        leaked: test rows were among the training rows, so ``test`` says nothing.
        seed: of the recipe.
        group: equal for runs whose recipes differ in nothing but the seed.
        images: names the images that the accuracies are about; those of others cannot be compared.
        against_best: "best", "noise (p = 0.31)" or "worse, p = 0.003", against the best run on the same images.
    """

    name: str
    state: str
    detail: str = ""
    recipe: str | None = None
    finished: str | None = None
    members: int | None = None
    validation: Estimate | None = None
    test: Estimate | None = None
    seconds: float | None = None
    core_seconds: float | None = None
    leaked: bool | None = None
    seed: int | None = None
    group: str | None = None
    images: str | None = None
    against_best: str = ""


SORT_KEYS = ("name", "recipe", "finished", "members", "validation", "test", "seconds", "core-seconds")
_BEST_FIRST = ("validation", "test")


def leaderboard(folder: Path, sort: str = "name") -> list[Row]:
    """One row for each run directly below ``folder`` and each figure imported there, those without the figure sorted by last.

    Raises:
        UsageError: ``sort`` is none of ``SORT_KEYS``.
        ResourceError: the folder may not be read.
    """
    if sort not in SORT_KEYS:
        raise UsageError(f"cannot sort by {sort!r}; expected one of: {', '.join(SORT_KEYS)}")
    rows, answers = [], {}
    for run in list_runs(folder):
        row = _row(run)
        found = scored(run) if row.state == "complete" and not row.leaked else None
        if found is not None:
            answers[row.name] = found
        rows.append(replace(row, images=found.rows if found else None))
    return _sorted([*_judged(rows, answers), *map(_external, read_external(folder))], sort)


def group_key(recipe: Recipe) -> str:
    """:meth:`Recipe.key` without the seed."""
    return recipe.model_copy(update={"seed": 0}).key()


def _judged(rows: Sequence[Row], answers: dict[str, Scored]) -> list[Row]:
    verdicts = against_best(answers)
    return [replace(row, against_best=verdicts.get(row.name, "")) for row in rows]


def _external(entry: ExternalEntry) -> Row:
    def estimate(accuracy: float | None, n: int | None) -> Estimate | None:
        if accuracy is None:
            return None
        if n is None:
            return Estimate(accuracy=accuracy)
        right = round(accuracy * n)
        low, high = wilson_interval(right, n)
        return Estimate(accuracy=accuracy, low=low, high=high, errors=n - right, n=n)

    return Row(
        entry.name,
        "external",
        entry.note,
        recipe=entry.title,
        validation=estimate(entry.validation_accuracy, entry.validation_images),
        test=estimate(entry.test_accuracy, entry.test_images),
    )


def _sorted(rows: Sequence[Row], key: str) -> list[Row]:
    def figure(row: Row) -> float | str | None:
        value = getattr(row, key.replace("-", "_"))
        return value.accuracy if isinstance(value, Estimate) else value

    known = sorted((r for r in rows if figure(r) is not None), key=figure, reverse=key in _BEST_FIRST)  # type: ignore[arg-type]
    return [*known, *(r for r in rows if figure(r) is None)]


def _row(run: Run) -> Row:
    name = run.path.name
    try:
        recipe = run.recipe
        if not run.is_complete:
            return Row(name, "incomplete", _progress(run), recipe=recipe.name)
        summary = _Summary.model_validate(run.summary)
    except IntegrityError as error:
        return Row(name, "damaged", str(error))
    except ValidationError as error:
        first = error.errors()[0]
        return Row(name, "damaged", f"summary.json: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    folds, trials = len(run.folds()), len(run.trials())
    return Row(
        name,
        "complete",
        f"best of {trials} trials" if trials else f"{folds} folds" if folds else "",
        recipe=recipe.name,
        finished=summary.finished,
        members=summary.members,
        validation=summary.validation,
        test=summary.test,
        seconds=summary.seconds.total,
        core_seconds=summary.core_seconds,
        leaked=summary.leaked,
        seed=recipe.seed,
        group=group_key(recipe),
    )


def _progress(run: Run) -> str:
    """How far an unfinished run came."""
    if run.command == "tune":
        wanted = run.recipe.tune.trials if run.recipe.tune else 0
        return f"{sum(trial.is_complete for trial in run.trials())} of {wanted} trials made"
    return f"{len(run.trained())} of {run.recipe.ensemble.members * max(1, len(run.folds()))} members trained"
