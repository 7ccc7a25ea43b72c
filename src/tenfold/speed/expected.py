"""What is to be expected of a recipe before anything is trained: time on this machine, and accuracy.

Time comes from the layers' cost and one short measurement of this machine, which is kept for other trainings; accuracy
comes from figures that the recipe itself has under ``[expected]``.
"""

from __future__ import annotations

import heapq
import math
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tenfold.data.cache import home
from tenfold.errors import IntegrityError
from tenfold.executors import at_once
from tenfold.files import make_directory, write_json
from tenfold.runtime import cpu_model, instruction_set, version
from tenfold.training.fitting import few_steps, fitted, like_digits, rows_that_train, steps_of
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import ModelSettings, Recipe, find_recipe, load_recipe
from tenfold.values.serialisation import read_json_object

if TYPE_CHECKING:
    from tenfold.pipeline import Listener, Settings

Shape = tuple[int, int, int]

# Milliseconds of one core of an AMD EPYC with AVX2 in float32: of an image's million multiply-adds and thousand outputs
# of layers, of a step's layers and 100,000 parameters. Fitted to eleven networks, whose time it has within 25 %.
AN_IMAGE = {"multiply_adds": 0.164, "outputs": 0.0083}
A_STEP = {"layers": 0.29, "layers with muon": 1.31, "parameters": 1.8}
FORWARD = 0.3
"""Share of an image's training that predicting it takes."""
FITTING_RATE = 14e9
"""Multiply-adds a second of models that are fitted at once, on the same core."""
START = 4.0
"""Seconds until a process computes: torch is imported."""
MEASURED = 1.0
"""Seconds that this machine is measured for, where it is worth it ..."""
WORTH_MEASURING = 20.0
"""... for trainings of more core-seconds than this; the others take the figures above as they are."""
FILE = "speed.json"
SLOPE = 0.35
"""Errors shrink with rows to this power where a recipe has one figure only: as `fast`'s first network's do."""
EPOCHS_HELP = 0.2
"""... and with epochs to this power."""
FEWEST, MOST = 1 / 3, 2.0
"""Of a recipe's epochs, where they are chosen for a time."""


@dataclass(frozen=True)
class Expectation:
    """What is to be expected of a recipe.

    Attributes:
        recipe: fitted to the data.
        accuracy: share of unseen images that it gets right, if they are like Kaggle's digits; None if not known.
        core_seconds: of its training and of the predictions that belong to it.
        seconds: of the training, on the cores that it has.
        cores: how many it uses.
    """

    recipe: Recipe
    accuracy: float | None
    core_seconds: float
    seconds: float
    cores: int

    def __str__(self) -> str:
        many = f"{self.cores} cores" if self.cores > 1 else "1 core"
        return f"about {in_words(self.seconds)} on {many}"


def in_words(seconds: float) -> str:
    """A time for people, such as "4 min", with no more digits than an estimate has."""
    if seconds < 90:
        return f"{max(5, round(seconds, -1)):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def expect(recipe: Recipe, train: Dataset, asked: int = 0, workers: int = 1, folds: int = 1) -> Expectation:
    """What is to be expected of ``recipe``, trained on a CPU.

    Args:
        recipe: fitted here to the data, if it fits itself.
        train: the training set.
        asked: test images that each member predicts.
        workers: members trained at once.
        folds: of a cross-validation; 1 for a single training.
    """
    known = recipe if like_digits(train) else None  # the figures are of such
    recipe, _ = fitted(recipe, train)
    rows = rows_that_train(recipe, len(train))
    learnt = rows if folds == 1 else round(rows * (1 - 1 / folds))
    held = round(min(len(train), recipe.data.limit or len(train)) * recipe.data.validation)
    views = len(recipe.ensemble.offsets)
    asked = asked if folds == 1 else 2 * len(train) // folds
    shape, classes = train.image_shape, len(train.class_names)
    members = [
        member_seconds(recipe, recipe.model_of(member), shape, classes, learnt, held, views * (asked + held))
        for member in range(recipe.ensemble.members)
    ]
    half = _is_half(recipe)
    factor = machine_factor(half) if sum(members) * folds > WORTH_MEASURING else 1.0
    core_seconds = factor * sum(members) * folds
    each = [START + factor * seconds for seconds in members] * folds
    accuracy = None if known is None else accuracy_at(known, rows)
    return Expectation(recipe, accuracy, core_seconds, makespan(each, workers), min(workers, len(each)))


