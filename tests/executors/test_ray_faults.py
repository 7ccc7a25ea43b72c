"""Ray when things go wrong: the same members, whatever is killed meanwhile. D.. are the case ids of faults."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import tenfold
from _command_line import tenfold as tenfold_command
from _ray import TESTS, Hunter, child, ray_processes, train, wait_for
from _small_training import recipe, table, weights
from tenfold import files
from tenfold.errors import IntegrityError, ResourceError, TenfoldError, UsageError
from tenfold.executors import EXECUTORS
from tenfold.executors.local import Local
from tenfold.executors.processes import Processes
from tenfold.plugins import _ray_cluster
from tenfold.plugins import ray as ray_executor
from tenfold.plugins.ray import Ray

HERE = Path(__file__).parent
pytest.importorskip("ray")


@pytest.fixture(autouse=True)
def tasks_importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(TESTS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TENFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.slow
def test_d01_killed_workers_change_no_bit(ray_cluster: None, tmp_path: Path) -> None:
    """SIGKILL hits workers in the midst of training; what is lost is at most since the last checkpoint."""
    expected = weights(train(tmp_path, "local", "here", epochs=12))
    (tmp_path / "there").mkdir()
    hunter = Hunter(3, 7)
    run = tenfold.train(
        recipe(tmp_path / "there", epochs=12),
        train=table(tmp_path / "there"),
        out=tmp_path / "there",
        executor="ray",
        workers=2,
        progress=hunter,
    )
    assert weights(run) == expected
    assert hunter.killed
    assert hunter.resumed


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["driver", "head", "raylet"])
def test_d03_d04_d05_what_is_killed_starts_again_where_it_was(tmp_path: Path, victim: str) -> None:
    """The driver, the head or the machine's daemon dies by SIGKILL: finished members stay, nothing is left running."""
    expected = weights(train(tmp_path, "local", "here", members=4, epochs=20))
    there = tmp_path / "there"
    there.mkdir()
    made, data = recipe(there, members=4, epochs=20), table(there)
    process = child(there, made, "--train", data, "--out", there, RAY_gcs_rpc_server_reconnect_timeout_s="5")
    assert wait_for(lambda: list(there.glob("*_small_*/members/*/member.json"))), process.communicate()
    if victim == "driver":
        process.kill()
    else:
        for pid in ray_processes("gcs_server" if victim == "head" else "raylet/raylet", process.pid):
            os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: process.poll() is not None, 90)
    assert process.stderr is not None
    process.stderr.close()
    assert process.returncode != 0
    assert wait_for(lambda: not ray_processes("ray::task"), 60), "orphans"
    (run,) = there.glob("*_small_*")
    before = {path: path.stat().st_mtime_ns for path in run.glob("members/*/member.json")}
    assert before
    finished = tenfold.resume(run, "train", executor="processes", workers=2, progress=False)
    assert weights(finished) == expected
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_d09_a_straggler_gets_a_second_copy_and_the_first_result_wins(
    ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_executor, "PATIENCE_SECONDS", 1.0)
    began = time.monotonic()
    results = Ray(2).map(
        "tasks:slow_once", [{"folder": str(tmp_path), "value": value} for value in range(4)], lambda i, e: None
    )
    assert [result["value"] for result in results] == [0, 1, 2, 3]
    assert time.monotonic() - began < 100
    assert len(list(tmp_path.glob("2-*"))) == 2


@pytest.mark.slow
def test_d07_a_failing_task_is_not_tried_again(ray_cluster: None, tmp_path: Path) -> None:
    with pytest.raises(TenfoldError, match="a bug") as caught:
        Ray(2).map("tasks:count_and_fail", [{"folder": str(tmp_path)}], lambda i, e: None)
    assert caught.value.exit_code == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_a_worker_that_always_dies_is_given_up(ray_cluster: None) -> None:
    with pytest.raises(ResourceError, match="task 0 failed 4 times: its worker or its machine was lost"):
        Ray(1).map("tasks:die", [{}], lambda i, e: None)


@pytest.mark.slow
def test_d01_a_mailbox_that_is_killed_costs_nothing_but_events(ray_cluster: None) -> None:
    killed: list[int] = []

    def kill(index: int, event: dict[str, Any]) -> None:
        if not killed:
            killed.extend(ray_processes("ray::Mailbox", os.getpid()))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    tasks = [{"value": value, "wait": 2.0} for value in range(6)]
    assert [result["value"] for result in Ray(2).map("tasks:double", tasks, kill)] == [0, 2, 4, 6, 8, 10]
    assert killed


