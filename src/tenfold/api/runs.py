"""Runs and this machine: what there is, whether it is whole, and what training would use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tenfold.api.shared import Option, place_of
from tenfold.errors import IntegrityError, ResourceError, UsageError

if TYPE_CHECKING:
    from tenfold.evaluation.leaderboard import Row
    from tenfold.values.run import Run

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
