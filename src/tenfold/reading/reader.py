"""Pictures in, digits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenfold.bundle.manifest import BUILTIN
from tenfold.bundle.predict import Bundle
from tenfold.errors import UsageError, printable
from tenfold.reading.ink import Polarity, ink_map
from tenfold.reading.line_network import LineNetwork
from tenfold.reading.lines import MOST_DIGITS, find_lines, without_rules
from tenfold.reading.normalise import FIELD, Grey, Picture, framed, open_image
from tenfold.reading.page import SURE, PageReader, box_on_page
from tenfold.reading.results import Box, Digit, Line, Reading
from tenfold.reading.segmentation import DEFAULT_COSTS, Costs, Segment, best_path, find_seams, find_segments


class Reader:
    """Reads pictures of any size with a bundle made for MNIST's kind of images.

    Attributes:
        bundle: what recognises single digits.
        threshold: a digit with less confidence is rejected.

    Example:
        >>> import tenfold
        >>> reader = tenfold.Reader()
        >>> [len(line.digits) for line in reader.read("photo.png").lines]
        [1]
    """

    def __init__(
        self,
        bundle: Bundle | str | Path = BUILTIN,
        *,
        threshold: float | None = None,
        polarity: Polarity = "auto",
        costs: Costs = DEFAULT_COSTS,
        most_digits: int = MOST_DIGITS,
        digits_only: bool = False,
    ) -> None:
        """Open ``bundle``, if it is not open yet.

        Args:
            bundle: a bundle, its folder, a run, "builtin", or the name of a released one.
            threshold: reject below this confidence; by default what the bundle says, 0 if it says nothing.
            polarity: whether ink is "dark" or "bright"; "auto" finds out.
            costs: how lines are cut.
            digits_only: leave out the marks ``. , - + / : ( ) = #``.
            most_digits: how much ink a page may have, in digits: more is refused, since it would take minutes.

        Raises:
            IntegrityError: no bundle there, or a damaged one.
            UsageError: it takes other images than grey ones of 28 x 28, or a threshold outside 0..1.
        """
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        if self.bundle.image_shape != (1, FIELD, FIELD):
            found = "x".join(map(str, self.bundle.image_shape))
            raise UsageError(
                f"reading pictures needs a bundle for grey images of {FIELD} x {FIELD}; this one takes {found}"
            )
        if threshold is not None and not 0 <= threshold <= 1:
            raise UsageError(f"the threshold {threshold} is no confidence; expected 0..1")
        self.threshold = threshold if threshold is not None else self.bundle.manifest.reject_threshold or 0.0
        self._polarity = polarity
        self._costs = costs
        self._most_digits = most_digits
        self._page_reader = None
        if self.bundle.class_names[:10] == tuple("0123456789"):
            network = LineNetwork(threads=self.bundle.threads)
            least = SURE if threshold is None and self.threshold else self.threshold
            self._page_reader = PageReader(
                network, self._recognised, polarity, costs, least, marks=not digits_only, most_digits=most_digits
            )

    def recognise(self, *pictures: Picture) -> list[Digit]:
        """What each picture shows, if it shows one digit: wherever it is, and however large.

        Raises:
            DataError: not an image; see :func:`~tenfold.reading.normalise.open_image`.
        """
        originals = [open_image(picture) for picture in pictures]
        found = [framed(original, self._polarity) for original in originals]
        images = np.array([image for image, _ in found], np.uint8).reshape(-1, FIELD, FIELD)
        boxes = [_box_of(mask, original.shape) for (_, mask), original in zip(found, originals, strict=True)]
        return self._digits(images, self.bundle.predict_proba(images[:, None]), boxes)

    def read(self, picture: Picture) -> Reading:
        """Every digit and mark in the picture, line by line.

        Raises:
            DataError: not an image, see :func:`~tenfold.reading.normalise.open_image`; or too much ink.
        """
        grey = open_image(picture)
        name = printable(picture) if isinstance(picture, str | Path) else "the picture"
        lines = self._page_reader.read(grey, name) if self._page_reader else self._cut_lines(grey, name)
        return Reading(tuple(lines), grey.shape[1], grey.shape[0])

    def _recognised(self, segments: Sequence[Segment]) -> NDArray[np.float32]:
        images = np.array([s.image for s in segments], np.uint8).reshape(-1, 1, FIELD, FIELD)
        return self.bundle.predict_proba(images, every_look=True)  # cuts are compared by them

    def _cut_lines(self, grey: Grey, name: str) -> list[Line]:
        """By cuts alone: for bundles of other classes than the ten digits, which the line network does not know."""
        page = ink_map(grey, self._polarity)
        mask = without_rules(page.mask)
        lines = find_lines(replace(page, mask=mask if mask.any() else page.mask), name, self._most_digits)
        cut = [(line, seams, find_segments(line.ink, seams)) for line in lines for seams in [find_seams(line.ink)]]
        probabilities = self._recognised([segment for _, _, segments in cut for segment in segments])
        read, start = [], 0
        for line, seams, segments in cut:
            mine = probabilities[start : start + len(segments)]
            start += len(segments)
            path = best_path(seams, segments, mine, self._costs)
            if path:
                chosen = [segments[i] for i in path]
                boxes = [box_on_page(line, segment) for segment in chosen]
                read.append(Line(tuple(self._digits(np.stack([s.image for s in chosen]), mine[path], boxes))))
        return read

    def _digits(
        self, images: NDArray[np.uint8], probabilities: NDArray[np.float32], boxes: Sequence[Box]
    ) -> list[Digit]:
        found = []
        for image, values, box in zip(images, probabilities, boxes, strict=True):
            k, blank = int(values.argmax()), not image.any()
            confidence = 0.0 if blank else float(values[k])
            label = "" if blank else self.bundle.class_names[k]
            found.append(Digit(label, confidence, blank or confidence < self.threshold, blank, box, values, image))
        return found


def _box_of(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> Box:
    """Where the ink is in a picture of ``shape`` (H, W) that was reduced to ``mask``."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Box(0, 0, shape[1], shape[0])
    each = -(-max(shape) // max(mask.shape))
    left, top = int(columns[0]) * each, int(rows[0]) * each
    right, bottom = min((int(columns[-1]) + 1) * each, shape[1]), min((int(rows[-1]) + 1) * each, shape[0])
    return Box(left, top, right - left, bottom - top)


def read(picture: Picture, bundle: Bundle | str | Path = "builtin", *, threshold: float | None = None) -> Reading:
    """Read all digits in a picture: photo, scan or drawing, of any size, dark on light or light on dark.

    To read many, make one :class:`tenfold.Reader` and use it again.

    Args:
        picture: a path, "-" for standard input, a data URL, an encoded image's bytes, one of Pillow's pictures, or
            pixels (H, W), (H, W, C) or (C, H, W): 0..255 or 0..1, with an alpha channel or without.
        bundle: what recognises digits: a bundle, a run, or the small one that comes with tenfold.
        threshold: reject digits with less confidence; by default what the bundle says.

    Returns:
        Lines of digits with boxes and confidences; ``.text`` is all of it, with "?" for what is no digit.

    Raises:
        DataError: not a picture, too large, or damaged.
        IntegrityError: no such bundle.

    Example:
        >>> import tenfold
        >>> tenfold.read("photo.png").text
        '0'
    """
    return Reader(bundle, threshold=threshold).read(picture)
