"""What people see while members train."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tenfold.data.checks import Finding
from tenfold.pipeline import Listener
from tenfold.progress import Bars, Left, Lines, bars, listener_for

LIVE = {"epoch": 1, "step": 30, "steps": 120, "epochs": 4, "images_per_second": 1234.5, "loss": 0.25}
EPOCH = {"epochs": 4, "history": {"epoch": 2, "train_loss": 0.125, "validation_accuracy": 0.99}}


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    listener = listener_for(quiet=True)
    assert type(listener) is Listener
    listener.say("hello")
    listener.event(0, dict(EPOCH))
    assert capsys.readouterr() == ("", "")


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000, 2000))
    monkeypatch.setattr("tenfold.progress.time.monotonic", lambda: float(next(now)))
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
        "member 1/2 epoch 2/4 loss 0.1250 validation 0.9900, 0:00:03 left",
        "member 1/2: warning: checkpoint x is damaged",
        "member 1/2: goes on after epoch 1, step 7",
        "member 2/2 epoch 2/4 25% 1,234 images/s loss 0.2500, 0:00:07 left",
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
    assert first.fields["figures"] == "epoch 3/4 loss 0.2500 validation 0.9900"
    assert (second.fields["figures"], second.fields["rate"]) == ("epoch 2/4 loss 0.2500", "1,234 images/s")
    bars.training_ends()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_name_bar_share_rate_and_time_left_are_whole_at_every_width(width: int) -> None:
    out = io.StringIO()
    shown = bars(Console(file=out, width=width, force_terminal=True, color_system=None))
    task = shown.add_task(
        "member 10/12", total=1.0, rate="12,345 images/s", figures="epoch 11/12 loss 0.0012 validation 0.9987"
    )
    shown.update(task, completed=0.25)
    shown.refresh()
    Console(file=out, width=width, color_system=None).print(shown.get_renderable())
    line = out.getvalue().rstrip("\n").splitlines()[-1]
    assert len(line) <= width
    assert line.startswith("member 10/12 ━━")
    assert line.index(" 25%") >= len("member 10/12 ") + 8  # the bar's own width, most of it not done
    assert " 25% 12,345 images/s -:--:-- left" in line
    assert ("epoch 11/12 loss 0.0012 validation 0.9987" in line) == (width == 120)


def test_the_time_left_follows_what_was_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("tenfold.progress.time.monotonic", lambda: now)
    left = Left(2)
    assert str(left) == ""  # nothing is known
    left.resumed(0)
    left.told(0, 0.5)
    assert str(left) == ""
    now = 10.0
    left.told(0, 0.75)
    assert str(left) == ", 0:00:50 left"  # a quarter took ten seconds; five quarters are missing
    left.told(0, 1.0)
    left.told(1, 1.0)
    assert str(left) == ""
