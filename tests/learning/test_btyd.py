"""Buy till you die: the published parameters, and what simulated customers then do."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.models_value_data import CALIBRATION_ENDS, cdnow
from revenue_engine.errors import Refused
from revenue_engine.learning.btyd import BgNbd, GammaGamma, fit_bg_nbd, fit_gamma_gamma
from revenue_engine.learning.purchases import History, history, purchases
from tests.shared_data import shared_path

TRUE = BgNbd(r=0.8, alpha=6.0, a=1.2, b=3.0)
NOBODY = np.zeros(1)


def drawn(people: int, weeks: float, later: float, seed: int) -> tuple[History, np.ndarray]:
    """Customers of the model itself: their first `weeks`, and the number of orders in the `later` ones."""
    random = np.random.default_rng(seed)
    rate = random.gamma(TRUE.r, 1 / TRUE.alpha, people)
    leaves = random.beta(TRUE.a, TRUE.b, people)
    at, repeats, last, after = np.zeros(people), np.zeros(people), np.zeros(people), np.zeros(people)
    there = np.ones(people, dtype=bool)
    while there.any():
        at = at + random.exponential(1 / rate)
        early, late = there & (at <= weeks), there & (at > weeks) & (at <= weeks + later)
        repeats[early] += 1
        last[early] = at[early]
        after[late] += 1
        there = (early | late) & (random.random(people) >= leaves)
    nothing = np.zeros(people)
    return History(repeats, last, np.full(people, weeks), nothing, nothing), after


def test_the_published_parameters_of_cdnow() -> None:
    """Fader, Hardie and Lee (2005), table 2; Fader and Hardie (2013), section 3."""
    shared_path("data/cdnow/cdnow_transactions.csv.gz")
    orders, sample = cdnow()
    buyers, past = history(orders.where(np.isin(orders.buyer, sample)), CALIBRATION_ENDS)
    assert len(buyers) == 2_357
    assert (past.repeats > 0).sum() == (past.paid_repeats > 0).sum() == 946
    bg, gg = fit_bg_nbd(past), fit_gamma_gamma(past)
    assert (bg.r, bg.alpha, bg.a, bg.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=5e-4)
    assert bg.log_likelihood(past).sum() == pytest.approx(-9582.4, abs=0.05)
    assert (gg.p, gg.q, gg.gamma) == pytest.approx((6.25, 3.744, 15.44), abs=5e-3)


def test_a_published_customer() -> None:
    """Fader, Hardie and Lee's own: two repeats, the last in week 30.43 of 38.86: 1.226 orders in the next 39 weeks."""
    one = History(np.array([2.0]), np.array([30.43]), np.array([38.86]), NOBODY, NOBODY)
    assert BgNbd(0.243, 4.414, 0.793, 2.426).expected(one, 39.0) == pytest.approx([1.226], abs=1e-3)


def test_known_parameters_come_back_and_expectations_are_what_then_happens() -> None:
    past, after = drawn(40_000, 40.0, 30.0, seed=3)
    fitted = fit_bg_nbd(past)
    assert (fitted.r, fitted.alpha, fitted.a, fitted.b) == pytest.approx((0.8, 6.0, 1.2, 3.0), rel=0.1)
    expected = TRUE.expected(past, 30.0)
    for some in (past.repeats == 0, past.repeats == 1, past.repeats >= 4, past.last_week > 30):
        assert expected[some].mean() == pytest.approx(after[some].mean(), abs=4 * after[some].std() / some.sum() ** 0.5)


def test_nobody_has_left_before_a_repeat_and_long_silence_of_a_frequent_buyer_says_he_has() -> None:
    past = History(np.array([0.0, 9.0, 9.0]), np.array([0.0, 10.0, 39.0]), np.full(3, 40.0), np.zeros(3), np.zeros(3))
    never, silent, recent = TRUE.alive(past)
    assert never == 1.0
    assert silent < 0.01 and recent > 0.8


def test_the_worth_of_an_order_moves_from_everybodys_mean_to_a_customers_own() -> None:
    values = GammaGamma(p=6.0, q=4.0, gamma=15.0)
    mean = 6.0 * 15.0 / 3.0
    counts = np.array([0.0, 1.0, 1e6])
    past = History(counts, counts, counts, counts, np.array([0.0, 90.0, 90.0]))
    assert values.expected(past) == pytest.approx([mean, 6 * (15 + 90) / 9, 90.0], rel=1e-4)


def test_orders_values_of_known_parameters_come_back() -> None:
    random = np.random.default_rng(5)
    scale = random.gamma(4.0, 1 / 15.0, 30_000)
    number = random.integers(2, 6, 30_000).astype(np.float64)
    mean = random.gamma(6.0 * number) / scale / number
    fitted = fit_gamma_gamma(History(number, number, number, number, mean))
    assert (fitted.p, fitted.q, fitted.gamma) == pytest.approx((6.0, 4.0, 15.0), rel=0.05)


def test_without_repeats_there_is_nothing_to_fit() -> None:
    orders = purchases(np.array([1, 2]), np.array([0, 3]), np.array([5.0, 6.0]), np.ones(2))
    _, past = history(orders, 30)
    for fit in (fit_bg_nbd, fit_gamma_gamma):
        with pytest.raises(Refused, match="too_few_repeats"):
            fit(past)
