"""The notebook runs from top to bottom on a small table, as Kaggle would run it, and is kept without outputs."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

nbformat = pytest.importorskip("nbformat")
NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "digit-recognizer.ipynb"
SUBMISSIONS = ("ksvm", "mlp", "cnn_ensamble")


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def write_tables(folder: Path, train: int, test: int) -> None:
    """``train.csv`` and ``test.csv`` as Kaggle has them, of scikit-learn's digits in 28 x 28 pixels."""
    bunch = load_digits()
    small = (bunch.images[: train + test] * 15.9).astype(np.uint8)
    large = [np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC)) for image in small]
    rows = np.pad(np.stack(large), ((0, 0), (4, 4), (4, 4))).reshape(len(small), -1)
    names = ",".join(f"pixel{i}" for i in range(784))
    labelled = np.column_stack([bunch.target[:train], rows[:train]])
    np.savetxt(folder / "train.csv", labelled, "%d", ",", header=f"label,{names}", comments="")
    np.savetxt(folder / "test.csv", rows[train:], "%d", ",", header=names, comments="")


def test_outputs_are_not_kept_and_cells_are_short() -> None:
    for cell in read().cells:
        assert len(cell.source.splitlines()) <= 30, cell.source
        if cell.cell_type == "code":
            assert (cell.execution_count, cell.outputs) == (None, []), cell.source


def test_it_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    write_tables(tmp_path, train=440, test=60)
    for name, value in {
        "TENFOLD_NOTEBOOK": "tiny",
        "TENFOLD_HOME": str(tmp_path / "home"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONPATH": os.pathsep.join([str(NOTEBOOK.parents[1] / "src"), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    shutil.copy(NOTEBOOK, tmp_path)
    notebook = read()
    client.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    out = tmp_path / "digit-recognizer"
    for name in SUBMISSIONS:
        lines = (out / f"{name}_submission.csv").read_text().splitlines()
        assert lines[0] == "ImageId,Label"
        assert [line.split(",")[0] for line in lines[1:]] == [str(i) for i in range(1, 61)]
    assert (out / "explore.html").is_file()
    assert (out / "explained.html").is_file()
    said = "\n".join(_texts(notebook))
    for figure in (
        r"same shares in each: p = ",
        r"contaminated [\d.]+, held out [\d.]+",
        r"\d+ components",
        r"\+0\.001: p",
        "McNemar",
    ):
        assert re.search(figure, said), figure
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 15


def _texts(notebook: nbformat.NotebookNode) -> list[str]:
    """What the cells printed and showed, as text or HTML."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.name for output in outputs if output.get("name") == "stderr"] == []
    return [output.get("text", "") or str(output.get("data", {}).get("text/html", "")) for output in outputs]


def test_the_notebook_asks_for_extras_that_exist() -> None:
    root = Path(__file__).parents[1]
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for path in (root / "notebooks").glob("*.ipynb"):
        for asked in re.findall(r"\}\[([\w,]+)\]", path.read_text("utf-8")):
            assert set(asked.split(",")) <= set(extras), asked
