"""When sending stops: each rail with its reason, its test and its level, against known truths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from revenue_engine.records.causes import Cause
from revenue_engine.records.controls import Controls
from revenue_engine.safety.breaker import judge, trial_verdict
from revenue_engine.safety.findings import Judgement, Level, Remedy
from revenue_engine.safety.health import HealthFacts
from tests.safety.counts import Group, an_hour, caused

CONTROLS = Controls()
WELL = HealthFacts()


def judged(mails: int, *, health: HealthFacts = WELL, controls: Controls = CONTROLS, **events: Any) -> Judgement:
    """One hour of so many mails."""
    return judge([an_hour(mails, **events)], controls, health)


def verdict(mails: int, **events: Any) -> str:
    found = judged(mails, **events)
    return "trip" if found.trip else "warn" if found.findings else "ok"


@pytest.mark.parametrize(
    ("mails", "complaints", "expected"),
    [
        (0, 0, "ok"),
        (1, 1, "ok"),  # one complaint says nothing, whenever it comes
        (20, 2, "trip"),  # chance gives two of twenty at 0.1 % once in five thousand
        (100, 2, "ok"),
        (1_000, 2, "ok"),  # a point rate of 0.2 % that chance gives every fourth day
        (3_000, 4, "ok"),  # above 0.1 %, and nothing
        (3_000, 10, "trip"),
        (10_000, 12, "warn"),
        (10_000, 5, "ok"),
    ],
)
def test_complaints_trip_by_test_not_by_point_rate(mails: int, complaints: int, expected: str) -> None:
    assert verdict(mails, complaints=complaints) == expected


def test_a_window_remembers_a_bad_day_among_good_hours() -> None:
    good = [an_hour(625, complaints=0)] * 20
    bad = [an_hour(625, complaints=2)] * 8
    assert not judge(good, CONTROLS, WELL, days=3).trip
    assert judge([*good, *bad], CONTROLS, WELL, days=3).trip
    assert judge([*good, *bad, *good], CONTROLS, WELL, days=3).trip


def test_on_target_chance_alone_seldom_trips_and_a_true_rise_does() -> None:
    rng = np.random.default_rng(3)

    def share(rate: float, days: int) -> float:
        tripped = 0
        for _ in range(days):
            hours = [an_hour(625, complaints=int(n)) for n in rng.poisson(rate * 625, 16)]
            tripped += judge(hours, CONTROLS, WELL).trip
        return tripped / days

    assert share(0.0003, 1_000) <= 0.001
    assert share(0.0005, 1_000) <= 0.005
    assert share(0.003, 200) >= 0.99


def test_mails_nobody_tells_of_do_not_dilute_the_complaint_rate() -> None:
    """Gmail reports no complaints to SES: nine tenths of such mails change nothing."""
    assert judge([an_hour(3_000, complaints=10)], CONTROLS, WELL).trip
    diluted = judge([an_hour(30_000, heard=3_000, complaints=10)], CONTROLS, WELL)
    assert diluted.trip
    assert diluted.findings[0].observed == pytest.approx(10 / 3_000)


@pytest.mark.parametrize(
    ("name", "too_many", "half", "few", "reason", "level"),
    [
        ("complaints", 14, 9, 5, "complaint_rate_exceeded", Level.CRITICAL),
        ("bounces", 140, 90, 60, "bounce_rate_exceeded", Level.WARNING),
        ("unsubscribes", 43, 22, 15, "unsubscribe_rate_exceeded", Level.WARNING),
    ],
)
def test_each_rate_trips_at_its_limit_warns_at_half_and_has_its_level(
    name: str, too_many: int, half: int, few: int, reason: str, level: Level
) -> None:
    def with_events(count: int) -> Judgement:
        return judge([an_hour(5_000, **{name: count})], CONTROLS, WELL)

    found = with_events(too_many)
    assert (found.trip, found.reason, found.tripping[0].level) == (True, reason, level)
    warned = with_events(half)
    assert (warned.trip, warned.reason, warned.severity) == (False, reason, "warning")
    assert warned.findings[0].limit == pytest.approx(found.tripping[0].limit / 2)
    assert not with_events(few).findings


def test_a_complaint_trip_waits_for_a_person_when_so_set() -> None:
    hours = [an_hour(5_000, complaints=50, bounces=500)]
    found = judge(hours, CONTROLS, WELL)
    assert (found.trip, found.reason, found.severity, found.human_needed) == (True, "complaint_rate_exceeded", "critical", True)
    assert not judge(hours, Controls(human_closes_complaint_trips=False), WELL).human_needed
    assert not judge([an_hour(5_000, bounces=500)], CONTROLS, WELL).human_needed


# --- machinery and money ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("facts", "reason", "remedy", "level"),
    [
        ({"consecutive_failures": 5}, "consecutive_failures", Remedy.STOP_ALL, Level.CRITICAL),
        ({"consecutive_failures": 3}, "consecutive_failures", Remedy.TELL, Level.WARNING),
        ({"stuck_claims": 100}, "stuck_claims", Remedy.STOP_ALL, Level.CRITICAL),
        ({"stuck_claims": 50}, "stuck_claims", Remedy.TELL, Level.WARNING),
        ({"missing_receipts": 1}, "decision_log_gap", Remedy.STOP_ALL, Level.CRITICAL),
        ({"cycle_age_minutes": 45}, "cycles_missed", Remedy.TELL, Level.CRITICAL),
        ({"cycle_age_minutes": 30}, "cycles_missed", Remedy.TELL, Level.WARNING),
        ({"queue_wait_minutes": 30}, "queue_too_old", Remedy.TELL, Level.CRITICAL),
        ({"queue_wait_minutes": 20}, "queue_too_old", Remedy.TELL, Level.WARNING),
        ({"model_age_days": 14}, "model_too_old", Remedy.TELL, Level.WARNING),
    ],
)
def test_the_machinerys_health(facts: dict[str, Any], reason: str, remedy: Remedy, level: Level) -> None:
    (finding,) = judged(10, health=HealthFacts(**facts)).findings
    assert (finding.name, finding.remedy, finding.level) == (reason, remedy, level)


def test_what_is_well_or_cannot_be_seen_is_no_finding() -> None:
    fine = HealthFacts(2, model_age_days=13.9, cycle_age_minutes=29, queue_wait_minutes=19, stuck_claims=49)
    assert judged(10, health=fine).findings == judged(10).findings == ()


def test_revenue_too_good_to_be_true_stops_the_learning_loop() -> None:
    found = judged(10, reported_provisional_micros=600_000_000, reported_approved_micros=400_000_001)
    assert (found.trip, found.reason, found.severity) == (True, "revenue_per_email_exceeded", "critical")
    assert not judged(10, reported_provisional_micros=1_000_000_000).findings


def test_revenue_of_one_offer_too_good_to_be_true_stops_that_offer() -> None:
    hour = {"sent": 100, "sent@1001": 10, "sent@1002": 90}
    hour |= {"reported_approved_micros": 20_000_000_000, "reported_approved_micros@1001": 19_000_000_000}
    (finding,) = judge([hour], CONTROLS, WELL).findings
    assert (finding.cause, finding.remedy) == (Cause("offer", "1001"), Remedy.STOP_CAUSE)
    assert not judge([hour], CONTROLS, WELL, stopped={Cause("offer", "1001"): 1}).findings
    hour["reported_approved_micros@1001"] = 10_000_000_000  # the rest is as odd: it is the feed
    assert judge([hour], CONTROLS, WELL).trip


def test_money_is_held_against_the_mails_of_days_before() -> None:
    now = an_hour(1, reported_approved_micros=900_000_000)
    assert judge([now], CONTROLS, WELL).trip
    assert not judge([now], CONTROLS, WELL, earned=[{"sent": 100}, now]).findings


def test_a_poor_conversion_rate_only_warns_and_only_surely() -> None:
    controls = Controls(min_conversion_rate=0.02)
    poor = judged(10_000, controls=controls, clicked_mails=1_000, conversions=4)
    assert (poor.trip, poor.reason, poor.severity) == (False, "conversion_rate_too_low", "warning")
    assert not judged(10_000, controls=controls, clicked_mails=1_000, conversions=15).findings
    assert not judged(10_000, controls=controls, clicked_mails=99, conversions=0).findings
    assert not judged(10_000, clicked_mails=1_000, conversions=0).findings  # no minimum is set


def test_an_offer_that_surely_converts_below_the_minimum_is_stopped_and_nothing_else() -> None:
    controls = Controls(min_conversion_rate=0.02)
    hour = {"sent": 10_000, "sent@1": 2_000, "sent@2": 8_000, "clicked_mails": 2_000, "conversions": 60}
    hour |= {"clicked_mails@1": 500, "conversions@1": 0, "clicked_mails@2": 1_500, "conversions@2": 60}
    (finding,) = judge([hour], controls, WELL).findings
    assert (finding.name, finding.cause) == ("conversion_rate_too_low", Cause("offer", "1"))


# --- the first remedy ---------------------------------------------------------------------------------------------------
GOOD = {"offer": "1002", "variant": "standard", "segment": "clicker", "provider": "outlook"}


def test_a_bad_offer_is_stopped_and_the_rest_goes_on() -> None:
    groups = [(500, {"complaints": 7}, {"variant": v, "segment": s}) for v, s in (("soft", "new"), ("urgency", "opener"))]
    healthy: list[Group] = [
        (2_500, {}, GOOD | {"segment": s, "provider": p}) for s, p in (("new", "yahoo"), ("opener", "other"), ("quiet", "yahoo"))
    ]
    found = judge([caused(*groups, *healthy)], CONTROLS, WELL)
    (finding,) = found.findings
    assert (finding.cause, finding.remedy, finding.level) == (Cause("offer", "1001"), Remedy.STOP_CAUSE, Level.CRITICAL)
    assert finding.observed == pytest.approx(0.014)
    assert not judge([caused(*groups, *healthy)], CONTROLS, WELL, stopped={Cause("offer", "1001"): 1}).findings


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"variant": "urgency"}, Cause("variant", "1001/urgency")),
        ({"segment": "silent"}, Cause("segment", "silent")),
        ({"provider": "other"}, Cause("provider", "other")),
    ],
)
def test_the_narrowest_cause_that_explains_it_is_stopped(facts: dict[str, str], cause: Cause) -> None:
    offers = ["1001"] if "variant" in facts else ["1001", "1002", "1003"]
    bad = [(900 // len(offers), {"bounces": 210 // len(offers)}, {"offer": offer} | facts) for offer in offers]
    good = [
        (400, {"bounces": 2}, {"offer": o, "variant": v, "segment": s, "provider": p})
        for o in ("1001", "1002", "1003")
        for v in ("soft", "standard")
        for s, p in (("new", "yahoo"), ("clicker", "outlook"))
    ]
    (finding,) = judge([caused(*bad, *good)], CONTROLS, WELL).stopping
    assert (finding.name, finding.cause) == ("bounce_rate_exceeded", cause)


def test_a_stopped_offers_complaints_are_not_held_against_the_mailboxes_that_told_of_them() -> None:
    """All of them came from one provider and one segment: which alone would look as bad."""
    bad = caused((900, {"complaints": 14}, {}), *[(2_500, {}, GOOD | {"provider": p}) for p in ("outlook", "other")])
    (finding,) = judge([bad], CONTROLS, WELL).findings
    assert finding.cause == Cause("offer", "1001")
    assert not judge([bad], CONTROLS, WELL, stopped={Cause("offer", "1001"): 1}).findings
    later = caused(
        (900, {"complaints": 14}, {"offer": "1003"}), *[(2_500, {}, GOOD | {"provider": p}) for p in ("outlook", "other")]
    )
    (finding,) = judge([bad, later], CONTROLS, WELL, stopped={Cause("offer", "1001"): 1}).findings
    assert finding.cause == Cause("offer", "1003")


def test_what_comes_from_everywhere_stops_everything() -> None:
    everywhere = [
        (300, {"complaints": 2}, {"offer": o, "segment": s, "provider": p})
        for o in ("1001", "1002", "1003")
        for s, p in (("new", "yahoo"), ("clicker", "outlook"), ("quiet", "other"))
    ]
    found = judge([caused(*everywhere)], CONTROLS, WELL)
    assert found.trip
    assert found.tripping[0].cause is None


def test_on_a_first_day_too_the_cause_is_stopped_when_all_of_it_comes_from_there() -> None:
    rest: list[Group] = [(40, {}, GOOD | {"segment": s, "provider": p}) for s, p in PAIRS]
    (finding,) = judge([caused((30, {"complaints": 3}, {}), *rest)], CONTROLS, WELL).findings
    assert (finding.cause, finding.remedy) == (Cause("offer", "1001"), Remedy.STOP_CAUSE)
    few: list[Group] = [(10, {}, GOOD | {"segment": s, "provider": p}) for s, p in PAIRS]
    assert judge([caused((10, {"complaints": 2}, {}), *few)], CONTROLS, WELL).trip  # two say too little of whose they are


def test_an_org_with_one_offer_has_no_cause_apart() -> None:
    assert judge([caused((3_000, {"complaints": 20}, {}))], CONTROLS, WELL).trip


def test_when_many_causes_are_out_it_is_not_the_causes() -> None:
    hour = caused((500, {"complaints": 12}, {}), *[(1_500, {}, GOOD | {"segment": s, "provider": p}) for s, p in PAIRS])
    assert not judge([hour], CONTROLS, WELL).trip
    out = {Cause("offer", str(n)): 0 for n in range(4)}
    assert not judge([hour], CONTROLS, WELL, stopped=out, lately=3).trip
    assert judge([hour], CONTROLS, WELL, stopped=out, lately=4).trip


PAIRS = (("new", "yahoo"), ("opener", "other"), ("quiet", "yahoo"))


# --- Gmail's own figures -------------------------------------------------------------------------------------------------
def test_gmails_figures_stop_gmail_or_everything_when_most_mail_goes_there() -> None:
    told = [(4_000.0, 12.0), (4_000.0, 12.0)]
    few = caused((400, {}, {"provider": "gmail"}), (900, {}, {}))
    (finding,) = judge([few], CONTROLS, WELL, gmail=told).findings
    assert (finding.cause, finding.remedy, finding.observed) == (Cause("provider", "gmail"), Remedy.STOP_CAUSE, 0.003)
    most = caused((900, {}, {"provider": "gmail"}), (400, {}, {}))
    found = judge([most], CONTROLS, WELL, gmail=told)
    assert (found.trip, found.human_needed) == (True, True)
    assert judge([few], CONTROLS, WELL, gmail=[(16_000.0, 16.0)]).severity == "warning"
    assert not judge([few], CONTROLS, WELL, gmail=[(16_000.0, 3.2)]).findings


def test_a_variant_that_gmail_names_is_stopped_when_beyond_what_gmail_calls_too_much() -> None:
    hour = caused((100, {}, {"provider": "gmail"}), (900, {}, GOOD))
    named = {Cause("variant", "1001/soft"): 0.0031, Cause("variant", "1002/standard"): 0.0001}
    (finding,) = judge([hour], CONTROLS, WELL, gmail_variants=named).findings
    assert (finding.cause, finding.remedy) == (Cause("variant", "1001/soft"), Remedy.STOP_CAUSE)
    assert not judge([hour], CONTROLS, WELL, gmail_variants=named, stopped=dict.fromkeys(named, 1)).findings
    assert not judge([hour], CONTROLS, WELL, gmail_variants={Cause("variant", "1001/soft"): 0.003}).findings


# --- the trickle -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("hour", "reason", "expected"),
    [
        (an_hour(0), "bounce_rate_exceeded", "undecided"),
        (an_hour(20), "bounce_rate_exceeded", "undecided"),
        (an_hour(40), "bounce_rate_exceeded", "healthy"),  # P(rate > 2 %) = e^-1.8
        (an_hour(40, bounces=3), "bounce_rate_exceeded", "sick"),
        (an_hour(40, bounces=20), "bounce_rate_exceeded", "sick"),
        (an_hour(500), "complaint_rate_exceeded", "undecided"),
        (an_hour(700), "complaint_rate_exceeded", "healthy"),
        (an_hour(1), "consecutive_failures", "healthy"),
    ],
)
def test_a_trickle_decides_only_when_it_has_shown_enough(hour: dict[str, int], reason: str, expected: str) -> None:
    assert trial_verdict([hour], judge([hour], CONTROLS, WELL), CONTROLS, reason=reason) == expected


def test_a_trickle_of_young_mails_proves_no_complaint_rate_well_but_may_prove_it_bad() -> None:
    silent, loud = [an_hour(700), an_hour(700)], [an_hour(300), an_hour(300, complaints=3)]
    verdicts = [
        trial_verdict(hours, judge(hours, CONTROLS, WELL), CONTROLS, reason="complaint_rate_exceeded", young=young)
        for hours, young in ((silent, 2), (silent, 1), (loud, 2))
    ]
    assert verdicts == ["undecided", "healthy", "sick"]
    assert trial_verdict(silent, judge(silent, CONTROLS, WELL), CONTROLS, reason="bounce_rate_exceeded", young=2) == "healthy"


def test_findings_say_what_where_and_how_sure() -> None:
    (finding,) = judge([an_hour(4_000, complaints=20)], CONTROLS, WELL).tripping
    assert (finding.name, finding.observed, finding.limit) == ("complaint_rate_exceeded", 0.005, 0.001)
    assert "complaint_rate_exceeded: 0.005, limit 0.001 (score 21.73 of 7.74)" in str(finding)
