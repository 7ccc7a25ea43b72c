"""The notebook's support vector machine twice, on the same rows: by scikit-learn's libsvm as in the notebook, and by
tenfold.

    python lab/benchmarks/notebook_svm.py TRAIN.CSV [--limit ROWS]

TRAIN.CSV is Kaggle's. Both get the 28,560 rows of `notebook/svm`'s split, 154 principal components, C 1 and gamma 0.06,
and are
asked for the 8,400 and the 5,040 rows held out. Seconds are this process's processor time, one thread, one after the
other, so that what else runs on the machine counts little. The last lines say on how many rows the two disagree, and by
how
much the decisions of their 45 machines differ.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import tenfold
from tenfold.models import build
from tenfold.models._fitted import Fitted, Work, apply
from tenfold.runtime import cpu_model, instruction_set
from tenfold.training.ensemble import split_rows
from tenfold.values.accuracy import wilson_interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path, metavar="TRAIN.CSV", help="Kaggle's train.csv, .gz or not")
    parser.add_argument("--limit", type=int, help="use only so many of the rows")
    arguments = parser.parse_args()
    limit = [] if arguments.limit is None else [f"data.limit={arguments.limit}"]
    for line in compare(tenfold.load_recipe("notebook/svm", limit), tenfold.load(str(arguments.train))):
        print(line, flush=True)


def compare(recipe: tenfold.Recipe, data: tenfold.Dataset) -> Any:
    """Fit both, and yield what to say."""
    import torch

    torch.set_num_threads(1)
    split = split_rows(recipe, data)
    asked = np.concatenate([split.held, split.holdout])
    images, labels, unseen, truth = (
        data.images[split.train],
        data.labels[split.train],
        data.images[asked],
        data.labels[asked],
    )
    yield f"{cpu_model()}, {instruction_set()}; {len(images):,} rows to learn from, {len(unseen):,} to answer for"
    answers, decisions = {}, {}
    for name, run in {"tenfold": _ours, "scikit-learn": _theirs}.items():
        with threadpool_limits(1):
            fitting, predicting, vectors, answers[name], decisions[name] = run(recipe, images, labels, unseen)
        right = int((answers[name] == truth).sum())
        low, high = wilson_interval(right, len(truth))
        figures = f"{right / len(truth):.4f} ({low:.4f} to {high:.4f}; {len(truth) - right} errors)"
        yield (
            f"{name:<13} fit {fitting:6.1f} s, predict {predicting:5.1f} s, {vectors:,} support vectors, accuracy"
            f" {figures}"
        )
    apart = answers["tenfold"] != answers["scikit-learn"]
    yield f"other answers  {int(apart.sum())} of {len(truth):,}"
    yield f"decisions      differ by {np.abs(decisions['tenfold'] - decisions['scikit-learn']).max():.4f} at most"


def _ours(recipe: tenfold.Recipe, images: Any, labels: Any, unseen: Any) -> tuple[float, float, int, Any, Any]:
    model = build(recipe.model_of(0), images.shape[1:], 10)
    assert isinstance(model, Fitted)
    began = time.process_time()
    model.learn(images, labels, Work(seed=recipe.seed))
    fitted = time.process_time()
    answers = apply(list(model), unseen).argmax(1)
    done = time.process_time()
    # flatten, components, kernel, machines: what comes after turns decisions into logits
    return fitted - began, done - fitted, len(model[2].vectors), answers, apply(list(model)[:4], unseen)


def _theirs(recipe: tenfold.Recipe, images: Any, labels: Any, unseen: Any) -> tuple[float, float, int, Any, Any]:
    from sklearn.decomposition import PCA
    from sklearn.svm import SVC

    settings = recipe.model_of(0).settings
    flat, asked = (some.reshape(len(some), -1) / 255 for some in (images, unseen))
    began = time.process_time()
    reduced = PCA(settings["components"]).fit(flat)
    machine = SVC(C=settings["C"], gamma=settings["gamma"], decision_function_shape="ovo").fit(
        reduced.transform(flat), labels
    )
    fitted = time.process_time()
    answers = machine.predict(reduced.transform(asked))
    done = time.process_time()
    return (
        fitted - began,
        done - fitted,
        len(machine.support_),
        answers,
        machine.decision_function(reduced.transform(asked)),
    )


if __name__ == "__main__":
    main()
