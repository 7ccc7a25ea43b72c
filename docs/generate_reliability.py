"""Write docs/reliability.md: every case of tests/cases.toml with the tests that hold it.

Run it with ``make docs``; ``--check`` only says whether the file is up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import _cases
from tenfold.files import write_text

PAGE = Path(__file__).with_name("reliability.md")
HEADER = """\
# Reliability: what must hold, and which test says so

Written by `make docs` from `tests/cases.toml` and the names of the tests below `tests/`. `make test` and `make
test-all` end with a table of these cases: passed, failed, skipped and why, not run.
[Threats](threats.md) looks at the same from an attacker's side; the promises stand in the
[README](../README.md) and in [Security](../SECURITY.md).

Not promised: equal bits across releases of torch, instruction sets, numbers of threads, or between
GPU and CPU; equal bits of a probability across batch sizes; safety from whoever can write to your
files; survival of power cuts on file systems that ignore fsync.

## How hard the tests look

Every branch of the atomic writer, the manifest, the input checks and the limits is run by a test (G04). Whether a test
would also notice a wrong one is asked by `make mutants`: it changes one constant, operator, argument or word at a time
and runs the tests of that module alone. Changes that change nothing are left out by the rules at the top of
`tests/mutants.py`; the words of messages do count. Of all 1,681 changes, so far samples
were tried, of 20 changes a module, drawn by chance (`make mutants MUTANTS="bundle.manifest --sample 20"`):

| module | changes | tried | noticed |
|---|---|---|---|
| `atomic` | 236 | 20, others | 19 |
| `bundle.inspection` | 134 | 20 | 20 |
| `bundle.manifest` | 47 | 20 | 20 |
| `data.files` | 347 | 20, others | 19 |
| `data.sources._csv_fault` | 479 | 20 | 19 |
| `data.sources._csv_header` | 475 | 20 | 19 |

That is 116 of 120, 97 %. A first draw (`--seed 0`) had found 109: 17 of `atomic` and 14 of `data.files`, which led to
tests and to rules where nothing changes; those two were drawn anew (`--seed 1`). Of the two that nobody noticed in them
one changes nothing, the other a message that another one replaces.
"""


def page() -> str:
    """The text of docs/reliability.md."""
    sections = [HEADER]
    for group in _cases.groups().values():
        rows = [f"| {case} | {sentence} | {_tests(case)} |" for case, sentence in group.sentences.items()]
        sections.append(
            "\n".join([f"## {group.title}\n", "| case | what holds | tests |", "|---|---|---|", *rows]) + "\n"
        )
    return "\n".join(sections)


def _tests(case: str) -> str:
    files = _cases.tested_in().get(case)
    if files is None:
        return f"none: {_cases.untested().get(case, 'not yet')}"
    return ", ".join(f"`{file.removesuffix('.py')}`" for file in files)


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(
            None
            if PAGE.is_file() and PAGE.read_text("utf-8") == page()
            else f"{PAGE} is not up to date; run: make docs"
        )
    write_text(PAGE, page())
