"""Rates: inheritance and the delay curve."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.prediction.rates import HIGHEST_RATE, Delay, Rates, table
from revenue_engine.records.evidence import SEGMENTS

CLICKER = SEGMENTS.index("clicker")
ARMS = [("101", "soft", "finance"), ("102", "soft", "finance"), ("103", "soft", "health")]


def test_an_unknown_arm_inherits_from_above() -> None:
    ratios = {"category:finance": 2.0, "offer:101": 1.5, "arm:101/soft": 0.5, "cell:clicker/101/soft": 3.0}
    got = table(PRIOR_RATES.click_level, ratios, ARMS)
    level = PRIOR_RATES.click_level
    assert got[CLICKER] == pytest.approx(level["clicker"] * np.array([2.0 * 1.5 * 0.5 * 3.0, 2.0, 1.0]))
    assert got[0] == pytest.approx(level["new"] * np.array([2.0 * 1.5 * 0.5, 2.0, 1.0]))


def test_a_product_of_ratios_stays_a_probability() -> None:
    assert table(PRIOR_RATES.click_level, {"offer:101": 900.0}, ARMS)[CLICKER, 0] == HIGHEST_RATE


def test_the_delay_curve_begins_at_nothing_rises_and_ends_at_everything() -> None:
    delay = Delay(fast_share=0.4, fast_days=0.05, tail_days=6.0)
    ages = np.linspace(0, 90, 500)
    curve = delay.arrived(ages, ages)
    assert curve[0] == 0
    assert (np.diff(curve) > 0).all()
    assert curve[-1] == pytest.approx(1, abs=1e-6)


def test_the_mean_over_ages_is_the_integral_and_below_the_curve_at_the_mean_age() -> None:
    delay = PRIOR_RATES.delay
    ages = np.linspace(1, 2, 20_001)
    mean = delay.arrived(np.array([1.0]), np.array([2.0]))[0]
    assert mean == pytest.approx(delay.arrived(ages, ages).mean(), abs=1e-6)
    assert mean < delay.arrived(np.array([1.5]), np.array([1.5]))[0]


@pytest.mark.parametrize(
    "change",
    [
        {"click_level": {"new": 0.1}},
        {"conversions_per_click": {"finance": 0.1}},
        {"click_ratio": {"offer:1": -1.0}},
        {"click_ratio": {"offer:1": float("nan")}},
        {"prior_clicks": 0.0},
        {"surprise": 1},
    ],
)
def test_incomplete_or_impossible_rates_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rates.model_validate(PRIOR_RATES.model_dump() | change)
