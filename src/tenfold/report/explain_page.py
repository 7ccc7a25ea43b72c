"""Explanations as one HTML file, or as PNG files: what a network looks at, and what its layers make of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.evaluation.attribution import Explanation, LayerMaps
from tenfold.files import make_directory, write_bytes, write_text
from tenfold.report.rendering import fill
from tenfold.report.sections.mistakes import explained
from tenfold.report.sprites import over, tiles
from tenfold.values.display import data_uri, png


def write_explanations(
    found: Sequence[Explanation],
    path: Path,
    title: str,
    names: tuple[str, ...],
    filters: NDArray[np.float32] | None = None,
) -> Path:
    """Write the page; it needs nothing else and asks nobody.

    Args:
        found: one an image.
        path: of the file; replaced if it is there.
        title: what the network is called.
        names: (K,) of the classes.
        filters: (F, C, h, w) of the first convolution.

    Raises:
        ResourceError: jinja2 is missing, or the file cannot be written.
    """
    write_text(path, render(found, title, names, filters))
    return path


def render(
    found: Sequence[Explanation], title: str, names: tuple[str, ...], filters: NDArray[np.float32] | None = None
) -> str:
    """The page as text. See :func:`write_explanations`."""
    pictures = explained(found)
    context: dict[str, Any] = {
        "title": title,
        "names": names,
        "explained": pictures,
        "sprites": [("original", pictures.images), ("heat", pictures.pictures)] if pictures else [],
        "layers": [[_picture(maps) for maps in one.maps] for one in found],
        "filters": None if filters is None else _uri(_filter_tiles(filters)),
        "filter_count": 0 if filters is None else len(filters),
        "contents": [(f"image-{place}", f"Image {one.id.rsplit('/', 1)[-1]}") for place, one in enumerate(found[:12])],
    }
    if filters is not None:
        context["contents"].append(("filters", "Filters"))
    return fill(
        "explain.html.j2", context, scripts=("theme.js",), styles=("report.css", "explained.css"), purpose="the page"
    )


def write_pictures(
    found: Sequence[Explanation], folder: Path, filters: NDArray[np.float32] | None = None
) -> list[Path]:
    """Write every picture of the page as PNG, replacing files of the same names; returns the files.

    Raises:
        ResourceError: a file cannot be written.
    """
    make_directory(folder)
    written = []
    pictures = [picture for one in found for picture in _pictures(one)]
    if filters is not None:
        pictures.append(("filters", _filter_tiles(filters)))
    for name, pixels in pictures:
        path = folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.png"
        write_bytes(path, png(pixels, enlarge=max(1, round(600 / pixels.shape[1]))))
        written.append(path)
    return written


def _pictures(one: Explanation) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """(name, pixels (H, W, 3)) of everything about one image."""
    for attribution in one.attributions:
        ways = {
            "grad-cam": attribution.grad_cam,
            "integrated-gradients": attribution.integrated_gradients,
            "occlusion": attribution.occlusion,
        }
        for way, values in ways.items():
            if values is not None:
                yield f"{one.id}-{way}-{attribution.target}", over(one.image, values).transpose(1, 2, 0)
    for maps in one.maps:
        yield f"{one.id}-layer-{maps.name}", _layer_tiles(maps)


def _picture(maps: LayerMaps) -> dict[str, Any]:
    pixels = _layer_tiles(maps)
    shape = " × ".join(map(str, maps.values.shape))
    columns = -(-pixels.shape[1] // (maps.values.shape[2] + 1 if maps.values.ndim == 3 else 2))
    width = columns * (4 if maps.values.ndim == 3 else 0.75)
    return {"name": maps.name, "shape": shape, "uri": _uri(pixels), "width": f"{width:g}rem"}


def _layer_tiles(maps: LayerMaps) -> NDArray[np.uint8]:
    if maps.values.ndim == 1:
        return tiles(maps.values[:, None, None], min(len(maps.values), 64))
    return tiles(maps.values, _columns(maps.values.shape[0]))


def _columns(count: int) -> int:
    """Maps in a row: all of up to 16, else about a 2 : 1 rectangle."""
    return count if count <= 16 else 2 ** math.ceil(math.log2(math.sqrt(2 * count)))


def _filter_tiles(filters: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The filters' mean over the channels they read."""
    return tiles(filters.mean(axis=1), _columns(len(filters)))


def _uri(pixels: NDArray[np.uint8]) -> str:
    return data_uri(png(pixels))
