"""Look inside a network for a moment, and leave it as it was, even after an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def captured(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, torch.Tensor]]:
    """What each of ``modules`` puts out while the block runs, by name, with its gradients' graph.

    The hooks are gone afterwards, whatever happened in the block.
    """
    outputs: dict[str, torch.Tensor] = {}

    def hook_for(name: str) -> torch.utils.hooks.RemovableHandle:
        def keep(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
            outputs[name] = output

        return modules[name].register_forward_hook(keep)

    handles: list[torch.utils.hooks.RemovableHandle] = []
    try:
        for name in modules:
            handles.append(hook_for(name))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """The network in evaluation mode, its weights without gradients; every part is back in its own mode afterwards."""
    modes = {module: module.training for module in network.modules()}
    wanted = {parameter: parameter.requires_grad for parameter in network.parameters()}
    try:
        network.eval()
        for parameter in wanted:
            parameter.requires_grad_(False)
        yield network
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, needs in wanted.items():
            parameter.requires_grad_(needs)
