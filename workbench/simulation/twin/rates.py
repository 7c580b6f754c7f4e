"""Rates by offer that wander: discounted Gamma-Poisson posteriors around a common level. O offers, W weeks k counted back from now.

    λ_o ~ Gamma(ρ (κ + Σ ρ^k y_ok), rate ρ (κ/m + Σ ρ^k x_ok))        m = the level of all offers

y are events, x what they are in proportion to, times the trend that all offers share (new offers lose their charm, a list tires), so
that rates are those of the coming week. Weeks are whole, for lists have a weekly rhythm. The forgetting ρ is the one of a few
under which each week was foretold best by the weeks before it; the weight κ of the common level comes from how much offers differ
(method of moments).
Sources: J. Q. Smith, "A generalization of the Bayesian steady forecasting model", JRSS B 41 (1979); West and Harrison, "Bayesian
Forecasting and Dynamic Models" (1997), chapter 10 on discounting.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import numpy as np

from revenue_engine.arrays import Floats

WEEK = 7
FORGETTINGS = (1.0, 0.95, 0.9, 0.8, 0.65, 0.5, 0.35)  # a week
_LEAST_SPREAD = 0.05  # relative variance between offers: no two are ever quite the same
# What weeks scatter in common beside chance, before any are seen: 5 %, worth four weeks.
_USUAL_COMMON, _USUAL_WEEKS = 0.05**2, 4.0
_TREND_SD = 0.03  # a week, of the common trend before any weeks are seen
_TREND_FORGETTING = 0.85  # a week
_DAMPING = 0.5  # of the trend seen, in the week to come: charm and patience wear off ever more slowly (Gardner and McKenzie 1985)
_WEEKDAY_EVENTS, _ROUNDS = 20.0, 10
_lgamma = np.vectorize(lgamma, otypes=[np.float64])


@dataclass(frozen=True)
class Rates:
    """Posterior as of the coming week."""

    shape: Floats  # (O,)
    rate: Floats  # (O,)
    trend: float  # of the log rate of all offers, a week
    trend_sd: float
    forgetting: float
    common: float  # relative variance of a week that all offers share, its trend's left out

    @property
    def mean(self) -> Floats:
        """(O,)"""
        return self.shape / self.rate

    def draws(self, count: int, random: np.random.Generator) -> Floats:
        """(count, O)"""
        common = self.common + self.trend_sd**2
        shared = random.gamma(1 / common, common, count)
        return np.asarray(random.gamma(self.shape, 1 / self.rate, (count, len(self.shape))) * shared[:, None])


def weekdays(events: Floats, exposure: Floats) -> Floats:
    """(7,) factors of the rate by days ago modulo 7, mean 1 over the exposure; both arguments (O, D).

    By turns: offers' rates given the weekdays, weekdays' given the offers, each drawn to 1 as if it had seen some events as usual.
    """
    days = [np.arange(first, events.shape[1], WEEK) for first in range(WEEK)]
    factor = np.ones(WEEK)
    for _ in range(_ROUNDS):
        usual = exposure * factor[np.arange(events.shape[1]) % WEEK]
        mean = (events.sum(axis=1) + 0.5) / (usual.sum(axis=1) + 0.5 * usual.sum() / max(events.sum(), 1.0))
        expected = mean @ exposure
        seen = events.sum(axis=0)
        factor = np.array([(seen[day].sum() + _WEEKDAY_EVENTS) / (expected[day].sum() + _WEEKDAY_EVENTS) for day in days])
    return factor


def fit(events: Floats, exposure: Floats) -> Rates:
    """Both (O, D) by days ago, at least two weeks; days beyond the last whole week are left out."""
    y, x = _weeks(events), _weeks(exposure)
    trend, trend_sd = _trend(y, x)
    x = x * np.exp(-trend * np.arange(1, y.shape[1] + 1))  # as if the rates of the coming week had been at work
    forgetting = max(FORGETTINGS, key=lambda each: sum(_surprise(y, x, each, week)[0] for week in range(y.shape[1] - 1)))
    shape, rate = _posterior(y, x, forgetting)
    excess = sum(_surprise(y, x, forgetting, week)[1] for week in range(y.shape[1] - 1))
    common = (_USUAL_WEEKS * _USUAL_COMMON + excess) / (_USUAL_WEEKS + y.shape[1] - 1)
    return Rates(shape, rate, trend, trend_sd, forgetting, max(common, _USUAL_COMMON / 4))


def _weeks(days: Floats) -> Floats:
    count = days.shape[1] // WEEK
    return np.asarray(days[:, : count * WEEK].reshape(len(days), count, WEEK).sum(axis=2))


def _trend(y: Floats, x: Floats) -> tuple[float, float]:
    """Damped slope a week of the log of events over what each offer's own mean makes expected, and its standard deviation."""
    mean = (y.sum(axis=1) + 0.5) / (x.sum(axis=1) + 0.5 * x.sum() / max(y.sum(), 1.0))
    seen, ago = y.sum(axis=0), np.arange(y.shape[1], dtype=np.float64)
    ratio = np.log((seen + 0.5) / (mean @ x + 0.5))
    # a week's log scatters by chance and by what weeks have in common; old weeks say less of the trend of today
    weight = _TREND_FORGETTING**ago / (1 / (seen + 0.5) + _USUAL_COMMON)
    apart = ago - (weight @ ago) / weight.sum()
    precision, before = weight @ apart**2, 1 / _TREND_SD**2
    slope = -(weight * apart) @ ratio / precision
    return float(_DAMPING * precision * slope / (precision + before)), float((precision + before) ** -0.5)


def _posterior(y: Floats, x: Floats, forgetting: float) -> tuple[Floats, Floats]:
    """(O,) shape and rate of the week after these, each offer drawn to the level of all."""
    weight = forgetting ** np.arange(y.shape[1])
    events, exposure = y @ weight, x @ weight
    level = (events.sum() + 0.5) / max(exposure.sum(), 1e-9)
    kappa = 1 / _spread(y.sum(axis=1), x.sum(axis=1))
    return forgetting * (kappa + events), forgetting * (kappa / level + exposure)


def _spread(events: Floats, exposure: Floats) -> float:
    """Relative variance of the rates between offers: squared errors of the common level beyond those of counts (Fay and Herriot 1979)."""
    expected = events.sum() / max(exposure.sum(), 1e-9) * exposure
    excess = ((events - expected) ** 2).sum() - expected.sum()
    return max(float(excess / max((expected**2).sum(), 1e-9)), _LEAST_SPREAD)


def _surprise(y: Floats, x: Floats, forgetting: float, week: int) -> tuple[float, float]:
    """Of a week foretold from the weeks before it: its log likelihood (negative binomial) over offers, and the squared relative error
    of its sum beyond what counts and offers explain."""
    a, b = _posterior(y[:, week + 1 :], x[:, week + 1 :], forgetting)
    seen, exposed = y[:, week], x[:, week]
    gammas = _lgamma(a + seen) - _lgamma(a) - _lgamma(seen + 1)
    likelihood = gammas + a * np.log(b / (b + exposed)) + seen * np.log((exposed + 1e-300) / (b + exposed))
    expected = a / b * exposed
    error = (seen.sum() - expected.sum()) ** 2 - (expected + expected**2 / a).sum()
    return float(likelihood.sum()), float(error / max(expected.sum(), 1.0) ** 2)
