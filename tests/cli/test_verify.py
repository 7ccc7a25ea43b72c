"""``tenfold verify``: exit code 6 and the name of every file that is not what it was."""

import json
from pathlib import Path

from _command_line import tenfold
from _runs import made_run


def test_a_whole_run_is_said_to_be_whole(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    assert tenfold("verify", run.path) == (0, f"{run.path}: complete, all 4 files as recorded\n", "")
    assert tenfold("--quiet", "verify", run.path) == (0, "", "")


def test_every_difference_in_every_run_is_named(tmp_path: Path) -> None:
    whole, changed, stopped = made_run(tmp_path), made_run(tmp_path), made_run(tmp_path, seal=False)
    (changed.path / "summary.json").write_text("{}")
    (changed.member_path(0) / "member.json").unlink()
    done = tenfold("verify", whole.path, changed.path, stopped.path)
    assert done.code == 6
    assert done.out.startswith(f"{whole.path}: complete")
    assert done.err.splitlines() == [
        f"error: {changed.path}: members/00/member.json is missing",
        f"error: {changed.path}: summary.json: SHA-256 differs from manifest",
        f"error: {stopped.path} has no manifest.json: the run is not complete. Go on with: tenfold run --resume {stopped.path}",
    ]


def test_as_json(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    (run.path / "summary.json").write_text("{}")
    error = json.loads(tenfold("--errors", "json", "verify", run.path).err)["error"]
    assert (error["kind"], error["exit_code"], len(error["problems"])) == ("integrity", 6, 1)


def test_what_is_no_run_is_a_usage_error(tmp_path: Path) -> None:
    done = tenfold("verify", tmp_path)
    assert done.code == 2
    assert "is not a run directory" in done.err
    assert tenfold("verify").code == 2
