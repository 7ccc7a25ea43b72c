"""Explain what a run's network makes of single images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tenfold.api.shared import Folder, On, Option, Page, RunLike, as_run, images_of, insist_on_free
from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    from tenfold.evaluation.attribution import Explanation
    from tenfold.values.dataset import Dataset
    from tenfold.values.run import Run


def explain(
    run: RunLike,
    ids: Annotated[Sequence[object], Option("--id", "ID")] = (),
    *,
    hardest: Annotated[int, Option(metavar="N", low=0)] = 0,
    on: On | None = None,
    member: Annotated[int, Option(low=0)] = 0,
    out: Page | None = None,
    figures: Folder | None = None,
    replace: bool = True,
) -> list[Explanation]:
    """Show what a network looks at in an image: every layer, Grad-CAM, integrated gradients, occlusion.

    Args:
        run: a run directory.
        ids: the id of an image; may be repeated.
        hardest: the N images that were hardest for the run, too.
        on: test or validation; default: test where the run has one.
        member: which of its networks, counted from 0.
        out: the page to write.
        figures: write each picture as PNG, too.
        replace: replace the page if it exists.

    Returns:
        One explanation an image, in the order asked for.

    Raises:
        UsageError: no such image or member, or a model that is no network.
        IntegrityError: the data have changed since, or the weights are damaged.
        ResourceError: a package is missing, or a file cannot be written.

    Example:
        >>> import tenfold
        >>> (seen,) = tenfold.explain("runs/RUN", hardest=1)
        >>> seen.image.shape, seen.attributions[0].occlusion.shape
        ((1, 28, 28), (28, 28))
    """
    from tenfold.evaluation.attribution import explain_image
    from tenfold.runtime import require_training

    insist_on_free(replace, out)
    require_training()
    from tenfold.models._fitted import Fitted
    from tenfold.training.member import load_member

    run = as_run(run)
    on = on or ("test" if run.recipe.data.test is not None else "validation")
    trained = run.trained()
    if not 0 <= member < len(trained):
        raise UsageError(f"{run.path} has no member {member}; it has {len(trained)}, counted from 0")
    data = images_of(run, on)
    rows = _rows(run, data, ids, hardest, on)
    names = tuple(map(str, run.data["train"]["class_names"]))
    home, number = trained[member]
    network = load_member(home, number, data.image_shape, len(names))
    if isinstance(network, Fitted):
        kind = home.recipe.model_of(number).kind
        raise UsageError(
            f"member {member} is a model of the kind {kind!r}, which has no layers to look into; choose a network"
        )
    found = [
        explain_image(network, data.images[row], data.ids[row], None if data.labels is None else int(data.labels[row]))
        for row in rows
    ]
    if out is not None or figures is not None:
        from tenfold.evaluation.attribution import first_filters
        from tenfold.report.explain_page import write_explanations, write_pictures

        if out is not None:
            title = f"{run.path.resolve().name}, member {member}"
            write_explanations(found, Path(out), title, names, first_filters(network))
        if figures is not None:
            write_pictures(found, Path(figures), first_filters(network))
    return found


def _rows(run: Run, data: Dataset, ids: Sequence[object], hardest: int, on: On) -> list[int]:
    from tenfold.evaluation.metrics import hardest_rows

    known = {str(value): row for row, value in enumerate(data.ids.tolist())}
    missing = [wanted for wanted in ids if str(wanted) not in known]
    if missing:
        first, last = data.ids[0], data.ids[-1]
        raise UsageError(
            f"there is no {on} image with the id {printable(missing[0])}; the {len(data):,} ids go from"
            f" {printable(first)} to {printable(last)}; the report shows those of the mistakes"
        )
    rows = [known[str(wanted)] for wanted in ids]
    if hardest:
        made = run.predictions(on)
        if made.labels is None:
            raise UsageError(
                f"which {on} images are hardest cannot be said without their labels; name images with --id"
            )
        rows += hardest_rows(made.labels, made.probabilities, hardest).tolist()
    if not rows:
        raise UsageError("no image was named; pass --id ID, or --hardest 6")
    return list(dict.fromkeys(rows))
