"""The trend: known answers, SciPy's, its false alarms under chance alone, and days that must not turn it."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from revenue_engine.metrics.trend import DAYS, Trend, mann_kendall, theil_sen, trend

_DAYS = st.lists(st.integers(0, 10**10), min_size=10, max_size=20)


def test_fourteen_rising_days() -> None:
    s, p = mann_kendall(range(14))
    assert s == 91  # all pairs
    # by hand: variance 14 · 13 · 33 / 18, one step towards 0 for continuity
    assert p == pytest.approx(2 * stats.norm.sf(90 / (14 * 13 * 33 / 18) ** 0.5), rel=1e-9)


def test_rising_falling_and_standing_still() -> None:
    rising = [100 + 10 * n for n in range(DAYS)]
    assert trend(rising).direction == "increasing"
    assert trend(rising).daily_growth_rate == Decimal("0.060606")  # 10 of a median of 165
    assert trend(rising[::-1]).direction == "decreasing"
    assert trend(rising[::-1]).daily_growth_rate == Decimal("-0.060606")
    assert trend([7] * DAYS) == Trend("stable", 1.0, Decimal(0))
    assert trend([0] * DAYS) == Trend("stable", 1.0, None)


def test_one_great_day_turns_no_trend() -> None:
    falling = [1_000 - 50 * n for n in range(DAYS)]
    falling[-1] = 10**9
    assert trend(falling).direction == "decreasing"
    assert trend(falling).daily_growth_rate == Decimal("-0.068966")  # -50 of a median of 725


def test_a_weekly_rhythm_is_no_trend() -> None:
    week = [500, 520, 510, 530, 400, 90, 100]
    assert trend(week * 2).direction == "stable"
    assert trend((week[3:] + week[:3]) * 2).direction == "stable"


@given(values=_DAYS)
def test_the_statistic_and_its_variance_are_those_of_scipy(values: list[int]) -> None:
    s, p = mann_kendall(values)
    theirs = stats.kendalltau(range(len(values)), values, method="asymptotic")
    if s == 0 or p == 1.0:
        assert s == 0 or abs(s) == 1 or len(set(values)) == 1
        return
    assert (s > 0) == (theirs.statistic > 0)
    deviation = abs(s) / stats.norm.isf(theirs.pvalue / 2)  # SciPy corrects for ties, not for continuity
    assert p == pytest.approx(2 * stats.norm.sf((abs(s) - 1) / deviation), rel=1e-6)


@given(values=_DAYS)
def test_the_slope_is_that_of_scipy(values: list[int]) -> None:
    assert float(theil_sen(values)) == pytest.approx(stats.theilslopes(values).slope, rel=1e-9, abs=1e-6)


@given(values=_DAYS, factor=st.integers(1, 1_000))
def test_a_trend_does_not_depend_on_the_unit_and_turns_with_time(values: list[int], factor: int) -> None:
    assert trend([v * factor for v in values]) == trend(values)
    s, p = mann_kendall(values)
    assert mann_kendall(values[::-1]) == (-s, p)
    assert theil_sen(values[::-1]) == -theil_sen(values)


def test_chance_alone_is_called_a_trend_in_a_twentieth_of_cases() -> None:
    chance = random.Random(11)
    alarms = sum(trend([chance.randrange(10**6) for _ in range(DAYS)]).direction != "stable" for _ in range(2_000))
    assert 0.03 < alarms / 2_000 < 0.06  # 0.05 at most, within three standard errors


def test_the_slope_is_exact() -> None:
    assert theil_sen([0, 1, 1]) == Fraction(1, 2)
