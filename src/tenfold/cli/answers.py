"""Commands that ask a model: predict, read, submit, evaluate, compare, explain, export, page, serve."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tenfold.api.shared import Option, insist_on_free, place_of
from tenfold.cli import console
from tenfold.cli.derive import Call, command
from tenfold.cli.options import Json
from tenfold.errors import DataError, UsageError, printable

if TYPE_CHECKING:
    from tenfold.api.predict import Answers
    from tenfold.api.read import PictureRead
    from tenfold.evaluation.compare import Comparison, GroupComparison, Seeds
    from tenfold.evaluation.evaluated import Evaluation
    from tenfold.evaluation.robustness import Robustness
    from tenfold.values.accuracy import Accuracy

USE, JUDGE = "Use a model", "Judge and explain"
Open = Annotated[bool, Option("--open")]
STANDARD_INPUT = "-"
SHOWN_IDS = 10
PAIRS = 5


@command("predict", "predict", USE, without={"model", "sources", "on_progress", "shape"})
def predict(
    call: Call, arguments: Annotated[Sequence[str], Option(metavar="[BUNDLE] SOURCE...")], *, as_json: Json = False
) -> None:
    """Print the answers, or where they are.

    Args:
        arguments: a bundle or run (default: what comes along); image files, tables, folders, URLs, patterns, a data
            set's name.
        as_json: print JSON.
    """
    if call["out"] is not None and as_json:
        raise UsageError("--out writes CSV and --json prints; choose one of them")
    call["model"], call["sources"] = _bundle_and_sources(arguments)
    watch = console.Watch()
    call["on_progress"] = watch
    try:
        answers: Answers = call()
    finally:
        watch.stop()
    for text in answers.warnings:
        console.warn(text)
    if call["out"] is not None:
        earlier = f", {answers.reused:,} of them from before" if answers.reused else ""
        console.say(f"{answers.rows:,} predictions in {call['out']}{earlier}")
        return
    if as_json:
        print(json.dumps(list(_answers_as_dicts(answers)), indent=2))
        return
    from tenfold.api.predict import table

    header, rows = table(answers, call["probabilities"])
    for row in (header, *rows):
        print("\t".join(map(printable, row)))
    if any(digit.rejected and not digit.blank for digit in answers.digits):
        print('note: "?" is no digit, or too doubtful to say', file=sys.stderr)


def _bundle_and_sources(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The bundle and the sources: a first argument that is a file is no bundle, so the one that comes along is meant.

    Raises:
        UsageError: a bundle and nothing else.
    """
    from tenfold.bundle.manifest import BUILTIN, bundle_folder
    from tenfold.errors import IntegrityError

    first = arguments[0]
    if first == STANDARD_INPUT or (Path(first).is_file() and Path(first).suffix != ".onnx"):
        return BUILTIN, list(arguments)
    if len(arguments) > 1:
        return first, list(arguments[1:])
    try:
        bundle_folder(place_of(first))
    except IntegrityError:
        return BUILTIN, list(arguments)
    raise UsageError(
        f"{printable(first)} is a bundle; name the images, too: tenfold predict {printable(first)} photo.png"
    )


def _answers_as_dicts(answers: Answers) -> Iterator[dict[str, object]]:
    names = answers.class_names
    for made in answers.predictions:
        for identity, k, values in zip(
            made.ids.tolist(), made.predicted.tolist(), made.probabilities.tolist(), strict=True
        ):
            shares = {name: round(p, 7) for name, p in zip(names, values, strict=True)}
            yield {"id": identity, "class": names[k], "confidence": shares[names[k]], "probabilities": shares}
    for source, digit in zip(answers.sources, answers.digits, strict=False):
        shares = {name: round(p, 7) for name, p in zip(names, digit.probabilities.tolist(), strict=True)}
        answer = {"id": source, "class": digit.label or None, "confidence": round(digit.confidence, 7)}
        known = {"rejected": digit.rejected, "blank": digit.blank, "box": digit.box.as_list()}
        yield {**answer, "probabilities": shares, **known}


COLUMNS = ("file", "line", "place", "digit", "confidence", "rejected", "x", "y", "width", "height")


@command("read", "read_pictures", USE)
def read(
    call: Call,
    *,
    form: Annotated[Literal["text", "json", "csv"], Option("--format")] = "text",
    out: Annotated[str | Path | None, Option(metavar="FILE")] = None,
) -> None:
    """Print what was read.

    Args:
        form: what to print.
        out: write to a file instead of printing.
    """
    if call["review"] is not None and form == "json":
        raise UsageError("--review goes with CSV of the sure lines; leave --format json away")
    insist_on_free(call["replace"], out)
    pages: list[PictureRead] = call()
    if call["review"] is not None:
        text = _sure_lines(pages, call["review"])
    else:
        _warn_of_lines(pages, call["expect"] or [])
        text = _as_text(pages, form)
    if out is None:
        print(text, end="")
        return
    from tenfold.files import write_text

    write_text(Path(out), text, overwrite=call["replace"])
    console.say(f"{len(pages):,} {'picture' if len(pages) == 1 else 'pictures'} read; see {out}")


