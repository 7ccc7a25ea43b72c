"""Where a training step's time goes."""

from __future__ import annotations

import time

import pytest
import torch

from tenfold.models.network import Network
from tenfold.speed.measure import STAGES, augmentation_mark, stages


def test_every_kind_of_work_is_found_and_all_time_is_told() -> None:
    network = Network((1, 16, 16), 10, "16C3 BN MP2 D10 16C3 BN FLAT 32 SOFTMAX")
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    labels, took = torch.arange(10).repeat(8), []

    def step() -> None:
        began = time.perf_counter()
        with augmentation_mark():
            images = torch.rand(80, 1, 16, 16).mul(2).sub(1)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        took.append(time.perf_counter() - began)

    step()
    found = []
    for _ in range(5):  # a busy machine may halt a step anywhere, but not everywhere
        took.clear()
        found.append(stages(step, steps=3))
        assert tuple(found[-1]) == STAGES
        assert [stage for stage, seconds in found[-1].items() if seconds <= 0] == []
        assert sum(found[-1].values()) == pytest.approx(sum(took) / 3, rel=0.5)
    assert min(each["convolution, backward"] for each in found) > min(each["loss"] for each in found)


def test_within_the_augmentation_everything_is_augmentation() -> None:
    def step() -> None:
        with augmentation_mark():
            torch.nn.functional.conv2d(torch.rand(8, 1, 16, 16), torch.rand(4, 1, 3, 3))

    found = stages(step, steps=1)
    assert found["augmentation"] > 0
    assert found["convolution, forward"] == 0
