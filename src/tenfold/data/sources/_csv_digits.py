"""Lines of small unsigned integers, in whole-array steps; whatever is not beyond doubt is left to the careful reader."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_COMMA, _NEWLINE, _ZERO, _NINE = b",\n09"


def parse_digits(block: bytes, fields: int) -> NDArray[np.uint16] | None:
    """The values of ``block``, or None if it is not exactly lines of ``fields`` numbers.

    It is right by construction: every byte is a digit, a comma or a newline, every line has
    ``fields`` - 1 commas, and every field has one to three digits.

    Args:
        block: whole lines, the last one with its newline.
        fields: fields a line.

    Returns:
        uint16 (lines, fields), each 0..999.
    """
    text = np.frombuffer(block, np.uint8)
    if text[-1] != _NEWLINE or text.max() > _NINE:
        return None
    ends = np.flatnonzero(text < _ZERO)  # the byte after each field, if all is well
    if len(ends) % fields:
        return None
    separators = text[ends].reshape(-1, fields)
    if (separators[:, :-1] != _COMMA).any() or (separators[:, -1] != _NEWLINE).any():
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    digits = text - np.uint8(_ZERO)
    values = digits[ends - 1].astype(np.uint16)
    with_tens = np.flatnonzero(lengths >= 2)
    values[with_tens] += digits[ends[with_tens] - 2] * np.uint16(10)
    with_hundreds = with_tens[lengths[with_tens] == 3]
    values[with_hundreds] += digits[ends[with_hundreds] - 3] * np.uint16(100)
    return values.reshape(-1, fields)