def member_seconds(
    recipe: Recipe, model: ModelSettings, shape: Shape, classes: int, rows: int, held: int, asked: int
) -> float:
    """Seconds of one core of the machine in :data:`AN_IMAGE` for one member.

    Args:
        recipe: how it is trained.
        model: its table.
        shape: of an image (C, H, W).
        classes: K.
        rows: that it learns from.
        held: that it predicts after each epoch.
        asked: that it predicts at its end.
    """
    an_image, a_step, at_once = _costs(model.model_dump_json(), shape, classes, recipe.train.optimizer, rows)
    if at_once:
        return at_once / FITTING_RATE + (rows + asked) * an_image * FORWARD
    steps = steps_of(recipe.train, rows)
    trained = steps * (a_step + recipe.train.batch_size * an_image)
    return trained + (recipe.train.epochs * held + asked) * an_image * FORWARD


@cache
def _costs(model: str, shape: Shape, classes: int, optimizer: str, rows: int) -> tuple[float, float, float]:
    """(seconds an image, seconds a step, multiply-adds of a fit at once or 0) of a model, from its layers."""
    import torch

    from tenfold.models import build
    from tenfold.models._fitted import Fitted
    from tenfold.models.network import multiply_adds, parameters

    with torch.random.fork_rng(devices=[]):
        network = build(ModelSettings.model_validate_json(model), shape, classes)
    sizes: list[int] = []
    hooks = [
        part.register_forward_hook(lambda module, inputs, output: sizes.append(output.numel()))
        for part in network.modules()
        if not list(part.children())
    ]
    macs = multiply_adds(network, shape)
    for hook in hooks:
        hook.remove()
    an_image = AN_IMAGE["multiply_adds"] * macs / 1e9 + AN_IMAGE["outputs"] * sum(sizes) / 1e6
    a_layer = A_STEP["layers with muon" if optimizer == "muon" else "layers"] / 1e3
    a_step = a_layer * len(sizes) + A_STEP["parameters"] * parameters(network) / 1e8
    return an_image, a_step, network.effort(rows) if isinstance(network, Fitted) else 0.0


def makespan(tasks: Sequence[float], workers: int) -> float:
    """Seconds until all ``tasks`` are done where the longest begin first, ``workers`` at once."""
    busy = [0.0] * max(1, workers)
    for seconds in sorted(tasks, reverse=True):
        heapq.heapreplace(busy, busy[0] + seconds)
    return max(busy)


def _is_half(recipe: Recipe) -> bool:
    import torch

    from tenfold.training.state import has_bfloat16

    device = torch.device("cpu")
    return recipe.train.precision == "bfloat16" or (recipe.train.precision == "auto" and has_bfloat16(device))


def machine_factor(half: bool = False) -> float:
    """How many times as long this machine's cores take as that of :data:`AN_IMAGE`; measured once, and kept.

    Args:
        half: in bfloat16.
    """
    here = f"{cpu_model()}, {instruction_set()}, torch {version('torch')}, {'bfloat16' if half else 'float32'}"
    path = home() / FILE
    try:
        kept = {k: v for k, v in read_json_object(path).items() if isinstance(v, int | float) and 0.01 < v < 100}
    except IntegrityError:
        kept = {}
    if here not in kept:
        kept[here] = _measured(half)
        write_json(make_directory(path.parent) / path.name, kept)
    return float(kept[here])


def _measured(half: bool) -> float:
    """Core-seconds of a step of `quick`, beside what its layers say; the process's threads are left as they were."""
    import torch

    from tenfold.speed.measure import Trial

    threads = torch.get_num_threads()
    recipe = load_recipe(find_recipe("quick"), [f"train.precision={'bfloat16' if half else 'float32'}"])
    model, shape = recipe.model_of(0), (1, 28, 28)
    an_image, a_step, _ = _costs(model.model_dump_json(), shape, 10, recipe.train.optimizer, 1)
    with torch.random.fork_rng(devices=[]):
        trial = Trial(recipe.to_toml(), list(shape), None)
        trial.step()  # the first prepares memory and kernels
        taken: list[float] = []
        end = time.monotonic() + MEASURED
        while time.monotonic() < end or len(taken) < 3:
            began = time.process_time()
            trial.step()
            taken.append(time.process_time() - began)
    torch.set_num_threads(threads)
    return statistics.median(taken) / (a_step + recipe.train.batch_size * an_image)


