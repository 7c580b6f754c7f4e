"""What will be mailed: volumes like those of the last weeks, scaled by their trend, and offers like those of the last days.

A draw takes the volume of one of the last weeks whole, so that a week's rhythm, the days without mail and the scatter of volume stay
what they were, and for each day the offers of one of the last days that had mail. Where a day's mails are of many offers the last days
tell what is on; where a day has one offer, as in blasts, it takes more of them to tell what may come. The trend is the slope of log
weekly mails; before any weeks are seen it is expected to be that of the list, which shrinks by its exits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from revenue_engine.arrays import Floats, Ints

WEEK = 7
_WEEKS, _WEEKLY = 4, 0.6  # weeks that a volume may be like, and the weight of each against the one after it
_TREND_SD = 0.05  # a week, of the trend before any weeks are seen
_LEAST_NOISE = 0.02  # of a week's log volume
_OFFERS_TO_TELL = 14.0  # half-life of days with mail times the offers of a day
_LEAST_HALF_LIFE = 3.0


@dataclass(frozen=True)
class Pace:
    """Mails to come. T weeks, K days with mail, O offers."""

    volumes: Floats  # (T, 7) mails of past weeks, newest first; of the days of a week the first comes first
    shares: Floats  # (K, O) of the offers in a day's mails, newest first
    half_life: float  # of those days' weight, in days with mail
    trend: float  # of log mails, a week
    trend_sd: float
    loss: float  # share of the list that a week's mails cost

    def draws(self, count: int, random: np.random.Generator) -> Floats:
        """(count, O, 7) mails of the coming week."""
        week = _picked(_WEEKLY ** np.arange(len(self.volumes)), (count, 1), random)
        day = _picked(0.5 ** (np.arange(len(self.shares)) / self.half_life), (count, WEEK), random)
        growth = np.exp(random.normal(self.trend, self.trend_sd, (count, 1)) * (week + 1))
        mails = self.volumes[week[:, 0]] * growth
        return np.asarray((self.shares[day] * mails[:, :, None]).transpose(0, 2, 1))


def fit(mails: Floats, loss: float) -> Pace:
    """`mails`: (O, D) by days ago, at least two weeks and a mail; `loss` as in `Pace`."""
    daily = mails.sum(axis=0)
    count = len(daily) // WEEK
    weeks = daily[: count * WEEK].reshape(count, WEEK)[:, ::-1]
    totals = np.log(np.maximum(weeks.sum(axis=1), 0.5))
    age = np.arange(count, dtype=np.float64)
    apart = age - age.mean()
    slope = -(apart @ totals) / (apart @ apart)
    noise = ((totals - totals.mean() + slope * apart) ** 2).sum() / max(count - 2, 1)
    precision, before = (apart @ apart) / max(noise, _LEAST_NOISE**2), 1 / _TREND_SD**2
    trend = (precision * slope + before * np.log1p(-loss)) / (precision + before)
    shares = (mails[:, daily > 0] / daily[daily > 0]).T
    offers_a_day = 1 / (shares**2).sum(axis=1).mean()
    return Pace(
        volumes=weeks[:_WEEKS],
        shares=shares,
        half_life=max(_OFFERS_TO_TELL / offers_a_day, _LEAST_HALF_LIFE),
        trend=float(trend),
        trend_sd=float((precision + before) ** -0.5),
        loss=loss,
    )


def _picked(weight: npt.NDArray[np.floating[Any]], shape: tuple[int, int], random: np.random.Generator) -> Ints:
    return random.choice(len(weight), shape, p=weight / weight.sum())
