"""How sure an observed share is."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval (low, high) of a share that was observed as ``successes`` of ``n``.

    Unlike the textbook interval it keeps its level near 0 and 1, where good classifiers live, and never
    leaves 0..1. E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Raises:
        ValueError: not 0 <= successes <= n with n >= 1, or ``level`` outside (0, 1).
    """
    if not (0 <= successes <= n and n >= 1 and 0 < level < 1):
        raise ValueError(f"expected 0 <= successes <= n, n >= 1, 0 < level < 1; got {successes}, {n}, {level}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # at the ends the formula is exact on paper only; rounding must not push 0 or 1 outside the interval
    low = 0.0 if successes == 0 else (centre - reach) / scale
    high = 1.0 if successes == n else (centre + reach) / scale
    return low, high
