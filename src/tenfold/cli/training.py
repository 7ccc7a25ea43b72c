"""Commands that train: run, train, cv, tune, study, reproduce, bench."""

from __future__ import annotations

import json
import shlex
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tenfold.api.shared import Option, as_run
from tenfold.cli import console
from tenfold.cli.derive import Call, command
from tenfold.cli.options import Json, PortableIsa, pin
from tenfold.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from tenfold.api.teach import Change, Taught
    from tenfold.values.run import Run

TRAIN = "Train"
Resume = Annotated[str | Path | None, Option(metavar="RUN")]


@command("run", "run", TRAIN)
def run(
    call: Call,
    *,
    resume: Resume = None,
    portable_isa: PortableIsa = None,
    allow_inexact_resume: bool = False,
    allow_partial: bool = False,
    open_it: Annotated[bool, Option("--open")] = False,
) -> None:
    """Start or go on with a run.

    Args:
        resume: go on with this run directory.
        portable_isa: compute as a processor with these instructions would: the same bits on it and on newer ones, if
            more slowly.
        allow_inexact_resume: resume where the bits cannot be the same.
        allow_partial: with --resume: do without members that are damaged, and say so everywhere.
        open_it: open the report in the browser.
    """
    began = time.monotonic()
    pin(portable_isa)
    if resume is None:
        finished = call()
    else:
        refuse(call, "a run", "train", "test", "overrides", "strict", "minutes")
        finished = go_on(call, resume, "run", "run", allow_inexact_resume, allow_partial=allow_partial)
    print_result(finished, time.monotonic() - began, open_it)


@command("train", "train", TRAIN)
def train(
    call: Call,
    *,
    resume: Resume = None,
    base: Annotated[str | Path | None, Option("--from", "RUN|BUNDLE")] = None,
    portable_isa: PortableIsa = None,
    allow_inexact_resume: bool = False,
    allow_partial: bool = False,
) -> None:
    """Start or go on with a training.

    Args:
        resume: go on with this run directory.
        base: teach this trained model the images of --train, as `tenfold teach` does.
        portable_isa: compute as a processor with these instructions would: the same bits on it and on newer ones, if
            more slowly.
        allow_inexact_resume: resume where the bits cannot be the same.
        allow_partial: with --resume: do without members that are damaged, and say so everywhere.
    """
    began = time.monotonic()
    pin(portable_isa)
    if base is not None:
        import tenfold
        from tenfold.files import make_directory

        if call["train"] is None or resume is not None:
            raise UsageError("--from teaches a trained model the images of --train DATA; name them, without --resume")
        make_directory(Path(call["out"]))
        out = next(path for n in count(1) if not (path := Path(call["out"]) / f"taught-{n}").exists())
        print_taught(tenfold.teach(base, call["train"], out=out, options=call["options"]))
        return
    if resume is None:
        finished = call()
    else:
        refuse(call, "a run", "train", "test", "overrides", "strict", "minutes")
        finished = go_on(call, resume, "run", "train", allow_inexact_resume, allow_partial=allow_partial)
    print_result(finished, time.monotonic() - began)


@command("teach", "teach", TRAIN)
def teach(call: Call) -> None:
    """Say what is gained and lost."""
    print_taught(call())


def print_taught(taught: Taught) -> None:
    """What a taught model gains on the new images and loses on the old, and where it is."""

    def line(what: str, change: Change) -> str:
        before, after = change.before, change.after
        shares = f"{before.accuracy:.4f} before, {after.accuracy:.4f} after ({after.low:.4f} to {after.high:.4f})"
        verdict = f"{change.gained} gained, {change.lost} lost, p = {change.p:.2g}"
        return f"{what:<12}{shares} of {after.n:,}: {verdict}"

    print(line("new images", taught.new))
    if taught.old is not None:
        print(line("old images", taught.old))
    else:
        print("old images  none are at hand: what is lost on them is not known; name some with --old DATA")
    print(f"bundle      {taught.path}")
    console.next_steps(f"tenfold serve {taught.path}", f"tenfold read PICTURE --bundle {taught.path}")


@command("cv", "cross_validate", TRAIN, folds=None)
def cv(
    call: Call, *, resume: Resume = None, portable_isa: PortableIsa = None, allow_inexact_resume: bool = False
) -> None:
    """Start or go on with a cross-validation.

    Args:
        resume: go on with this run directory.
        portable_isa: compute as a processor with these instructions would: the same bits on it and on newer ones, if
            more slowly.
        allow_inexact_resume: resume where the bits cannot be the same.
    """
    began = time.monotonic()
    pin(portable_isa)
    if resume is None:
        finished = call()
    else:
        refuse(call, "a cross-validation", "folds", "train", "overrides")
        finished = go_on(call, resume, "cv", "run", allow_inexact_resume)
    print_result(finished, time.monotonic() - began)


