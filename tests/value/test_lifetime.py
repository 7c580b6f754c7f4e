"""Lifetime value: closed forms, and what must hold of everybody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from revenue_engine.arrays import Floats
from revenue_engine.value.lifetime import Lifetime, discounts, lifetime

MONTH = 365 / 12


def constant(hazard: float, revenue: float, *, periods: int = 12, booked: int = 0, discount: float = 0.0) -> Lifetime:
    steps = np.full((1, periods), hazard)
    return lifetime(
        np.cumsum(steps, axis=1),
        np.full((1, periods), revenue),
        np.full((1, periods), 0.1),
        np.array([booked]),
        period_days=MONTH,
        yearly_discount=discount,
    )


def test_without_leaving_it_is_the_sum_of_all_periods() -> None:
    value = constant(0.0, 2e6, booked=5_000_000)
    assert value.remaining_micros == pytest.approx([24e6])
    assert value.predicted_micros == pytest.approx([29e6])
    assert value.purchases == pytest.approx([1.2])
    assert value.active_days == pytest.approx([365.0])
    assert value.leaving.tolist() == [0.0]


def test_with_a_constant_hazard_it_is_a_geometric_sum() -> None:
    value = constant(0.2, 1e6)
    kept = np.exp(-0.2)
    active = (1 + kept) / 2 * (1 - kept**12) / (1 - kept)
    assert value.remaining_micros == pytest.approx([active * 1e6])
    assert value.active_days == pytest.approx([active * MONTH])
    assert value.leaving == pytest.approx([-np.expm1(-0.2 * 90 / MONTH)])


def test_a_dollar_in_a_year_is_worth_less_today() -> None:
    assert discounts(2, 365.0, 0.21) == pytest.approx([1.21**-0.5, 1.21**-1.5])
    assert constant(0.0, 1e6, discount=0.1).remaining_micros[0] == pytest.approx(12e6 / 1.1**0.5, rel=1e-3)


def test_active_days_end_with_the_year() -> None:
    assert constant(0.0, 1.0, periods=40).active_days.tolist() == [365.0]


def test_a_best_customer_of_the_past_still_has_a_future() -> None:
    """A twelve-month prediction less all revenue so far would be far below zero here."""
    value = constant(0.5, 1e6, booked=900_000_000)
    assert 0 < value.remaining_micros[0] < 12e6
    assert value.predicted_micros == pytest.approx(900e6 + value.remaining_micros)


unit = st.floats(0.0, 1.0)
tables = arrays(np.float64, (4, 6), elements=unit)


@given(tables, tables, arrays(np.int64, 4, elements=st.integers(-(10**9), 10**9)), st.floats(0.0, 0.5))
def test_the_future_is_never_below_zero_and_leaving_never_adds_to_it(
    steps: Floats, revenue: Floats, booked: np.ndarray, discount: float
) -> None:
    hazard = np.cumsum(steps, axis=1)
    value = lifetime(hazard, revenue, revenue, booked, period_days=30.0, yearly_discount=discount)
    worse = lifetime(2 * hazard, revenue, revenue, booked, period_days=30.0, yearly_discount=discount)
    assert (value.remaining_micros >= 0).all() and (value.purchases >= 0).all()
    assert (worse.remaining_micros <= value.remaining_micros + 1e-12).all()
    assert ((value.leaving >= 0) & (value.leaving <= worse.leaving + 1e-12) & (worse.leaving <= 1)).all()
    assert (value.active_days <= 180.0 + 1e-9).all()


def test_leaving_is_asked_of_90_days_whatever_the_periods() -> None:
    nothing = np.zeros((1, 52))
    steps = np.full((1, 52), 0.01)
    booked = np.zeros(1, dtype=np.int64)
    weekly = lifetime(np.cumsum(steps, axis=1), nothing, nothing, booked, period_days=7.0, yearly_discount=0.0)
    assert weekly.leaving == pytest.approx([-np.expm1(-0.01 * 90 / 7)])
    beyond = constant(0.1, 0.0, periods=2)
    assert beyond.leaving == pytest.approx([-np.expm1(-0.1 * 90 / MONTH)])


@pytest.mark.parametrize(
    ("hazard", "revenue", "reason"),
    [
        ([[0.2, 0.1]], [[1.0, 1.0]], "cannot fall"),
        ([[0.1, 0.2]], [[1.0, -1.0]], "below zero"),
        ([[0.1, 0.2]], [[1.0]], "one hazard"),
    ],
)
def test_what_cannot_be_is_refused(hazard: list[list[float]], revenue: list[list[float]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        lifetime(
            np.array(hazard),
            np.array(revenue),
            np.zeros((1, 2)),
            np.zeros(1, dtype=np.int64),
            period_days=30.0,
            yearly_discount=0.0,
        )
