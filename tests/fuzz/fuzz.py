"""Changes valid inputs at random and gives them to what reads them; what is neither read nor refused is kept for ever.

    python tests/fuzz/fuzz.py [TARGET ...] [--seconds 60] [--seed 0]

A finding - another exception, more than five seconds, more than 512 MiB - goes to tests/corpus/TARGET/, where every
test run meets it again. Exit code 1 if there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import logging
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from targets import REFUSALS, TARGETS, Target  # noqa: E402

CORPUS = Path(__file__).parents[1] / "corpus"
SECONDS_FOR_ONE = 5
BYTES_FOR_ALL = 512 << 20
NUMBERS = [b"0", b"-1", b"255", b"256", b"1e9", b"NaN", b"4294967295", b"9223372036854775808", b"99999999999999999999"]
TEXTS = [
    b"\0",
    b"\n",
    b"\r\n",
    b",",
    b'"',
    b"'",
    b"[",
    b"{",
    b"../",
    b"\xff\xfe",
    b"\xf0\x9f\x98\x80",
    b"\x1b[31m",
    b"=cmd()",
]


class TooSlowError(Exception):
    """An input took more than its time."""


def changed(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """``content`` after one to four random changes."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
        match draw.randrange(8):
            case 0 if data:
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            case 1:
                del data[place : min(end, place + draw.choice([1, 2, 16, 1 << 20]))]
            case 2:
                data[place:place] = draw.choice(NUMBERS + TEXTS)
            case 3:
                data[place : place + draw.randint(1, 4)] = draw.choice(NUMBERS)
            case 4:
                data[place:place] = data[place:end] * draw.choice([1, 1, 2, 50])
            case 5:
                data[place:end] = draw.choice([b"\0", b"\xff"]) * min(end - place, 8)
            case 6:
                other = draw.choice(others)
                data[place:] = other[draw.randrange(len(other) + 1) :]
            case _:
                data[place:place] = draw.randbytes(draw.randint(1, 9))
    return bytes(data[: 1 << 20])


def inputs(target: Target, seed: int) -> Iterator[bytes]:
    """The valid examples, then changes of them without end."""
    seeds = target.seeds()
    yield from seeds
    draw = random.Random(seed)
    while True:
        yield changed(draw.choice(seeds), seeds, draw)


def finding(target: Target, content: bytes) -> str | None:
    """Why the answer to ``content`` is neither a reading nor a refusal; None if all is well."""
    with tempfile.TemporaryDirectory() as folder, _time_limit(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a library notices about bad bytes is no finding
        try:
            target.read(content, Path(folder))
        except REFUSALS:
            return None
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return traceback.format_exc(limit=-3)
    return None


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def too_slow(number: int, frame: object) -> None:
        raise TooSlowError

    earlier = signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(SECONDS_FOR_ONE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)


def keep(name: str, content: bytes) -> Path:
    """Put a finding into the corpus."""
    path = CORPUS / name / hashlib.sha256(content).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.disable()  # a library says what it thinks of bad forms
    home = tempfile.TemporaryDirectory()
    os.environ["TENFOLD_HOME"] = home.name  # or the tables would be cached among the user's
    found = 0
    for name in arguments.targets or TARGETS:
        target, end, count = TARGETS[name], time.monotonic() + arguments.seconds, 0
        for content in inputs(target, arguments.seed):
            if time.monotonic() > end:
                break
            count += 1
            if count == 100:  # everything is loaded
                used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (used + BYTES_FOR_ALL, resource.RLIM_INFINITY))
            if why := finding(target, content):
                found += 1
                print(f"{name}: {keep(name, content)}\n{why}", flush=True)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(f"{name}: {count:,} inputs in {arguments.seconds:.0f} s", flush=True)
    sys.exit(found > 0)


if __name__ == "__main__":
    main()
