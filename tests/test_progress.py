"""What people see while members train."""

from __future__ import annotations

from typing import Any

import pytest

from tenfold.data.checks import Finding
from tenfold.pipeline import Listener
from tenfold.progress import Bars, Lines, listener_for

LIVE = {"epoch": 1, "step": 30, "steps": 120, "epochs": 4, "images_per_second": 1234.5, "loss": 0.25}
EPOCH = {"epochs": 4, "history": {"epoch": 2, "train_loss": 0.125, "validation_accuracy": 0.99}}


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    listener = listener_for(quiet=True)
    assert type(listener) is Listener
    listener.say("hello")
    listener.event(0, dict(EPOCH))
    assert capsys.readouterr() == ("", "")


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    listener = listener_for()
    assert type(listener) is Lines
    listener.training_starts(2, 1)
    listener.event(1, dict(LIVE))  # too early for a sign of life
    listener.event(0, dict(EPOCH))
    listener.event(0, {"warning": "checkpoint x is damaged"})
    listener.event(0, {"resumed": {"epoch": 1, "step": 7}})
    monkeypatch.setattr("tenfold.progress.LINE_SECONDS", 0.0)
    listener.event(1, dict(LIVE))
    listener.training_ends()
    assert capsys.readouterr().out.splitlines() == [
        "training 2 members, 1 at a time, one thread each",
        "member 1/2 epoch 2/4 loss 0.1250 validation 0.9900",
        "member 1/2: warning: checkpoint x is damaged",
        "member 1/2: goes on after epoch 1, step 7",
        "member 2/2 epoch 2/4 25% 1,234 images/s loss 0.2500",
    ]


def test_a_leak_is_loud(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().findings(
        [Finding("leakage", "leak", 5, 5, "5 of 5 test rows are known"), Finding("balance", "note", 0, 5, "fine")]
    )
    assert capsys.readouterr().out == "\n!!! LEAKAGE: 5 of 5 test rows are known\n\ncheck balance: ok fine\n"


def test_a_terminal_gets_a_bar_for_each_member(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    bars = listener_for()
    assert isinstance(bars, Bars)
    bars.training_starts(2, 2)
    events: list[tuple[int, dict[str, Any]]] = [
        (0, dict(LIVE)),
        (0, dict(EPOCH)),
        (0, {**LIVE, "epoch": 2}),
        (1, dict(LIVE)),
    ]
    for member, event in events:
        bars.event(member, event)
    first, second = bars._progress.tasks
    assert (first.description, first.completed) == ("member 1/2", (2 + 0.25) / 4)
    assert first.fields["figures"] == "epoch 3/4 1,234 images/s loss 0.2500 validation 0.9900"
    assert second.fields["figures"] == "epoch 2/4 1,234 images/s loss 0.2500"
    bars.training_ends()
