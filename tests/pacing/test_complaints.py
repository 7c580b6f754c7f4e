"""The price of complaints: nothing within the budget, dearer week by week beyond it, and the same to whoever works it out again."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.pacing.complaints import BUDGET, KEPT_PER_WEEK, MOST_EXCESS, PRIOR_COMPLAINTS, STEP, complaint_price
from revenue_engine.records.causes import HEARD_PROVIDERS, SILENT_PROVIDERS
from revenue_engine.records.evidence import Evidence
from revenue_engine.records.subscriber import PROVIDERS

TODAY = date(2026, 6, 1)
MANY = 10**11  # mails: beside them the prior is nothing
MEAN = 50_000  # micros a mail


def mailed(days_ago: int, deliveries: int, complaints: int, micros: int | None = None) -> Evidence:
    earned = MEAN * deliveries if micros is None else micros
    day = TODAY - timedelta(days=days_ago)
    return Evidence(day, "1001", "soft", "new", deliveries=deliveries, complaints=complaints, conversion_micros=earned)


def weekly(*rates: float, deliveries: int = MANY) -> list[Evidence]:
    """The newest last."""
    return [mailed(7 * ago + 3, deliveries, round(rate * deliveries)) for ago, rate in enumerate(reversed(rates))]


def test_complaints_within_the_budget_cost_nothing_beside_their_reader() -> None:
    assert complaint_price([], TODAY, 1.0) == 0
    assert complaint_price(weekly(BUDGET, BUDGET, 0.0), TODAY, 1.0) == 0
    assert complaint_price(weekly(0.0, 0.0, BUDGET), TODAY, 1.0) == 0


def test_the_price_is_the_recursion_s_and_never_below_nothing() -> None:
    """Up by what a week is above the budget, down likewise, fading by half in eight weeks."""
    unit, kept = MEAN / BUDGET, 0.5 ** (1 / 8)
    rates = [2 * BUDGET, 1.5 * BUDGET]
    after = kept * STEP + STEP / 2
    assert complaint_price(weekly(*rates), TODAY, 1.0) == pytest.approx(after * unit, rel=1e-6)
    assert complaint_price(weekly(*rates, 0.0), TODAY, 1.0) == pytest.approx((kept * after - STEP) * unit, rel=1e-5)
    assert complaint_price(weekly(*rates, 0.0, 0.0, 0.0, 0.0), TODAY, 1.0) == 0
    assert complaint_price(weekly(*rates, 0.0, 0.0, 0.0, 0.0, 2 * BUDGET), TODAY, 1.0) == pytest.approx(STEP * unit, rel=1e-6)


def test_weeks_without_mail_halve_the_price_in_eight() -> None:
    weeks = [mailed(57 + 3, MANY, round(2 * BUDGET * MANY)), mailed(1, 0, 0)]
    assert complaint_price(weeks, TODAY, 1.0) == pytest.approx(STEP / 2 * MEAN / BUDGET, rel=1e-6)


def test_a_list_that_goes_on_at_twice_the_budget_has_a_price_that_mails_at_the_budget_cannot_pay() -> None:
    price = complaint_price(weekly(*[2 * BUDGET] * 20), TODAY, 1.0)
    assert MEAN < price * BUDGET < STEP / (1 - KEPT_PER_WEEK) * MEAN


def test_one_bad_week_is_one_bad_week() -> None:
    assert complaint_price(weekly(0.5), TODAY, 1.0) == pytest.approx(STEP * MOST_EXCESS * MEAN / BUDGET, rel=1e-6)


def test_one_complaint_of_a_first_day_costs_a_mail_next_to_nothing() -> None:
    """A conversion of $16 in fifty mails is no mean of 32 cents, nor one complaint a rate of two percent."""
    price = complaint_price([mailed(1, 50, 1, micros=16_000_000)], TODAY, 1.0)
    assert price * BUDGET < 1_000  # micros a mail at the budget, of 320,000


def test_a_burst_of_complaints_rises_with_its_days_and_then_only_fades() -> None:
    """Whatever day of the week it came on, and however late it is asked about."""
    for first in range(7):
        burst = [mailed(40 - day, 9_000, 90 if first <= day < first + 3 else 0) for day in range(40)]
        prices = [complaint_price([row for row in burst if row.day < today], today, 1.0) for today in days_after(burst)]
        top = prices.index(max(prices))
        assert 0 < top < first + 9
        assert prices[top:] == sorted(prices[top:], reverse=True)


def days_after(rows: list[Evidence]) -> list[date]:
    return [row.day + timedelta(days=1) for row in rows]


def test_a_small_list_s_complaint_is_no_verdict() -> None:
    """One in 500 mails is four times the budget, and believed to be (4 + 1) / (8,000 + 500) of the mails."""
    price = complaint_price(weekly(1 / 500, deliveries=500), TODAY, 1.0)
    believed = (PRIOR_COMPLAINTS + 1) / (PRIOR_COMPLAINTS / BUDGET + 500)
    unit = MEAN * 500 / (1_000 + 500) / BUDGET  # what such a list earns is not believed yet either
    assert price == round(STEP * (believed / BUDGET - 1) * unit)
    assert price < 0.02 * MEAN / BUDGET


def test_where_half_of_the_mails_can_be_complained_about_half_the_complaints_are_as_many() -> None:
    heard = complaint_price(weekly(2 * BUDGET), TODAY, 1.0)
    half = complaint_price(weekly(BUDGET), TODAY, 0.5)
    assert half == pytest.approx(2 * heard, rel=1e-6), "of a complaint that is heard of, which stands for two"
    assert complaint_price(weekly(2 * BUDGET), TODAY, 0.0) == 0, "nobody tells of any"


def test_every_mailbox_provider_tells_or_does_not() -> None:
    assert sorted(HEARD_PROVIDERS | SILENT_PROVIDERS) == sorted(PROVIDERS)
    assert not HEARD_PROVIDERS & SILENT_PROVIDERS


def test_today_is_not_over_and_what_was_taken_back_makes_no_price() -> None:
    today = mailed(0, MANY, MANY)
    assert complaint_price([*weekly(BUDGET), today], TODAY, 1.0) == 0
    assert complaint_price([mailed(3, MANY, MANY, micros=-5)], TODAY, 1.0) == 0


ROWS = st.lists(st.builds(mailed, st.integers(1, 120), st.integers(0, 50_000), st.integers(0, 60)), max_size=30)


@given(rows=ROWS, heard_share=st.floats(0.05, 1.0), seed=st.integers(0, 9))
def test_rows_may_come_in_any_order_and_in_parts(rows: list[Evidence], heard_share: float, seed: int) -> None:
    price = complaint_price(rows, TODAY, heard_share)
    assert price >= 0
    parts = [part for row in rows for part in (row, mailed((TODAY - row.day).days, 0, 0))]
    random.Random(seed).shuffle(parts)
    assert complaint_price(parts, TODAY, heard_share) == price


@given(rows=ROWS, days_ago=st.integers(1, 120), more=st.integers(1, 50))
def test_more_complaints_are_never_cheaper(rows: list[Evidence], days_ago: int, more: int) -> None:
    rows = [*rows, mailed(120, 1_000, 0)]
    assert complaint_price([*rows, mailed(days_ago, 0, more)], TODAY, 1.0) >= complaint_price(rows, TODAY, 1.0)
