"""The figures of an exploration as PNG and SVG files, for papers: black on white, colours that survive colour
blindness.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tenfold.data.checks.drift import COMPARED, NAMES
from tenfold.errors import missing_extra
from tenfold.exploration.examine import Exploration, Map, averaged
from tenfold.files import make_directory, write_bytes
from tenfold.report.sections.explored import MARKED, RESTORED
from tenfold.report.sprites import colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 300


def write_figures(found: Exploration, folder: Path) -> list[Path]:
    """Write each figure twice, replacing files of the same names.

    Args:
        found: what there is to draw.
        folder: made if it is missing.

    Returns:
        the files.

    Raises:
        ResourceError: matplotlib is missing, or a file cannot be written.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise missing_extra("matplotlib", "explore", "drawing figures") from error
    make_directory(folder)
    written = []
    for name, draw in _figures(found):
        figure = draw()
        for kind in ("png", "svg"):
            buffer = io.BytesIO()
            # without a date and without random names, the same numbers give the same file
            with matplotlib.rc_context({"svg.hashsalt": "tenfold"}):
                undated = {"Date": None} if kind == "svg" else None
                figure.savefig(buffer, format=kind, dpi=DPI, bbox_inches="tight", metadata=undated)
            path = folder / f"{name}.{kind}"
            write_bytes(path, buffer.getvalue())
            written.append(path)
    return written


def _figures(found: Exploration) -> Iterator[tuple[str, Callable[[], Figure]]]:
    yield "samples", lambda: _samples(found)
    yield "ink", lambda: _ink(found)
    if found.labels is not None:
        yield "labels", lambda: _labels(found)
    if found.classes:
        yield "class-means", lambda: _class_means(found)
    if found.pca is not None:
        yield "explained-variance", lambda: _explained_variance(found)
        yield "components", lambda: _components(found)
        yield "restored", lambda: _restored(found)
    for some in found.maps:
        yield f"map-{some.name.lower()}", lambda some=some: _map(found, some)  # type: ignore[misc]


def _new(width: float, height: float) -> Figure:
    """An empty figure; sizes in inches. Not from pyplot, which would keep it."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _names(found: Exploration) -> tuple[str, ...]:
    return found.splits["train"].class_names


def _samples(found: Exploration) -> Figure:
    """The first thirty images, as the notebook shows them, each under its label or else its id."""
    train = found.splits["train"].take(range(min(30, len(found.splits["train"]))))
    titles = train.ids if train.labels is None else [train.class_names[label] for label in train.labels]
    return _montage(
        [_shown(image.astype(np.float64)) for image in train.images], 10, cell=0.6, titles=[str(t) for t in titles]
    )


def _ink(found: Exploration) -> Figure:
    """How amount, position, size and stroke width of the ink are distributed in each set."""
    figure = _new(9, 2)
    for name, axes in zip(COMPARED, figure.subplots(1, len(COMPARED), squeeze=False)[0], strict=True):
        sets = [getattr(measures, name) for measures in found.measures.values()]
        low, high = (float(value) for value in np.quantile(np.concatenate(sets), [0.001, 0.999]))
        edges = np.linspace(low, max(high, low + 1e-6), 41)
        for values, split, color in zip(sets, found.measures, colours(10), strict=False):
            axes.hist(values, edges, density=True, histtype="step", label=split, color=color)
        axes.set_title(NAMES[name], fontsize=8)
        axes.set_yticks([])
        axes.tick_params(labelsize=6)
        axes.spines[["top", "right", "left"]].set_visible(False)
    if len(found.measures) > 1:
        axes.legend(frameon=False, fontsize=6)
    return figure


def _labels(found: Exploration) -> Figure:
    assert found.labels is not None
    figure = _new(5, 3)
    axes = figure.subplots()
    width = 0.8 / len(found.labels.counts)
    for place, (split, counts) in enumerate(found.labels.counts.items()):
        axes.bar(
            np.arange(len(counts)) + place * width, counts / counts.sum(), width, label=split, color=colours(10)[place]
        )
    axes.set_xticks(np.arange(len(_names(found))) + 0.4 - width / 2, _names(found))
    axes.set_xlabel("class")
    axes.set_ylabel("share of the images")
    axes.spines[["top", "right"]].set_visible(False)
    if len(found.labels.counts) > 1:
        axes.legend(frameon=False)
    return figure


def _class_means(found: Exploration) -> Figure:
    """Mean, median and deviation of each class, each from its own lightest to its own darkest value."""
    rows = {
        "mean": [some.mean for some in found.classes],
        "median": [some.median for some in found.classes],
        "deviation": [np.sqrt(some.variance) for some in found.classes],
    }
    images = [_stretched(_shown(image)) for row in rows.values() for image in row]
    titles = [_names(found)[some.label] for some in found.classes]
    return _montage(images, len(found.classes), cell=0.65, titles=titles, sides=list(rows))


def _stretched(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """A grey image from 0 to 255; a coloured one stays as it is."""
    if image.ndim == 3:
        return image
    low, high = float(image.min()), float(image.max())
    return 255 * (image - low) / max(high - low, 1e-9)


def _montage(
    images: Sequence[NDArray[np.float64]],
    columns: int,
    *,
    cell: float,
    titles: Sequence[str] = (),
    sides: Sequence[str] = (),
    colormap: str = "gray_r",
    low: float = 0,
) -> Figure:
    """Images of one size, row by row, as one picture: axes of their own for each would take seconds to draw.

    Args:
        images: (H, W) from ``low`` to 255, or (H, W, 3) in 0..1.
        columns: images a row.
        cell: width of an image and the gap after it, in inches.
        titles: what stands above each image, or above those of the first row only.
        sides: what stands left of each row.
        colormap: matplotlib's name of the colours of (H, W).
        low: the value of the first of them.
    """
    height, width = images[0].shape[:2]
    rows, gap = -(-len(images) // columns), -(-width // 10)
    pixel = 72 * cell / (width + gap)  # in points
    right, below = width + gap, height + (math.ceil(10 / pixel) if len(titles) > columns else gap)
    size = ((rows - 1) * below + height, columns * right - gap)
    sheet = np.full((*size, *images[0].shape[2:]), np.nan if images[0].ndim == 2 else 1.0)
    figure = _new(size[1] * pixel / 72 + 0.5 * bool(sides), size[0] * pixel / 72 + 0.2)
    axes = figure.subplots()
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        top, left = row * below, column * right
        sheet[top : top + height, left : left + width] = image
        if place < len(titles):
            axes.text(left + width / 2, top - 2 / pixel, titles[place], ha="center", va="bottom", fontsize=7)
    for row, side in enumerate(sides):
        axes.text(-4 / pixel, row * below + height / 2, side, ha="right", va="center", fontsize=8)
    extent = (0, size[1], size[0], 0)
    axes.imshow(sheet, cmap=colormap, vmin=low, vmax=255, extent=extent, interpolation="none")
    axes.axis("off")
    return figure


def _shown(
    image: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(C, H, W) as matplotlib shows it: (H, W), or (H, W, 3) in 0..1."""
    return image[:3].transpose(1, 2, 0).clip(0, 255) / 255 if len(image) >= 3 else image[0]


