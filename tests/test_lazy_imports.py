"""``import tenfold`` and ``tenfold --help`` are quick because they import nothing heavy."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

HEAVY = (
    "torch",
    "sklearn",
    "scipy",
    "numpy",
    "polars",
    "onnx",
    "onnxruntime",
    "pydantic",
    "jinja2",
    "PIL",
    "matplotlib",
)
IMPORT = "import tenfold"
HELP = """
import contextlib, io
from tenfold.cli import main
with contextlib.redirect_stdout(io.StringIO()) as out:
    try:
        main(["--help"])
    except SystemExit as end:
        assert not end.code
assert "doctor" in out.getvalue()
"""


@pytest.mark.parametrize("code", [IMPORT, HELP], ids=["import", "help"])
def test_nothing_heavy_is_imported(code: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in child.stdout.split()}
    assert "tenfold" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize(
    ("words", "built"),
    [
        (["verify", "--help"], {"runs"}),
        (["-q", "--errors", "json", "import-log", "--help"], {"logs"}),
        (["--errors", "run", "data", "--help"], {"data", "labels", "teach"}),
        (["-q", "verfy"], None),
        (["--help"], None),
        ([], None),
    ],
)
def test_only_the_functions_of_the_command_that_is_called_are_imported(
    words: list[str], built: set[str] | None
) -> None:
    code = """
import sys
from tenfold.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*(name for name in sys.modules if name.startswith("tenfold.api.")))
"""
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    found = {name.removeprefix("tenfold.api.") for name in done.stdout.splitlines()[-1].split()} - {"shared"}
    assert found == built if built else found > {"runs", "logs", "data", "train"}


PAGES = "import tenfold.report.page, tenfold.report.explore_page, tenfold.report.model_pages"
EXPLORE = """
import sys
from tenfold.cli import main
try:
    main(["--quiet", "explore", sys.argv[1], "--no-tsne", "--out", sys.argv[2]])
except SystemExit as end:
    assert not end.code
"""


@pytest.mark.parametrize("code", [PAGES, EXPLORE], ids=["pages", "explore"])
def test_pages_do_without_torch(tmp_path: Path, code: str) -> None:
    """It takes longer to load than all that such a page needs."""
    rows = np.random.default_rng(0).integers(0, 256, (40, 36))
    np.savez(tmp_path / "train.npz", images=rows.reshape(-1, 6, 6).astype(np.uint8), labels=np.arange(40) % 10)
    blocked = f"import sys\nsys.modules['torch'] = None\n{code}"
    arguments = [str(tmp_path / "train.npz"), str(tmp_path / "page.html")]
    done = subprocess.run([sys.executable, "-c", blocked, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").exists() == (code is EXPLORE)


def test_help_takes_little_longer_than_python_itself() -> None:
    """Measured against a bare interpreter, since the machine may be busy.

    A bare start takes some 15 ms, so that 0.5 s is a ratio of about 30.
    """

    def seconds(*arguments: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        return time.perf_counter() - began

    bare = min(seconds("-c", "pass") for _ in range(5))  # what else runs only adds
    assert min(seconds("-m", "tenfold", "--help") for _ in range(5)) < max(0.5, 30 * bare)
