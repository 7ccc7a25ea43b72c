"""A run directory: complete or not, whole or damaged, ours or busy - and it can always tell."""

import errno
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from _bundles import digits, digits_run
from _command_line import tenfold
from tenfold.errors import BusyError, IntegrityError, ResourceError, UsageError
from tenfold.values.predictions import Predictions
from tenfold.values.recipe import parse_recipe
from tenfold.values.run import Run, list_runs
from tenfold.values.serialisation import read_json_object

RECIPE = parse_recipe('name = "small"\n[model]\nlayers = "SOFTMAX2"\n')


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A complete run with one member."""
    run = Run.create(tmp_path / "runs", RECIPE)
    member = run.member_path(0)
    member.mkdir(parents=True)
    (member / "member.json").write_text('{"seed": 1}')
    (member / "history.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\n')
    (run.path / "predictions").mkdir()
    Predictions(np.arange(2), np.full((2, 2), 0.5, np.float32)).save(run.path / "predictions" / "test.npz")
    (run.path / "summary.json").write_text('{"members": 1}')
    run.seal()
    return run


def test_a_new_run_holds_its_recipe_and_is_not_complete(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "deep" / "runs", RECIPE)
    assert run.path.name.endswith(f"_small_{RECIPE.key()[:8]}")
    assert run.recipe == RECIPE
    assert not run.is_complete
    assert run.finished_members() == []
    assert run.history(0) == []
    assert not run.has_predictions("test")
    with pytest.raises(IntegrityError, match="not complete"):
        run.verify()


def test_runs_that_start_in_the_same_second_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: Run.create(tmp_path, RECIPE), range(40)))
    assert len({run.path for run in runs}) == 40


def test_what_a_complete_run_holds(run: Run) -> None:
    assert run.is_complete
    assert run.verify() == []
    assert run.finished_members() == [0]
    assert [line["epoch"] for line in run.history(0)] == [1, 2]
    assert run.summary == {"members": 1}
    assert len(run.predictions("test")) == 2
    assert run.files() == [
        "members/00/history.jsonl",
        "members/00/member.json",
        "predictions/test.npz",
        "recipe.toml",
        "summary.json",
    ]
    assert list_runs(run.path.parent)[0].path == run.path


def test_the_history_of_a_member_that_still_trains_is_that_of_its_checkpoint(run: Run) -> None:
    run.checkpoint_path(1).mkdir(parents=True)
    (run.checkpoint_path(1) / "history.jsonl").write_text('{"epoch": 7}\n')
    assert run.history(1) == [{"epoch": 7}]


def test_checkpoints_locks_and_half_written_files_are_no_part_of_a_run(run: Run) -> None:
    run.checkpoint_path(0).mkdir(parents=True)
    (run.checkpoint_path(0) / "state.safetensors").touch()
    (run.path / ".lock").touch()
    (run.path / ".report.html.1.ab.tmp").touch()
    assert run.verify() == []


@pytest.mark.parametrize("name", ["members/00/member.json", "predictions/test.npz", "summary.json", "recipe.toml"])
def test_m04_one_flipped_bit_is_found_in_any_file(run: Run, name: str) -> None:
    content = bytearray((run.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run.path / name).write_bytes(content)
    assert run.verify() == [f"{name}: SHA-256 differs from manifest"]


def test_missing_and_extra_files_are_found(run: Run) -> None:
    (run.path / "summary.json").unlink()
    (run.path / "predictions" / "evil.npz").touch()
    (run.path / "manifest.json.old").touch()
    assert run.verify() == [
        "summary.json is missing",
        "manifest.json.old is not in the manifest",
        "predictions/evil.npz is not in the manifest",
    ]


def test_a_link_in_the_place_of_a_file_is_a_missing_file(run: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (run.path / "summary.json").rename(elsewhere)
    (run.path / "summary.json").symlink_to(elsewhere)
    assert run.verify() == ["summary.json is missing"]


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("{", "not readable JSON"),
        ("[]", "found a JSON list, expected an object"),
        ("[" * 100_000, "not readable JSON"),
        ("\xff", "not readable JSON"),
        ('{"format_version": 2}', "found format_version 2, this release reads 1"),
        ('{"format_version": 1}', "no table of files"),
    ],
    ids=["cut", "list", "deep", "binary", "newer", "empty"],
)
def test_m07_a_manifest_that_cannot_be_read(run: Run, manifest: str, message: str) -> None:
    (run.path / "manifest.json").write_text(manifest, "latin-1")
    with pytest.raises(IntegrityError, match=message):
        run.verify()


def test_m07_an_enormous_manifest_is_not_even_read(run: Run) -> None:
    with (run.path / "manifest.json").open("r+b") as file:
        file.truncate(1 << 30)  # a hole: takes no room
    with pytest.raises(IntegrityError, match="expected at most 67,108,864"):
        run.verify()


def test_a_manifest_whose_entries_are_odd_condemns_the_files(run: Run) -> None:
    manifest = json.loads((run.path / "manifest.json").read_text())
    manifest["files"] |= {"summary.json": 3, "../../outside": {"sha256": "0"}}
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    assert run.verify() == ["summary.json: SHA-256 differs from manifest", "../../outside is missing"]


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"name = [", b"sed = 1"], ids=["empty", "binary", "cut", "unknown-key"]
)
def test_a_damaged_recipe_or_history_is_an_integrity_error_that_names_the_file(run: Run, content: bytes) -> None:
    (run.path / "recipe.toml").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"recipe\.toml"):
        _ = Run(run.path).recipe
    (run.member_path(0) / "history.jsonl").write_bytes(content or b'{"epoch": 1}\n[]\n')
    with pytest.raises(IntegrityError, match=r"history\.jsonl"):
        run.history(0)


def test_what_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run directory"):
        Run(tmp_path)
    assert list_runs(tmp_path / "none") == []
    with pytest.raises(IntegrityError, match=r"none\.json"):
        read_json_object(tmp_path / "none.json")


def test_a_folder_that_may_not_be_read_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ResourceError, match="cannot list the folder"):
        list_runs(tmp_path)


HOLDER = """
import sys, time
from tenfold.values.run import Run
with Run(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_k12_one_writer_at_a_time_and_kill_9_frees_the_run(run: Run) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, run.path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"in use by process {holder.pid} on .* since ") as caught, run.lock():
            pass
        assert caught.value.exit_code == 5
        assert run.verify() == []  # readers are not held up
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()
    with run.lock(), pytest.raises(BusyError, match=f"process {os.getpid()} "), run.lock():
        pass
    with run.lock():
        pass