def _explained_variance(found: Exploration) -> Figure:
    assert found.pca is not None
    figure = _new(5, 3)
    axes = figure.subplots()
    axes.plot(np.arange(1, len(found.pca.explained) + 1), 100 * found.pca.explained, color=colours(1)[0])
    for share in MARKED:
        count = found.pca.components_for(share)
        axes.plot([count], [100 * share], "o", color=colours(1)[0], markersize=4)
        axes.annotate(
            f"{count} for {share:.0%}", (count, 100 * share), (6, -10), textcoords="offset points", fontsize=8
        )
    axes.set_xlabel("principal components")
    axes.set_ylabel("variance explained, %")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _components(found: Exploration) -> Figure:
    """The first twenty, each from its largest absolute value below nothing to that above."""
    assert found.pca is not None
    images = [row.reshape(found.pca.shape).mean(axis=0) for row in found.pca.components[:20]]
    images = [255 * image / max(float(np.abs(image).max()), 1e-9) for image in images]
    titles = [str(place + 1) for place in range(len(images))]
    return _montage(images, 10, cell=0.7, titles=titles, colormap="RdBu_r", low=-255)


def _restored(found: Exploration) -> Figure:
    """Eight images from more and more components; all of them in the last line."""
    assert found.pca is not None
    images = averaged(found.splits["train"].images[:8], found.shrunk)
    counts = [count for count in RESTORED if count < len(found.pca.mean)]
    lines: dict[str, NDArray[Any]] = {str(n): found.pca.restore(found.pca.transform(images, n)) for n in counts}
    lines["all"] = images
    shown = [_shown(image.astype(np.float64)) for line in lines.values() for image in line]
    return _montage(shown, len(images), cell=0.7, sides=list(lines))


def _map(found: Exploration, some: Map) -> Figure:
    figure = _new(6, 6)
    axes = figure.subplots()
    train = found.splits["train"]
    places = some.places[: len(train)]
    order = np.random.default_rng(0).permutation(len(places))  # no class on top of the others
    x, y = places[order].T
    size = min(12.0, max(0.4, 20_000 / len(places)))
    if train.labels is None:
        axes.scatter(x, y, s=size, c="#777777", linewidths=0, rasterized=True)
    else:
        palette = np.array(colours(len(train.class_names)))
        axes.scatter(x, y, s=size, c=palette[train.labels[order]], linewidths=0, rasterized=True)
        for label in np.unique(train.labels):
            middle = np.median(places[train.labels == label], axis=0)
            box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.5}
            axes.annotate(train.class_names[label], tuple(middle), ha="center", va="center", weight="bold", bbox=box)
    axes.set_aspect("equal")
    axes.axis("off")
    return figure
