"""The decision cycle: rails, exact propensities, budgets, and the same answer however it is run."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from revenue_engine.arrays import Floats
from revenue_engine.clock import epoch_seconds
from revenue_engine.context import Price
from revenue_engine.cycle import decide_batch, today_of
from revenue_engine.errors import Refused
from revenue_engine.grant import NOTHING_TAKEN, grant, places
from revenue_engine.pacing.index import Habits, fatigue_of, prices
from revenue_engine.pacing.solve import solve
from revenue_engine.prediction.prior import PRIOR_RATES
from revenue_engine.prediction.rates import by_segment
from revenue_engine.prospects import look, offers_open
from revenue_engine.records.batch import Batch
from revenue_engine.records.controls import Autonomy, Controls
from revenue_engine.records.decisions import NONE, Decisions
from revenue_engine.records.evidence import Evidence
from revenue_engine.records.reasons import NUMBER_OF
from revenue_engine.records.subscriber import ARMS, PROVIDERS, apply_claim, country_number
from revenue_engine.records.zones import ZONES, zone_number
from tests.core_cases import (
    DAY,
    HOUR,
    NOW,
    OFFERS,
    PLAIN,
    T,
    a_context,
    a_crowd,
    a_cycle,
    a_page,
    a_row,
    an_offer,
    many,
    names,
    same,
    unpriced,
)

FIXED, NO_MAIL = ARMS.index("fixed"), ARMS.index("no_mail")
SILENT = {"last_human_click_at": 0, "human_clicks": 0.0}
# two years without an answer, and six mails of the last win-back and sunset unanswered
GONE = {
    "first_send_at": T - 2_000 * DAY,
    "last_human_click_at": T - 731 * DAY,
    "last_send_at": T - 190 * DAY,
    "recent_sends": (*(T - d * DAY for d in (190, 370, 550, 580, 600)), 0, 0, 0),
}


def decided(page: Batch, **changes: Any) -> Decisions:
    return decide_batch(page, a_cycle(**changes))


# --- the same however it is run (D1, D6) -------------------------------------------------------------------------------


def test_a_retry_decides_the_same() -> None:
    page = a_crowd()
    assert same(decide_batch(page, a_cycle()), decide_batch(page, a_cycle()))


@pytest.mark.parametrize("parts", [2, 7, 400])
def test_another_split_into_pages_decides_the_same(parts: int) -> None:
    page, cycle = a_crowd(), a_cycle()
    whole = decide_batch(page, cycle)
    for rows in np.array_split(np.arange(len(page)), parts):
        part = Batch(page.subscriber[rows], page.rows[rows], page.decided_at[rows])
        assert same(decide_batch(part, cycle), whole.take(rows))


def test_another_cycle_draws_afresh() -> None:
    page = many(500)
    assert (decided(page).arm != decided(page, cycle_id="another").arm).any()


def test_an_empty_page_and_an_empty_catalogue_are_decided() -> None:
    assert len(grant(decided(a_page([])), a_page([]), a_cycle(), 10)) == 0
    assert names(decided(many(3), offers=()).reason) == ["no_suitable_offer"] * 3


def test_posteriors_of_another_catalogue_are_refused() -> None:
    with pytest.raises(Refused, match="posteriors_mismatch"):
        a_cycle(posteriors=a_context(offers=OFFERS[:1]).posteriors)


@pytest.mark.parametrize("kept", [0.0, np.nan])
def test_a_posterior_that_is_no_rate_is_refused_and_not_spread_over_everybody(kept: float) -> None:
    posteriors = a_context().posteriors
    broken = replace(posteriors, kept=np.where(np.arange(len(posteriors.kept)) == 1, kept, posteriors.kept))
    with pytest.raises(Refused, match="posteriors_broken"):
        a_cycle(posteriors=broken)


# --- rails --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "cycle", "reason"),
    [
        ({}, {}, "revenue_opportunity"),
        ({"arm": NO_MAIL}, {}, "holdout"),
        (SILENT, {"stopped_segments": ("silent", "quiet")}, "segment_stopped"),
        ({"provider": PROVIDERS.index("yahoo")}, {"stopped_providers": ("yahoo",)}, "provider_stopped"),
        ({}, {"stopped_segments": ("silent",), "stopped_providers": ("yahoo",)}, "revenue_opportunity"),
        ({}, {"let_through_share": 1e-9}, "breaker_half_open"),
        ({"zone": zone_number("Asia/Tokyo")}, {"now": NOW + timedelta(hours=2)}, "outside_hours"),
        ({}, {"budget_left": 0}, "daily_limit_reached"),
        ({"recent_sends": tuple(T - n * DAY for n in (2, 3, 4, 5)) + (0,) * 4}, {}, "subscriber_frequency_limit"),
        ({"last_send_at": T - 23 * HOUR}, {}, "too_soon_since_last_email"),
        ({"first_send_at": T - 99 * DAY, "last_human_click_at": T - 91 * DAY}, {}, "too_soon_since_last_email"),
        (GONE, {}, "silent_too_long"),
        (GONE | {"arm": FIXED, "last_send_at": T - 190 * DAY}, {}, "silent_too_long"),
        ({}, {"controls": Controls(churn_risk_threshold=0.0005)}, "high_churn_risk"),
        ({}, {"controls": Controls(complaint_risk_threshold=0.00005)}, "high_complaint_risk"),
        (SILENT, {"controls": Controls(min_engagement_score=0.5)}, "engagement_too_low"),
        (
            {"recent_offers": (101, 102, 103, 0, 0, 0, 0, 0), "recent_sends": (T - 2 * DAY,) * 3 + (0,) * 5},
            {},
            "no_suitable_offer",
        ),
        (SILENT, {"controls": Controls(min_revenue_per_email_micros=10**9)}, "predicted_revenue_too_low"),
        (SILENT, {"controls": Controls(cost_per_email_micros=10**6, ghost_share=0)}, "negative_long_term_value"),
    ],
)
def test_each_reason_has_its_cause(row: dict[str, Any], cycle: dict[str, Any], reason: str) -> None:
    context = {"controls": Controls(ghost_share=0.0, epsilon_per_day=0.001)} | cycle
    decisions = decided(a_page([a_row(1, **row)]), **context)
    assert names(decisions.reason) == [reason]
    assert decisions.send[0] == (reason == "revenue_opportunity")


def test_a_mail_must_beat_the_shadow_price_its_cost_and_what_it_costs_its_reader_s_future() -> None:
    """Two arms are worth 25,000 micros here, the others 20,000; which of them is drawn is open, so a row is worth something between."""
    controls = Controls(ghost_share=0, epsilon_per_day=0.001)
    free = decided(many(1), controls=controls)
    net, index = int(free.row_value_micros[0]), int(free.row_index_micros[0])
    prices = [getattr(free, f"{name}_price_micros")[0] for name in ("hazard", "fatigue", "complaint", "lapse")]
    assert 19_000 < net < 24_000
    assert min(prices) > 0
    assert index == net - sum(prices)
    for price, reason in ((0, "revenue_opportunity"), (net + 1, "below_shadow_price")):
        assert names(decided(many(1), controls=controls, price=Price(price, "p")).reason) == [reason]


def test_who_was_just_mailed_a_lot_is_left_alone_for_the_sake_of_later_mails() -> None:
    """Caps and gaps would let it through."""
    often = {"recent_sends": tuple(T - 90_000 - n * 40_000 for n in range(8))}
    controls = Controls(ghost_share=0, max_emails_per_subscriber_per_week=7, min_hours_between_emails=12)
    table = solve(Habits(exits_per_mail=1.0))
    bundle = replace(PLAIN, parts=replace(PLAIN.parts, index=table))
    tired = decided(many(1, **often), controls=controls, bundle=bundle)
    assert names(tired.reason) in (["negative_long_term_value"], ["subscriber_frequency_limit"])
    rested = decided(many(1), controls=controls, bundle=bundle)
    assert names(rested.reason) == ["revenue_opportunity"]
    assert rested.ltv_micros[0] > rested.v_after_micros[0] > 0


# --- weekdays ---------------------------------------------------------------------------------------------------------
_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CLICKED = {
    "decayed_at": T,
    "created_at": T - 100 * DAY,
    "last_send_at": T - 90_000,
    "last_human_click_at": T - 2 * DAY,
    "recent_sends": (T - 5 * DAY, *(0,) * 7),
}
DAYS = np.array([1.0, 1.1, 1.6, 1.2, 0.9, 0.8, 0.4])
CURVE = np.repeat(DAYS, 24)
OF_THE_WEEK = replace(PLAIN, parts=replace(PLAIN.parts, hours=CURVE))


@pytest.mark.parametrize(
    ("zone", "now", "today", "tomorrow"),
    [
        ("UTC", "2026-03-04T12:00", "Wed", "Thu"),
        ("Pacific/Auckland", "2026-03-04T12:00", "Thu", "Fri"),  # one in the morning
        ("Pacific/Pago_Pago", "2026-03-05T10:00", "Wed", "Thu"),  # 23:00
        ("Pacific/Kiritimati", "2026-03-08T10:00", "Mon", "Tue"),  # midnight to the second
        # Sunday, 8 March, has 23 hours in New York: a day after Saturday's last hour is Monday
        ("America/New_York", "2026-03-08T03:30", "Sat", "Sun"),
        ("America/New_York", "2026-03-08T04:30", "Sat", "Mon"),
        # Sunday, 1 November, has 25: a day after its first hour is its last
        ("America/New_York", "2026-11-01T03:30", "Sat", "Sun"),
        ("America/New_York", "2026-11-01T04:30", "Sun", "Sun"),
        ("America/New_York", "2026-11-01T05:30", "Sun", "Mon"),
    ],
)
def test_a_mail_s_weekday_is_the_one_on_its_reader_s_calendar(zone: str, now: str, today: str, tomorrow: str) -> None:
    cycle = a_cycle(now=datetime.fromisoformat(f"{now}:00+00:00"), bundle=OF_THE_WEEK)
    page = a_page([a_row(1), a_row(2, zone=zone_number(zone)), a_row(3)])
    found = [today_of(page, cycle, ahead=ahead)[1] for ahead in (0, 1)]
    assert found == [pytest.approx(DAYS[_WEEK.index(day)]) for day in (today, tomorrow)]
    alone = a_page([a_row(2, zone=zone_number(zone))])
    assert [today_of(alone, cycle, ahead=ahead)[0] for ahead in (0, 1)] == found


@settings(max_examples=50, deadline=None)
@given(at=st.integers(T - 400 * DAY, T + 400 * DAY), zones=st.lists(st.integers(0, len(ZONES) - 1), min_size=1, max_size=8))
def test_weekdays_are_those_of_the_calendar_in_any_zone(at: int, zones: list[int]) -> None:
    cycle = a_cycle(now=datetime.fromtimestamp(at, UTC), bundle=OF_THE_WEEK)
    there = [datetime.fromtimestamp(at, ZoneInfo(ZONES[zone])).weekday() for zone in zones]
    found = today_of(a_page([a_row(n + 1, zone=zone) for n, zone in enumerate(zones)]), cycle)
    assert found == pytest.approx(DAYS[there])


def test_without_weekdays_the_future_s_price_is_of_today_s_mail_to_the_bit() -> None:
    """And a curve of hours alone, or one of a constant, has none."""
    price = Price(3_000, "p", kappa_micros=9)
    page, plain = a_crowd(), decided(a_crowd(), price=price)
    assert (today_of(page, a_cycle()) == 1.0).all()
    asked = np.flatnonzero(plain.row_index_micros != 0)
    those = Batch(page.subscriber[asked], page.rows[asked], page.decided_at[asked])
    cycle = a_cycle(price=price)
    segment, habits = plain.segment[asked].astype(np.intp), cycle.values.habits
    fatigue = fatigue_of(those.column("recent_sends").astype(np.int64), T, habits.half_life_days)
    unsubscribe, complaint = (
        by_segment(hazard)[segment] for hazard in (PRIOR_RATES.unsubscribe_hazard, PRIOR_RATES.complaint_hazard)
    )
    told = prices(
        cycle.values,
        value_micros=look(those, cycle, segment, offers_open(those, cycle)).value / habits.worth(fatigue),
        fatigue=fatigue,
        exits=unsubscribe + complaint,
        complaint=complaint,
        cost_micros=float(cycle.context.controls.cost_per_email_micros + 3_000),
        kappa=9.0,
    )
    assert len(asked) > 100
    for name in ("hazard", "fatigue", "complaint", "lapse"):
        assert (np.rint(getattr(told, name)) == getattr(plain, f"{name}_price_micros")[asked]).all()
    for curve in (np.ones(168), np.full(168, 3.7)):
        alike = replace(PLAIN, parts=replace(PLAIN.parts, hours=curve))
        assert same(decided(page, price=price, bundle=alike), plain)


def test_a_tired_reader_is_left_alone_on_a_poor_day_and_mailed_on_a_good_one() -> None:
    """A mail of Friday is worth little more than half of Wednesday's here, and costs what is to come as much."""
    tired = {"recent_sends": (T - 90_000, T - 150_000, *(0,) * 6)}
    controls = Controls(ghost_share=0, epsilon_per_day=0.001, max_emails_per_subscriber_per_week=7, min_hours_between_emails=12)
    index = solve(Habits(exits_per_mail=0.7))

    def on(day: int, hours: Floats, **row: Any) -> Decisions:
        """The same people, as tired, on that day of the week."""
        bundle, ahead = replace(PLAIN, parts=replace(PLAIN.parts, index=index, hours=hours)), (day - 2) * DAY
        rows = [a_row(i + 1, **{name: _later(value, ahead) for name, value in (CLICKED | row).items()}) for i in range(5)]
        offers = [replace(offer, payout_micros=round(offer.payout_micros * DAYS[day])) for offer in OFFERS]
        return decided(
            a_page(rows), now=NOW + timedelta(days=day - 2), offers=offers, bundle=bundle, controls=controls, price=Price(0, "p")
        )

    good, poor = on(2, CURVE, **tired), on(4, CURVE, **tired)
    assert set(names(good.reason)) == {"revenue_opportunity"}
    assert set(names(poor.reason)) == {"negative_long_term_value"}
    cost = controls.cost_per_email_micros
    assert (poor.row_value_micros + cost) / (good.row_value_micros + cost) == pytest.approx(
        np.full(5, DAYS[4] / DAYS[2]), rel=1e-3
    )
    for name in ("hazard", "fatigue", "complaint", "lapse"):  # what is to come is the same, whatever today is
        of_poor, of_good = (getattr(one, f"{name}_price_micros") for one in (poor, good))
        assert of_poor == pytest.approx(of_good, rel=1e-3, abs=1) and (of_good > 0).all()
    assert poor.ltv_micros == pytest.approx(good.ltv_micros, rel=1e-3)
    # a rested reader is worth it on either day
    assert set(names(on(2, CURVE).reason)) == set(names(on(4, CURVE).reason)) == {"revenue_opportunity"}
    # who takes today for all days to come mails a tired one on both
    assert {name for day in (2, 4) for name in names(on(day, np.ones(168), **tired).reason)} == {"revenue_opportunity"}


