"""Images made worse, in five severities: what a model that is only good on clean digits stumbles over.

Names and strengths are those of N. Mu and J. Gilmer, "MNIST-C: a robustness benchmark for computer vision", 2019
(arXiv:1906.02337), wherever it has the corruption; strengths in pixels there are for 28 x 28 and grow with the
image here. Its released set has fifteen, each in one severity: ``RELEASED``. ``EXTRA`` are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tenfold.errors import UsageError
from tenfold.evaluation.corruptions import geometric, photometric

Pixels = NDArray[np.float32]
"""(N, C, H, W), 0..1."""
Corruption = Callable[[Pixels, int, np.random.Generator], Pixels]
"""(images, severity 1..5, generator) -> images, which may leave 0..1."""

SEVERITIES = (1, 2, 3, 4, 5)
CORRUPTIONS: Mapping[str, Corruption] = {
    function.__name__: function
    for function in (
        geometric.rotate,
        geometric.translate,
        geometric.scale,
        geometric.shear,
        photometric.gaussian_noise,
        photometric.shot_noise,
        photometric.impulse_noise,
        photometric.gaussian_blur,
        photometric.motion_blur,
        photometric.glass_blur,
        photometric.brightness,
        photometric.contrast,
        photometric.inverse,
        photometric.fog,
        geometric.canny_edges,
        geometric.thin,
        geometric.thick,
        geometric.stripe,
        geometric.dotted_line,
        geometric.zigzag,
        geometric.spatter,
        geometric.occlusion,
        geometric.clipped,
        photometric.jpeg_compression,
    )
}
EXTRA = frozenset({"thin", "thick", "occlusion", "clipped"})
"""Not in MNIST-C: pens, cover, and digits that were cut off."""
RELEASED: Mapping[str, int] = {
    "shot_noise": 5,
    "impulse_noise": 4,
    "glass_blur": 1,
    "motion_blur": 1,
    "shear": 2,
    "scale": 3,
    "rotate": 2,
    "brightness": 5,
    "translate": 3,
    "stripe": 5,
    "fog": 5,
    "spatter": 4,
    "dotted_line": 1,
    "zigzag": 1,
    "canny_edges": 5,
}
"""The fifteen of MNIST-C's released set and the severity of each; ``stripe`` and ``canny_edges``, which have none
there, have
that form at this one here."""


def corrupt(images: NDArray[np.uint8], name: str, severity: int, seed: int = 0) -> NDArray[np.uint8]:
    """``images``, uint8 (N, C, H, W), after the corruption ``name``; the same seed, the same bits.

    Raises:
        UsageError: no such corruption, or a severity other than 1..5.
    """
    if name not in CORRUPTIONS:
        raise UsageError(f"unknown corruption {name!r}; expected one of: {', '.join(CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise UsageError(f"found severity {severity}, expected 1 to 5")
    if not images.size:
        return images.copy()
    generator = np.random.default_rng([seed, *name.encode()])  # every severity throws the same dice
    changed = CORRUPTIONS[name](images.astype(np.float32) / np.float32(255), severity, generator)
    return np.rint(changed.clip(0, 1) * 255).astype(np.uint8)
