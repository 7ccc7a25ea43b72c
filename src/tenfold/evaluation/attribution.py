"""What a network makes of one image: the output of every layer, and what speaks for a class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from tenfold.evaluation.metrics import hardest_rows
from tenfold.evaluation.robustness import occlusion as covering
from tenfold.models.layers.shape import Crop
from tenfold.values.dataset import Dataset
from tenfold.values.run import Run


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


_UNCHANGED = (nn.Dropout, nn.Flatten, nn.Identity)


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """What one layer puts out.

    Attributes:
        name: the kind of layer and its place in the network ("3 Conv2d").
        values: float32, (C, H, W) for a layer of maps, (C,) for a dense one.
    """

    name: str
    values: NDArray[np.float32]


def layers_of(network: nn.Module) -> dict[str, nn.Module]:
    """The layers that compute something, by place and kind, in the order in which they are defined."""
    leaves = [module for module in network.modules() if not list(module.children())]
    return {
        f"{place} {type(module).__name__.lstrip('_')}": module
        for place, module in enumerate(leaves, 1)
        if not isinstance(module, _UNCHANGED)
    }


def activations(network: nn.Module, image: torch.Tensor) -> list[LayerMaps]:
    """The output of every layer for one image, in the order in which the network computes them.

    Args:
        network: maps (B, C, H, W) to logits (B, K); left as it was.
        image: float32 (1, C, H, W) in 0..1.
    """
    layers = layers_of(network)
    with evaluating(network), torch.no_grad(), captured(layers) as outputs:
        network(image)
    return [LayerMaps(name, output[0].detach().cpu().numpy().astype(np.float32)) for name, output in outputs.items()]


def first_filters(network: nn.Module) -> NDArray[np.float32] | None:
    """(F, C, h, w) the filters of the first convolution; None for a network without one."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    return None if first is None else first.weight.detach().cpu().numpy().astype(np.float32)


LEAST = 5


def grad_cam(network: nn.Module, image: torch.Tensor, target: int) -> NDArray[np.float32] | None:
    """How much each place of the last layer with useful maps speaks for ``target``, spread over the image.

    The maps are weighted by the mean gradient of the class's logit, summed, and what speaks against is cut off.
    R. R. Selvaraju et al., "Grad-CAM", ICCV 2017 (arXiv:1610.02391).

    Args:
        network: maps (B, C, H, W) to logits (B, K); left as it was.
        image: float32 (1, C, H, W) in 0..1.
        target: the class.

    Returns:
        float32 (H, W), 0 or more; None for a network without layers of maps.
    """
    found = coarse_grad_cam(network, image, target)
    if found is None:
        return None
    height, width = image.shape[2:]
    cut = sum(module.pixels for module in network.modules() if isinstance(module, Crop))
    spread = F.interpolate(found, size=(height - 2 * cut, width - 2 * cut), mode="bilinear", align_corners=False)
    return F.pad(spread, (cut,) * 4)[0, 0].numpy()


def coarse_grad_cam(network: nn.Module, image: torch.Tensor, target: int) -> torch.Tensor | None:
    """The same before it is spread: float32 (1, 1, h, w), the size of the last layer's maps."""
    with evaluating(network), torch.enable_grad(), captured(layers_of(network)) as outputs:
        # the image needs gradients, since the weights have none
        score = network(image.detach().clone().requires_grad_())[0, target]
        name = last_map_layer(outputs)
        if name is None:
            return None
        maps = outputs[name]
        (gradient,) = torch.autograd.grad(score, maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * maps).sum(dim=1, keepdim=True).clamp_min(0).detach().cpu()


def last_map_layer(outputs: dict[str, torch.Tensor]) -> str | None:
    """The last layer with maps of at least ``LEAST`` pixels a side: later ones say little about places. Failing that,
    any.
    """
    maps = [name for name, output in outputs.items() if output.ndim == 4 and max(output.shape[2:]) > 1]
    fine = [name for name in maps if min(outputs[name].shape[2:]) >= LEAST]
    return next(iter((fine or maps)[::-1]), None)


STEPS = 50


