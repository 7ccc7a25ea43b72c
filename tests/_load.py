"""lab/benchmarks/open_loop.py for tests: the load that the benchmark makes is the load that the tests make."""

import importlib.util
import sys
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location(
    "open_loop", Path(__file__).parents[1] / "lab" / "benchmarks" / "open_loop.py"
)
assert _SPEC is not None and _SPEC.loader is not None
open_loop = importlib.util.module_from_spec(_SPEC)
sys.modules["open_loop"] = open_loop  # dataclasses look their module up
_SPEC.loader.exec_module(open_loop)
