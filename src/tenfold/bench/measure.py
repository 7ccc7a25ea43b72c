"""The measurements themselves; each function here is a task for a worker process of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tenfold.bench.pace import matrix_product, rates
from tenfold.bench.stages import stages
from tenfold.bench.trial import CLASSES, Trial
from tenfold.bundle.loaded import BATCH as ONNX_BATCH
from tenfold.bundle.loaded import open_session
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.environment import cores, describe
from tenfold.executors import Context, Json
from tenfold.models.cost import multiply_adds, parameters


def measure(context: Context, recipe: str, image_shape: list[int], batch: int | None, seconds: float) -> Json:
    """Speed of a recipe's first member on this machine's CPU.

    Args:
        context: asked whether to stop.
        recipe: as TOML.
        image_shape: [C, H, W].
        batch: images in a training step; None is the recipe's.
        seconds: for all measurements together, about.

    Returns:
        What :func:`tenfold.bench.speed.speed` documents.
    """
    trial = Trial(recipe, image_shape, batch)
    onnx = export_onnx([trial.state.network], trial.shape, CLASSES, "mean")
    mac = multiply_adds(trial.state.network, trial.shape)
    many, one = trial.images[:ONNX_BATCH].numpy(), trial.images[:1].numpy()
    alone = open_session(onnx, 1)
    works: dict[str, Callable[[], float]] = {
        "product": matrix_product(),
        "train": trial.step,
        "torch": trial.predict,
        "onnx": lambda: len(alone.run(None, {"images": many})[0]),
        "onnx_one": lambda: len(alone.run(None, {"images": one})[0]),
    }
    machine = describe()
    found = rates(works, 0.75 * seconds, context.should_stop)
    by_stage = stages(trial.step)
    predict: dict[str, Any] = {name: _figures(found, name, 2 * mac) for name in ("torch", "onnx", "onnx_one")}
    predict["onnx_one"]["microseconds"] = 1e6 / predict["onnx_one"]["images_per_second"]
    result = {
        "recipe": trial.recipe.name,
        "image_shape": image_shape,
        "parameters": parameters(trial.state.network),
        "mac": mac,
        "batch_size": trial.batch,
        "windows": len(found["train"]),
        "product_gflops": statistics.median(found["product"]),
        "train": _figures(found, "train", 3 * 2 * mac),
        "predict": predict,
        "step_seconds": by_stage,
        "machine": {key: machine[key] for key in ("cpu", "cores", "instruction_set", "torch", "onnxruntime")},
    }
    predict["onnx_all_cores"] = _all_cores(context, onnx, many, 2 * mac, 0.25 * seconds)
    return result


def train_in_turns(
    context: Context, recipe: str, image_shape: list[int], batch: int | None, seconds: float, turn_seconds: float, pauses: bool
) -> Json:
    """Train for ``seconds`` and say when each step was; two processes tell with it how they disturb each other.

    Turns of ``turn_seconds`` are counted on the clock that all processes of a machine share. With
    ``pauses`` only odd turns are trained in, so that a process without them is alone in the even ones.

    Returns:
        ``batch``; ``steps``, a list of [began, ended] in seconds of that clock; ``core_seconds``, the
        processor time of all of them.
    """
    trial = Trial(recipe, image_shape, batch)
    trial.step()
    steps, took = [], 0.0
    end, cpu_began = time.monotonic() + seconds, time.process_time()
    while (began := time.monotonic()) < end and not context.should_stop():
        turn, into = divmod(began, turn_seconds)
        if pauses and (turn % 2 == 0 or into + 1.5 * took > turn_seconds):  # no step should reach into the next
            time.sleep(0.005)
            continue
        trial.step()
        steps.append([began, time.monotonic()])
        took = steps[-1][1] - began
    return {"batch": trial.batch, "steps": steps, "core_seconds": time.process_time() - cpu_began}


def _all_cores(context: Context, onnx: bytes, images: NDArray[np.uint8], flops: int, seconds: float) -> dict[str, Any]:
    """Prediction with a thread on every core. Comes last: idle threads disturb whatever runs after them."""
    threads = cores()
    torch.set_num_threads(threads)
    session = open_session(onnx, threads)
    works: dict[str, Callable[[], float]] = {
        "product": matrix_product(),
        "onnx": lambda: len(session.run(None, {"images": images})[0]),
    }
    found = rates(works, seconds, context.should_stop)
    return {"threads": threads, "product_gflops": statistics.median(found["product"]), **_figures(found, "onnx", flops)}


def _figures(found: dict[str, list[float]], name: str, flops: int) -> dict[str, float]:
    """Medians over the windows; each window is compared with the matrix product beside it."""
    gflops = [rate * flops / 1e9 for rate in found[name]]
    shares = [a / b for a, b in zip(gflops, found["product"], strict=True)]
    return {
        "images_per_second": statistics.median(found[name]),
        "gflops": statistics.median(gflops),
        "share_of_product": statistics.median(shares),
    }
