"""The measurements themselves; each function here is a task for a worker process of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import torch

from tenfold.augment import build as build_augmentation
from tenfold.bench.cost import multiply_adds, parameters
from tenfold.bench.pace import matrix_product, rates
from tenfold.bench.stages import augmentation_mark, stages
from tenfold.bundle.loaded import BATCH as ONNX_BATCH
from tenfold.bundle.loaded import open_session
from tenfold.bundle.onnx_graph import export_onnx
from tenfold.environment import cores, describe
from tenfold.executors import Context, Json
from tenfold.training.device import prepare
from tenfold.training.loop import predict_proba, to_input, train_step
from tenfold.training.member import new_state
from tenfold.training.seeding import generator
from tenfold.training.state import TrainingState
from tenfold.values.recipe import Recipe, parse_recipe

CLASSES = 10
TORCH_BATCH = 256


def measure(context: Context, recipe: str, image_shape: list[int], batch: int | None, seconds: float) -> Json:
    """Speed of a recipe's first member on this machine's CPU.

    Args:
        context: asked whether to stop.
        recipe: as TOML.
        image_shape: [C, H, W].
        batch: images in a training step; None is the recipe's.
        seconds: for all measurements together, about.

    Returns:
        What :func:`tenfold.bench.run.bench` documents.
    """
    trial = _Trial(recipe, image_shape, batch)
    onnx = export_onnx([trial.state.network], trial.shape, CLASSES, "mean")
    mac = multiply_adds(trial.state.network, trial.shape)
    one = trial.images[:1].numpy()
    alone = open_session(onnx, 1)
    works: dict[str, Callable[[], float]] = {
        "product": matrix_product(),
        "train": trial.step,
        "torch": trial.predict,
        "onnx": lambda: len(alone.run(None, {"images": trial.many})[0]),
        "onnx_one": lambda: len(alone.run(None, {"images": one})[0]),
    }
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
        "machine": {key: describe()[key] for key in ("cpu", "instruction_set", "torch", "onnxruntime")} | {"cores": cores()},
    }
    predict["onnx_all_cores"] = _all_cores(context, onnx, trial, 2 * mac, 0.25 * seconds)
    return result


def train_in_turns(
    context: Context, recipe: str, image_shape: list[int], batch: int | None, seconds: float, turn_seconds: float, pauses: bool
) -> Json:
    """Train for ``seconds`` and say when each step was; two processes tell with it how they disturb each other.

    Turns of ``turn_seconds`` are counted on the clock that all processes of a machine share. With
    ``pauses`` only odd turns are trained in, so that a process without them is alone in the even ones.

    Returns:
        ``{"batch": ..., "steps": [[began, ended], ...]}`` in seconds of that clock.
    """
    trial = _Trial(recipe, image_shape, batch)
    trial.step()
    steps, took = [], 0.0
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end and not context.should_stop():
        turn, into = divmod(began, turn_seconds)
        if pauses and (turn % 2 == 0 or into + 1.5 * took > turn_seconds):  # no step should reach into the next
            time.sleep(0.005)
            continue
        trial.step()
        steps.append([began, time.monotonic()])
        took = steps[-1][1] - began
    return {"batch": trial.batch, "steps": steps}


class _Trial:
    """A recipe's first member with made-up data to train on and to predict."""

    def __init__(self, recipe: str, image_shape: list[int], batch: int | None) -> None:
        device = torch.device("cpu")
        prepare(device)
        self.recipe: Recipe = parse_recipe(recipe)
        self.batch = batch or self.recipe.train.batch_size
        c, h, w = image_shape
        self.shape = (c, h, w)
        self.state: TrainingState = new_state(self.recipe, 0, self.shape, CLASSES, device)
        draw = generator(self.recipe.seed, "bench")
        count = max(4 * self.batch, TORCH_BATCH)
        ink = torch.rand(count, *self.shape, generator=draw) < 0.2  # as much of the picture as digits take
        self.images = torch.randint(1, 256, ink.shape, generator=draw).mul(ink).to(torch.uint8)
        self.labels = torch.randint(CLASSES, (count,), generator=draw)
        self.many = self.images[:ONNX_BATCH].numpy()
        self._augment = build_augmentation(self.recipe.augment)
        self._starts: Iterator[int] = cycle(range(0, count - self.batch + 1, self.batch))
        self._draw = draw

    def step(self) -> int:
        """One training step, as a member's; the images it took."""
        rows = slice(start := next(self._starts), start + self.batch)
        images = to_input(self.images[rows])
        with augmentation_mark():
            images = self._augment(images, self._draw)
        train_step(self.state, images, self.labels[rows], 1e-4, self.recipe.train.label_smoothing)
        return self.batch

    def predict(self) -> int:
        return len(predict_proba(self.state.network, self.images[:TORCH_BATCH], batch=TORCH_BATCH))


def _all_cores(context: Context, onnx: bytes, trial: _Trial, flops: int, seconds: float) -> dict[str, Any]:
    """Prediction with a thread on every core. Comes last: idle threads disturb whatever runs after them."""
    threads = cores()
    torch.set_num_threads(threads)
    session = open_session(onnx, threads)
    works: dict[str, Callable[[], float]] = {
        "product": matrix_product(),
        "onnx": lambda: len(session.run(None, {"images": trial.many})[0]),
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
