"""Whether revenue rises or falls: rank statistics, which one big day cannot turn.

Sources: H. B. Mann, "Nonparametric tests against trend", Econometrica 13 (1945), 245-259; M. G. Kendall, "Rank Correlation Methods"
(1975), with the correction for ties; P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968),
1379-1389, after H. Theil (1950).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from statistics import median
from typing import Literal

from revenue_engine.metrics.amounts import ratio

DAYS = 14  # two of each weekday, so that a weekly rhythm is no trend; the normal approximation holds from ten days on
SIGNIFICANCE = 0.05

Direction = Literal["increasing", "stable", "decreasing"]


@dataclass(frozen=True, slots=True)
class Trend:
    """Of the last full days. `daily_growth_rate` is the usual change from one day to the next, as a share of the median day."""

    direction: Direction
    p_value: float
    daily_growth_rate: Decimal | None  # None: the median day brought nothing


def mann_kendall(values: Sequence[int]) -> tuple[int, float]:
    """`(S, p)`: later values above earlier ones less those below, and the chance of so large an |S| without a trend (two-sided).

    Normal approximation with continuity correction and corrected for ties; p is 1 when all values are equal.
    """
    n = len(values)
    s = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = sum(t * (t - 1) * (2 * t + 5) for t in Counter(values).values())
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    if s == 0 or variance <= 0:
        return s, 1.0
    return s, math.erfc((abs(s) - 1) / math.sqrt(2 * variance))


def theil_sen(values: Sequence[int]) -> Fraction:
    """The median of the slopes between all pairs of days, per day; exact. Needs two values."""
    return median(Fraction(b - a, j - i) for (i, a), (j, b) in combinations(enumerate(values), 2))


def trend(values: Sequence[int]) -> Trend:
    """The trend of one value a day, oldest first. Needs at least ten of them."""
    s, p = mann_kendall(values)
    direction: Direction = "stable" if p >= SIGNIFICANCE else "increasing" if s > 0 else "decreasing"
    return Trend(direction, p, ratio(theil_sen(values), median(map(Fraction, values))))