def _as_text(pages: list[PictureRead], form: str) -> str:
    if form == "json":
        return json.dumps([{"file": page.name, **page.reading.as_dict()} for page in pages], indent=2) + "\n"
    if form == "csv":
        from tenfold.values.names import csv_text

        return csv_text(COLUMNS, (row for page in pages for row in _digit_rows(page)))
    lines = [(page.name, text) for page in pages for text in (page.reading.text or "(blank)").split("\n")]
    return "".join(f"{printable(name)}\t{text}\n" if len(pages) > 1 else f"{text}\n" for name, text in lines)


def _digit_rows(page: PictureRead) -> Iterator[list[Any]]:
    for i, line in enumerate(page.reading.lines, 1):
        for k, digit in enumerate(line.signs, 1):
            rejected = "yes" if digit.rejected else "no"
            yield [page.name, i, k, digit.label, f"{digit.confidence:.6f}", rejected, *digit.box.as_list()]


def _sure_lines(pages: list[PictureRead], review: str | Path) -> str:
    """The lines that nobody has to confirm, as CSV."""
    from tenfold.reading.review import COLUMNS, sorted_out
    from tenfold.values.names import csv_text

    sure, doubtful = sorted_out([each for page in pages for each in page.checked])
    lines = f"{len(sure):,} {'line is' if len(sure) == 1 else 'lines are'} sure"
    print(f"{lines}, {len(doubtful):,} {'is' if len(doubtful) == 1 else 'are'} to be confirmed in {review}",
          file=sys.stderr)  # fmt: skip
    return csv_text(COLUMNS, (each.row() for each in sure))


def _warn_of_lines(pages: list[PictureRead], expect: Sequence[str]) -> None:
    if not expect:
        return
    from tenfold.reading.review import faults, parse_rule

    rules = [parse_rule(text) for text in expect]
    for page in pages:
        for number, line in enumerate(page.reading.lines, 1):
            for fault in faults(line.text, rules):
                console.warn(f"{printable(page.name)}, line {number}: {fault}")


_TABLE_OPTIONS = {"shape", "skip_bad", "follow_links", "allow_empty_classes"}


@command("submit", "submit", USE, without=_TABLE_OPTIONS, model=None, test=None)
def submit(call: Call, *, check: Annotated[str | Path | None, Option(metavar="FILE")] = None) -> None:
    """Write a submission, or check one.

    Args:
        check: only check this file.
    """
    import tenfold

    rows = call["rows"]
    if check is not None:
        if call["model"] is not None or call["test"] is not None or call["upload"]:
            raise UsageError("--check looks at a file and nothing else; leave out the run, --test and --upload")
        findings = tenfold.check_submission(check, rows=rows)
        for finding in findings:
            if finding.harmless:
                console.warn(printable(finding.problem))
        if faults := [finding.problem for finding in findings if not finding.harmless]:
            raise DataError(*faults)
        print(f"{check} is a valid submission of {rows:,} rows")
        return
    if call["model"] is None or call["test"] is None:
        raise UsageError("expected: tenfold submit RUN_OR_BUNDLE --test SOURCE, or: tenfold submit --check FILE")
    done = call()
    if done.leak is None:
        print("note: the training images are not at hand, so nobody looked for leakage", file=sys.stderr)
    if done.leaked:
        told = done.leak.message if done.leak else "test images were among the training images"
        print(f"!!! LEAKAGE: {told}", file=sys.stderr)
    for text in done.warnings:
        console.warn(text)
    print(done.path)
    if done.answer is not None:
        console.say(done.answer)
    elif not done.leaked:
        console.next_steps(f"check it: tenfold submit --check {done.path}", "send it: the same command with --upload")


@command("evaluate", "evaluate", JUDGE, without={"shape"})
def evaluate(call: Call, *, as_json: Json = False, open_it: Open = False) -> None:
    """Print the figures.

    Args:
        as_json: print JSON; no page unless --out names one.
        open_it: open the page in the browser.
    """
    if call["out"] is None and not as_json:
        call["out"] = Path("evaluation.html") if call["replace"] else console.free_name("evaluation.html")
    found: Evaluation = call()
    if as_json:
        print(json.dumps(found.as_dict(), indent=2))
        return
    _print_figures(found)
    if found.robustness is not None:
        _print_robustness(found.robustness)
    console.show_page(call["out"], open_it=open_it)
    if call["csv"] is not None:
        print(call["csv"])


