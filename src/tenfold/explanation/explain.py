"""Everything at once about one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tenfold.explanation.activations import LayerMaps, activations
from tenfold.explanation.gradcam import grad_cam
from tenfold.explanation.hooks import evaluating
from tenfold.explanation.integrated import integrated_gradients
from tenfold.explanation.occlusion import occlusion


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
