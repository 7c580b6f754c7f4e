"""What the mails of each cycle came to, counted where it is booked, and shown beside what the cycle planned."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from revenue_engine.aws import names
from revenue_engine.aws.dynamo import commit
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.send import OF_CYCLE
from revenue_engine.services import approvals, cycle_inputs
from revenue_engine.services.cycle_results import cycle_results
from revenue_engine.services.engage import engage_message
from revenue_engine.services.judge import judge
from tests.builders import CYCLE, NOW, Org
from tests.e2e.house import MINUTE, ORG, House, house
from tests.ses_events import ses_event
from workbench.local.ses_recorder import Fault

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=operator"}


def shown(made: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(made.plane.http("GET", f"/console/{ORG}/status", SIGNED).body)["cycles"]
    return found


def outcomes(cycle: dict[str, Any]) -> dict[str, int]:
    return {outcome: cycle[outcome] for outcome in OF_CYCLE if cycle[outcome]}


def recounted(made: House, cycle_id: str) -> dict[str, int]:
    return Counter(row["state"].lower() for row in made.rows(names.SENDS_TABLE) if row["cycle_id"] == cycle_id)


def test_every_cycle_shows_what_became_of_its_mails() -> None:
    with house(9, by_hand=True) as made:
        report = made.cycle(minutes=0)
        for person in made.everybody()[:3]:
            made.w.subscribers.opt_out(ORG, person["subscriber"], status="unsubscribed", at=epoch_seconds(made.now), source="x")
        left = iter([None, Fault.REJECTED, None, Fault.LOST_ANSWER])
        made.plane.ses.fault = lambda request: next(left, None)
        made.watch(15)
        made.people(2, first=50)
        made.cycle()
        first, second = shown(made)
        assert outcomes(first) == recounted(made, first["cycle_id"]) == {"sent": 4, "failed": 1, "unknown": 1, "dropped": 3}
        assert outcomes(second) == recounted(made, second["cycle_id"]) == {"sent": 2}
        for name in ("started_at", "ended_at", "duration_seconds", "decided", "planned", "predicted_revenue_micros", "outcome"):
            assert first[name] == report[name], name
        assert first["planned"] == sum(outcomes(first).values())
        assert not [name for name in made.counters() if "~" in name]  # days hold none of it


def test_what_waits_for_a_person_is_counted_for_its_cycle_whenever_it_leaves() -> None:
    with house(5, autonomy="approval", by_hand=True) as made:
        made.cycle(minutes=60)
        (plan,) = approvals.listed(made.w, ORG, now=made.now)
        (waiting,) = shown(made)
        assert (waiting["planned"], outcomes(waiting)) == (5, {})
        made.controls(max_daily_emails=3)
        assert approvals.approve(made.w, ORG, plan["approval_id"], by="ann", now=made.now) == 3
        made.run(1)
        assert outcomes(shown(made)[0]) == {"sent": 3, "dropped": 2}


def test_a_cycle_without_an_end_and_one_at_off_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(2, autonomy="off", by_hand=True) as made:
        made.cycle()
        made.autonomy("full")
        made.judge()
        with monkeypatch.context() as patch:
            patch.setattr(cycle_inputs, "champion", None)
            assert made.plane.executor.invoke("decide", {"org": ORG}).error is not None
        assert [(cycle["outcome"], cycle["ended_at"], cycle["sent"]) for cycle in shown(made)] == [
            ("off", None, 0),
            ("not_ended", None, 0),
        ]


def test_a_message_that_comes_twice_counts_once_and_a_late_proof_counts_the_mail_as_sent(org: Org) -> None:
    plans = [org.plan(org.add_person()) for _ in range(3)]
    gone = org.plan("nobody")
    left = iter([Fault.LOST_ANSWER, Fault.REJECTED])
    org.system.ses.fault = lambda request: next(left, None)
    for _ in range(2):
        org.execute([*plans, gone])
    cycles = [{"sk": f"cycle#{CYCLE}"}]
    (counted,) = cycle_results(org.w, org.name, cycles, now=NOW)
    assert outcomes(counted) == {"sent": 1, "failed": 1, "unknown": 1, "dropped": 1}
    engage_message(org.w, ses_event("ses-event-send.json", plans[0]), now=NOW + 5 * MINUTE)
    (counted,) = cycle_results(org.w, org.name, cycles, now=NOW + timedelta(hours=1))
    assert outcomes(counted) == {"sent": 2, "failed": 1, "dropped": 1}


def test_every_mail_of_a_cycle_comes_to_one_outcome_whoever_settles_it(org: Org) -> None:
    """Claims whose worker died: one is swept, is dropped for being unknown too long, and proved sent at last; one the provider rejects;
    one whose proof comes at once. And one that the provider refused, and sent all the same."""
    lost, rejected, proved, refused = plans = [org.plan(org.add_person()) for _ in range(4)]
    org.system.ses.fault = lambda request: Fault.REJECTED
    org.execute([refused])
    commit([org.w.sends.claiming(plan, now=NOW, day="2026-03-04") for plan in plans[:3]])

    def after(hours: int) -> dict[str, int]:
        (cycle,) = cycle_results(org.w, org.name, [{"sk": f"cycle#{CYCLE}"}], now=NOW + timedelta(hours=hours))
        return outcomes(cycle)

    assert after(0) == {"failed": 1}
    for _ in range(2):
        engage_message(org.w, ses_event("ses-event-reject.json", rejected), now=NOW)
        engage_message(org.w, ses_event("ses-event-send.json", proved), now=NOW)
    assert after(0) == {"sent": 1, "failed": 2}
    for hours in (1, 2, 80):
        judge(org.w, org=org.name, now=NOW + timedelta(hours=hours))
        assert after(hours) == {"sent": 1, "failed": 2, "unknown": 1}
    assert org.send(lost)["state"] == "DROPPED"
    for plan in (lost, refused):
        engage_message(org.w, ses_event("ses-event-send.json", plan), now=NOW + timedelta(hours=81))
    assert after(81) == {"sent": 3, "failed": 1}


def test_the_last_eight_cycles_are_shown(org: Org) -> None:
    cycles = [{"sk": f"cycle#20260304T{hour:02d}00"} for hour in range(10)]
    assert [cycle["cycle_id"][-4:] for cycle in cycle_results(org.w, org.name, cycles, now=NOW)] == [
        f"{hour:02d}00" for hour in range(2, 10)
    ]
    assert cycle_results(org.w, org.name, [], now=NOW) == []
