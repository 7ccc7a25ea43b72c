"""``import tenfold`` and ``tenfold --help`` are quick because they import nothing heavy."""

import subprocess
import sys
import time

import pytest

HEAVY = ("torch", "sklearn", "scipy", "numpy", "polars", "onnx", "onnxruntime", "pydantic", "jinja2", "PIL", "matplotlib")
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


def test_help_takes_little_longer_than_python_itself() -> None:
    """Measured against a bare interpreter, since the machine may be busy.

    A bare start takes some 15 ms, so that 0.5 s is a ratio of about 30.
    """

    def seconds(*arguments: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        return time.perf_counter() - began

    bare = min(seconds("-c", "pass") for _ in range(5))  # what else runs only adds
    assert min(seconds("-m", "tenfold", "--help") for _ in range(5)) < 30 * bare
