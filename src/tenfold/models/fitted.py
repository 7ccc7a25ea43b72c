"""Models whose weights one computation finds, where networks walk down a gradient."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.errors import UsageError


@dataclass(frozen=True)
class Work:
    """How a model is fitted.

    Attributes:
        seed: of every draw.
        threads: how many may compute at once; they do not change a bit of the result.
        report: called with (what is done, parts done, parts in all).
        check_stop: called between parts; it raises to stop.
    """

    seed: int = 0
    threads: int = 1
    report: Callable[[str, int, int], None] = lambda what, done, total: None
    check_stop: Callable[[], None] = lambda: None


class Fitted(nn.Sequential):
    """A network of fixed and of fitted layers: images (B, C, H, W) in 0..1 to logits (B, K).

    Being a network, it is stored, predicts, votes and is exported like any other. Before :meth:`learn`
    its weights are zeros, of shapes that the rows may change.
    """

    @abstractmethod
    def learn(self, images: NDArray[np.uint8], labels: NDArray[np.int64], work: Work) -> None:
        """Find the weights, on the CPU.

        Args:
            images: uint8 (N, C, H, W).
            labels: int64 (N,) in 0..K-1; a class may be missing.
            work: how.

        Raises:
            Stopped: ``work.check_stop`` said so.
        """

    def take_shapes(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Give the weights the shapes of ``weights``, by name, so that those can be loaded."""
        for name, parameter in self.named_parameters():
            if name in weights:
                parameter.data = torch.zeros_like(weights[name], dtype=parameter.dtype, device=parameter.device)


def fixed(values: torch.Tensor | NDArray[Any]) -> nn.Parameter:
    """A float32 weight that no gradient changes."""
    return nn.Parameter(torch.as_tensor(values, dtype=torch.float32), requires_grad=False)


def dense(weight: NDArray[Any], bias: NDArray[Any] | None = None) -> nn.Linear:
    """A dense layer with these weights (outputs, inputs) and, if there is one, this bias (outputs,)."""
    layer = nn.Linear(1, 1, bias=bias is not None)
    layer.out_features, layer.in_features = weight.shape
    layer.weight = fixed(weight)
    if bias is not None:
        layer.bias = fixed(bias)
    return layer


def apply(layers: Sequence[nn.Module], images: NDArray[Any], batch: int = 256) -> NDArray[np.float32]:
    """What ``layers`` make of uint8 images (N, C, H, W), or of float32 vectors, N > 0 of them: float32 (N, D)."""
    network = nn.Sequential(*layers)
    scale = 255 if images.dtype == np.uint8 else 1
    with torch.no_grad():
        starts = range(0, len(images), batch)
        inputs = (torch.from_numpy(np.array(images[start : start + batch])).float().div_(scale) for start in starts)
        return np.concatenate([network(part).numpy() for part in inputs])


def check_range(name: str, value: object, low: float, high: float) -> None:
    """Refuse a setting that is not a number from ``low`` to ``high``.

    Raises:
        UsageError: naming the setting, what was found and what is expected.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(f"model {name} = {value!r}; expected a number from {low:g} to {high:g}")
