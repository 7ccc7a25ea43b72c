"""K01 for everything durable: whichever call fails while a checkpoint, history, manifest, report, submission or bundle is
written, what was there before is whole, the error names the place, and the second try succeeds."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from _bundles import digits, digits_run
from _faulty_os import FaultyOs
from _networks import small_network, torch_probabilities
from _report_runs import predict
from tenfold import atomic
from tenfold.atomic import write_text
from tenfold.bundle.export import export_bundle
from tenfold.bundle.loaded import Bundle
from tenfold.bundle.manifest import Estimate
from tenfold.bundle.submission import write_submission
from tenfold.bundle.submission_check import check_submission
from tenfold.errors import IntegrityError, ResourceError
from tenfold.explanation import explain  # noqa: F401 - what a report imports late must not meet the fault
from tenfold.report.page import write_report
from tenfold.training.checkpoint import load_newest, save_checkpoint
from tenfold.values.run import Run

TENSORS = {"weight": torch.arange(12.0).reshape(3, 4)}


@dataclass(frozen=True)
class Output:
    """Something durable: ``before`` makes what was there, ``write`` the new, ``state`` says which of them is there, verified."""

    before: Callable[[Path], object]
    write: Callable[[Path], object]
    state: Callable[[Path], str]


def checkpoint(folder: Path, step: int) -> None:
    save_checkpoint(folder / "checkpoints", TENSORS, {"epoch": 0, "step": step})


def checkpoint_state(folder: Path) -> str:
    found, damaged = load_newest(folder / "checkpoints")
    assert damaged == [] and found is not None
    return {1: "old", 2: "new"}[found[1]["step"]]


def text_state(folder: Path) -> str:
    return {"one\n": "old", "one\ntwo\n": "new"}[(folder / "history.jsonl").read_text()]


def the_run(folder: Path) -> Run:
    return Run(next(folder.glob("*/recipe.toml")).parent)


def run_state(folder: Path) -> str:
    run = the_run(folder)
    if not run.is_complete:
        return "old"
    assert run.verify() == []
    return "new"


def submission(folder: Path, first: int) -> None:
    data = digits().take(range(20))
    write_submission(folder / "submission.csv", predict(data, {0: first}), data.class_names, force=True)


def submission_state(folder: Path) -> str:
    path = folder / "submission.csv"
    assert check_submission(path, 20) == []
    return {"3": "old", "5": "new"}[path.read_text().splitlines()[1].split(",")[1]]


def reported(folder: Path) -> None:
    run, data = the_run(folder), digits().take(range(60))
    write_report(run, {"test": data})


def report_run(folder: Path) -> None:
    run = Run(digits_run(folder).path)
    (run.path / "predictions").mkdir()
    predict(digits().take(range(60)), {3: 5}).save(run.path / "predictions" / "test.npz")


def report_state(folder: Path) -> str:
    path = the_run(folder).path / "report.html"
    if not path.exists():
        return "old"
    assert path.read_text("utf-8").rstrip().endswith("</html>")
    return "new"


def run_without_bundle(folder: Path) -> None:
    shutil.rmtree(digits_run(folder).path / "bundle")


def exported(folder: Path) -> None:
    torch.manual_seed(1)
    network, data = small_network().eval(), digits().take(range(30))
    reference = torch_probabilities([network], data.images)
    metrics = {"test accuracy": Estimate(value=0.5, low=0.4, high=0.6, images=30)}
    export_bundle(the_run(folder), [network], data, reference, metrics=metrics, data_fingerprint=data.fingerprint())


def bundle_state(folder: Path) -> str:
    try:
        Bundle.open(the_run(folder).path)
    except IntegrityError as error:
        assert "holds no bundle" in str(error)
        return "old"
    return "new"


OUTPUTS = {
    "checkpoint": Output(partial(checkpoint, step=1), partial(checkpoint, step=2), checkpoint_state),
    "history": Output(
        lambda folder: write_text(folder / "history.jsonl", "one\n"),
        lambda folder: write_text(folder / "history.jsonl", "one\ntwo\n"),
        text_state,
    ),
    "manifest": Output(digits_run, lambda folder: the_run(folder).seal(), run_state),
    "submission": Output(partial(submission, first=3), partial(submission, first=5), submission_state),
    "report": Output(report_run, reported, report_state),
    "export": Output(run_without_bundle, exported, bundle_state),
}


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_k01_whichever_call_fails_the_old_or_the_new_is_there(
    name: str, for_ever: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, code = OUTPUTS[name], errno.ENOSPC if for_ever else errno.EIO

    def fault(call: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if call == "close":  # the descriptor is gone even when close reports an error
            real(*args)
        raise OSError(code, os.strerror(code))

    pristine = tmp_path / "pristine"
    pristine.mkdir()
    output.before(pristine)
    seen, struck = set(), 0
    for at in range(1, 200):
        folder = tmp_path / f"fault-{at}"
        shutil.copytree(pristine, folder)
        faulty = FaultyOs(at, fault, for_ever=for_ever)
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "os", faulty)
            try:
                output.write(folder)
            except ResourceError as error:
                assert os.strerror(code) in str(error)
                assert str(folder) in str(error)
        seen.add(output.state(folder))
        assert [path for path in folder.rglob("*") if path.name.endswith(".tmp")] == []
        struck += faulty.struck
        output.write(folder)
        assert output.state(folder) == "new"
        shutil.rmtree(folder)
        if not faulty.struck:
            break
    assert struck >= 8  # open, write, fsync, close, replace; open, fsync and close of the folder
    assert seen == {"old", "new"}


def test_a_checkpoint_holds_what_it_was_given(tmp_path: Path) -> None:
    checkpoint(tmp_path, 2)
    found, _ = load_newest(tmp_path / "checkpoints")
    assert found is not None
    assert np.array_equal(found[0]["weight"].numpy(), TENSORS["weight"].numpy())
