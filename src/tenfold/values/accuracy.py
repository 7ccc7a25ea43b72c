"""An observed share of right answers, and how sure it is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Accuracy:
    """A share of correct predictions, as ``summary.json`` and every page have it.

    Attributes:
        accuracy: 0..1.
        low, high: bound its 95 % Wilson interval.
        errors: images that were misread.
        n: images in all; 0 for a figure that somebody stated without their number, whose interval is then 0..1.
    """

    accuracy: float
    low: float
    high: float
    errors: int
    n: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values; what nobody knows is None."""
        return asdict(self) if self.n else {"accuracy": self.accuracy} | dict.fromkeys(("low", "high", "errors", "n"))

    def __post_init__(self) -> None:
        if not (0 <= self.low <= self.accuracy <= self.high <= 1 and 0 <= self.errors <= max(self.n, 0)):
            raise ValueError(f"expected 0 <= low <= accuracy <= high <= 1 and 0 <= errors <= n, got {self!r}")

    @classmethod
    def of(cls, right: int, n: int) -> Accuracy:
        """``right`` of ``n`` images; of none, nothing is wrong and nothing is known.

        Raises:
            ValueError: not 0 <= right <= n.
        """
        return Accuracy(right / n, *wilson_interval(right, n), n - right, n) if n else cls.stated(1.0)

    @classmethod
    def of_rows(cls, correct: NDArray[np.bool_]) -> Accuracy:
        """From whether each of the N images was read right, (N,)."""
        return cls.of(int(correct.sum()), len(correct))

    @classmethod
    def stated(cls, accuracy: float) -> Accuracy:
        """A figure without the number of images behind it."""
        return Accuracy(accuracy, 0.0, 1.0, 0, 0)

    @property
    def text(self) -> str:
        """``99.53% [99.38%, 99.65%] of 10,000``; without the interval where the number of images is not known."""
        return f"{self.short} of {self.n:,}" if self.n else self.short

    @property
    def short(self) -> str:
        """``99.53% [99.38%, 99.65%]``."""
        return f"{self.accuracy:.2%} [{self.low:.2%}, {self.high:.2%}]" if self.n else f"{self.accuracy:.2%}"


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
