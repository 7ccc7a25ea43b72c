"""An exploration as one HTML file: figures to read, and maps to walk through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import Finding
from tenfold.data.checks.drift import COMPARED, NAMES
from tenfold.exploration.examine import Exploration, Map, averaged
from tenfold.files import write_text
from tenfold.report.figures import Axis, Tick, histogram, ticks, whole_ticks
from tenfold.report.rendering import fill
from tenfold.report.sprites import DARK, LIGHT, Thumbnails, colours, packed, packed_text, sheet, thumbnails
from tenfold.values.dataset import Dataset

MARKED = (0.8, 0.9, 0.95, 0.99)
"""Shares of the variance whose number of components is marked."""
SHOWN_COMPONENTS = 20
RESTORED = (2, 10, 20, 50, 100, 154, 300)
"""Numbers of components that images are restored from."""
RESTORED_IMAGES = 8
SHOWN_GROUPS = 12
EXTREMES = 10
RECIPE = {"x": 0.5 / 28, "y": 0.5 / 28, "size": 20 / 28}
"""Where MNIST's recipe puts the ink: its centre of mass within pixel 14 of 0..27, 20 of 28 pixels large."""
BETWEEN_SETS = ("leakage", "near-leakage")
"""Findings whose ids are (training id, test id); all others are about the training set."""


def overview(found: Exploration) -> list[dict[str, Any]]:
    """A row for each set."""
    rows = []
    for name, data in found.splits.items():
        summary = found.pixels[name]
        rows.append(
            {
                "name": name,
                "images": len(data),
                "shape": _shape(data.image_shape),
                "labelled": data.labels is not None,
                "mean": summary.mean,
                "deviation": summary.deviation,
                "range": f"{summary.lowest}–{summary.highest}",
                "zeros": summary.zeros,
                "unused": int(summary.never_used.sum()),
                "files": [(origin.path, origin.sha256) for origin in data.origin],
                "fingerprint": data.fingerprint(),
                "notes": data.notes,
            }
        )
    return rows


def _shape(shape: tuple[int, int, int]) -> str:
    """``28 × 28``, and the channels where there are several."""
    channels, height, width = shape
    return f"{height} × {width}" + (f" × {channels}" if channels > 1 else "")


