"""The one-minute judge: sweep, verdict, trip, heartbeat last (P2, D5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from revenue_engine.aws import names
from revenue_engine.aws.alerts import Alerts
from revenue_engine.aws.dynamo import commit
from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import Refused
from revenue_engine.records.send import PlannedSend, SendState
from revenue_engine.services.engage import engage_message
from revenue_engine.services.judge import judge, probe
from tests.builders import COUNTED_SENT, DAY, NOW, Org
from tests.ses_events import ses_event

T = epoch_seconds(NOW)


def look(org: Org, minutes: float = 0) -> dict[str, Any]:
    return judge(org.w, org=org.name, now=NOW + timedelta(minutes=minutes))


def count(org: Org, amounts: dict[str, int], *, at: datetime = NOW) -> None:
    commit(org.w.counters.counting(org.name, at, amounts, zone="UTC", shard_by="x"))


def breaker(org: Org) -> dict[str, Any]:
    found = org.w.control.breaker(org.name)
    assert found is not None
    return found


def executions(org: Org) -> list[str]:
    return [each.name for each in org.system.machines.executions if each.name.startswith(f"{org.name}-")]


@pytest.fixture
def notices(org: Org, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What people were told; nobody subscribes to the topic of an emulator."""
    told: list[str] = []
    tell = Alerts.tell

    def heard(self: Alerts, subject: str, message: str) -> None:
        tell(self, subject, message)
        told.append(subject)

    monkeypatch.setattr(Alerts, "tell", heard)
    return told


# --- the sweep --------------------------------------------------------------------------------------------------------
def claimed(org: Org) -> PlannedSend:
    plan = org.plan(org.add_person())
    commit([org.w.sends.claiming(plan, now=NOW, day=DAY)])
    return plan


def test_a_claim_nobody_settled_becomes_unknown_then_dropped_and_an_event_still_proves_it_sent(org: Org) -> None:
    plan = claimed(org)
    states = []
    # what has been unknown for days is looked at on the full hour
    for minutes in (15, 16, 17, 72 * 60 - 60, 72 * 60 + 59, 73 * 60):
        look(org, minutes)
        states.append(org.send(plan)["state"])
    assert states == ["CLAIMED", "UNKNOWN", "UNKNOWN", "UNKNOWN", "UNKNOWN", "DROPPED"]
    assert org.send(plan)["reason"] == "unknown_too_long"
    assert names.ORG_STATE not in org.send(plan)
    engage_message(org.w, ses_event("ses-event-send.json", plan), now=NOW)
    assert org.send(plan)["state"] == "SENT"
    assert org.counters() == COUNTED_SENT


def test_the_sweep_leaves_what_is_settled(org: Org) -> None:
    plan = org.mailed()
    assert look(org, 10_000)["swept"] == 0
    assert org.send(plan)["state"] == SendState.SENT.value


# --- the verdict ------------------------------------------------------------------------------------------------------
def test_a_quiet_minute_is_a_heartbeat(org: Org) -> None:
    assert look(org, 3) == {"trip": False, "warn": False, "reason": None, "swept": 0}
    assert (breaker(org)["state"], breaker(org)["judged_at"]) == ("closed", T + 180)
    assert executions(org) == []


def test_too_many_bounces_open_the_breaker_start_one_machine_and_stop_the_mail(org: Org) -> None:
    count(org, {"sent": 3_000, "bounces": 61})
    assert look(org)["reason"] == "bounce_rate"
    state = breaker(org)
    assert (state["state"], state["reason"], state["tripped_at"], state["judged_at"]) == ("open", "bounce_rate", T, T)
    assert len(executions(org)) == 1
    look(org, 1)
    assert len(executions(org)) == 1
    assert org.execute([org.plan(org.add_person())]).outcomes == {"breaker_open": 1}


def test_a_machine_that_never_signed_is_started_again_after_two_minutes_and_one_that_did_is_not(org: Org) -> None:
    count(org, {"sent": 3_000, "bounces": 61})
    look(org)
    look(org, 2)
    assert len(executions(org)) == 2
    org.w.control.table.put(breaker(org) | {"execution": "arn"})
    look(org, 4)
    assert len(executions(org)) == 2


