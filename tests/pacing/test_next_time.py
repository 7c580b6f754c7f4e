"""When a subscriber is decided next."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revenue_engine.arrays import Floats, Ints
from revenue_engine.clock import epoch_seconds
from revenue_engine.offers.book import NEVER
from revenue_engine.pacing.curve import FLAT, Taste, taste_of, week
from revenue_engine.pacing.hours import next_opening
from revenue_engine.pacing.minutes import PLANNED_SECONDS
from revenue_engine.pacing.next_time import best_moment, next_decision_at
from revenue_engine.records.controls import Controls
from revenue_engine.records.reasons import NUMBER_OF, REASONS
from revenue_engine.records.zones import ZONES
from tests.core_cases import DAY, HOUR, T, many

MIDNIGHT = epoch_seconds(datetime(2026, 3, 5, tzinfo=UTC))


def at_of(reason: str, *, n: int = 200, now: int = T, zone: int = 0, controls: Controls | None = None, **facts: object) -> Ints:
    rows = {
        "zones": np.full(n, zone, dtype=np.uint16),
        "last_send_at": np.full(n, now - 2 * HOUR, dtype=np.int64),
        "recent_sends": np.tile(np.array([now - 2 * HOUR, 0, 0, 0, 0, 0, 0, 0], dtype=np.int64), (n, 1)),
        "gap_seconds": np.full(n, 24 * HOUR, dtype=np.int64),
        "offers_end": np.full(n, NEVER),
        "taste": taste_of(many(n, peak_hour=-1), week(FLAT)),
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
                assert (
                    next_opening(np.full(len(at), zone, dtype=np.uint16), at, Controls(), for_seconds=PLANNED_SECONDS) == at
                ).all()
                assert (at <= now + 3 * DAY).all()


@pytest.mark.parametrize("reason", ["high_churn_risk", "no_suitable_offer", "below_shadow_price"])
def test_a_judgement_on_slow_facts_rests_six_hours_to_a_day_and_spreads(reason: str) -> None:
    always = Controls(sending_hours_start=0, sending_hours_end=24)
    at = at_of(reason, controls=always)
    assert at.min() >= T + 6 * HOUR
    assert at.max() <= T + 24 * HOUR
    assert len(np.unique(at)) == len(at)


def local(at: Ints, zone: str) -> list[float]:
    hours = [datetime.fromtimestamp(moment, ZoneInfo(zone)) for moment in at.tolist()]
    return [hour.hour + hour.minute / 60 + hour.second / 3_600 for hour in hours]


def peak(hour: int, n: int = 200) -> Taste:
    return taste_of(many(n, peak_hour=hour), week(FLAT))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize(
    "reason",
    ["below_shadow_price", "negative_long_term_value", "revenue_opportunity", "too_soon_since_last_email", "provider_warm_up"],
)
def test_who_has_a_peak_hour_is_decided_in_or_near_it(reason: str, zone: str) -> None:
    """On his own clock; never earlier than without one, never a day later."""
    number, always = ZONES.index(zone), Controls(sending_hours_start=0, sending_hours_end=24)
    without = at_of(reason, zone=number, controls=always)
    for hour in (0, 9, 23):
        at = at_of(reason, zone=number, controls=always, taste=peak(hour))
        away = [abs((moment - hour + 11.5) % 24 - 12) for moment in local(at, zone)]
        # a little late is better than another day; never so far off that the hour is below the usual one
        assert max(away) <= 4.0
        assert np.mean(away) <= 3.0
        assert ((at >= without) & (at < without + DAY)).all()


def test_a_wait_is_worth_the_mails_it_costs_and_costs_none_that_the_caps_forbid() -> None:
    """Four mails a week are one in 42 hours: until then the best hour is waited for, afterwards only where it is worth the mails."""
    often = {
        "gap_seconds": np.full(24, DAY),
        "until": np.full(24, NEVER),
        "controls": Controls(sending_hours_start=0, sending_hours_end=24),
    }
    zones, midnight = np.zeros(24, dtype=np.uint16), MIDNIGHT + HOUR * np.arange(24)

    def waits(last_send_at: Ints, taste: Taste) -> list[int]:
        moved = best_moment(midnight, zones, taste, last_send_at=last_send_at, **often)  # type: ignore[arg-type]
        return [int(hours) for hours in (moved - midnight) // HOUR]

    by_noon = list(range(12, -1, -1))
    assert waits(midnight - DAY, peak(12, 24))[:14] == [*by_noon, 0]  # a little late is better than a day later
    slight = taste_of(many(24), week(np.where(np.arange(168) % 24 == 12, 1.05, 1.0)))
    # w hours more than 24 make 42 / (24 + w) of the mails, and none less up to w = 18: 1.05 times that is above 1 up to w = 20
    assert waits(midnight - DAY, slight) == [*by_noon, 0, 0, 0, *range(20, 12, -1)]
    # 1.05 * 48 / (48 + w) up to w = 2, and 1.05 * 96 / (96 + w) up to w = 4
    assert waits(midnight - 2 * DAY, slight) == [*[0] * 10, 2, 1, 0, *[0] * 11]
    assert waits(midnight - 4 * DAY, slight) == [*[0] * 8, 4, 3, 2, 1, 0, *[0] * 11]
    # who was never mailed might be mailed at once: 1.05 * 42 / (42 + w) up to w = 2
    assert waits(np.zeros(24, dtype=np.int64), slight) == [*[0] * 10, 2, 1, 0, *[0] * 11]


def test_best_moments_do_not_depend_on_who_else_is_moved() -> None:
    page = many(60, hour_mails=(9,) * 8, hour_clicks=(1, 0, 0, 3, 0, 0, 1, 0))
    at = MIDNIGHT + 977 * np.arange(60)
    zones = (np.arange(60) * 7 % 400).astype(np.uint16)
    taste, gap, last = taste_of(page, week(FLAT)), np.full(60, 2 * DAY), at - 977 * 131 * np.arange(60)
    until = at + 977 * 53 * np.arange(60)
    whole = best_moment(at, zones, taste, last_send_at=last, gap_seconds=gap, until=until, controls=Controls())
    for i in range(60):
        one = np.array([i])
        of_one = {"last_send_at": last[one], "gap_seconds": gap[one], "until": until[one]}
        assert best_moment(at[one], zones[one], taste.take(one), **of_one, controls=Controls()) == whole[i]


@settings(max_examples=30, deadline=None)
@given(days=st.lists(st.floats(0.2, 5.0), min_size=7, max_size=7), seed=st.integers(0, 9))
def test_which_hour_is_best_does_not_depend_on_weekdays(days: list[float], seed: int) -> None:
    """They are in the mail's worth and its price: who has room for one looks for his hour, not for a Wednesday."""
    random = np.random.default_rng(seed)
    hours = np.tile(1 + 0.5 * np.cos(2 * np.pi * (np.arange(24) - random.integers(24)) / 24), 7)
    page = many(40, hour_mails=(9,) * 8, hour_clicks=(1, 0, 0, 3, 0, 0, 1, 0), peak_hour=random.choice([-1, 20]))
    at, zones = MIDNIGHT + random.integers(0, 7 * DAY, 40), random.integers(0, len(ZONES), 40).astype(np.uint16)
    last = at - random.integers(DAY, 5 * DAY, 40)

    def best(population: Floats) -> list[int]:
        taste = taste_of(page, week(population))
        facts = {"last_send_at": last, "gap_seconds": np.full(40, DAY), "until": np.full(40, NEVER)}
        return [*best_moment(at, zones, taste, **facts, controls=Controls()).tolist()]

    assert best(hours * np.repeat(days, 24)) == best(hours)


