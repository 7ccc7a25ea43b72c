"""Reruns the record of speedrun.md: what a recipe costs in core-seconds, and what it reaches on rows it has not seen.

    python lab/benchmarks/speedrun.py TRAIN.CSV [--recipe fast] [--seeds 3] [--set KEY=VALUE] [--record "what changed"]

TRAIN.CSV is Kaggle's. For each seed 6,000 of its rows are set aside by a stratified split of that seed, copies of an
image on one side, and the recipe is trained with that seed on the others; the 6,000 are looked at once, at the end.
Core-seconds are the processor time of all members' processes from opening the data to the last prediction, whatever
else the machine does meanwhile. A line of JSON for each seed goes to the log; --record adds the row to speedrun.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import tenfold
from tenfold.data.splits import duplicate_groups, stratified_split
from tenfold.files import make_directory, write_text
from tenfold.runtime import describe
from tenfold.training.state import derive
from tenfold.values.predictions import Predictions

HELD = 6_000
HERE = Path(__file__).resolve().parent
TABLE = HERE / "speedrun.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path, metavar="TRAIN.CSV", help="Kaggle's train.csv, .gz or not")
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--seeds", type=int, default=3, help="how many; 0, 1, 2 ...")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workers", type=int, help="members trained at once; default: one a core")
    parser.add_argument("--log", type=Path, help="default: logs/ beside this script")
    parser.add_argument("--record", metavar="WHAT CHANGED", help="add a row to speedrun.md")
    arguments = parser.parse_args()

    recipe = tenfold.load_recipe(arguments.recipe, arguments.overrides)
    data = tenfold.load(arguments.train)
    log = arguments.log or HERE / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{recipe.name}.jsonl"
    make_directory(log.parent)
    lines = [{"recipe": recipe.to_toml(), "command": command(arguments), "environment": describe(load_torch=True)}]
    for seed in range(arguments.seeds):
        lines.append(trained(recipe, data, seed, arguments.workers))
        write_text(log, "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))
        shown = {
            key: lines[-1][key] for key in ("seed", "ensemble", "members", "core_seconds", "images_per_core_second")
        }
        print(json.dumps(shown), flush=True)
    report(lines[1:])
    row = table_row(lines[1:], arguments, log)
    print(row)
    if arguments.record:
        write_text(TABLE, TABLE.read_text("utf-8").rstrip("\n") + "\n" + row + "\n")


def trained(
    recipe: tenfold.Recipe, data: tenfold.Dataset, seed: int, workers: int | None, held_rows: int = HELD
) -> dict[str, Any]:
    """Train with ``seed`` on all rows but ``held_rows`` that this seed sets aside; figures of the run."""
    groups = duplicate_groups(data.images)
    learn, held = stratified_split(data.labels, held_rows / len(data), derive(seed, "speedrun"), groups)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        os.environ["TENFOLD_HOME"] = out  # these splits are of no use to anybody else's cache
        run = tenfold.run(
            recipe.model_copy(update={"seed": seed}),
            train=data.take(learn),
            test=data.take(held),
            out=out,
            workers=workers,
            progress=False,
        )
        alone = [Predictions.load(run.member_path(member) / "test.npz") for member in run.finished_members()]
        voted, summary = run.predictions("test"), run.summary
        epochs = [run.read_json(f"members/{member:02d}/member.json")["epochs"] for member in run.finished_members()]
        rows = run.data["rows"]["train"] * recipe.data.bag
    return {
        "seed": seed,
        "held": len(held),
        "ensemble": voted.accuracy,
        "errors": voted.ids[~voted.correct].tolist(),
        "members": [each.accuracy for each in alone],
        "core_seconds": summary["core_seconds"],
        "images_per_core_second": rows * sum(epochs) / summary["core_seconds"],
        "peak_rss_bytes": summary["peak_rss_bytes"],
        "wall_seconds": time.monotonic() - began,
        "load": os.getloadavg()[0],
    }


def report(seeds: list[dict[str, Any]]) -> None:
    """Means and spreads over the seeds."""
    ensembles = [seed["ensemble"] for seed in seeds]
    members = [accuracy for seed in seeds for accuracy in seed["members"]]
    held = sum(seed["held"] for seed in seeds)
    noise = np.sqrt(statistics.mean(ensembles) * (1 - statistics.mean(ensembles)) / held)
    print(f"ensemble      {spread(ensembles)} over {len(seeds)} seeds; sampling error of {held:,} images {noise:.5f}")
    print(f"one member    {spread(members)} over {len(members)} members")
    print(f"core-seconds  {statistics.mean(seed['core_seconds'] for seed in seeds):,.0f}")
    print(f"images/s      {statistics.mean(seed['images_per_core_second'] for seed in seeds):,.0f} per core")


def spread(values: list[float]) -> str:
    """Mean and standard deviation; the latter needs two values."""
    return f"{statistics.mean(values):.5f}" + (f" ± {statistics.stdev(values):.5f}" if len(values) > 1 else "")


def table_row(seeds: list[dict[str, Any]], arguments: argparse.Namespace, log: Path) -> str:
    """The row of speedrun.md."""
    cells = [
        time.strftime("%Y-%m-%d"),
        arguments.record or "",
        f"{statistics.mean(seed['core_seconds'] for seed in seeds):,.0f}",
        f"{statistics.mean(seed['images_per_core_second'] for seed in seeds):,.0f}",
        spread([accuracy for seed in seeds for accuracy in seed["members"]]),
        spread([seed["ensemble"] for seed in seeds]),
        str(len(seeds)),
        f"`{command(arguments)}`",
        f"[log]({log.relative_to(HERE).as_posix()})" if log.is_relative_to(HERE) else log.name,
    ]
    return "| " + " | ".join(cells) + " |"


def command(arguments: argparse.Namespace) -> str:
    """What to type to do it again; the data goes by its name, wherever it lies."""
    overrides = "".join(f" --set {override}" for override in arguments.overrides)
    return f"speedrun.py {arguments.train.name} --recipe {arguments.recipe} --seeds {arguments.seeds}{overrides}"


if __name__ == "__main__":
    main()
