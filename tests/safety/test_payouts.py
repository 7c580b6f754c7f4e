"""How unusual a payout is: against exact medians, exact t tails, and pure chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from revenue_engine.arrays import Floats, Ints
from revenue_engine.safety.payouts import (
    KNOWN_ENOUGH,
    LEAST_SCALE,
    LEAST_SCALE_OF_SALES,
    NOT_USUAL,
    payout_scores,
    two_sided,
)

MICROS = 1_000_000


def score(payout: float, known: list[float], catalogue: float = 0.0) -> float:
    return float(payout_scores(micros([payout]), micros([known]), micros([catalogue]))[0][0])


def micros(amounts: object) -> Ints:
    return np.round(np.asarray(amounts, dtype=np.float64) * MICROS).astype(np.int64)


def spread_out(n: int, seed: int = 1, deviation: float = 0.6) -> Floats:
    return np.exp(np.random.default_rng(seed).normal(2.5, deviation, n))


def test_the_median_and_the_mad_are_those_of_the_known_payouts_alone() -> None:
    known = spread_out(40)
    padded = np.zeros((1, 64))
    padded[0, 10:50] = known
    scores, usual = payout_scores(micros([30.0]), micros(padded), micros([0.0]))
    logs = np.log(np.round(known * MICROS))
    assert usual[0] == pytest.approx(np.exp(np.median(logs)))
    scale = max(1.4826 * np.median(np.abs(logs - np.median(logs))), (np.quantile(logs, 0.9) - np.median(logs)) / 1.2816)
    t, freedom = (np.log(30 * MICROS) - np.median(logs)) / (scale * np.sqrt(1 + np.pi / 2 / 40)), 0.3675 * 40
    # Wallace's normal quantile has nearly the t's own tail
    assert stats.norm.sf(scores[0]) == pytest.approx(stats.t.sf(t, freedom), rel=0.03)


@pytest.mark.parametrize("known", [[20.0] * 30, [20.0] * 20 + [30.0] * 2, []])
def test_a_fixed_price_has_a_scale_all_the_same(known: list[float]) -> None:
    assert score(20.0, known, 20.0) == pytest.approx(0.0, abs=1e-9)
    assert score(40.0, known, 20.0) == pytest.approx(np.log(2) / LEAST_SCALE)
    assert abs(score(40.0, known, 20.0)) < NOT_USUAL < score(100.0, known, 20.0)
    assert score(4.0, known, 20.0) < -NOT_USUAL


def test_few_known_payouts_are_compared_with_the_catalogue_or_with_nothing() -> None:
    few = [5.0] * (KNOWN_ENOUGH - 1)
    assert score(20.0, few, 20.0) == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(score(20.0, few))
    # enough of one price: baskets may be alike by chance, and their spread is not known well yet
    assert 1.5 < score(20.0, [*few, 5.0]) < np.log(4) / LEAST_SCALE_OF_SALES < score(20.0, [5.0] * 64) * 1.3
    assert np.isnan(score(0.0, [5.0] * 30, 20.0))


def test_one_of_two_prices_being_common_does_not_make_the_other_strange() -> None:
    baskets = [8.0] * 40 + [16.0, 24.0, 24.0, 31.0, 16.0, 8.0, 40.0, 16.0]
    assert abs(score(24.0, baskets)) < NOT_USUAL
    assert abs(score(2.5, baskets)) < NOT_USUAL


@pytest.mark.parametrize("n", [12, 24, 64])
def test_by_chance_alone_a_score_is_no_larger_than_a_normals(n: int) -> None:
    rng = np.random.default_rng(n)
    logs = rng.normal(2.5, 0.7, (100_000, n + 1))
    amounts = micros(np.exp(logs))
    scores, _ = payout_scores(amounts[:, 0], amounts[:, 1:], np.zeros(len(amounts), dtype=np.int64))
    for z in (2.0, 3.0, 3.7):
        assert np.mean(np.abs(scores) > z) <= 2 * stats.norm.sf(z)
    assert np.mean(np.abs(scores) > NOT_USUAL) < 2e-5
    assert np.mean(np.abs(scores) > 2.0) > stats.norm.sf(2.0) * 0.8


def test_the_two_sided_chance_is_an_upper_bound_near_the_normals() -> None:
    z = np.array([0.0, 0.5, 3.7, -4.5, 8.0, np.nan])
    found = two_sided(z)
    exact = 2 * stats.norm.sf(np.abs(z))
    assert np.all(found[:5] >= exact[:5])
    assert found[2:5] == pytest.approx(exact[2:5], rel=0.08)
    assert np.isnan(found[5])
    assert found[0] == 1.0
