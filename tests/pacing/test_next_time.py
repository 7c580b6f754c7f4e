"""When a subscriber is decided next."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from revenue_engine.arrays import Ints
from revenue_engine.clock import epoch_seconds
from revenue_engine.pacing.hours import next_opening
from revenue_engine.pacing.next_time import next_decision_at
from revenue_engine.records.controls import Controls
from revenue_engine.records.reasons import NUMBER_OF, REASONS
from revenue_engine.records.zones import ZONES
from tests.core_cases import DAY, HOUR, T

MIDNIGHT = epoch_seconds(datetime(2026, 3, 5, tzinfo=UTC))


def at_of(reason: str, *, n: int = 200, now: int = T, zone: int = 0, controls: Controls | None = None, **facts: object) -> Ints:
    rows = {
        "zones": np.full(n, zone, dtype=np.uint16),
        "last_send_at": np.full(n, now - 2 * HOUR, dtype=np.int64),
        "recent_sends": np.tile(np.array([now - 2 * HOUR, 0, 0, 0, 0, 0, 0, 0], dtype=np.int64), (n, 1)),
        "gap_seconds": np.full(n, 24 * HOUR, dtype=np.int64),
        "peak_hour": np.full(n, -1, dtype=np.int64),
        "jitter": (np.arange(n) + 0.5) / n,
    } | facts
    return next_decision_at(
        np.full(n, NUMBER_OF[reason], dtype=np.uint8),
        now=now,
        controls=controls or Controls(),
        **rows,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("reason", REASONS)
def test_everybody_waits_an_hour_at_least_and_is_met_inside_his_hours(reason: str) -> None:
    for zone in (0, ZONES.index("Asia/Tokyo"), ZONES.index("America/Los_Angeles")):
        for now in (T, T + 9 * HOUR + 50 * 60):
            at = at_of(reason, zone=zone, now=now)
            assert (at >= now + HOUR).all()
            if reason in ("holdout", "silent_too_long"):
                assert (at >= now + 30 * DAY).all() and (at <= now + 31 * DAY).all()
            else:
                assert (next_opening(np.full(len(at), zone, dtype=np.uint16), at, Controls()) == at).all()
                assert (at <= now + 3 * DAY).all()


@pytest.mark.parametrize("reason", ["high_churn_risk", "no_suitable_offer", "below_shadow_price"])
def test_a_judgement_on_slow_facts_rests_six_hours_to_a_day_and_spreads(reason: str) -> None:
    always = Controls(sending_hours_start=0, sending_hours_end=24)
    at = at_of(reason, controls=always)
    assert at.min() >= T + 6 * HOUR
    assert at.max() <= T + 24 * HOUR
    assert len(np.unique(at)) == len(at)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize(
    "reason", ["below_shadow_price", "negative_long_term_value", "revenue_opportunity", "too_soon_since_last_email"]
)
def test_who_has_a_peak_hour_is_decided_around_it(reason: str, zone: str) -> None:
    """On his own clock; never earlier than without one, never a day later."""
    number, always = ZONES.index(zone), Controls(sending_hours_start=0, sending_hours_end=24)
    without = at_of(reason, zone=number, controls=always)
    for peak in (0, 9, 23):
        at = at_of(reason, zone=number, controls=always, peak_hour=np.full(200, peak, dtype=np.int64))
        hours = [datetime.fromtimestamp(moment, ZoneInfo(zone)) for moment in at.tolist()]
        away = [abs((hour.hour + hour.minute / 60 + hour.second / 3_600 - peak + 12) % 24 - 12) for hour in hours]
        assert max(away) <= 2.0
        assert ((at >= without) & (at < without + DAY)).all()


def test_a_peak_hour_outside_the_sending_hours_waits_for_the_opening() -> None:
    at = at_of("below_shadow_price", peak_hour=np.full(200, 2, dtype=np.int64))
    assert (next_opening(np.zeros(200, dtype=np.uint16), at, Controls()) == at).all()


def test_after_a_send_the_gap_is_over_even_for_the_last_mail_of_the_cycle() -> None:
    at = at_of("revenue_opportunity")
    assert at.min() >= T + 24 * HOUR + 15 * 60
    assert at.max() <= T + 25 * HOUR + 15 * 60
    assert (at_of("ghost") == at).all()


def test_too_soon_waits_for_the_rest_of_the_gap() -> None:
    assert (at_of("too_soon_since_last_email") == T + 22 * HOUR).all()


def test_a_full_week_waits_until_enough_of_it_has_passed() -> None:
    sends = np.tile(np.array([T - DAY, T - 3 * DAY, T - 4 * DAY, T - 6 * DAY, T - 8 * DAY, 0, 0, 0], dtype=np.int64), (2, 1))
    at = at_of("subscriber_frequency_limit", n=2, recent_sends=sends, controls=Controls(max_emails_per_subscriber_per_week=4))
    assert (at == T + DAY).all()
    at = at_of("subscriber_frequency_limit", n=2, recent_sends=sends, controls=Controls(max_emails_per_subscriber_per_week=2))
    assert (at == T + 4 * DAY).all()
    assert (at_of("subscriber_frequency_limit", controls=Controls(max_emails_per_subscriber_per_week=0)) == T + 7 * DAY).all()


def test_a_spent_day_waits_for_the_org_s_tomorrow_and_the_reader_s_morning() -> None:
    at = at_of("daily_limit_reached")
    assert at.min() >= MIDNIGHT + 6 * HOUR
    assert at.max() <= MIDNIGHT + 8 * HOUR
    assert at.max() - at.min() > HOUR  # the morning is spread, not a stampede


def test_those_outside_their_hours_are_met_in_the_first_two_of_them() -> None:
    night = MIDNIGHT + 2 * HOUR
    at = at_of("outside_hours", now=night)
    assert at.min() >= MIDNIGHT + 6 * HOUR
    assert at.max() <= MIDNIGHT + 8 * HOUR
