"""The spread of what comes around what was predicted: read exactly, fitted to draws that are known."""

from __future__ import annotations

import numpy as np
import pytest

from revenue_engine.learning.spread import fit_spread
from revenue_engine.value.confidence import Spread, chance_below, chance_between

M = 1_000_000


def test_between_predictions_and_amounts_it_is_straight_in_the_logarithms() -> None:
    table = Spread(90.0, np.array([1.0, 100.0]) * M, np.array([1.0, 100.0]) * M, np.array([[0.8, 1.0], [0.2, 0.6]]))
    asked = np.array([1.0, 100.0, 10.0, 10.0, 10.0, 1e6, 10.0]) * M
    amount = np.array([1.0, 100.0, 10.0, 0.0, np.inf, 1.0, -5.0]) * M
    assert chance_below(table, asked, amount) == pytest.approx([0.8, 0.6, 0.65, 0.0, 1.0, 0.2, 0.0])
    assert chance_between(table, asked[2:3], np.array([-np.inf]), np.array([np.inf])) == pytest.approx([1.0])


def test_what_was_fitted_on_one_half_holds_for_the_other() -> None:
    """Nine in ten bring nothing; the others an exponential amount. Stated and true chances agree to two points."""
    random = np.random.default_rng(7)
    predicted = np.exp(random.normal(2.0, 1.0, 40_000)) * M
    brought = np.where(random.random(40_000) < 0.1, random.exponential(10 * predicted), 0.0)
    half = np.arange(40_000) < 20_000
    table = fit_spread(predicted[half], brought[half], horizon_days=90.0)
    for amount in (20.0, 100.0, 400.0):
        stated = chance_below(table, predicted[~half], np.full(20_000, amount * M))
        truth = 0.9 + 0.1 * -np.expm1(-amount * M / (10 * predicted[~half]))
        assert np.abs(stated - truth).mean() < 0.02
        assert stated.mean() == pytest.approx((brought[~half] < amount * M).mean(), abs=0.01)
    assert table.horizon_days == 90.0


def test_a_few_people_make_no_spread() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit_spread(np.arange(1.0, 150.0), np.zeros(149), horizon_days=90.0)
    with pytest.raises(ValueError, match="every prediction"):
        Spread(90.0, np.ones(2), np.ones(3), np.zeros((3, 2)))
