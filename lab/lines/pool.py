"""Files of written lines for the line network to learn from.

    python -m lab.lines.pool FOLDER [--chunks 100] [--held-out]

A chunk is an .npz of 1,000 lines: ``pixels`` (48, all columns), ``widths``, ``classes``, ``columns`` and ``counts``. Digits are MNIST's first
55,000 training images; with --held-out the other 5,000.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import tenfold
from lab.lines.written import Bank, Example, example

FIRST, CHUNK = 55_000, 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chunks", type=int, default=100)
    parser.add_argument("--held-out", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    bank = digits(held_out=arguments.held_out)
    for number in range(arguments.chunks):
        path = arguments.folder / f"{number:04d}.npz"
        if path.exists():
            continue
        rng = np.random.default_rng([7, number, arguments.held_out])
        write(path, [example(bank, rng) for _ in range(CHUNK)])


def digits(*, held_out: bool) -> Bank:
    """The digits to write with."""
    known = tenfold.load("mnist")
    assert isinstance(known, tenfold.Dataset) and known.labels is not None
    rows = slice(FIRST, None) if held_out else slice(0, FIRST)
    rng = np.random.default_rng([3, held_out])
    return Bank.of(known.images[rows, 0], known.labels[rows], rng, 100 if held_out else 500)


def write(path: Path, lines: list[Example]) -> None:
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as stream:
        np.savez(
            stream,
            pixels=np.concatenate([line.image for line in lines], axis=1),
            widths=np.array([line.image.shape[1] for line in lines]),
            classes=np.concatenate([line.classes for line in lines]),
            columns=np.concatenate([line.columns for line in lines]),
            counts=np.array([len(line.classes) for line in lines]),
        )
    temporary.replace(path)


def read(path: Path) -> list[Example]:
    with np.load(path) as stored:
        images = np.split(stored["pixels"], stored["widths"].cumsum()[:-1], axis=1)
        ends = stored["counts"].cumsum()[:-1]
        classes, columns = np.split(stored["classes"], ends), np.split(stored["columns"], ends)
    return [
        Example(image, mine.tolist(), where.tolist())
        for image, mine, where in zip(images, classes, columns, strict=True)
    ]


if __name__ == "__main__":
    main()
