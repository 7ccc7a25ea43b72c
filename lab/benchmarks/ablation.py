"""What each ingredient of a recipe is worth and costs: the recipe without it, or with another, seed by seed.

    python lab/benchmarks/ablation.py TRAIN.CSV [VARIANTS.toml] [--recipe fast] [--seeds 3] [--held 6000] [--set
    KEY=VALUE]

VARIANTS.toml, by default ablation.toml beside this script, has a [[variant]] table with `name` and `set`, a list of
overrides, for each, or `recipe`, another recipe. Seeds and held-out rows are those of speedrun.py, and the same for
every variant, so that variants are compared on the same rows from the same initial weights. --held sets more rows
aside: there are more errors to compare then, and each training is shorter. What is done is in the log and is not done
again; the table goes to standard output, as Markdown:

* more errors: errors per 10,000 images beyond those of the recipe itself, on the ensemble's vote, over all seeds.
* noise: one standard deviation of that, from the images that exactly one of the two gets wrong (McNemar 1947).
  A difference of less than two of them is not called significant.
* cost: core-seconds, as a multiple of the recipe's.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tomllib
from pathlib import Path
from typing import Any

from speedrun import HELD, HERE, trained

import tenfold
from tenfold.files import make_directory, write_text

BASE = "the recipe itself"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path, metavar="TRAIN.CSV", help="Kaggle's train.csv, .gz or not")
    parser.add_argument("variants", type=Path, nargs="?", default=HERE / "ablation.toml", metavar="VARIANTS.toml")
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--seeds", type=int, default=3, help="how many; 0, 1, 2 ...")
    parser.add_argument(
        "--held", type=int, default=HELD, metavar="ROWS", help=f"set aside by each seed; default: {HELD:,}"
    )
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="for all variants"
    )
    parser.add_argument("--workers", type=int, help="members trained at once; default: one a core")
    parser.add_argument("--log", type=Path, help="default: logs/ablation-RECIPE.jsonl beside this script")
    arguments = parser.parse_args()

    recipes = {BASE: tenfold.load_recipe(arguments.recipe, arguments.overrides)}
    for variant in tomllib.loads(arguments.variants.read_text("utf-8"))["variant"]:
        changes = [*arguments.overrides, *variant.get("set", [])]
        recipes[variant["name"]] = tenfold.load_recipe(variant.get("recipe", arguments.recipe), changes)
    log = arguments.log or HERE / "logs" / f"ablation-{recipes[BASE].name}.jsonl"
    make_directory(log.parent)
    done = {(line["key"], line["seed"], line["set_aside"]): line for line in read(log)}
    data = tenfold.load(arguments.train)
    for seed in range(arguments.seeds):  # all variants of a seed together: a table can be made after each
        for name, recipe in recipes.items():
            if (recipe.key(), seed, arguments.held) in done:
                continue
            figures = trained(recipe, data, seed, arguments.workers, arguments.held)
            line = {"variant": name, "key": recipe.key(), "set_aside": arguments.held, **figures}
            done[line["key"], seed, arguments.held] = line
            write_text(log, "".join(json.dumps(each, sort_keys=True) + "\n" for each in done.values()))
            print(f"seed {seed}, {name}: {line['ensemble']:.5f}, {line['core_seconds']:,.0f} core-seconds", flush=True)
    print(
        "\n"
        + table(
            {
                name: [done[recipe.key(), seed, arguments.held] for seed in range(arguments.seeds)]
                for name, recipe in recipes.items()
            }
        )
    )


def read(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.is_file() else []


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """The variants, each with its runs of the same seeds, beside the recipe itself."""
    base = found[BASE]
    lines = ["| variant | one member | ensemble | more errors | noise | | cost |", "|---|---|---|---|---|---|---|"]
    for name, runs in found.items():
        members = statistics.mean(accuracy for run in runs for accuracy in run["members"])
        voted = statistics.mean(run["ensemble"] for run in runs)
        cost = statistics.mean(a["core_seconds"] / b["core_seconds"] for a, b in zip(runs, base, strict=True))
        more, noise = (0.0, 0.0) if name == BASE else paired(runs, base)
        verdict = (
            "" if name == BASE else "not significant" if abs(more) < 2 * noise else "worse" if more > 0 else "better"
        )
        lines.append(f"| {name} | {members:.5f} | {voted:.5f} | {more:+.1f} | {noise:.1f} | {verdict} | {cost:.2f} |")
    return "\n".join(lines)


def paired(runs: list[dict[str, Any]], base: list[dict[str, Any]]) -> tuple[float, float]:
    """(errors per 10,000 images that ``runs`` make beyond ``base``, its standard deviation), seed by seed."""
    only_here = sum(len(set(a["errors"]) - set(b["errors"])) for a, b in zip(runs, base, strict=True))
    only_there = sum(len(set(b["errors"]) - set(a["errors"])) for a, b in zip(runs, base, strict=True))
    scale = 10_000 / sum(run["held"] for run in runs)
    return scale * (only_here - only_there), scale * math.sqrt(max(1, only_here + only_there))


if __name__ == "__main__":
    main()