@pytest.mark.slow
def test_d12_other_data_on_a_worker_is_refused(ray_cluster: None, tmp_path: Path) -> None:
    """The copy that workers read has changed: its fingerprint is not the recorded one."""
    run = train(tmp_path, "local", "here")
    (stored,) = (path for path in (tmp_path / "home" / "datasets").iterdir())
    content = bytearray((stored / "images.npy").read_bytes())
    content[-1] ^= 1
    (stored / "images.npy").write_bytes(content)
    shutil.rmtree(run.member_path(1))
    task = {"run": str(run.path), "member": 1, "train": str(stored), "rows": str(run.path / "split.npz")}
    with pytest.raises(IntegrityError, match="damaged"):
        Ray(1).map("tenfold.training.member:train_member", [{**task, "test": None, "device": "cpu"}], lambda i, e: None)


def test_d11_another_instruction_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tenfold.training import member

    run = train(tmp_path, "local", "here")
    shutil.rmtree(run.member_path(1))
    monkeypatch.setattr(member, "instruction_set", lambda: "SSE0")
    with pytest.raises(IntegrityError, match=r"instruction_set: the run has .* has 'SSE0'.*ATEN_CPU_CAPABILITY"):
        member._check_machine(run)


def test_d11_a_worker_with_fewer_instructions_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real one: its process computes with what ATEN_CPU_CAPABILITY allows, as another processor would."""
    run = train(tmp_path, "local", "here")
    here = run.environment["instruction_set"]
    (run.path / "manifest.json").unlink()
    shutil.rmtree(run.member_path(1))
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    (stored,) = (tmp_path / "home" / "datasets").iterdir()
    task = {"run": str(run.path), "member": 1, "train": str(stored), "rows": str(run.path / "split.npz")}
    with pytest.raises(
        IntegrityError, match=f"instruction_set: the run has '{here}'.* has 'DEFAULT'.*ATEN_CPU_CAPABILITY"
    ):
        Processes(1).map(
            "tenfold.training.member:train_member", [{**task, "test": None, "device": "cpu"}], lambda i, e: None
        )
    assert run.finished_members() == [0]


def test_d06_a_member_trained_twice_with_other_weights_names_both_machines(tmp_path: Path) -> None:
    from tenfold.training import member

    run = train(tmp_path, "local", "here")
    record = run.member_path(0) / "member.json"
    told = json.loads(record.read_text())
    arguments = (run, 0, twin_state(run), {"seconds": 0.0, "core_seconds": 0.0})
    assert member._finish(*arguments)["weights_sha256"] == told["weights_sha256"]
    record.write_text(json.dumps({**told, "weights_sha256": "0" * 64}))
    with pytest.raises(IntegrityError, match=f"trained twice, on {platform.node()} and on {platform.node()}"):
        member._finish(*arguments)


def twin_state(run: tenfold.Run) -> Any:
    from types import SimpleNamespace

    from tenfold.training.member import load_member

    return SimpleNamespace(network=load_member(run, 0, (1, 8, 8), 10))


def test_d13_without_ray_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ResourceError, match=r"pip install .*\[ray\]'"):
        Ray(1).map("tasks:double", [{"value": 1}], lambda i, e: None)


def test_d13_another_version_on_a_machine_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**options: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.1.0\n    Python: 3.9.1")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ResourceError, match=r"one version on all machines: Version mismatch.*Ray: 2\.1\.0"):
        Ray(1, "127.0.0.1:1").map("tasks:double", [{"value": 1}], lambda i, e: None)


@pytest.mark.parametrize("address", ["auto", "local", "127.0.0.1:6379", "localhost:6379", "ray://127.0.0.1:10001"])
def test_d14_this_machine_needs_no_token(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    _ray_cluster.check_address(address, insecure=False)


@pytest.mark.parametrize(
    "address", ["10.0.0.1:6379", "head.example:6379", "ray://10.0.0.1:10001", "127.0.0.1.example:1"]
)
def test_d14_another_machine_needs_one(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(UsageError, match="RAY_AUTH_MODE"):
        _ray_cluster.check_address(address, insecure=False)
    _ray_cluster.check_address(address, insecure=True)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    _ray_cluster.check_address(address, insecure=False)
    monkeypatch.setattr(_ray_cluster, "version", lambda name: "2.51.0")
    with pytest.raises(UsageError, match=r"Ray 2\.51\.0 has no tokens"):
        _ray_cluster.check_address(address, insecure=False)


def test_d14_the_command_line_refuses_before_it_connects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    options = ["--executor", "ray", "--address", "192.0.2.1:6379", "--out", tmp_path]
    done = tenfold_command("train", recipe(tmp_path), "--train", table(tmp_path), *options)
    assert done.code == 2
    assert "192.0.2.1:6379 is not this machine" in done.err


@pytest.mark.slow
def test_d02_a_worker_killed_while_it_writes_leaves_a_whole_file(ray_cluster: None, tmp_path: Path) -> None:
    path, seen = tmp_path / "file.bin", []

    def kill(index: int, event: dict[str, Any]) -> None:
        if "pid" in event and len(seen) < 3:
            seen.append(event["pid"])
            threading.Timer(0.05 + 0.1 * len(seen), os.kill, (event["pid"], signal.SIGKILL)).start()

    Ray(1).map("tasks:write_again_and_again", [{"path": str(path), "attempts": 4}], kill)
    assert len(seen) == 3
    content = path.read_bytes()
    assert hashlib.sha256(content[32:]).digest() == content[:32]


@pytest.mark.slow
@pytest.mark.parametrize(("at", "why"), [(1, errno.ENOSPC), (12, errno.ENOSPC), (1, errno.EROFS), (12, errno.EROFS)])
def test_d10_a_full_or_read_only_folder_is_exit_code_4_and_resumable(
    ray_cluster: None, tmp_path: Path, at: int, why: int
) -> None:
    expected = weights(train(tmp_path, "local", "here"))
    run = train(tmp_path, "local", "there")
    stored = next((tmp_path / "home" / "datasets").iterdir())
    common = {
        "run": str(run.path),
        "train": str(stored),
        "rows": str(run.path / "split.npz"),
        "test": None,
        "device": "cpu",
    }
    for member in (0, 1):
        shutil.rmtree(run.member_path(member))
    tasks = [{**common, "member": member, "at": at, "why": why} for member in (0, 1)]
    with pytest.raises(ResourceError, match=os.strerror(why)) as caught:
        Ray(2).map("tasks:train_on_a_refusing_disk", tasks, lambda i, e: None, keep_going=True)
    assert caught.value.exit_code == 4
    assert run.finished_members() == [1]
    (run.path / "manifest.json").unlink()
    assert weights(tenfold.resume(run.path, "train", executor="local", progress=False)) == expected


class Late(Local):
    """As if on a network folder: what members finished is seen here only after a while, or never."""

    seconds: float | None = 0.5

    def stream(self, function: str, tasks: Any, on_event: Any, **further: Any) -> Any:
        for index, result in super().stream(function, tasks, on_event, **further):
            task = tasks[index]
            record = tenfold.Run(task["run"]).member_path(task["member"]) / "member.json"
            hidden = record.rename(record.with_suffix(".hidden"))
            if self.seconds is not None:
                threading.Timer(self.seconds, hidden.rename, (record,)).start()
            yield index, result


def test_d10_what_is_seen_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = weights(train(tmp_path, "local", "here"))
    monkeypatch.setattr(EXECUTORS, "get", lambda name: Late)
    run = train(tmp_path, "local", "there")
    assert weights(run) == expected
    assert run.summary["members"] == 2


def test_d10_what_is_never_seen_is_exit_code_4_and_no_smaller_ensemble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = weights(train(tmp_path, "local", "here"))
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.3)
    with monkeypatch.context() as patched:
        patched.setattr(EXECUTORS, "get", lambda name: Late)
        patched.setattr(Late, "seconds", None)
        with pytest.raises(ResourceError, match="cannot be seen from here") as caught:
            train(tmp_path, "local", "there")
    assert caught.value.exit_code == 4
    (path,) = (tmp_path / "there").glob("*_small_*")
    assert not (path / "bundle").exists()
    for hidden in path.glob("members/*/member.hidden"):
        hidden.rename(hidden.with_suffix(".json"))
    assert weights(tenfold.resume(path, "train", executor="local", progress=False)) == expected


def test_d07_a_member_that_fails_keeps_its_log_and_only_it_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenfold.training import member

    expected = weights(train(tmp_path, "local", "here"))
    fit = member.fit

    def broken(*arguments: Any, **further: Any) -> None:
        if arguments[4] == 0:
            raise KeyError("a bug")
        fit(*arguments, **further)

    monkeypatch.setattr(member, "fit", broken)
    with pytest.raises(KeyError):
        train(tmp_path, "local", "there")
    (path,) = (tmp_path / "there").glob("*_small_*")
    run = tenfold.Run(path)
    assert run.finished_members() == [1]
    log = run.checkpoint_path(0) / "error.txt"
    assert "KeyError: 'a bug'" in log.read_text()
    trained = (run.member_path(1) / "member.json").stat().st_mtime_ns
    monkeypatch.setattr(member, "fit", fit)
    assert weights(tenfold.resume(run, "train", executor="local", progress=False)) == expected
    assert (run.member_path(1) / "member.json").stat().st_mtime_ns == trained
    assert not log.exists()
