"""Training again from a run's own record, and comparing bit by bit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tenfold.errors import IntegrityError, UsageError
from tenfold.pipeline import cross_validation
from tenfold.pipeline.run import start
from tenfold.pipeline.session import DEFAULTS, SILENT, Listener, Settings, Stages, environment_of, load_again
from tenfold.runtime import require_training
from tenfold.values.run import MANIFEST, Run

TIMED = frozenset(
    {"timing.json", "summary.json", "environment.json", "report.html", "explore.html", "resumed.json", MANIFEST}
)
"""Files that say when, where or how long; every other file of a run depends on data, recipe and seed alone."""


@dataclass(frozen=True)
class Reproduction:
    """A run and its second making.

    Attributes:
        run: the new run.
        same: files with the same SHA-256 in both, but for those that tell of time and place.
        different: files that differ or that only one has; empty means: reproduced to the bit.
        environment: what decides bits and is not as it was; empty unless that was allowed.
    """

    run: Run
    same: list[str]
    different: list[str]
    environment: list[str]


def reproduce(run: Run, settings: Settings = DEFAULTS, listener: Listener = SILENT) -> Reproduction:
    """Train again what ``run`` trained, from its recipe and the same data, into a new run directory.

    Args:
        run: a complete training or cross-validation.
        settings: where and how; ``allow_inexact_resume`` goes on even where the bits cannot be the same.
        listener: hears of progress.

    Raises:
        UsageError: it is a search, of which trials are not kept.
        IntegrityError: it is not complete or was changed since, its data is no longer the same, or the
            machine cannot give the same bits.
    """
    require_training()
    from tenfold.training.ensemble import differences

    if run.command not in ("run", "cv"):
        raise UsageError(f"{run.path} is a search; reproduce what it found with: tenfold run {run.path / 'best.toml'}")
    if faults := run.verify():
        raise IntegrityError(f"{run.path} was changed since it was trained: {'; '.join(faults)}")
    changed = differences(run.environment, environment_of(settings, run.recipe))
    if changed and not settings.allow_inexact_resume:
        raise IntegrityError(
            f"{run.path} cannot be reproduced to the bit - {'; '.join(changed)}. "
            "Pass --allow-inexact to train it all the same and see how far apart the figures are"
        )
    recipe = run.recipe
    train = load_again(run, "train", recipe.data.train, settings)
    if run.command == "cv":
        again = cross_validation.cross_validate(recipe, int(run.data["folds"]), settings, listener, train=train)
    else:
        test = None if run.data["test"] is None else load_again(run, "test", str(recipe.data.test), settings)
        stages: Stages = "run" if (run.path / "report.html").is_file() else "train"
        settings = replace(settings, estimate=run.path.parent if run.data.get("estimate") else None)
        again = start(recipe, stages, settings, listener, train=train, test=test)
    before, after = (_hashes(each) for each in (run, again))
    same = sorted(name for name in before if before[name] == after.get(name))
    return Reproduction(again, same, sorted((before.keys() | after.keys()) - set(same)), changed)


def _hashes(run: Run) -> dict[str, str]:
    """SHA-256 by name, as the manifest has them, of the files that must be equal."""
    files = run.read_json(MANIFEST)["files"]
    return {name: entry["sha256"] for name, entry in files.items() if Path(name).name not in TIMED or _is_bundles(name)}


def _is_bundles(name: str) -> bool:
    return name == f"bundle/{MANIFEST}"
