"""``tenfold verify``: exit code 6 and the name of every file that is not what it was."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from _bundles import digits_run
from _command_line import tenfold
from _runs import made_run
from tenfold.values.run import Run


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
        (
            f"error: {stopped.path} has no manifest.json: the run is not complete. Go on with: tenfold run --resume"
            f" {stopped.path}"
        ),
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


def sealed(tmp_path: Path) -> Run:
    """A complete run with a bundle and, for what they are, a member's weights."""
    run = digits_run(tmp_path)
    run.member_path(0).mkdir(parents=True)
    save_file({"0.weight": np.ones((2, 3), np.float32)}, run.member_path(0) / "weights.safetensors")
    run.seal()
    return run


def test_g07_weights_that_are_not_finite_are_named_even_where_the_hash_was_made_to_fit(tmp_path: Path) -> None:
    run = sealed(tmp_path)
    file = run.member_path(0) / "weights.safetensors"
    weights = load_file(file)
    name = sorted(weights)[0]
    weights[name].flat[0] = np.nan
    save_file(weights, file)
    run.seal()
    done = tenfold("verify", run.path)
    assert done.code == 6
    assert f"members/00/weights.safetensors: {name} is not finite" in done.err


def test_g07_a_bundle_answers_as_on_the_day_it_was_made(tmp_path: Path) -> None:
    run = sealed(tmp_path)
    bundle = run.path / "bundle"
    done = tenfold("verify", run.path, bundle)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].endswith(
        "files as recorded, weights finite, the model's answer as on the day it was made"
    )
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert len(manifest["golden"]) == 10
    assert abs(sum(manifest["golden"]) - 1) < 1e-4
    manifest["golden"] = manifest["golden"][::-1]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    done = tenfold("verify", bundle)
    assert done.code == 6
    assert "records another answer than the model gives here" in done.err


def test_g07_a_damaged_model_is_named(tmp_path: Path) -> None:
    bundle = digits_run(tmp_path).path / "bundle"
    content = bytearray((bundle / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(content)
    done = tenfold("verify", bundle)
    assert done.code == 6
    assert "SHA-256 differs from manifest" in done.err


def test_the_bundle_that_comes_along_is_whole() -> None:
    from tenfold.bundle.manifest import bundle_folder

    assert tenfold("verify", bundle_folder("builtin")).code == 0
