"""A data set in numbers and pictures: maps, samples, labels, classes, components, ink, findings, sources."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks import Finding
from tenfold.data.checks.drift import COMPARED, NAMES
from tenfold.exploration.examine import Exploration, averaged
from tenfold.report.figures import Axis, Tick, histogram, ticks, whole_ticks
from tenfold.report.sections import section
from tenfold.report.sections.record import portable
from tenfold.report.sprites import sheet

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


@dataclass(frozen=True)
class DataMaterial:
    """What the page about a data set shows: the exploration and the names of its K classes."""

    found: Exploration
    names: tuple[str, ...]
    is_read: bool = False
    """Whether predictions are there to colour the map by."""


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
                "files": [(portable(str(origin.path)), origin.sha256) for origin in data.origin],
                "fingerprint": data.fingerprint(),
                "notes": [portable(note) for note in data.notes],
            }
        )
    return rows


def _shape(shape: tuple[int, int, int]) -> str:
    """``28 × 28``, and the channels where there are several."""
    channels, height, width = shape
    return f"{height} × {width}" + (f" × {channels}" if channels > 1 else "")


@section("labels", "Labels", 30, page="data")
def label_table(of: DataMaterial) -> dict[str, Any] | None:
    """Counts, shares and tests; None without labels."""
    found, names = of.found, of.names
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


@section("classes", "Classes", 40, page="data", sprites=lambda found: {"class": found["sheet"]})
def class_sprites(of: DataMaterial) -> dict[str, Any] | None:
    """Mean, median and deviation of each class on one sheet, and the rows at both ends; None without labels."""
    found, names = of.found, of.names
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


@section(
    "components", "Components", 50, page="data",
    sprites=lambda found: {"component": found["sheet"], "restored": found["restored"]["sheet"]},
)  # fmt: skip
def components(of: DataMaterial) -> dict[str, Any] | None:
    """The explained variance, the components and what images keep of themselves on a few of them."""
    found, pca = of.found, of.found.pca
    if pca is None:
        return None
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


@section("ink", "Ink", 60, page="data")
def ink_figures(of: DataMaterial) -> dict[str, Any]:
    """Distributions of ink, position, size and stroke width, beside MNIST's recipe; and how far the sets differ."""
    found = of.found
    is_ink = found.splits["train"].image_shape[0] == 1  # a recipe for digits says nothing about colours
    recipe = RECIPE if is_ink else {}
    figures = [
        histogram(
            NAMES[name],
            {split: getattr(measures, name) for split, measures in found.measures.items()},
            {"MNIST’s recipe": recipe[name]} if name in recipe else {},
        )
        for name in COMPARED
    ]
    side = max(found.splits["train"].image_shape[1:])
    figures = [
        replace(figure, only=f"{round(float(figure.only) * side)} of {side} pixels")
        if figure.only and figure.title == NAMES["size"]
        else figure
        for figure in figures
    ]
    drift = next((f for f in found.findings if f.name == "drift"), None)
    shifts = [] if drift is None else list(drift.details["measures"])
    if found.pca_shift is not None:
        s = found.pca_shift
        shifts.append(
            {"name": s.name, "distance": s.distance, "by_chance": s.by_chance, "before": s.before, "after": s.after}
        )
    return {
        "figures": figures,
        "shifts": shifts,
        "recipe": {NAMES[name]: f"{value:.3g}" if name != "size" else "20 of 28" for name, value in recipe.items()},
    }


@section("quality", "Quality", 70, page="data")
def findings(of: DataMaterial) -> list[dict[str, Any]]:
    """What the checks found, worst first, with the rows behind it."""
    found = of.found
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
            "message": portable(finding.message),
            "groups": [list(group) for group in finding.ids],
            "rows": rows(finding),
        }
        for finding in found.findings
    ]
    return sorted(listed, key=lambda item: (severities.index(item["severity"]), not item["count"]))


@section("map", "Map", 10, page="data")
def _map(of: DataMaterial) -> dict[str, Any] | None:
    return {"maps": of.found.maps, "is_read": of.is_read} if of.found.maps else None


SAMPLES = 30
"""Images shown of the set before one asks for more, as in the notebook."""


@section("samples", "Samples", 20, page="data")
def _samples(of: DataMaterial) -> list[int]:
    """Rows of all classes in turn, or the first ones where nothing is labelled."""
    train = of.found.splits["train"]
    if train.labels is None:
        return list(range(min(SAMPLES, len(train))))
    order = np.argsort(train.labels, kind="stable")
    labels = train.labels[order]
    rank = np.arange(len(order)) - np.searchsorted(labels, labels)  # place of each among those of its class
    rows: list[int] = order[np.argsort(rank, kind="stable")][:SAMPLES].tolist()
    return rows


@section("source", "Source", 80, page="data")
def _source(of: DataMaterial) -> dict[str, Any]:
    return {"overview": overview(of.found), "seconds": of.found.seconds}
