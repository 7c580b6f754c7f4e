"""How unusual a payout is among the known ones of its offer. Shapes: n payouts, K known ones of each, 0 = none."""

from __future__ import annotations

import numpy as np

from revenue_engine.arrays import Floats, Ints

KNOWN_ENOUGH = 12  # fewer known payouts say nothing of their spread
NOT_USUAL = 4.5
# Of log payouts. Fixed prices do not differ at all, and yet only three times as much is no tier or raise; a basket may hold five pieces.
LEAST_SCALE, LEAST_SCALE_OF_SALES = 0.25, 0.35
_MAD_TO_DEVIATION = 1.4826
_TENTH = 1.2816  # of a normal's values, one in ten lies this many deviations above the median
_MEDIAN_VARIANCE = 1.571  # π/2: of the median of K of a normal's values, times K
_EFFICIENCY = 0.3675  # of the MAD as an estimate of a normal's scale: K of them know it as well as K · 0.3675 deviations would


def payout_scores(payout_micros: Ints, known_micros: Ints, catalogue_micros: Ints) -> tuple[Floats, Floats]:
    """`(log payout - median) / scale` as a standard normal's quantile, and the median in micros; (n,) each.

    The scale is `1.4826 · MAD`, or what the upper tenth says, if that is more: baskets are skewed, and where most are of one price the
    MAD is zero. Median and scale of few payouts are themselves uncertain: the quotient, over `sqrt(1 + π/2K)`, is about Student's t with
    `0.3675 · K` degrees of freedom, turned into a normal quantile by Wallace's approximation (1959): `sqrt(ν ln(1 + t²/ν)) (8ν+1)/(8ν+3)`.
    While too few are known, the catalogue's payout stands in for the median. NaN where nothing is known, or nothing was paid.
    """
    known = known_micros > 0
    count = known.sum(axis=1)
    logs = np.where(known, np.log(np.where(known, known_micros, 1)), np.inf)
    middle = _quantile(logs, count, 0.5)
    with np.errstate(invalid="ignore"):
        away = np.where(known, np.abs(logs - middle[:, None]), np.inf)
        spread = np.fmax(_MAD_TO_DEVIATION * _quantile(away, count, 0.5), (_quantile(logs, count, 0.9) - middle) / _TENTH)
    enough = count >= KNOWN_ENOUGH
    usual = np.where(enough, middle, np.log(np.where(catalogue_micros > 0, catalogue_micros, np.nan)))
    least = np.where(catalogue_micros > 0, LEAST_SCALE, LEAST_SCALE_OF_SALES)
    scale = np.where(enough, np.fmax(spread, least), least)
    # where a price is named, payouts that do not differ are no accident; where none is, few baskets may be alike by chance
    measured = enough & ((spread > least) | (catalogue_micros <= 0))
    t = (np.log(np.where(payout_micros > 0, payout_micros, np.nan)) - usual) / scale
    freedom = np.maximum(_EFFICIENCY * count, 1.0)
    t = np.where(measured, t / np.sqrt(1.0 + _MEDIAN_VARIANCE / np.maximum(count, 1)), t)
    normal = np.sign(t) * np.sqrt(freedom * np.log1p(t**2 / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return np.where(measured, normal, t), np.exp(usual)


def two_sided(score: Floats) -> Floats:
    """P(|Z| >= |score|) of a standard normal; NaN stays.

    By the first term of the tail's expansion, 2 φ(z)/z, an upper bound: never too sure, and 5 % too large at z = 4.5.
    """
    size = np.abs(score)
    with np.errstate(divide="ignore"):
        bound = 2.0 * np.exp(-(size**2) / 2.0) / (np.sqrt(2.0 * np.pi) * size)
    return np.asarray(np.minimum(bound, 1.0))


def _quantile(values: Floats, count: Ints, share: float) -> Floats:
    """Row quantiles of the `count` finite values of each row, (n,), by linear interpolation; NaN where there are none."""
    if values.shape[1] == 0:
        return np.full(len(values), np.nan)
    ordered = np.sort(values, axis=1)
    rows, place = np.arange(len(values)), np.maximum(count - 1, 0) * share
    below = place.astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    with np.errstate(invalid="ignore"):
        between = ordered[rows, below] + (place - below) * (ordered[rows, above] - ordered[rows, below])
    return np.where(count > 0, between, np.nan)
