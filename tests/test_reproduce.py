"""R03-R05, R07, R10, R12: the same bits again, wherever they can be had; and a plain word where they cannot."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from _command_line import tenfold as command_line
from _small_run import bits, command, environment, finish, the_run, write_inputs
from tenfold.data import ReadOptions
from tenfold.errors import IntegrityError, UsageError
from tenfold.pipeline import Settings, reproduce
from tenfold.training.state import has_bfloat16
from tenfold.values.run import Run

GOLDEN = Path(__file__).parent / "training" / "golden.toml"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("whole")
    os.environ["TENFOLD_HOME"] = str(folder / "home")
    return finish(folder / "runs", write_inputs(folder, checkpoint_minutes=2), folder)


def settings(tmp_path: Path, *, inexact: bool = False) -> Settings:
    return Settings(tmp_path / "again", ReadOptions(), "local", allow_inexact_resume=inexact)


def test_r10_a_run_is_reproduced_from_its_own_record(whole: Run, tmp_path: Path) -> None:
    done = command_line("-q", "reproduce", whole.path, "--out", tmp_path / "again", "--executor", "local")
    assert done.code == 0, done.err
    again = the_run(tmp_path / "again")
    assert again is not None and again.path != whole.path
    assert (
        f"reproduced {whole.path}: {len(bits(again)) + 1} files with the same bits" in done.out
    )  # and the bundle's manifest
    assert bits(again) == bits(whole)


def copy_of(run: Run, folder: Path) -> Run:
    return Run(shutil.copytree(run.path, folder / "copy"))


def test_r10_other_data_is_refused(whole: Run, tmp_path: Path) -> None:
    with np.load(whole.recipe.data.train) as data:
        changed = {**data, "images": data["images"] ^ 1}
    np.savez(tmp_path / "train.npz", **changed)
    run = copy_of(whole, tmp_path)
    recipe = run.path / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(whole.recipe.data.train, str(tmp_path / "train.npz")))
    Run(run.path).seal()
    with pytest.raises(IntegrityError, match="has changed since"):
        reproduce(Run(run.path), settings(tmp_path))


def test_r10_a_file_that_differs_is_named(whole: Run, tmp_path: Path) -> None:
    run = copy_of(whole, tmp_path)
    (run.path / "predictions" / "test.npz").write_bytes(b"other")
    with pytest.raises(IntegrityError, match=r"was changed since it was trained: predictions/test.npz"):
        reproduce(run, settings(tmp_path))
    run.seal()
    assert reproduce(run, settings(tmp_path)).different == ["predictions/test.npz"]


def test_r10_another_machine_is_refused_unless_told(whole: Run, tmp_path: Path) -> None:
    run = copy_of(whole, tmp_path)
    path = run.path / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"instruction_set": "VAX"}))
    run.seal()
    with pytest.raises(IntegrityError, match=r"cannot be reproduced to the bit - instruction_set: the run has 'VAX'"):
        reproduce(run, settings(tmp_path))
    made = reproduce(run, settings(tmp_path, inexact=True))
    assert (len(made.environment), made.different) == (1, [])


def test_a_search_is_not_reproduced_whole(whole: Run, tmp_path: Path) -> None:
    run = copy_of(whole, tmp_path)
    path = run.path / "data.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kind": "tune"}))
    with pytest.raises(UsageError, match=r"is a search; reproduce what it found with: tenfold run .*best.toml"):
        reproduce(run, settings(tmp_path))


@pytest.mark.parametrize(
    ("prefix", "variables"),
    [
        pytest.param([], {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"}, id="four-threads"),
        pytest.param(["taskset", "-c", "0"], {"OMP_NUM_THREADS": "2"}, id="one-core"),
    ],
)
def test_r03_r04_cores_threads_and_workers_change_no_bit(
    whole: Run, tmp_path: Path, prefix: list[str], variables: dict[str, str]
) -> None:
    if prefix and not shutil.which(prefix[0]):
        pytest.skip("taskset is not there")
    recipe = write_inputs(tmp_path, checkpoint_minutes=2)
    started = [
        *prefix,
        *command("run", recipe, "--out", tmp_path / "runs", "--executor", "processes", "--workers", "2"),
    ]
    done = subprocess.run(started, env=environment(tmp_path, **variables), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, expected = bits(the_run(tmp_path / "runs")), bits(whole)
    assert {name for name in found if found[name] != expected[name]} == {
        "recipe.toml",
        "data.json",
    }  # which name the folder


LIMITED = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512", reason="needs a processor that can be limited to AVX2"
)
def test_r07_an_instruction_set_is_recorded_and_another_is_refused(whole: Run, tmp_path: Path) -> None:
    started = command("reproduce", whole.path, "--out", tmp_path / "again", "--portable-isa", "avx2")
    done = subprocess.run(started, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert "instruction_set: the run has 'AVX512', here is 'AVX2'" in done.stderr


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() not in ("AVX512", "AVX2"), reason="needs AVX2")
def test_r07_portable_gives_the_bits_of_an_avx2_machine(tmp_path: Path) -> None:
    recipe = write_inputs(tmp_path, checkpoint_minutes=2)
    made = []
    for name, options, variables in (("pinned", ["--portable-isa", "avx2"], {}), ("limited", [], LIMITED)):
        started = command("train", recipe, "--out", tmp_path / name, *options)
        done = subprocess.run(
            started, env=environment(tmp_path, **variables), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        made.append(the_run(tmp_path / name))
    assert made[0] is not None and made[0].environment["instruction_set"] == "AVX2"
    assert bits(made[0]) == bits(made[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_r09_on_one_gpu_two_runs_are_equal(tmp_path: Path) -> None:
    recipe = write_inputs(tmp_path, checkpoint_minutes=2)
    for name in ("one", "two"):
        done = command_line("-q", "train", recipe, "--out", tmp_path / name, "--device", "cuda")
        assert done.code == 0, done.err
    assert bits(the_run(tmp_path / "one")) == bits(the_run(tmp_path / "two"))


TWENTY_STEPS = """
import hashlib, torch
from tenfold.training.state import prepare
from tenfold.training.loop import Rows, fit
from tenfold.training.member import new_state
from tenfold.augmentation import build
from tenfold.values.recipe import parse_recipe
recipe = parse_recipe('''
name = "golden"
[data]
validation = 0
[model]
layers = "8C3S2 BN 16C3V BN MP2 FLAT D20 SOFTMAX"
[[augment]]
kind = "affine"
rotation = 10
[train]
epochs = 2
batch_size = 32
weight_average = 0.3
''')
prepare(torch.device("cpu"))
images = (torch.arange(320 * 28 * 28).reshape(320, 1, 28, 28) * 2654435761 >> 7 & 255).to(torch.uint8)
rows = Rows(images, torch.arange(320) % 10)
state = new_state(recipe, 0, (1, 28, 28), 10, torch.device("cpu"))
nothing = lambda *_: None
fit(state, rows, Rows(images[:0], rows.labels[:0]), recipe, 0, build(recipe.augment), save=nothing, emit=nothing,
    should_stop=lambda: False)
