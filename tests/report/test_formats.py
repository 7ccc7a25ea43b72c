import math

import pytest

from tenfold.report.rendering import DASH, SPACE, decimal, duration, percent, plural, size, whole


def test_shares_and_figures():
    assert percent(0.99534) == f"99.53{SPACE}%"
    assert percent(1.0, 1) == f"100.0{SPACE}%"
    assert decimal(0.021784) == "0.0218"
    assert whole(1234567) == "1,234,567"
    assert (plural(1, "mistake"), plural(1204, "mistake"), plural(0, "image")) == (
        "1 mistake",
        "1,204 mistakes",
        "0 images",
    )


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_unknown_is_a_dash(unknown):
    assert percent(unknown) == decimal(unknown) == DASH
    assert whole(None) == duration(None) == size(None) == DASH


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.836, "0.84 s"),
        (9.996, "10.0 s"),
        (99.9, "99.9 s"),
        (99.96, "1 min 40 s"),
        (187, "3 min 07 s"),
        (7499, "2 h 05 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text.replace(" s", f"{SPACE}s").replace(" min", f"{SPACE}min").replace(
        " h", f"{SPACE}h"
    )


@pytest.mark.parametrize(("octets", "text"), [(999, "999 B"), (1000, "1 kB"), (312e6, "312 MB"), (1.44e9, "1.4 GB")])
def test_sizes(octets, text):
    assert size(octets) == text.replace(" ", SPACE)
