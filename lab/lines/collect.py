"""What both opinions say of written lines whose text is known, to set how they are weighed.

python -m lab.lines.collect MODEL.onnx OUT.json --lines 1000
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import tenfold
from lab.lines.pool import digits
from lab.lines.written import photograph, text, written_line
from tenfold.reading import agreement
from tenfold.reading.ink import InkMap, ink_map, relative_contrast, without_edges
from tenfold.reading.line_network import CLASSES, LineNetwork, text_scores
from tenfold.reading.lines import HEIGHT, find_lines, without_rules
from tenfold.reading.segmentation import DEFAULT_COSTS, Segment, best_path, find_seams, find_segments, prices_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--certain", type=float, default=2.0)
    arguments = parser.parse_args()
    network, reader = LineNetwork(arguments.model.read_bytes()), tenfold.Reader()
    bank = digits(held_out=True)
    agreement.CERTAIN = arguments.certain

    def recognise(segments: Sequence[Segment]) -> NDArray[np.float32]:
        images = np.array([s.image for s in segments], np.uint8).reshape(-1, 1, 28, 28)
        return reader.bundle.predict_proba(images, every_look=True)

    rows = []
    for number in range(arguments.lines):
        rng = np.random.default_rng([11, arguments.seed, number])
        canvas, hand, boxed = written_line(text(rng), bank, rng)
        picture = photograph(canvas, hand, boxed, rng).picture
        row = {"truth": [k for k, _, _ in canvas.marks], "lines": 0, "pixels": picture.shape[0]}
        rows.append(row)
        page = ink_map(picture)
        mask = without_rules(page.mask)
        lines = find_lines(InkMap(page.ink, mask if mask.any() else page.mask, page.bright))
        if not lines:
            continue
        levels = without_edges(picture.astype(np.float32))
        contrast = relative_contrast(255 - levels if page.bright else levels)
        line = max(lines, key=lambda each: float(each.ink.sum()))
        box = (line.left, line.above, line.left + line.width, line.above + line.height)
        started = time.perf_counter()
        columns = network.columns(contrast, box, HEIGHT / line.scale, line.above + (line.top + HEIGHT / 2) / line.scale)
        assert columns is not None
        first = time.perf_counter()
        seams = find_seams(line.ink)
        segments = find_segments(line.ink, seams)
        second = time.perf_counter()
        found = agreement.agreed(columns, line, recognise, DEFAULT_COSTS)
        third = time.perf_counter()
        row |= {
            "lines": len(lines),
            "text": found.text,
            "digits": found.digits,
            "each": found.each.tolist(),
            "quick": found.quick,
        }
        row |= {"mine": [float(p[k]) for p, k in zip(found.probabilities, found.digits, strict=True)]}
        row |= {"seconds": [first - started, second - first, third - second]}
        if arguments.certain > 1:
            probabilities = recognise(segments)
            path = best_path(seams, segments, probabilities)
            cuts = tuple(int(probabilities[i].argmax()) for i in path)
            texts = list({**{tuple(k - 1 for k in t if 1 <= k <= 10): t for t, _ in columns.likely}, cuts: cuts})
            scores = text_scores(columns.of_digits, [tuple(k + 1 for k in t) for t in texts])
            costs = agreement.costs_of(
                [tuple(k + 1 for k in t) for t in texts],
                seams,
                segments,
                prices_of(segments, probabilities, DEFAULT_COSTS),
                DEFAULT_COSTS.cut,
            )
            row |= {"texts": texts, "ctc": scores.tolist(), "cost": costs.clip(0, 1e6).tolist(), "cuts": cuts}
    arguments.out.write_text(json.dumps({"classes": CLASSES, "rows": rows}), "utf-8")


if __name__ == "__main__":
    main()
