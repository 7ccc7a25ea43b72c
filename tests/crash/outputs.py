"""Everything durable, for the tests that let its writing fail or die at every call; as a script, the child that dies.

    python tests/crash/outputs.py FOLDER NAME ...

kills a write of each NAME before its first call that changes the disk, before its second, and so on, and prints a line
of
JSON for each: the name, how the child ended, what was then there, and what is there after writing again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from _bundles import digits, digits_run
from _faulty_os import FaultyOs
from _networks import small_network, torch_probabilities
from _report_runs import predict
from tenfold import files
from tenfold.bundle.export import export_bundle
from tenfold.bundle.manifest import Estimate
from tenfold.bundle.predict import Bundle
from tenfold.bundle.submission import write_submission
from tenfold.bundle.submission_check import check_submission
from tenfold.errors import IntegrityError
from tenfold.evaluation import attribution  # noqa: F401 - what a report imports late must not meet the fault
from tenfold.files import write_text
from tenfold.report.page import write_report
from tenfold.training.state import load_newest, save_checkpoint
from tenfold.values.run import Run

TENSORS = {"weight": torch.arange(12.0).reshape(3, 4)}


@dataclass(frozen=True)
class Output:
    """Something durable: ``before`` makes what was there, ``write`` the new, ``state`` says which of them is there,
    verified.
    """

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


def die(name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Instead of a call: the end, without a word and without cleaning up."""
    os._exit(137)


def main(folder: Path, name: str) -> None:
    """See the module."""
    output, pristine = OUTPUTS[name], folder / f"{name}-pristine"
    pristine.mkdir()
    output.before(pristine)
    for at in range(1, 200):
        place = folder / f"{name}-{at}"
        shutil.copytree(pristine, place)
        child = os.fork()
        if child == 0:
            files.os = FaultyOs(at, die)  # type: ignore[assignment]
            output.write(place)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        left = output.state(place)
        output.write(place)
        print(json.dumps([name, code, left, output.state(place)]), flush=True)
        shutil.rmtree(place)
        if code != 137:
            return


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in sys.argv[2:]:
        main(Path(sys.argv[1]), each)