def test_later_mails_are_asked_the_usual_price_and_today_s_is_asked_today_s() -> None:
    today, usual = 4_000, 9_000
    as_now = decided(many(50), price=Price(usual, "p"))
    found = decided(many(50), price=Price(today, "p", usual_micros=usual))
    assert (found.row_index_micros == as_now.row_index_micros).all()
    dear = int(found.row_index_micros.max())
    assert set(names(decided(many(50), price=Price(dear, "p", usual_micros=usual)).reason)) == {"below_shadow_price"}
    # dearer mails later are fewer, and less is lost with a reader
    assert (found.row_index_micros > decided(many(50), price=Price(today, "p")).row_index_micros).all()
    assert same(decided(many(50), price=Price(today, "p", usual_micros=today)), decided(many(50), price=Price(today, "p")))


def _later(value: Any, ahead: int) -> Any:
    """Moments of a row so much later; none stays none."""
    if isinstance(value, tuple):
        return tuple(at + ahead if at else 0 for at in value)
    return value + ahead


def test_the_first_failing_rail_is_the_reason() -> None:
    worst = a_row(1, arm=NO_MAIL, zone=zone_number("Asia/Tokyo"), last_send_at=T - HOUR)
    night = {"now": NOW + timedelta(hours=2), "budget_left": 0}
    assert names(decided(a_page([worst]), **night).reason) == ["holdout"]
    assert names(decided(a_page([replace(worst, arm=0)]), **night).reason) == ["outside_hours"]
    assert names(decided(a_page([replace(worst, arm=0, zone=0)]), **night).reason) == ["too_soon_since_last_email"]


