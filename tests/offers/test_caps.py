"""Caps: an offer rests when it pays for nothing more, and not a day longer than a doubt demands."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from revenue_engine.offers.caps import first_day, reached, window_start
from revenue_engine.records.offer import Cap
from tests.core_cases import an_offer

NOW = datetime(2026, 3, 18, 2, 30, tzinfo=UTC)  # still the 17th in New York, a Tuesday there
NY = "America/New_York"
Counted = dict[date, dict[str, int]]


def capped(*caps: Cap, **changes: Any) -> dict[str, Any]:
    return {"offers": [an_offer(101, caps=caps, caps_zone=NY, **changes)], "now": NOW, "zone": "UTC"}


def names(counted: Counted, *caps: Cap, currency: str = "USD", **changes: Any) -> list[str]:
    return list(reached(**capped(*caps, **changes), counted=counted, currency=currency).values())


@pytest.mark.parametrize(
    ("window", "zone", "start"),
    [
        ("day", NY, datetime(2026, 3, 17, 4, tzinfo=UTC)),
        ("day", "UTC", datetime(2026, 3, 18, tzinfo=UTC)),
        ("day", None, NOW - timedelta(days=1)),
        ("week", NY, NOW - timedelta(days=7)),
        ("month", NY, datetime(2026, 3, 1, 5, tzinfo=UTC)),  # before the clocks changed
        ("month", None, NOW - timedelta(days=31)),
        ("ever", NY, None),
    ],
)
def test_a_window_begins_in_the_caps_own_zone_or_as_early_as_any_could(
    window: str, zone: str | None, start: datetime | None
) -> None:
    assert window_start(Cap(window, "conversions", 1), zone, NOW) == start


@pytest.mark.parametrize(
    ("window", "day", "want"),
    [
        ("day", date(2026, 3, 17), ["daily_cap_reached"]),  # that org day holds hours of the network's today
        ("day", date(2026, 3, 16), []),
        ("week", date(2026, 3, 11), ["weekly_cap_reached"]),
        ("week", date(2026, 3, 10), []),
        ("month", date(2026, 3, 1), ["monthly_cap_reached"]),
        ("month", date(2026, 2, 28), []),
        ("ever", date(2026, 3, 18), []),  # the counters do not go back that far: only the network knows
    ],
)
def test_our_own_conversions_fill_a_cap(window: str, day: date, want: list[str]) -> None:
    cap = Cap(window, "conversions", 5)
    assert names({day: {"capped_conversions@101": 5, "capped_conversions@102": 90}}, cap) == want
    assert names({day: {"capped_conversions@101": 3}, date(2026, 3, 18): {"capped_conversions@101": 1}}, cap) == []
    assert names({day: {"capped_conversions@101": 3}, date(2026, 3, 18): {"capped_conversions@101": 2}}, cap) == want


def test_payouts_fill_a_cap_in_their_own_currency_alone() -> None:
    cap = Cap("day", "payout_micros", 300_500_000)
    paid = {date(2026, 3, 18): {"capped_micros@101": 300_500_000}}
    assert names(paid, cap) == ["daily_payout_cap_reached"]
    assert names(paid, Cap("day", "payout_micros", 300_500_001)) == []
    assert names(paid, cap, currency="EUR") == []


@pytest.mark.parametrize(
    ("window", "left", "read_at", "want"),
    [
        ("day", 0, NOW - timedelta(hours=2), ["daily_cap_reached"]),
        ("day", 1, NOW - timedelta(hours=2), []),
        ("day", None, NOW - timedelta(hours=2), []),
        ("day", 0, NOW - timedelta(hours=23), []),  # that was yesterday in New York
        ("day", 0, None, []),
        ("week", 0, NOW - timedelta(days=6), ["weekly_cap_reached"]),
        ("week", 0, NOW - timedelta(days=8), []),
        ("month", 0, NOW - timedelta(days=16), ["monthly_cap_reached"]),
        ("ever", 0, NOW - timedelta(days=300), ["global_cap_reached"]),
    ],
)
def test_the_networks_own_count_holds_while_its_window_runs(
    window: str, left: int | None, read_at: datetime | None, want: list[str]
) -> None:
    assert names({}, Cap(window, "conversions", 100, left), caps_read_at=read_at) == want


def test_the_counters_are_read_from_the_first_day_that_any_cap_needs() -> None:
    def first(*caps: Cap) -> date | None:
        given = capped(*caps)
        return first_day(given["offers"], now=given["now"], zone=given["zone"])

    day, week, month, ever = (Cap(window, "conversions", 5) for window in ("day", "week", "month", "ever"))
    assert first() is first(ever) is None
    assert [first(day), first(day, week), first(week, month, ever)] == [date(2026, 3, 17), date(2026, 3, 11), date(2026, 3, 1)]


def test_an_offer_names_the_first_cap_of_those_it_has_reached() -> None:
    counted: Counted = {date(2026, 3, 18): {"capped_conversions@101": 9}}
    assert names(counted, Cap("day", "conversions", 5), Cap("month", "conversions", 7)) == ["daily_cap_reached"]
    assert reached([an_offer(101)], counted, now=NOW, zone="UTC", currency="USD") == {}
