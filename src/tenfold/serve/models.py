"""The models of a worker: bundles that were opened, with the reading that goes before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.loaded import Bundle
from tenfold.bundle.manifest import DARK
from tenfold.reading.normalise import normalise
from tenfold.reading.reader import Reader
from tenfold.reading.results import Digit
from tenfold.serve import images
from tenfold.serve.bodies import Item
from tenfold.serve.faults import Fault
from tenfold.serve.settings import READABLE, REJECT


@dataclass(frozen=True, eq=False)
class Model:
    """One bundle under its name."""

    name: str
    bundle: Bundle

    @property
    def reads(self) -> bool:
        """Whether images of any size can be brought into the form that it takes."""
        return self.bundle.image_shape == READABLE and self.bundle.manifest.pixel_mean < DARK

    @property
    def reject_threshold(self) -> float:
        """The confidence below which an answer says nothing."""
        known = self.bundle.manifest.reject_threshold
        return REJECT if known is None else known

    @cached_property
    def reader(self) -> Reader:
        """Reads pages with this bundle. Only where :attr:`reads`."""
        return Reader(self.bundle, threshold=self.reject_threshold)

    def page(self, item: Item) -> dict[str, Any]:
        """Every digit of an item that passed :func:`~tenfold.serve.images.check_sizes`, as /v1/read shows it.

        Raises:
            Fault: 422.
        """
        found = self.reader.read(images.decoded(item)[0])
        return {"text": found.text, "digits": [_digit(digit) for line in found.lines for digit in line.digits]}

    def inputs(self, items: Sequence[Item]) -> NDArray[np.uint8]:
        """What the model sees of ``items``: uint8 (N, C, H, W).

        Levels are taken as they are; image files are normalised where :attr:`reads`, and must have the
        model's size elsewhere.

        Raises:
            Fault: 413, 415 or 422.
        """
        images.check_sizes(items)
        return np.stack([self._input(item) for item in items])

    def _input(self, item: Item) -> NDArray[np.uint8]:
        channels, height, width = self.bundle.image_shape
        if item.levels is None and self.reads:
            return normalise(images.decoded(item)[0])[None]
        levels = images.decoded(item, channels)
        if levels.shape != self.bundle.image_shape:
            found = f"{levels.shape[2]} x {levels.shape[1]} pixels" + ("" if levels.shape[0] == channels else " in grey")
            raise Fault(422, f"found {found}, expected {width} x {height} as the model takes them", field=item.field)
        return levels

    def described(self) -> dict[str, Any]:
        """As /v1/models shows it."""
        manifest = self.bundle.manifest
        return {
            "name": self.name,
            "classes": list(self.bundle.class_names),
            "image_shape": list(self.bundle.image_shape),
            "sha256": manifest.model.sha256,
            "trained_on": manifest.trained_on,
            "metrics": {name: estimate.model_dump() for name, estimate in manifest.metrics.items()},
            "reads": self.reads,
        }


def _digit(digit: Digit) -> dict[str, Any]:
    return {
        "class": digit.label,
        "confidence": round(digit.confidence, 7),
        "rejected": digit.rejected,
        "box": digit.box.as_list(),
    }


def open_models(bundles: Mapping[str, str], threads: int = 1) -> dict[str, Model]:
    """Open every bundle of name -> bundle, run or "builtin".

    Raises:
        IntegrityError: a bundle is not what its manifest says.
    """
    return {name: Model(name, Bundle.open(bundle, threads)) for name, bundle in bundles.items()}
