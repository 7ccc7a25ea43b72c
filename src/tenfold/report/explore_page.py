"""An exploration as one HTML file: figures to read, and maps to walk through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.exploration.examine import Exploration, Map
from tenfold.files import write_text
from tenfold.report.rendering import fill
from tenfold.report.sections import filled
from tenfold.report.sections.explored import DataMaterial
from tenfold.report.sprites import DARK, LIGHT, Thumbnails, colours, packed, packed_text, sheet, thumbnails
from tenfold.values.predictions import Predictions

UNLABELLED = 65_535


def write_data_page(
    exploration: Exploration,
    path: Path,
    title: str,
    predictions: Mapping[str, Predictions] | None = None,
    report: str | None = None,
) -> Path:
    """Write the page; it needs nothing else and asks nobody.

    Args:
        exploration: what was found.
        path: of the file; replaced if it is there.
        title: what the data set is called.
        predictions: of some images of the sets of these names ("train", "test"), found by their ids, to colour the map
            by.
        report: address of the run's report beside this page, which mistakes then link to.

    Raises:
        ResourceError: jinja2 is missing, or the file cannot be written.
    """
    write_text(path, render(exploration, title, predictions, report))
    return path


def render(
    exploration: Exploration,
    title: str,
    predictions: Mapping[str, Predictions] | None = None,
    report: str | None = None,
) -> str:
    """The page as text. See :func:`write_data_page`."""
    found = exploration
    train = found.splits["train"]
    names = tuple(map(str, train.class_names))
    images = np.concatenate([data.images for data in found.splits.values()])
    small = thumbnails(images)
    read = _read(found, predictions or {})
    values = filled("data", DataMaterial(found, names, read is not None))
    meta = _meta(found, names, small, values["quality"])
    summary = found.pixels["train"]
    unused = np.where(summary.never_used, 255, 0).astype(np.uint8).max(axis=0)[None, None]
    context: dict[str, Any] = {
        "title": title,
        "names": names,
        "splits": found.splits,
        "overview": values["source"]["overview"],
        "portraits": [("mean", sheet(summary.mean_image[None].round().astype(np.uint8))), ("unused", sheet(unused))],
        "unused": int(summary.never_used.sum()),
        "is_grey": small.channels == 1,
        "meta": json.dumps(meta | {"report": report}, ensure_ascii=True).replace("<", "\\u003c"),
        "arrays": _arrays(found, small) | (read or {}),
    }
    return fill(
        "explore.html.j2",
        values | context,
        scripts=("theme.js", "explore-data.js", "explore-map.js", "explore.js"),
        styles=("report.css", "explore.css"),
        purpose="the page of an exploration",
        extra="explore",
    )


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
    arrays = {
        "thumbnails": small.data,
        "ids": packed_text(ids),
        "labels": packed(np.concatenate(labels).astype(np.uint16)),
    }
    return arrays | {f"map-{number}": packed(_on_a_square(some)) for number, some in enumerate(found.maps)}


def _read(found: Exploration, predictions: Mapping[str, Predictions]) -> dict[str, str] | None:
    """Packed arrays of what was read: the class of each image (uint16) and its confidence (uint8, 255 is certain)."""
    classes, confidence = [], []
    for name, data in found.splits.items():
        read, sure = np.full(len(data), UNLABELLED), np.zeros(len(data))
        made = predictions.get(name)
        if made is not None and len(made):
            place = {str(value): row for row, value in enumerate(data.ids.tolist())}
            rows = [place.get(str(value), -1) for value in made.ids.tolist()]
            known = np.array(rows) >= 0
            read[np.array(rows)[known]] = made.predicted[known]
            sure[np.array(rows)[known]] = made.confidence[known]
        classes.append(read)
        confidence.append(sure)
    together = np.concatenate(classes)
    if (together == UNLABELLED).all():
        return None
    return {
        "read": packed(together.astype(np.uint16)),
        "confidence": packed((255 * np.concatenate(confidence)).round().astype(np.uint8)),
    }


def _on_a_square(some: Map) -> NDArray[np.uint16]:
    """(N, 2) places on a square of 65,536 steps a side, in true proportion; y grows downwards."""
    low, high = some.places.min(axis=0), some.places.max(axis=0)
    scale = 65_535 / max(float((high - low).max()), 1e-9)
    middle = (low + high) / 2
    places = (some.places - middle) * scale * np.array([1, -1]) + 65_535 / 2
    return places.round().clip(0, 65_535).astype(np.uint16)
