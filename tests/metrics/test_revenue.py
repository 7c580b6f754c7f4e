"""RevenueMetrics: equal to a recount of the facts, by org days, with nothing divided by nothing."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenue_engine.metrics.amounts import Revenue
from revenue_engine.metrics.revenue import (
    CampaignMetrics,
    RevenueMetrics,
    SubscriberRevenue,
    campaign_days,
    days_read,
    revenue_metrics,
)
from revenue_engine.records.controls import Controls, FxRate

NOW = datetime(2026, 3, 31, 2, tzinfo=UTC)  # the 30th in New York
CONTROLS = Controls(zone="America/New_York", fx_rates={"EUR": FxRate(rate="1.08", as_of=date(2026, 3, 1))})
TODAY = date(2026, 3, 30)


def measured(days: dict[date, dict[str, int]], campaigns: dict[str, dict[str, int]] | None = None) -> RevenueMetrics:
    return revenue_metrics(
        "main", controls=CONTROLS, now=NOW, days=days, campaigns=campaigns or {}, campaigns_cut=False, top=[("s1", 9), ("s2", 3)]
    )


class Fact(NamedTuple):
    """Something that happened to one offer, days ago."""

    ago: int
    what: str
    offer: str
    micros: int


_FACTS = st.lists(
    st.builds(
        Fact,
        st.integers(0, 30),
        st.sampled_from(["sent", "opened_mails", "clicked_mails", "provisional", "approval", "reversal"]),
        st.sampled_from(["7", "1042"]),
        st.integers(1, 10**9),
    ),
    max_size=60,
)


def counters_of(facts: list[Fact]) -> dict[date, dict[str, int]]:
    """As bookings and engagement would count them."""
    days: defaultdict[date, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for ago, what, offer, micros in facts:
        counted = days[TODAY - timedelta(days=ago)]
        if what == "opened_mails":
            counted[what] += 1
        elif what in ("sent", "clicked_mails"):
            counted[what] += 1
            counted[f"{what}@{offer}"] += 1
        else:
            sums = {"provisional": (micros, 0, 1), "approval": (-micros, micros, 0), "reversal": (0, -micros, -1)}[what]
            names = ("reported_provisional_micros", "reported_approved_micros", "conversions")
            for name, amount in zip(names, sums, strict=True):
                counted[name] += amount
                counted[f"{name}@{offer}"] += amount
                if offer == "7":  # the other one's money comes without a mail of ours
                    counted[f"{name}%engine"] += amount
    return {day: dict(counted) for day, counted in days.items()}


def recount(facts: list[Fact], least_ago: int) -> tuple[Revenue, int, int, int]:
    """(revenue, sent, clicked, conversions) of the facts since so many days, from the facts alone."""
    recent = [fact for fact in facts if fact.ago <= least_ago]
    of = {
        what: [fact for fact in recent if fact.what == what]
        for what in ("sent", "clicked_mails", "provisional", "approval", "reversal")
    }
    said, approved, reversed_ = (sum(f.micros for f in of[what]) for what in ("provisional", "approval", "reversal"))
    conversions = len(of["provisional"]) - len(of["reversal"])
    return Revenue(said - approved, approved - reversed_), len(of["sent"]), len(of["clicked_mails"]), conversions


@given(facts=_FACTS)
def test_every_window_and_offer_is_a_recount_of_the_facts(facts: list[Fact]) -> None:
    found = measured(counters_of(facts))
    windows = {0: found.today, 6: found.last_7_days, 29: found.last_30_days, TODAY.day - 1: found.this_month}
    for least_ago, window in windows.items():
        revenue, sent, clicked, conversions = recount(facts, least_ago)
        assert (window.revenue, window.sent, window.clicked_mails, window.conversions) == (revenue, sent, clicked, conversions)
        by_mail = recount([fact for fact in facts if fact.offer == "7"], least_ago)[0]
        assert window.attributed == by_mail
        if sent == 0:
            assert window.revenue_per_email is None
        else:
            assert window.revenue_per_email is not None
            assert abs(window.revenue_per_email.approved_micros - Fraction(by_mail.approved_micros, sent)) <= Fraction(1, 2)
            assert abs(window.revenue_per_email.provisional_micros - Fraction(by_mail.provisional_micros, sent)) <= Fraction(1, 2)
    for offer in ("7", "1042"):
        revenue, sent, clicked, conversions = recount([fact for fact in facts if fact.offer == offer], 6)
        row = found.offers.get(offer)
        if row is None:
            assert (sent, clicked, conversions, revenue) == (0, 0, 0, Revenue())
            continue
        assert (row.revenue, row.sent, row.clicked_mails, row.conversions) == (revenue, sent, clicked, conversions)
        assert (row.epm is None) == (sent == 0)
        assert (row.conversion_rate is None) == (row.epc is None) == (clicked == 0)


def test_known_figures_of_one_offer() -> None:
    day = {
        "sent@7": 2_000,
        "clicked_mails@7": 40,
        "conversions@7": 5,
        "base_conversions@7": 3,
        "reported_provisional_micros@7": 60_000_000,
        "reported_approved_micros@7": 30_000_000,
    }
    row = measured({TODAY - timedelta(days=6): day, TODAY - timedelta(days=7): day}).offers["7"]
    assert row.conversion_rate == Decimal("0.075000")
    assert row.epc == Revenue(1_500_000, 750_000)
    assert row.epm == Revenue(30_000_000, 15_000_000)


def test_days_are_the_orgs_and_the_month_is_the_calendars() -> None:
    days = {date(2026, 3, n): {"sent": 1} for n in range(1, 32)} | {date(2026, 2, 28): {"sent": 100}}
    found = measured(days)
    assert (found.today.first_day, found.today.last_day, found.today.sent) == (TODAY, TODAY, 1)
    assert (found.this_month.first_day, found.this_month.sent) == (date(2026, 3, 1), 30)
    assert (found.last_30_days.first_day, found.last_30_days.sent) == (date(2026, 3, 1), 30)


@pytest.mark.parametrize("today", [date(2026, 1, 31), date(2026, 3, 1), date(2024, 2, 29), date(2026, 12, 31)])
def test_what_is_read_covers_every_window(today: date) -> None:
    first, last = days_read(today)
    assert last == today
    assert first <= min(today.replace(day=1), today - timedelta(days=29))
    assert campaign_days(today) == (today - timedelta(days=29), today)


def test_without_any_count_everything_is_zero_or_missing() -> None:
    found = measured({})
    for window in (found.today, found.last_7_days, found.last_30_days, found.this_month):
        assert (window.revenue, window.sent, window.conversions) == (Revenue(), 0, 0)
        assert window.revenue_per_email is window.revenue_per_open is window.revenue_per_click is None
    assert (found.offers, found.campaigns, found.booked, found.trend) == ({}, {}, {}, None)


def test_a_trend_needs_two_full_weeks_of_history_and_leaves_today_out() -> None:
    def of(first_ago: int) -> dict[date, dict[str, int]]:
        return {TODAY - timedelta(days=n): {"reported_approved_micros": 1_000 - n} for n in range(1, first_ago + 1)}

    assert measured(of(13)).trend is None
    rising = measured(of(14) | {TODAY: {"reported_approved_micros": 0}}).trend
    assert rising is not None
    assert rising.direction == "increasing"


def test_campaigns_people_and_currencies_are_listed() -> None:
    days = {
        TODAY: {
            "provisional_micros#USD": 5,
            "approved_micros#EUR": 7,
            "held_micros#GBP": 2,
            "unattributed_micros#GBP": 1,
            "delivered#gmail": 3,
        }
    }
    found = measured(days, {"spring": {"reported_approved_micros": 4, "conversions": 1}})
    assert found.campaigns == {"spring": CampaignMetrics(Revenue(0, 4), 1)}
    assert found.top_revenue_subscribers == (SubscriberRevenue("s1", 9), SubscriberRevenue("s2", 3))
    assert {name: one.has_rate for name, one in found.booked.items()} == {"EUR": True, "GBP": False, "USD": True}
    assert (found.booked["GBP"].held_micros, found.booked["GBP"].unattributed_micros) == (2, 1)
