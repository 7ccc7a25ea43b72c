"""Several processes that train one network: the curve of one process with the whole batch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import tenfold
from _small_training import recipe, table, weights
from tenfold.errors import Stopped, UsageError
from tenfold.pipeline import Listener
from tenfold.training import replicas
from tenfold.training.state import own_device, pick_device

LAYERS = "model.layers=8C3 BN MP2 FLAT D20 SOFTMAX"
PLAIN = "model.layers=8C3 BN MP2 8C3 BN FLAT SOFTMAX"
AUGMENTED = 'augment=[{kind="affine", rotation=10}]'


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))


def train(folder: Path, replicas: int, *settings: str, progress: Any = False, executor: str = "local") -> tenfold.Run:
    """64 images a step, however many replicas share them."""
    given = ["ensemble.members=1", f"train.replicas={replicas}", f"train.batch_size={64 // replicas}", *settings]
    return tenfold.train(
        recipe(folder), train=table(folder), out=folder / "runs", overrides=given, executor=executor, progress=progress
    )


def curve(run: tenfold.Run, name: str) -> list[float]:
    return [row[name] for row in run.history(0)]


def test_two_replicas_learn_what_one_process_learns_from_the_whole_batch(tmp_path: Path) -> None:
    one, two = (train(tmp_path, replicas, "train.epochs=3", PLAIN, AUGMENTED) for replicas in (1, 2))
    for name in ("train_loss", "validation_loss"):
        assert curve(two, name) == pytest.approx(curve(one, name), abs=1e-4)
    assert curve(two, "train_accuracy") == pytest.approx(curve(one, "train_accuracy"), abs=1e-3)
    assert two.environment["replicas"] == 2
    assert not list((two.path / "checkpoints").rglob(".meeting*"))


def test_without_synchronised_statistics_the_curve_is_another(tmp_path: Path) -> None:
    one, two = (train(tmp_path, replicas, "train.sync_batch_norm=false", PLAIN) for replicas in (1, 2))
    apart = [abs(a - b) for a, b in zip(curve(one, "train_loss"), curve(two, "train_loss"), strict=True)]
    assert max(apart) > 1e-3
    assert curve(two, "train_loss")[-1] < curve(two, "train_loss")[0]


def test_what_replicas_cannot_do_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose one of the two"):
        train(tmp_path, 2, "train.pruning={share=0.5}")
    with pytest.raises(UsageError, match="is for networks"):
        train(tmp_path, 2, "model={kind='svm'}", "train.epochs=1")


def test_recipes_without_replicas_keep_their_key() -> None:
    plain = tenfold.load_recipe("quick")
    assert tenfold.load_recipe("quick", ["train.sync_batch_norm=false"]).key() == plain.key()
    assert tenfold.load_recipe("quick", ["train.replicas=2"]).key() != plain.key()


@pytest.mark.parametrize(("gpus", "backend"), [(0, "gloo"), (2, "cpu:gloo,cuda:nccl")])
def test_replicas_on_gpus_talk_by_nccl_and_take_one_each(
    monkeypatch: pytest.MonkeyPatch, gpus: int, backend: str
) -> None:
    """As far as a machine without a GPU can tell: which backend is asked for, and which device each replica takes."""
    asked: list[Any] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda *given, **how: asked.append((*given, how["world_size"]))
    )
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert (replicas.join(1, 2).rank, asked) == (1, [(backend, 2)])
    device = pick_device("auto")
    assert [own_device(device, rank) for rank in (0, 1)] == [
        torch.device("cuda", n) if gpus else device for n in (0, 1)
    ]
    if gpus:
        with pytest.raises(UsageError, match=r"this machine has 2; set train\.replicas to 2 or fewer"):
            own_device(device, 2)
        monkeypatch.setenv("LOCAL_RANK", "0")  # torchrun's, on another machine
        assert own_device(device, 2) == torch.device("cuda", 0)


class Interrupting(Listener):
    def event(self, member: int, event: dict[str, Any]) -> None:
        if "history" in event:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_stopped_and_resumed_replicas_end_with_the_same_bits(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = train(tmp_path / "a", 2, "train.epochs=30", LAYERS)
    with pytest.raises(Stopped, match="--resume"):
        train(tmp_path / "b", 2, "train.epochs=30", LAYERS, progress=Interrupting())
    (begun,) = (tmp_path / "b" / "runs").iterdir()
    assert weights(tenfold.resume(begun, "train", executor="local", progress=False)) == weights(whole)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes", "ray"])
def test_a_worker_starts_its_replicas_wherever_it_is(tmp_path: Path, executor: str) -> None:
    if executor == "ray":
        pytest.importorskip("ray")
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    there = train(tmp_path / "there", 2, executor=executor)
    assert weights(there) == weights(train(tmp_path / "here", 2))


@pytest.mark.slow
def test_torchrun_starts_them_too(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here = train(tmp_path / "here", 2)
    given = ["ensemble.members=1", "train.replicas=2", "train.batch_size=32"]
    words = [
        *("train", recipe(tmp_path / "there")),
        "--train",
        table(tmp_path / "there"),
        "--out",
        tmp_path / "there" / "runs",
    ]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "tenfold", *words]
    command += [word for setting in given for word in ("--set", setting)]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "pass --executor local" in refused.stderr
    done = subprocess.run([*command, "--executor", "local"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    there = max((tmp_path / "there" / "runs").iterdir())
    assert weights(tenfold.Run(there)) == weights(here)
