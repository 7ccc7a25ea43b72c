"""How work scales: two processes beside one, what Ray costs a task, and a simulated cluster up to 1,000 members.

    python lab/benchmarks/scaling.py processes [RECIPE] [--seconds 40]
    python lab/benchmarks/scaling.py overhead [--tasks 200] [--core-seconds 440 --members 3]
    python lab/benchmarks/scaling.py cluster [--workers 16] [--members 16 100 1000] [--member-seconds 150] [--faster
    300]
    python lab/benchmarks/scaling.py predict BUNDLE SOURCE [--workers 2]

``processes`` is what ``tenfold bench --members-scaling`` measures. ``overhead`` runs tasks that do nothing, one at a
time,
on a Ray cluster of this machine, and says which share of a run with so many members that is. ``cluster`` starts so many
Ray workers, which are processes, on cores that are not there: a member sleeps for as long as it was measured to train,
``--faster`` times scaled down, and emits an event an epoch. So what is measured is everything but the training: handing
out tasks, hearing events, taking results. Efficiency is the time that the workers slept, divided by workers times
elapsed
time. ``predict`` compares core-seconds an image of the local executor, one thread, with those of Ray's workers.

Wall-clock times want a machine on which nothing else runs; core-seconds are less easily disturbed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
EPOCHS = 10
TRIES = 10


def pretend(context: Any, seconds: float) -> dict[str, Any]:
    """A member that sleeps instead of training."""
    began = time.monotonic()
    for epoch in range(EPOCHS):
        time.sleep(seconds / EPOCHS)
        context.emit({"epoch": epoch + 1})
    return {"slept": time.monotonic() - began, "pid": os.getpid()}


def nothing(context: Any, number: int) -> dict[str, Any]:
    """A task that costs what a task costs."""
    return {"number": number}


def processes(recipe: str, seconds: float) -> dict[str, Any]:
    """Images a second of two members beside one; see ``tenfold.speed.rates``."""
    import tenfold
    from tenfold.speed.rates import scaling

    return scaling(tenfold.load_recipe(recipe), seconds=seconds)


def overhead(tasks: int, core_seconds: float, members: int) -> dict[str, Any]:
    """Seconds that a task costs on Ray besides its work, and the share of a run of so many members."""
    from tenfold.plugins.ray import Ray

    begun = time.monotonic()
    stamps: list[float] = []
    for _ in Ray(1).stream("scaling:nothing", ({"number": number} for number in range(tasks + 1)), lambda i, e: None):
        stamps.append(time.monotonic())
    costs = [b - a for a, b in itertools.pairwise(stamps)]
    each = statistics.median(costs)
    start = stamps[0] - begun  # a cluster, a worker, its first task
    return {
        "tasks": tasks,
        "milliseconds_a_task": 1000 * each,
        "milliseconds_when_undisturbed": 1000 * statistics.quantiles(costs, n=10)[0],
        "start_seconds": start,
        "share_of_a_run": members * each / core_seconds,
        "share_of_a_run_with_the_start_of_a_cluster": (start + members * each) / core_seconds,
    }


def cluster(workers: int, members: int, member_seconds: float, faster: float) -> dict[str, Any]:
    """Efficiency of so many simulated workers with so many members."""
    from tenfold.plugins._ray_cluster import connected
    from tenfold.plugins.ray import Ray

    events = 0

    def hear(index: int, event: dict[str, Any]) -> None:
        nonlocal events
        events += 1

    seconds = member_seconds / faster
    with connected(workers, None, insecure=False):
        for _ in range(TRIES):  # every worker is there before the clock runs; one that comes late finds its task taken
            warm = Ray(workers).map("scaling:pretend", [{"seconds": 5.0}] * workers, hear)
            if len({result["pid"] for result in warm}) == workers:
                break
        events, begun = 0, time.monotonic()
        results = Ray(workers).map("scaling:pretend", [{"seconds": seconds}] * members, hear)
        elapsed = time.monotonic() - begun
    return {**efficiency([result["slept"] for result in results], workers, elapsed), "events": events}


def efficiency(slept: list[float], workers: int, elapsed: float) -> dict[str, Any]:
    """What ``workers`` that could have slept for ``elapsed`` seconds made of them; the last round may be a part of
    one.
    """
    ideal = max(sum(slept) / workers, max(slept))
    return {
        "members": len(slept),
        "workers": workers,
        "seconds": elapsed,
        "efficiency": sum(slept) / (workers * elapsed),
        "of_what_is_possible": ideal / elapsed,
        "milliseconds_a_member": 1000 * (elapsed - ideal) / len(slept),
    }


def predict(bundle: str, source: str, workers: int) -> dict[str, Any]:
    """Images a core-second: in this process with one thread, and by Ray's workers; the driver beside them."""
    from tenfold.bundle import batch

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for executor in ("local", "ray"):
            begun, cpu = time.monotonic(), time.process_time()
            outcome = batch.predict_to_csv(
                Path(bundle),
                [source],
                Path(folder) / f"{executor}.csv",
                options=batch.ReadOptions(max_input_bytes=1 << 40),
                executor=executor,
                workers=workers,
                threads=1,
            )
            cost, elapsed = outcome.core_seconds, time.monotonic() - begun
            driver = time.process_time() - cpu - (cost if executor == "local" else 0.0)  # which works in this process
            found[executor] = {
                "images": outcome.rows,
                "core_seconds": cost,
                "driver_core_seconds": driver,
                "images_per_core_second": outcome.rows / cost,
                "images_per_second": outcome.rows / elapsed,
            }
        same = (Path(folder) / "local.csv").read_bytes() == (Path(folder) / "ray.csv").read_bytes()
    return {**found, "same_bytes": same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("processes")
    one.add_argument("recipe", nargs="?", default="quick")
    one.add_argument("--seconds", type=float, default=40.0)
    two = commands.add_parser("overhead")
    two.add_argument("--tasks", type=int, default=200)
    two.add_argument("--core-seconds", type=float, default=440.0)
    two.add_argument("--members", type=int, default=3)
    three = commands.add_parser("cluster")
    three.add_argument("--workers", type=int, default=16)
    three.add_argument("--members", type=int, nargs="+", default=[16, 100, 1000])
    three.add_argument("--member-seconds", type=float, default=150.0)
    three.add_argument("--faster", type=float, default=300.0)
    four = commands.add_parser("predict")
    four.add_argument("bundle")
    four.add_argument("source")
    four.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    if chosen.command == "processes":
        results = [processes(chosen.recipe, chosen.seconds)]
    elif chosen.command == "overhead":
        results = [overhead(chosen.tasks, chosen.core_seconds, chosen.members)]
    elif chosen.command == "cluster":
        results = [cluster(chosen.workers, members, chosen.member_seconds, chosen.faster) for members in chosen.members]
    else:
        results = [predict(chosen.bundle, chosen.source, chosen.workers)]
    for result in results:
        print(json.dumps(result, indent=2), file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
