"""Runs that exist: list them, go on with one, repeat one, verify one; and what this machine has for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from tenfold.api.shared import (
    Compute,
    Count,
    Folder,
    Option,
    RunLike,
    Track,
    as_run,
    heard_by,
    place_of,
    settings_of,
    sharing,
)
from tenfold.data import ReadOptions
from tenfold.errors import IntegrityError, ResourceError, UsageError

if TYPE_CHECKING:
    from tenfold.evaluation.leaderboard import Row
    from tenfold.pipeline import Reproduction, Stages
    from tenfold.values.run import Run

DEFAULT = ReadOptions()
DEFAULT_FOLDER = "runs"


def runs(folder: Annotated[str | Path, Option(metavar="FOLDER")] = DEFAULT_FOLDER, *, sort: str = "name") -> list[Row]:
    """List the runs with their accuracies, 95 % intervals and times, and say which differences are significant.

    "Against the best" compares a run with the best one on the same images (McNemar; with --group, Welch over the
    seeds).

    Args:
        folder: the folder that holds run directories.
        sort: name, recipe, finished, members, validation, test, seconds or core-seconds.

    Returns:
        A row a run, broken and interrupted ones included.

    Raises:
        UsageError: no such folder, or no such key to sort by.

    Example:
        >>> import tenfold
        >>> [row.name for row in tenfold.runs("runs")]
        ['OTHER', 'RUN']
    """
    from tenfold.evaluation.leaderboard import leaderboard

    if str(folder) != DEFAULT_FOLDER and not Path(folder).is_dir():
        raise UsageError(f"there is no folder {folder}")
    return leaderboard(Path(folder), sort)


def verify(
    paths: Annotated[str | Path | Run | Sequence[str | Path | Run], Option(metavar="RUN|BUNDLE...")],
) -> dict[str, str]:
    """Compare every file of a run with its recorded SHA-256, look at its weights, and ask its model again.

    Leaves with exit code 6 if anything differs, and names it.

    Args:
        paths: run directories or bundles.

    Returns:
        What was looked at, by path.

    Raises:
        IntegrityError: a line for each fault.

    Example:
        >>> import tenfold
        >>> list(tenfold.verify("runs/RUN"))
        ['runs/RUN']
    """
    from tenfold.bundle import verification
    from tenfold.values.run import Run

    faults, whole = [], {}
    for path in map(place_of, [paths] if isinstance(paths, str | Path | Run) else paths):
        try:
            found, looked_at = verification.verify(path)
        except IntegrityError as error:
            faults.extend(error.lines())
            continue
        if not found:
            whole[str(path)] = looked_at
        faults.extend(f"{path}: {fault}" for fault in found)
    if faults:
        raise IntegrityError("\n".join(faults))
    return whole


def doctor() -> dict[str, Any]:
    """Say what is installed, what this machine offers and what training would use.

    Leaves with exit code 4 if training cannot run here.

    Returns:
        A JSON object; ``problems`` is empty if training can run.

    Example:
        >>> import tenfold
        >>> tenfold.doctor()["problems"]
        []
    """
    from tenfold import runtime
    from tenfold.data.cache import home
    from tenfold.data.load import named_sources
    from tenfold.data.sources import SOURCES

    machine = runtime.describe(load_torch=True)
    packages = runtime.packages()
    problems = []
    try:
        runtime.require_training()
        if machine["device"] is None:
            problems.append(f"training cannot run: {machine['device_reason']}")
    except ResourceError as error:
        problems.append(str(error))
    cached = {name: SOURCES.get(name).cached_in() for name in named_sources()}  # type: ignore[attr-defined]
    most = len(machine["accelerators"]) or machine["cores"]  # type: ignore[arg-type]
    return {
        "machine": machine,
        "packages": [asdict(package) for package in packages],
        "cache": {
            "folder": str(home()),
            "datasets": {name: str(path) if path else None for name, path in cached.items()},
        },
        "would_use": {
            "device": machine["device"],
            "members_at_once": machine["cores"],
            "threads_per_member": 1,
            "replicas": most,
        },
        "problems": problems,
    }


@sharing(Compute)
def resume(
    path: RunLike,
    stages: Stages = "run",
    *,
    trials: Count | None = None,
    allow_inexact: bool = False,
    allow_partial: bool = False,
    explore: bool = False,
    track: Track = (),
    **given: Unpack[Compute],
) -> Run:
    """Go on with an interrupted run, cross-validation or search, to the same bits; a complete one is left as it is.

    Args:
        path: the run or its directory.
        stages: "run", or "train" to end with the bundle.
        trials: of a search: trials in all; with more than before, a complete search goes on, too.
        allow_inexact: go on where the bits cannot be the same, and mark the run.
        allow_partial: do without members that are damaged, and say so in everything that is written.
        explore: as for :func:`run`.
        track: as for :func:`run`.

    Raises:
        IntegrityError: the data, or what decides the bits, is no longer the same.
        BusyError: it is still running.

    Example:
        >>> import tenfold
        >>> tenfold.resume("runs/RUN", progress=False).is_complete
        True
    """
    from tenfold import pipeline
    from tenfold.pipeline import search

    more = {"allow_inexact_resume": allow_inexact, "allow_partial": allow_partial, "explore": explore}
    settings = settings_of(given, **more)
    begun = as_run(path, complete=False)
    listener = heard_by({**given, "track": track}, begun.path.parent)
    if begun.command == "cv":
        return pipeline.cross_validation.resume(begun, settings, listener)
    if begun.command == "tune":
        return search.resume(begun, settings, listener, trials=trials)
    return pipeline.resume(begun, stages, settings, listener)


@sharing(Compute)
def reproduce(
    run: RunLike, *, out: Folder = "runs", allow_inexact: bool = False, **given: Unpack[Compute]
) -> Reproduction:
    """Train a run again from its own record, and compare weights, predictions, model and submission bit by bit.

    Args:
        run: a complete run or cross-validation, or its directory.
        out: folder for run directories.
        allow_inexact: train even where the bits cannot be the same.

    Returns:
        The new run, with the files that are the same and those that differ.

    Raises:
        IntegrityError: the run was changed or is not complete, its data is no longer the same, or this
            machine cannot give the same bits.
        Stopped: after Ctrl-C; everything so far is kept, and :func:`resume` goes on.

    Example:
        >>> import tenfold
        >>> tenfold.reproduce("runs/RUN", progress=False).different
        []
    """
    from tenfold import pipeline

    settings = replace(settings_of(given, allow_inexact_resume=allow_inexact), out=Path(out))
    return pipeline.reproduce(as_run(run), settings, heard_by(given, settings.out))
