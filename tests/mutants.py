"""Changes the code that guards files, tables and models, one place at a time, and counts the changes that its tests
notice.

    python tests/mutants.py [MODULE ...] [--sample 100] [--seed 0]

mutmut makes the changes ("mutants"): another constant, operator, argument or word in a message. Each is tried in a
fork of a process that has the packages loaded, against the tests of its module alone, until the first that fails. A
mutant that nobody notices is printed with its change. ``--sample`` tries so many of each module, drawn by ``--seed``.

EQUIVALENT lists changes that change nothing; they are left out, and counted.
"""

from __future__ import annotations

import argparse
import difflib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLES = ["tests/data/test_messages.py", "tests/data/test_kaggle_csv.py", "-k"]
TABLES += [
    "words or variants or told or shows_twenty or put_right or says_so or no_labels or by_shape or by_their_names or"
    " fine"
]
TESTS = {
    "atomic": ["tests/crash/test_unsynced.py", "tests/test_atomic.py"],
    "bundle.inspection": ["tests/bundle/test_inspection.py"],
    "bundle.manifest": ["tests/bundle/test_manifest.py"],
    "data.files": [
        "tests/data/test_files.py",
        "tests/data/test_messages.py",
        "tests/data/test_idx.py",
        "-k",
        "not command",
    ],
    "data.sources._csv_fault": TABLES,
    "data.sources._csv_header": TABLES,
}
"""The modules that G04 is about, below ``tenfold``, and the tests that answer for each: the quick ones first."""

EQUIVALENT = {
    r'"UTF-8"': "the encoding has two spellings",
    r"zip\(.*(strict=None|strict=False|, \))": "the lengths were compared before",
    r"advice = .*, (None)?\)": "nothing is said for both",
    r"read\(2 << 20\)|read\(1 << 21\)": "the same bytes in larger pieces",
    r"time\.sleep\(1\.1\)": "it waits as long in larger steps",
}
"""Pattern of a changed line -> why the change changes nothing."""


@dataclass(frozen=True)
class Mutant:
    """One change: ``name`` as mutmut's switch takes it, ``change`` as the lines of a diff."""

    name: str
    change: str

    @property
    def equivalent(self) -> bool:
        """Whether EQUIVALENT says that the change changes nothing."""
        added = "\n".join(line for line in self.change.splitlines() if line.startswith("+"))
        return any(re.search(pattern, added) for pattern in EQUIVALENT)


def plant(module: str, tree: Path) -> list[Mutant]:
    """Put every mutant of ``module`` into the copy of the package at ``tree``, behind a switch in the environment."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    file = tree / "tenfold" / f"{module.replace('.', '/')}.py"
    made = mutate_file_contents(str(file), file.read_text("utf-8"))
    file.write_text(made.code, "utf-8")
    lines, spans = made.code.splitlines(), made.line_span_by_function_name

    def body(name: str) -> list[str]:
        span = spans[name]
        return [re.sub(r"__mutmut_\w+", "", line) for line in lines[span.start - 1 : span.end]]

    def change(name: str) -> str:
        before = body(f"{name.partition('__mutmut_')[0]}__mutmut_orig")
        diff = list(difflib.unified_diff(before, body(name), n=0, lineterm=""))
        return "\n".join(line for line in diff if line[:1] in "+-" and line[:3] not in ("+++", "---"))

    return [Mutant(f"tenfold.{module}.{name}", change(name)) for name in made.mutant_names]


def outcome(mutant: str, tests: list[str], limit: float) -> str:
    """Run ``tests`` with the mutant switched on: "killed", "survived" or "timeout"."""
    child = os.fork()
    if child == 0:
        import pytest

        os.setsid()
        os.environ["MUTANT_UNDER_TEST"] = mutant
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        code = 1
        try:
            code = int(pytest.main(["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]))
        finally:
            os._exit(code)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "killed" if status else "survived"
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def tried(module: str, sample: int | None, seed: int, tree: Path) -> Iterator[tuple[Mutant, str]]:
    """Every mutant of the module, or a sample of them, with its outcome."""
    mutants = plant(module, tree)
    real = [mutant for mutant in mutants if not mutant.equivalent]
    drawn = real if sample is None else random.Random(seed).sample(real, min(sample, len(real)))
    began = time.monotonic()
    if outcome("", TESTS[module], 600) != "survived":
        sys.exit(f"the tests of {module} fail without a mutant: {' '.join(TESTS[module])}")
    limit = 10 + 3 * (time.monotonic() - began)
    print(f"{module}: {len(mutants)} mutants, {len(mutants) - len(real)} equivalent, {len(drawn)} tried", flush=True)
    for mutant in drawn:
        yield mutant, outcome(mutant.name, TESTS[module], limit)


def one(module: str, sample: int | None, seed: int, tree: Path) -> None:
    """Try a module's mutants in this process, which gets its copy of the package from ``tree``."""
    import numpy
    import onnx
    import onnxruntime
    import pytest
    import torch

    torch.set_num_threads(1)
    del numpy, onnx, onnxruntime, pytest
    os.chdir(ROOT)
    began, counts = time.monotonic(), Counter[str]()
    for mutant, ended in tried(module, sample, seed, tree):
        counts[ended] += 1
        if ended == "survived":
            print(f"  {mutant.name.rpartition('.')[2]}\n{mutant.change}", flush=True)
    noticed = counts["killed"] + counts["timeout"]
    share = 100 * noticed / max(1, counts.total())
    print(
        f"{module}: {noticed} of {counts.total()} noticed, {share:.1f} %, {time.monotonic() - began:.0f} s", flush=True
    )


def main() -> None:
    """One process a module, so that each has its own copy of the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", choices=[[], *TESTS], metavar="MODULE", help=", ".join(TESTS))
    parser.add_argument("--sample", type=int, help="how many mutants of each module (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tree", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tree:
        one(arguments.modules[0], arguments.sample, arguments.seed, arguments.tree)
        return
    sample = [] if arguments.sample is None else ["--sample", str(arguments.sample)]
    for module in arguments.modules or TESTS:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "src", folder, dirs_exist_ok=True)
            command = [sys.executable, __file__, module, *sample, "--seed", str(arguments.seed), "--tree", folder]
            environment = {**os.environ, "PYTHONPATH": folder, "OMP_NUM_THREADS": "1", "MUTANT_UNDER_TEST": ""}
            subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
