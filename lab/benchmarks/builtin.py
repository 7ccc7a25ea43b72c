"""Make the recogniser that comes along, src/tenfold/bundle/builtin/, from MNIST's 60,000 training images.

    python lab/benchmarks/builtin.py [--work FOLDER] [--publish]

Three steps: the lessons (digits by other hands and in shapes that MNIST lacks, digits and wrong cuts from written
lines, letters, scribbles, noise: lab.synthesis; letters of ten scripts in the fonts that matplotlib
brings), a training of a network by the recipe `builtin` and of another by `builtin-directions`, with eleven classes,
and the bundle: the first looks at each image at three widths, the second once, what they give to "not a digit" is
spread over the ten, and the mean answers, or the first network alone where its first look is sure
(tenfold.bundle.predict).
Temperatures, reject threshold and what is sure are learnt from the rows that the trainings held out; the threshold
keeps 99.3 % of clean digits. MNIST's test set is looked at once, at the end, for the figure on the card and for whether
rounding weights changed anything. Without --publish the bundle stays in the work folder. What is there already is not
made again, and a training that was stopped goes on. Same seed, same bits, on one kind of processor. Lessons take up to
20 minutes of one core, the trainings 25 to 100, the longer without bfloat16.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import tenfold
from lab.synthesis.lessons import NOTHING, lessons
from lab.synthesis.views import WIDTHS, SpreadLast, Stretched
from tenfold.bundle.export import check_parity, model_card
from tenfold.bundle.manifest import CARD, MANIFEST, MODEL, Calibration, Estimate, FirstLook, Manifest, ModelFile
from tenfold.bundle.onnx_graph import Bits, export_onnx
from tenfold.bundle.predict import Bundle
from tenfold.evaluation.calibration import fit_temperature
from tenfold.files import make_directory, write_bytes, write_json, write_text
from tenfold.training.loop import predict_proba
from tenfold.training.member import load_member
from tenfold.values.accuracy import wilson_interval

SEED, PARTS = 1, 12
VIEWS = {"builtin": WIDTHS, "builtin-directions": ()}
"""The recipes of the networks, and the widths at which each sees an image besides the image itself."""
FIRST_LOOK = "member00_35_exp"
"""The tensor that holds what the first network says of the image as it is; other layers give it another number."""
KEPT = 0.993
"""Share of clean held-out digits whose confidence reaches the reject threshold; more than the 0.99 that are wanted of
others, because 2,400 images tell it within 0.002."""
ROUNDED = 0.1
"""How much a probability may change when weights are stored in ``BITS``; no test image of MNIST's changes by more than
0.039.
"""
BITS: Bits = 8
PUBLISHED = Path(tenfold.__file__).parent / "bundle" / "builtin"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/builtin"), help="where lessons and runs are kept")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--part", type=int, help="only make this part of the lessons")
    parser.add_argument("--publish", action="store_true", help="replace the bundle that comes along")
    arguments = parser.parse_args()
    work = make_directory(arguments.work)
    digits = tenfold.load("mnist", "train")
    if arguments.part is not None:
        kept_part(work, digits, arguments.part)
        return
    data, clean = all_lessons(work, digits)
    runs = {name: trained(name, work, data, arguments.overrides) for name in VIEWS}
    folder = PUBLISHED if arguments.publish else make_directory(work / "bundle")
    publish(runs, data, clean, digits, folder, arguments.overrides)


def trained(name: str, work: Path, data: tenfold.Dataset, overrides: list[str]) -> tenfold.Run:
    """The recipe's run in ``work``: a finished one, one that goes on, or a new one."""
    begun = sorted(work.glob(f"*_{name}_*"))
    if begun:
        return tenfold.resume(begun[-1], "train")
    return tenfold.train(name, train=data, out=work, overrides=overrides)


