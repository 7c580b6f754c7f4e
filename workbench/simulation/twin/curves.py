"""How long things take, when some have not happened yet: rates by age over those that have reached the age.

The actuarial (life-table) estimate of a rare event: in each bin of ages, events over the time spent in it by all who have come so
far. Young starts count for the ages they have lived through and say nothing of later ones, so they are no failures.
Source: Chiang, "The Life Table and Its Applications" (1984), chapter 10; for the use on clicks, Chapelle, KDD 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, Ints

HOUR = 3_600.0
# Edges of ages in hours. Later than the last, clicks and conversions are too few to matter.
CLICK_AGES = np.array([0.0, 0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 72, 96, 144, 240])
CONVERSION_AGES = np.array([0.0, 0.1, 0.25, 0.5, 1, 2, 4, 8, 12, 16, 20, 24, 36, 48, 72, 96, 144, 192, 264, 336, 504, 672])


@dataclass(frozen=True)
class Curve:
    """The share of events that have come by an age. G edges."""

    ages: Floats  # (G,) hours, from 0
    shares: Floats  # (G,) from 0 to 1

    def by(self, hours: Floats) -> Floats:
        """Share by these ages, any shape; evenly within a bin."""
        return np.interp(hours, self.ages, self.shares)


def fit(ages: Floats, delays: Floats, edges: Floats) -> Curve:
    """`ages`: hours since each start, (n,); `delays`: hours from start to event of those that had one, (m,).

    The curve ends with the last bin that some start has lived through. Raises ValueError without any event.
    """
    known = edges[: max(int(np.searchsorted(edges, ages.max(initial=0.0), side="right")), 2)]
    events = np.histogram(delays, known)[0].astype(np.float64)
    if not events.any():
        raise ValueError("no delay to fit")
    # hours in a bin of all starts = hours below its upper edge less hours below its lower one
    ordered, sums = np.sort(ages), np.concatenate([[0.0], np.cumsum(np.sort(ages))])
    below = np.searchsorted(ordered, known)
    lived = np.diff(sums[below] + known * (len(ages) - below))
    rate = np.divide(events * np.diff(known), lived, out=np.zeros(len(events)), where=lived > 0)
    shares = np.concatenate([[0.0], np.cumsum(rate)])
    return Curve(known, shares / shares[-1])


def landing(clicks: Curve, conversions: Curve, hours_of_day: Floats, past_days: int, coming_days: int) -> tuple[Floats, Floats]:
    """Of the conversions that a mail's later clicks bring, the share that falls within the coming days: of mails (past_days,)
    0, 1, … days ago, counting clicks after now alone, and of mails (coming_days,) from now on.

    `hours_of_day`: (24,) share of mails by hour since the turn of the day, which is the hour of now.
    """
    end = 24 * coming_days
    clicked = np.diff(clicks.by(np.arange(clicks.ages[-1] + 1)))  # (H,) by hour of age
    start = np.arange(-24 * past_days, end)  # hour of the mail
    at = start[:, None] + np.arange(len(clicked))[None, :] + 1.0  # of the click
    within = np.where(at > 0, conversions.by(np.maximum(end - at, 0.0)), 0.0) * clicked
    by_day = within.sum(axis=1).reshape(-1, 24) @ hours_of_day
    return by_day[:past_days][::-1], by_day[past_days:]


def by_days_ago(rows: Ints, days_ago: Ints, weights: Floats, shape: tuple[int, int]) -> Floats:
    """Sums of weights in a table (rows, days ago); what is older than the table is left out."""
    inside = days_ago < shape[1]
    flat = np.bincount((rows * shape[1] + days_ago)[inside], weights[inside], shape[0] * shape[1])
    return np.asarray(flat.reshape(shape), dtype=np.float64)
