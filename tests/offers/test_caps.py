"""Caps: an offer rests when it pays for nothing more, and not a day longer than a doubt demands."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from revenue_engine.intake.everflow import content_hash
from revenue_engine.offers.caps import as_counted, first_day, reached, window_start, without_window
from revenue_engine.records.offer import Cap
from tests.core_cases import an_offer

NOW = datetime(2026, 3, 18, 2, 30, tzinfo=UTC)  # still the 17th in New York, a Tuesday there
NY = "America/New_York"
Counted = dict[date, dict[str, int]]


def capped(*caps: Cap, **changes: Any) -> dict[str, Any]:
    return {"offers": [an_offer(101, caps=caps, caps_zone=NY, **changes)], "now": NOW, "zone": "UTC"}


def names(counted: Counted, *caps: Cap, currency: str = "USD", ever: dict[str, int] | None = None, **changes: Any) -> list[str]:
    return list(reached(**capped(*caps, **changes), counted=counted, ever=ever or {}, currency=currency).values())


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
        ("ever", date(2026, 3, 18), []),  # days do not go back that far: what was ever counted does
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


@pytest.mark.parametrize(
    ("window", "left", "ours", "counted", "want"),
    [
        ("day", 1, 0, {18: 60}, ["daily_cap_reached"]),
        ("day", 60, 0, {18: 59}, []),
        ("day", 60, 0, {18: 60}, ["daily_cap_reached"]),
        ("day", 60, 0, {17: 60}, ["daily_cap_reached"]),  # asked at half past twelve of that org day: all of it is taken off
        ("day", 60, 40, {17: 60}, []),  # but what it had had by then
        ("day", 60, 40, {17: 70, 18: 29}, []),
        ("day", 60, 40, {17: 70, 18: 30}, ["daily_cap_reached"]),
        ("day", 1, 40, {17: 30}, []),  # taken back since: nothing comes off, and nothing is added
        ("day", 0, 40, {17: 30}, ["daily_cap_reached"]),
        ("ever", 60, 0, {16: 90, 17: 30, 18: 29}, []),
        ("ever", 60, 0, {16: 90, 17: 30, 18: 30}, ["global_cap_reached"]),
    ],
)
def test_what_we_counted_since_the_network_was_asked_is_taken_off(
    window: str, left: int, ours: int, counted: dict[int, int], want: list[str]
) -> None:
    cap, read_at = Cap(window, "conversions", 1_000, left, ours), NOW - timedelta(hours=14)
    of_days = {date(2026, 3, day): {"capped_conversions@101": n, "capped_conversions@102": 900} for day, n in counted.items()}
    assert names(of_days, cap, caps_read_at=read_at) == want


@pytest.mark.parametrize(
    ("unit", "counter", "want"),
    [
        ("conversions", "capped_conversions@101", "global_cap_reached"),
        ("payout_micros", "capped_micros@101", "global_payout_cap_reached"),
        ("clicks", "capped_clicks@101", "global_click_cap_reached"),
    ],
)
def test_a_cap_without_a_window_is_filled_by_all_that_was_ever_ours(unit: str, counter: str, want: str) -> None:
    caps = (Cap("ever", unit, 10), Cap("ever", unit, 10, left=900))
    for cap in caps:
        assert names({}, cap, ever={counter: 9}, caps_read_at=NOW) == []
        assert names({}, cap, ever={counter: 10}, caps_read_at=NOW) == [want]
    assert names({}, caps[0], ever={counter: 10}, currency="EUR") == ([] if unit == "payout_micros" else [want])
    assert without_window([an_offer(101, caps=caps), an_offer(102, caps=(Cap("day", unit, 1),)), an_offer(103)]) == ["101"]


def test_clicks_fill_caps_of_clicks_alone() -> None:
    counted: Counted = {date(2026, 3, 18): {"capped_clicks@101": 7, "capped_conversions@101": 1}}
    assert names(counted, Cap("week", "clicks", 7), Cap("day", "conversions", 7)) == ["weekly_click_cap_reached"]
    assert names(counted, Cap("week", "clicks", 8), Cap("day", "conversions", 7)) == []


def test_a_reading_keeps_what_the_day_had_of_ours() -> None:
    offer = an_offer(101, caps=(Cap("day", "conversions", 9, 4), Cap("ever", "clicks", 9)))
    read = as_counted(offer, {"capped_conversions@101": 3, "capped_clicks@101": 8, "capped_conversions@102": 5})
    assert [cap.ours for cap in read.caps] == [3, 8]
    assert content_hash(read) == content_hash(offer)


def test_the_counters_are_read_from_the_first_day_that_any_cap_needs() -> None:
    def first(*caps: Cap) -> date | None:
        given = capped(*caps)
        return first_day(given["offers"], now=given["now"], zone=given["zone"])

    day, week, month, ever = (Cap(window, "conversions", 5) for window in ("day", "week", "month", "ever"))
    assert first() is first(ever) is None
    asked = [an_offer(101, caps=(ever,), caps_zone=NY, caps_read_at=NOW - timedelta(days=3))]
    assert first_day(asked, now=NOW, zone="UTC") == date(2026, 3, 15)
    assert [first(day), first(day, week), first(week, month, ever)] == [date(2026, 3, 17), date(2026, 3, 11), date(2026, 3, 1)]


def test_an_offer_names_the_first_cap_of_those_it_has_reached() -> None:
    counted: Counted = {date(2026, 3, 18): {"capped_conversions@101": 9}}
    assert names(counted, Cap("day", "conversions", 5), Cap("month", "conversions", 7)) == ["daily_cap_reached"]
    assert reached([an_offer(101)], counted, {}, now=NOW, zone="UTC", currency="USD") == {}
