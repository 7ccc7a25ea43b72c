"""How much `tenfold serve` bears: requests a second, latency, what HTTP adds, memory over many requests, and a soak.

    python lab/benchmarks/serve.py [--seconds 30] [--requests 100000] [--workers 0]
    python lab/benchmarks/serve.py --rate 360 [--seconds 8]
    python lab/benchmarks/serve.py --soak 15m
    python lab/benchmarks/serve.py --yardstick [--seconds 10] [--workers 2]

The first starts the service with the recogniser that comes along and measures, in this order: what HTTP adds to one
request
when nobody else asks; capacity, by a ladder of rates (each 1.25 times the last) until the 99th percentile passes 100 ms
or
an answer is missing; latencies and processor time at 60 % of capacity; and memory over many requests of which one in
ten is
bad. Load is an open loop (see open_loop.py) on the same machine, so the generator's own work is part of every figure.
Each
request is a PNG file of one of MNIST's test images, and asks for one answer.

The second asks at one rate only. The third mixes good requests, bad ones and clients that vanish for as long, prints a
line
every 2,000 requests, and says whether memory grows and whether any answer was wrong. The fourth measures the usual way to
serve a model (yardstick.py) and this one in turn, three times, and prints ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from open_loop import LOST, Load, closed_loop, open_loop, post
from PIL import Image

import tenfold
from tenfold.service.work import Model, Workshop, document

MIB = 1 << 20
WARM_UP = 5_000
SLOWEST = 0.1
"""Seconds: a rate at which one answer in a hundred takes longer is beyond capacity."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=30, help="at 60 %% of capacity; each rate of the ladder takes a fifth"
    )
    parser.add_argument("--requests", type=int, default=100_000, help="over which memory is looked at; 0 leaves it out")
    parser.add_argument("--workers", type=int, default=0, help="as for tenfold serve")
    parser.add_argument("--start", type=float, default=200, help="the first rate of the ladder")
    parser.add_argument("--rate", type=float, metavar="360", help="only this: latencies at so many requests a second")
    parser.add_argument(
        "--soak", type=duration, metavar="15m", help="only this, for so many seconds, minutes (m) or hours (h)"
    )
    parser.add_argument("--yardstick", action="store_true", help="only this: beside FastAPI with a thread pool")
    arguments = parser.parse_args()
    pictures = tenfold.load("mnist", "test").images[:200, 0]
    files = [png(picture) for picture in pictures]
    good = [post("/v1/predict", "image/png", file) for file in files]
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before")
    if arguments.yardstick:
        beside(good, arguments.workers or 2, arguments.seconds)
        return
    with service(arguments.workers) as (port, process):
        if arguments.soak:
            soak(port, process, good, arguments.soak)
            return
        if arguments.rate:
            asyncio.run(closed_loop(port, good, 600, 4))
            load = asyncio.run(open_loop(port, good, arguments.rate, arguments.seconds))
            print(f"{arguments.rate:.0f}/s for {arguments.seconds:g} s: {described(load)}")
            return
        overhead(port, good, files)
        capacity = ladder(port, good, arguments.start, arguments.seconds / 5)
        before = [time.process_time(), *processor_seconds(process.pid)]
        steady = asyncio.run(open_loop(port, good, 0.6 * capacity, arguments.seconds))
        used = np.subtract([time.process_time(), *processor_seconds(process.pid)], before) / len(steady.answers)
        print(f"at 60 % ({0.6 * capacity:.0f}/s) for {arguments.seconds:g} s: {described(steady)}")
        print("processor time a request: generator {:.2f} ms, HTTP {:.2f} ms, workers {:.2f} ms".format(*(1e3 * used)))
        if arguments.requests:
            memory(port, process, good, arguments.requests)
    print(f"load average {os.getloadavg()[0]:.1f} after")


def duration(text: str) -> float:
    """Seconds: "90", "90s", "15m" or "7h"."""
    units = {"s": 1, "m": 60, "h": 3600}
    return float(text.rstrip("smh")) * units.get(text[-1:], 1)


