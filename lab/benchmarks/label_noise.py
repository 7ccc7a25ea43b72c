"""How many wrong labels a review finds: some are made wrong on purpose, and the ranking of all labels is counted.

    python lab/benchmarks/label_noise.py TRAIN.CSV [--rows N] [--share 0.01] [--recipe svm-fast] [--folds 5] [--page
    review.html]

Of a share of the rows, the label becomes another class, drawn evenly. A recipe then reads every row out of fold: the
members
have learnt from wrong labels, but not from the one that they judge. The table goes to standard output, as Markdown:

* found: of the n wrong labels, how many are among the n, and the 2 n, labels that were given the least probability.
* suspected: labels that the review lists, and how many of these are wrong.

With --page, the list as people would see it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import tenfold
from tenfold.evaluation.label_issues import label_issues
from tenfold.values.dataset import Dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", metavar="TRAIN.CSV", help="labelled images: a path, or a data set's name")
    parser.add_argument("--rows", type=int, help="take so many, the first; default: all")
    parser.add_argument("--share", type=float, default=0.01, help="of the labels that become wrong")
    parser.add_argument("--recipe", default="svm-fast")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workers", type=int, help="members trained at once; default: one a core")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for the cross-validation")
    parser.add_argument("--page", type=Path, help="write the page of `tenfold data review`, too")
    arguments = parser.parse_args()

    data = tenfold.load(arguments.train)
    data, wrong = spoilt(data.between(0, min(arguments.rows or len(data), len(data))), arguments.share, arguments.seed)
    run = tenfold.cross_validate(
        arguments.recipe,
        folds=arguments.folds,
        train=data,
        overrides=arguments.overrides,
        workers=arguments.workers,
        out=arguments.out,
    )
    if arguments.page is not None:
        tenfold.review_labels(data, run, out=arguments.page)
    made = run.predictions("oof")
    print(
        "\n| labels made wrong | found in the first n | in the first 2 n | suspected | of these made wrong | recipe |"
    )
    print("|---:|---:|---:|---:|---:|---|")
    print(line(counted(made.truth, made.probabilities, wrong), arguments.recipe))
    print(run.path)


def spoilt(data: Dataset, share: float, seed: int) -> tuple[Dataset, NDArray[np.int64]]:
    """The data with a share of labels made wrong, and the rows of these."""
    classes, draw = len(data.class_names), np.random.default_rng(seed)
    rows = draw.choice(len(data), round(share * len(data)), replace=False)
    labels = data.truth.copy()
    labels[rows] = (labels[rows] + draw.integers(1, classes, len(rows))) % classes
    return replace(data, labels=labels), rows


def counted(labels: NDArray[np.int64], probabilities: NDArray[np.float32], wrong: NDArray[np.int64]) -> dict[str, int]:
    """Wrong labels; those among the first n and 2 n of least probability; suspected ones; those of them that are
    wrong.
    """
    found = label_issues(labels, probabilities)
    n = len(wrong)
    first, second = (int(np.isin(found.worst(count), wrong).sum()) for count in (n, 2 * n))
    return {
        "n": n,
        "first": first,
        "second": second,
        "suspected": len(found.rows),
        "right": int(np.isin(found.rows, wrong).sum()),
    }


def line(figures: dict[str, int], recipe: str) -> str:
    """A row of the table."""
    return "| " + " | ".join(f"{value:,}" for value in figures.values()) + f" | `{recipe}` |"


if __name__ == "__main__":
    main()
