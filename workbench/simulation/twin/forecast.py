"""Next week's approved revenue of an org, from its log: the fitted parts put together in draws, and the 80 % band of their sum.

Per draw: a week of mails (`pace`), click rates per delivered mail and conversion rates per click by offer (`rates`), what lands in the
week of past clicks, past mails and mails to come (`curves`), counts, their amounts and whether they are kept (`money`), rebills.
Expected conversions of offer o in a draw:

    θ_o · (Σ clicks so far · (G(age + 7 d) − G(age)) + λ_o · (Σ past mails · V + Σ mails to come · W))

G is the share of conversions that have come by an age after the click, V and W the shares of a mail's conversions that land in the week.
Counts scatter as a gamma mixture of Poisson counts whose variance is the mean times the crowding of conversions in people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from revenue_engine.arrays import Floats, Ints
from workbench.logs import Log
from workbench.logs.columns import Columns, columns
from workbench.simulation.twin.parts import DAYS, Parts, Refusal, fit

DEFINITION = f"net revenue, as finally approved, of the conversions that happen in the next {DAYS} days"
BAND = 0.8
DRAWS = 4_000


@dataclass(frozen=True)
class Forecast:
    """Micros of `parts.currency`: the mean and quantiles of the draws, rounded. Counts are expectations."""

    now: float
    expected_micros: int
    low_micros: int  # a week in ten brings less
    high_micros: int  # a week in ten brings more
    mails: float
    clicks: float  # of those mails, sooner or later
    conversions: float  # that happen in the week, rebills left out
    parts: Parts


def forecast(log: Log, *, now: float, random: np.random.Generator) -> Forecast | Refusal:
    """`now`: epoch seconds of the end of the log."""
    return forecast_of(columns(log), now=now, random=random)


def forecast_of(of: Columns, *, now: float, random: np.random.Generator) -> Forecast | Refusal:
    """The same of a log as arrays."""
    parts = fit(of, now)
    return parts if isinstance(parts, Refusal) else foretell(parts, now=now, random=random)


def foretell(parts: Parts, *, now: float, random: np.random.Generator) -> Forecast:
    """The week after `now`."""
    mails = parts.pace.draws(DRAWS, random) * parts.delivered  # (S, O, 7)
    per_mail, per_click = parts.clicks.draws(DRAWS, random), parts.conversions.draws(DRAWS, random)
    expected = per_click * (parts.waiting + per_mail * (parts.past + mails @ parts.coming))
    revenue = sums(expected, parts, random) + parts.rebills.draws(DRAWS, random)
    low, high = np.quantile(revenue, [(1 - BAND) / 2, (1 + BAND) / 2])
    return Forecast(
        now=now,
        expected_micros=round(revenue.mean()),
        low_micros=round(low),
        high_micros=round(high),
        mails=float(mails.sum(axis=(1, 2)).mean() / parts.delivered),
        clicks=float((per_mail * (mails @ parts.weekday)).sum(axis=1).mean()),
        conversions=float(expected.sum(axis=1).mean()),
        parts=parts,
    )


def sums(expected: Floats, parts: Parts, random: np.random.Generator) -> Floats:
    """(S,) micros of what is kept of as many conversions as are expected, (S, O)."""
    draws = len(expected)
    total = np.maximum(expected.sum(axis=1), 1e-9)
    excess = (parts.crowding - 1) / total  # relative variance beyond Poisson
    crowd = random.gamma(1 / np.maximum(excess, 1e-9), np.maximum(excess, 1e-9))
    counts: Ints = random.poisson(expected * crowd[:, None])
    draw, offer = (np.repeat(index, counts.ravel()) for index in np.divmod(np.arange(counts.size), counts.shape[1]))
    kept = random.random(len(draw)) < parts.kept.draws(draws, random)[draw]
    amounts = parts.amounts.draws(offer, draw, draws, random)
    return np.asarray(np.bincount(draw[kept], amounts[kept], draws), dtype=np.float64)
