"""How to treat somebody by value: how often to write, what kinds of offers he likes, how much a price matters to him.

The specification documents `OptimalContactFrequency` as mails a week and computes days between mails, so "write to a whale more often"
(two less) would come out as fewer mails. Stored is `contact_interval_days`; mails a week are 7 divided by it. n people, C cadences.
"""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Bools, Floats, Ints
from revenue_engine.value.segments import HIGH, WHALE

WEEK_DAYS = 7.0
_WHALE_SHORTER, _WHALE_LEAST = 2.0, 1.0  # days, as in the specification
_HIGH_SHORTER, _HIGH_LEAST = 1.0, 2.0
_AT_RISK_LONGER = 2.0
LEVELS = ("low", "medium", "high")
_LEVELS_FROM = np.array([1 / 3, 2 / 3])


def best_interval(interval_days: Floats, remaining_micros: Floats) -> Floats:
    """(n,) the interval of the C tried, (C,), under which remaining value (n, C) is largest; the longest of equals."""
    order = np.argsort(-interval_days, kind="stable")
    return np.asarray(interval_days[order][remaining_micros[:, order].argmax(axis=1)])


def contact_interval_days(base_days: Floats, band: Ints, at_risk: Bools) -> Floats:
    """(n,) days between mails from the interval that suits a person, `base_days`.

    A whale and a high value get a shorter one, as far as the specification's least, and never a longer one; whoever is at risk, whale
    or not, gets a longer one.
    """
    whale = np.minimum(base_days, np.maximum(base_days - _WHALE_SHORTER, _WHALE_LEAST))
    high = np.minimum(base_days, np.maximum(base_days - _HIGH_SHORTER, _HIGH_LEAST))
    by_value = np.where(band == WHALE, whale, np.where(band == HIGH, high, base_days))
    return np.where(at_risk, base_days + _AT_RISK_LONGER, by_value)


def per_week(interval_days: Floats) -> Floats:
    """Mails a week."""
    return WEEK_DAYS / interval_days


def preferred_offers(clicked: Ints, *, most: int = 3) -> Ints:
    """(n, most) topics of offers a person clicks most, best first, 0 = no more; of equals what was clicked last.

    `clicked` (n, C) are the topics of his last clicks, newest first, 0 = none.
    """
    same = clicked[:, :, None] == clicked[:, None, :]
    again = (same & np.tri(clicked.shape[1], k=-1, dtype=np.bool_)).any(axis=2)
    counts = np.where((clicked == 0) | again, 0, same.sum(axis=2))
    order = np.argsort(-counts, axis=1, kind="stable")[:, :most]
    return np.where(np.take_along_axis(counts, order, axis=1) > 0, np.take_along_axis(clicked, order, axis=1), 0)


def price_sensitivity(declared: Floats) -> Ints:
    """(n,) places in LEVELS of what was declared, 0 to 1; NaN, which is nothing, is in the middle."""
    return np.searchsorted(_LEVELS_FROM, np.where(np.isnan(declared), 0.5, declared), side="right").astype(np.int64)
