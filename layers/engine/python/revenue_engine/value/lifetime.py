"""Lifetime value: what somebody will bring from now on under a stated cadence, LTV = Σ P(active at t) · E[revenue at t].

Remaining value is the future alone: it is not a total less what was earned, and so never below zero. Predicted value is what was
booked so far and that. n people, K periods of equal length; expectations are micros as floats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, Ints

YEAR_DAYS = 365.0
LEAVING_DAYS = 90.0  # within which `leaving` asks whether somebody goes


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Of each person; (n,) each."""

    remaining_micros: Floats  # expected, discounted, ≥ 0
    predicted_micros: Floats  # booked so far and remaining
    purchases: Floats  # expected, from now on
    active_days: Floats  # expected, at most 365
    leaving: Floats  # chance of an exit within 90 days


def discounts(periods: int, period_days: float, yearly: float) -> Floats:
    """(K,) what a dollar in the middle of each period is worth today, at this interest a year."""
    return np.asarray((1.0 + yearly) ** (-(np.arange(periods) + 0.5) * period_days / YEAR_DAYS))


def lifetime(
    cumulative_hazard: Floats,
    revenue_micros: Floats,
    purchases: Floats,
    booked_micros: Ints,
    *,
    period_days: float,
    yearly_discount: float,
) -> Lifetime:
    """The recursion, for everybody at once.

    Parameters
    ----------
    cumulative_hazard
        (n, K) of exits at the end of each period, from now on (`survival.under_cadence`).
    revenue_micros, purchases
        (n, K) expected in each period of somebody who is active in all of it, under the same cadence.
    booked_micros
        (n,) net of what was taken back.

    Raises
    ------
    ValueError
        Shapes that differ, a hazard that falls, or an expectation below zero: reversals lower an expectation, they do not turn it.
    """
    if not cumulative_hazard.shape == revenue_micros.shape == purchases.shape or len(booked_micros) != len(revenue_micros):
        raise ValueError("one hazard, revenue and number of purchases a person and period")
    if (np.diff(cumulative_hazard, axis=1, prepend=0.0) < 0).any():
        raise ValueError("a cumulative hazard cannot fall")
    if (revenue_micros < 0).any() or (purchases < 0).any():
        raise ValueError("an expectation below zero")
    survives = np.exp(-cumulative_hazard)
    before = np.concatenate([np.ones((len(survives), 1)), survives[:, :-1]], axis=1)
    active = (before + survives) / 2  # of the period, on average
    worth = discounts(active.shape[1], period_days, yearly_discount)
    remaining = (active * revenue_micros) @ worth
    return Lifetime(
        remaining_micros=remaining,
        predicted_micros=booked_micros + remaining,
        purchases=(active * purchases).sum(axis=1),
        active_days=np.minimum(active.sum(axis=1) * period_days, YEAR_DAYS),
        leaving=_leaving(cumulative_hazard, period_days),
    )


def _leaving(cumulative_hazard: Floats, period_days: float) -> Floats:
    """(n,) by straight lines between the ends of periods, and as in the last one beyond them."""
    periods = LEAVING_DAYS / period_days
    whole = min(int(periods), cumulative_hazard.shape[1] - 1)
    steps = np.diff(cumulative_hazard, axis=1, prepend=0.0)
    reached = cumulative_hazard[:, whole] - steps[:, whole]
    return np.asarray(-np.expm1(-(reached + (periods - whole) * steps[:, whole])))
