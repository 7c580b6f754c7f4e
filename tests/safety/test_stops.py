"""What stopped causes mean for the catalogue and for plans."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revenue_engine.records.causes import Cause, Stop, seen_causes, sent_by_cause
from revenue_engine.records.controls import Controls
from revenue_engine.records.offer import ineligible_reason
from revenue_engine.safety.breaker import judge
from revenue_engine.safety.health import HealthFacts
from revenue_engine.safety.stops import standing, stop_for, stopped_names, stopped_reason
from tests.core_cases import NOW, OFFERS, T
from tests.safety.counts import FACTS, Group, caused

COMPLAINED = Stop(Cause("offer", "101"), "complaint_rate_exceeded", T, None)
DULL = Stop(Cause("variant", "102/soft"), "bounce_rate_exceeded", T, T + 60)


def test_a_stopped_offer_says_why_and_a_stopped_variant_is_not_there() -> None:
    first, second, third = standing(OFFERS, [COMPLAINED, DULL])
    assert ineligible_reason(first, now=NOW) == "stopped_complaint_rate_exceeded"
    assert [c.variant for c in second.creatives] == ["standard"]
    assert third == OFFERS[2]
    assert standing(OFFERS, []) == OFFERS


def test_an_offer_whose_variants_are_all_stopped_has_no_creative_left_and_a_reason_of_its_own_stays() -> None:
    (offer,) = standing([OFFERS[2]], [Stop(Cause("variant", "103/standard"), "x", T, None)])
    assert ineligible_reason(offer, now=NOW) == "no_approved_creative"
    (gone,) = standing([replace(OFFERS[0], stop_reason="offer_not_listed")], [COMPLAINED])
    assert ineligible_reason(gone, now=NOW) == "offer_not_listed"


@pytest.mark.parametrize(
    ("kind", "name"), [("offer", "1001"), ("variant", "1001/soft"), ("segment", "new"), ("provider", "yahoo")]
)
def test_a_plan_of_a_stopped_cause_may_not_go(kind: str, name: str) -> None:
    stop = Stop(Cause(kind, name), "x", T, None)
    assert stopped_reason([stop], **FACTS) == f"{kind}_stopped"
    assert stopped_reason([replace(stop, cause=Cause(kind, "another"))], **FACTS) is None
    assert stopped_names([stop, COMPLAINED], "segment") == (("new",) if kind == "segment" else ())


def test_complaints_wait_for_a_person_and_the_rest_for_a_week() -> None:
    good: list[Group] = [
        (3_000, {}, {"offer": "2", "variant": "v", "segment": s, "provider": p})
        for s, p in (("quiet", "other"), ("opener", "outlook"))
    ]

    def stopped(event: str, controls: Controls) -> Stop:
        hour = caused((500, {event: 200}, {}), *good)
        return stop_for(judge([hour], controls, HealthFacts()).stopping[0], controls, now=T)

    assert stopped("complaints", Controls()).until is None
    assert stopped("complaints", Controls(human_closes_complaint_trips=False)).until == T + 7 * 86_400
    week = stopped("bounces", Controls())
    assert (week.until, week.holds(T + 7 * 86_400 - 1), week.holds(T + 7 * 86_400)) == (T + 7 * 86_400, True, False)
    assert week.reason == "bounce_rate_exceeded"


def test_counters_name_the_causes_they_count() -> None:
    counted = sent_by_cause(FACTS)
    assert counted["heard"] == counted["sent@1001"] == counted["heard!1001/soft"] == 1
    assert not any(name.startswith("heard") for name in sent_by_cause(FACTS | {"provider": "gmail"}))
    assert seen_causes([counted, {"sent": 1, "sent%engine": 1}]) == (
        Cause("offer", "1001"),
        Cause("provider", "yahoo"),
        Cause("segment", "new"),
        Cause("variant", "1001/soft"),
    )
