"""Intervals of a mean reward whose rewards are mostly nothing and now and then a lot, by subscriber."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from revenue_engine.arrays import Floats, Ints

_FEWEST_DF = 4.0  # below it the expansion of t's quantile is no good; callers refuse long before


@dataclass(frozen=True, slots=True)
class Interval:
    """A value, its standard error over subscribers, and what is known of the shape of its error."""

    value: float
    standard_error: float
    degrees: float  # of freedom that the standard error is worth
    skewness: float  # of a subscriber's contribution, over the root of their number

    def lower(self, confidence: float = 0.95) -> float:
        """One-sided bound: the value is above it with this confidence. A bound for gates: see `_stretched` for its caution."""
        return self.value - self.standard_error * self._stretched(confidence, -self.skewness)

    def upper(self, confidence: float = 0.95) -> float:
        """One-sided bound: the value is below it with this confidence."""
        return self.value + self.standard_error * self._stretched(confidence, self.skewness)

    def both(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided bounds."""
        return self.lower((1 + confidence) / 2), self.upper((1 + confidence) / 2)

    def _stretched(self, confidence: float, skewness: float) -> float:
        """Standard errors to the bound: Student's t, and on the side of the long tail Hall's first correction for skewness as well.

        Rewards with a long tail to the right usually come out too low together with too small a standard error, so the upper bound
        is the one that fails. The short side's correction would pull the lower bound up, and is not taken.
        """
        z = NormalDist().inv_cdf(confidence)
        return t_quantile(confidence, self.degrees) + max(0.0, skewness) * (2 * z * z + 1) / 6


def interval_of(value: float, influence: Floats, cluster: Ints, least_error: float = 0.0) -> Interval:
    """Interval of an estimate from each decision's influence on it, (n,), summed by cluster, (n,) numbered from 0.

    Needs two clusters. The degrees of freedom are those of a chi-square with the variance that the squares of so heavy-tailed
    contributions have: 2m / (kurtosis − 1) for m clusters, m − 1 at most. `least_error` is a floor of the
    standard error, known from elsewhere.
    """
    totals = np.bincount(cluster, influence)
    m = len(totals)
    second, third, fourth = (float((totals**power).mean()) for power in (2, 3, 4))
    if second <= 0:
        return Interval(value, least_error, m - 1.0, 0.0)
    excess = fourth / second**2 - 1
    degrees = min(m - 1.0, 2 * m / excess) if excess > 0 else m - 1.0
    standard_error = float(np.sqrt(second * m * m / (m - 1)) / len(influence))
    return Interval(value, max(standard_error, least_error), max(degrees, _FEWEST_DF), third / second**1.5 / m**0.5)


def t_quantile(confidence: float, degrees: float) -> float:
    """Student's t by its expansion about the normal (Abramowitz and Stegun 26.7.5); from 4 degrees on good to 1 % at 0.975."""
    z = NormalDist().inv_cdf(confidence)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / degrees**k for k, term in enumerate(terms, start=1))