CLOCKS = ["America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata", "Africa/Casablanca"]


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(CLOCKS),
    day=st.sampled_from(["2026-03-07", "2026-03-28", "2026-10-24", "2026-10-31", "2026-04-04", "2026-09-05", "2026-06-10"]),
    minutes=st.integers(0, 3 * 24 * 60),
    hours=st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda pair: pair[0] < pair[1]),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    reason=st.sampled_from([name for name in REASONS if name not in ("holdout", "silent_too_long")]),
    hour=st.integers(-1, 23),
)
def test_whatever_the_clocks_do_everybody_is_met_inside_his_hours_and_days(
    zone: str, day: str, minutes: int, hours: tuple[int, int], days: frozenset[int], reason: str, hour: int
) -> None:
    controls = Controls(sending_hours_start=hours[0], sending_hours_end=hours[1], enabled_weekdays=days)
    now = epoch_seconds(datetime.fromisoformat(f"{day}T00:00:00+00:00")) + 60 * minutes
    at = at_of(reason, n=8, now=now, zone=ZONES.index(zone), controls=controls, taste=peak(hour, 8))
    assert (at >= now + HOUR).all()
    for moment in at.tolist():
        local = datetime.fromtimestamp(moment, ZoneInfo(zone))
        assert local.weekday() in days
        # an hour that a clock skips opens when the clock has changed
        assert hours[0] <= local.hour < hours[1] or moment == next_opening(
            np.array([ZONES.index(zone)], dtype=np.uint16), np.array([moment]), controls, for_seconds=PLANNED_SECONDS
        )


def test_a_peak_hour_outside_the_sending_hours_waits_for_the_opening() -> None:
    at = at_of("below_shadow_price", taste=peak(2))
    assert (next_opening(np.zeros(200, dtype=np.uint16), at, Controls(), for_seconds=PLANNED_SECONDS) == at).all()


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


@pytest.mark.parametrize("hour", [-1, 20])
def test_whose_last_offer_ends_is_decided_before_where_he_can_be(hour: int) -> None:
    """At night, his day begins at six; the mails of who is due at seven leave before half past seven, when his offer ends."""
    night, ends = MIDNIGHT + 2 * HOUR, MIDNIGHT + 7 * HOUR + 1_800
    at = at_of("outside_hours", now=night, taste=peak(hour), offers_end=np.full(200, ends))
    assert (MIDNIGHT + 6 * HOUR <= at).all() and (at <= MIDNIGHT + 7 * HOUR).all()
    assert at.max() - at.min() > 3_000, "the hour that is left is spread over"
    too_late = at_of("outside_hours", now=night, taste=peak(20), offers_end=np.full(200, MIDNIGHT + 5 * HOUR))
    usual = at_of("outside_hours", now=night)
    assert (too_late == usual).all() and len(np.unique(usual)) == 200, "who cannot be met before it is spread as ever"
    just = at_of("outside_hours", now=night, offers_end=np.full(200, MIDNIGHT + 6 * HOUR + PLANNED_SECONDS))
    assert (just == MIDNIGHT + 6 * HOUR).all(), "the one moment there is"
    soon = at_of("below_shadow_price") <= T + 8 * HOUR
    at, usual = (at_of("below_shadow_price", taste=peak(21), offers_end=np.full(200, end)) for end in (T + 9 * HOUR, NEVER))
    assert soon.any() and (at[soon] <= T + 9 * HOUR - 1_800).all() and (usual[soon] > T + 9 * HOUR - 1_800).any()
