"""The command line: derived from the public functions, see :mod:`tenfold.cli.derive`; errors become exit codes here.

Whatever needs numpy or torch is imported inside functions, so that ``--help`` stays quick.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tenfold import __version__
from tenfold.cli import answers, console, library, training
from tenfold.cli.derive import COMMANDS, as_typer, named
from tenfold.errors import Drained, ResourceError, Stopped, TenfoldError, UsageError, missing_module, out_of_memory
from tenfold.runtime import unwinding

GROUPS = {"data": "List, fetch, check and convert data.", "recipes": "List, show and copy recipes."}
PANELS = (training.TRAIN, library.RECIPES, library.DATA, answers.JUDGE, answers.USE, library.RUNS)


def build_app(only: str | None = None, *, names_only: bool = False) -> typer.Typer:
    """The Typer application with every command, or with the one called ``only``.

    With ``names_only`` the commands have no options: enough to list them, in half the time.
    """
    app = typer.Typer(
        name="tenfold",
        help="Handwritten digits and other small images: explore, train, compare, explain, submit, read, serve.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_global_options)
    groups: dict[str, typer.Typer] = {}
    for name, made in sorted(COMMANDS.items(), key=lambda item: PANELS.index(item[1].panel)):
        first, _, rest = name.partition(" ")
        if only not in (None, first):
            continue
        if rest and first not in groups:
            groups[first] = typer.Typer(no_args_is_help=first != "recipes", help=GROUPS[first])
            app.add_typer(groups[first], name=first, rich_help_panel=made.panel)
        (groups[first] if rest else app).command(rest or first, rich_help_panel=None if rest else made.panel)(
            named(made) if names_only else as_typer(made)
        )
    if "recipes" in groups:
        groups["recipes"].callback(invoke_without_command=True)(_list_recipes)
    return app


def _list_recipes(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        context.command.get_command(context, "list").main([], standalone_mode=False)  # type: ignore[attr-defined]


def _commands() -> list[str]:
    """The first words of all commands, sorted."""
    return sorted({name.partition(" ")[0] for name in COMMANDS})


def _command_in(arguments: Sequence[str]) -> str | None:
    """The command that ``arguments`` call, if that is certain: to build all the others takes longer than some need to
    run.
    """
    rest = iter(arguments)
    for word in rest:
        if word == "--errors":
            next(rest, None)
        elif not word.startswith("-"):
            return word if word in _commands() else None
    return None


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tenfold {__version__}")
        raise typer.Exit()


def _global_options(
    errors: Annotated[str, typer.Option(help="How errors are printed: text or json.", metavar="text|json")] = "text",
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results only, no progress.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if errors not in ("text", "json"):
        raise typer.BadParameter(f"found {errors!r}, expected text or json", param_hint="--errors")
    console.settings = console.Settings(errors=errors, debug=debug, quiet=quiet)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code. Bad input never shows a traceback."""
    with unwinding() as signals:
        code = _run(arguments)
    atexit.register(
        signal.signal, signal.SIGINT, signal.SIG_IGN
    )  # all is said; a second Ctrl-C would show how Python ends
    _let_go_of_output()
    sys.exit(128 + signals[0] if signals and code == Stopped("").exit_code else code)


def _run(arguments: Sequence[str] | None) -> int:
    """The exit code of the command, after its errors are told."""
    try:
        if os.environ.get("RANK", "0") != "0" and "TORCHELASTIC_RUN_ID" in os.environ:
            from tenfold.training.member import train_as
            from tenfold.training.replicas import serve

            serve(train_as)  # torchrun started several of us, and the first is the one that runs the command
            _let_go_of_output()
            os._exit(0)  # nothing is left to do, and torch's threads, met while Python takes itself apart, may abort
        _insist_on_a_place()
        words = sys.argv[1:] if arguments is None else arguments
        called = _command_in(words)
        names_only = called is None and "_TENFOLD_COMPLETE" not in os.environ
        result = build_app(called, names_only=names_only)(args=words, standalone_mode=False)
        if sys.stdout is not None:  # it is None when it was closed before we began
            sys.stdout.flush()
        code = result if isinstance(result, int) else 0
        if "TORCHELASTIC_RUN_ID" in os.environ:
            from tenfold.training.replicas import dismiss

            dismiss()
        if code == Stopped("").exit_code:  # click makes Ctrl-C an exit code without a word
            _report(Stopped("stopped"))
    except (BrokenPipeError, SystemExit):  # `tenfold ... | head`: the reader has seen enough; click makes it an exit
        code = 128 + 13  # SIGPIPE, a name that not every system has
    except (KeyboardInterrupt, typer.Abort):
        code = _report(Stopped("stopped"))
    except Exception as error:
        if console.settings.debug and not _is_click_error(error):
            raise
        code = _explain(error)
    return code


def _insist_on_a_place() -> None:
    try:
        Path.cwd()
    except OSError:
        raise ResourceError(
            "the folder that this was started in is gone; change to another one and run again"
        ) from None


def _explain(error: Exception) -> int:
    """Print what went wrong; the exit code."""
    if isinstance(error, TenfoldError):
        return _report(error)
    if (memory := out_of_memory(error)) is not None:
        return _report(memory)
    if isinstance(error, OSError):
        return _report(
            ResourceError(": ".join(str(part) for part in (error.strerror or error, error.filename) if part))
        )
    if isinstance(error, ImportError) and (missing := missing_module(error)) is not None:
        return _report(missing)
    if _is_click_error(error):
        if console.settings.errors == "json":
            return _report(UsageError(error.format_message()))  # type: ignore[attr-defined]
        error.show()  # type: ignore[attr-defined]
        return UsageError.exit_code
    print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
    print("This is a bug in tenfold. Run again with `tenfold --debug ...` and report what it prints.", file=sys.stderr)
    return TenfoldError.exit_code


def _is_click_error(error: Exception) -> bool:
    return hasattr(error, "show") and hasattr(error, "exit_code")


def _report(error: TenfoldError) -> int:
    if console.settings.errors == "json":
        print(json.dumps({"error": error.as_json()}), file=sys.stderr)
    elif isinstance(error, Drained):
        print(error, file=sys.stderr)
    else:
        for line in error.lines():
            print(f"error: {line}" if not line.startswith("... and") else line, file=sys.stderr)
    return error.exit_code


def _let_go_of_output() -> None:
    """What could not be written stays unwritten: Python would try again while it ends, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
