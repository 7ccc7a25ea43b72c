"""Where the ink of a picture is, and how strong: 0 is paper, 1 is ink, whatever the colours and the light.

The paper is estimated as a grey-scale closing (Serra 1982) of the picture, smoothed: what is left where
strokes are filled up from their sides. Ink is how much darker a pixel is than its paper, relative to it, so
that shadows, which multiply, cancel. A threshold from Otsu 1979 finds the strokes; around each of them half of its own
strength decides, so that a pencil beside a felt pen keeps its width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tenfold.reading.components import label

Polarity = Literal["auto", "dark", "bright"]
Ink = NDArray[np.float32]
"""(H, W), 0 is paper and 1 full ink."""
Mask = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)

FAINTEST = 0.08
"""Contrast below which there is no ink: paper and sensors are as uneven as that."""
COARSE = 320
"""The paper is estimated on a picture of at most so many pixels a side."""
SMALLEST_WINDOW = 16
DARKEST = 64
"""Grey levels; darker paper counts as this dark, so that its noise does not look like ink."""
NOISY = 1.5
"""Standard deviation, grey levels, from which on noise is smoothed away before thresholds are looked for."""
SAMPLE = 1_000_000
"""Pixels that tell the noise of a picture: of larger ones only some rows are looked at."""
NEIGHBOURHOOD = 0.15
"""Within this share of the shorter side, strokes are about equally strong ..."""
HALF = 0.5
"""... and what is weaker than half is no stroke, but its edge, or a printed pattern."""
FLAT = 0.2
"""Paper is flat whose brighter three quarters differ by no more than this share of its contrast to ink."""
WINDOW = 0.25
"""The closing fills strokes up to this share of the shorter side."""
EDGE = 0.12
"""A scanner's black edge, or the line of a form, is looked for in this share of the longer sides' borders ..."""
WHOLE = 0.6
"""... and fills this share of a row, in a picture that is so much wider than tall ..."""
OBLONG = 1.5
"""... that it is the bar of no seven."""
DARKER = 0.15
"""A stroke on a form's line is darker than the line by this share of the picture's range of grey levels."""


@dataclass(frozen=True)
class InkMap:
    """The ink of one picture.

    Attributes:
        ink: (H, W) strength, 0 outside of strokes; anti-aliased edges are between 0 and 1.
        mask: (H, W) where strokes are.
        bright: whether the ink is brighter than the paper.
        contrast: (H, W) how much darker than its paper each pixel is, on paper too: nothing is cut off.
    """

    ink: Ink
    mask: Mask
    bright: bool
    contrast: Ink = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def turned(self, quarters: int) -> InkMap:
        """The same after so many quarter turns against the clock."""
        mask = np.rot90(self.mask, quarters).copy()
        ink, contrast = (np.rot90(each, quarters).copy() for each in (self.ink, self.contrast))
        return InkMap(ink, mask, self.bright, contrast)


def ink_map(grey: NDArray[np.uint8], polarity: Polarity = "auto", *, tight: bool = False) -> InkMap:
    """The ink of uint8 (H, W).

    Args:
        grey: the picture.
        polarity: whether ink is "dark" or "bright"; "auto" looks at the border, and else takes what is less.
        tight: a single digit, whose ink may touch the border: paper that looks flat is taken to be flat, as under
            strokes at the border nothing else tells its level.
    """
    levels = grey.astype(np.float32) if tight else without_edges(grey.astype(np.float32))
    bright = is_bright(levels, tight=tight) if polarity == "auto" else polarity == "bright"
    dark = 255 - levels if bright else levels
    flat = _flat_paper(dark) if tight else None
    contrast = relative_contrast(dark) if flat is None else np.minimum((flat - dark) / max(flat, DARKEST), 1)
    mask, floor = strokes(contrast)
    if not mask.any():
        return InkMap(np.zeros_like(contrast), mask, bright, contrast)
    full = float(np.percentile(contrast[mask], 90))
    near = dilated(mask, 1)
    ink = np.where(near, (contrast - floor) / max(full - floor, 1e-6), 0).clip(0, 1)
    return InkMap(ink.astype(np.float32), mask, bright, contrast)


def is_bright(levels: Ink, *, tight: bool = False) -> bool:
    """Whether the ink of (H, W) is brighter than the paper: the border is paper, and ink is less than paper.

    Of a ``tight`` border only a part is; the corners, which most digits leave free, and the whole area have a say
    there.
    """
    flat = levels - _blurred_coarsely(levels)
    spread = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    threshold = otsu(levels)
    share = float((spread > threshold).mean())
    if tight:
        high, side = levels > threshold, -(-min(levels.shape) // 12)
        ends = (slice(None, side), slice(-side, None))
        corners = np.mean([high[rows, columns].mean() for rows in ends for columns in ends])
        return bool(share + high.mean() + corners < 1.5)
    if share < 0.1 or share > 0.9:
        return share < 0.5
    return float((flat**3).mean()) > 0


def without_edges(levels: Ink) -> Ink:
    """(H, W) without what a scanner left along the longer sides, and without a form's line near them.

    What reaches the border, as a line cut in two there, is replaced by what is beside it; a line with paper on both
    sides by
    that paper.
    """
    height, width = levels.shape
    if width < OBLONG * height:
        return without_edges(levels.T).T if height >= OBLONG * width else levels
    low, middle, high = np.percentile(levels, [1, 50, 99])
    far = 0.4 * (high - low)
    odd = np.maximum((levels < middle - far).mean(axis=1), (levels > middle + far).mean(axis=1)) >= WHOLE
    most = max(1, round(EDGE * height))
    odd[most : height - most] = False
    first, last = 0, height
    for begin, end in np.flatnonzero(np.diff(odd, prepend=False, append=False)).reshape(-1, 2).tolist():
        blurred = max(begin - 1, 0), min(end + 1, height)
        if begin == 0:
            first = blurred[1]
        elif end == height:
            last = blurred[0]
        else:
            levels = _without_line(levels, *blurred, DARKER * float(high - low))
    if last - first < 2:
        return levels
    return np.pad(levels[first:last], ((first, height - last), (0, 0)), mode="edge")


def _without_line(levels: Ink, begin: int, end: int, least: float) -> Ink:
    """(H, W) with paper in rows ``begin`` to ``end``, but for strokes that cross them or are ``least`` darker than the
    line.
    """
    outside = levels[[max(begin - 1, 0), min(end, len(levels) - 1)]]
    sign = np.sign(outside.mean() - levels[begin:end].mean()) or 1.0
    rows, beside = sign * levels[begin:end], (sign * outside).max(axis=0)
    stroke = rows < np.minimum(np.median(rows, axis=1, keepdims=True), beside) - least
    result = levels.copy()
    result[begin:end] = sign * np.where(stroke, rows, np.maximum(rows, beside))
    return result


def relative_contrast(levels: Ink) -> Ink:
    """(H, W) how much darker than its paper each pixel of dark ink on bright paper is: up to 1, and about 0 on
    paper.
    """
    noise = _noise(levels)
    paper = _paper(_smooth(levels, 1) if noise > NOISY else levels)
    contrast = (paper - levels) / np.maximum(paper, DARKEST)
    # the closing rides on the crests of the noise
    offset = float(np.median(contrast)) if noise > NOISY else 0.0
    result: Ink = np.minimum((contrast - offset) / max(1 - offset, 0.1), 1).astype(np.float32)
    return result


def strokes(contrast: Ink) -> tuple[Mask, float]:
    """(H, W) where ink is, and the contrast at which paper ends."""
    noise = _noise(contrast)
    steady = _smooth(contrast, 1) if noise > NOISY / 255 else contrast
    threshold = max(otsu(steady), FAINTEST, 2 * noise)
    reach = max(2, round(NEIGHBOURHOOD * min(contrast.shape)))
    full = _widest(np.where(steady >= threshold, steady, 0).astype(np.float32), reach)
    mask = steady > np.maximum(0.7 * threshold, HALF * full)
    labels, count = label(mask)
    kept = np.zeros(count + 1, bool)
    kept[np.unique(labels[(steady >= threshold) & mask])] = True
    kept[0] = False
    paper = steady[steady < threshold]
    floor = float(np.percentile(paper, 90)) if paper.size else 0.0
    return kept[labels], min(floor, 0.5 * threshold) if floor > 0.02 else 0.0


def otsu(values: NDArray[np.float32], bins: int = 128) -> float:
    """The threshold that parts ``values`` with the least variance within both parts (Otsu 1979)."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return high
    counts, edges = np.histogram(values, bins, (low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum().astype(np.float64)
    above = below[-1] - below
    sums = (counts * centres).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    best = np.flatnonzero(between == np.nanmax(between[:-1]))
    return float(edges[1 + best].mean())


def dilated(mask: Mask, radius: int) -> Mask:
    """``mask`` (H, W) grown by ``radius`` pixels in each of the eight directions."""
    return _widest(mask, radius)


def _noise(values: Ink) -> float:
    """The standard deviation of the noise from pixel to pixel: of neighbours' differences, but for those at edges."""
    values = values[:: max(1, values.size // SAMPLE)]
    steps = np.abs(np.diff(values, axis=1)) if values.shape[1] > 1 else np.zeros((1, 1), np.float32)
    return float(1.4826 * np.median(steps) / np.sqrt(2))


def _flat_paper(levels: Ink) -> float | None:
    """The one level of the paper under dark ink; None if it is uneven, or nothing is there."""
    threshold = otsu(levels)
    paper, ink = levels[levels > threshold], levels[levels <= threshold]
    if not paper.size or not ink.size:
        return None
    low, middle, high = np.percentile(paper, [25, 50, 95])
    return float(middle) if high - low < FLAT * (middle - np.median(ink)) else None


def _paper(levels: Ink) -> Ink:
    """(H, W) the level of the paper everywhere, under the ink too."""
    coarse, factor = _coarse(levels)
    reach = max(SMALLEST_WINDOW, round(WINDOW * min(levels.shape))) // 2
    reach = max(1, round(reach / factor))
    around = np.pad(coarse, reach, mode="edge")  # else a slope of light would end in a plateau at the picture's border
    closed = -_widest(-_widest(around, reach), reach)[reach:-reach, reach:-reach]
    return resized(_smooth(closed, reach), *levels.shape)


def _blurred_coarsely(levels: Ink) -> Ink:
    coarse, _ = _coarse(levels)
    return resized(_smooth(coarse, max(2, max(coarse.shape) // 6)), *levels.shape)


def _coarse(levels: Ink) -> tuple[Ink, int]:
    """``levels`` in means of whole blocks, of at most :data:`COARSE` pixels a side, and the blocks' side."""
    factor = -(-max(levels.shape) // COARSE)
    if factor == 1:
        return levels, 1
    height, width = levels.shape
    padded = np.pad(levels, ((0, -height % factor), (0, -width % factor)), mode="edge")
    blocks = padded.reshape(len(padded) // factor, factor, -1, factor)
    return blocks.mean(axis=(1, 3), dtype=np.float32), factor


def resized(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """(H, W) -> (height, width): bilinear interpolation, with anti-aliasing where that is fewer pixels."""
    picture = Image.fromarray(values.astype(np.float32, copy=False))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


def _smooth(values: Ink, reach: int) -> Ink:
    """The mean over 2 reach + 1 pixels along each axis; slopes go on beyond the border."""
    size = 2 * reach + 1
    for _ in (0, 1):
        width = ((reach + 1, reach), (0, 0))
        odd = (
            np.pad(values, width, mode="reflect", reflect_type="odd")
            if len(values) > 1
            else np.pad(values, width, mode="edge")
        )
        total = odd.cumsum(axis=0, dtype=np.float64)
        values = ((total[size:] - total[:-size]) / size).T
    return values.astype(np.float32)


def _widest(values: NDArray[T], reach: int) -> NDArray[T]:
    """The maximum over 2 reach + 1 pixels along each axis, by doubling (a dilation with a square)."""
    for _ in (0, 1):
        values = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
        span, size = 1, 2 * reach + 1
        while span < size:
            step = min(span, size - span)
            values = np.maximum(values[:-step], values[step:])
            span += step
        values = values.T
    return values
