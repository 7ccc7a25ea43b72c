"""Predict: images of any number and place, from a picture to a folder of tables in the cloud."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tenfold.api.shared import Count, InMemory, Model, Option, insist_on_free, opened, place_of
from tenfold.data import ReadOptions
from tenfold.errors import UsageError, printable

if TYPE_CHECKING:
    from tenfold.bundle.predict import Bundle
    from tenfold.reading.results import Digit
    from tenfold.values.predictions import Predictions

DEFAULT = ReadOptions()
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Answers:
    """What images show.

    Attributes:
        class_names: (K,) names of the classes.
        sources: what was looked at.
        predictions: of each source, ids and probabilities (N, K); empty where digits are, or a file was written.
        digits: of each source, where the sources are pictures that had to be brought to the model's form.
        rows: number of images.
        reused: of them, those that an interrupted call had predicted.
        warnings: what the user should know.
    """

    class_names: tuple[str, ...]
    sources: list[str]
    predictions: list[Predictions]
    digits: list[Digit]
    rows: int
    reused: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def classes(self) -> list[str]:
        """The name of each image's class, in order; "?" for a picture of no digit."""
        read = [digit.text for digit in self.digits]
        return read or [self.class_names[k] for made in self.predictions for k in made.predicted.tolist()]


def predict(
    model: Model,
    sources: Sequence[str | Path] | str | Path | InMemory,
    *,
    out: Annotated[str | Path | None, Option(metavar="FILE.csv")] = None,
    probabilities: bool = False,
    replace: bool = True,
    threads: Count | None = None,
    parts: bool = False,
    executor: str = "local",
    workers: Count | None = None,
    options: ReadOptions = DEFAULT,
    on_progress: Callable[[float, int], None] | None = None,
) -> Answers:
    """Say what the images show: id, class and confidence of each.

    Args:
        model: a run, a bundle, builtin, or the name of a released one.
        sources: image files, tables, folders, URLs, patterns, a data set's name. In Python also arrays, pictures,
            tensors and frames.
        out: write a CSV file, in constant memory; if interrupted, the same command goes on. With --parts a folder or
            URL.
        probabilities: add the probability of every class.
        replace: replace the file if it exists.
        threads: threads to compute with; default: one a core.
        parts: with --out: leave a folder of parts and parts.json, here or at a URL.
        executor: with --out, where blocks are computed: local, processes or ray.
        workers: processes at once; default: one a core.
        options: how to read the sources.
        on_progress: gets (share done, images done).

    Raises:
        DataError: an image or a table is not what it should be.
        IntegrityError: no such bundle, or the images are not of its kind.
        UsageError: a file is in the way, or options that exclude each other.
        Stopped: with ``out``: everything so far is kept, and the same call goes on.

    Example:
        >>> import tenfold
        >>> tenfold.predict("builtin", "photo.png").classes
        ['0']
    """
    from tenfold.bundle.pieces import is_image, polarity_warning, read_input
    from tenfold.bundle.predict import Bundle
    from tenfold.data.fetch import expanded

    given = [sources] if isinstance(sources, str | Path) else sources
    if not (isinstance(given, list | tuple) and all(isinstance(one, str | Path) for one in given)):
        return _of_memory(given, opened(model, threads), options, out, probabilities, replace)
    names = expanded([str(one) for one in given])
    if all(name == STANDARD_INPUT or is_image(name) for name in names):
        bundle = opened(model, threads)
        if _are_pictures(names, bundle):
            from tenfold.reading.reader import Reader

            _insist_on_table(out, replace)
            found_digits = Reader(bundle).recognise(*names)
            answers = Answers(bundle.class_names, names, [], found_digits, len(names))
            return _written(answers, out, probabilities, replace)
    if out is not None:
        from tenfold.bundle.batch import predict_to_csv

        if isinstance(model, Bundle):
            raise UsageError("writing a file needs a bundle's folder; pass its path instead of the opened bundle")
        place = place_of(model)
        made = predict_to_csv(
            place,
            names,
            str(out),
            options=options,
            probabilities=probabilities,
            as_parts=parts,
            force=replace,
            executor=executor,
            workers=workers,
            threads=threads,
            on_progress=on_progress,
        )
        return Answers(Bundle.open(place, 1).class_names, names, [], [], made.rows, made.reused, made.warnings)
    if parts or executor != "local":
        raise UsageError("--parts and --executor are for --out FILE.csv; printing happens here")
    bundle = opened(model, threads)
    found: list[Predictions] = []
    warnings: list[str] = []
    for name in names:
        data = read_input(name, bundle, options)
        if warning := polarity_warning(data, bundle):
            warnings.append(f"{printable(name)}: {warning}")
        found.append(bundle.predict(data))
    return Answers(bundle.class_names, names, found, [], sum(map(len, found)), warnings=tuple(warnings))


