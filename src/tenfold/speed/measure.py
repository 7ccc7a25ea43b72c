"""The measurements themselves; each function here is a task for a worker process of its own."""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.profiler import ProfilerActivity, profile, record_function

from tenfold.augmentation import build as build_augmentation
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.bundle.predict import BATCH as ONNX_BATCH
from tenfold.bundle.predict import open_session
from tenfold.errors import Stopped, UsageError
from tenfold.executors import Context, Json
from tenfold.models._fitted import Fitted
from tenfold.models.network import multiply_adds, parameters
from tenfold.runtime import cores, describe
from tenfold.training.loop import predict_proba, to_input, train_step
from tenfold.training.member import new_state
from tenfold.training.state import generator, prepare
from tenfold.values.recipe import parse_recipe

SIDE = 1024
"""Rows and columns of the matrices whose product is the yardstick: large enough to run at full speed."""


def rates(
    works: Mapping[str, Callable[[], float]], seconds: float, should_stop: Callable[[], bool]
) -> dict[str, list[float]]:
    """Units per second of each of ``works``, window after window, the works taking turns.

    Args:
        works: by name; each call does some work and returns how many units it was.
        seconds: for all windows together.
        should_stop: asked before each round.

    Returns:
        By name, the rates of at least three windows; window ``i`` of all works lie side by side in time.

    Raises:
        Stopped: ``should_stop`` said so.
    """
    for work in works.values():
        work()  # the first call prepares memory and kernels
    window = min(0.5, seconds / (4 * len(works)))
    found: dict[str, list[float]] = {name: [] for name in works}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, found.values())) < 3:
        if should_stop():
            raise Stopped("stopped")
        for name, work in works.items():
            found[name].append(_rate(work, window))
    return found


def _rate(work: Callable[[], float], seconds: float) -> float:
    began, units = time.perf_counter(), 0.0
    while True:
        units += work()
        elapsed = time.perf_counter() - began
        if elapsed >= seconds:
            return units / elapsed


def matrix_product() -> Callable[[], float]:
    """A work whose units are GFLOP: one product of two float32 matrices, with torch's threads."""
    a, b, out = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE), torch.empty(SIDE, SIDE)

    def work() -> float:
        torch.mm(a, b, out=out)
        return 2 * SIDE**3 / 1e9

    return work


CLASSES = 10
TORCH_BATCH = 256


class Trial:
    """A recipe's first member with made-up data to train on and to predict.

    Args:
        recipe: as TOML.
        image_shape: [C, H, W].
        batch: images in a training step; None is the recipe's.

    Raises:
        UsageError: the first member is not trained in steps.

    Attributes:
        images: uint8 (N, C, H, W), with as much ink as digits have.
        labels: int64 (N,), without any relation to the images.
    """

    def __init__(self, recipe: str, image_shape: list[int], batch: int | None) -> None:
        device = torch.device("cpu")
        prepare(device)
        self.recipe = parse_recipe(recipe)
        self.batch = batch or self.recipe.train.batch_size
        c, h, w = image_shape
        self.shape = (c, h, w)
        self.state = new_state(self.recipe, 0, self.shape, CLASSES, device)
        if isinstance(self.state.network, Fitted):
            raise UsageError(
                f"bench measures steps of training, and {self.recipe.name!r} is fitted at once; try: tenfold run"
            )
        draw = generator(self.recipe.seed, "bench")
        count = max(4 * self.batch, TORCH_BATCH)
        ink = torch.rand(count, *self.shape, generator=draw) < 0.2
        self.images = torch.randint(1, 256, ink.shape, generator=draw).mul(ink).to(torch.uint8)
        self.labels = torch.randint(CLASSES, (count,), generator=draw)
        self._augment = build_augmentation(self.recipe.augment)
        self._starts = cycle(range(0, count - self.batch + 1, self.batch))
        self._draw = draw

    def step(self) -> int:
        """One training step, as a member's; the images it took."""
        rows = slice(start := next(self._starts), start + self.batch)
        images = to_input(self.images[rows])
        with augmentation_mark():
            images = self._augment(images, self._draw)
        train_step(self.state, images, self.labels[rows], 1e-4, self.recipe.train)
        return self.batch

    def predict(self) -> int:
        """One batch predicted with torch; the images it had."""
        return len(predict_proba(self.state.network, self.images[:TORCH_BATCH], batch=TORCH_BATCH))


AUGMENTATION = "tenfold.augmentation"
"""Mark the augmentation of a step with ``record_function`` of this name."""

# the first that matches an operator or, from the inside out, one of those that called it
_KINDS = {
    "convolution, backward": r"convolution.*backward|ConvolutionBackward",
    "convolution, forward": r"conv",
    "batch norm": r"batch_norm|BatchNorm",
    "pooling": r"pool|Pool",
    "dense": r"addmm|Addmm|linear|aten::mm$",
    "loss": r"cross_entropy|log_softmax|LogSoftmax|nll_loss|NllLoss",
    "activation": r"relu|Relu|elu|Elu|silu|Silu|threshold|clamp_min",
    "dropout": r"dropout|Dropout|bernoulli",
}
# these own whatever happens within them
_WHOLE = {"augmentation": re.escape(AUGMENTATION), "optimiser": r"^Optimizer\."}

STAGES = (*_WHOLE, *_KINDS, "other")


def stages(step: Callable[[], Any], steps: int = 5) -> dict[str, float]:
    """Seconds of one ``step`` by stage, the mean of ``steps``; a key for every name in ``STAGES``."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler prints a line at its start and at its end
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            step()
    totals = dict.fromkeys(STAGES, 0.0)
    for event in profiler.events():
        totals[_stage(event)] += event.self_cpu_time_total / 1e6 / steps
    return totals


def augmentation_mark() -> record_function:
    """A context for the augmentation in a step that :func:`stages` looks at."""
    return record_function(AUGMENTATION)


def _stage(event: Any) -> str:
    callers = []
    while event is not None:
        callers.append(event.name)
        event = event.cpu_parent
    for stage, pattern in _WHOLE.items():
        if any(re.search(pattern, name) for name in callers):
            return stage
    return next((stage for name in callers for stage, pattern in _KINDS.items() if re.search(pattern, name)), "other")


def measure(context: Context, recipe: str, image_shape: list[int], batch: int | None, seconds: float) -> Json:
    """Speed of a recipe's first member on this machine's CPU.

    Args:
        context: asked whether to stop.
        recipe: as TOML.
        image_shape: [C, H, W].
        batch: images in a training step; None is the recipe's.
        seconds: for all measurements together, about.

    Returns:
        What :func:`tenfold.speed.rates.speed` documents.
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
    context: Context,
    recipe: str,
    image_shape: list[int],
    batch: int | None,
    seconds: float,
    turn_seconds: float,
    pauses: bool,
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
