"""How sure the expected revenue of a mail is, beside how far one mail's revenue scatters: two intervals with names of their own.

- of the mean: what is expected may be wrong, because the last line was fitted to so many events (the Bayesian last layer: Laplace's
  approximation, MacKay, "The evidence framework applied to classification networks", Neural Computation 4, 1992) and because the level
  of an offer is known from so many (`prediction/level`). It narrows with data.
- of the revenue: from nothing to the largest that 95 of 100 such mails stay below, nearly always nothing. It never narrows.

Arrays of one shape.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np

from revenue_engine.arrays import Floats
from revenue_engine.errors import Refused
from revenue_engine.prediction.groups import gamma_quantile
from revenue_engine.prediction.platt import PRIOR_EVENTS


@dataclass(frozen=True, slots=True)
class MeanError:
    """Of a line in log odds: its variance at the events' mean score, and how it grows away from there."""

    middle: float = 0.0
    level: float = 1.0 / PRIOR_EVENTS
    slope: float = 1.0 / PRIOR_EVENTS

    def __post_init__(self) -> None:
        if not (self.level > 0 and self.slope > 0):
            raise ValueError("a variance is above zero")

    def of(self, score: Floats) -> Floats:
        """Standard errors of log odds."""
        return np.sqrt(self.level + self.slope * (score - self.middle) ** 2)


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of expected revenue, micros."""

    low: Floats
    high: Floats


def dump(error: MeanError) -> bytes:
    """JSON, the same bytes for the same figures."""
    return json.dumps(asdict(error), sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def load(data: bytes) -> MeanError:
    """The reverse. Raises Refused("mean_error_corrupt") (D5)."""
    try:
        return MeanError(**json.loads(data))
    except (TypeError, ValueError) as error:
        raise Refused("mean_error_corrupt", repr(error)[:300]) from None


def fit_mean_error(score: Floats, told: Floats, weight: Floats) -> MeanError:
    """Of the line that `fit_platt` fitted: scores (n,) before it, chances (n,) after it, weights (n,).

    The line's prior, `PRIOR_EVENTS` at the events' mean score, counts as so many events more.
    """
    events = weight * told
    if events.sum() <= 0:
        return MeanError()
    middle = float(np.average(score, weights=events))
    around = (score - middle) ** 2
    curve = weight * told * (1 - told)
    spread = max(float(np.average(around, weights=events)), 1e-9)
    return MeanError(middle, 1 / (float(curve.sum()) + PRIOR_EVENTS), 1 / (float((curve * around).sum()) + PRIOR_EVENTS * spread))


def of_mean(
    error: MeanError, score: Floats, p_sale: Floats, payout: Floats, level_error: Floats | float, *, coverage: float = 0.9
) -> Between:
    """Between which bounds the expected revenue lies.

    Parameters
    ----------
    score, p_sale, payout
        Log odds before the last line, chances after it, expected payout in micros.
    level_error
        Standard error of the level of what is mailed, as a share (`level.Level.error` of its offer).
    """
    odds = error.of(score) * (1 - p_sale)  # of the logarithm of the chance
    away = NormalDist().inv_cdf(0.5 + coverage / 2) * np.sqrt(odds**2 + np.asarray(level_error) ** 2)
    mean = p_sale * payout
    return Between(mean * np.exp(-away), np.minimum(mean * np.exp(away), payout))


def largest_revenue(p_sale: Floats, payout: Floats, payout_square: Floats, *, share: float = 0.95) -> Floats:
    """What `share` of such mails bring at most, micros: payouts are gamma with these moments, and come with chance `p_sale`."""
    beyond = np.clip(1 - (1 - share) / np.maximum(p_sale, 1e-12), 1e-9, 1 - 1e-9)
    deviation = np.sqrt(np.maximum(payout_square - payout**2, 0.0))
    return np.where(p_sale > 1 - share, gamma_quantile(payout, deviation, beyond), 0.0)
