"""What saving a picture in few bytes does to it."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tenfold.evaluation.corruptions.sampling import Pixels

QUALITY = (25, 18, 15, 10, 7)


def jpeg_compression(images: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Saved as a JPEG of low quality and read again, each channel as a grey picture."""
    height, width = images.shape[2:]
    planes = np.rint(images.clip(0, 1) * 255).astype(np.uint8).reshape(-1, height, width)
    decoded = np.stack([_saved(plane, QUALITY[severity - 1]) for plane in planes])
    return (decoded.reshape(images.shape) / np.float32(255)).astype(np.float32)


def _saved(
    plane: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], quality: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    content = io.BytesIO()
    Image.fromarray(plane).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))
