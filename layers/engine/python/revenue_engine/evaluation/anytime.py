"""Intervals that hold at every look at once: a dashboard is read every day, and believed on the day it looks best.

The asymptotic confidence sequence of a normal mixture: Robbins, "Statistical methods related to the law of the iterated logarithm",
1970; Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals
of Statistics 52 (2024), theorem 2.2. Its clock is the information about the effect, not the number of people: estimates of the same
people's growing revenue are correlated over time just as a random walk is in that clock (Scharfstein, Tsiatis and Robins, JASA 92, 1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import log, sqrt

_STEPS = 60
_NO_ERROR = 1e-12


@dataclass(frozen=True, slots=True)
class Bounds:
    """An estimate and its interval; infinite where there is no bound."""

    value: float
    lower: float
    upper: float


def width(relative_error: float, *, tightest_at: float, confidence: float = 0.95) -> float:
    """Standard errors from an estimate to its bounds, at every look at once.

    `relative_error` is the standard error over a yardstick that is known far better than the effect, here revenue per person;
    `tightest_at`, fixed before the first look, is where the interval wastes least.
    """
    clock = _best(confidence) * (tightest_at / max(relative_error, _NO_ERROR)) ** 2
    return sqrt((1 + 1 / clock) * log((1 + clock) / (1 - confidence) ** 2))


@cache
def _best(confidence: float) -> float:
    """The clock at which the boundary is tightest: the fixed point of k = log((1 + k) / α²)."""
    clock = 1.0
    for _ in range(_STEPS):
        clock = log((1 + clock) / (1 - confidence) ** 2)
    return clock
