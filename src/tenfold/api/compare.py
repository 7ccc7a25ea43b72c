"""Compare runs, or groups of runs that differ in the seed, on the rows that both predicted."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tenfold.api.shared import On, Option, Page, images_of, insist_on_free, place_of
from tenfold.errors import TenfoldError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence as Several  # the command line takes one pattern instead

    from tenfold.evaluation.compare import Comparison, GroupComparison
    from tenfold.values.dataset import Dataset
    from tenfold.values.predictions import Predictions
    from tenfold.values.run import Run

Side = Annotated["str | Path | Run | Predictions | Several[str | Path | Run | Predictions]", Option(metavar="RUN")]


@dataclass(frozen=True)
class _Found:
    """One set of predictions, what it is called, and the run it is of, if any."""

    name: str
    source: Run | Predictions


def compare(
    a: Annotated[Side, Option(metavar="A")],
    b: Annotated[Side, Option(metavar="B")],
    *,
    on: On | None = None,
    out: Page | None = None,
    replace: bool = True,
) -> Comparison | GroupComparison:
    """Say which of two is better on the same images, or that there is no significant difference.

    A pattern such as 'runs/*_quick_*' stands for several seeds of one recipe.

    Args:
        a: a run, a .npz file of predictions, or a pattern that finds runs.
        b: the other one.
        on: test or validation; default: test where its labels are known.
        out: write a page with the images that differ. Not for groups.
        replace: replace the page if it exists.

    Returns:
        For one against one, McNemar's test, the paired bootstrap and the images that differ; for groups, mean,
        deviation and number of the seeds, and Welch's test between them.

    Raises:
        UsageError: A or B is not there, or they are not predictions of the same labelled rows.
        IntegrityError: a file is damaged, or the data differ.
        ResourceError: a package is missing, or the page cannot be written.

    Example:
        >>> import tenfold
        >>> tenfold.compare("runs/RUN", "runs/OTHER").verdict  # doctest: +ELLIPSIS
        'no significant difference (p = ...)'
    """
    from tenfold.evaluation.compare import compare as compare_predictions
    from tenfold.evaluation.compare import compare_seeds

    insist_on_free(replace, out)
    sides = _found(a), _found(b)
    on = on or _rows_with_labels([*sides[0], *sides[1]])
    _check_same_data([*sides[0], *sides[1]], on)
    made = tuple([_predictions(found.source, on) for found in side] for side in sides)
    if len(made[0]) > 1 or len(made[1]) > 1:
        if out is not None:
            raise UsageError("a page shows one run against one; leave out the page, or name one run on each side")
        return compare_seeds(*made)
    result = compare_predictions(made[0][0], made[1][0])
    if out is not None:
        from tenfold.report.model_pages import write_comparison

        names = sides[0][0].name, sides[1][0].name
        data, reason = _images(sides[0][0].source, on)
        write_comparison(result, Path(out), names, on, data, reason)
    return result


def names_of(side: Side) -> list[str]:
    """What the members of a side are called: directories and files by their names."""
    return [found.name for found in _found(side)]


def _found(side: Side) -> list[_Found]:
    from tenfold.values.predictions import Predictions
    from tenfold.values.run import Run

    if isinstance(side, Predictions):
        return [_Found("predictions", side)]
    if isinstance(side, Run):
        return [_Found(side.path.name, side)]
    if not isinstance(side, str | Path):
        return [found for one in side for found in _found(one)]
    path = place_of(side)
    if path.is_file() and path.suffix == ".npz":
        return [_Found(path.name, Predictions.load(path))]
    if path.exists():
        return [_Found(path.resolve().name, Run(path))]
    matches = [Path(match) for match in sorted(glob.glob(str(side)))]  # noqa: PTH207 - the pattern may be absolute
    runs = [match for match in matches if (match / "recipe.toml").is_file()]
    if not runs:
        raise UsageError(
            f"{side} is neither a run, nor a .npz file of predictions, nor a pattern that finds runs; "
            "`tenfold runs` lists the runs"
        )
    return [_Found(run.name, Run(run)) for run in runs]


def _predictions(source: Run | Predictions, on: On) -> Predictions:
    from tenfold.values.predictions import Predictions

    if isinstance(source, Predictions):
        return source
    if not source.has_predictions(on):
        raise UsageError(
            f"{source.path} has no {on} predictions; choose others with --on, or finish it: tenfold run --resume"
        )
    return source.predictions(on)


def _rows_with_labels(sides: Sequence[_Found]) -> On:
    from tenfold.values.run import Run

    runs = [found.source for found in sides if isinstance(found.source, Run)]
    labelled = all(run.has_predictions("test") and run.predictions("test").labels is not None for run in runs)
    return "test" if labelled else "validation"


def _check_same_data(sides: Sequence[_Found], on: On) -> None:
    """Equal ids may be numbers of lines in different files; the fingerprints of the data tell."""
    from tenfold.values.run import Run

    role = "test" if on == "test" else "train"
    known = {
        found.name: str(record["fingerprint"])
        for found in sides
        if isinstance(found.source, Run) and (found.source.path / "data.json").is_file()
        if (record := found.source.data.get(role)) and "fingerprint" in record
    }
    first = next(iter(known.items()), None)
    for name, fingerprint in known.items():
        if first and fingerprint != first[1]:
            raise UsageError(
                f"{first[0]} and {name} predicted different {on} images: the fingerprints of their {role} data are"
                f" {first[1][:16]} and {fingerprint[:16]}; expected the same rows - train both with the same --train"
                " and --test"
            )


def _images(source: Run | Predictions, on: On) -> tuple[Dataset | None, str]:
    """The images behind the predictions, or why they are not at hand."""
    from tenfold.values.predictions import Predictions

    if isinstance(source, Predictions):
        return None, "The images are known for runs only."
    try:
        return images_of(source, on), ""
    except (TenfoldError, KeyError, TypeError, OSError) as error:
        return None, f"The images are not at hand: {error}"
