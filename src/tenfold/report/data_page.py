"""An exploration as one HTML file: figures to read, and maps to walk through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.atomic import write_text
from tenfold.exploration.examine import Exploration, Map
from tenfold.report.data_sections import class_sprites, components, findings, ink_figures, label_table, overview
from tenfold.report.packed import Thumbnails, packed, packed_text, thumbnails
from tenfold.report.palette import DARK, LIGHT, colours
from tenfold.report.rendering import fill
from tenfold.report.sprites import sheet
from tenfold.values.dataset import Dataset

UNLABELLED = 65_535
SAMPLES = 30
"""Images shown of the set before one asks for more, as in the notebook."""


def write_data_page(exploration: Exploration, path: Path, title: str) -> Path:
    """Write the page; it needs nothing else and asks nobody.

    Args:
        exploration: what was found.
        path: of the file; replaced if it is there.
        title: what the data set is called.

    Raises:
        ResourceError: jinja2 is missing, or the file cannot be written.
    """
    write_text(path, render(exploration, title))
    return path


def render(exploration: Exploration, title: str) -> str:
    """The page as text. See :func:`write_data_page`."""
    found = exploration
    train = found.splits["train"]
    names = tuple(map(str, train.class_names))
    images = np.concatenate([data.images for data in found.splits.values()])
    small = thumbnails(images)
    known = findings(found)
    context: dict[str, Any] = {
        "title": title,
        "names": names,
        "splits": found.splits,
        "overview": overview(found),
        "never_used": sheet(np.where(found.pixels["train"].never_used, 255, 0).astype(np.uint8).max(axis=0)[None, None]),
        "unused": int(found.pixels["train"].never_used.sum()),
        "mean_image": sheet(found.pixels["train"].mean_image[None].round().astype(np.uint8)),
        "labels": label_table(found, names),
        "sample_rows": _sample_rows(train),
        "classes": class_sprites(found, names),
        "pca": components(found) if found.pca else None,
        "maps": found.maps,
        "ink": ink_figures(found),
        "findings": known,
        "seconds": found.seconds,
        "is_grey": small.channels == 1,
        "meta": json.dumps(_meta(found, names, small, known), ensure_ascii=True).replace("<", "\\u003c"),
        "arrays": _arrays(found, small),
    }
    return fill(
        "explore.html.j2",
        context | {"contents": _contents(context)},
        scripts=("theme.js", "explore-data.js", "explore-map.js", "explore.js"),
        styles=("report.css", "explore.css"),
        purpose="the page of an exploration",
        extra="explore",
    )


def _contents(context: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(anchor, title) of the sections this page has."""
    sections = [
        ("map", "Map", context["maps"]),
        ("samples", "Samples", True),
        ("labels", "Labels", context["labels"]),
        ("classes", "Classes", context["classes"]),
        ("components", "Components", context["pca"]),
        ("ink", "Ink", True),
        ("quality", "Quality", True),
        ("source", "Source", True),
    ]
    return [(anchor, title) for anchor, title, present in sections if present]


def _sample_rows(train: Dataset) -> list[int]:
    """The first rows, as a look at the file shows them."""
    return list(range(min(SAMPLES, len(train))))


def _meta(found: Exploration, names: tuple[str, ...], small: Thumbnails, known: list[dict[str, Any]]) -> dict[str, Any]:
    """What the script needs besides the arrays."""
    return {
        "names": names,
        "light": colours(len(names), LIGHT),
        "dark": colours(len(names), DARK),
        "splits": [[name, len(data)] for name, data in found.splits.items()],
        "thumbnail": [small.channels, small.height, small.width],
        "maps": [{"name": some.name} for some in found.maps],
        "findings": [{"name": item["name"], "groups": item["groups"]} for item in known],
    }


def _arrays(found: Exploration, small: Thumbnails) -> dict[str, str]:
    """Packed arrays by name: thumbnails, ids, labels (uint16), and uint16 x, y of each map."""
    parts = list(found.splits.values())
    labels = [np.full(len(d), UNLABELLED) if d.labels is None else d.labels for d in parts]
    ids = [str(value) for data in parts for value in data.ids.tolist()]
    arrays = {"thumbnails": small.data, "ids": packed_text(ids), "labels": packed(np.concatenate(labels).astype(np.uint16))}
    return arrays | {f"map-{number}": packed(_on_a_square(some)) for number, some in enumerate(found.maps)}


def _on_a_square(some: Map) -> NDArray[np.uint16]:
    """(N, 2) places on a square of 65,536 steps a side, in true proportion; y grows downwards."""
    low, high = some.places.min(axis=0), some.places.max(axis=0)
    scale = 65_535 / max(float((high - low).max()), 1e-9)
    middle = (low + high) / 2
    places = (some.places - middle) * scale * np.array([1, -1]) + 65_535 / 2
    return places.round().clip(0, 65_535).astype(np.uint16)
