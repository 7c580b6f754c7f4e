"""Whoever says no is not mailed again, whatever was decided before; nor is anybody when the org says no (P1, P2, P3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from revenue_engine import audit, ids
from tests.e2e.house import MINUTE, ORG, House, address, house
from workbench.local.ses_recorder import Fault, Mail
from workbench.simulation import events
from workbench.simulation.mail import Received

CYCLE = "20260302T1400"


def decided(made: House) -> None:
    """The cycle's plans are queued, and those of its first minute have left."""
    made.judge()
    assert made.plane.invoke("decide", {"org": ORG})["outcome"] == "completed"
    made.plane.settle()


def rest_of_the_cycle(made: House) -> None:
    for _ in range(4):
        made.run(4)
        made.judge()


def opt_out_path(made: House, subscriber: str) -> str:
    """The link that this cycle's mail to the person will carry."""
    key = made.w.parameters.tracking_key(ORG)
    send_id = ids.send_id(key, org=ORG, subscriber=subscriber, decision_id=audit.decision_id(CYCLE, subscriber))
    return f"/u/{ORG}/{ids.unsubscribe_token(key, org=ORG, subscriber=subscriber, send_id=send_id)}"


def test_an_opt_out_between_decision_and_mail_wins() -> None:
    with house(15, by_hand=True) as made:
        decided(made)
        (first,) = made.mails
        waiting = [each for each in made.everybody() if each["address"] != first.address]
        for each in waiting[:2]:
            assert made.plane.http("POST", opt_out_path(made, each["subscriber"])).status == 200
        made.watch(15)
        mailed = {mail.address for mail in made.mails}
        assert mailed == {each["address"] for each in made.everybody()} - {each["address"] for each in waiting[:2]}
        assert made.drops() == {"opted_out"}
        assert made.reserved() == 13  # what was not mailed is given back


def test_looking_at_the_link_opts_nobody_out() -> None:
    with house(15, by_hand=True) as made:
        decided(made)
        waiting = [each for each in made.everybody() if each["address"] != made.mails[0].address]
        for each in waiting:
            assert made.plane.http("GET", opt_out_path(made, each["subscriber"])).status == 200
        made.watch(15)
        assert len(made.mails) == 15


def _unsubscribe(made: House, mail: Received) -> None:
    assert made.unsubscribed(mail).status == 200


def _complain(made: House, mail: Received) -> None:
    made.publish(events.complaint(mail, mail.at + MINUTE, feedback_id="c"))


def _bounce(made: House, mail: Received) -> None:
    made.publish(events.bounce(mail, mail.at + MINUTE, permanent=True, feedback_id="b"))


@pytest.mark.parametrize(("says_no", "status"), [(_unsubscribe, "unsubscribed"), (_complain, "complained"), (_bounce, "bounced")])
def test_a_no_stays_for_ever_and_no_import_undoes_it(says_no: Callable[[House, Received], None], status: str) -> None:
    with house(2, by_hand=True) as made:
        made.cycle()
        gone = next(mail for mail in made.mails if mail.address == address(0))
        says_no(made, gone)
        person = made.person(made.send(gone)["subscriber"])
        assert (person["status"], person["consent_status"]) == (status, "withdrawn")
        assert "due_shard" not in person
        assert made.w.suppression.is_suppressed(ORG, person["address_hash"])
        assert made.people(2).outcomes == {"opted_out": 1, "unchanged": 1}
        made.run(26 * 60)
        made.cycle()
        assert [mail.address for mail in made.mails].count(address(0)) == 1
        assert [mail.address for mail in made.mails].count(address(1)) == 2


def test_a_full_mailbox_is_no_opt_out() -> None:
    with house(by_hand=True) as made:
        made.cycle()
        (mail,) = made.mails
        made.publish(events.bounce(mail, mail.at + MINUTE, permanent=False, feedback_id="b"))
        assert made.person(made.send(mail)["subscriber"])["status"] == "active"
        made.run(26 * 60)
        made.cycle()
        assert len(made.mails) == 2


def _switch_off(made: House) -> None:
    made.autonomy("off")


def _shadow(made: House) -> None:
    made.autonomy("shadow")


def _nonsense(made: House) -> None:
    made.autonomy("maybe")


def _trip(made: House) -> None:
    assert made.w.control.trip(ORG, reason="by hand", now=made.now)


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (_switch_off, "autonomy_off"),
        (_shadow, "autonomy_shadow"),
        (_nonsense, "autonomy_unreadable"),
        (_trip, "breaker_open"),
    ],
)
def test_the_orgs_no_reaches_what_is_queued(stop: Callable[[House], None], reason: str) -> None:
    with house(15, by_hand=True) as made:
        decided(made)
        assert len(made.mails) == 1
        stop(made)
        made.watch(15)
        assert len(made.mails) == 1
        assert made.drops() == {reason}
        assert made.reserved() == 1
        made.autonomy("off")
        assert made.cycle()["outcome"] == "autonomy_off"


def test_the_orgs_no_is_heard_within_one_messages_loop() -> None:
    with house(60, by_hand=True) as made:  # four to a minute, and so to a message

        def off_after_the_first(mail: Mail) -> None:
            if len(made.plane.ses.mails) == 1:
                made.autonomy("off")
            made.plane.clock.move_to(made.now + timedelta(seconds=20))  # each mail takes its time

        made.plane.ses.subscribers.append(off_after_the_first)
        decided(made)
        assert len(made.mails) == 1
        assert made.states() == ["DROPPED"] * 3 + ["SENT"]


def test_a_mail_of_unknown_fate_is_never_sent_again() -> None:
    with house(by_hand=True) as made:
        made.plane.ses.fault = lambda request: Fault.LOST_ANSWER
        made.cycle()
        assert made.states() == ["UNKNOWN"]
        made.plane.ses.fault = lambda request: None
        for _ in range(3):
            made.run(30)
            made.cycle()
        assert len(made.mails) == 1
        (mail,) = made.mails
        made.publish(events.send(mail))  # the provider's own word settles it
        assert made.states() == ["SENT"]
        assert made.counters()["sent"] == 1
