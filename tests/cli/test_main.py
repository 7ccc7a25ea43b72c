"""The frame around every command: exit codes, one line an error, no traceback."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from _command_line import tenfold
from tenfold import __version__, runtime
from tenfold.cli import build_app
from tenfold.errors import Stopped


def shell(redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command with its output going where ``redirection`` says."""
    command = f'"$@" {redirection}'
    return subprocess.run(
        ["bash", "-c", command, "bash", sys.executable, "-m", "tenfold", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_version_and_help() -> None:
    assert tenfold("--version") == (0, f"tenfold {__version__}\n", "")
    assert tenfold("-h").code == 0
    assert "Usage" in tenfold("-h").out


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["runs", "--no-such-option"], ["verify"], ["--errors", "xml", "runs"]]
)
def test_what_cannot_be_meant_is_exit_code_2(arguments: list[str]) -> None:
    done = tenfold(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert done.err


def test_no_help_holds_what_a_terminal_takes_for_markup() -> None:
    found: list[str] = []

    def look(command: click.Command) -> None:
        told = [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]
        found.extend(text for text in told if text and re.search(r"\[[a-z#/@]", text))
        for below in getattr(command, "commands", {}).values():
            look(below)

    look(typer.main.get_command(build_app()))
    assert found == []


def test_usage_errors_are_json_too() -> None:
    error = json.loads(tenfold("--errors", "json", "runs", "--no-such-option").err)["error"]
    assert (error["kind"], error["exit_code"]) == ("usage", 2)
    assert "--no-such-option" in error["problems"][0]["message"]


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "error: stopped"),
        (Stopped("stopped by the system", 143), 143, "error: stopped by the system"),
        (MemoryError(), 4, "error: out of memory"),
        (OSError(28, "No space left on device", "/somewhere"), 4, "error: No space left on device: /somewhere"),
        (ZeroDivisionError("odd"), 1, "This is a bug in tenfold"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_whatever_a_command_raises_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, said: str
) -> None:
    def fail(**_: object) -> None:
        raise raised

    monkeypatch.setattr(runtime, "describe", fail)
    done = tenfold("doctor")
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err


def test_debug_shows_where_a_bug_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "packages", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tenfold("--debug", "doctor")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_k09_output_that_finds_the_disk_full_is_exit_code_4() -> None:
    done = shell("> /dev/full", "runs")
    assert done.returncode == 4
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


def test_k16_a_reader_that_has_seen_enough_is_no_error() -> None:
    done = shell("| true; exit ${PIPESTATUS[0]}", "--help")
    assert done.returncode in (0, 141)
    assert done.stderr == ""


@pytest.mark.parametrize("redirection", [">&-", "<&-", ">&- 2>&- <&-"])
def test_k16_closed_streams_are_no_bug(redirection: str) -> None:
    done = shell(redirection, "runs", os.devnull + "-none")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert shell(redirection, "--version").returncode == 0