@pytest.mark.parametrize("worth", [np.nan, 1e300])
def test_nobody_is_mailed_for_a_sum_that_is_no_number(worth: float) -> None:
    """Not even the fixed policy mails then: something is broken."""
    page = a_page([a_row(1), a_row(2), a_row(3, arm=1, last_send_at=T - 8 * DAY)])
    found = decided(page, bundle=unpriced(worth))
    assert names(found.reason) == ["worth_unknown"] * 3
    assert not found.send.any() and not found.ghost.any()
    assert found.hazard_price_micros.tolist() == found.ltv_micros.tolist() == [0, 0, 0]
    assert found.row_index_micros.tolist() == found.row_value_micros.tolist()


def test_a_risk_or_an_engagement_that_is_no_number_is_within_no_limit() -> None:
    nan = float("nan")
    rows = [a_row(1, sends=nan), a_row(2, deliveries=nan, human_clicks=nan), a_row(3)]
    assert names(decided(a_page(rows)).reason) == ["high_churn_risk", "engagement_too_low", "revenue_opportunity"]
    rates = PLAIN.rates.model_copy(update={"complaint_hazard": dict.fromkeys(PLAIN.rates.complaint_hazard, nan)})
    broken = replace(PLAIN, parts=replace(PLAIN.parts, rates=rates))
    assert names(decided(a_page([a_row(1, arm=1, last_send_at=T - 8 * DAY)]), bundle=broken).reason) == ["high_complaint_risk"]


