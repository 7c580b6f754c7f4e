"""Mean revenue per person of each arm, less noise than the plain means have: what people did before they had an arm tells part of it.

Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing pre-experiment data", WSDM 2013.
A covariate is taken to move revenue in proportion: one slope for all arms, times each arm's mean. The arms differ in size by twenty
and in revenue by half, and a slope in money, learned from the larger, would add noise to the smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def arm_means(revenue: Floats, covariates: Floats, arms: Sequence[Bools]) -> tuple[ArmMean, ...]:
    """Means of revenue (n,) by arm, each a mask (n,) of at least two people; covariates (n, k) are from before the arms.

    A variance below what the arm's mean and the sizes of payments in all arms make of it is raised towards that, the more the fewer
    its payers: a small arm that by chance lacks a large payment has too small a mean and too small a variance, and would look surely
    worse than it is.
    """
    own = [revenue[arm] for arm in arms]
    plain = [float(each.mean()) for each in own]
    moved = _relative_moves(own, [covariates[arm] for arm in arms], plain)
    spread = [float(each.var(ddof=1)) for each in own]
    left = [float((each - mean * move).var(ddof=1)) for each, mean, move in zip(own, plain, moved, strict=True)]
    everybody = np.concatenate(own)
    total = float(everybody.sum())
    size = float(everybody @ everybody) / total if total > 0 else 0.0  # of a payment, weighted by itself
    people, payers = [len(each) for each in own], [int((each > 0).sum()) for each in own]
    raw = float(np.dot(spread, people))
    kept = min(float(np.dot(left, people)) / raw, 1.0) if raw > 0 else 1.0
    return tuple(
        ArmMean(
            people=n,
            payers=paying,
            plain=mean,
            adjusted=mean * (1 - float(move.mean())),
            error=float(np.sqrt((variance + max((mean * size - mean**2) * kept - variance, 0.0) / (1 + paying / _BORROWED)) / n)),
        )
        for n, paying, mean, move, variance in zip(people, payers, plain, moved, left, strict=True)
    )


def _relative_moves(revenue: Sequence[Floats], covariates: Sequence[Floats], plain: Sequence[float]) -> list[Floats]:
    """By how much of its arm's mean each person's covariates are thought to move revenue, one array per arm; 0 for the average."""
    means = [each.mean(axis=0) for each in covariates]
    people = [len(each) for each in covariates]
    overall = np.average(means, axis=0, weights=people)
    squares = [each.T @ each - len(each) * np.outer(mean, mean) for each, mean in zip(covariates, means, strict=True)]
    scale = np.sqrt(np.maximum(np.diag(sum(squares)), 0.0) / sum(people))
    some = scale > _CONSTANT * np.abs(overall)
    square, product = np.zeros((some.sum(), some.sum())), np.zeros(some.sum())
    for own, each, mean, table, level in zip(revenue, covariates, means, squares, plain, strict=True):
        square += level**2 * (table[np.ix_(some, some)] / np.outer(scale[some], scale[some]))
        product += level * (own @ each - len(own) * level * mean)[some] / scale[some]
    slope = np.zeros(len(scale))
    slope[some] = np.linalg.lstsq(square, product, rcond=None)[0] / scale[some]
    return [np.asarray(each @ slope - overall @ slope) for each in covariates]
