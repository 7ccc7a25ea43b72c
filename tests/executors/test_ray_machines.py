"""The real command beside machines that are not alike: other data there (D12), another Ray (D13).

The machines are processes of this one, each with a host name and files of its own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tenfold
from _bundles import digits_run
from _ray import free_port, machines_of_their_own, ray_machine, train
from _small_training import recipe, table, weights
from tenfold.data.cache import stored
from tenfold.data.load import load

pytest.importorskip("ray")
pytestmark = pytest.mark.slow
HEAD = ("--head", "--num-cpus=0", "--include-dashboard=false")


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not machines_of_their_own():
        pytest.skip("no machines of their own: not root, or not Linux")
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def command(port: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        "-m",
        "tenfold",
        *map(str, arguments),
        "--executor",
        "ray",
        "--address",
        f"127.0.0.1:{port}",
    ]
    return subprocess.run([*words, "--workers", "1"], capture_output=True, text=True, check=False, timeout=300)


def over(there: Path, here: Path) -> str:
    """The command that lays ``there`` over ``here``."""
    return f"mount --bind {shlex.quote(str(there))} {shlex.quote(str(here))}"


def test_d12_other_data_on_one_machine_is_exit_code_6_and_names_it(tmp_path: Path) -> None:
    """Its copy of the training set is whole, and another one; its file to predict has the size of the right one."""
    expected = weights(train(tmp_path, "local", "here"))
    made, data, there = recipe(tmp_path), table(tmp_path), tmp_path / "there"
    bundle = digits_run(tmp_path / "bundles").path
    (copy,) = (tmp_path / "home" / "datasets").iterdir()
    (tmp_path / "odd").mkdir()
    stored(load(table(tmp_path / "odd", rows=500), "train"), tmp_path / "odd" / "set")
    (tmp_path / "odd" / "train.csv").write_text(data.read_text().replace(",0,", ",1,", 1))
    change = f"{over(tmp_path / 'odd' / 'set', copy)} && {over(tmp_path / 'odd' / 'train.csv', data)}"
    port = free_port()
    with (
        ray_machine("head", *HEAD, f"--port={port}"),
        ray_machine("odd", f"--address=127.0.0.1:{port}", "--num-cpus=1", before=change),
    ):
        trained = command(port, "train", made, "--train", data, "--out", there)
        predicted = command(port, "predict", bundle, data, "--out", tmp_path / "answers.csv")
    assert trained.returncode == 6, trained.stderr
    assert f"{copy}: the content does not have the fingerprint" in trained.stderr
    assert "on the machine odd" in trained.stderr
    assert predicted.returncode == 6, predicted.stderr
    assert f"{data} is another file on the machine odd" in predicted.stderr
    assert not list(tmp_path.glob("answers.csv*"))
    (run,) = there.iterdir()
    assert weights(tenfold.resume(run, "train", executor="local", progress=False)) == expected


def test_d13_a_cluster_of_another_ray_is_exit_code_4_and_named(tmp_path: Path) -> None:
    """The head is real; only the number of its version is made up."""
    (tmp_path / "sitecustomize.py").write_text("import ray\nray.__version__ = '2.1.0'\n")
    path, port = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]), free_port()
    with ray_machine("head", *HEAD, f"--port={port}", PYTHONPATH=path):
        done = command(port, "train", recipe(tmp_path), "--train", table(tmp_path), "--out", tmp_path / "runs")
    assert done.returncode == 4, done.stderr
    assert "Ray and Python must be of one version on all machines: Version mismatch" in done.stderr
    assert "Ray: 2.1.0" in done.stderr
    shutil.rmtree(tmp_path / "runs")
    alone = [
        sys.executable,
        "-m",
        "tenfold",
        "--quiet",
        "train",
        recipe(tmp_path),
        "--train",
        table(tmp_path),
        "--out",
        tmp_path / "runs",
    ]
    assert subprocess.run(alone, check=False).returncode == 0