def _are_pictures(sources: Sequence[str], model: Bundle) -> bool:
    """Whether all are image files that have to be brought to MNIST's form, which ``model`` must take."""
    from tenfold.data.images import load_image
    from tenfold.reading.normalise import FIELD

    if model.image_shape != (1, FIELD, FIELD):
        return False
    builtin = model.manifest.recipe == "builtin"
    return builtin or any(s == STANDARD_INPUT or load_image(Path(s), 1).shape != model.image_shape for s in sources)


def _of_memory(
    source: InMemory, model: Bundle, options: ReadOptions, out: str | Path | None, probabilities: bool, replace: bool
) -> Answers:
    """What arrays, pictures, tensors or a frame show: as they are if they have the model's form, else brought to it."""
    from tenfold.bundle.pieces import polarity_warning, read_input
    from tenfold.data.memory import picture_of, pictures_in
    from tenfold.reading.normalise import FIELD
    from tenfold.reading.reader import Reader

    _insist_on_table(out, replace)
    pictures = pictures_in(source, model.image_shape) if model.image_shape == (1, FIELD, FIELD) else None
    if pictures is not None and any(
        picture_of(one, f"picture {number}").shape != model.image_shape for number, one in enumerate(pictures)
    ):
        names = [f"picture {number}" for number in range(len(pictures))]
        answers = Answers(model.class_names, names, [], Reader(model).recognise(*pictures), len(pictures))
    else:
        data = read_input(source, model, options)
        warning = polarity_warning(data, model)
        notes = (*data.notes, *([warning] if warning else []))
        answers = Answers(model.class_names, ["memory"], [model.predict(data)], [], len(data), warnings=notes)
    return _written(answers, out, probabilities, replace)


def _insist_on_table(out: str | Path | None, replace: bool) -> None:
    from tenfold.data.fetch import is_url

    if out is not None and is_url(str(out)):
        raise UsageError(f"{printable(out)} is a URL, and what pictures show is one table here; give --out a path")
    insist_on_free(replace, out)


def _written(answers: Answers, out: str | Path | None, probabilities: bool, replace: bool) -> Answers:
    """``answers``, as a table too where ``out`` names one."""
    if out is not None:
        from tenfold.files import write_text
        from tenfold.values.names import csv_text

        header, rows = table(answers, probabilities)
        write_text(Path(out), csv_text(header, rows), overwrite=replace)
    return answers


def table(answers: Answers, probabilities: bool) -> tuple[list[str], list[list[str]]]:
    """Header and lines: id, class, confidence and, if wanted, every probability."""
    from tenfold.bundle.batch import table_header, table_rows

    header = table_header(answers.class_names, probabilities)
    rows = [row for made in answers.predictions for row in table_rows(made, answers.class_names, probabilities)]
    for source, digit in zip(answers.sources, answers.digits, strict=False):
        every = [f"{p:.6f}" for p in digit.probabilities.tolist()] if probabilities else []
        rows.append([source, "blank" if digit.blank else digit.text, f"{digit.confidence:.6f}", *every])
    return header, rows
