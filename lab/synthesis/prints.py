"""Letters and numerals of many scripts as matplotlib's DejaVu fonts print them: things that are no digit of ours."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lab.synthesis.pens import Hand, written
from tenfold.reading.ink import Ink
from tenfold.reading.normalise import frame

FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSansMono")
BLOCKS = {
    "Latin": (0x41, 0x7A),
    "Greek": (0x391, 0x3FF),
    "Cyrillic": (0x402, 0x45F),
    "Armenian": (0x531, 0x587),
    "Hebrew": (0x5D0, 0x5EA),
    "N'Ko": (0x7C2, 0x7EA),
    "Lao": (0xE81, 0xEDD),
    "Georgian": (0x10A0, 0x10FA),
    "Tifinagh": (0x2D31, 0x2D65),
    "phonetic": (0x250, 0x2AF),
}
"""First and last code point."""
ALIKE = frozenset(
    "IlOoSsZzBbGgq"
    "ΒΖΘΙΟβδθορσςϐϑϘϙϚϛϞϟϧϨϩϬϭϱϼϽϾϿϳϵϿικλΠΛ"
    "ОоЗзБбЧчІѕЅЬьЭэВвЛ"
    "ԳՀՁՂՅՇՈՉՋՏՑՒՕգզշջօցչձյղէլև"
    "בגדוזיךןסםרנט"
    "ߊߋߍߒߔߗߘߙߝߡ"
    "໐໑໒໖໔ຄຣອ"
    "Ⴉ\u10adჁႽႳႴ\u10d0\u10d5\u10d9\u10dd\u10da\u10e1\u10e5\u10e9\u10ea\u10ec\u10ee\u10f3\u10f6\u10f7\u10f9\u10d7\u10d3"
    "ⴰⴷⵏⵔⵕⵉⵢⴲⵂ"
    "ɐʌɓɘəɛɜɞɡɢɨɩɪɫɬɭɮɵɺʅʆʒʓʔʕʖʗʠʙʐƐıʡʢʋɤ"
)
"""What is, or could be, one of our digits by another hand."""


def printed(rng: np.random.Generator) -> Ink:
    """The ink (H, W) of one sign, slanted, thickened and bent as by a hand."""
    signs = _signs()
    font, sign = signs[rng.integers(len(signs))]
    return written(_form(font, sign), -1, Hand.draw(rng), rng, 40)


@lru_cache(maxsize=1)
def _signs() -> list[tuple[str, str]]:
    """Every font's signs; small scripts twice."""
    from matplotlib.ft2font import FT2Font

    found = []
    for font in FONTS:
        known = FT2Font(str(_file(font))).get_charmap()
        for first, last in BLOCKS.values():
            block = [chr(code) for code in range(first, last + 1) if code in known]
            block = [c for c in block if unicodedata.category(c)[0] in "LN" and c not in ALIKE]
            found += [(font, c) for c in block] * (2 if len(block) < 40 else 1)
    return found


def _file(font: str) -> Path:
    from matplotlib import get_data_path

    return Path(get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"


@lru_cache(maxsize=8192)
def _form(font: str, sign: str) -> NDArray[np.uint8]:
    page = Image.new("L", (220, 180))
    ImageDraw.Draw(page).text((60, 40), sign, font=ImageFont.truetype(str(_file(font)), 70), fill=255)
    return frame(np.asarray(page, np.float32) / np.float32(255))