@contextlib.contextmanager
def service(workers: int, yardstick: bool = False) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A ready service, its port and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tenfold", "serve", "--port", str(port), "--no-log", "--workers", str(workers)]
    if yardstick:
        command = [sys.executable, str(Path(__file__).with_name("yardstick.py")), str(port), str(workers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True, env=environment) as process:
        try:
            while not ready(port):
                time.sleep(0.1)
            yield port, process
        finally:
            process.send_signal(signal.SIGINT)


def ready(port: int) -> bool:
    """Whether the service there answers."""
    asked = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.suppress(OSError):
        return asyncio.run(closed_loop(port, [asked], 1, 1)).answers[0].status == 200
    return False


def beside(good: list[bytes], workers: int, seconds: float) -> None:
    """The yardstick and the service in turn: 32 clients that never wait, one that does, processor time a request."""
    found: dict[bool, list[tuple[float, ...]]] = {True: [], False: []}
    for _ in range(3):
        for yardstick in (True, False):
            with service(workers, yardstick) as (port, process):
                asyncio.run(closed_loop(port, good, 400, 8))
                before = sum(processor_seconds(process.pid))
                full = asyncio.run(closed_loop(port, good, int(100 * seconds), 32))
                used = (sum(processor_seconds(process.pid)) - before) / len(full.answers)
                alone = asyncio.run(closed_loop(port, good, 400, 1))
                found[yardstick].append(
                    (full.rate(), 1e3 * full.latency(0.99)[0], 1e3 * alone.latency(0.5)[0], 1e3 * used)
                )
    names = (
        "requests a second, 32 clients",
        "p99 of them, ms",
        "p50 of one client, ms",
        "processor time, ms a request",
    )
    usual, ours = (np.median(found[which], axis=0) for which in (True, False))
    for name, one, other in zip(names, usual, ours, strict=True):
        print(f"{name:30s} usual {one:8.2f}  tenfold {other:8.2f}  ratio {other / one:.2f}")


def overhead(port: int, good: list[bytes], files: list[bytes]) -> None:
    """What HTTP, the queue and the way to a worker add to the work itself."""
    workshop = Workshop({"digits": Model("digits", tenfold.Bundle.open("builtin", 1))}, 256, None)
    header = {"model": "digits", "content_type": "image/png", "show": []}
    alone = []
    for _ in range(3):
        for file in files:
            began = time.perf_counter()
            work = workshop.predict(header, file)
            assert work.model is not None
            assert work.images is not None
            document(work.finish(work.model.bundle.predict_proba(work.images)))
            alone.append(time.perf_counter() - began)
    asked = asyncio.run(closed_loop(port, good, 600, 1))
    work_p50, total_p50, total_p99 = float(np.median(alone)), *asked.latency(0.5, 0.99)
    print(f"one client: {1e3 * total_p50:.2f} ms at p50, {1e3 * total_p99:.2f} at p99; ", end="")
    print(f"the work itself {1e3 * work_p50:.2f}, so HTTP adds {1e3 * (total_p50 - work_p50):.2f} ms at p50")


def ladder(port: int, good: list[bytes], rate: float, seconds: float) -> float:
    """Requests a second that are all answered, 99 % of them within :data:`SLOWEST` seconds."""
    borne = 0.0
    while True:
        load = asyncio.run(open_loop(port, good, rate, seconds))
        print(f"{rate:7.0f}/s for {seconds:g} s: {described(load)}")
        if load.latency(0.99)[0] > SLOWEST or set(load.statuses()) != {200}:
            break
        borne, rate = rate, 1.25 * rate
    print(f"capacity {borne:.0f} requests/s")
    return borne or rate / 2


def memory(port: int, process: subprocess.Popen[str], good: list[bytes], count: int) -> None:
    """Growth over ``count`` requests, of which one in ten is bad."""
    mixed = [*good[:180], *(bad_requests(good) * 10)[:20]]
    asyncio.run(closed_loop(port, mixed, WARM_UP, 16))
    before = resident(process.pid)
    load = asyncio.run(closed_loop(port, mixed, count, 16))
    grown = (resident(process.pid) - before) / MIB
    print(
        f"memory: {grown:+.1f} MiB from {before / MIB:.0f} over {count:,} requests ({dict(load.statuses())}),"
        f" {load.rate():.0f}/s"
    )


def soak(port: int, process: subprocess.Popen[str], good: list[bytes], seconds: float) -> None:
    """Good, bad and vanishing clients; every good answer is compared with the one from the beginning."""
    expected = [json.loads(a.body) for a in sorted(asyncio.run(closed_each(port, good)).answers, key=lambda a: a.which)]
    bad = bad_requests(good)
    asyncio.run(closed_loop(port, [*good, *bad * 5], WARM_UP, 16))
    began, sizes, wrong, lost, count = time.monotonic(), [], 0, 0, 0
    while (now := time.monotonic() - began) < seconds:
        load = asyncio.run(closed_loop(port, [*good, *bad * 5], 2_000, 16, seed=count))
        vanish(port, good[0], 20)
        count += len(load.answers) + 20
        for answer in load.answers:
            lost += answer.status == LOST or answer.status >= 500
            if answer.which < len(good) and answer.status == 200:
                found, first = json.loads(answer.body)["predictions"][0], expected[answer.which]["predictions"][0]
                wrong += found["class"] != first["class"] or abs(found["confidence"] - first["confidence"]) > 1e-6
        sizes.append((now, resident(process.pid)))
        print(
            f"{now:7.0f} s  {count:10,} requests  {sizes[-1][1] / MIB:6.1f} MiB  {wrong} wrong  {lost} lost or 5xx",
            flush=True,
        )
    at, size = np.array(sizes, np.float64).T
    slope = np.polyfit(at, size / MIB, 1)[0] * 3600 if len(sizes) > 1 else 0.0
    print(
        f"slope {slope:+.1f} MiB an hour, {(size[-1] - size[0]) / MIB:+.1f} MiB in all; {wrong} wrong, {lost} lost"
        " or 5xx"
    )
    sys.exit(1 if wrong or lost else 0)


async def closed_each(port: int, requests: list[bytes]) -> Load:
    """Each request once."""
    loads = [await closed_loop(port, [request], 1, 1) for request in requests]
    answers = tuple(
        type(load.answers[0])(i, load.answers[0].status, load.answers[0].seconds, load.answers[0].body)
        for i, load in enumerate(loads)
    )
    return Load(answers, sum(load.seconds for load in loads))


def vanish(port: int, request: bytes, count: int) -> None:
    """Clients that leave in the middle of what they send, or before the answer."""
    for i in range(count):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(request if i % 2 else request[: len(request) // 2])


def bad_requests(good: list[bytes]) -> list[bytes]:
    """Some of each kind: cut images, broken JSON, wrong types, wrong names."""
    head, _, file = good[0].partition(b"\r\n\r\n")
    assert head
    return [
        post("/v1/predict", "image/png", file[: len(file) // 2]),
        post("/v1/predict", "application/json", b'{"image": '),
        post("/v1/predict", "application/json", b'{"image": {"base64": "!"}}'),
        post("/v1/predict", "application/x-python-serialize", b"\x80\x04."),
        post("/v1/predict?model=none", "image/png", file),
    ]


def described(load: Load) -> str:
    p50, p99, p999 = (1e3 * value for value in load.latency(0.5, 0.99, 0.999))
    others = {status: count for status, count in load.statuses().items() if status != 200}
    return f"{load.rate():.0f}/s answered, p50 {p50:.1f} ms, p99 {p99:.1f}, p99.9 {p999:.1f}" + (
        f", {others}" if others else ""
    )


def resident(pid: int) -> int:
    """Bytes of memory of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return (int(found[1]) * 1024 if found else 0) + sum(resident(int(child)) for child in children)


def processor_seconds(pid: int) -> tuple[float, float]:
    """That a process has used, and all its children."""

    def used(one: int) -> float:
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return used(pid), sum(used(int(child)) for child in children)


def png(levels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(levels).save(content, "PNG")
    return content.getvalue()


if __name__ == "__main__":
    main()
