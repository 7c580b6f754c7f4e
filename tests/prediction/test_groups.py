"""Intervals of groups of sends hold as often as they say, at every size, and widen with the model's own error."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.prediction.groups import FEW, Groups, forecast

PAYOUT, CV = 20e6, 0.8


def _sold(conversions: float, groups: int, sends: int, rng: np.random.Generator, level: np.ndarray | float = 1.0) -> np.ndarray:
    """Revenue of groups of log-normal payouts: another law than the one the intervals are made by."""
    sigma = np.sqrt(np.log(1 + CV**2))
    counts = rng.binomial(sends, np.minimum(conversions / sends * level, 1.0), groups)
    payouts = rng.lognormal(np.log(PAYOUT) - sigma**2 / 2, sigma, int(counts.sum()))
    return np.bincount(np.repeat(np.arange(groups), counts), payouts, groups)


def _told(conversions: float, groups: int, sends: int, rng: np.random.Generator, level_error: float = 0.0) -> Groups:
    n = groups * sends
    return forecast(
        np.repeat(np.arange(groups), sends),
        np.full(n, conversions / sends),
        np.full(n, PAYOUT),
        np.full(n, PAYOUT**2 * (1 + CV**2)),
        groups=groups,
        level_error=level_error,
        random=rng,
    )


@pytest.mark.parametrize(
    ("conversions", "sends", "least", "most"),
    [(0.5, 100, 0.92, 0.99), (2, 200, 0.92, 0.97), (12, 400, 0.89, 0.94), (30, 1_000, 0.88, 0.92), (120, 2_000, 0.88, 0.92)],
)
def test_nine_of_ten_groups_lie_inside(conversions: float, sends: int, least: float, most: float) -> None:
    """Small counts jump, so that no interval covers exactly nine of ten; the least of them errs on the wide side."""
    rng, groups = np.random.default_rng(3), 1_500
    found = _told(conversions, groups, sends, rng)
    actual = _sold(conversions, groups, sends, rng)
    inside = ((actual >= found.low_micros) & (actual <= found.high_micros)).mean()
    assert least <= inside <= most
    assert found.conversions == pytest.approx(conversions) and found.mean_micros == pytest.approx(conversions * PAYOUT)


def test_a_model_whose_level_errs_covers_only_when_it_says_so() -> None:
    rng, groups, sends = np.random.default_rng(4), 1_000, 2_000
    actual = _sold(150, groups, sends, rng, 1 + 0.1 * rng.standard_normal(groups))
    covered = []
    for error in (0.0, 0.1):
        found = _told(150, groups, sends, rng, error)
        covered.append(((actual >= found.low_micros) & (actual <= found.high_micros)).mean())
    assert covered[0] < 0.83 and covered[1] == pytest.approx(0.9, abs=0.025)


def test_a_group_is_the_sum_of_its_sends_whatever_their_order() -> None:
    rng = np.random.default_rng(5)
    group, chance = rng.integers(0, 6, 4_000), rng.random(4_000) * 0.1
    payout = rng.choice([10e6, 40e6], 4_000)

    def told(order: np.ndarray) -> Groups:
        sends = group[order], chance[order], payout[order], 1.5 * payout[order] ** 2
        return forecast(*sends, groups=7, level_error=0.05, random=np.random.default_rng(1))

    one, other = told(np.arange(4_000)), told(rng.permutation(4_000))
    for name in ("conversions", "mean_micros", "low_micros", "high_micros"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))
    assert (one.conversions[:6] > FEW).all()
    assert (one.low_micros[6], one.mean_micros[6], one.high_micros[6]) == (0, 0, 0), "a group without sends brings nothing"
    assert (one.low_micros <= one.mean_micros).all() and (one.mean_micros <= one.high_micros).all()
