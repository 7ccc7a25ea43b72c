"""K01 and K02 for everything durable: whichever call fails, or is the last before death, while a checkpoint, history,
manifest, report, submission or bundle is written, what was there before is whole, and the second try succeeds."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from outputs import OUTPUTS, TENSORS, checkpoint

from _faulty_os import FaultyOs
from _small_run import environment
from tenfold import files
from tenfold.errors import ResourceError
from tenfold.training.state import load_newest


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
            patch.setattr(files, "os", faulty)
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


QUICK = ("checkpoint", "history", "manifest", "submission")


@pytest.mark.parametrize("names", [QUICK, pytest.param(("report", "export"), marks=pytest.mark.slow)], ids=" ".join)
def test_k02_death_before_any_call_leaves_the_old_or_the_new(names: tuple[str, ...], tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, Path(__file__).with_name("outputs.py"), tmp_path, *names],
        env=environment(tmp_path, PYTHONPATH=str(Path(__file__).parents[1]), OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    ends: dict[str, list[list[Any]]] = {name: [] for name in names}
    for name, *end in map(json.loads, child.stdout.splitlines()):
        ends[name].append(end)
    for name in names:
        assert [code for code, _, _ in ends[name]] == [137] * (len(ends[name]) - 1) + [0], name
        assert len(ends[name]) > 8  # open, write, fsync, close, replace; open, fsync and close of the folder
        assert {left for _, left, _ in ends[name]} == {"old", "new"}, name
        assert {after for _, _, after in ends[name]} == {"new"}, name


def test_a_checkpoint_holds_what_it_was_given(tmp_path: Path) -> None:
    checkpoint(tmp_path, 2)
    found, _ = load_newest(tmp_path / "checkpoints")
    assert found is not None
    assert np.array_equal(found[0]["weight"].numpy(), TENSORS["weight"].numpy())
