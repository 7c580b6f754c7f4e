"""Variants of which no mails can be made, and what the judge holds against their mails: neither hides the other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from revenue_engine.aws.dynamo import commit
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.causes import Cause, Stop
from revenue_engine.services.breaker import lift_stop, stopped
from revenue_engine.services.judge import judge
from revenue_engine.services.status import status
from tests.builders import NOW, Org, an_offer
from tests.safety.counts import Group, caused

T = epoch_seconds(NOW)
SOFT = "variant#1042/soft"
BAD = {"offer": "1042", "variant": "standard", "segment": "new", "provider": "yahoo"}
GOOD: list[Group] = [
    (2_500, {}, {"offer": "2042", "variant": "soft", "segment": segment, "provider": provider})
    for segment, provider in (("new", "yahoo"), ("clicker", "other"), ("quiet", "outlook"))
]
COMPLAINED = caused((900, {"complaints": 14}, BAD | {"variant": "soft"}), (900, {}, BAD), *GOOD)
UNMAKEABLE = {"content_incomplete!1042/soft": 5_000}


def look(org: Org, minutes: float = 0) -> dict[str, Any]:
    return judge(org.w, org=org.name, now=NOW + timedelta(minutes=minutes))


def count(org: Org, amounts: dict[str, int], *, at: datetime = NOW) -> None:
    commit(org.w.counters.counting(org.name, at, amounts, zone="UTC", shard_by="x"))


def in_force(org: Org, **later: float) -> list[tuple[str, str]]:
    return [(stop.cause.key, stop.reason) for stop in stopped(org.w, org.name, now=NOW + timedelta(**later))]


def test_a_variant_of_which_most_mails_cannot_be_made_is_stopped_and_blamed_for_nothing_else(
    org: Org, notices: list[str]
) -> None:
    org.w.offers.put(org.name, an_offer(2042))
    nameless = [org.plan(org.add_person(first_name="")) for _ in range(11)]
    others = [org.plan(org.add_person(), offer=offer) for offer in ("1042", "2042", "2042")]
    assert org.execute([*nameless[:9], *others]).outcomes == {"content_incomplete": 9, "sent": 3}
    assert look(org)["stopped"] == []
    assert org.execute([*nameless[9:], nameless[0]]).outcomes == {"content_incomplete": 3}  # one of them told again
    verdict = look(org, 1)
    assert (verdict["trip"], verdict["warn"], verdict["stopped"]) == (False, True, ["variant#1042/standard"])
    assert notices == ["Revenue engine: variant 1042/standard is stopped"]
    shown = status(org.w, org.name, now=NOW)
    assert shown["findings"] == ["content_incomplete of variant 1042/standard: 0.916667, limit 0.5"]
    assert shown["stopped"]["variant#1042/standard"]["reason"] == "content_incomplete"
    assert org.execute([org.plan(org.add_person())]).outcomes == {"variant_stopped": 1}
    assert look(org, 2)["stopped"] == []
    assert lift_stop(org.w, org.name, "variant#1042/standard", by="alex", now=NOW + timedelta(hours=1))
    assert look(org, 61) == {"trip": False, "warn": False, "reason": None, "stopped": [], "swept": 0}
    count(org, caused((900, {"complaints": 12}, BAD), *GOOD), at=NOW - timedelta(hours=1))
    assert look(org, 80)["stopped"] == ["offer#1042"]  # those hours speak of all causes as before


def test_variants_without_a_mail_are_none_of_the_stops_that_together_stop_everything(org: Org) -> None:
    for n in range(4):
        org.w.safety.stop(org.name, Stop(Cause("variant", f"1042/soft-{n}"), "content_incomplete", T - 60, None))
    count(org, caused((900, {"complaints": 12}, BAD), *GOOD))
    verdict = look(org)
    assert (verdict["trip"], verdict["stopped"]) == (False, ["offer#1042"])


def test_content_that_breaks_after_three_sound_days_stops_the_variant_within_the_minute(org: Org) -> None:
    for hours in range(1, 70):
        count(org, {"sent!1042/soft": 300, "sent": 300, "content_incomplete!1042/soft": 2}, at=NOW - timedelta(hours=hours))
    assert look(org)["stopped"] == []
    count(org, {"content_incomplete!1042/soft": 15_000}, at=NOW + timedelta(minutes=1))
    assert look(org, 1)["stopped"] == [SOFT]


@pytest.mark.parametrize("first", ["content", "complaints"])
def test_complaints_and_content_each_stop_a_variant_and_one_lift_lifts_both(org: Org, notices: list[str], first: str) -> None:
    counted = [UNMAKEABLE, COMPLAINED]
    for minute, amounts in enumerate(counted if first == "content" else counted[::-1]):
        count(org, amounts)
        assert look(org, minute)["stopped"] == [SOFT]
    assert look(org, 2)["stopped"] == []
    assert notices == ["Revenue engine: variant 1042/soft is stopped"] * 2
    reasons = {"complaint_rate_exceeded", "content_incomplete"}
    assert {reason for _, reason in in_force(org)} == reasons
    shown = status(org.w, org.name, now=NOW)["stopped"][SOFT]
    assert (set(shown["reason"].split(", ")), shown["since"], shown["until"]) == (reasons, NOW, None)
    assert in_force(org, days=8) == [(SOFT, "complaint_rate_exceeded")]  # a person lifts it
    assert lift_stop(org.w, org.name, SOFT, by="alex", now=NOW + timedelta(hours=2))
    assert in_force(org) == []
    assert not lift_stop(org.w, org.name, SOFT, by="alex", now=NOW + timedelta(hours=2))
    assert look(org, 121)["stopped"] == []  # what came before is judged, of both


def test_complaints_that_a_person_has_judged_stay_judged_when_the_variants_content_breaks(org: Org) -> None:
    count(org, COMPLAINED)
    assert look(org)["stopped"] == [SOFT]
    assert lift_stop(org.w, org.name, SOFT, by="alex", now=NOW + timedelta(minutes=61))
    count(org, UNMAKEABLE, at=NOW + timedelta(minutes=85))
    assert [look(org, minutes)["stopped"] for minutes in (86, 87, 120)] == [[SOFT], [], []]
    assert in_force(org) == [(SOFT, "content_incomplete")]


def test_lifting_one_stop_says_nothing_of_one_that_ended_before(org: Org) -> None:
    cause = Cause("variant", "1042/soft")
    org.w.safety.stop(org.name, Stop(cause, "bounce_rate_exceeded", T, T + 60))
    org.w.safety.stop(org.name, Stop(cause, "content_incomplete", T, T + 600))
    assert org.w.safety.lift(org.name, cause, by="alex", at=T + 120)
    assert {(freed.reason, freed.at) for freed in org.w.safety.freed(org.name, now=T + 120)} == {
        ("bounce_rate_exceeded", T + 60),
        ("content_incomplete", T + 120),
    }
