"""Look at a data set from all sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tenfold.api import Source, source_name
from tenfold.data import ReadOptions, Role
from tenfold.data.load import load
from tenfold.errors import UsageError
from tenfold.evaluation.label_issues import suspected_labels
from tenfold.exploration.examine import Exploration, ProgressLines, examine
from tenfold.exploration.maps import method
from tenfold.pipeline import DEFAULTS
from tenfold.studies.seen import predictions_for
from tenfold.values.dataset import Dataset
from tenfold.values.predictions import Predictions
from tenfold.values.run import Run


def explore(
    data: Source,
    test: Source | None = None,
    *,
    out: str | Path | None = "explore.html",
    figures: str | Path | None = None,
    maps: Sequence[str] = ("tsne",),
    as_notebook: bool = False,
    oof: str | Path | Run | Predictions | None = None,
    role: Role = "train",
    options: ReadOptions = DEFAULTS.options,
    progress: bool = True,
) -> Exploration:
    """Look at a data set from all sides, and write a page about it that opens offline.

    Args:
        data: a path, a data set's name or a dataset.
        test: likewise; compared with ``data`` and shown beside it.
        out: the page; replaced if it is there. None writes none.
        figures: a folder for each figure as PNG and SVG.
        maps: "tsne", "umap" and "pacmap", the first to be shown first; they take most of the time. The first two
            principal
            components are always a map.
        as_notebook: make the t-SNE map with the notebook's settings, which take several times as long.
        oof: look for wrong labels, too, as :func:`tenfold.review_labels` does with it.
        role: which part of ``data`` to read; "test" needs no labels.
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
    methods = [method(name, as_notebook=as_notebook) for name in dict.fromkeys(maps)]
    for some in methods:
        some.check_installed()
    train = data if isinstance(data, Dataset) else load(data, role, options)
    if test is not None and not isinstance(test, Dataset):
        test = load(test, "test", replace(options, class_names=train.class_names or None))
    if not len(train):
        raise UsageError("there is nothing to explore: the data set has no images")
    suspected = [] if oof is None else [suspected_labels(train, predictions_for(train, oof)).finding()]
    found = examine(train, test, maps=methods, further=suspected, progress=ProgressLines() if progress else None)
    if out is not None:
        from tenfold.report.explore_page import write_data_page

        write_data_page(found, Path(out), _title(data))
    if figures is not None:
        from tenfold.report.paper_figures import write_figures

        write_figures(found, Path(figures))
    return found


def _title(source: Source) -> str:
    """What a page calls a data set: the last part of its path."""
    return Path(source_name(source)).name or str(source)