def all_lessons(work: Path, digits: tenfold.Dataset) -> tuple[tenfold.Dataset, NDArray[np.bool_]]:
    """All lessons, and which of them are MNIST's digits as they are."""
    images, labels, clean = [], [], []
    for part in range(PARTS):
        with np.load(kept_part(work, digits, part)) as stored:
            images.append(stored["images"])
            labels.append(stored["labels"])
            clean.append(np.arange(len(labels[-1])) < len(range(part, len(digits), PARTS)))
    together, names = np.concatenate(labels), (*digits.class_names, NOTHING)
    data = tenfold.Dataset(np.concatenate(images), together, np.arange(1, len(together) + 1), names)
    return data, np.concatenate(clean)


def kept_part(work: Path, digits: tenfold.Dataset, part: int) -> Path:
    """The file with one part of the lessons; made if it is not there."""
    path = work / f"lessons-{part:02d}.npz"
    if not path.is_file():
        made = lessons(digits, SEED, part, PARTS)
        content = io.BytesIO()
        np.savez(content, images=made.images, labels=made.labels)
        write_bytes(path, content.getvalue())
        print(f"{path}: {len(made):,} examples", flush=True)
    return path


def publish(
    runs: dict[str, tenfold.Run],
    data: tenfold.Dataset,
    clean: NDArray[np.bool_],
    digits: tenfold.Dataset,
    folder: Path,
    overrides: list[str],
) -> None:
    """Calibrate, export, check and measure."""
    classes = len(digits.class_names)
    first = runs["builtin"]
    with np.load(first.path / "split.npz") as split:  # of all: their seed and their data are the same
        held = split["held"]
    images, labels, clean = data.images[held], data.labels[held], clean[held]
    known = labels < classes
    members = [member(name, run, images, labels, classes) for name, run in runs.items()]
    model = export_onnx(members, data.image_shape, classes, "mean", bits=BITS)
    manifest = Manifest(
        model=ModelFile(sha256=hashlib.sha256(model).hexdigest(), bytes=len(model)),
        image_shape=data.image_shape,
        class_names=digits.class_names,
        pixel_mean=round(float(digits.images.mean()), 2),
        vote="mean",
        members=len(members),
        parameters=sum(weights.numel() for network in members for weights in network.parameters()),
        metrics={},
        recipe=first.recipe.name,
        recipe_key=first.recipe.key(),
        trained_on="mnist",
        data_fingerprint=digits.fingerprint(),
        calibration=Calibration(temperature=1.0, images=len(held)),
    )
    every = Bundle(manifest, model).predict_proba(images)
    confidence = every.max(axis=1)
    threshold = float(np.floor(1e4 * np.quantile(confidence[clean], 1 - KEPT)) / 1e4)
    kept = confidence >= threshold
    print(f"threshold {threshold:.4f}; held out: kept of clean digits {np.mean(kept[clean]):.4f}, ", end="")
    print(f"of all digits {np.mean(kept[known]):.4f}; rejected of what is none {np.mean(~kept[~known]):.4f}")
    always = FirstLook(tensor=FIRST_LOOK, sure=0.0, images=len(held))
    first = Bundle(manifest.model_copy(update={"first_look": always}), model).predict_proba(images)
    look = always.model_copy(update={"sure": sure_from(first, every, labels, threshold)})
    sure = first.max(axis=1) >= look.sure
    print(f"sure at the first look from {look.sure:.3f} on: of clean digits {np.mean(sure[clean]):.3f}, ", end="")
    print(f"of all digits {np.mean(sure[known]):.3f}, of what is none {np.mean(sure[~known]):.4f}")
    manifest = manifest.model_copy(update={"reject_threshold": threshold, "first_look": look})
    bundle, test = Bundle(manifest, model), tenfold.load("mnist", "test")
    check_parity(probabilities(members, test.images), bundle.predict_proba(test.images, every_look=True), ROUNDED)
    right = int((bundle.predict_proba(test.images).argmax(axis=1) == test.labels).sum())
    low, high = wilson_interval(right, len(test))
    measured = {"test accuracy": Estimate(value=right / len(test), low=low, high=high, images=len(test))}
    manifest = manifest.model_copy(update={"metrics": measured})
    write_bytes(folder / MODEL, model)
    write_text(folder / CARD, model_card(manifest) + NOTE)
    for name in runs:  # not recipe.toml: that is what makes a folder a run
        write_text(folder / f"{name}.toml", tenfold.load_recipe(name, overrides).to_toml())
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    print(f"{folder}: {len(model):,} bytes, {right:,} of {len(test):,} of MNIST's test set right")


