"""How fast a recipe trains and predicts."""

from __future__ import annotations

from tenfold.errors import UsageError
from tenfold.executors import Json
from tenfold.executors.processes import Processes
from tenfold.values.recipe import Recipe


def speed(
    recipe: Recipe, *, image_shape: tuple[int, int, int] = (1, 28, 28), batch: int | None = None, seconds: float = 20.0
) -> Json:
    """Speed of the first member of ``recipe`` on the CPU, with one thread unless said otherwise.

    Args:
        recipe: its model, augmentation and optimiser are used. Its data is not, images are made up; nor is
            ``train.selective``, a step learns from all its images.
        image_shape: (C, H, W).
        batch: images in a training step; None is the recipe's.
        seconds: how long to measure, about; the start of the process comes on top.

    Returns:
        ``parameters``; ``mac``, multiply-adds of one image's forward pass; ``product_gflops``, the rate
        of float32 matrix products in the same process; ``train`` and, in ``predict``, ``torch``, ``onnx``
        (batches), ``onnx_one`` (image by image) and ``onnx_all_cores``, each with ``images_per_second``,
        ``gflops`` (2 MAC an image, 6 when training) and ``share_of_product``, medians over ``windows``
        short windows that take turns (where the convolutions' library is better than that of matrix
        products, shares go beyond 1); ``step_seconds``, where the time of a training step goes.

    Raises:
        UsageError: the model or the augmentation does not fit.
    """
    task = {"recipe": recipe.to_toml(), "image_shape": list(image_shape), "batch": batch, "seconds": seconds}
    (result,) = Processes(1).map("tenfold.speed.measure:measure", [task], lambda index, event: None)
    return result


Shape = tuple[int, int, int]
TASK = "tenfold.speed.measure:train_in_turns"
TURNS = 8


def scaling(
    recipe: Recipe, *, image_shape: Shape = (1, 28, 28), batch: int | None = None, seconds: float = 20.0
) -> Json:
    """Images per second of two training processes together, beside those of one that is alone.

    One process trains all the time, the other in four of the eight turns into which ``seconds`` are
    divided; see :func:`tenfold.speed.measure.train_in_turns`. A turn should have room for some steps.

    Returns:
        ``alone`` and ``together``, in images per second, and ``ratio``, together / alone.

    Raises:
        UsageError: ``seconds`` are too few to see both.
    """
    common = {"recipe": recipe.to_toml(), "image_shape": list(image_shape), "batch": batch, "seconds": seconds}
    turn_seconds = common["turn_seconds"] = seconds / TURNS
    tasks = [{**common, "pauses": pauses} for pauses in (False, True)]
    first, second = Processes(2).map(TASK, tasks, lambda index, event: None)
    return compare_turns(first, second, turn_seconds)


def compare_turns(first: Json, second: Json, turn_seconds: float) -> Json:
    """Of the steps of two processes, the second of which paused in even turns: rates alone and together.

    What counts are steps of the first within an even turn, once the second has trained, and within the
    time that the second trains in an odd one.

    Raises:
        UsageError: they were not both seen alone and together.
    """
    busy: dict[int, tuple[float, float]] = {}  # odd turn -> when the second process trained in it
    for began, ended in second["steps"]:
        turn = int(began // turn_seconds)
        busy[turn] = (busy.get(turn, (began, ended))[0], ended)
    alone, beside, shared = [], [], set()
    for began, ended in first["steps"]:
        turn = int(began // turn_seconds)
        if turn % 2 == 0 and turn - 1 in busy and ended <= (turn + 1) * turn_seconds:
            alone.append(ended - began)
        elif turn in busy and busy[turn][0] <= began and ended <= busy[turn][1]:
            beside.append(ended - began)
            shared.add(turn)
    if not alone or not beside:
        seconds = turn_seconds * TURNS
        raise UsageError(
            f"{seconds:g} seconds are too short to compare one process with two; try --seconds {2 * seconds:g}"
        )
    other = [ended - began for began, ended in second["steps"] if int(began // turn_seconds) in shared]
    batch = first["batch"]
    one, two = batch * len(alone) / sum(alone), batch * (len(beside) / sum(beside) + len(other) / sum(other))
    return {"alone": one, "together": two, "ratio": two / one}
