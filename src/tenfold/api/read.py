"""Read: from pictures to digits, with the lines in doubt for a person to confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tenfold.api.shared import Count, InMemory, Option, Page, RunLike, insist_on_free, opened
from tenfold.errors import UsageError

if TYPE_CHECKING:
    from tenfold.reading.normalise import Grey
    from tenfold.reading.results import Reading
    from tenfold.reading.review import Checked, Rule

Ink = Literal["auto", "dark", "bright"]


@dataclass(frozen=True)
class PictureRead:
    """What stands in a picture.

    Attributes:
        name: the picture's.
        grey: its pixels, as they were looked at.
        reading: lines of digits with boxes and confidences.
        checked: each line, with what is wrong with it by the rules.
    """

    name: str
    grey: Grey
    reading: Reading
    checked: list[Checked]


def read_pictures(
    images: Annotated[Sequence[str | Path | InMemory], Option(metavar="IMAGES...")],
    *,
    bundle: RunLike = "builtin",
    expect: Annotated[Sequence[str], Option(metavar="RULE")] = (),
    review: Annotated[Page, Option(metavar="PAGE.html")] | None = None,
    show: Annotated[str | Path | None, Option(metavar="FILE.png|FOLDER")] = None,
    threshold: float | None = None,
    ink: Annotated[Ink, Option(metavar="auto|dark|bright")] = "auto",
    digits_only: bool = False,
    replace: bool = True,
    threads: Count | None = None,
) -> list[PictureRead]:
    """Read digits and marks in pictures: lines, boxes and how sure each one is; "?" is no digit.

    Args:
        images: pictures: PNG, JPEG, BMP, GIF, WebP, TIFF; "-" is standard input. In Python also Pillow's pictures and
            arrays.
        bundle: a bundle, a run that has one, or the one that comes along.
        expect: what lines must be: length=5, range=1-31, date=DDMMYYYY, one-of=10|20, luhn, mod11, mod97; may be
            repeated.
        review: lines in doubt go to this page, to be confirmed; the sure ones are the CSV.
        show: draw the boxes: a picture, or a folder for several.
        threshold: reject digits with less confidence, 0 to 1; default: what the bundle says.
        ink: whether the ink is dark or bright.
        digits_only: leave out the marks . , - + / : ( ) = #
        replace: replace files that exist.
        threads: threads to compute with; default: one a core.

    Raises:
        DataError: not a picture, too large, or damaged.
        UsageError: no such rule, or a file is in the way.
        IntegrityError: no such bundle.

    Example:
        >>> import tenfold
        >>> (found,) = tenfold.read_pictures(["photo.png"], expect=["length=1"])
        >>> found.reading.text, len(found.checked)
        ('0', 1)
    """
    from tenfold.reading.normalise import open_image
    from tenfold.reading.reader import Reader
    from tenfold.reading.review import check, parse_rule

    rules: list[Rule] = [parse_rule(text) for text in expect]
    names = [str(one) if isinstance(one, str | Path) else f"picture {number}" for number, one in enumerate(images)]
    drawings = _drawings(names, None if show is None else Path(show))
    insist_on_free(replace, review)
    for path in drawings.values():
        if path.exists() and not replace:
            raise UsageError(f"{path} exists; pass --force to replace it, or choose another name")
    reader = Reader(opened(bundle, threads), threshold=threshold, polarity=ink, digits_only=digits_only)
    pages = []
    for name, image in zip(names, images, strict=True):
        grey = open_image(image, None if isinstance(image, str | Path) else name)
        reading = reader.read(grey)
        pages.append(PictureRead(name, grey, reading, check(name, grey, reading, rules)))
    if review is not None:
        _write_review(pages, Path(review), replace)
    if drawings:
        from tenfold.files import make_directory, write_bytes
        from tenfold.reading.review import with_boxes

        for page in pages:
            make_directory(drawings[page.name].parent)
            write_bytes(drawings[page.name], with_boxes(page.grey, page.reading), overwrite=replace)
    return pages


def _write_review(pages: Sequence[PictureRead], out: Path, replace: bool) -> None:
    from tenfold.reading.review import sorted_out
    from tenfold.report.question_pages import Question, write_review_page

    sure, doubtful = sorted_out([each for page in pages for each in page.checked])
    questions = [Question(each.file, each.number, each.guess, each.faults, each.crop) for each in doubtful]
    write_review_page(questions, out, sure=len(sure), overwrite=replace)


def _drawings(images: list[str], show: Path | None) -> dict[str, Path]:
    """Where each picture's drawing goes."""
    if show is None:
        return {}
    if len(images) == 1 and show.suffix.lower() == ".png":
        return {images[0]: show}
    if show.suffix:
        raise UsageError(f"--show {show}: several pictures need a folder, and one needs FILE.png")
    drawings = {name: show / f"{Path(name).stem if name != '-' else 'stdin'}.boxes.png" for name in images}
    if len(set(drawings.values())) < len(drawings):
        raise UsageError(f"--show {show}: two of the pictures have the same name; draw them one by one")
    return drawings