def test_only_the_last_day_is_judged(org: Org) -> None:
    count(org, {"sent": 3_000, "bounces": 600}, at=NOW - timedelta(hours=26))
    assert look(org)["trip"] is False


def test_a_storm_is_seen_within_the_minute_and_what_comes_late_of_old_mails_within_the_quarter_of_an_hour(org: Org) -> None:
    count(org, {"sent": 3_000, "bounces": 10}, at=NOW - timedelta(hours=20))
    assert look(org, 1)["trip"] is False
    count(org, {"bounces": 51}, at=NOW - timedelta(hours=20))
    assert [look(org, minutes)["trip"] for minutes in (14, 15)] == [False, True]
    org.w.control.close_by_hand(org.name, by="alex", now=NOW + timedelta(minutes=15))
    count(org, {"sent": 3_000, "bounces": 61}, at=NOW + timedelta(hours=1))
    assert look(org, 61)["trip"] is True


def test_who_closes_the_breaker_has_judged_what_came_before(org: Org) -> None:
    count(org, {"sent": 3_000, "bounces": 61})
    assert look(org)["trip"] is True
    org.w.control.close_by_hand(org.name, by="alex", now=NOW)
    assert [look(org, minutes)["trip"] for minutes in (1, 59, 61, 600)] == [False] * 4
    assert breaker(org)["state"] == "closed"


def test_a_rising_rate_warns_once_an_hour(org: Org, notices: list[str]) -> None:
    count(org, {"sent": 3_000, "bounces": 40})
    for minutes in (0, 1, 59, 60):
        verdict = look(org, minutes)
        assert (verdict["warn"], verdict["trip"], verdict["reason"]) == (True, False, "bounce_rate")
    assert notices == ["Revenue engine: bounce_rate is rising"] * 2
    assert breaker(org)["state"] == "closed"


def test_money_too_good_to_be_true_opens_the_breaker(org: Org) -> None:
    count(org, {"sent": 10, "reported_provisional_micros": 600_000_000, "reported_approved_micros": 400_000_001})
    assert look(org)["reason"] == "revenue_per_email"


@pytest.mark.parametrize("what", ["controls", "counters", "sweep"])
def test_a_judge_that_fails_leaves_its_heartbeat_stale_and_so_stops_the_mail(
    org: Org, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise Refused("broken")

    with monkeypatch.context() as patch:
        if what == "controls":
            patch.setattr(type(org.w.parameters), "controls", broken)
        elif what == "counters":
            patch.setattr(type(org.w.counters), "settled_hour_counters", broken)
        else:
            patch.setattr(type(org.w.sends), "in_state", broken)
        with pytest.raises(Refused):
            look(org, 6)
    assert breaker(org)["judged_at"] == T
    plan = org.plan(org.add_person())
    assert org.execute([plan], now=NOW + timedelta(minutes=6)).outcomes == {"breaker_stale": 1}


# --- the probe --------------------------------------------------------------------------------------------------------
def test_the_probe_forgives_failures_in_a_row_once_and_rates_not(org: Org) -> None:
    org.w.control.note_failures(org.name, in_a_row=9, all_failed=True)
    assert look(org)["reason"] == "consecutive_failures"
    assert probe(org.w, org=org.name, now=NOW) == {"healthy": True, "human_needed": False, "reason": ""}
    count(org, {"sent": 3_000, "complaints": 4})
    assert probe(org.w, org=org.name, now=NOW) == {"healthy": False, "human_needed": True, "reason": "complaint_rate"}


def test_who_closes_the_breaker_forgives_the_failures_in_a_row(org: Org) -> None:
    org.w.control.note_failures(org.name, in_a_row=9, all_failed=True)
    assert look(org)["reason"] == "consecutive_failures"
    org.w.control.close_by_hand(org.name, by="alex", now=NOW)
    assert look(org, 1)["trip"] is False
