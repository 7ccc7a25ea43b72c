"""The sections of the pages: each says its name, title, order, template, and which values it needs.

A section is a function with the decorator :func:`section` in a file of this folder. It makes what its template shows
from the :class:`Material` of the page, or returns None where it has nothing to say; the template finds it under the
section's name. Other packages name a :class:`Section` with ``markup`` of its own as an entry point of the group
``tenfold.report.sections``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tenfold.registry import Entries

if TYPE_CHECKING:
    from tenfold.evaluation.attribution import Explanation
    from tenfold.evaluation.calibration import Confidence
    from tenfold.evaluation.robustness import Robustness
    from tenfold.report.sprites import Sheet
    from tenfold.values.dataset import Dataset
    from tenfold.values.predictions import Predictions
    from tenfold.values.run import Run

Page = Literal["model", "data"]
"""The page about a run or an evaluation, and the page about a data set."""


@dataclass(frozen=True)
class Material:
    """What the page about a model can say; None or empty where it is not known.

    Attributes:
        names: (K,) of the classes.
        split: what the page calls the set that counts most.
        made: its labelled predictions, one row or more.
        images: uint8 (N, C, H, W) behind ``made``, row for row.
        train: the labelled images that the model learnt from.
        learnt: temperature and reject threshold, from the rows held out.
        validation: predictions of the rows held out.
        members: probabilities (N, K) of each member on ``made``.
        vote: how they become one.
        histories: of the members that learn in epochs.
        without_epochs: how many members learn otherwise, such as kernel machines.
        explanations: of the hardest images.
        previews: uint8 (N, C, H, W), augmented training images.
        robustness: accuracy on corrupted images.
        unlabelled: predictions of a test set without labels.
        unlabelled_images: behind them, row for row.
        run: whose page it is.
        findings: of the checks, worst first.
    """

    names: tuple[str, ...]
    split: str = ""
    made: Predictions | None = None
    images: NDArray[np.uint8] | None = None
    train: Dataset | None = None
    learnt: Confidence | None = None
    validation: Predictions | None = None
    members: Sequence[NDArray[np.float32]] = ()
    vote: str = "mean"
    histories: Sequence[Sequence[Mapping[str, Any]]] = ()
    without_epochs: int = 0
    explanations: Sequence[Explanation] = ()
    previews: NDArray[np.uint8] | None = None
    robustness: Robustness | None = None
    unlabelled: Predictions | None = None
    unlabelled_images: NDArray[np.uint8] | None = None
    run: Run | None = None
    findings: Sequence[Any] = ()


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        name: its anchor in the page, and what its template calls its value.
        title: its heading.
        order: place among the others; the house uses multiples of ten.
        make: from the page's material to the value; None leaves the section out.
        needs: fields of the material without which it is left out.
        page: where it stands.
        markup: its Jinja template; empty for ``a file of ``templates/````.
        sprites: from the value to its sheets of pictures, by CSS class.
    """

    name: str
    title: str
    order: int
    make: Callable[[Any], Any]
    needs: tuple[str, ...] = ()
    page: Page = "model"
    markup: str = ""
    sprites: Callable[[Any], Mapping[str, Sheet | None]] = field(default=lambda value: {})

    @property
    def template(self) -> str:
        """What the page includes."""
        if self.markup:
            return f"section:{self.page}-{self.name}"
        return f"_{'explore_' if self.page == 'data' else ''}{self.name}.html.j2"


SECTIONS: Entries[Section] = Entries(__name__, "section")


def section(name: str, title: str, order: int, **more: Any) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register the function below as the ``make`` of a :class:`Section`."""

    def register(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        made = Section(name, title, order, make, **more)
        SECTIONS.add(f"{made.page}-{name}", made)
        return make

    return register


def filled(page: Page, material: object) -> dict[str, Any]:
    """The values of all sections of ``page`` in their order, by name; None where one has nothing to say.

    The entry "sections" holds those with a value as (section, value).
    """
    here = sorted((some for some in SECTIONS.load().values() if some.page == page), key=lambda some: some.order)
    values = {some.name: some.make(material) if _has(material, some.needs) else None for some in here}
    shown = [(some, values[some.name]) for some in here if values[some.name] is not None]
    return values | {"sections": shown, "contents": [(some.name, some.title) for some, _ in shown]}


def _has(material: object, needs: Sequence[str]) -> bool:
    values = (getattr(material, name) for name in needs)
    return all(value is not None and (not isinstance(value, (list, tuple)) or len(value)) for value in values)