def _print_figures(found: Evaluation) -> None:
    score, names = found.score, [printable(name) for name in found.class_names]
    figures = found.as_dict()
    print(
        f"accuracy       {score.accuracy:.2%} [{score.low:.2%}, {score.high:.2%}]  {score.errors:,} errors in"
        f" {score.n:,} images"
    )
    print(
        f"log-loss       {score.log_loss:.4f}   Brier {score.brier:.4f}   calibration error"
        f" {score.calibration_error:.2%}"
    )
    if after := figures["temperature"]:
        print(
            f"temperature    {after['temperature']:.3g}: log-loss {after['log_loss']:.4f}, Brier {after['brier']:.4f}, "
            f"calibration error {after['calibration_error']:.2%}"
        )
    if reject := figures["reject"]:
        print(
            f"if sure        from confidence {reject['threshold']:.4f} on: {reject['coverage']:.2%} answered, "
            f"{reject['errors']:,} errors among them ({reject['accuracy']:.2%} right)"
        )
    elif found.confidence is not None:
        print(
            f"if sure        no confidence was enough for {found.confidence.target:.1%} right answers on the rows"
            " held out"
        )
    if len(found.members) > 1:
        alone = [member["accuracy"] for member in figures["members"]]
        print(f"members        {len(alone)}, {min(alone):.2%} to {max(alone):.2%} alone")
    if figures["confused"]:
        pairs = [f"{p['true']} as {p['predicted']} ({p['count']})" for p in figures["confused"][:PAIRS]]
        print(f"confused       {printable(', '.join(pairs))}")
    weakest = min((row for row in figures["classes"] if row["recall"] is not None), key=lambda row: row["recall"])
    print(f"weakest class  {names[found.class_names.index(weakest['name'])]}: {weakest['recall']:.2%} found")
    if found.leak is not None and found.leak.severity != "note":
        loud = "\n!!! LEAKAGE: " if found.is_leaked else "warning: "
        console.say(f"{loud}{printable(found.leak.message)}")


def _print_robustness(found: Robustness) -> None:
    """One line a corruption, the most costly first."""
    from tenfold.report.runs_page import Table

    severities = [level.severity for level in found.rows[0].levels]
    header = ("corruption", *map(str, severities), "mean", "worse than clean")
    rows = [
        [
            row.name,
            *(f"{level.accuracy:.1%}" for level in row.levels),
            f"{row.mean:.1%}",
            "not significantly" if row.worse_from(found.clean) is None else f"from {row.worse_from(found.clean)} on",
        ]
        for row in sorted(found.rows, key=lambda row: row.mean)
    ]
    console.print_table(Table(header, rows, right=header[1:-1]))
    known = "" if found.mnist_c is None else f"; over MNIST-C's fifteen {found.mnist_c:.2%}"
    print(f"{found.images:,} images: clean {found.clean:.2%}, corrupted {found.mean:.2%}{known}")


@command("compare", "compare", JUDGE)
def compare(call: Call, *, as_json: Json = False, open_it: Open = False) -> None:
    """Print the verdict.

    Args:
        as_json: print JSON.
        open_it: open the page in the browser.
    """
    from tenfold.api.compare import names_of
    from tenfold.evaluation.compare import Comparison

    found = call()
    names = names_of(call["a"]), names_of(call["b"])
    if isinstance(found, Comparison):
        print(json.dumps(_as_json(found, names), indent=2)) if as_json else _print_pair(found, names)
    else:
        print(json.dumps(_groups_as_json(found, names), indent=2)) if as_json else _print_groups(found, names)
    if call["out"] is not None and not as_json:
        console.show_page(call["out"], open_it=open_it)


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


@command("explain", "explain", JUDGE, out="explained.html")
def explain(call: Call, *, open_it: Open = False) -> None:
    """Print what each image was read as.

    Args:
        open_it: open the page in the browser.
    """
    from tenfold.api.shared import as_run

    names = list(map(str, as_run(call["run"]).data["train"]["class_names"]))
    for one in call():
        truth = "" if one.label is None else f", truth {printable(names[one.label])}"
        read_as = f"read as {printable(names[one.predicted])} ({one.probabilities.max():.1%})"
        print(f"image {printable(one.id)}: {read_as}{truth}")
    console.show_page(call["out"], open_it=open_it)
    if call["figures"] is not None:
        print(call["figures"])


@command("export", "export", USE, without={*_TABLE_OPTIONS, "allow_float_integers"})
def export(call: Call) -> None:
    """Print what was written."""
    for line in call():
        print(line)


@command("page", "page", USE)
def page(call: Call, *, open_it: Open = False) -> None:
    """Write the page.

    Args:
        open_it: open the page in the browser.
    """
    console.show_page(call(), open_it=open_it)


@command("serve", "serve", USE, without={"on_listening"})
def serve(call: Call) -> None:
    """Serve until Ctrl-C."""
    call["on_listening"] = lambda at: console.say(f"listening on {at}")
    call()
