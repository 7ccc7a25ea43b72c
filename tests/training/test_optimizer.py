"""Optimisers: torch's own steps, bit for bit, without its compiler."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tenfold.models.network import Network
from tenfold.training.optimisers import OPTIMISERS, build_optimizer
from tenfold.training.optimisers.muon import Muon
from tenfold.values.recipe import TrainSettings

KINDS = list(OPTIMISERS)


def learnt(name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any], type]:
    """The weights after three steps, the state of the optimiser put back between them, that state and the optimiser's
    class.
    """
    torch.manual_seed(3)
    network = Network((1, 8, 8), 10, "8C3 BN 16C3 FLAT 12 SOFTMAX")
    settings = TrainSettings(optimizer=name, learning_rate=0.01, weight_decay=0.1)
    optimizer = build_optimizer(network, settings)
    images, labels = torch.rand(20, 1, 8, 8), torch.arange(10).repeat(2)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        state = optimizer.state_dict()
        optimizer = build_optimizer(network, settings)
        optimizer.load_state_dict(state)
    return network.state_dict(), optimizer.state_dict(), type(optimizer)


@pytest.mark.parametrize("name", KINDS)
def test_every_step_is_torchs(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    weights, state, kind = learnt(name)
    theirs = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "nadam": torch.optim.NAdam, "sgd": torch.optim.SGD}
    file = importlib.import_module(f"tenfold.training.optimisers.{name}")
    monkeypatch.setattr(file, "_KIND", theirs.get(name, Muon))
    torchs, its_state, its_kind = learnt(name)
    assert (kind is not its_kind, issubclass(kind, its_kind), kind.__name__) == (True, True, its_kind.__name__)
    torch.testing.assert_close(weights, torchs, rtol=0, atol=0)
    torch.testing.assert_close(state, its_state, rtol=0, atol=0)


def test_a_training_loads_no_compiler(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}
import tenfold
from _small_run import write_inputs
from test_optimizer import KINDS, learnt
tenfold.run(write_inputs(Path({str(tmp_path)!r}), checkpoint_minutes=2), out={str(tmp_path / "runs")!r}, executor="local")
for name in KINDS:
    learnt(name)
print([name for name in ("torch", "torch._dynamo", "sympy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["['torch']"], done.stderr