@pytest.mark.parametrize("controls", [Controls(ghost_share=0.0), Controls(ghost_share=0.0, sends_per_minute=10)])
def test_whoever_is_told_to_come_is_never_too_late_for_the_hours_he_was_told_for(controls: Controls) -> None:
    """Cycles come seconds after the quarter of an hour; by rule or by plan, nobody comes to the last one of his day."""
    rows = [a_row(i + 1, peak_hour=21) for i in range(500)]
    due, mails = np.full(len(rows), T), 0
    for quarter in range(2 * 96):
        now = NOW + timedelta(minutes=15 * quarter, seconds=quarter % 60)
        who = np.flatnonzero(due <= epoch_seconds(now))
        if not len(who):
            continue
        page, cycle = a_page([rows[i] for i in who]), a_cycle(now=now, controls=controls, budget_left=10_000)
        before = decide_batch(page, cycle)
        after = grant(before, page, cycle, places(before, cycle, NOTHING_TAKEN))
        assert not (after.reason == NUMBER_OF["outside_hours"]).any()
        for i, sent in zip(who.tolist(), after.mail.tolist(), strict=True):
            rows[i] = apply_claim(rows[i], at=epoch_seconds(now), offer_number=999) if sent else rows[i]
        due[who] = after.next_decision_at
        mails += int(after.mail.sum())
    assert mails > 600


