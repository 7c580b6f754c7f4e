"""What will be mailed: weeks like the last ones, scaled by the trend of the volume. O offers, S draws.

A draw takes one of the last weeks whole, weekday by weekday with its offers, later weeks more often: so a week's rhythm, the days
without mail, blasts of one offer and the scatter of volume stay what they were. The volume's trend is the slope of log weekly mails;
before any weeks are seen it is expected to be that of the list, which shrinks by its exits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats

WEEK = 7
TEMPLATES = 4  # weeks that a coming week may be like
_WEEKLY = 0.6  # weight of a week against the one after it
_TREND_SD = 0.05  # a week, of the trend before any weeks are seen
_LEAST_NOISE = 0.02  # of a week's log volume


@dataclass(frozen=True)
class Pace:
    """Mails to come."""

    weeks: Floats  # (T, O, 7) mails of past weeks, newest first; of the days of a week the first comes first
    trend: float  # of log mails, a week
    trend_sd: float
    loss: float  # share of the list that a week's mails cost

    def draws(self, count: int, random: np.random.Generator) -> Floats:
        """(S, O, 7) mails of the coming week."""
        weight = _WEEKLY ** np.arange(len(self.weeks))
        template = random.choice(len(self.weeks), count, p=weight / weight.sum())
        growth = np.exp(random.normal(self.trend, self.trend_sd, count) * (template + 1))
        return np.asarray(self.weeks[template] * growth[:, None, None])


def fit(mails: Floats, loss: float) -> Pace:
    """`mails`: (O, D) by day, newest first, at least two weeks; `loss` as in `Pace`."""
    count = mails.shape[1] // WEEK
    weeks = mails[:, : count * WEEK].reshape(len(mails), count, WEEK).transpose(1, 0, 2)[:, :, ::-1]
    totals = np.log(np.maximum(weeks.sum(axis=(1, 2)), 0.5))
    age = np.arange(count, dtype=np.float64)
    apart = age - age.mean()
    slope = -(apart @ totals) / (apart @ apart)
    noise = ((totals - totals.mean() + slope * apart) ** 2).sum() / max(count - 2, 1)
    precision, before = (apart @ apart) / max(noise, _LEAST_NOISE**2), 1 / _TREND_SD**2
    trend = (precision * slope + before * np.log1p(-loss)) / (precision + before)
    return Pace(weeks[:TEMPLATES], float(trend), float((precision + before) ** -0.5), loss)
