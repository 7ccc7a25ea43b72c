"""The notebook's CNN in Keras/TensorFlow and here: images per second in training and prediction.

    python lab/benchmarks/keras_cnn.py [--venv FOLDER] [--rounds N] [--seconds N]

Makes a virtual environment in FOLDER (by default a temporary one, removed afterwards), installs tensorflow-cpu
into it (about 1 GB) unless it is there, and measures the two in turn, N rounds, on all cores: Keras with its own
threads, tenfold as it trains and predicts: a process with one thread per ensemble member, one on each core; ONNX
Runtime with a thread on every core. Data is made up, in memory, and the same for both; tenfold's training includes the
notebook's augmentation, Keras' does not. Prints medians over the rounds and the median of each round's ratio,
with the load of the machine: a busy one hurts a process with several threads more than several processes. Images
per core-second count processor time only and are what to look at then.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

from tenfold import load_recipe
from tenfold.errors import UsageError
from tenfold.executors import Json
from tenfold.executors.processes import Processes
from tenfold.runtime import cores
from tenfold.speed.rates import TASK, speed
from tenfold.values.recipe import Recipe

BATCHES = (16, 128)
KERAS = """
import json, sys, time
import numpy as np
import tensorflow as tf
from tensorflow.keras import Sequential, layers

seconds, batches = float(sys.argv[1]), [int(b) for b in sys.argv[2:]]
stack = [layers.Input((28, 28, 1))]
for filters in (32, 64, 128):
    for size, stride in ((3, 1), (3, 1), (5, 2)):
        stack += [layers.Conv2D(filters, size, stride, padding="same", activation="relu"), layers.BatchNormalization()]
    stack.append(layers.Dropout(0.4))
stack += [layers.Flatten(), layers.Dense(128, activation="relu", kernel_initializer="he_normal"), layers.BatchNormalization()]
model = Sequential([*stack, layers.Dropout(0.4), layers.Dense(10, activation="softmax")])
model.compile(optimizer=tf.keras.optimizers.Adam(1e-3), loss="categorical_crossentropy", metrics=["accuracy"])
draw = np.random.default_rng(0)
images = (draw.random((2048, 28, 28, 1)) * (draw.random((2048, 28, 28, 1)) < 0.2)).astype("float32")
labels = np.eye(10, dtype="float32")[draw.integers(0, 10, 2048)]

def rate(work, count):
    work()
    began, cpu, calls = time.perf_counter(), time.process_time(), 0
    while calls == 0 or time.perf_counter() - began < seconds:
        work()
        calls += 1
    return calls * count / (time.perf_counter() - began), calls * count / (time.process_time() - cpu)

found = {"version": tf.__version__, "parameters": model.count_params()}
for batch in batches:
    count = 32 * batch if 32 * batch < 2048 else 2048
    fit = lambda: model.fit(images[:count], labels[:count], batch_size=batch, epochs=1, verbose=0)
    found[f"train {batch}"], found[f"train {batch} per core"] = rate(fit, count)
found["predict"], _ = rate(lambda: model.predict(images, batch_size=128, verbose=0), 2048)
found["predict one"], _ = rate(lambda: model.predict(images[:1], verbose=0), 1)
print(json.dumps(found))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venv", type=Path, help="folder of the environment with tensorflow; made if it is not there")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="for each figure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = environment_with_tensorflow(arguments.venv or Path(folder) / "keras")
        rounds = []
        for number in range(arguments.rounds):
            loads = [os.getloadavg()[0]]
            keras = measure_keras(python, arguments.seconds)
            loads.append(os.getloadavg()[0])
            rounds.append((keras, measure_tenfold(arguments.seconds)))
            print(f"round {number + 1}: load {loads[0]:.1f} before Keras, {loads[1]:.1f} before tenfold", flush=True)
    report(rounds)


def environment_with_tensorflow(folder: Path) -> Path:
    """The Python of an environment that has tensorflow-cpu."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} and installing tensorflow-cpu ...", flush=True)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "tensorflow-cpu"], check=True)
    return python


def measure_keras(python: Path, seconds: float) -> dict[str, float]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("OMP_NUM_THREADS", None)
    command = [python, "-c", KERAS, str(seconds), *map(str, BATCHES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"Keras failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def together(recipe: Recipe, processes: int, *, batch: int | None = None, seconds: float = 20.0) -> Json:
    """So many training processes at once.

    Returns:
        ``images_per_second`` of all together, over the time in which all of them train, and
        ``images_per_core_second``, which what else runs on the machine hardly disturbs.

    Raises:
        UsageError: ``seconds`` are too few: there is no such time.
    """
    common = {"recipe": recipe.to_toml(), "image_shape": [1, 28, 28], "batch": batch, "seconds": seconds}
    tasks = [{**common, "turn_seconds": seconds, "pauses": False}] * processes
    found = Processes(processes).map(TASK, tasks, lambda index, event: None)
    images = sum(len(each["steps"]) * each["batch"] for each in found)
    cost = sum(each["core_seconds"] for each in found)
    return {"images_per_second": common_rate(found), "images_per_core_second": images / cost}


def common_rate(processes: Sequence[Json]) -> float:
    """Images per second of all ``processes`` together while all of them train; a step at the border counts in part.

    Raises:
        UsageError: there is no such time.
    """
    first = max(each["steps"][0][0] for each in processes)
    last = min(each["steps"][-1][1] for each in processes)
    if first >= last:
        raise UsageError("the processes did not train at the same time; try more --seconds")
    steps = [(step, each["batch"]) for each in processes for step in each["steps"]]
    inside = (
        (max(0.0, min(ended, last) - max(began, first)) / (ended - began), batch) for (began, ended), batch in steps
    )
    return sum(share * batch for share, batch in inside) / (last - first)


def measure_tenfold(seconds: float) -> dict[str, float]:
    recipe = load_recipe("notebook/cnn")
    found = {}
    for batch in BATCHES:
        trained = together(recipe, cores(), batch=batch, seconds=seconds)
        found[f"train {batch}"] = trained["images_per_second"]
        found[f"train {batch} per core"] = trained["images_per_core_second"]
    whole = speed(recipe, seconds=2 * seconds)
    predict = whole["predict"]
    return {
        **found,
        "predict": predict["onnx_all_cores"]["images_per_second"],
        "predict one": predict["onnx_one"]["images_per_second"],
        "share": predict["onnx_all_cores"]["share_of_product"],
        "product": predict["onnx_all_cores"]["product_gflops"],
        "parameters": whole["parameters"],
    }


def report(rounds: list[tuple[dict[str, float], dict[str, float]]]) -> None:
    print(f"\nthe notebook's CNN, images per second, {cores()} cores; medians of {len(rounds)} rounds")
    print(f"{'':30}{'Keras ' + str(rounds[0][0]['version']):>16}{'tenfold':>12}{'ratio':>8}")
    names = {}
    for batch in BATCHES:
        names |= {f"train {batch}": f"train, batches of {batch}", f"train {batch} per core": "  per core-second"}
    names |= {"predict": "predict", "predict one": "predict, one image at a time"}
    for key, name in names.items():
        keras, ours = (statistics.median(each[side][key] for each in rounds) for side in (0, 1))
        ratio = statistics.median(b[key] / a[key] for a, b in rounds)
        print(f"{name:30}{keras:>16,.0f}{ours:>12,.0f}{ratio:>8.2f}")
    share, product = (statistics.median(b[key] for _, b in rounds) for key in ("share", "product"))
    print(f"tenfold predicts at {share:.0%} of the float32 matrix product's {product:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
