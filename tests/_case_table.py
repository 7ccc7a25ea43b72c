"""Prints, after the tests, how each case fared; ``conftest.py`` gives these hooks to pytest."""

from __future__ import annotations

import itertools

import pytest

import _cases

_outcomes: dict[str, dict[str, list[str]]] = {}
"""Case id -> outcome -> what was said: node ids of failures, reasons of skips."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" and report.outcome == "passed":
        return
    said = report.nodeid
    if report.skipped and isinstance(report.longrepr, tuple):
        said = report.longrepr[2].removeprefix("Skipped: ")
    for case in _cases.ids_of(report.nodeid):
        _outcomes.setdefault(case, {}).setdefault(report.outcome, []).append(said)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not _outcomes:
        return
    terminalreporter.section("cases of docs/reliability.md")
    failed, skipped, passed = (
        sorted(c for c, seen in _outcomes.items() if _verdict(seen) == v) for v in ("failed", "skipped", "passed")
    )
    for letter, group in _cases.groups().items():
        mine = [case for case in passed if case[0] == letter]
        if mine:
            terminalreporter.line(f"passed   {group.title} ({len(mine)} of {len(group.sentences)}): {ranges(mine)}")
    for case in skipped:
        terminalreporter.line(f"skipped  {case}: {'; '.join(sorted(set(_outcomes[case]['skipped'])))}")
    for case in failed:
        terminalreporter.line(f"FAILED   {case}: {', '.join(_outcomes[case]['failed'])}")
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:  # else most were left out on purpose
        left = _cases.known() - _outcomes.keys()
        slow = sorted(left & _cases.tested_in().keys())
        terminalreporter.line(f"not run  {ranges(slow) or 'none'}")
        terminalreporter.line(f"no test  {ranges(sorted(left - set(slow))) or 'none'}; docs/reliability.md says why")


def _verdict(seen: dict[str, list[str]]) -> str:
    """A case passes if a test of it passed and none failed."""
    return next(outcome for outcome in ("failed", "passed", "skipped") if outcome in seen)


def ranges(cases: list[str]) -> str:
    """``C01-C03 C05`` of sorted ids."""
    runs = itertools.groupby(enumerate(cases), lambda pair: (pair[1][0], int(pair[1][1:]) - pair[0]))
    ends = [[case for _, case in run] for _, run in runs]
    return " ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in ends)
