"""What teaching gains and loses: 1, 2, 5, 10 and 20 images a class of hands that the model has not seen.

    python lab/benchmarks/teach.py [--hands 6] [--report SEMEION.npz] > lab/benchmarks/logs/teach.jsonl

A hand is a fixed slant, turn, width and weight of the pen, drawn by its number, applied to 900 images of MNIST's test set and
brought to MNIST's form again; the penalty was chosen on hands 100 to 103, the figures are of hands from 200 on. Half of a
hand's images are drawn from to teach, the others judge. What is lost is measured on 2,000 other images of the test set. A set
named by --report is only reported: nothing was chosen by it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import tenfold
from tenfold.api.teach import COPIES, _copies
from tenfold.bundle.manifest import model_bytes
from tenfold.bundle.teaching import MOST_OLD, Features, Teachable, joined, learn
from tenfold.reading.normalise import normalise

COUNTS = (1, 2, 5, 10, 20)


def hand(images: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """``images`` (N, 1, 28, 28) as the hand of that number writes them."""
    draw = np.random.default_rng(number)
    shear, turn = draw.uniform(0.5, 0.9) * draw.choice([-1, 1]), draw.uniform(-0.45, 0.45)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    change = turned @ np.array([[1, 0], [shear, 1]]) @ np.diag([1, 1 / draw.uniform(0.6, 0.8)])
    pen = draw.choice([-1, 0, 1])
    written = []
    for image in images[:, 0]:
        page = np.pad(image, 14).astype(float)
        page = ndimage.affine_transform(page, change, offset=28 - change @ [28, 28], order=1)
        page = ndimage.grey_dilation(page, 2) if pen == 1 else ndimage.grey_erosion(page, 2) if pen == -1 else page
        written.append(normalise(page.clip(0, 255).astype(np.uint8), "bright"))
    return np.stack(written)[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hands", type=int, default=6)
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args()
    model = Teachable(model_bytes("builtin"), 1)
    train, test = tenfold.load("mnist"), tenfold.load("mnist", "test")
    draw = np.random.default_rng(0)
    old = train.take(np.sort(draw.permutation(len(train))[:MOST_OLD]))
    judge = test.take(draw.permutation(2000))
    known, judged = model.features(old.images), model.features(judge.images)

    def curve(name: str, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        features = model.features(images)
        order = np.random.default_rng(5).permutation(len(labels))
        pool, asked_rows = order[: len(order) // 2], order[len(order) // 2 :]

        def right(found: NDArray[np.int64]) -> float:
            return float((found == labels[asked_rows]).mean())

        unseen, base = features.take(asked_rows), judged.log_probabilities.argmax(axis=1)
        line = {"hand": name, "images": len(asked_rows), "before": right(unseen.log_probabilities.argmax(axis=1))}
        for count in COUNTS:
            rows = np.concatenate([pool[labels[pool] == label][:count] for label in range(10)])
            copies: Features = model.features(_copies(images[rows]))
            correction = learn(
                joined(features.take(rows), copies), np.tile(labels[rows], COPIES + 1), known, old.labels, 10
            )
            after = correction.probabilities(judged).argmax(axis=1)
            line[str(count)] = right(correction.probabilities(unseen).argmax(axis=1))
            line[f"old {count}"] = float((after == judge.labels).mean() - (base == judge.labels).mean())
        print(json.dumps(line), flush=True)

    for number in range(200, 200 + asked.hands):
        rows = np.random.default_rng(number).permutation(np.arange(2000, len(test)))[:900]
        curve(f"hand {number}", hand(test.images[rows], number), test.truth[rows])
    if asked.report:
        with np.load(asked.report) as file:
            images, labels = file["x"], file["y"].astype(np.int64)
        images = images * np.uint8(255 if images.max() == 1 else 1)
        formed = [normalise(np.kron(image, np.ones((3, 3), np.uint8)), "bright") for image in images]
        curve(asked.report.stem, np.stack(formed)[:, None], labels)


if __name__ == "__main__":
    main()