def test_every_row_that_is_skipped_is_met_again_at_least_an_hour_later() -> None:
    assert (decided(a_crowd()).next_decision_at >= T + HOUR).all()


def test_a_deterministic_skip_has_propensity_one_and_no_arm() -> None:
    skipped = decided(many(3), budget_left=0)
    assert skipped.propensity_joint.tolist() == [1.0] * 3
    assert skipped.arm.tolist() == [NONE] * 3
    assert np.isnan(skipped.propensity_offer).all()


# --- choice and propensity (D2) ---------------------------------------------------------------------------------------


def test_arms_are_played_as_often_as_they_are_logged() -> None:
    """One draw key is one person: 30,000 people in one state, frequencies against the logged probabilities."""
    decisions = decided(many(30_000), controls=Controls(ghost_share=0.1, epsilon_per_day=0.2))
    sent = decisions.send
    assert names(decisions.reason[~sent]) == ["ghost"] * int((~sent).sum())
    logged = {int(a): decisions.propensity_joint[sent & (decisions.arm == a)] for a in np.unique(decisions.arm[sent])}
    assert all(np.ptp(values) < 1e-12 for values in logged.values())
    probability = np.array([values[0] for values in logged.values()] + [0.1])  # the ghosts are an action of their own
    counts = np.array([len(values) for values in logged.values()] + [(~sent).sum()])
    assert len(logged) == 5
    assert probability.sum() == pytest.approx(1.0, abs=1e-9)
    assert stats.chisquare(counts, probability / probability.sum() * counts.sum()).pvalue > 1e-3
    assert (decisions.propensity_joint[~sent] == 0.1).all()