FIFTY = """
import os, sys, time
from tenfold.errors import BusyError
from tenfold.values.run import Run
run, (starts, start) = Run(sys.argv[1]), os.pipe()
for _ in range(50):
    if os.fork() == 0:
        os.close(start)
        os.read(starts, 1)  # ends when the parent closes its side
        try:
            with run.lock():
                os.write(1, b"won\\n")
                time.sleep(2)
        except BusyError as error:
            os.write(1, f"{error.exit_code} {error}\\n".encode())
        os._exit(0)
os.close(start)
for _ in range(50):
    os.wait()
"""


def test_k12_of_fifty_that_start_at_once_one_wins(run: Run) -> None:
    done = subprocess.run([sys.executable, "-c", FIFTY, run.path], capture_output=True, text=True, check=True)
    said = sorted(done.stdout.splitlines())
    assert said.count("won") == 1
    assert len(said) == 50
    assert all(line.startswith("5 ") for line in said if line != "won")


def test_k12_a_run_is_read_while_it_is_written(tmp_path: Path) -> None:
    """Readers see what is complete: they take no lock."""
    run = digits_run(tmp_path / "runs")
    np.savez(tmp_path / "images.npz", images=digits().images[:5])
    with run.lock():
        assert tenfold("predict", run.path, tmp_path / "images.npz").code == 0
        assert tenfold("runs", run.path.parent).code == 0
        assert tenfold("verify", run.path / "bundle").code == 0
        with pytest.raises(BusyError), run.lock():
            pass


def test_a_lock_that_cannot_be_made_is_the_machines_fault(run: Run) -> None:
    (run.path / ".lock").mkdir()
    with pytest.raises(ResourceError, match=r"cannot write .*\.lock"), run.lock():
        pass


def test_a_lock_on_a_full_disk_is_the_machines_fault(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "ftruncate", full)
    with pytest.raises(ResourceError, match="the disk is full"), run.lock():
        pass
