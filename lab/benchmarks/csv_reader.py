"""How long and how much memory the strict table reader takes, against pandas.

    python lab/benchmarks/csv_reader.py [PATH] [--repeats N]

PATH is Kaggle's train.csv (or .csv.gz); without it a table of the same size is made up. pandas is needed
for this comparison only: pip install pandas. Every measurement runs in a process of its own; times are
medians, and include nothing of the start of Python. Memory is the peak above what the process held before,
less the array of pixels itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

IMAGES, PIXELS = 42_000, 784

# each defines `read`, which returns the pixels
READERS = {
    "pandas.read_csv": """
import pandas
def read(path):
    return pandas.read_csv(path).to_numpy()[:, 1:]
""",
    "tenfold": """
from tenfold.data.load import load
def read(path):
    return load(path, cache=False).images
""",
    "tenfold, from its cache": """
from tenfold.data.load import load
def read(path):
    return load(path).images
""",
}
MEASURE = """
import json, resource, sys, time
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, seconds = peak(), []
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    pixels = read(sys.argv[1])
    seconds.append(time.perf_counter() - started)
    if len(seconds) == 1:
        above = peak() - before - pixels.size
print(json.dumps({"seconds": seconds, "above": above, "sum": int(pixels.sum(dtype="int64"))}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.path or made_up_table(Path(folder) / "train.csv")
        environment = {**os.environ, "TENFOLD_HOME": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        measure("tenfold, from its cache", path, 1, environment)  # fills the cache, and the system's
        results = {name: measure(name, path, arguments.repeats, environment) for name in READERS}
    if len({result["sum"] for result in results.values()}) != 1:
        sys.exit("the readers disagree about the pixels")
    slowest = statistics.median(results["pandas.read_csv"]["seconds"])
    print(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, median of {arguments.repeats}")
    print(f"{'reader':26} {'seconds':>8} {'of pandas':>10} {'MB above array':>15}")
    for name, result in results.items():
        seconds = statistics.median(result["seconds"])
        print(f"{name:26} {seconds:8.3f} {seconds / slowest:9.1%} {result['above'] / 1e6:15.0f}")


def measure(name: str, path: Path, repeats: int, environment: dict[str, str]) -> dict:
    command = [sys.executable, "-c", READERS[name] + MEASURE, str(path), str(repeats)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def made_up_table(path: Path) -> Path:
    """A table as large as Kaggle's: four pixels in five are 0."""
    generator = np.random.default_rng(0)
    with open(path, "w") as file:
        file.write("label," + ",".join(f"pixel{n}" for n in range(PIXELS)) + "\n")
        for _ in range(IMAGES // 1000):
            pixels = generator.integers(1, 256, (1000, PIXELS)) * (generator.random((1000, PIXELS)) < 0.2)
            np.savetxt(file, np.column_stack([generator.integers(0, 10, 1000), pixels]), "%d", ",")
    return path


if __name__ == "__main__":
    main()
