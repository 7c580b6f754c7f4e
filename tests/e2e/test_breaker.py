"""The breaker on the synthesised system: trip, cool down, trickle, probe; what a pause and a stop do to mail that is queued (P1, D5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from revenue_engine.aws import names
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.causes import Cause, Stop
from tests.e2e.house import MINUTE, ORG, House, address, house
from workbench.local.ses_recorder import Fault, Mail
from workbench.simulation import events

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=operator", "x-operator": "ann"}


def state(made: House) -> str:
    found = made.w.control.breaker(ORG)
    assert found is not None
    return str(found["state"])


def shown(made: House) -> str:
    """The breaker's own parameter."""
    name = names.breaker_parameter(made.w.stage, ORG)
    return str(made.plane.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def passed(made: House) -> list[str]:
    """The states of the only machine there was."""
    (execution,) = made.plane.machines.executions
    return [name for _, name in execution.history]


def tripped_by_failures(made: House) -> None:
    """The provider refuses a whole cycle, and is well again."""
    made.plane.ses.fault = lambda request: Fault.REJECTED
    made.cycle()
    assert (state(made), shown(made)) == ("open", "open")
    made.plane.ses.fault = lambda request: None


def test_a_complaint_storm_opens_the_breaker_and_only_a_person_closes_it() -> None:
    with house(15, by_hand=True) as made:
        made.cycle()
        for n, mail in enumerate(made.mails[:2]):
            made.publish(events.complaint(mail, mail.at + MINUTE, feedback_id=f"c{n}"))
        assert made.judge()["reason"] == "complaint_rate_exceeded"
        assert state(made) == "open"
        made.people(1, first=50)
        assert made.cycle()["outcome"] == "breaker_open"
        made.run(24 * 60)
        made.judge()
        assert (state(made), shown(made), passed(made)[-1]) == ("open", "open", "HumanNeeded")
        assert "HalfOpen" not in passed(made)
        assert len(made.mails) == 15

        assert made.plane.http("POST", f"/console/{ORG}/breaker/close", SIGNED).status == 200
        made.judge()
        assert (state(made), shown(made)) == ("closed", "closed")
        made.cycle()
        assert address(50) in {mail.address for mail in made.mails}


def test_half_open_lets_a_trickle_of_the_same_people_through_and_then_closes() -> None:
    with house(5, by_hand=True, trickle_share=0.25) as made:
        tripped_by_failures(made)
        made.people(60, first=100)
        assert made.cycle()["outcome"] == "breaker_open"
        made.watch(50)
        assert (state(made), shown(made), made.mails) == ("half_open", "half_open", [])
        made.watch(15 - made.now.minute % 15)  # the next cycle begins while it is half open
        first = made.cycle()
        assert first["outcome"] == "completed"
        assert 3 <= len(made.mails) == first["planned"] <= 30
        trickled = {mail.address for mail in made.mails}
        kept = [r for r in made.receipts() if r["reason"] == "breaker_half_open"]
        assert len(kept) + len(trickled) >= 60
        assert min(r["next_decision_at"] for r in kept) >= epoch_seconds(made.now) - 900 + 3_600
        made.watch(40)
        assert (state(made), shown(made), passed(made)[-1]) == ("closed", "closed", "Closed")
        assert made.w.parameters.autonomy(ORG).value == "full"  # the breaker never touches the operator's switch
        for _ in range(4):
            made.watch(60)
            made.cycle()
        assert len({mail.address for mail in made.mails}) >= 60


def test_without_a_mail_the_trickle_goes_on_and_nothing_closes() -> None:
    with house(5, by_hand=True) as made:
        tripped_by_failures(made)
        made.watch(6 * 60)
        assert (state(made), made.mails) == ("half_open", [])
        assert passed(made).count("GoOn") >= 8
        made.autonomy("off")
        made.people(1, first=50)
        assert made.cycle()["outcome"] == "autonomy_off"


def test_complaints_that_come_while_it_cools_down_keep_it_shut_until_a_person_comes() -> None:
    with house(15, by_hand=True, trickle_share=0.25) as made:
        made.cycle()
        before = len(made.mails)
        made.people(5, first=50)
        tripped_by_failures(made)
        for n, mail in enumerate(made.mails[:2]):
            made.publish(events.complaint(mail, mail.at + MINUTE, feedback_id=f"c{n}"))
        made.people(60, first=100)
        made.watch(3 * 60)
        assert (state(made), passed(made)[-1]) == ("open", "Superseded")
        assert made.cycle()["outcome"] == "breaker_open"
        assert len(made.mails) == before
        assert made.plane.http("POST", f"/console/{ORG}/breaker/close", SIGNED).status == 200
        made.judge()
        assert state(made) == "closed"


def test_a_trickle_that_fails_again_opens_the_breaker_within_a_minute() -> None:
    with house(5, by_hand=True, trickle_share=0.25) as made:
        tripped_by_failures(made)
        made.people(80, first=100)
        made.watch(61)
        made.watch(15 - made.now.minute % 15)
        made.plane.ses.fault = lambda request: Fault.REJECTED
        made.cycle()
        assert (state(made), made.mails) == ("open", [])
        old, new = made.plane.machines.executions
        made.watch(60)
        assert [name for _, name in old.history][-1] == "Superseded"
        assert (new.status, state(made)) == ("RUNNING", "half_open")


def test_a_judge_that_is_gone_and_a_machine_that_is_leave_mail_stopped() -> None:
    with house(5, by_hand=True, trickle_share=0.25) as made:
        tripped_by_failures(made)
        made.people(60, first=100)
        made.watch(61)
        assert state(made) == "half_open"
        (execution,) = made.plane.machines.executions
        execution.wake_at, execution.status = None, "ABORTED"
        made.run(30)  # nobody judges
        assert made.plane.invoke("decide", {"org": ORG})["outcome"] == "breaker_stale"
        made.judge()
        made.run(20)
        made.judge()
        assert state(made) == "open"
        assert len(made.plane.machines.executions) == 2
        assert made.mails == []


# --- a pause reaches what is queued -----------------------------------------------------------------------------------------
def _trip(made: House) -> None:
    assert made.w.control.trip(ORG, reason="by hand", now=made.now)


def _off(made: House) -> None:
    made.autonomy("off")


def _stop_offers(made: House) -> None:
    for offer in ("1001", "1002"):
        made.w.safety.stop(ORG, Stop(Cause("offer", offer), "by hand", epoch_seconds(made.now), None))


@pytest.mark.parametrize(
    ("pause", "reason"), [(_trip, "breaker_open"), (_off, "autonomy_off"), (_stop_offers, "offer_stopped")], ids=lambda p: str(p)
)
def test_a_pause_stops_queued_mail_within_a_minute_of_its_flag(pause: Callable[[House], None], reason: str) -> None:
    """Every mail takes eleven seconds, so a message's loop outlives the minute; the flag is written in the middle of the first one."""
    flagged: list[datetime] = []
    with house(150, by_hand=True) as made:

        def after_the_second(mail: Mail) -> None:
            if len(made.plane.ses.mails) == 2:
                pause(made)
                flagged.append(made.now)
            made.plane.clock.move_to(made.now + timedelta(seconds=11))

        made.plane.ses.subscribers.append(after_the_second)
        made.judge()
        assert made.plane.invoke("decide", {"org": ORG})["outcome"] == "completed"
        made.watch(16)
        (at,) = flagged
        late = [mail for mail in made.mails if mail.at > at + timedelta(seconds=60)]
        assert (late, 2 <= len(made.mails) <= 5) == ([], True)
        assert made.drops() == {reason}
        assert len(made.states()) == 150
