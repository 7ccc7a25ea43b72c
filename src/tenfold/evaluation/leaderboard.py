"""The experiment log: one row a run directory, read from what the runs themselves recorded."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenfold.data.joined import title_of
from tenfold.errors import DataError, IntegrityError, ResourceError, UsageError
from tenfold.evaluation.compare import BEST, Seeds, against_best, scored, words
from tenfold.evaluation.significance import holm, welch
from tenfold.files import make_directory, write_json
from tenfold.values.accuracy import Accuracy
from tenfold.values.recipe import Recipe, changes, find_recipe, load_recipe
from tenfold.values.run import Run, list_runs
from tenfold.values.serialisation import read_json_object

FOLDER = "external"
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ExternalEntry(BaseModel):
    """One line of somebody's log.

    Attributes:
        name: of the log and the entry's number in it.
        title: what the entry is called.
        layers: in our notation, where the log has it.
        validation_accuracy: as logged, 0..1; None where not stated, like all that follow.
        test_accuracy: as logged, 0..1.
        kaggle: score of a submission.
        validation_images: how many images ``validation_accuracy`` is about.
        test_images: how many images ``test_accuracy`` is about.
        note: what else is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    title: str
    layers: str | None = None
    validation_accuracy: Share | None = None
    test_accuracy: Share | None = None
    kaggle: Share | None = None
    validation_images: Annotated[int, Field(gt=0)] | None = None
    test_images: Annotated[int, Field(gt=0)] | None = None
    note: str = ""


def write_external(folder: Path, log: str, entries: Iterable[ExternalEntry]) -> Path:
    """Keep the entries of the log called ``log`` beside the runs in ``folder``, instead of those it had before.

    Raises:
        ResourceError: the file cannot be written.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", log).strip(".-") or "log"
    path = make_directory(folder / FOLDER) / f"{stem}.json"
    write_json(path, {"entries": [entry.model_dump(exclude_none=True) for entry in entries]})
    return path


def read_external(folder: Path) -> list[ExternalEntry]:
    """The entries of all logs kept in ``folder``, in the order of their names.

    Raises:
        IntegrityError: a file is damaged; the message names it.
    """
    found = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        entries = read_json_object(path).get("entries")
        try:
            found += [ExternalEntry.model_validate(entry) for entry in entries or []]
        except (ValidationError, TypeError) as error:
            raise IntegrityError(f"{path} is not a log that tenfold wrote; import it again: {error}") from error
    return found


class _Figures(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False, frozen=True)


class _Seconds(_Figures):
    total: float


class _Summary(_Figures):
    test: Accuracy | None = None
    validation: Accuracy | None = None
    estimate: Accuracy | None = None
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
        detail: for an incomplete run how far it came, for a damaged one the fault, for a cross-validation
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
        against_best: "best", "no significant difference (p = 0.31)" or "worse, p = 0.003", against the best run on the
            same images.
        data: what was learnt from, without the folder.
        changed: settings that differ from the recipe of this name as it is shipped, such as "train.epochs=3".
    """

    name: str
    state: str
    detail: str = ""
    recipe: str | None = None
    finished: str | None = None
    members: int | None = None
    validation: Accuracy | None = None
    test: Accuracy | None = None
    seconds: float | None = None
    core_seconds: float | None = None
    leaked: bool | None = None
    seed: int | None = None
    group: str | None = None
    images: str | None = None
    against_best: str = ""
    data: str = ""
    changed: tuple[str, ...] = ()


SORT_KEYS = ("name", "recipe", "finished", "members", "validation", "test", "seconds", "core-seconds")
_BEST_FIRST = ("validation", "test")


def leaderboard(folder: Path, sort: str = "name") -> list[Row]:
    """One row for each run directly below ``folder`` and each figure imported there, those without the figure sorted by
    last.

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
    verdicts = against_best(answers)
    judged = [replace(row, against_best=verdicts.get(row.name, "")) for row in rows]
    return _sorted([*judged, *map(_external, read_external(folder))], sort)


def group_key(recipe: Recipe) -> str:
    """:meth:`Recipe.key` without the seed."""
    return recipe.model_copy(update={"seed": 0}).key()


def _external(entry: ExternalEntry) -> Row:
    def estimate(share: float | None, n: int | None) -> Accuracy | None:
        if share is None:
            return None
        return Accuracy.stated(share) if n is None else replace(Accuracy.of(round(share * n), n), accuracy=share)

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
        return value.accuracy if isinstance(value, Accuracy) else value

    known = sorted((r for r in rows if figure(r) is not None), key=figure, reverse=key in _BEST_FIRST)  # type: ignore[arg-type]
    return [*known, *(r for r in rows if figure(r) is None)]


def _row(run: Run) -> Row:
    name = run.path.name
    try:
        recipe = run.recipe
        if not run.is_complete:
            return Row(name, "incomplete", _progress(run), recipe=recipe.name, **_told_apart(run))
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
        validation=summary.validation or summary.estimate,
        test=summary.test,
        seconds=summary.seconds.total,
        core_seconds=summary.core_seconds,
        leaked=summary.leaked,
        seed=recipe.seed,
        group=group_key(recipe),
        **_told_apart(run),
    )


def _told_apart(run: Run) -> dict[str, Any]:
    """What tells a run from others of its recipe: its data, and the changed settings."""
    recipe = run.recipe
    try:
        shipped = load_recipe(find_recipe(recipe.name)).deciding()
    except (UsageError, DataError, OSError):
        shipped = recipe.deciding()  # a recipe of somebody's own: nothing to compare it with
    ignored = {"seed"}
    before, after = ({k: v for k, v in some.items() if k not in ignored} for some in (shipped, recipe.deciding()))
    lines = [line.replace(" became ", "\n").split("\n") for line in changes(before, after)]
    changed = tuple(f"{was.split(':')[0]}={now}" for was, now in lines)
    return {"data": title_of(str(recipe.data.train)), "changed": changed}


def _progress(run: Run) -> str:
    """How far an unfinished run came."""
    if run.command == "tune":
        wanted = run.recipe.tune.trials if run.recipe.tune else 0
        return f"{sum(trial.is_complete for trial in run.trials())} of {wanted} trials made"
    return f"{len(run.trained())} of {run.recipe.ensemble.members * max(1, len(run.folds()))} members trained"


@dataclass(frozen=True)
class Group:
    """One recipe on one data set.

    Attributes:
        name: the recipe's, with the beginning of its key where two recipes have the same name.
        runs: names of the directories, by seed.
        validation: accuracy on the rows held out, a value a seed; None where not known.
        test: the same on the test set.
        seconds: mean on the clock.
        core_seconds: mean processor time of the trainings.
        against_best: "best", "no significant difference (p = 0.31)" or "worse, p = 0.003" by Welch's test over the
            seeds, corrected after Holm; empty where one of the two has a single seed or nothing else has
            the same images.
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
        _group(name if names.count(name) == 1 else f"{name} {key[:6]}", members)
        for (name, key, _), members in together.items()
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
