"""A package of somebody else adds one of everything: it is built as a wheel, installed and used by the real commands."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "toy_package"
RECIPE = """
name = "toy"
[data]
train = "toy-digits"
test = "toy-digits"
validation = 0.2
[model]
layers = "4C3 HALVE MP2 FLAT SOFTMAX"
[[augment]]
kind = "dim"
[train]
epochs = 4
batch_size = 20
optimizer = "signsgd"
learning_rate = 0.01
schedule = "constant"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the built wheel, unpacked as pip would."""
    folder = tmp_path_factory.mktemp("toy")
    copy = folder / "source"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    copied = f"import shutil; shutil.copytree({str(PACKAGE)!r}, {str(copy)!r})"
    subprocess.run([sys.executable, "-c", copied], check=True)
    subprocess.run([*build, "--disable-pip-version-check", "-w", folder, copy], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


@pytest.fixture(scope="module")
def run(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a recipe that uses the package's source, layer, augmentation and optimiser."""
    folder = tmp_path_factory.mktemp("toy-run")
    (folder / "toy.toml").write_text(RECIPE)
    said = tenfold(installed, folder, "run", "toy.toml", "--out", "runs", "--executor", "local")
    (found,) = (folder / "runs").iterdir()
    assert said
    return found


def tenfold(installed: Path, folder: Path, *words: str) -> str:
    path = os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "tenfold", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_source_layer_augmentation_and_optimiser_train_a_model_that_knows_its_classes(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert summary["test"]["accuracy"] > 0.9
    recipe = (run / "recipe.toml").read_text()
    assert "signsgd" in recipe
    assert "HALVE" in recipe


def test_its_check_and_its_section_stand_in_the_run(run: Path) -> None:
    assert "no image is wet" in (run / "data.json").read_text()
    assert "It rained on 200 images." in (run / "report.html").read_text()


def test_its_check_corruption_map_and_target_are_used_by_the_commands(installed: Path, run: Path) -> None:
    folder = run.parents[1]
    code = f"""
import tenfold
found = tenfold.check_data("toy-digits", quick=True)
print([one.name for one in found.findings][:2])
from tenfold.service.demo import in_browser
print("in the page:", "Halve" in in_browser())
explored = tenfold.explore("toy-digits", maps=("first-two",), out=None, progress=False)
print([some.name for some in explored.maps])
evaluated = tenfold.evaluate({str(run)!r}, "toy-digits", robustness=("rain",), robustness_images=20, out=None)
print(tenfold.export({str(run)!r}, to="size", out={str(folder / "size.txt")!r}))
"""
    path = os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "['duplicates', 'weather']" in done.stdout
    assert "['First two', 'PCA']" in done.stdout
    assert "in the page: True" in done.stdout
    assert int((folder / "size.txt").read_text()) == (run / "bundle" / "model.onnx").stat().st_size