def integrated_gradients(
    network: nn.Module, image: torch.Tensor, target: int, steps: int = STEPS
) -> NDArray[np.float32]:
    """What each pixel adds to the logit of ``target``, from an empty image to this one.

    The gradients along the straight way from black to the image, by the Gauss-Legendre rule, times the image. They add
    up
    to the difference of the two logits. M. Sundararajan, A. Taly, Q. Yan, ICML 2017 (arXiv:1703.01365).

    Args:
        network: maps (B, C, H, W) to logits (B, K); left as it was.
        image: float32 (1, C, H, W) in 0..1.
        target: the class.
        steps: points on the way.

    Returns:
        float32 (C, H, W).
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    places = torch.from_numpy((nodes + 1) / 2).to(image).view(-1, 1, 1, 1)
    shares = torch.from_numpy(weights / 2).to(image).view(-1, 1, 1, 1)
    with evaluating(network), torch.enable_grad():
        way = (places * image).detach().requires_grad_()
        (gradients,) = torch.autograd.grad(network(way)[:, target].sum(), way)
    return ((gradients * shares).sum(dim=0) * image[0]).detach().cpu().numpy()


BATCH = 256


def occlusion(
    network: nn.Module, image: torch.Tensor, target: int, window: int = 5, stride: int = 1
) -> NDArray[np.float32]:
    """The mean loss of the logit of ``target`` over all black squares that cover a pixel.

    M. D. Zeiler, R. Fergus, ECCV 2014 (arXiv:1311.2901).

    Args:
        network: maps (B, C, H, W) to logits (B, K); left as it was.
        image: float32 (1, C, H, W) in 0..1.
        target: the class.
        window: side of the square in pixels; cut where the image is smaller.
        stride: pixels from one square to the next.

    Returns:
        float32 (H, W); positive where covering costs.
    """
    height, width = image.shape[2:]
    squares = [
        (slice(top, top + min(window, height)), slice(left, left + min(window, width)))
        for top in _starts(height, window, stride)
        for left in _starts(width, window, stride)
    ]

    def logits(covered: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = torch.split(torch.from_numpy(covered).to(image), BATCH)
        return torch.cat([network(part) for part in parts]).cpu().numpy()

    with evaluating(network), torch.no_grad():
        return covering(image[0].cpu().numpy(), target, logits, squares)


def _starts(size: int, window: int, stride: int) -> list[int]:
    """Where squares begin, so that they cover everything and none reaches beyond the edge."""
    last = max(size - window, 0)
    starts = list(range(0, last + 1, stride))
    return starts if starts[-1] == last else [*starts, last]


@dataclass(frozen=True, eq=False)
class Attribution:
    """What speaks for one class.

    Attributes:
        target: the class.
        grad_cam: float32 (H, W), 0 or more; None for a network without maps.
        integrated_gradients: float32 (H, W), summed over the channels.
        occlusion: float32 (H, W).
    """

    target: int
    grad_cam: NDArray[np.float32] | None
    integrated_gradients: NDArray[np.float32]
    occlusion: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Explanation:
    """One image as one network sees it.

    Attributes:
        id: of the image.
        image: uint8 (C, H, W).
        label: true class, or None where unknown.
        probabilities: float32 (K,), of this network.
        attributions: for the class it reads and, where that is wrong, for the true one.
        maps: of every layer; empty where not wanted.
    """

    id: str
    image: NDArray[np.uint8]
    label: int | None
    probabilities: NDArray[np.float32]
    attributions: tuple[Attribution, ...]
    maps: tuple[LayerMaps, ...]

    @property
    def predicted(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())


def explain_image(
    network: nn.Module,
    image: NDArray[np.uint8],
    id: object,
    label: int | None = None,
    *,
    with_maps: bool = True,
    stride: int = 1,
) -> Explanation:
    """Explain what ``network`` makes of ``image``, uint8 (C, H, W).

    Args:
        network: maps float32 (B, C, H, W) in 0..1 to logits (B, K); left as it was.
        image: 0..255.
        id: of the image.
        label: its true class, if known.
        with_maps: keep the activations of every layer, too.
        stride: pixels from one occlusion to the next.
    """
    batch = torch.from_numpy(image[None].astype(np.float32) / 255)
    with evaluating(network), torch.no_grad():
        probabilities = network(batch).softmax(dim=1)[0].numpy()
    targets = [int(probabilities.argmax())]
    if label is not None and label not in targets:
        targets.append(label)
    attributions = tuple(
        Attribution(
            target,
            grad_cam(network, batch, target),
            integrated_gradients(network, batch, target).sum(axis=0),
            occlusion(network, batch, target, stride=stride),
        )
        for target in targets
    )
    maps = tuple(activations(network, batch)) if with_maps else ()
    return Explanation(str(id), image, label, probabilities, attributions, maps)


HARDEST = 6
"""Images that the report explains."""


def explain_hardest(run: Run, images: dict[str, Dataset]) -> list[Explanation]:
    """What the first network looks at in the images that were hardest; none for models that are no networks."""
    from tenfold.models._fitted import Fitted
    from tenfold.training.member import load_member

    names = ("test", "holdout", "validation", "estimate")
    name = next((n for n in names if n in images and images[n].labels is not None), None)
    judged = run.path / "estimate"
    home = Run(judged) if name == "estimate" and judged.is_dir() else run  # the run's own networks know these images
    if name is None or not home.finished_members():
        return []
    data = images[name]
    network = load_member(home, home.finished_members()[0], data.image_shape, len(run.data["train"]["class_names"]))
    if isinstance(network, Fitted):
        return []
    rows = hardest_rows(data.truth, run.predictions(name).probabilities, HARDEST)
    return [
        explain_image(network, data.images[row], data.ids[row], int(data.truth[row]), with_maps=False, stride=2)
        for row in rows
    ]