def label_table(found: Exploration, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Counts, shares and tests; None without labels."""
    if found.labels is None:
        return None
    counts = found.labels.counts
    largest_share = max(float((count / count.sum()).max()) for count in counts.values())

    def cell(count: int, total: int) -> dict[str, float]:
        return {"count": count, "share": count / total, "bar": count / total / largest_share}

    ink = found.class_ink
    rows = [
        {
            "name": name,
            "cells": {split: cell(int(count[k]), int(count.sum())) for split, count in counts.items()},
            "ink": None if ink is None or k >= len(ink) else float(ink[k]),
        }
        for k, name in enumerate(names)
    ]
    return {
        "splits": list(counts),
        "rows": rows,
        "darkest": 1.0 if ink is None else float(np.nanmax(ink)) or 1.0,
        "balance_p": dict(found.labels.balance_p),
        "same_shares_p": found.labels.same_shares_p,
    }


def class_sprites(found: Exploration, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Mean, median and deviation of each class on one sheet, and the rows at both ends; None without labels."""
    if not found.classes:
        return None
    images = []
    for some in found.classes:
        deviation = np.sqrt(some.variance)
        images += [some.mean, some.median, deviation * (255 / max(float(deviation.max()), 1e-9))]
    pictures = sheet(np.stack(images).round().clip(0, 255).astype(np.uint8))
    rows = [
        {
            "name": names[some.label],
            "count": some.count,
            "cells": [pictures.cell(3 * place + offset) for offset in range(3)],
            "nearest": some.nearest[:EXTREMES].tolist(),
            "farthest": some.farthest[:EXTREMES].tolist(),
        }
        for place, some in enumerate(found.classes)
    ]
    return {"sheet": pictures, "rows": rows}


def components(found: Exploration) -> dict[str, Any]:
    """The explained variance, the components and what images keep of themselves on a few of them."""
    pca = found.pca
    assert pca is not None
    explained = pca.explained
    count = len(explained)
    axis = Axis(0, max(count, 2))
    shown = [i for i in range(count) if i < 60 or i % max(1, count // 200) == 0 or i == count - 1]
    points = " ".join(f"{axis.place(i + 1):g},{100 - 100 * explained[i]:.2f}" for i in shown)
    marks = [{"share": share, "count": pca.components_for(share)} for share in MARKED]
    for mark in marks:
        mark["x"] = axis.place(mark["count"])
    first = pca.components[: min(SHOWN_COMPONENTS, count)].reshape(-1, *pca.shape)
    return {
        "points": f"{axis.place(0):g},100 {points}",
        "x_ticks": [Tick(axis.place(value), str(value)) for value in whole_ticks(axis, 8)],
        "y_ticks": [Tick(100 * value, f"{100 * value:.0f}") for value in ticks(Axis(0, 1))],
        "marks": marks,
        "total": count,
        "sheet": sheet(_signed(first)),
        "shares": (pca.variances[: len(first)] / max(pca.variances.sum(), 1e-9)).tolist(),
        "restored": _restored(found),
    }


def _signed(images: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Components as grey: 0 in the middle, the largest magnitude of each at an end."""
    largest = np.abs(images).max(axis=(1, 2, 3), keepdims=True)
    signed: NDArray[np.uint8] = (127.5 + 127.5 * images / np.maximum(largest, 1e-9)).round().astype(np.uint8)
    return signed


def _restored(found: Exploration) -> dict[str, Any]:
    """A few images, of different classes where there are classes, restored from more and more components."""
    assert found.pca is not None
    train = found.splits["train"]
    if train.labels is None:
        rows = np.arange(min(RESTORED_IMAGES, len(train)))
    else:
        rows = np.sort(np.unique(train.labels, return_index=True)[1])[:RESTORED_IMAGES]
    images = averaged(train.images[rows], found.shrunk)
    total = len(found.pca.mean)
    counts = sorted({count for count in (*RESTORED, found.pca.components_for(0.95)) if count < total})
    lines = [
        found.pca.restore(found.pca.transform(images, count)).round().clip(0, 255).astype(np.uint8) for count in counts
    ]
    pictures = sheet(np.concatenate([*lines, images]))
    labels = [*(f"{count}" for count in counts), "all"]
    shares = [*(float(found.pca.explained[count - 1]) for count in counts), 1.0]
    cells = [[pictures.cell(line * len(rows) + column) for column in range(len(rows))] for line in range(len(labels))]
    return {"sheet": pictures, "lines": list(zip(labels, shares, cells, strict=True))}


def ink_figures(found: Exploration) -> dict[str, Any]:
    """Distributions of ink, position, size and stroke width, beside MNIST's recipe; and how far the sets differ."""
    figures = [
        histogram(
            NAMES[name],
            {split: getattr(measures, name) for split, measures in found.measures.items()},
            {"MNIST’s recipe": RECIPE[name]} if name in RECIPE else {},
        )
        for name in COMPARED
    ]
    drift = next((f for f in found.findings if f.name == "drift"), None)
    shifts = [] if drift is None else list(drift.details["measures"])
    if found.pca_shift is not None:
        s = found.pca_shift
        shifts.append(
            {"name": s.name, "distance": s.distance, "by_chance": s.by_chance, "before": s.before, "after": s.after}
        )
    return {"figures": figures, "shifts": shifts}


def findings(found: Exploration) -> list[dict[str, Any]]:
    """What the checks found, worst first, with the rows behind it."""
    severities = ("error", "leak", "warning", "note")
    places = {name: {value: row for row, value in enumerate(data.ids.tolist())} for name, data in found.splits.items()}
    offset = len(found.splits["train"])

    def rows(finding: Finding) -> list[list[int]]:
        if finding.name in BETWEEN_SETS:
            if "test" not in places:
                return []
            return [[places["train"][a], places["test"][b] + offset] for a, b in finding.ids[:SHOWN_GROUPS]]
        return [[places["train"][value] for value in group[:6]] for group in finding.ids[:SHOWN_GROUPS]]

    listed = [
        {
            "name": finding.name,
            "severity": finding.severity,
            "count": finding.count,
            "total": finding.total,
            "message": finding.message,
            "groups": [list(group) for group in finding.ids],
            "rows": rows(finding),
        }
        for finding in found.findings
    ]
    return sorted(listed, key=lambda item: (severities.index(item["severity"]), not item["count"]))


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
        "never_used": sheet(
            np.where(found.pixels["train"].never_used, 255, 0).astype(np.uint8).max(axis=0)[None, None]
        ),
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
    arrays = {
        "thumbnails": small.data,
        "ids": packed_text(ids),
        "labels": packed(np.concatenate(labels).astype(np.uint16)),
    }
    return arrays | {f"map-{number}": packed(_on_a_square(some)) for number, some in enumerate(found.maps)}


def _on_a_square(some: Map) -> NDArray[np.uint16]:
    """(N, 2) places on a square of 65,536 steps a side, in true proportion; y grows downwards."""
    low, high = some.places.min(axis=0), some.places.max(axis=0)
    scale = 65_535 / max(float((high - low).max()), 1e-9)
    middle = (low + high) / 2
    places = (some.places - middle) * scale * np.array([1, -1]) + 65_535 / 2
    return places.round().clip(0, 65_535).astype(np.uint16)
