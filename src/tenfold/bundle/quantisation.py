"""A model with weights and activations of 8 bits, and what that costs.

Static post-training quantisation by ONNX Runtime: one scale a channel for weights, one a tensor for
activations, which are observed on images (Jacob et al. 2018, arXiv:1712.05877). Softmax and vote stay float32.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.atomic import write_bytes
from tenfold.bundle.loaded import BATCH, open_session
from tenfold.errors import UsageError
from tenfold.evaluation.metrics import wilson_interval
from tenfold.values.dataset import Dataset

CALIBRATION = 1000
"""Images that ranges of activations are observed on; they are not measured on."""


@dataclass(frozen=True)
class Quantised:
    """The small model, and both models on the same ``images`` images that it was not calibrated on.

    Attributes:
        model: the ONNX file's content.
        images: how many were measured.
        right: answers of the original that were right.
        right_int8: those of the small model.
        changed: answers that differ.
    """

    model: bytes
    images: int
    right: int
    right_int8: int
    changed: int

    def figures(self) -> dict[str, str]:
        """The measurements, as metadata."""
        return {name: str(getattr(self, name)) for name in ("images", "right", "right_int8", "changed")}

    def lines(self) -> list[str]:
        """The same for people."""

        def share(right: int) -> str:
            low, high = wilson_interval(right, self.images)
            return f"{right / self.images:.4f} (95 % interval {low:.4f} to {high:.4f})"

        return [
            f"accuracy {share(self.right_int8)}, before {share(self.right)}, on {self.images:,} images",
            f"{self.changed:,} answers changed; {abs(self.right_int8 - self.right):,} "
            f"{'more' if self.right_int8 > self.right else 'fewer'} are right",
        ]


def quantised(model: bytes, data: Dataset) -> Quantised:
    """``model`` in 8 bits, calibrated on an even choice of at most a third of ``data`` and measured on the rest.

    Raises:
        UsageError: ``data`` has no labels, or too few images.
    """
    if data.labels is None or len(data) < 100:
        found = "no labels" if data.labels is None else f"{len(data):,} images"
        raise UsageError(f"--data has {found}; expected at least 100 labelled images to calibrate and measure the int8 model on")
    chosen = np.zeros(len(data), bool)
    chosen[np.linspace(0, len(data) - 1, min(CALIBRATION, len(data) // 3)).astype(int)] = True
    small = _quantise(model, data.images[chosen])
    images, labels = data.images[~chosen], data.labels[~chosen]
    before, after = _classes(model, images), _classes(small, images)
    return Quantised(
        small, len(images), int((before == labels).sum()), int((after == labels).sum()), int((before != after).sum())
    )


def _quantise(model: bytes, images: NDArray[np.uint8]) -> bytes:
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches: Iterator[NDArray[np.uint8]] = iter(np.array_split(images, -(-len(images) // BATCH)))

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            batch = next(self._batches, None)
            return None if batch is None else {"images": batch}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        logging.disable(logging.WARNING)  # it advises steps that our graph has behind it
        try:
            write_bytes(Path(folder) / "model.onnx", model)
            quantization.quantize_static(
                Path(folder) / "model.onnx",
                path,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=["Conv", "Gemm", "MaxPool", "Relu"],
            )
        finally:
            logging.disable(logging.NOTSET)
        return path.read_bytes()


def _classes(model: bytes, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    session = open_session(model, 1)
    batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
    return np.concatenate([session.run(None, {"images": batch})[0].argmax(axis=1) for batch in batches])