def sure_from(
    first: NDArray[np.float32],
    every: NDArray[np.float32],
    labels: NDArray[np.int64],
    reject_threshold: float = 0.0,
    step: float = 0.001,
) -> float:
    """The least confidence from which on a first look makes no mistake that every look does not make.

    A mistake is a wrong class, or any class for what is none of them, that is not rejected.

    Args:
        first: (N, K) probabilities at the first look, of images that training held out.
        every: (N, K) those of every look.
        labels: (N,) what they show; what is no number of a class is none of them.
        reject_threshold: confidence of every look below which an image is rejected. A first look rejects nothing.
        step: what the answer is a multiple of.

    Returns:
        0..1; 0 if it makes none at all, 1 if no confidence is enough.
    """
    confidence = first.max(axis=1)
    wrong = first.argmax(axis=1) != labels
    new = wrong & ((every.argmax(axis=1) == labels) | (every.max(axis=1) < reject_threshold))
    if not new.any():
        return 0.0
    steps = 1 + math.floor(float(confidence[new].max()) / step)
    return min(1.0, round(steps * step, 6))


def member(
    name: str, run: tenfold.Run, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int
) -> nn.Module:
    """The run's network as it looks at an image, with the temperature that suits ``images`` in its weights."""
    network = load_member(run, 0, images.shape[1:], classes + 1)
    temperature = fit_temperature(labels, probabilities([network], images))
    output = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        output.weight /= temperature
        output.bias /= temperature
    print(f"{name}: temperature {temperature:.3f} (now in the weights)")
    spread = nn.Sequential(network, SpreadLast(classes)).eval()
    return Stretched(spread, images.shape[-1], VIEWS[name]).eval() if VIEWS[name] else spread


def probabilities(networks: list[nn.Module], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Their mean."""
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    return np.mean([predict_proba(network, pixels).numpy() for network in networks], axis=0)


NOTE = """
## How it was made

`python lab/benchmarks/builtin.py --publish` makes it from MNIST's 60,000 training images and from drawings, and no other
data: MNIST's digits as they are, redrawn by other hands and pens, cut out of written lines, and stored in few pixels as
by a coarse scanner; among those, one in three is drawn by a program in a shape that MNIST's writers hardly use (ones
with a long upstroke, sevens with a bar, fours like lightning, nines with a curled tail). An eleventh class, "not a
digit" - wrong cuts, drawn letters and signs, letters of ten scripts as the DejaVu fonts print them, curls, scribbles,
clothes, blots and noise - was learnt with them; what the network gives to it is spread evenly over the ten classes, so
that an image of no digit has a confidence below the threshold. Two networks answer with their mean: one that sees
pixels, of every image as it is, narrower and wider, and one that sees the directions of strokes; where the first is sure
of an image as it is, that is the answer (`first_look` in `manifest.json`). Their recipes are
`builtin.toml` and `builtin-directions.toml`, their weights have 8 bits; `lab/benchmarks/reading.py` measures how well they
read what is not MNIST's, and docs/reading.md has the figures.

What looks like a digit out of its word - I, l, O, S, Z, digits of other scripts that are one bow or ring - is read as one; of
printed letters, more are.
"""

if __name__ == "__main__":
    main()