def test_no_eligible_arm_is_below_its_floor_and_an_ineligible_one_is_never_played() -> None:
    page = many(5_000, recent_offers=(102, *(0,) * 7))
    decisions = decided(page, controls=Controls(ghost_share=0.0, epsilon_per_day=0.2, same_offer_gap_days=7))
    assert np.unique(decisions.arm).tolist() == [0, 1, 4]
    floor = 0.2 / 2 * np.where(decisions.arm == 4, 1.0, 0.5)  # two offers, one of them with two variants
    assert (decisions.propensity_offer * decisions.propensity_content >= floor - 1e-12).all()
    eligible = np.unpackbits(decisions.eligible, axis=1)[:, :5]
    assert (eligible == [1, 1, 0, 0, 1]).all()


def test_exploration_is_budgeted_per_day_and_named() -> None:
    page = many(20_000)
    controls = Controls(ghost_share=0.0, epsilon_per_day=0.2)
    whole_day = decided(page, controls=controls)
    an_hour = decided(Batch(page.subscriber, page.rows, np.full(len(page), T - HOUR)), controls=controls)
    for decisions, epsilon in ((whole_day, 0.2), (an_hour, 0.2 / 24)):
        assert decisions.epsilon == pytest.approx(np.full(len(page), epsilon))
        assert decisions.explored.mean() == pytest.approx(epsilon, abs=4 * np.sqrt(epsilon / len(page)))
        assert [name == "exploration" for name in names(decisions.reason)] == decisions.explored.tolist()


HOPELESS = [
    Evidence(NOW.date() - timedelta(days=30), "101", v, s, clicks=4_000, conversions=1)
    for v in ("standard", "soft")
    for s in ("clicker", "new", "opener", "quiet", "silent")
]


def test_the_revenue_floor_looks_at_the_optimistic_bound_so_unknown_offers_are_tried() -> None:
    """The known offer earns nothing; the new one's mean is below the floor, its upper bound above: it is mailed."""
    offers = (OFFERS[0], an_offer(103, category="health"))
    cycle = a_cycle(offers=offers, evidence=HOPELESS, controls=Controls(ghost_share=0, min_revenue_per_email_micros=30_000))
    page = many(2_000)
    decisions = decide_batch(page, cycle)
    assert decisions.send.all()
    assert decisions.row_index_micros.max() + 1_000 < 30_000 <= decisions.upper_micros.min()
    new = np.array([cycle.book.arms[a][0] == "103" for a in decisions.arm])
    assert new.mean() > 0.9
    known_only = decided(page, offers=offers[:1], evidence=HOPELESS, controls=Controls(min_revenue_per_email_micros=30_000))
    assert set(names(known_only.reason)) == {"predicted_revenue_too_low"}


def test_whether_a_mail_is_sent_does_not_depend_on_the_arm_that_was_drawn() -> None:
    """Else exploration would be vetoed after the draw, and the logged propensities would be wrong (spec flaw 11)."""
    evidence = [replace(row, conversions=0) for row in HOPELESS]
    decisions = decided(many(20_000), evidence=evidence, controls=Controls(ghost_share=0, epsilon_per_day=0.2))
    losing = decisions.index_micros < 0
    assert losing.any()
    assert decisions.send.all()
    assert set(names(decisions.reason[losing])) == {"exploration"}


