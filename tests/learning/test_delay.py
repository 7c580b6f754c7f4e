"""The delay curve: open clicks are no failures, and short delays are not all there is."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.learning.delay import PRIOR_CONVERSIONS, Clicks, fit_delay, fit_delays
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.prediction.rates import Delay

EDGES = np.array([1 / 24, 1.0, 3.0, 7.0, np.inf])
PRIOR = PRIOR_RATES.delay
GRID = np.linspace(0.0, 30.0, 601)


def a_month(truth: Delay, clicks: int, rates: tuple[float, ...], seed: int, *, days: int = 30) -> Clicks:
    """Clicks of some offers, evenly over the last days, and what has come of them."""
    random = np.random.default_rng(seed)
    n = clicks * len(rates)
    offer, age = np.repeat(np.arange(len(rates)), clicks), random.uniform(0, days, n)
    took = random.exponential(1.0, n) * np.where(random.random(n) < truth.fast_share, truth.fast_days, truth.tail_days)
    came = (random.random(n) < np.array(rates)[offer]) & (took <= age)
    where = offer * days + age.astype(np.intp)
    counts = np.zeros((len(rates) * days, len(EDGES)))
    np.add.at(counts, (where[came], np.searchsorted(EDGES, took[came])), 1)
    youngest = np.tile(np.arange(days), len(rates)).astype(np.float64)
    return Clicks(
        np.repeat(np.arange(len(rates)), days),
        youngest,
        youngest + 1.0,
        np.bincount(where, minlength=len(counts)).astype(np.float64),
        counts,
    )


def error(found: Delay, truth: Delay) -> float:
    return float(np.abs(found.arrived(GRID, GRID) - truth.arrived(GRID, GRID)).max())


@pytest.mark.parametrize(
    "truth",
    [Delay(fast_share=0.3, fast_days=0.02, tail_days=9.0), Delay(fast_share=0.8, fast_days=0.03, tail_days=1.5)],
)
def test_the_truth_comes_back_from_clicks_half_of_which_are_open(truth: Delay) -> None:
    errors = [error(fit_delay(a_month(truth, 5_000, (0.5,), seed, days=20), EDGES, PRIOR), truth) for seed in range(5)]
    assert np.mean(errors) < 0.05


def test_offers_of_different_rates_do_not_bend_the_curve() -> None:
    """The better offer is the younger: conversions alone would say that most of them come early."""
    truth = Delay(fast_share=0.3, fast_days=0.02, tail_days=9.0)
    old, young = a_month(truth, 8_000, (0.02,), 1), a_month(truth, 8_000, (0.2,), 2, days=5)
    both = Clicks(
        np.concatenate([old.offer, young.offer + 1]),
        *(np.concatenate([getattr(old, name), getattr(young, name)]) for name in ("youngest", "oldest", "clicks", "conversions")),
    )
    assert error(fit_delay(both, EDGES, PRIOR), truth) < 0.06


def test_without_conversions_it_is_the_prior_and_a_few_move_it_little() -> None:
    nothing = Clicks(np.zeros(1, np.intp), np.zeros(1), np.ones(1), np.full(1, 50.0), np.zeros((1, len(EDGES))))
    assert error(fit_delay(nothing, EDGES, PRIOR), PRIOR) < 0.01
    five = a_month(Delay(fast_share=0.95, fast_days=0.01, tail_days=1.0), 5, (0.99,), 3)
    assert five.conversions.sum() < PRIOR_CONVERSIONS
    assert error(fit_delay(five, EDGES, PRIOR), PRIOR) < 0.2


def test_categories_have_their_own_and_a_rare_one_has_that_of_all() -> None:
    fast, slow = Delay(fast_share=0.9, fast_days=0.02, tail_days=2.0), Delay(fast_share=0.1, fast_days=0.02, tail_days=8.0)
    parts = [a_month(fast, 4_000, (0.1,), 1), a_month(slow, 4_000, (0.1,), 2), a_month(slow, 10, (0.1,), 3)]
    joined = Clicks(
        np.repeat(np.arange(3), 30),
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("youngest", "oldest", "clicks", "conversions")),
    )
    pooled, found = fit_delays(joined, EDGES, np.arange(3), PRIOR)
    assert error(found[0], fast) < 0.05
    assert error(found[1], slow) < 0.08
    assert sorted(found) == [0, 1]
    assert 0.1 < pooled.fast_share < 0.9
