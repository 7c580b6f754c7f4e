"""Segments of value, with the specification's cuts: whale ≥ 1,000, high ≥ 500, medium ≥ 100 dollars, else low; and at_risk.

The specification asks whether somebody is at risk only after the bands of value, so that no whale ever is, however sure to leave. Here
`at_risk` comes first, by the chance of leaving, and the band stays known beside it: what to do depends on both.
"""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.money import MICROS
from revenue_engine.value.confidence import Spread, chance_between
from revenue_engine.value.lifetime import Lifetime

BANDS = ("low", "medium", "high", "whale")
CUTS_MICROS = np.array([100, 500, 1_000], dtype=np.float64) * MICROS
LOW, MEDIUM, HIGH, WHALE = range(4)
AT_RISK = len(BANDS)
SEGMENTS = (*BANDS, "at_risk")
LEAVING = 0.5  # more likely gone than not within 90 days
LITTLE_LEFT_MICROS = 10 * MICROS  # the specification's: of a low value, no more than this to come


def bands(predicted_micros: Floats) -> Ints:
    """(n,) places in BANDS, by predicted value."""
    return np.searchsorted(CUTS_MICROS, predicted_micros, side="right").astype(np.int64)


def at_risk(value: Lifetime) -> Bools:
    """(n,) people of any value who are likely to leave, and low ones from whom little is to come."""
    spent = (bands(value.predicted_micros) == LOW) & (value.remaining_micros <= LITTLE_LEFT_MICROS)
    return np.asarray((value.leaving >= LEAVING) | spent)


def segments(value: Lifetime) -> Ints:
    """(n,) places in SEGMENTS."""
    return np.where(at_risk(value), AT_RISK, bands(value.predicted_micros))


def confidence(value: Lifetime, spread: Spread) -> Floats:
    """(n,) the chance that somebody ends in the band of value that is predicted for him."""
    edges = np.concatenate([[-np.inf], CUTS_MICROS, [np.inf]])
    band = bands(value.predicted_micros)
    booked = value.predicted_micros - value.remaining_micros
    return chance_between(spread, value.remaining_micros, edges[band] - booked, edges[band + 1] - booked)