def test_the_runner_up_is_the_best_arm_that_was_not_chosen() -> None:
    cycle, page = a_cycle(), many(3_000)
    decisions = decide_batch(page, cycle)
    one = Batch(page.subscriber[:1], page.rows[:1], page.decided_at[:1])
    seen = look(one, cycle, decisions.segment[:1].astype(np.intp), offers_open(one, cycle))
    assert (decisions.runner_up != decisions.arm).all()
    assert set(decisions.arm.tolist()) >= {seen.first[0], seen.second[0]}
    top = decisions.arm == seen.first[0]
    assert (decisions.runner_up == np.where(top, seen.second[0], seen.first[0])).all()
    best = round(seen.revenue[0, seen.first[0]])
    assert decisions.expected_revenue_micros[top][0] == best
    toll = decisions.expected_revenue_micros - decisions.index_micros
    assert (decisions.runner_up_index_micros[~top] + toll[~top] == best).all()


def test_money_is_whole_micros() -> None:
    decisions = decided(a_crowd())
    for f in fields(Decisions):
        if f.name.endswith("_micros"):
            assert getattr(decisions, f.name).dtype == np.int64, f.name
    one = decided(many(1), offers=OFFERS[:1], controls=Controls(ghost_share=0))
    assert one.expected_revenue_micros.tolist() == [20_000]  # 5 % clicks x 2 % conversions x 20 USD


def test_an_offer_in_another_currency_is_not_compared() -> None:
    assert names(decided(many(1), offers=(an_offer(101, currency="EUR"),)).reason) == ["no_suitable_offer"]


# --- the randomised arms, ghosts and canaries (D4) ----------------------------------------------------------------------


def test_the_fixed_policy_mails_one_offer_weekly_and_heeds_no_judgement_of_the_engine() -> None:
    cautious = Controls(churn_risk_threshold=0, min_engagement_score=1, min_revenue_per_email_micros=10**12, ghost_share=0.2)
    page = a_page([a_row(i + 1, arm=FIXED, last_send_at=T - 7 * DAY, recent_sends=(T - 7 * DAY,) + (0,) * 7) for i in range(300)])
    cycle = a_cycle(controls=cautious)
    decisions = decide_batch(page, cycle)
    assert set(names(decisions.reason)) == {"fixed_policy"}
    assert {cycle.book.arms[a][0] for a in decisions.arm} == {"102"}  # the best by expectation, the same for all
    assert len(np.unique(decisions.arm)) == 1
    assert (decisions.propensity_joint == 1.0).all()
    assert (decisions.next_decision_at >= T + 7 * DAY).all()
    early = a_page([a_row(1, arm=FIXED, last_send_at=T - 7 * DAY + 1)])
    assert names(decide_batch(early, cycle).reason) == ["too_soon_since_last_email"]


def test_ghosts_are_their_share_keep_their_arm_and_wait_as_if_mailed() -> None:
    page = many(20_000)
    with_ghosts = decided(page, controls=Controls(ghost_share=0.05))
    without = decided(page, controls=Controls(ghost_share=0.0))
    ghost = with_ghosts.ghost
    assert ghost.mean() == pytest.approx(0.05, abs=0.006)
    assert not (with_ghosts.send & ghost).any()
    assert (with_ghosts.arm == without.arm).all()
    assert (with_ghosts.next_decision_at == without.next_decision_at).all()
    assert stats.chi2_contingency([np.bincount(with_ghosts.arm[ghost]), np.bincount(with_ghosts.arm[~ghost])]).pvalue > 1e-3


@pytest.mark.parametrize("autonomy", list(Autonomy))
def test_the_switch_says_who_is_mailed_never_what_is_decided(autonomy: Autonomy) -> None:
    page = many(5_000)
    decisions, full = decided(page, autonomy=autonomy), decided(page)
    assert (decisions.send == full.send).all()
    assert (decisions.arm == full.arm).all()
    share = {"off": 0, "shadow": 0, "canary": 0.05, "approval": 1, "full": 1}[autonomy]
    assert decisions.mail.mean() == pytest.approx(share, abs=0.015)


