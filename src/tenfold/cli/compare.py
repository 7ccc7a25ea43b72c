"""`tenfold compare`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    from tenfold.evaluation.compare import Comparison, GroupComparison, Seeds
    from tenfold.values.accuracy import Accuracy

SHOWN_IDS = 10


def compare(
    a: Annotated[
        str, typer.Argument(help="A run, a .npz file of predictions, or a pattern that finds runs.", metavar="A")
    ],
    b: Annotated[str, typer.Argument(help="Likewise.", metavar="B")],
    on: Annotated[
        str | None,
        typer.Option(help="test or validation; default: test where its labels are known.", metavar="ROWS"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a page with the images that differ.", metavar="FILE.html")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE.html if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which of two is better on the same images, or that there is no significant difference.

    A pattern such as 'runs/*_quick_*' stands for several seeds of one recipe.
    """
    from tenfold.evaluation.compare import Comparison
    from tenfold.studies.comparing import compare, names_of

    if on not in (None, "test", "validation"):
        raise UsageError(f"--on {on}: expected test or validation")
    if out is not None and out.exists() and not force:
        raise UsageError(f"{out} exists; pass --force to replace it, or choose another name with --out")
    found = compare(a, b, on=on, out=out)  # type: ignore[arg-type]
    names = names_of(a), names_of(b)
    if isinstance(found, Comparison):
        print(json.dumps(_as_json(found, names), indent=2)) if as_json else _print_pair(found, names)
    else:
        print(json.dumps(_groups_as_json(found, names), indent=2)) if as_json else _print_groups(found, names)
    if out is not None and not as_json:
        print(out)


def _print_pair(found: Comparison, names: tuple[list[str], list[str]]) -> None:
    from tenfold.evaluation.significance import p_text

    for letter, name, side in zip("AB", (names[0][0], names[1][0]), found.sides, strict=True):
        print(f"{letter}  {side.short}  {side.errors:,} errors  {printable(name)}")
    print(
        f"{len(found.a):,} images: both right {found.both_right:,}, only A {found.only_a:,}, only B {found.only_b:,}, "
        f"both wrong {found.both_wrong:,}"
    )
    print(f"accuracy A - B  {_points(found.accuracy)} points (paired bootstrap)")
    loss = found.log_loss
    print(f"log-loss A - B  {loss.value:+.4f} [{loss.low:+.4f}, {loss.high:+.4f}]")
    print(f"McNemar         {p_text(found.p_exact)} exact, {p_text(found.p_mid)} mid-p")
    if len(found.rows):
        ids = [printable(value) for value in found.a.ids[found.rows][:SHOWN_IDS].tolist()]
        more = len(found.rows) - len(ids)
        print(f"they differ on  {', '.join(ids)}{f' and {more:,} more' if more else ''}")
    print(f"verdict         {found.verdict}")


def _print_groups(found: GroupComparison, names: tuple[list[str], list[str]]) -> None:
    from tenfold.evaluation.significance import p_text

    for letter, members, seeds in zip("AB", names, (found.a, found.b), strict=True):
        print(f"{letter}  {_seeds(seeds)}  {printable(members[0])}{' ...' if len(members) > 1 else ''}")
    print(f"accuracy A - B  {_points(found.accuracy)} points on {found.n:,} images (paired bootstrap)")
    print(f"Welch's test    {p_text(found.p_seeds)} over the seeds")
    print(f"verdict         {found.verdict}")


def _seeds(seeds: Seeds) -> str:
    return f"{seeds.mean:.2%} ± {seeds.deviation:.2%}, {seeds.number} seeds"


def _points(difference: Any) -> str:
    return f"{100 * difference.value:+.2f} [{100 * difference.low:+.2f}, {100 * difference.high:+.2f}]"


def _as_json(found: Comparison, names: tuple[list[str], list[str]]) -> dict[str, Any]:
    plain = ("both_right", "only_a", "only_b", "both_wrong", "p_exact", "p_mid", "verdict")
    return {
        "a": {"name": names[0][0], **_side(found.sides[0])},
        "b": {"name": names[1][0], **_side(found.sides[1])},
        "n": len(found.a),
        "accuracy": asdict(found.accuracy),
        "log_loss": asdict(found.log_loss),
        **{name: getattr(found, name) for name in plain},
        "differing_ids": found.a.ids[found.rows].tolist(),
    }


def _side(found: Accuracy) -> dict[str, Any]:
    return {name: value for name, value in asdict(found).items() if name != "n"}


def _groups_as_json(found: GroupComparison, names: tuple[list[str], list[str]]) -> dict[str, Any]:
    sides = {
        letter: {"names": members, "accuracies": seeds.values, "mean": seeds.mean, "deviation": seeds.deviation}
        for letter, members, seeds in zip("ab", names, (found.a, found.b), strict=True)
    }
    figures = {"n": found.n, "accuracy": asdict(found.accuracy), "p_seeds": found.p_seeds, "verdict": found.verdict}
    return {**sides, **figures}