@command("tune", "tune", TRAIN, recipe=None)
def tune(call: Call, *, resume: Resume = None, allow_inexact_resume: bool = False) -> None:
    """Start or go on with a search.

    Args:
        resume: go on with this run directory.
        allow_inexact_resume: resume where the bits cannot be the same.
    """
    began = time.monotonic()
    if resume is not None:
        refuse(call, "a search", "recipe", "train", "overrides")
        found = go_on(call, resume, "tune", "run", allow_inexact_resume, trials=call["trials"])
    elif not call["recipe"]:
        raise UsageError("found no recipe, expected one: tenfold tune RECIPE.toml, or tenfold tune --resume RUN")
    else:
        found = call()
    _print_search(found, time.monotonic() - began)


def refuse(call: Call, what: str, *names: str) -> None:
    """A thing that goes on does so as it was begun.

    Raises:
        UsageError: something was given that decides how it is begun.
    """
    options = {"overrides": "--set", "recipe": "the recipe"}
    if any(call[name] for name in names if name in dict(call.items())):
        told = [options.get(name, f"--{name}") for name in names]
        raise UsageError(
            f"--resume goes on with {what} as it was begun; leave out {', '.join(told[:-1])} and {told[-1]}"
        )


def go_on(call: Call, path: str | Path, kind: str, stages: Any, inexact: bool, **further: Any) -> Run:
    """Resume the run in a directory.

    Raises:
        UsageError: it was begun by another command.
    """
    import tenfold

    run = as_run(path, complete=False)
    if run.command != kind:
        raise UsageError(
            f"{run.path} was not begun by `tenfold {kind}`; go on with: tenfold {run.command} --resume {run.path}"
        )
    same = {name: call[name] for name in ("options", "executor", "workers", "device", "track")}
    explore = dict(call.items()).get("explore", False)
    how: dict[str, Any] = {**same, "explore": explore, "progress": not console.settings.quiet, **further}
    return tenfold.resume(run, stages, allow_inexact=inexact, **{**how, "track": how["track"] or ()})


def print_result(run: Run, seconds: float, open_it: bool = False) -> None:
    """The figures of a finished run, and where everything is."""
    summary = run.summary
    console.say()
    if folds := summary.get("folds"):
        for number, figures in enumerate(folds, 1):
            print(f"fold {number}     {_share(figures)}")
        print(f"mean       {_mean(summary)} over {len(folds)} folds")
    held = "out of fold" if folds else "validation accuracy"
    names = {"test": "test accuracy", "holdout": "holdout accuracy", "validation": held, "estimate": "estimate"}
    for name, shown in names.items():
        if figures := summary.get(name):
            print(f"{shown}  {_share(figures)}")
    if inner := run.cross_validation():
        print(f"{inner.data['folds']} folds    {_mean(inner.summary)}, of the rows that train")
    minutes, rest = divmod(round(seconds), 60)
    judged = f", {spent:,.0f} of the estimate" if (spent := summary.get("estimate", {}).get("core_seconds")) else ""
    print(f"time       {minutes} min {rest} s, {summary['core_seconds']:,.0f} core-seconds of training{judged}")
    labels = {
        "report.html": "report",
        "explore.html": "data",
        "submission.csv": "submission",
        "submission.partial.csv": "submission",
        "submission.leaked.csv": "submission",
        "submission.partial.leaked.csv": "submission",
        "bundle": "bundle",
        "predictions/oof.npz": "out of fold",
    }
    for name, label in labels.items():
        if (run.path / name).exists():
            print(f"{label:<10} {run.path / name}")
    print(f"run        {run.path}")
    for member, why in run.left_out.items():
        print(f"\n!!! PARTIAL: member {member} was left out: {why}")
    if summary["leaked"]:
        print("\n!!! LEAKAGE: test images are among the training images; no figure on this test set means anything")
    _after(run, open_it)


def _after(run: Run, open_it: bool) -> None:
    report = run.path / "report.html"
    if (run.path / "predictions" / "oof.npz").exists():
        console.next_steps(f"wrong labels: tenfold data review {shlex.quote(run.recipe.data.train)} --oof {run.path}")
    elif report.exists():
        opened = f"the report: {report.resolve().as_uri()}"
        console.next_steps(opened, f"try it: tenfold serve {run.path}", f"why: tenfold explain {run.path} --hardest 3")
    else:
        console.next_steps(f"judge it: tenfold evaluate {run.path} DATA", f"try it: tenfold serve {run.path}")
    if open_it and report.exists():
        console.open_page(report)


def _share(figures: dict[str, Any]) -> str:
    return f"{figures['accuracy']:.4f}  ({_interval(figures)}; {figures['errors']:,} errors in {figures['n']:,})"


def _mean(summary: dict[str, Any]) -> str:
    return f"{summary['mean']:.4f}  ({_interval(summary, 'mean_')}), standard deviation {summary['deviation']:.4f}"