def test_canaries_are_the_same_people_in_every_cycle() -> None:
    page = many(5_000)
    assert (decided(page).canary == decided(page, cycle_id="another").canary).all()
    wider = decided(page, controls=Controls(canary_share=0.2)).canary
    assert (wider | ~decided(page).canary).all()


def test_a_trickle_is_its_share_of_the_same_people_all_day_and_others_the_next() -> None:
    page = many(20_000)

    def through(**changes: Any) -> np.ndarray[Any, Any]:
        decisions = decided(page, let_through_share=0.05, **changes)
        assert (decisions.mail == decisions.send).all()
        return np.asarray(decisions.reason != NUMBER_OF["breaker_half_open"])

    first = through()
    assert first.mean() == pytest.approx(0.05, abs=0.005)
    assert (through(cycle_id="another", now=NOW + timedelta(hours=1)) == first).all()
    assert (through(now=NOW + timedelta(days=1)) & first).mean() == pytest.approx(0.0025, abs=0.0015)
    waits = decided(page, let_through_share=0.05).next_decision_at[~first] - T
    assert (waits.min() >= HOUR) and (waits.max() <= 3 * HOUR)  # soon, but never next cycle


# --- the budget (D6) ------------------------------------------------------------------------------------------------------


def test_nobody_is_sent_an_offer_that_his_country_is_kept_from() -> None:
    everywhere, here = an_offer(101), an_offer(102, payout_micros=90_000_000, countries=frozenset({"US"}))
    rows = [a_row(n + 1, country=country_number(code)) for n, code in enumerate(("US", "DE", "") * 20)]
    cycle = a_cycle(offers=(everywhere, here))
    decisions = decide_batch(a_page(rows), cycle)
    offers = [cycle.book.arms[arm][0] if arm >= 0 else None for arm in decisions.arm.tolist()]
    assert set(offers[1::3] + offers[2::3]) == {"101"}
    assert "102" in offers[::3]
    alone = decide_batch(a_page(rows), a_cycle(offers=(here,)))
    assert names(alone.reason)[1] == names(alone.reason)[2] == "no_suitable_offer"
    assert names(alone.reason)[0] == "revenue_opportunity"


@pytest.mark.parametrize("price", [Price(10**9, "high"), Price(0, "p", kappa_micros=10**12)])
def test_of_whom_a_price_refused_the_best_offers_are_kept_and_none_is_chosen(price: Price) -> None:
    cycle, page = a_cycle(price=price), a_crowd()
    decisions = decide_batch(page, cycle)
    refused = np.flatnonzero(np.isin(names(decisions.reason), ["below_shadow_price", "negative_long_term_value"]))
    assert len(refused) > 50
    those = Batch(page.subscriber[refused], page.rows[refused], page.decided_at[refused])
    seen = look(those, cycle, decisions.segment[refused].astype(np.intp), offers_open(those, cycle))
    assert (decisions.considered[refused] == seen.first).all() and (decisions.runner_up[refused] == seen.second).all()
    rows, toll = np.arange(len(refused)), decisions.row_value_micros - decisions.row_index_micros + 1_000
    best = np.rint(seen.revenue[rows, seen.first]).astype(np.int64)
    assert (decisions.considered_index_micros[refused] == best - toll[refused]).all()
    assert (decisions.arm[refused] < 0).all() and (decisions.index_micros[refused] == 0).all()
    others = np.setdiff1d(np.arange(len(page)), refused)
    assert (decisions.considered[others] < 0).all(), "who is mailed has an arm, and a rail asks for none"


def test_where_the_day_s_budget_is_spent_the_fixed_policy_s_mail_is_its_own() -> None:
    page, plain = many(3, arm=1, recent_sends=(T - 9 * DAY, *(0,) * 7), last_send_at=T - 9 * DAY), a_cycle()
    mailed, spent = (decide_batch(page, cycle) for cycle in (plain, a_cycle(budget_left=0)))
    assert (names(mailed.reason), names(spent.reason)) == (["fixed_policy"] * 3, ["daily_limit_reached"] * 3)
    assert (spent.considered == mailed.arm).all() and (spent.considered_index_micros == mailed.index_micros).all()
    assert (spent.runner_up == mailed.runner_up).all() and (spent.arm < 0).all()
