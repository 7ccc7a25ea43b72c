"""Two opinions of a line - the network's that sees all of it, and that of its cuts - and what both together say."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenfold.reading.line_network import CLASSES, Columns, Text, places_of, text_scores
from tenfold.reading.lines import LineInk
from tenfold.reading.normalise import FAINT, frame
from tenfold.reading.segmentation import Costs, Prices, Seams, Segment, best_path, find_seams, find_segments, prices_of

Recognise = Callable[[Sequence[Segment]], NDArray[np.float32]]
"""What the recogniser says of segments: (S, K)."""
CERTAIN = 0.98
"""If the line network is so sure of its digits, the cuts are asked only whether they say the same ..."""
SAME = 0.5
"""... which they do if each digit has at least this probability."""
ASIDE = 12.0
"""What a cut costs that is at one of the signs that it parts, in pixels of ink."""
WEIGHT = 0.6
"""Of what a cut costs, beside the logarithm of what the line network says."""
MARKED = 0.3
"""What ink costs as a mark that the line network sees there, however tall it is."""
RARE = 1.0
"""What a stroke as tall as a digit costs as a mark, beside the logarithm: most such strokes are ones and sevens."""
TALL = [CLASSES.index(mark) for mark in "/()"]
A_MARK = 10
"""Column of what a sign costs, behind those of the digits."""
FARTHEST = 8.0
"""No text costs more than this beyond the cheapest cut: what cannot be cut may still be read."""


def costs_of(
    texts: Sequence[Text], seams: Seams, segments: Sequence[Segment], prices: Prices, cut: float
) -> NDArray[np.float64]:
    """(len(texts),) what the cheapest cut into each text's signs costs; infinite if there is none."""
    total = _totals(texts, seams, segments, prices, cut)
    return np.array([total[-1, row, len(text)] for row, text in enumerate(texts)])


def cut_into(text: Text, seams: Seams, segments: Sequence[Segment], prices: Prices, cut: float) -> list[int] | None:
    """The places of the segments of the cheapest cut into the signs of ``text``; None if there is none."""
    total, as_sign, signs = _totals([text], seams, segments, prices, cut)[:, 0], _as_signs(prices), _priced(text)
    if not np.isfinite(total[-1, -1]):
        return None
    seam, place, path = len(seams) - 1, len(text), list[int]()
    ends: list[list[int]] = [[] for _ in range(len(seams))]
    for i, segment in enumerate(segments):
        ends[segment.last].append(i)
    while seam > 0:
        ways = [(total[segments[i].first, place] + prices.left_out[i], i, place) for i in ends[seam]]
        if place:
            ways += [
                (total[segments[i].first, place - 1] + as_sign[i][signs[place - 1]], i, place - 1) for i in ends[seam]
            ]
        _, i, before = min(ways)
        path += [i] * (place - before)
        seam, place = segments[i].first, before
    return path[::-1]


def _totals(
    texts: Sequence[Text], seams: Seams, segments: Sequence[Segment], prices: Prices, cut: float
) -> NDArray[np.float64]:
    """(len(seams), len(texts), 1 + the longest) the cheapest cut up to each seam into so many of each text's signs."""
    longest = max((len(text) for text in texts), default=0)
    signs, as_sign = np.zeros((len(texts), longest), np.int64), _as_signs(prices)
    for row, text in zip(signs, texts, strict=True):
        row[: len(text)] = _priced(text)
    total = np.full((len(seams), len(texts), longest + 1), np.inf)
    total[0, :, 0] = 0
    for i, segment in enumerate(segments):  # sorted by their first seam
        before = total[segment.first] + cut * seams.cost[segment.last]
        after = total[segment.last]
        np.minimum(after, before + prices.left_out[i], out=after)
        np.minimum(after[:, 1:], before[:, :-1] + as_sign[i][signs], out=after[:, 1:])
    return total


def _as_signs(prices: Prices) -> NDArray[np.float64]:
    """(S, 11) what segments cost as each digit, or as a mark."""
    digits = prices.as_class[:, :A_MARK]
    return np.concatenate([digits, np.where(np.isinf(digits[:, :1]), np.inf, MARKED)], axis=1)


def _priced(text: Text) -> list[int]:
    """Columns of :func:`_as_signs`."""
    return [sign - 1 if 1 <= sign <= A_MARK else A_MARK for sign in text]


@dataclass(frozen=True)
class Agreed:
    """What both opinions say of a line.

    Attributes:
        text: classes of the line network, marks and signs included.
        pieces: (len(text),) the ink of each sign.
        digits: 0 to 9, those of ``text``.
        each: (len(text),) the probability of each sign at its place, among all that the line may say.
        marked: (len(text),) the same among the texts with the same digits, which differ in their marks.
        probabilities: (len(digits), K) what the recogniser says of each.
        quick: the cuts were not asked for another text.
    """

    text: Text
    pieces: list[Segment]
    digits: Text
    each: NDArray[np.float64]
    marked: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    quick: bool