digest = hashlib.sha256()
for name, tensor in sorted(state.current_weights().items()):
    digest.update(name.encode() + tensor.numpy().tobytes())
print(torch.backends.cpu.get_cpu_capability(), digest.hexdigest())
"""


def processor() -> str:
    """The processor's name with its family, model and stepping: a name alone may be shared by several."""
    fields = dict(re.findall(r"^([\w ]+?)\t*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    return f"{fields['model name']} {fields['cpu family']}/{fields['model']}/{fields['stepping']}"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs /proc/cpuinfo")
@pytest.mark.parametrize("limits", [{}, LIMITED], ids=["as-it-is", "limited-to-avx2"])
def test_r12_twenty_steps_have_the_recorded_hash(limits: dict[str, str]) -> None:
    """A change of torch, or of the training loop, changes the table knowingly: see the file's first lines."""
    child = subprocess.run(
        [sys.executable, "-c", TWENTY_STEPS], env={**os.environ, **limits}, capture_output=True, text=True, check=True
    )
    capability, found = child.stdout.split()
    key = f"torch {torch.__version__}, {capability}, {processor()}, 1 thread"
    recorded = tomllib.loads(GOLDEN.read_text("utf-8"))
    if key not in recorded:
        pytest.skip(f"no hash is recorded for {key!r}; here it is {found}")
    assert found == recorded[key]


def test_the_instructions_for_bfloat16_are_recorded(whole: Run) -> None:
    assert whole.environment["bfloat16"] is has_bfloat16(torch.device("cpu"))
