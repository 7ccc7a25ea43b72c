"""K09-K11: what the system refuses is exit code 4 and named, and what was there before is still whole."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from _small_run import bits, command, environment, finish, the_run, write_inputs
from tenfold.training.state import load_newest
from tenfold.values.run import Run

Done = subprocess.CompletedProcess[str]
Limits = dict[int, int]
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""Root as anybody else: mode bits bind it."""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_inputs(tmp_path, checkpoint_minutes=2)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """``disk("size=1m")`` mounts a small file system; ``disk("remount,size=9m")`` changes it."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
        ).returncode:
            pytest.skip("may not mount a file system here")
        return folder

    yield mount
    while (
        os.path.ismount(folder) and not subprocess.run(["umount", folder], capture_output=True, check=False).returncode
    ):
        pass


def train(out: Path, recipe: Path, limits: Limits | None = None, wrapper: Sequence[str] = (), **variables: str) -> Done:
    """Start a run below ``out`` within ``limits``, which begin after Python and its packages are loaded.

    A limit of memory is meant beyond what these take.
    """
    started = command("run", recipe, "--out", out, "--executor", "local")
    code = (
        "import resource, sys, torch, onnxruntime, tenfold.training.member, tenfold.bundle.export,"
        f" tenfold.report.page\nfrom tenfold.cli import main\nfor what, limit in {limits or {}}.items():\n    used ="
        " int(open('/proc/self/statm').read().split()[0]) * 4096 if what == resource.RLIMIT_AS else 0\n   "
        f" resource.setrlimit(what, (used + limit, used + limit))\nmain({started[3:]!r})"
    )
    return subprocess.run(
        [*wrapper, started[0], "-W", "ignore", "-c", code],
        env=environment(recipe.parent, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def refused(done: Done, *words: str) -> None:
    assert done.returncode == 4, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def left_over(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


def test_k09_a_full_disk_is_named_and_with_room_the_run_goes_on_to_the_same_bits(
    disk: Callable[..., Path], recipe: Path, tmp_path: Path
) -> None:
    whole = finish(tmp_path / "whole", recipe, tmp_path)
    for kilobytes in (48, 384):
        out = disk(f"size={kilobytes}k") / "runs"
        done = train(out, recipe)
        refused(done, str(out))
        assert re.search(r"the disk is full: need about [\d.]+ MB, 0\.\d MB are free; free some space", done.stderr)
        assert "unexpected pos" not in done.stdout + done.stderr  # what torch.save says
        assert left_over(out.parent) == []
        run = the_run(out) if out.exists() else None
        for member in range(2) if run else ():
            if run.checkpoint_path(member).is_dir():
                assert load_newest(run.checkpoint_path(member))[1] == []
        disk("remount,size=32m")
        assert bits(finish(out, recipe, tmp_path)) == bits(whole)
        shutil.rmtree(out)
        subprocess.run(["umount", out.parent], check=True)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        pytest.param({resource.RLIMIT_FSIZE: 2000}, "size limit of this process (ulimit -f)", id="RLIMIT_FSIZE"),
        pytest.param({resource.RLIMIT_NOFILE: 8}, "too many open files", id="RLIMIT_NOFILE"),
    ],
)
def test_k10_a_limit_of_the_process_is_named(recipe: Path, tmp_path: Path, limits: Limits, words: str) -> None:
    refused(train(tmp_path / "runs", recipe, limits), words)
    assert left_over(tmp_path) == []


def test_k10_too_little_memory_is_named(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(recipe.read_text().replace("4C3 BN", "4000C3 BN"))
    refused(train(tmp_path / "runs", recipe, {resource.RLIMIT_AS: 150 << 20}), "out of memory")


def test_k10_a_disk_without_room_for_more_files_is_named(disk: Callable[..., Path], recipe: Path) -> None:
    out = disk("size=32m,nr_inodes=8") / "runs"
    refused(train(out, recipe), "no room for another file", "inodes", str(out))
    assert left_over(out.parent) == []


def test_k11_a_read_only_disk_is_found_before_training(disk: Callable[..., Path], recipe: Path) -> None:
    out = disk("size=1m,ro") / "runs"
    done = train(out, recipe)
    refused(done, "read-only", str(out))
    assert "epoch" not in done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, who can become somebody else")
def test_k11_a_folder_of_somebody_else_is_found_before_training(recipe: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    os.chown(theirs, 65534, 65534)
    refused(train(theirs / "runs", recipe, wrapper=WITHOUT_PRIVILEGE), "permission denied", str(theirs))
    assert list(theirs.iterdir()) == []


def test_k11_an_output_folder_that_is_a_file_is_found_before_training(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder")
    refused(train(tmp_path / "runs", recipe), str(tmp_path / "runs"))
    assert (tmp_path / "runs").read_text() == "not a folder"


def test_k11_a_folder_that_goes_away_is_named_at_once(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(recipe.read_text().replace("epochs = 2", "epochs = 2000"))
    out = tmp_path / "runs"
    process = subprocess.Popen(
        command("run", recipe, "--out", out, "--executor", "local"),
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list(out.glob("*/checkpoints/00/*.json")):
        time.sleep(0.05)
    out.rename(tmp_path / "gone")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4, errors
    assert str(out) in errors
    assert not out.exists()


def test_k11_temporary_files_elsewhere_are_no_matter(disk: Callable[..., Path], recipe: Path, tmp_path: Path) -> None:
    elsewhere = disk("size=64k")
    done = train(tmp_path / "runs", recipe, TMPDIR=str(elsewhere))
    assert done.returncode == 0, done.stderr
    run = the_run(tmp_path / "runs")
    assert isinstance(run, Run) and run.verify() == []
    assert [
        path for path in elsewhere.iterdir() if not path.name.startswith("torchinductor_")
    ] == []  # an empty folder of torch's
