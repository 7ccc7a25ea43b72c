"""Look at a data set from all sides."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tenfold.api.labels import predictions_for
from tenfold.api.shared import Folder, Option, OutOfFold, Page, Source, insist_on_free, read_source, source_name
from tenfold.data import ReadOptions, Role
from tenfold.errors import UsageError

if TYPE_CHECKING:
    from tenfold.exploration.examine import Exploration


DEFAULT = ReadOptions()


def explore(
    data: Source,
    test: Annotated[Source | None, Option("--test", "SOURCE")] = None,
    *,
    out: Page | None = "explore.html",
    figures: Folder | None = None,
    maps: Annotated[Sequence[str], Option("--map", "tsne|umap|pacmap")] = ("tsne",),
    as_notebook: bool = False,
    oof: OutOfFold | None = None,
    role: Role = "train",
    replace: bool = True,
    options: ReadOptions = DEFAULT,
    progress: bool = True,
) -> Exploration:
    """Write a page about a data set: a map of every image, classes, components, and what is wrong with it.

    Args:
        data: a path, or a data set's name.
        test: test data, with or without labels, to show beside it.
        out: the page to write.
        figures: write each figure as PNG and SVG, too.
        maps: make this map; may be repeated. t-SNE by default. The first two principal components are always a map.
        as_notebook: t-SNE of 154 components with perplexity 50 in 1,000 rounds.
        oof: look for wrong labels, too: a cross-validation of this data, or a .npz or CSV file of predictions.
        role: which part of the source: train or test.
        replace: replace the page if it exists.
        options: how to read the sources.
        progress: say what is going on.

    Returns:
        Everything on the page, as numbers.

    Raises:
        TenfoldError: what is wrong with the data, the packages or the machine, and what to do.

    Example:
        >>> import tenfold
        >>> found = tenfold.explore("mnist", maps=(), out=None, progress=False)
        >>> found.pca.components.shape, [some.name for some in found.maps]
        ((784, 784), ['PCA'])
    """
    from tenfold.evaluation.label_issues import suspected_labels
    from tenfold.exploration.examine import ProgressLines, examine
    from tenfold.exploration.maps import MAPS, MapMethod
    from tenfold.exploration.maps.tsne import Tsne

    if as_notebook and "tsne" not in maps:
        raise UsageError("--as-notebook is a way to make the t-SNE map, and none is made; choose one of them")
    insist_on_free(replace, out)
    notebook: dict[str, MapMethod] = {"tsne": Tsne.as_notebook()} if as_notebook else {}
    methods = [notebook.get(name) or MAPS.get(name)() for name in dict.fromkeys(maps)]
    for some in methods:
        some.check_installed()
    train = read_source(data, role, options)
    if test is not None:
        test = read_source(test, "test", dataclasses.replace(options, class_names=train.class_names or None))
    if not len(train):
        raise UsageError("there is nothing to explore: the data set has no images")
    read = None if oof is None else predictions_for(train, oof)
    suspected = [] if read is None else [suspected_labels(train, read).finding()]
    found = examine(train, test, maps=methods, further=suspected, progress=ProgressLines() if progress else None)
    if out is not None:
        from tenfold.report.explore_page import write_data_page

        write_data_page(found, Path(out), _title(data), {"train": read} if read is not None else {})
    if figures is not None:
        from tenfold.report.paper_figures import write_figures

        write_figures(found, Path(figures))
    return found


def _title(source: Source) -> str:
    """What a page calls a data set: the last part of its path."""
    return Path(source_name(source)).name or str(source)
