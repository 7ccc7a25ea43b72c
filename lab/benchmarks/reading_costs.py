"""Fit what makes a cut of a line implausible (tenfold.reading.segmentation.Costs) on lines written with MNIST's
training digits.

    python lab/benchmarks/reading_costs.py [--bundle BUNDLE] [--lines 1500]

Lines of two to eight digits, one in four in a shape that MNIST lacks, by random hands on random paper, apart, close and
touching,
some with commas, dots and dashes, and more than half of them ending with noughts, half of those in one go
(lab.synthesis), are cut and recognised once. Then one cost after another is tried
larger and smaller, and kept where more lines are read whole, until nothing helps. The last third of the lines is not
looked at
before the end. Prints the costs and both shares; whoever likes them writes them into Costs.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

import tenfold
from lab.synthesis.allographs import with_allographs
from lab.synthesis.paper import Paper, photographed
from lab.synthesis.strings import write_string
from tenfold.reading.ink import InkMap, ink_map
from tenfold.reading.lines import find_lines, without_rules
from tenfold.reading.segmentation import Costs, Seams, Segment, best_path, find_seams, find_segments
from tenfold.values.accuracy import wilson_interval

SEED, RARE = 11, 2000
FACTORS = (0.5, 0.7, 0.85, 1.2, 1.4, 2.0)


@dataclass(frozen=True)
class Example:
    """One written line: what it says, its cuts, and what the recogniser says of each segment, (S, K)."""

    text: str
    seams: Seams
    segments: list[Segment]
    probabilities: NDArray[np.float32]

    def is_read(self, costs: Costs) -> bool:
        path = best_path(self.seams, self.segments, self.probabilities, costs)
        return "".join(str(k) for k in self.probabilities[path].argmax(axis=1)) == self.text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="builtin")
    parser.add_argument("--lines", type=int, default=1500)
    arguments = parser.parse_args()
    examples = written(arguments.bundle, arguments.lines)
    learnt, held = examples[: 2 * len(examples) // 3], examples[2 * len(examples) // 3 :]
    before = Costs()
    costs = fitted(learnt, before)
    print(f"fitted on {len(learnt)} lines: {share(learnt, before)} before, {share(learnt, costs)} after")
    print(f"{len(held)} others: {share(held, before)} before, {share(held, costs)} after")
    print(costs)


def fitted(examples: list[Example], costs: Costs) -> Costs:
    """Coordinate ascent in the number of lines that are read whole."""
    best = score(examples, costs)
    print(f"{len(examples)} lines, {best} read with the costs as they are", flush=True)
    while True:
        begun = best
        for name, value in asdict(costs).items():
            tried = [replace(costs, **{name: round(value * factor, 4)}) for factor in FACTORS]
            scores = [score(examples, each) for each in tried]
            if max(scores) > best:
                costs, best = tried[int(np.argmax(scores))], max(scores)
                print(f"{best}: {name} {getattr(costs, name):g}", flush=True)
        if best - begun <= len(examples) // 1000:
            return costs


def score(examples: list[Example], costs: Costs) -> int:
    return sum(example.is_read(costs) for example in examples)


def share(examples: list[Example], costs: Costs) -> str:
    right = score(examples, costs)
    low, high = wilson_interval(right, len(examples))
    return f"{right / len(examples):.3f} ({low:.3f} to {high:.3f})"


def written(bundle: str, count: int) -> list[Example]:
    digits = tenfold.load("mnist", "train")
    recogniser = tenfold.Bundle.open(bundle)
    rng = np.random.default_rng(SEED)
    images, labels = with_allographs(digits.images[:, 0], digits.truth, rng, RARE, 0.5)
    noughts = np.flatnonzero(labels == 0)
    examples = []
    while len(examples) < count:
        size = int(rng.integers(2, 9))
        rows = np.where(
            rng.random(size) < 0.25, len(digits) + rng.integers(0, RARE, size), rng.integers(0, len(digits), size)
        )
        if rng.random() < 0.6:
            last = int(rng.integers(1, size))
            rows[last:] = rng.choice(noughts, size - last)
        line = write_string(images[rows], labels[rows], rng, height=int(rng.integers(24, 90)), marks=0.5, chained=0.5)
        page = ink_map(photographed(line.ink, Paper.draw(rng), rng, margin=int(rng.integers(4, 30))))
        found = find_lines(InkMap(page.ink, without_rules(page.mask), page.bright))
        if not found:
            continue
        ink = max(found, key=lambda each: float(each.ink.sum())).ink
        seams = find_seams(ink)
        segments = find_segments(ink, seams)
        crops = np.stack([segment.image for segment in segments])[:, None]
        examples.append(Example(line.text, seams, segments, recogniser.predict_proba(crops)))
    return examples


if __name__ == "__main__":
    main()
