"""Lines of small unsigned integers, in whole-array steps; whatever is not beyond doubt is left to the careful reader."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_COMMA, _NEWLINE, _ZERO = b",\n0"
_KEPT = 16 * 1024**2


def parse_digits(block: bytes, fields: int) -> NDArray[np.uint8] | None:
    """The values of ``block``, or None if it is not exactly lines of ``fields`` numbers from 0 to 255.

    It is right by construction: every byte is a digit, a comma or a newline, every newline is the
    ``fields``-th separator after the one before, and every field has one to three digits. There is no
    step per field but one: looking for the ends of fields; the others are quicker over all bytes, and
    quickest where a value takes one byte.

    Args:
        block: whole lines, not empty; the last one may lack its newline, which makes the answer None.
        fields: fields a line.

    Returns:
        uint8 (lines, fields).
    """
    text = np.frombuffer(block, np.uint8)
    digits = text - np.uint8(_ZERO)
    is_digit = digits <= 9
    if text[-1] != _NEWLINE or not is_digit[0]:
        return None
    last_digits = np.flatnonzero(digits[1:] > 9)  # of each field, because a separator follows and none is empty
    newlines = np.flatnonzero(text == _NEWLINE)
    if len(last_digits) != fields * len(newlines) or (last_digits[fields - 1 :: fields] + 1 != newlines).any():
        return None
    if np.count_nonzero(text == _COMMA) + len(newlines) != len(last_digits):
        return None
    two = is_digit[:-1] & is_digit[1:]
    if not (is_digit[:-1] | is_digit[1:]).all() or (two[:-2] & two[2:]).any():
        return None
    digits *= is_digit.view(np.uint8)
    values = digits.copy()
    values[1:] += digits[:-1] * np.uint8(10)
    hundreds = digits[:-2] * (two[:-1] & is_digit[2:]).view(np.uint8)
    if hundreds.max(initial=0) > 2:
        return None
    hundreds *= np.uint8(100)
    values[2:] += hundreds
    if (values[2:] < hundreds).any():  # 256 and above wrapped around
        return None
    # where a separator stands, the sums above mean nothing; they are not taken
    return values.take(last_digits).reshape(-1, fields)


def keep_freed_memory() -> None:
    """Make the allocator keep what the steps free, to hand it out again.

    By default glibc gives each freed megabyte back to the system, and asking for it again takes longer
    than the arithmetic. Having once freed a large piece, it keeps anything smaller; elsewhere this does nothing.
    """
    np.empty(_KEPT, np.uint8)