def _interval(figures: dict[str, Any], of: str = "") -> str:
    return f"95 % interval {figures[f'{of}low']:.4f} to {figures[f'{of}high']:.4f}"


def _print_search(run: Run, seconds: float) -> None:
    summary = run.summary
    best, states, figures = summary["best"], summary["trials"], summary["validation"]
    console.say()
    ended = f"{states['complete']} to their end, {states['pruned']} stopped early, {states['fail']} failed"
    print(f"trials     {sum(states.values())}: {ended}")
    print(f"best       trial {best['trial']}, {summary['metric']} {best['value']:.5f}")
    for key, value in best["values"].items():
        print(f"           {key} = {value}")
    interval = f"95 % interval {figures['low']:.4f} to {figures['high']:.4f}"
    print(f"accuracy   {figures['accuracy']:.4f}  ({interval}, of the rows it was chosen by: too good)")
    minutes, rest = divmod(round(seconds), 60)
    print(f"time       {minutes} min {rest} s")
    print(f"recipe     {run.path / 'best.toml'}")
    print(f"trials     {run.path / 'trials.csv'}")
    console.next_steps(f"judge it on rows it was not chosen by: tenfold cv {run.path / 'best.toml'} --set seed=2")


@command("study", "study", TRAIN)
def study(call: Call) -> None:
    """Train, and print the leaderboard."""
    from tenfold.report.runs_page import group_table

    done = call()
    console.print_table(group_table(done.groups))
    print(done.folder / "leaderboard.md")
    console.show_page(done.folder / "runs.html")


@command("reproduce", "reproduce", TRAIN)
def reproduce(call: Call, *, portable_isa: PortableIsa = None) -> None:
    """Leaves with exit code 6 if anything differs: the data, the machine, or a single file.

    Args:
        portable_isa: compute as a processor with these instructions would: the same bits on it and on newer ones, if
            more slowly.
    """
    began = time.monotonic()
    pin(portable_isa)
    made = call()
    print_result(made.run, time.monotonic() - began)
    if not made.different:
        print(f"reproduced {call['run']}: {len(made.same)} files with the same bits")
    elif made.environment:
        print(
            f"not to the bit, as was to be expected ({'; '.join(made.environment)}): other bits in"
            f" {', '.join(made.different)}"
        )
    else:
        raise IntegrityError(f"{made.run.path} is not {call['run']}: other bits in {', '.join(made.different)}")


_PREDICTIONS = {"torch": "predict, torch", "onnx": "predict, ONNX Runtime", "onnx_one": "  one image at a time"}


@command("bench", "bench", TRAIN)
def bench(call: Call, *, as_json: Json = False) -> None:
    """Measure, and print a table.

    Args:
        as_json: print JSON.
    """
    measured = call()
    if as_json:
        print(json.dumps(measured, indent=2))
    elif call["members_scaling"]:
        print(f"one process   {measured['alone']:10,.0f} images/s")
        print(f"two           {measured['together']:10,.0f} images/s together: {measured['ratio']:.2f} times one")
    else:
        _print_speed(measured)


def _print_speed(result: dict[str, Any]) -> None:
    machine, everywhere = result["machine"], result["predict"]["onnx_all_cores"]
    console.say(f"{machine['cpu']}, {machine['cores']} cores, {machine['instruction_set']}; torch {machine['torch']}")
    print(
        f"{result['recipe']}: {result['parameters']:,} parameters, {result['mac'] / 1e6:.2f} million multiply-adds an"
        " image"
    )
    print(f"\n{'one thread':<34}{'images/s':>10}{'GFLOP/s':>10}{'of product':>12}")
    print(f"{'float32 matrix product':<34}{'':>10}{result['product_gflops']:>10.1f}{1:>12.0%}")
    print(_row(f"train, batches of {result['batch_size']}", result["train"]))
    for key, name in _PREDICTIONS.items():
        print(_row(name, result["predict"][key]))
    print(f"{'  which takes':<34}{result['predict']['onnx_one']['microseconds']:>10,.0f} microseconds")
    if everywhere["threads"] > 1:
        print(f"\n{everywhere['threads']} threads")
        print(f"{'float32 matrix product':<34}{'':>10}{everywhere['product_gflops']:>10.1f}{1:>12.0%}")
        print(_row("predict, ONNX Runtime", everywhere))
    total = sum(result["step_seconds"].values())
    print(f"\n{'a training step, profiled':<34}{'ms':>10}{'share':>10}")
    for stage, seconds in sorted(result["step_seconds"].items(), key=lambda item: -item[1]):
        if seconds:
            print(f"{stage:<34}{1000 * seconds:>10.2f}{seconds / total:>10.1%}")
    print(f"{'together':<34}{1000 * total:>10.2f}")


def _row(name: str, figures: dict[str, float]) -> str:
    speed, share = figures["images_per_second"], figures["share_of_product"]
    return f"{name:<34}{speed:>10,.0f}{figures['gflops']:>10.1f}{share:>12.0%}"
