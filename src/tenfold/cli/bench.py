"""`tenfold bench`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tenfold.cli import _console
from tenfold.cli import _training as options

_PREDICTIONS = {"torch": "predict, torch", "onnx": "predict, ONNX Runtime", "onnx_one": "  one image at a time"}


def bench(
    recipe: options.Recipe = "quick",
    overrides: options.Override = None,
    seconds: Annotated[float, typer.Option(help="How long to measure, about.", min=1)] = 20.0,
    batch: Annotated[int | None, typer.Option(help="Images in a training step; default: the recipe's.", min=2)] = None,
    shape: Annotated[str, typer.Option(help="Size of an image: HxW or CxHxW.", metavar="SHAPE")] = "28x28",
    members_scaling: Annotated[
        bool, typer.Option("--members-scaling", help="Compare two training processes with one instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how fast a recipe's first member trains and predicts here, beside the core's matrix-product rate."""
    from tenfold.api import load_recipe
    from tenfold.bench.speed import scaling, speed
    from tenfold.cli._read_options import parse_shape
    from tenfold.runtime import require_training

    require_training()
    loaded, image_shape = load_recipe(recipe, overrides or []), parse_shape(shape)
    measured = (scaling if members_scaling else speed)(loaded, image_shape=image_shape, batch=batch, seconds=seconds)
    if as_json:
        print(json.dumps(measured, indent=2))
    elif members_scaling:
        print(f"one process   {measured['alone']:10,.0f} images/s")
        print(f"two           {measured['together']:10,.0f} images/s together: {measured['ratio']:.2f} times one")
    else:
        _print(measured)


def _print(result: dict[str, Any]) -> None:
    machine, everywhere = result["machine"], result["predict"]["onnx_all_cores"]
    _console.say(f"{machine['cpu']}, {machine['cores']} cores, {machine['instruction_set']}; torch {machine['torch']}")
    print(
        f"{result['recipe']}: {result['parameters']:,} parameters, {result['mac'] / 1e6:.2f} million multiply-adds an"
        " image"
    )
    print(f"\n{'one thread':<34}{'images/s':>10}{'GFLOP/s':>10}{'of product':>12}")
    print(f"{'float32 matrix product':<34}{'':>10}{result['product_gflops']:>10.1f}{1:>12.0%}")
    print(_row(f"train, batches of {result['batch_size']}", result["train"]))
    for key, name in _PREDICTIONS.items():
        print(_row(name, result["predict"][key]))
    print(f"{'  which takes':<34}{result['predict']['onnx_one']['microseconds']:>10,.0f} microseconds")
    if everywhere["threads"] > 1:
        print(f"\n{everywhere['threads']} threads")
        print(f"{'float32 matrix product':<34}{'':>10}{everywhere['product_gflops']:>10.1f}{1:>12.0%}")
        print(_row("predict, ONNX Runtime", everywhere))
    total = sum(result["step_seconds"].values())
    print(f"\n{'a training step, profiled':<34}{'ms':>10}{'share':>10}")
    for stage, seconds in sorted(result["step_seconds"].items(), key=lambda item: -item[1]):
        if seconds:
            print(f"{stage:<34}{1000 * seconds:>10.2f}{seconds / total:>10.1%}")
    print(f"{'together':<34}{1000 * total:>10.2f}")


def _row(name: str, figures: dict[str, float]) -> str:
    speed, share = figures["images_per_second"], figures["share_of_product"]
    return f"{name:<34}{speed:>10,.0f}{figures['gflops']:>10.1f}{share:>12.0%}"