def accuracy_at(recipe: Recipe, rows: int) -> float | None:
    """The accuracy that ``recipe`` has with ``rows`` to learn from, from its ``[expected]`` table; None without any.

    Figures ``accuracy_2000 = 0.97`` are of 2,000 rows; between two of them errors are a power of the rows.
    """
    names = ((re.fullmatch(r"accuracy_(\d+)", key), value) for key, value in recipe.expected.items())
    known = sorted((int(match[1]), 1 - float(value)) for match, value in names if match)
    if not known:
        return None
    points = [(math.log(n), math.log(max(error, 1e-6))) for n, error in known]
    x = math.log(max(rows, 1))
    if len(points) == 1 or x > points[-1][0]:
        return 1 - math.exp(points[-1][1] - SLOPE * (x - points[-1][0]))
    right = next(i for i in range(1, len(points)) if x <= points[i][0])
    (x0, y0), (x1, y1) = points[right - 1], points[right]
    return 1 - min(0.9, math.exp(y0 + (y1 - y0) * (x - x0) / (x1 - x0)))


def for_minutes(found: Expectation, minutes: float) -> Expectation:
    """The same with as many epochs as ``minutes`` allow, from a third of the recipe's own to twice as many."""
    recipe, seconds = found.recipe, 60 * minutes
    fixed = START + 5
    room = (seconds - fixed) / max(found.seconds - fixed, 1e-9)
    if all(settings.kind != "network" for settings in recipe.model):
        return found
    share = min(MOST, max(FEWEST, room))
    epochs = max(1, math.floor(recipe.train.epochs * share))
    share = epochs / recipe.train.epochs
    train = recipe.train.model_copy(update={"epochs": epochs})
    accuracy = None if found.accuracy is None else 1 - (1 - found.accuracy) * share**-EPOCHS_HELP
    return Expectation(
        recipe.model_copy(update={"train": train}),
        accuracy,
        found.core_seconds * share,
        fixed + (found.seconds - fixed) * share,
        found.cores,
    )


def choose(found: Sequence[Expectation], minutes: float | None) -> tuple[Expectation, str]:
    """The most accurate of ``found`` that takes no longer than ``minutes``, or than the first of them, and why.

    The first is the default: without a time nothing takes longer than it does, so that nobody waits unasked.
    """
    first = found[0]
    longest = 60 * minutes if minutes else 1.1 * first.seconds
    if minutes:
        found = [for_minutes(one, minutes) for one in found]
    in_time = [one for one in found if one.seconds <= longest] or [min(found, key=lambda one: one.seconds)]
    best = max(in_time, key=lambda one: (one.accuracy or 0.0, one is found[0]))
    rows = f"{best.recipe.name}: {best}"
    if best.accuracy is not None:
        rows += f", {best.accuracy:.4f} expected of handwritten digits"
    if best.recipe.name != first.recipe.name and first.accuracy is not None:
        rows += f" ({first.recipe.name}: {first}, {first.accuracy:.4f})"
    return best, rows


def suited(
    recipe: Recipe, train: Dataset, settings: Settings, listener: Listener, *, asked: int = 0, folds: int = 1
) -> Recipe:
    """The recipe for this training set: chosen if there is a choice, fitted to the data, with epochs for the time.

    The listener hears why it was chosen, what was fitted, that steps are too few, and how long it will take.

    Args:
        recipe: the default.
        train: the training set.
        settings: with the candidates, the time, and where members train.
        listener: hears of it.
        asked: images of the test set.
        folds: of a cross-validation.
    """
    from tenfold.training.state import pick_device

    expected = None
    if pick_device(settings.device).type == "cpu" and recipe.train.replicas == 1:
        candidates = [one for one in settings.candidates if like_digits(train) or "layers" in one.fit] or [recipe]
        found = []
        for one in candidates:
            workers = at_once(settings.executor, settings.workers, one.ensemble.members * folds)
            found.append(expect(one, train, asked, workers, folds))
        expected = found[0]
        if len(found) > 1:
            expected, why = choose(found, settings.minutes)
            listener.say(f"recipe chosen: {why}")
            recipe = next(one for one in candidates if one.name == expected.recipe.name)
        elif settings.minutes:
            expected = for_minutes(expected, settings.minutes)
    recipe, line = fitted(recipe, train)
    if expected is not None:
        recipe = recipe.model_copy(update={"train": expected.recipe.train})
    for text in filter(None, (line, few_steps(recipe, len(train)))):
        listener.say(text)
    if expected is not None:
        epochs = f", {recipe.train.epochs} epochs" if settings.minutes else ""
        listener.say(f"expected: {expected} for the training{epochs}")
    return recipe
