"""Sums and quotients: exact micros, half even, and nothing divided by nothing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.metrics.amounts import Revenue, per, ratio, revenue_of, total

DAY = date(2026, 3, 4)


@pytest.mark.parametrize(
    ("micros", "units", "times", "each"),
    [(10, 4, 1, 2), (14, 4, 1, 4), (-10, 4, 1, -2), (1, 3, 1_000, 333), (2, 3, 1_000, 667), (7, 7, 1, 1)],
)
def test_a_quotient_of_money_is_rounded_half_even_at_the_micro(micros: int, units: int, times: int, each: int) -> None:
    assert per(Revenue(micros, -micros), units, times=times) == Revenue(each, -each)


def test_nothing_is_divided_by_nothing() -> None:
    assert per(Revenue(5, 5), 0) is None
    assert ratio(5, 0) is None
    assert ratio(0, Fraction(-1)) is None


@pytest.mark.parametrize(
    ("part", "whole", "share"), [(1, 3, "0.333333"), (2, 3, "0.666667"), (-1, 8, "-0.125000"), (3, 1, "3.000000")]
)
def test_a_share_has_six_places(part: int, whole: int, share: str) -> None:
    assert str(ratio(part, whole)) == share


@given(part=st.integers(-(10**15), 10**15), whole=st.integers(1, 10**12))
def test_a_share_is_within_half_of_its_last_place(part: int, whole: int) -> None:
    found = ratio(part, whole)
    assert found is not None
    assert abs(Fraction(found) - Fraction(part, whole)) <= Fraction(1, 2_000_000)


def test_revenue_is_read_whole_by_offer_and_by_policy() -> None:
    counted = {
        "reported_provisional_micros": 5,
        "reported_approved_micros": 7,
        "reported_approved_micros@12": 3,
        "reported_provisional_micros%fixed": 2,
        "approved_micros#EUR": 99,
    }
    assert revenue_of(counted) == Revenue(5, 7)
    assert revenue_of(counted, "@12") == Revenue(0, 3)
    assert revenue_of(counted, "%fixed") == Revenue(2, 0)
    assert revenue_of(counted).booked_micros == 12


def test_only_the_days_of_the_window_are_added_up() -> None:
    days = {date(2026, 3, n): {"sent": 10**n} for n in range(1, 6)}
    assert total(days, date(2026, 3, 2), DAY) == {"sent": 11_100}
    assert total(days, date(2026, 4, 1), date(2026, 4, 2)) == {}
    assert isinstance(ratio(total(days, DAY, DAY)["sent"], 10**4), Decimal)
