"""K17: what earlier releases wrote stays readable, and says the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from images import images

from tenfold.bundle.predict import Bundle
from tenfold.bundle.verification import verify
from tenfold.training.loop import predict_shifted
from tenfold.training.member import load_member
from tenfold.values.predictions import vote
from tenfold.values.run import Run

RELEASES = sorted(path for path in Path(__file__).parent.iterdir() if (path / "run").is_dir())


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


def test_k17_a_run_of_an_earlier_release_is_read_and_whole(release: Path) -> None:
    run = Run(release / "run")
    assert verify(run.path)[0] == []
    assert run.recipe.ensemble.members == len(run.finished_members()) == 2
    assert run.summary["validation"]["n"] == 60
    assert run.predictions("validation").accuracy > 0.9
    assert len(run.history(0)) == 3


def test_k17_a_bundle_of_an_earlier_release_says_the_same(release: Path) -> None:
    expected = np.load(release / "probabilities.npy", allow_pickle=False)
    assert np.abs(Bundle.open(release / "run").predict_proba(images()) - expected).max() < 1e-5


def test_k17_weights_of_an_earlier_release_say_the_same(release: Path) -> None:
    import torch

    run = Run(release / "run")
    members = [load_member(run, member, (1, 8, 8), 3) for member in run.finished_members()]
    made = [
        predict_shifted(network, torch.from_numpy(images()), run.recipe.ensemble.offsets).numpy() for network in members
    ]
    expected = np.load(release / "probabilities.npy", allow_pickle=False)
    assert np.abs(vote(made, run.recipe.ensemble.vote) - expected).max() < 1e-4


def test_k17_there_is_one_of_every_release() -> None:
    changelog = (Path(__file__).parents[2] / "CHANGELOG.md").read_text("utf-8")
    released = [line.split()[1] for line in changelog.splitlines() if line.startswith("## ")]
    assert [path.name for path in RELEASES] == sorted(released)
