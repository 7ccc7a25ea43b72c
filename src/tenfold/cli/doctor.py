"""``tenfold doctor``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.errors import ResourceError

if TYPE_CHECKING:
    from rich.table import Table


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say what is installed, what this machine offers and what training would use.

    Leaves with exit code 4 if training cannot run here.
    """
    from rich.console import Console

    findings = examine()
    if as_json:
        print(json.dumps(findings, indent=2))
    else:
        console = Console(highlight=False)
        console.print(_packages(findings["packages"]))
        console.print(_machine(findings))
    if findings["problems"]:
        raise ResourceError("\n".join(findings["problems"]))


def examine() -> dict[str, Any]:
    """What the doctor sees, as a JSON object; ``problems`` is empty if training can run."""
    from dataclasses import asdict

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


def _packages(packages: list[dict[str, Any]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("package", "needed", "installed", "part of", box=SIMPLE_HEAD, title="Packages", title_justify="left")
    for package in packages:
        extra = package["extra"]
        install = (
            f"[red]missing[/]: pip install 'tenfold\\[{extra}]'" if extra else "[red]missing[/]: pip install tenfold"
        )
        table.add_row(package["name"], package["needed"], package["installed"] or install, extra or "tenfold")
    return table


def _machine(findings: dict[str, Any]) -> Table:
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
