"""Ten colours that colour-blind people tell apart, for light and for dark paper.

Paul Tol's "muted" scheme ("Colour Schemes", SRON/EPS/TN/09-002, 2021) with its palest colours darkened for light
paper and its darkest lightened for dark paper. Digits that are often confused (4, 7, 9 and 3, 5, 8) are far apart.
Above ten classes the colours repeat; names on the map tell them apart.
"""

from __future__ import annotations

LIGHT = ("#332288", "#4aa8d8", "#2f9c8b", "#117733", "#cc6677", "#c4a22f", "#8f8f26", "#aa4499", "#882255", "#777777")
DARK = ("#8f86f5", "#88ccee", "#44bba6", "#4fae6a", "#ee8090", "#e6d27a", "#b9b945", "#d478c6", "#c9477f", "#b5b5b5")
"""Hexadecimal RGB, one a class."""


def colours(classes: int, scheme: tuple[str, ...] = LIGHT) -> list[str]:
    """A colour for each class."""
    return [scheme[label % len(scheme)] for label in range(classes)]
