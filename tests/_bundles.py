"""A run with a bundle that tells scikit-learn's digits apart, made in about a second."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from _networks import small_network, torch_probabilities
from tenfold.bundle.export import export_bundle
from tenfold.bundle.manifest import Estimate
from tenfold.files import write_json
from tenfold.values.dataset import Dataset
from tenfold.values.recipe import Recipe
from tenfold.values.run import Run

TRAINING_ROWS = 1200


def digits() -> Dataset:
    """scikit-learn's 1,797 images of 8x8, levels 0..16 stretched to 0..255."""
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    return Dataset(images, bunch.target.astype(np.int64), np.arange(1, len(images) + 1), tuple("0123456789"))


def digits_run(folder, source: str = "train.csv", *, leaked: bool = False) -> Run:
    """A trained run below ``folder``; its data.json names ``source`` as the training set."""
    data = digits()
    train, test = data.take(range(TRAINING_ROWS)), data.take(range(TRAINING_ROWS, len(data)))
    network = _trained()
    run = Run.create(folder, Recipe(name="digits", model=[{"layers": "8C3 BN MP2 8C3VL BN RELU FLAT D40 SOFTMAX10"}]))
    record = {"train": {"source": source, "fingerprint": train.fingerprint()}, "leaked": leaked}
    write_json(run.path / "data.json", record)
    reference = torch_probabilities([network], test.images)
    right = int((reference.argmax(axis=1) == test.labels).sum())
    estimate = Estimate(value=right / len(test), low=0.9, high=1.0, images=len(test))
    metrics = {"test accuracy": estimate}
    export_bundle(run, [network], test, reference, metrics=metrics, data_fingerprint=train.fingerprint(), leaked=leaked)
    return run


@cache
def _trained() -> torch.nn.Sequential:
    train = digits().take(range(TRAINING_ROWS))
    torch.manual_seed(0)
    network = small_network().train()
    images, labels = torch.from_numpy(train.images.copy()).float() / 255, torch.from_numpy(train.labels.copy())
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    for _ in range(8):
        for rows in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(network(images[rows]), labels[rows]).backward()
            optimizer.step()
    return network.eval()
