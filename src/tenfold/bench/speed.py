"""How fast a recipe trains and predicts."""

from __future__ import annotations

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
    (result,) = Processes(1).map("tenfold.bench.measure:measure", [task], lambda index, event: None)
    return result