def agreed(columns: Columns, line: LineInk, recognise: Recognise, costs: Costs) -> Agreed:
    """The most probable text of a line, by what the line network says of it and by what its cuts cost.

    If the network is as good as certain, only its own digits are shown to the recogniser.
    """
    whole: dict[Text, Text] = {}
    shares: dict[Text, float] = {}
    for text, share in columns.likely:
        digits = tuple(k - 1 for k in text if 1 <= k <= 10)
        whole.setdefault(digits, text)
        shares[digits] = shares.get(digits, 0.0) + share
    first = max(shares, key=shares.__getitem__)
    total = sum(shares.values())
    if shares[first] >= CERTAIN * total:
        pieces = pieces_of(whole[first], columns, line)
        seen = recognise(_of_digits(whole[first], pieces))
        if all(row[k] >= SAME for row, k in zip(seen, first, strict=True)):
            each = _each(first, list(shares), np.array(list(shares.values())) / total)
            return Agreed(whole[first], pieces, first, *_with_marks(whole[first], each, columns), seen, True)
    seams = find_seams(line.ink)
    segments = find_segments(line.ink, seams)
    probabilities = recognise(segments)
    prices = prices_of(segments, probabilities, costs)
    cuts = tuple(int(probabilities[i, :10].argmax()) for i in best_path(seams, segments, probabilities, costs))
    whole.setdefault(cuts, tuple(k + 1 for k in cuts))
    texts = list(whole)
    scores = text_scores(columns.of_digits, [tuple(k + 1 for k in text) for text in texts])
    dear = costs_of([whole[text] for text in texts], seams, segments, prices, costs.cut)
    scores = scores - WEIGHT * np.minimum(dear - min(dear.min(), 1e9), FARTHEST)
    scores = scores - RARE * np.array([sum(sign in TALL for sign in whole[text]) for text in texts])
    share = np.exp(scores - scores.max())
    digits = texts[int(share.argmax())]
    pieces = pieces_of(whole[digits], columns, line)
    path = cut_into(whole[digits], seams, segments, prices, costs.cut)
    if path is None:
        seen = recognise(_of_digits(whole[digits], pieces))
    else:
        pieces = [segments[i] for i in path]
        seen = probabilities[[i for i, k in zip(path, whole[digits], strict=True) if 1 <= k <= A_MARK]]
    each = _each(digits, texts, share / share.sum())
    return Agreed(whole[digits], pieces, digits, *_with_marks(whole[digits], each, columns), seen, False)


def _with_marks(
    text: Text, each: NDArray[np.float64], columns: Columns
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """:attr:`Agreed.each`, given it for the digits alone, and :attr:`Agreed.marked`."""
    digits = [k for k in text if 1 <= k <= 10]
    same = [(other, share) for other, share in columns.likely if [k for k in other if 1 <= k <= 10] == digits]
    if not same:
        same = [(text, 1.0)]
    shares = np.array([share for _, share in same])
    marked = _each(text, [other for other, _ in same], shares / shares.sum())
    found = marked.copy()
    found[np.array([1 <= k <= 10 for k in text], bool)] = each
    return found, marked


def _of_digits(text: Text, pieces: Sequence[Segment]) -> list[Segment]:
    return [piece for k, piece in zip(text, pieces, strict=True) if 1 <= k <= 10]


def pieces_of(text: Text, columns: Columns, line: LineInk) -> list[Segment]:
    """(len(text),) the ink of each sign: between upright cuts where least ink is, near the middle between two signs."""
    if not text:
        return []
    height, width = line.ink.shape
    places = places_of(columns.probabilities, text)
    known = np.isfinite(places)
    places = np.where(known, places, np.arange(len(text)) * len(columns.probabilities) / max(len(text), 1))
    row = line.height / 2
    at = ((columns.on_page(places) - line.left + line.moved - line.slope * (row - line.fixed_row)) * line.scale).clip(
        0, width - 1
    )
    at = np.maximum.accumulate(at)
    inked = line.ink.sum(axis=0)
    cuts = [0]
    for left, right in itertools.pairwise(at):
        begin = min(max(cuts[-1] + 1, round(float(left))), width - 1)
        inside = np.arange(begin, max(begin + 1, round(float(right))))
        away = (inside - (left + right) / 2) / max(right - left, 1)
        cuts.append(int(inside[np.argmin(inked[inside] + ASIDE * away**2)]))
    found = []
    for first, last in zip(cuts, [*cuts[1:], width], strict=True):
        ink = line.ink[:, first : max(last, first + 1)]
        dark = ink > FAINT
        rows, across = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
        if not len(rows):
            rows, across = np.array([0, height - 1]), np.arange(ink.shape[1])
        box = first + int(across[0]), int(rows[0]), first + int(across[-1]) + 1, int(rows[-1]) + 1
        found.append(Segment(0, 0, frame(ink), *box, float(ink.sum())))
    return found


def _each(digits: Text, texts: Sequence[Text], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """(len(digits),) the share of all texts that have each digit too, as many places from the begin or from the end.

    A text with one sign more in between speaks against the digit behind it.
    """
    total = np.zeros(len(digits))
    for text, weight in zip(texts, share, strict=True):
        ahead = _common(digits, text)
        behind = _common(digits[::-1], text[::-1])
        places = np.arange(len(digits))
        same = (places < ahead) | (places >= len(digits) - behind)
        if same.all() and len(text) > len(digits) > 0:
            same[min(ahead, len(digits) - 1)] = False
        total += weight * same
    return total


def _common(a: Text, b: Text) -> int:
    """How many signs both begin with."""
    for count, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return count
    return min(len(a), len(b))
