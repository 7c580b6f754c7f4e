"""Mean revenue per person of each arm, less noise than the plain means have: what people did before they had an arm tells part of it.

Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing pre-experiment data", WSDM 2013.
A covariate is taken to move revenue in proportion: one slope for all arms, times each arm's mean. The arms differ in size by twenty
and in revenue by half, and a slope in money, learned from the larger, would add noise to the smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from revenue_engine.arrays import Bools, Floats

_BORROWED = 100.0  # payers at which an arm's own variance and that of all arms' payments count alike
_CONSTANT = 1e-6  # standard deviation over mean below which a covariate is one number, and rounding


@dataclass(frozen=True, slots=True)
class ArmMean:
    """An arm's mean and what it is known to."""

    people: int
    payers: int  # people with any revenue
    plain: float  # mean per person
    adjusted: float  # the same had the arm the covariates of all people
    error: float  # standard error of `adjusted`


@dataclass(frozen=True, slots=True)
class _Moments:
    """Of one arm; sums of squares and products about its own means."""

    people: int
    payers: int
    revenue: float
    covariates: Floats  # (k,)
    square: float  # of revenue
    product: Floats  # (k,) of revenue and covariates
    squares: Floats  # (k, k) of covariates
    total: float
    total_square: float  # about 0

    def left(self, slope: Floats) -> float:
        """Variance of revenue less what these slopes, relative to its mean, tell of it."""
        told = 2 * self.revenue * slope @ self.product - self.revenue**2 * slope @ self.squares @ slope
        return max(self.square - float(told), 0.0) / (self.people - 1)


def arm_means(revenue: Floats, covariates: Floats, arms: Sequence[Bools]) -> tuple[ArmMean, ...]:
    """Means of revenue (n,) by arm, each a mask (n,) of at least two people; covariates (n, k) are from before the arms.

    A variance below what the arm's mean and the sizes of payments in all arms make of it is raised towards that, the more the fewer
    its payers: a small arm that by chance lacks a large payment has too small a mean and too small a variance, and would look surely
    worse than it is.
    """
    each = [_moments(revenue[arm], covariates[arm]) for arm in arms]
    slope = _slope(each)
    overall = np.average([own.covariates for own in each], axis=0, weights=[own.people for own in each])
    total = sum(own.total for own in each)
    size = sum(own.total_square for own in each) / total if total > 0 else 0.0  # of a payment, weighted by itself
    raw = sum(own.square for own in each)
    kept = min(sum(own.left(slope) * (own.people - 1) for own in each) / raw, 1.0) if raw > 0 else 1.0
    result = []
    for own in each:
        variance, of_all = own.left(slope), (own.revenue * size - own.revenue**2) * kept
        raised = variance + max(of_all - variance, 0.0) / (1 + own.payers / _BORROWED)
        adjusted = own.revenue * (1 - float(slope @ (own.covariates - overall)))
        result.append(ArmMean(own.people, own.payers, own.revenue, adjusted, sqrt(raised / own.people)))
    return tuple(result)


def _moments(revenue: Floats, covariates: Floats) -> _Moments:
    mean, means = float(revenue.mean()), covariates.mean(axis=0)
    centred, moved = revenue - mean, covariates - means
    return _Moments(
        people=len(revenue),
        payers=int((revenue > 0).sum()),
        revenue=mean,
        covariates=means,
        square=float(centred @ centred),
        product=centred @ moved,
        squares=moved.T @ moved,
        total=float(revenue.sum()),
        total_square=float(revenue @ revenue),
    )


def _slope(arms: Sequence[_Moments]) -> Floats:
    """By what share of its arm's mean revenue moves with each covariate, (k,): least squares, with people of all arms."""
    people = sum(own.people for own in arms)
    level = np.max([np.abs(own.covariates) for own in arms], axis=0)
    scale = np.sqrt(sum(np.diag(own.squares) for own in arms) / people)
    varies = scale > _CONSTANT * level
    unit = np.where(varies, scale, 1.0)
    square = sum(own.revenue**2 * own.squares for own in arms) / np.outer(unit, unit)
    product = sum(own.revenue * own.product for own in arms) / unit
    slope = np.zeros(len(level))
    slope[varies] = np.linalg.lstsq(square[np.ix_(varies, varies)], product[varies], rcond=None)[0] / unit[varies]
    return slope
