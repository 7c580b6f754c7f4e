"""The one-minute judge: sweep, verdict, trip, heartbeat last (P2, D5)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import changes, commit
from revenue_engine.aws.queues import Message
from revenue_engine.clock import epoch_seconds, iso_millis
from revenue_engine.errors import Refused
from revenue_engine.records.postmaster import PostmasterDay
from revenue_engine.records.send import PlannedSend, SendState
from revenue_engine.safety.health import STUCK_CLAIMS
from revenue_engine.services.breaker import close_by_hand, lift_stop, stopped
from revenue_engine.services.engage import engage_message
from revenue_engine.services.judge import judge, probe
from revenue_engine.services.status import status
from tests.builders import COUNTED_SENT, CYCLE, DAY, NOW, Org, an_offer
from tests.safety.counts import Group, caused
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
TOO_MANY = {"sent": 3_000, "bounces": 150}  # 5 %


def test_a_quiet_minute_is_a_heartbeat(org: Org) -> None:
    assert look(org, 3) == {"trip": False, "warn": False, "reason": None, "stopped": [], "swept": 0}
    assert (breaker(org)["state"], breaker(org)["judged_at"]) == ("closed", T + 180)
    assert executions(org) == []


def test_too_many_bounces_open_the_breaker_start_one_machine_and_stop_the_mail(org: Org, notices: list[str]) -> None:
    count(org, TOO_MANY)
    assert look(org)["reason"] == "bounce_rate_exceeded"
    assert notices == ["Revenue engine: warning: bounce_rate_exceeded, all mail is stopped"]
    state = breaker(org)
    assert (state["state"], state["reason"], state["tripped_at"], state["judged_at"]) == ("open", "bounce_rate_exceeded", T, T)
    assert len(executions(org)) == 1
    look(org, 1)
    assert len(executions(org)) == 1
    assert org.execute([org.plan(org.add_person())]).outcomes == {"breaker_open": 1}


def test_a_machine_that_never_signed_is_started_again_after_two_minutes_and_one_that_did_is_not(org: Org) -> None:
    count(org, TOO_MANY)
    look(org)
    look(org, 2)
    assert len(executions(org)) == 2
    org.w.control.table.put(breaker(org) | {"execution": "arn"})
    look(org, 4)
    assert len(executions(org)) == 2


def test_only_the_last_three_days_are_judged(org: Org) -> None:
    count(org, {"sent": 3_000, "bounces": 600}, at=NOW - timedelta(hours=74))
    assert look(org)["trip"] is False


def test_a_mild_rise_that_no_day_shows_is_seen_over_three_of_them(org: Org) -> None:
    for hours in range(-56, 0, 8):  # 0.15 % of 6,000 mails a day
        assert look(org, 60 * hours)["trip"] is False
        count(org, {"sent": 2_000, "heard": 2_000, "complaints": 3}, at=NOW + timedelta(hours=hours))
    assert look(org)["reason"] == "complaint_rate_exceeded"


def test_a_storm_is_seen_within_the_minute_and_what_comes_late_of_old_mails_within_the_quarter_of_an_hour(org: Org) -> None:
    count(org, {"sent": 3_000, "bounces": 10}, at=NOW - timedelta(hours=20))
    assert look(org, 1)["trip"] is False
    count(org, {"bounces": 140}, at=NOW - timedelta(hours=20))
    assert [look(org, minutes)["trip"] for minutes in (14, 15)] == [False, True]
    close_by_hand(org.w, org.name, by="alex", now=NOW + timedelta(minutes=15))
    count(org, TOO_MANY, at=NOW + timedelta(hours=1))
    assert look(org, 61)["trip"] is True


def test_who_closes_the_breaker_has_judged_what_came_before(org: Org) -> None:
    count(org, TOO_MANY)
    assert look(org)["trip"] is True
    close_by_hand(org.w, org.name, by="alex", now=NOW)
    assert [look(org, minutes)["trip"] for minutes in (1, 59, 61, 600)] == [False] * 4
    assert breaker(org)["state"] == "closed"


def test_who_closes_the_breaker_is_watched_from_that_moment_not_from_the_next_hour(org: Org) -> None:
    count(org, TOO_MANY)
    look(org)
    close_by_hand(org.w, org.name, by="alex", now=NOW + timedelta(minutes=5))
    assert look(org, 6)["trip"] is False
    count(org, {"sent": 1_000, "bounces": 60}, at=NOW + timedelta(minutes=10))
    assert look(org, 11)["reason"] == "bounce_rate_exceeded"


@pytest.mark.parametrize("state", ["closed", ""])
def test_who_closes_what_is_not_open_forgives_nothing(org: Org, state: str) -> None:
    count(org, {"sent": 3_000, "bounces": 60})
    org.w.control.note_failures(org.name, in_a_row=4, all_failed=True)
    org.w.control.table.update(org.name, "breaker", changes(set_={"state": state}) if state else changes(remove=["state"]))
    before = breaker(org)
    assert close_by_hand(org.w, org.name, by="alex", now=NOW) is False
    assert breaker(org) == before
    assert look(org, 1)["reason"] == "bounce_rate_exceeded"


def test_a_rising_rate_warns_once_an_hour_and_stays_to_be_seen(org: Org, notices: list[str]) -> None:
    count(org, {"sent": 3_000, "bounces": 60})
    for minutes in (0, 1, 59, 60):
        verdict = look(org, minutes)
        assert (verdict["warn"], verdict["trip"], verdict["reason"]) == (True, False, "bounce_rate_exceeded")
    assert notices == ["Revenue engine: warning: bounce_rate_exceeded"] * 2
    assert breaker(org)["state"] == "closed"
    (seen,) = status(org.w, org.name, now=NOW)["findings"]
    assert seen.startswith("bounce_rate_exceeded: 0.02, limit 0.01 (score")


def test_money_too_good_to_be_true_opens_the_breaker(org: Org) -> None:
    count(org, {"sent": 10, "reported_provisional_micros": 600_000_000, "reported_approved_micros": 400_000_001})
    assert look(org)["reason"] == "revenue_per_email_exceeded"


def test_after_a_person_closed_it_old_mails_money_is_not_held_against_few_new_ones(org: Org) -> None:
    count(org, {"sent": 1_000}, at=NOW - timedelta(hours=5))
    org.w.control.trip(org.name, reason="bounce_rate_exceeded", now=NOW)
    close_by_hand(org.w, org.name, by="alex", now=NOW)
    count(org, {"sent": 1, "reported_provisional_micros": 500_000_000}, at=NOW + timedelta(minutes=1))
    assert look(org, 2)["trip"] is False


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
            patch.setattr(type(org.w.counters), "settled_hours", broken)
        else:
            patch.setattr(type(org.w.sends), "in_state", broken)
        with pytest.raises(Refused):
            look(org, 6)
    assert breaker(org)["judged_at"] == T
    plan = org.plan(org.add_person())
    assert org.execute([plan], now=NOW + timedelta(minutes=6)).outcomes == {"breaker_stale": 1}


# --- the first remedy -------------------------------------------------------------------------------------------------
BAD = {"offer": "1042", "variant": "standard", "segment": "new", "provider": "yahoo"}
GOOD: list[Group] = [
    (2_500, {}, {"offer": "2042", "variant": "soft", "segment": segment, "provider": provider})
    for segment, provider in (("new", "yahoo"), ("clicker", "other"), ("quiet", "outlook"))
]


def test_a_bad_offer_is_stopped_at_once_and_nothing_else(org: Org, notices: list[str]) -> None:
    count(org, caused((900, {"complaints": 12}, BAD), *GOOD))
    org.w.offers.put(org.name, an_offer(2042))
    verdict = look(org)
    assert (verdict["trip"], verdict["stopped"]) == (False, ["offer#1042"])
    assert breaker(org)["state"] == "closed"
    assert notices == ["Revenue engine: offer 1042 is stopped"]
    plans = [org.plan(org.add_person(), offer=offer) for offer in ("1042", "2042")]  # queued before
    assert org.execute(plans).outcomes == {"offer_stopped": 1, "sent": 1}
    assert look(org, 1)["stopped"] == []  # once is enough, and its mails are held against nothing else
    shown = status(org.w, org.name, now=NOW)["stopped"]["offer#1042"]
    assert (shown["reason"], shown["until"]) == ("complaint_rate_exceeded", None)


def test_a_stopped_cause_is_let_go_by_a_person_and_begins_anew(org: Org) -> None:
    count(org, caused((900, {"complaints": 12}, BAD), *GOOD))
    look(org)
    assert lift_stop(org.w, org.name, "offer#1042", by="alex", now=NOW + timedelta(hours=2))
    assert not lift_stop(org.w, org.name, "offer#1042", by="alex", now=NOW + timedelta(hours=2))
    assert look(org, 121) == {"trip": False, "warn": False, "reason": None, "stopped": [], "swept": 0}
    count(org, caused((900, {"complaints": 12}, BAD)), at=NOW + timedelta(hours=2, minutes=2))
    assert look(org, 125)["stopped"] == ["offer#1042"]


def test_other_stops_end_by_themselves_after_a_week(org: Org) -> None:
    count(org, caused((900, {"bounces": 150}, BAD), *GOOD))
    look(org)
    after = NOW + timedelta(days=7)
    assert [len(stopped(org.w, org.name, now=at)) for at in (after - timedelta(seconds=1), after)] == [1, 0]


def test_gmails_own_figures_stop_gmail(org: Org) -> None:
    day = NOW - timedelta(days=2)
    for told in (day, day - timedelta(days=1)):
        commit(org.w.counters.counting(org.name, told, {"delivered#gmail": 4_000}, zone="UTC", shard_by="x"))
        org.w.safety.put_postmaster(org.name, PostmasterDay("mail.example.com", told.date(), 0.003), at=T)
    count(org, caused((1_000, {}, BAD | {"provider": "gmail"}), *GOOD))
    assert look(org)["stopped"] == ["provider#gmail"]
    shown = status(org.w, org.name, now=NOW)["postmaster"]
    assert (shown["newest_day"], shown["age_days"], shown["spam_ratio"]) == (day.date(), 2, 0.003)


def test_when_one_cause_after_another_goes_everything_stops(org: Org) -> None:
    count(org, caused(*[(4_000, {}, GOOD[n][2]) for n in range(3)]))
    told = []
    for minute, offer in enumerate(("1", "2", "3", "4", "5")):
        count(org, caused((900, {"complaints": 12}, BAD | {"offer": offer, "segment": f"s{offer}"})))
        told.append((look(org, minute)["stopped"], breaker(org)["state"]))
    assert told == [([f"offer#{n}"], "closed") for n in (1, 2, 3, 4)] + [([], "open")]


# --- the machinery ------------------------------------------------------------------------------------------------------
def test_many_stuck_claims_open_the_breaker(org: Org) -> None:
    for _ in range(STUCK_CLAIMS):
        claimed(org)
    assert look(org, 16)["reason"] == "stuck_claims"


def test_a_cycle_without_its_receipts_opens_the_breaker(org: Org) -> None:
    report = {"pages": 1, "decided": 3}
    org.w.control.finish_cycle(org.name, CYCLE, now=NOW, report=report)
    org.w.decisions.put(f"decisions/{org.name}/{DAY}/{CYCLE}/page-0000.ndjson.gz", b"")
    assert look(org, 1)["trip"] is False
    org.w.control.finish_cycle(org.name, CYCLE, now=NOW, report=report | {"pages": 2})
    assert look(org, 2)["reason"] == "decision_log_gap"


def test_missed_cycles_are_told_of_unless_nobody_wants_any(org: Org, notices: list[str]) -> None:
    org.w.control.finish_cycle(org.name, CYCLE, now=NOW, report={"pages": 0})
    assert [look(org, minutes)["reason"] for minutes in (29, 30, 45)] == [None, "cycles_missed", "cycles_missed"]
    assert notices == ["Revenue engine: warning: cycles_missed"]
    assert look(org, 61)["reason"] == "cycles_missed"
    assert notices[1:] == ["Revenue engine: critical: cycles_missed"]
    org.set_autonomy("off")
    assert look(org, 62)["reason"] is None


def test_a_queue_that_is_never_empty_is_told_of(org: Org) -> None:
    org.w.sends_queue.send([Message("{}")])
    assert [look(org, minutes)["reason"] for minutes in (0, 19, 20, 30)] == [None, None, "queue_too_old", "queue_too_old"]
    org.drained(names.SENDS_QUEUE_URL)
    assert look(org, 31)["reason"] is None


def test_an_old_model_is_told_of(org: Org) -> None:
    assert look(org, 14 * 24 * 60 - 1)["reason"] is None
    assert look(org, 14 * 24 * 60)["reason"] == "model_too_old"


@pytest.mark.parametrize(
    ("reasons", "trained_on_day", "told"),
    [
        (["too_few_clicks"], 14, None),
        (["too_few_clicks", "worse"], 1, None),
        (["rates_off"], 14, "model_too_old"),
        (["too_few_clicks"], 0, "model_too_old"),
    ],
)
def test_a_list_too_small_to_learn_from_has_no_old_model_while_training_runs(
    org: Org, reasons: list[str], trained_on_day: int, told: str | None
) -> None:
    at = iso_millis(NOW + timedelta(days=trained_on_day))
    org.w.bundles.put_report(org.name, "funnel", [], json.dumps({"at": at, "candidates": [{"reasons": reasons}]}).encode())
    assert look(org, 14 * 24 * 60)["reason"] == told


# --- half open, and the probe -----------------------------------------------------------------------------------------------
def half_open(org: Org, *, since: datetime, execution: str = "arn") -> None:
    org.w.control.table.put(
        breaker(org)
        | {"state": "half_open", "since": iso_millis(since), "trickle_since": iso_millis(since), "execution": execution}
    )


def asked(org: Org, minutes: float) -> dict[str, Any]:
    return probe(org.w, org=org.name, now=NOW + timedelta(minutes=minutes))


def test_the_probe_looks_at_the_trickle_alone(org: Org) -> None:
    count(org, TOO_MANY)
    look(org)
    half_open(org, since=NOW + timedelta(minutes=60))
    assert look(org, 61)["trip"] is False  # what tripped it is judged
    assert asked(org, 62) == {"healthy": False, "undecided": True, "human_needed": False, "reason": ""}
    count(org, {"sent": 40}, at=NOW + timedelta(minutes=70))
    assert asked(org, 90)["healthy"] is True


def test_a_bad_trickle_opens_the_breaker_anew_within_the_minute(org: Org) -> None:
    count(org, TOO_MANY)
    look(org)
    half_open(org, since=NOW + timedelta(minutes=60))
    look(org, 61)
    count(org, {"sent": 40, "bounces": 20}, at=NOW + timedelta(minutes=70))
    assert look(org, 71)["trip"] is True
    assert (breaker(org)["state"], breaker(org)["tripped_at"]) == ("open", T + 71 * 60)
    assert len(executions(org)) == 2


def test_later_trickles_of_one_trip_add_to_the_first(org: Org) -> None:
    count(org, TOO_MANY)
    look(org)
    for hour in (1, 2):
        half_open(org, since=NOW + timedelta(hours=hour))
        look(org, 60 * hour + 1)
        count(org, {"sent": 20}, at=NOW + timedelta(hours=hour, minutes=2))
    assert asked(org, 150)["healthy"] is True


def test_silence_about_mails_just_sent_closes_no_breaker_that_complaints_opened(org: Org) -> None:
    org.set_controls(human_closes_complaint_trips=False)
    count(org, {"sent": 4_000, "heard": 4_000, "complaints": 40})
    assert look(org)["reason"] == "complaint_rate_exceeded"
    half_open(org, since=NOW + timedelta(minutes=60))
    look(org, 61)
    count(org, {"sent": 2_000, "heard": 2_000}, at=NOW + timedelta(minutes=70))
    assert [asked(org, minutes)["healthy"] for minutes in (90, 6 * 60, 9 * 60)] == [False, False, True]


def test_the_probe_forgives_failures_in_a_row_once(org: Org) -> None:
    org.w.control.note_failures(org.name, in_a_row=9, all_failed=True)
    assert look(org)["reason"] == "consecutive_failures"
    half_open(org, since=NOW + timedelta(minutes=60))
    assert look(org, 61)["trip"] is False
    assert asked(org, 62)["undecided"] is True  # nothing left yet
    count(org, {"sent": 1}, at=NOW + timedelta(minutes=63))
    assert asked(org, 64)["healthy"] is True
    org.w.control.note_failures(org.name, in_a_row=5, all_failed=True)
    assert look(org, 65)["trip"] is True


def test_who_closes_the_breaker_forgives_the_failures_in_a_row(org: Org) -> None:
    org.w.control.note_failures(org.name, in_a_row=9, all_failed=True)
    assert look(org)["reason"] == "consecutive_failures"
    close_by_hand(org.w, org.name, by="alex", now=NOW)
    assert look(org, 1)["trip"] is False


# --- what a dead or a second machine leaves behind --------------------------------------------------------------------------
@pytest.mark.parametrize(("state", "patience"), [("open", 75), ("half_open", 45)])
def test_a_machine_that_died_on_the_way_leaves_mail_stopped_and_another_is_started(org: Org, state: str, patience: int) -> None:
    count(org, TOO_MANY)
    look(org)
    half_open(org, since=NOW)
    org.w.control.table.put(breaker(org) | {"state": state})
    look(org, patience)
    assert len(executions(org)) == 1
    look(org, patience + 1)
    assert (breaker(org)["state"], "execution" in breaker(org)) == ("open", False)
    assert len(executions(org)) == 2
    assert org.execute([org.plan(org.add_person())], now=NOW + timedelta(minutes=patience + 1)).outcomes == {"breaker_open": 1}


def test_a_trickle_whose_machine_died_lets_nothing_more_through_even_before_the_judge_sees_it(org: Org) -> None:
    half_open(org, since=NOW - timedelta(minutes=15))
    of_the_trickle = [org.plan(org.add_person()) for _ in range(2)]  # their cycle began at NOW
    assert org.execute(of_the_trickle[:1]).outcomes == {"sent": 1}
    org.w.control.heartbeat(org.name, at=T + 31 * 60)
    assert org.execute(of_the_trickle[1:], now=NOW + timedelta(minutes=31)).outcomes == {"breaker_stale": 1}


def test_what_was_planned_before_the_trickle_does_not_leave_in_it(org: Org) -> None:
    half_open(org, since=NOW + timedelta(minutes=1))
    assert org.execute([org.plan(org.add_person())], now=NOW + timedelta(minutes=2)).outcomes == {"breaker_half_open": 1}


def test_when_a_human_is_needed_no_machine_is_started_again(org: Org) -> None:
    count(org, {"sent": 3_000, "heard": 3_000, "complaints": 30})
    look(org)
    assert breaker(org)["human_needed"] is True
    org.w.control.table.put(breaker(org) | {"execution": "arn"})
    look(org, 600)
    assert (breaker(org)["state"], breaker(org)["execution"], len(executions(org))) == ("open", "arn", 1)


def test_of_two_trips_at_once_one_counts_and_mail_is_stopped(org: Org) -> None:
    count(org, TOO_MANY)
    with ThreadPoolExecutor(2) as pool:
        reasons = list(pool.map(lambda reason: org.w.control.trip(org.name, reason=reason, now=NOW), ("a", "b")))
    assert sorted(reasons) == [False, True]
    look(org)
    assert (breaker(org)["state"], len(executions(org))) == ("open", 1)


def test_of_two_trips_one_after_the_other_the_graver_counts(org: Org, notices: list[str]) -> None:
    count(org, TOO_MANY)
    look(org)
    assert breaker(org)["human_needed"] is False
    count(org, {"heard": 3_000, "complaints": 30})
    for minutes in (1, 2):
        look(org, minutes)
        assert (breaker(org)["state"], breaker(org)["human_needed"]) == ("open", True)
    assert breaker(org)["reason"] == "complaint_rate_exceeded"
    assert len(notices) == 2
