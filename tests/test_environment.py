"""What a run records about where it ran."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenfold import runtime

SHA = "0123456789abcdef" * 2 + "01234567"


def test_the_description_is_json_and_names_what_decides_bits_and_times() -> None:
    described = json.loads(json.dumps(runtime.describe(load_torch=True)))
    assert {"tenfold", "python", "numpy", "torch", "instruction_set", "cores", "device", "commit"} <= set(described)
    assert described["device"] in ("cpu", "cuda", "mps")
    assert described["memory_bytes"] > 2**20


def test_describing_does_not_load_torch_and_agrees_with_it_on_the_instruction_set() -> None:
    code = (
        "import sys; from tenfold import runtime as e\n"
        "d = e.describe(); assert d['device'] is None and 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "before = e.instruction_set(); import torch; print(before, e.instruction_set())"
    )
    before, after = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert before == after or sys.platform != "linux"


def test_the_device_is_the_one_that_training_picks() -> None:
    from tenfold.training.state import pick_device

    assert runtime.device_and_reason()[0] == pick_device("auto").type


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 8), ("200000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8), ("odd", 8), (None, 8)],
)
def test_cores_count_affinity_and_container_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, expected: int
) -> None:
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota + "\n")
    monkeypatch.setattr(runtime, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert runtime.cores() == expected


@pytest.mark.parametrize(("limit", "limited"), [("1048576", True), ("max", False)])
def test_memory_counts_the_containers_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, limited: bool
) -> None:
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(runtime, "_CGROUP", tmp_path)
    assert (runtime.memory_bytes() == 2**20) is limited


def git_folder(folder: Path, head: str, **files: str) -> Path:
    git = folder / ".git"
    for name, content in {"HEAD": head, **{name.replace("__", "/"): text for name, text in files.items()}}.items():
        (git / name).parent.mkdir(parents=True, exist_ok=True)
        (git / name).write_text(content)
    return git


def test_the_commit_is_read_without_git(tmp_path: Path) -> None:
    read = runtime._head_commit
    assert read(git_folder(tmp_path / "loose", "ref: refs/heads/main\n", refs__heads__main=f"{SHA}\n")) == SHA
    packed = f"# pack-refs\n{'f' * 40} refs/heads/not-main\n{SHA} refs/heads/main\n"
    main = git_folder(tmp_path / "packed", "ref: refs/heads/main\n") / "packed-refs"
    main.write_text(packed)
    assert read(main.parent) == SHA
    assert read(git_folder(tmp_path / "detached", f"{SHA}\n")) == SHA
    assert read(git_folder(tmp_path / "unborn", "ref: refs/heads/main\n")) is None
    assert read(tmp_path / "none" / ".git") is None


def test_the_commit_of_a_worktree(tmp_path: Path) -> None:
    git = git_folder(tmp_path / "main", "ref: refs/heads/main\n", refs__heads__side=f"{SHA}\n")
    (git / "worktrees" / "side").mkdir(parents=True)
    (git / "worktrees" / "side" / "HEAD").write_text("ref: refs/heads/side\n")
    (git / "worktrees" / "side" / "commondir").write_text("../..\n")
    (tmp_path / "side").mkdir()
    (tmp_path / "side" / ".git").write_text(f"gitdir: {git}/worktrees/side\n")
    assert runtime._head_commit(tmp_path / "side" / ".git") == SHA


def test_packages_come_from_what_is_declared() -> None:
    packages = {package.name: package for package in runtime.packages()}
    assert packages["numpy"].extra is None
    assert packages["torch"].extra == "train"
    assert "tenfold" not in packages
    assert packages["pytest"].extra == "dev"
    assert runtime.version("no-such-package") is None
