"""Make a released bundle, models/NAME/, or compare one that is there with what is made here.

    python lab/benchmarks/released.py NAME SOURCE [--work FOLDER] [--publish]
    python lab/benchmarks/released.py kaggle/fast train.csv

NAME ends in the recipe's name: kaggle/fast is `fast`, trained on Kaggle's train.csv. One row in twenty is held out: it
chooses nothing, and tells the accuracy, the temperature, the reject threshold and what storing weights in 16 bits
changed. Everything is computed as a processor with AVX2 does, in float32, so that every x86 processor since 2013 gives
the same bits (with the tested torch), more slowly. The last line says whether the model is, byte for byte, the one that
was released: the float32 weights are the run's, and rounding them to 16 bits is deterministic. --publish writes the
bundle and its line in src/tenfold/bundle/released.json. A training that was stopped goes on, a finished one is taken.
MNIST's test set is asked once, when it is published; other bundles have figures of held-out rows alone.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

import tenfold
from tenfold.bundle.manifest import CARD, MANIFEST, MODEL, Estimate, Manifest, ModelFile, golden_image, read_manifest
from tenfold.bundle.predict import Bundle
from tenfold.cli.options import pin
from tenfold.files import make_directory, sha256_of, write_bytes, write_json, write_text
from tenfold.values.accuracy import Accuracy
from tenfold.values.serialisation import read_json_object

HELD = "data.validation=0.05"
ISA = "avx2"
BITS = 16
ROOT = Path(__file__).parents[2]
MODELS, REGISTRY = ROOT / "models", ROOT / "src" / "tenfold" / "bundle" / "released.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="such as kaggle/fast")
    parser.add_argument("source", help="the training data: a path or a data set's name")
    parser.add_argument("--work", type=Path, default=Path("runs/released"), help="where runs are kept")
    parser.add_argument("--publish", action="store_true", help="replace what is released under this name")
    arguments = parser.parse_args()
    pin(ISA)
    run = trained(arguments.name.rpartition("/")[2], arguments.source, arguments.work / arguments.name)
    manifest, model, loss = rounded(run, tenfold.load(arguments.source, "train"))
    print(loss)
    if arguments.publish:
        publish(arguments.name, run, manifest, model, loss)
    folder = MODELS / arguments.name
    same = (folder / MODEL).is_file() and sha256_of(folder / MODEL) == manifest.model.sha256
    print(f"{folder / MODEL} is {'the same, byte for byte' if same else 'another one'}")


def trained(recipe: str, source: str, work: Path) -> tenfold.Run:
    """The recipe's run in ``work``: a finished one, one that goes on, or a new one."""
    begun = sorted(work.glob("*/recipe.toml"))
    if begun:
        return tenfold.resume(begun[-1].parent, "train")
    return tenfold.train(recipe, train=source, out=work, overrides=[HELD])


def rounded(run: tenfold.Run, train: tenfold.Dataset) -> tuple[Manifest, bytes, str]:
    """The bundle of ``run`` with weights of 16 bits, and what rounding changed on the rows held out."""
    from tenfold.bundle.onnx_graph import export_onnx  # here, because ``pin`` comes before torch
    from tenfold.pipeline.datasets import images_behind
    from tenfold.training.member import load_member

    before = read_manifest(run.path / "bundle" / MANIFEST)
    shape, classes, ensemble = before.image_shape, len(before.class_names), run.recipe.ensemble
    members = (load_member(run, member, shape, classes) for member in run.finished_members())
    model = export_onnx(members, shape, classes, ensemble.vote, ensemble.offsets, bits=BITS)
    manifest = before.model_copy(
        update={"model": ModelFile(sha256=hashlib.sha256(model).hexdigest(), bytes=len(model)), "metrics": {}}
    )
    held, bundle = images_behind(run, train, None)["validation"], Bundle(manifest, model)
    as_trained, now = Bundle.open(run.path).predict_proba(held.images), bundle.predict_proba(held.images)
    right = [int((said.argmax(axis=1) == held.labels).sum()) for said in (as_trained, now)]
    changed = int((as_trained.argmax(axis=1) != now.argmax(axis=1)).sum())
    loss = (
        f"Weights have 16 bits. Of {len(held):,} held-out rows {right[1]:,} are right, with weights of 32 bits"
        f" {right[0]:,}; {changed} answers changed, probabilities by up to {np.abs(now - as_trained).max():.1e}."
    )
    answer = bundle.predict_proba(golden_image(shape)[None], every_look=True)[0]
    metrics = {"validation accuracy": estimate(right[1], len(held))}
    golden = tuple(round(min(float(p), 1.0), 6) for p in answer)
    return manifest.model_copy(update={"metrics": metrics, "golden": golden}), model, loss


def estimate(right: int, images: int) -> Estimate:
    found = Accuracy.of(right, images)
    return Estimate(value=found.accuracy, low=found.low, high=found.high, images=images)


def publish(name: str, run: tenfold.Run, manifest: Manifest, model: bytes, loss: str) -> None:
    """Write the bundle, and what it is known by."""
    from tenfold.bundle.export import model_card

    known = tenfold.load_recipe(run.recipe.name).expected  # of the most rows for which it is known
    accuracy = max((int(key.rpartition("_")[2]), value) for key, value in known.items() if key[-1].isdigit())[1]
    if name.startswith("mnist/"):
        test = tenfold.load("mnist", "test")
        right = int((Bundle(manifest, model).predict_proba(test.images).argmax(axis=1) == test.labels).sum())
        manifest = manifest.model_copy(
            update={"metrics": {**manifest.metrics, "test accuracy": estimate(right, len(test))}}
        )
        accuracy = right / len(test)
    folder = make_directory(MODELS / name)
    machine, seconds = run.environment, run.summary["core_seconds"]
    note = NOTE.format(name=name, loss=loss, seconds=seconds, torch=machine["torch"], cpu=machine["cpu"])
    write_bytes(folder / MODEL, model)
    write_text(folder / CARD, model_card(manifest) + note)
    data = run.recipe.data.model_copy(update={"train": manifest.trained_on})  # not where it lay
    recipe = run.recipe.model_copy(update={"data": data})
    write_text(folder / f"{recipe.name}.toml", recipe.to_toml())  # not recipe.toml: that is what makes a folder a run
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    entry = {"sha256": sha256_of(folder / MANIFEST), "accuracy": accuracy}
    write_json(REGISTRY, {**read_json_object(REGISTRY), name: entry})


NOTE = """
## How it was made

`python lab/benchmarks/released.py {name} SOURCE` makes it again, to the byte: torch {torch}, computing in float32 with
AVX2 ({seconds:,.0f} core-seconds on an {cpu}, which has more than that, beside other work). One row in twenty
was held out and chose nothing. {loss}
"""

if __name__ == "__main__":
    main()
