"""The power meter: what it promises, against intervals as they will be, and when it will not say."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from statistics import NormalDist

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from revenue_engine.evaluation.anytime import width
from revenue_engine.evaluation.power import FEWEST_PAYERS, MOST_DAYS, Progress, Unknown, more_days

MONTH = Progress(days=30.0, payers=60, relative_error=0.15, control_share=0.7)


def meter(progress: Progress, effect: float = 0.2) -> float | Unknown:
    return more_days(progress, effect=effect, payers_needed=20, tightest_at=0.1)


@given(st.floats(0.02, 0.4), st.floats(0.3, 1.2), st.floats(0.05, 1.0))
def test_on_its_day_the_effect_shows_with_the_power_promised(error: float, share: float, effect: float) -> None:
    days = meter(replace(MONTH, relative_error=error, control_share=share), effect)
    assume(isinstance(days, float) and days > 0)
    assert isinstance(days, float)
    then = error * sqrt(30.0 / (30.0 + days))
    bound = then * width(then * share, tightest_at=0.1)
    assert NormalDist(effect, then).cdf(bound) == pytest.approx(0.2, abs=1e-6)


def test_three_times_the_error_takes_nine_times_as_long() -> None:
    soon, later = meter(replace(MONTH, relative_error=0.08)), meter(replace(MONTH, relative_error=0.24))
    assert isinstance(soon, float)
    assert isinstance(later, float)
    assert (later + 30) / (soon + 30) == pytest.approx(9.0)


def test_an_effect_that_would_show_now_takes_no_more_days() -> None:
    assert meter(replace(MONTH, relative_error=0.02)) == 0.0


def test_payers_are_waited_for_as_well() -> None:
    assert meter(replace(MONTH, payers=10, relative_error=0.02)) == pytest.approx(30.0)


def test_it_does_not_guess() -> None:
    few, never = meter(replace(MONTH, payers=FEWEST_PAYERS - 1)), meter(replace(MONTH, relative_error=1.0), 0.1)
    assert isinstance(few, Unknown)
    assert few.reason == "too_few_payers"
    assert isinstance(never, Unknown)
    assert never.reason == "not_within_three_years"
    assert float(never.detail.split()[1]) > MOST_DAYS
