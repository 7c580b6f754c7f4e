"""What the velocity is held against, of counts of hours and days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from revenue_engine.pacing.velocity import Flow
from revenue_engine.pacing.window import delivery, edge_of, flows, is_calm, usual
from revenue_engine.prediction.prior import PRIOR_RATES

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NEVER = datetime.fromtimestamp(0, UTC)
DELAY, ZONE = PRIOR_RATES.delay, "UTC"
ALWAYS: Callable[[date], float] = lambda day: 1.0  # noqa: E731


def hourly(at: datetime, brings: float) -> dict[str, int]:
    """A thousand mails from six to ten, of which a hundred are predicted to be clicked; clicks at once."""
    mailed = 6 <= at.hour < 22
    counts = {"sent": 1_000, "predicted_clicks_millionths": 100_000_000, "clicked_mails": round(100 * brings)}
    return counts if mailed else {}


def clicks_at(
    now: datetime, brings: Callable[[date], float] = ALWAYS, *, days: int = 60, stepped_at: datetime = NEVER, zone: str = ZONE
) -> Flow:
    first = now - timedelta(days=days)
    whole = {(now - timedelta(days=n)).date(): brings((now - timedelta(days=n)).date()) for n in range(2, min(days, 42))}
    of_days = {
        day: {"sent": 16_000, "predicted_clicks_millionths": 1_600_000_000, "clicked_mails": round(1_600 * b)}
        for day, b in whole.items()
        if day >= first.date()
    }
    edge = edge_of(now, zone)
    at, hours = datetime.combine(edge, datetime.min.time(), UTC), {}
    while at < now:
        hours[at] = hourly(at, brings(at.date())) if at.date() >= first.date() else {}
        at += timedelta(hours=1)
    known = usual(of_days, edge=edge, zone=zone, delay=DELAY)
    return flows(known, hours, zone=zone, delay=DELAY, stepped_at=stepped_at, now=now)[0]


def test_a_usual_day_should_bring_what_it_brings() -> None:
    now = MONDAY + timedelta(hours=22)
    flow = clicks_at(now)
    assert flow.came == 1_600
    assert flow.expected == pytest.approx(1_600, rel=0.1)
    assert (flow.past_days, flow.past_came) == (21, 21 * 1_600)


def test_after_a_step_they_speak_again_on_the_next_org_day_once_its_own_mails_do() -> None:
    stepped = MONDAY + timedelta(hours=19)
    asked = [(hours, clicks_at(MONDAY + timedelta(hours=hours), stepped_at=stepped)) for hours in range(20, 24 + 16)]
    assert all(flow.expected == 0 for hours, flow in asked if hours < 24 + 13)  # late clicks of mails that were judged
    assert all(flow.expected > 0 for hours, flow in asked if hours >= 24 + 14)
    assert asked[-1][1].came == 100 * (39 - 24 - 6)  # of the new day alone


def test_the_next_day_is_the_orgs_own() -> None:
    stepped, now = MONDAY + timedelta(hours=19), MONDAY + timedelta(days=1, hours=23)
    assert clicks_at(now, stepped_at=stepped).came == 1_600
    assert clicks_at(now, stepped_at=stepped, zone="Etc/GMT-9").came == 100 * 7  # from 15:00 UTC, its next midnight


def test_a_regular_weekend_is_expected() -> None:
    def half(day: date) -> float:
        return 0.5 if day.weekday() >= 5 else 1.0

    friday, sunday = MONDAY + timedelta(days=4, hours=22), MONDAY + timedelta(days=6, hours=22)
    for now, share in ((friday, 1.0), (sunday, 0.5)):
        flow = clicks_at(now, half)
        assert flow.came == 1_600 * share
        assert flow.came / (flow.expected * flow.past_came / flow.past_expected) == pytest.approx(1.0, abs=0.1)
    young = clicks_at(sunday, half, days=10)
    assert young.came / young.expected == pytest.approx(0.5, abs=0.1)  # nobody knows yet


def test_a_list_s_first_day_says_nothing() -> None:
    for hours in (9, 15, 21):
        assert clicks_at(MONDAY + timedelta(hours=hours), days=0).expected == 0
    assert clicks_at(MONDAY + timedelta(days=1, hours=15), days=1).expected > 0


def test_delivery_is_of_the_mails_that_left_in_whole_hours_after_the_step() -> None:
    of_any_kind = {"delivery_delays": 9, "soft_bounces": 9}
    hours = {
        MONDAY + timedelta(hours=h): {"sent": 10, "deferrals#gmail": h, "deferrals#other": 1, **of_any_kind} for h in range(24)
    }
    now = MONDAY + timedelta(hours=23, minutes=30)
    assert delivery(hours, stepped_at=NEVER, now=now).sent == 240
    for minutes in (0, 30):
        of = delivery(hours, stepped_at=MONDAY + timedelta(hours=20, minutes=minutes), now=now)
        first = 20 if minutes == 0 else 21
        assert (of.sent, of.deferred) == (10 * (24 - first), sum(range(first, 24)) + 24 - first)


def test_calm_is_a_whole_org_day() -> None:
    troubled = MONDAY + timedelta(hours=1)
    assert [is_calm(troubled, now=MONDAY + timedelta(hours=h), zone="UTC") for h in (1, 47, 48)] == [False, False, True]
    assert is_calm(troubled, now=MONDAY + timedelta(hours=29), zone="America/New_York")  # there it was Sunday
