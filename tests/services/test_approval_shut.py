"""A plan is not used up by an approval after which execute would mail nobody: it goes on waiting, and whoever approves it is told why."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from revenue_engine.aws import parameters
from revenue_engine.aws.items import Item
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.causes import Cause, Stop
from revenue_engine.services import approvals
from revenue_engine.services import breaker as breaking
from tests.e2e.house import ORG, House, house
from workbench.cli.connection import Connection
from workbench.cli.main import main

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=operator"}


def approve(made: House) -> tuple[int, dict[str, Any]]:
    """What the console answers."""
    answer = made.plane.http("POST", f"/console/{ORG}/approvals/{plan_of(made)['approval_id']}/approve", SIGNED)
    return answer.status, json.loads(answer.body)


def command(made: House, *arguments: str) -> str:
    """What the command line answers."""
    connection = Connection(ORG, made.plane.stage, clock=made.plane.clock.now)
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, list(arguments), obj=connection).output


def plan_of(made: House) -> Item:
    (plan,) = made.w.control.approvals(ORG)
    return plan


def breaker(state: str, **facts: Any) -> Callable[[House], None]:
    return lambda made: made.w.control.table.put({**(made.w.control.breaker(ORG) or {}), "state": state, **facts})


def stopped(*offers: str) -> Callable[[House], None]:
    def stop(made: House) -> None:
        for offer in offers:
            made.w.safety.stop(ORG, Stop(Cause("offer", offer), "bounce_rate_exceeded", epoch_seconds(made.now), None, "figures"))

    return stop


def canaries_alone(made: House) -> None:
    made.autonomy("canary")


BEFORE, AFTER = "2026-03-02T13:00:00.000Z", "2026-03-02T14:10:00.000Z"  # the plan's cycle is that of 14:00
SHUT: dict[str, tuple[Callable[[House], None], str]] = {
    "off": (lambda made: made.autonomy("off"), "autonomy_off"),
    "shadow": (lambda made: made.autonomy("shadow"), "autonomy_shadow"),
    "no canary is in it": (canaries_alone, "not_in_canary"),
    "open": (breaker("open"), "breaker_open"),
    "half open, and planned before": (breaker("half_open", trickle_since=AFTER, since=AFTER), "breaker_half_open"),
    "all of it stopped": (stopped("1001", "1002"), "offer_stopped"),
    "at night": (lambda made: made.controls(sending_hours_end=14), "outside_hours"),
    "not on Mondays": (lambda made: made.controls(enabled_weekdays=[1, 2]), "outside_hours"),
}


@pytest.mark.parametrize("case", SHUT)
def test_a_plan_of_which_nothing_may_leave_goes_on_waiting_and_says_why(case: str) -> None:
    shut, reason = SHUT[case]
    with house(3, autonomy="approval", by_hand=True, canary_share=0.0) as made:
        made.cycle()
        closed, now = made.w.control.breaker(ORG) or {}, made.now
        shut(made)
        status, said = approve(made)
        assert (status, said["error"]) == (409, reason)
        assert "still" in said["detail"]
        made.run(1)
        assert (plan_of(made)["status"], made.mails, made.reserved(), made.states()) == ("waiting", [], 0, [])

        made.w.control.table.put(closed)
        made.controls()
        made.autonomy("approval")
        for offer in ("1001", "1002"):
            breaking.lift_stop(made.w, ORG, f"offer#{offer}", by="ann", now=now)
        made.judge()
        made.run(1)
        assert approve(made) == (200, {"queued": 3, "outside_hours": 0})
        made.run(1)
        assert len(made.mails) == 3


@pytest.mark.parametrize(
    "opened",
    [
        lambda made: made.autonomy("full"),
        breaker("half_open", trickle_since=BEFORE, since=AFTER),  # the plan is the trickle
        stopped("999"),
    ],
)
def test_a_plan_of_which_execute_lets_something_leave_is_approved(opened: Callable[[House], None]) -> None:
    with house(3, autonomy="approval", by_hand=True) as made:
        made.cycle()
        opened(made)
        assert approve(made) == (200, {"queued": 3, "outside_hours": 0})
        made.run(1)
        assert len(made.mails) == 3


def test_who_approves_a_plan_is_told_for_how_many_of_it_it_is_night() -> None:
    with house(2, autonomy="approval", by_hand=True) as made:
        made.people(3, first=10, zone="Europe/Athens")  # two hours ahead
        made.cycle()
        made.controls(sending_hours_end=16)
        night = "3 of its readers are outside their sending hours now: approved now, their mails are dropped\n"
        plan = plan_of(made)
        assert plan["zones"] == {"UTC": 2, "Europe/Athens": 3}
        assert "zones" not in approvals.listed(made.w, ORG, now=made.now + timedelta(days=1))[0]
        assert command(made, "approvals", "show", plan["approval_id"]).endswith(night)
        assert command(made, "approvals", "approve", plan["approval_id"]) == f"5 sends queued\n{night}"
        made.run(1)
        assert (len(made.mails), made.drops()) == (2, {"outside_hours"})


def test_a_plan_that_noted_no_zones_is_not_asked_the_time_of_day() -> None:
    """As engines before wrote it."""
    with house(2, autonomy="approval", by_hand=True) as made:
        made.cycle()
        made.w.control.table.put({name: value for name, value in plan_of(made).items() if name != "zones"})
        made.controls(sending_hours_end=14)
        assert approve(made) == (200, {"queued": 2, "outside_hours": 0})


def test_a_routine_plan_whose_cycle_is_finished_when_the_switch_is_off_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    with house(5, autonomy="approval", by_hand=True, auto_approve_under_micros=10**12) as made:
        made.routine()
        put = made.w.control.put_approval

        def turned_off(self: object, org: str, approval_id: str, facts: Item) -> None:
            put(org, approval_id, facts)
            made.autonomy("off")

        monkeypatch.setattr(parameters, "MAX_AGE_SECONDS", 0)
        monkeypatch.setattr(type(made.w.control), "put_approval", turned_off)
        assert made.cycle()["outcome"] == "completed"
        plan = plan_of(made)
        assert (plan["status"], plan["not_routine"], made.mails, made.reserved()) == ("waiting", ["autonomy_off"], [], 0)
