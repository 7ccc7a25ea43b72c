"""Child of test_atomic: dies before and after every call in turn; prints what was then under the final name."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _faulty_os import FaultyOs
from tenfold import files

OLD, NEW = b"old" * 1000, [b"new" * 500, b"new" * 500]


def die_before(name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    os._exit(137)


def die_after(name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    real(*args)
    os._exit(137)


def main(folder: Path) -> None:
    """Print a JSON list of [call, before or after, state] for every call that one write makes."""
    seen = []
    for fault in (die_before, die_after):
        for at in range(1, 100):
            path = folder / f"{fault.__name__}-{at}"
            path.write_bytes(OLD)
            child = os.fork()
            if child == 0:
                files.os = FaultyOs(at, fault)  # type: ignore[assignment]
                files.write_chunks(path, NEW)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            state = {OLD: "old", b"".join(NEW): "new"}.get(path.read_bytes(), "broken")
            seen.append((at, fault.__name__, os.waitstatus_to_exitcode(status), state))
            if seen[-1][2] == 0:
                break
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
