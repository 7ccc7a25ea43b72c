"""Commands about what there is: recipes, data, runs, this machine."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.api.shared import Option, insist_on_free
from tenfold.cli import console
from tenfold.cli.derive import Call, command
from tenfold.cli.options import Force, Json
from tenfold.errors import IntegrityError, ResourceError, UsageError, install_command, printable

if TYPE_CHECKING:
    from rich.table import Table

    from tenfold.api.recipes import RecipeEntry
    from tenfold.data.checks import Finding
    from tenfold.evaluation.compare import Seeds
    from tenfold.evaluation.leaderboard import Group, Row
    from tenfold.values.dataset import Dataset

DATA, RUNS, RECIPES = "Look at data", "Runs and this machine", "Recipes"
Open = Annotated[bool, Option("--open")]
SHOWN_CLASSES = 30
SHOWN_GROUPS = 5
SHOWN_IDS = 5
SHOWN_SUSPECTS = 10


@command("data list", None, DATA)
def data_list(call: Call) -> None:
    """Show the data sets known by name and the formats that can be read."""
    from tenfold.data.fetch import FetchedSource
    from tenfold.data.load import named_sources
    from tenfold.data.sources import SOURCES

    def line(source: type) -> str:
        return (source.__doc__ or "").partition("\n")[0].rstrip(".")

    print("data sets")
    for name in named_sources():
        source = SOURCES.get(name)
        folder = source.cached_in() if issubclass(source, FetchedSource) else None
        print(f"  {name:<14}{line(source)}")
        print(f"  {'':<14}{f'in {folder}' if folder else f'not fetched; run: tenfold data fetch {name}'}")
    print("formats")
    for name in SOURCES:
        if name not in named_sources():
            print(f"  {name:<14}{line(SOURCES.get(name))}")


@command("data fetch", "fetch", DATA)
def data_fetch(call: Call) -> None:
    """Fetch, and say where it is."""
    place = call()
    print(f"{call['name']} is in {place}")


@command("data check", "check_data", DATA)
def data_check(call: Call, *, strict: bool = False, as_json: Json = False) -> None:
    """Print the findings.

    Args:
        strict: leave with exit code 3 on a warning or worse.
        as_json: print JSON.
    """
    found = call()
    if as_json:
        print(json.dumps(found.as_dict(), indent=2))
    else:
        _print_check(str(call["source"]), found.data, found.findings)
    if strict and any(finding.severity != "note" for finding in found.findings):
        raise typer.Exit(3)


def _print_check(source: str, data: Dataset, findings: list[Finding]) -> None:
    """What it is, how it was read, what looks wrong and what to do, and what is fine."""
    c, h, w = data.image_shape
    known = f"labelled, {len(data.class_names)} classes" if data.labels is not None else "unlabelled"
    print(f"{printable(source)}: {len(data):,} images of {c}x{h}x{w}, {known}")
    counts: Mapping[str, int] = next((one.details["counts"] for one in findings if "counts" in one.details), {})
    if counts:
        shown = [f"{printable(name)}: {count:,}" for name, count in counts.items()]
        more = f" and {len(shown) - SHOWN_CLASSES:,} more" if len(shown) > SHOWN_CLASSES else ""
        print(f"{'classes':<9}{', '.join(shown[:SHOWN_CLASSES])}{more}")
    for note in data.notes:
        print(f"{'read':<9}{printable(note)}")
    order = ("error", "leak", "warning", "note", "ok")
    for finding in sorted(findings, key=lambda one: order.index(one.mark)):
        if finding.mark == "ok":
            continue
        print(f"{finding.mark:<8} {finding.name}: {printable(finding.message)}")
        if finding.ids:
            groups = "; ".join(" = ".join(map(printable, group[:SHOWN_IDS])) for group in finding.ids[:SHOWN_GROUPS])
            print(f"{'':<9}ids {groups}{' ...' if len(finding.ids) > SHOWN_GROUPS else ''}")
    for finding in findings:
        if finding.mark == "ok":
            print(f"{'ok':<9}{finding.name}: {printable(finding.message)}")
    console.next_steps(f"tenfold explore {shlex.quote(source)}", f"tenfold run --train {shlex.quote(source)}")


@command("data review", "review_labels", DATA, out="labels.html")
def data_review(call: Call, *, as_json: Json = False, open_it: Open = False) -> None:
    """Print the worst, and where the page is.

    Args:
        as_json: print JSON, and write no page.
        open_it: open the page in the browser.
    """
    page = call["out"]
    if as_json:
        call["out"] = None
    found = call()
    if as_json:
        print(json.dumps(found.as_dict(), indent=2))
        return
    print(f"{len(found):,} of {found.judged:,} labels are suspected")
    for one in found.as_dict()["suspects"][:SHOWN_SUSPECTS]:
        labels = f"labelled {printable(one['label'])}, read as {printable(one['suggested'])}"
        print(f"  {printable(one['id'])}: {labels} ({one['probability']:.2%} for the label)")
    console.show_page(page, open_it=open_it)
    if len(found):
        console.next_steps(f"decide on the page, then: tenfold data convert {call['data']} OUT --labels labels.csv")


@command("data ask", "ask", DATA, out="ask.html")
def data_ask(call: Call, *, open_it: Open = False) -> None:
    """Say which images, and where the page is.

    Args:
        open_it: open the page in the browser.
    """
    ids = call()
    print(f"{len(ids):,} images are worth a look: {', '.join(map(printable, ids[:SHOWN_SUSPECTS]))} ...")
    console.show_page(call["out"], open_it=open_it)
    console.next_steps(f"decide on the page, then: tenfold teach {call['model']} {call['data']} --labels labels.csv")


@command("data convert", "convert", DATA)
def data_convert(call: Call) -> None:
    """Print what was written."""
    for path in call():
        print(path)


@command("explore", "explore", DATA, maps=None)
def explore(call: Call, *, no_tsne: bool = False, strict: bool = False, open_it: Open = False) -> None:
    """Print what is worth a look, and where the page is.

    Args:
        no_tsne: make no t-SNE map: it takes most of the time.
        strict: leave with exit code 3 on a warning or worse.
        open_it: open the page in the browser.
    """
    chosen = call["maps"] or ([] if no_tsne else ["tsne"])
    if no_tsne and "tsne" in chosen:
        raise UsageError("--map tsne makes a t-SNE map, and --no-tsne makes none; choose one of them")
    call["maps"] = chosen
    worth_a_look = [finding for finding in call().findings if finding.severity != "note"]
    for finding in worth_a_look:
        print(f"{finding.severity:<8} {finding.name}: {printable(finding.message)}")
    console.show_page(call["out"], open_it=open_it)
    if call["figures"] is not None:
        print(call["figures"])
    console.next_steps(f"train on it: tenfold run quick --train {call['data']}")
    if strict and worth_a_look:
        raise typer.Exit(3)


@command("augment", "augment", DATA, out="preview.png")
def augment(call: Call) -> None:
    """Say where the picture is."""
    call()
    console.say(f"{call['count']:,} variants in {call['out']}")


@command("recipes list", "recipes", RECIPES)
def recipes_list(call: Call, *, as_json: Json = False) -> None:
    """List the recipes that come with tenfold, with accuracy, time and a line.

    Args:
        as_json: print JSON.
    """
    from tenfold.runtime import cores

    found = call()
    if as_json:
        print(json.dumps([{**asdict(one), "path": str(one.path)} for one in found], indent=2))
        return
    known = "expected" if call["source"] else "accuracy"
    print(f"{'recipe':<20} {known}   time on {cores()} cores")
    for one in found:
        if one.name.startswith("notebook/"):
            continue
        accuracy = "" if one.accuracy is None else f"{one.accuracy:.4f}"
        print(f"{one.name:<20} {accuracy:<10} {_time(one)}")
        for line in _wrapped(one.claim):
            print(f"    {line}")
        if one.released:
            print(f"    trained already: {', '.join(one.released)}")
    notebook = [one.name for one in found if one.name.startswith("notebook/")]
    if notebook:
        print(f"and {len(notebook)} of the notebook's log: {notebook[0]} to {notebook[-1]}")
    console.next_steps("tenfold recipes show NAME", "tenfold recipes copy NAME FILE.toml", "tenfold run NAME")


def _time(entry: RecipeEntry) -> str:
    """The time that a training takes here, in words: a network trains on one core, other models on all."""
    from tenfold.runtime import cores
    from tenfold.values.recipe import load_recipe

    if entry.core_seconds is None:
        return ""
    recipe = load_recipe(entry.path)
    networks = all(model.kind == "network" for model in recipe.model)
    seconds = entry.core_seconds / (min(cores(), recipe.ensemble.members) if networks else cores())
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 74)


Name = Annotated[str, Option(metavar="NAME")]


@command("recipes show", None, RECIPES)
def recipes_show(call: Call, name: Name) -> None:
    """Print a recipe's file.

    Args:
        name: of a recipe that comes with tenfold, or a file.
    """
    from tenfold.values.recipe import find_recipe, recipe_file

    print(recipe_file(find_recipe(name)), end="")


@command("recipes copy", None, RECIPES)
def recipes_copy(
    call: Call, name: Name, file: Annotated[str | Path, Option(metavar="FILE.toml")], *, force: Force = False
) -> None:
    """Copy a recipe into a file of your own, to change it there.

    Args:
        name: of a recipe that comes with tenfold.
        file: the file to write.
        force: replace the file if it exists.
    """
    from tenfold.files import write_text
    from tenfold.values.recipe import find_recipe, recipe_file

    insist_on_free(force, file)
    write_text(Path(file), recipe_file(find_recipe(name)), overwrite=force)
    print(file)
    console.next_steps(f"change it, then: tenfold run {file}")


@command("verify", "verify", RUNS)
def verify(call: Call) -> None:
    """Print what is whole."""
    faults: list[str] = []
    for path in call["paths"]:
        call["paths"] = [path]
        try:
            (looked_at,) = call().values()
            console.say(f"{path}: {looked_at}")
        except IntegrityError as error:
            faults.extend(error.lines())
    if faults:
        raise IntegrityError("\n".join(faults))


@command("import-log", "import_log", RUNS)
def import_log(call: Call) -> None:
    """Say how many entries there are."""
    entries = call()
    figures = sum(entry.test_accuracy is not None or entry.validation_accuracy is not None for entry in entries)
    print(f"{len(entries)} entries, {figures} of them with an accuracy; see: tenfold runs {call['runs']}")


@command("runs", "runs", RUNS)
def runs(
    call: Call,
    *,
    as_json: Json = False,
    as_csv: Annotated[bool, Option("--csv")] = False,
    as_markdown: Annotated[bool, Option("--markdown")] = False,
    as_latex: Annotated[bool, Option("--latex")] = False,
    as_html: Annotated[bool, Option("--html")] = False,
    open_it: Open = False,
    group: bool = False,
) -> None:
    """Print the table.

    Args:
        as_json: print JSON.
        as_csv: print CSV.
        as_markdown: print a Markdown table.
        as_latex: print a LaTeX table (booktabs).
        as_html: write FOLDER/runs.html: all runs on one page.
        open_it: with --html, open the page in the browser.
        group: one row a recipe: mean, deviation and number of its seeds.
    """
    from tenfold.evaluation.leaderboard import group_runs

    if as_json + as_csv + as_markdown + as_latex + as_html > 1:
        raise UsageError("--json, --csv, --markdown, --latex and --html exclude each other")
    rows: list[Row] = call()
    if as_html:
        from tenfold.report.runs_page import write_runs_page

        console.show_page(write_runs_page(Path(call["folder"]), rows), open_it=open_it)
        return
    groups = group_runs(rows) if group else []
    if as_json:
        print(json.dumps([_group_as_json(g) for g in groups] if group else [_as_json(row) for row in rows], indent=2))
    elif as_csv:
        _print_groups_csv(groups) if group else _print_csv(rows)
    elif not rows:
        print(f"no runs in {call['folder']}; make one with: tenfold run")
    else:
        _print_runs(groups, rows, group, "markdown" if as_markdown else "latex" if as_latex else "table")


def _print_runs(groups: Sequence[Group], rows: Sequence[Row], group: bool, form: str) -> None:
    from tenfold.report.runs_page import group_table, latex, markdown, run_table

    table = group_table(groups) if group else run_table(rows)
    if form == "table":
        console.print_table(
            table, dim=[] if group else [place for place, row in enumerate(rows) if row.state != "complete"]
        )
    else:
        print("\n".join((markdown if form == "markdown" else latex)(table)))


def _as_json(row: Row) -> dict[str, object]:
    from tenfold.values.accuracy import Accuracy

    plain = {name: getattr(row, name) for name in row.__dataclass_fields__}
    return {name: value.as_dict() if isinstance(value, Accuracy) else value for name, value in plain.items()}


def _group_as_json(group: Group) -> dict[str, object]:
    def figures(seeds: Seeds | None) -> object:
        return seeds and {
            "mean": seeds.mean,
            "deviation": seeds.deviation,
            "seeds": seeds.number,
            "values": list(seeds.values),
        }

    return asdict(group) | {"validation": figures(group.validation), "test": figures(group.test)}


def _print_csv(rows: Sequence[Row]) -> None:
    from tenfold.values.names import csv_text

    intervals = [f"{name}{part}" for name in ("validation", "test") for part in ("", "_low", "_high")]
    known = ("name", "state", "detail", "recipe", "finished", "members")
    after = ("seconds", "core_seconds", "leaked", "seed", "against_best")

    def cells(row: Row) -> list[object]:
        figures = [
            estimate.as_dict()[part] if estimate else None
            for estimate in (row.validation, row.test)
            for part in ("accuracy", "low", "high")
        ]
        return [*(getattr(row, name) for name in known), *figures, *(getattr(row, name) for name in after)]

    print(csv_text(["run", *known[1:], *intervals, *after], map(cells, rows)), end="")


def _print_groups_csv(groups: Sequence[Group]) -> None:
    from tenfold.values.names import csv_text

    figures = [f"{split}_{part}" for split in ("validation", "test") for part in ("mean", "deviation")]

    def cells(group: Group) -> list[object]:
        values = [
            getattr(seeds, part, None) for seeds in (group.validation, group.test) for part in ("mean", "deviation")
        ]
        return [group.name, len(group.runs), *values, group.against_best, group.seconds, group.core_seconds]

    header = ["recipe", "seeds", *figures, "against_best", "seconds", "core_seconds"]
    print(csv_text(header, map(cells, groups)), end="")


@command("doctor", "doctor", RUNS)
def doctor(call: Call, *, as_json: Json = False) -> None:
    """Print the tables.

    Args:
        as_json: print JSON instead of tables.
    """
    from rich.console import Console

    findings = call()
    if as_json:
        print(json.dumps(findings, indent=2))
    else:
        terminal = Console(highlight=False)
        terminal.print(_packages(findings["packages"]))
        terminal.print(_machine(findings))
    if findings["problems"]:
        raise ResourceError("\n".join(findings["problems"]))


def _packages(packages: list[dict[str, Any]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table("package", "needed", "installed", "part of", box=SIMPLE_HEAD, title="Packages", title_justify="left")
    for package in packages:
        extra = package["extra"]
        install = f"[red]missing[/]: {escape(install_command(extra))}"
        table.add_row(package["name"], package["needed"], package["installed"] or install, extra or "tenfold")
    return table


def _machine(findings: Mapping[str, Any]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    machine, use = findings["machine"], findings["would_use"]
    table = Table("what", "found", box=SIMPLE_HEAD, show_header=False, title="This machine", title_justify="left")
    memory = f"{machine['memory_bytes'] / 2**30:.1f} GiB" if machine["memory_bytes"] else "unknown"
    rows = {
        "tenfold": machine["tenfold"] + (f", commit {machine['commit'][:12]}" if machine["commit"] else ""),
        "Python": f"{machine['python']} on {machine['platform']}",
        "processor": f"{machine['cpu']}, {machine['instruction_set']}",
        "cores": f"{machine['cores']} for this process",
        "memory": memory,
        "device": f"{machine['device'] or 'none'}: {machine['device_reason']}",
        "accelerators": ", ".join(machine["accelerators"]) or "none: no CUDA, no MPS",
        "replicas": f"up to {use['replicas']} for one network (train.replicas), one on each "
        + ("GPU" if machine["accelerators"] else "core"),
        "training": f"{use['members_at_once']} members at once on {use['device']}, one thread each"
        if use["device"]
        else "not here",
        "cache": findings["cache"]["folder"],
    }
    for name, path in findings["cache"]["datasets"].items():
        rows[f"data set {name}"] = path or f"not fetched; run: tenfold data fetch {name}"
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table
