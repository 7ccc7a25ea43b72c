"""What a line must be like to be believed: a length, a range, a date, a check digit.

A rule is written as a short text, ``length=5``, so that the command line, a service and a form's description can
all hold it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence

from tenfold.errors import UsageError

Rule = Callable[[str], str | None]
"""Given the digits of a line: what is wrong with them, or None."""

_DATE_PARTS = {"DD": "%d", "MM": "%m", "YYYY": "%Y", "YY": "%y"}


def parse_rule(text: str) -> Rule:
    """The rule that ``text`` stands for.

    ==================  ====================================================================
    ``length=5``        so many digits; ``length=4-6`` is from 4 to 6
    ``range=1-31``      a number in the range, leading zeros allowed
    ``date=DDMMYYYY``   a day that exists; the parts DD, MM, YYYY or YY in any order
    ``luhn``            the last digit is the check digit of cards (Luhn 1960, ISO/IEC 7812)
    ``mod11``           ISBN-10's check digit, as far as it is a digit
    ``mod97``           the remainder by 97 is 1, as in IBANs (ISO/IEC 7064)
    ``one-of=10|20``    one of these
    ==================  ====================================================================

    Raises:
        UsageError: no such rule, or one that cannot be meant.
    """
    name, _, setting = text.strip().partition("=")
    makers = {"length": _length, "range": _range, "date": _date, "one-of": _one_of}
    checks: dict[str, Rule] = {"luhn": _luhn, "mod11": _mod11, "mod97": _mod97}
    if name in checks and not setting:
        return checks[name]
    if name in makers and setting:
        return makers[name](setting)
    raise UsageError(
        f"found the rule {text!r}, expected one of: length=5, range=1-31, date=DDMMYYYY, one-of=10|20, luhn, mod11, mod97"
    )


def faults(digits: str, rules: Sequence[Rule]) -> list[str]:
    """What is wrong with ``digits``; empty if they keep all ``rules``."""
    if not (digits.isascii() and digits.isdigit()):
        return ["not all of it could be read"]
    return [fault for rule in rules if (fault := rule(digits)) is not None]


def _length(setting: str) -> Rule:
    low, high = _bounds(setting, "length")

    def rule(digits: str) -> str | None:
        expected = f"{low}" if low == high else f"{low} to {high}"
        return None if low <= len(digits) <= high else f"{len(digits)} digits, expected {expected}"

    return rule


def _range(setting: str) -> Rule:
    low, high = _bounds(setting, "range")
    return lambda digits: None if low <= int(digits) <= high else f"{int(digits)} is not in {low} to {high}"


def _bounds(setting: str, name: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", setting, re.ASCII)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise UsageError(f"the rule {name}={setting}: expected a number or two, such as {name}=5 or {name}=1-31")
    return low, high


def _date(setting: str) -> Rule:
    parts = re.findall("YYYY|YY|MM|DD", setting)
    if "".join(parts) != setting or len(set(parts)) != len(parts) or sorted({p[0] for p in parts}) != ["D", "M", "Y"]:
        raise UsageError(f"the rule date={setting}: expected DD, MM and YYYY or YY in some order, such as date=DDMMYYYY")
    form = "".join(_DATE_PARTS[part] for part in parts)

    def rule(digits: str) -> str | None:
        if len(digits) != len(setting):
            return f"{len(digits)} digits, expected {setting}"
        try:
            datetime.datetime.strptime(digits, form)
        except ValueError:
            return f"no day that exists ({setting})"
        return None

    return rule


def _one_of(setting: str) -> Rule:
    allowed = setting.split("|")
    if not all(word.isascii() and word.isdigit() for word in allowed):
        raise UsageError(f"the rule one-of={setting}: expected digits with | between, such as one-of=10|20|50")
    return lambda digits: None if digits in allowed else f"not one of {', '.join(allowed)}"


def _luhn(digits: str) -> str | None:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return None if len(digits) > 1 and total % 10 == 0 else "the check digit does not fit (Luhn)"


def _mod11(digits: str) -> str | None:
    total = sum(place * int(digit) for place, digit in enumerate(reversed(digits), 1))
    return None if len(digits) > 1 and total % 11 == 0 else "the check digit does not fit (modulo 11)"


def _mod97(digits: str) -> str | None:
    return None if len(digits) > 2 and int(digits) % 97 == 1 else "the check digits do not fit (modulo 97)"
