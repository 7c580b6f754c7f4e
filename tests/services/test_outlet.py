"""What the provider's account and the reader's mailbox provider allow (P1, D5): nothing more leaves, and the row says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from revenue_engine.aws import mailer, names
from revenue_engine.aws.dynamo import commit
from revenue_engine.aws.queues import Message, Queue
from revenue_engine.clock import epoch_seconds
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import send_messages
from revenue_engine.services.engage import engage_message, opt_out
from revenue_engine.services.execute import execute_message
from revenue_engine.services.outlet import SHARE_OF_RATE
from tests.builders import DAY, NOW, Org
from tests.ses_events import ses_event
from workbench.local.ses_recorder import Account, Fault


@pytest.fixture(autouse=True)
def _an_account_in_order(org: Org) -> Iterator[None]:
    org.w.mailer._accounts.clear()
    yield
    org.system.ses.account = Account()
    org.w.mailer._accounts.clear()


def plans(org: Org, n: int, **changes: Any) -> list[PlannedSend]:
    return [org.plan(org.add_person(), **changes) for _ in range(n)]


def used(org: Org, provider: str = "other", day: str = DAY) -> int:
    return int((org.w.control.table.get(org.name, f"warm_up#{day}#{provider}") or {"reserved": 0})["reserved"])


APART = names.MAIL_WORKERS / (10 * SHARE_OF_RATE)  # seconds, at ten mails a second of the account


def seconds_between(org: Org, n: int, faults: tuple[Fault | None, ...] = ()) -> list[float]:
    """Between the provider's calls for n mails of one message."""
    org.system.ses.account = Account(sends_per_second=10)
    times: list[datetime] = []
    clock, left = [NOW], iter(faults)

    def pause(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)

    def called(asked: object) -> Fault | None:
        times.append(clock[0])
        return next(left, None)

    org.system.ses.fault = called
    body = send_messages.encode(plans(org, n))
    execute_message(org.w, body, now=lambda: clock[0], remaining_millis=lambda: 300_000, pause=pause)
    return [(later - earlier).total_seconds() for earlier, later in pairwise(times)]


def test_each_worker_keeps_to_its_part_of_the_accounts_rate(org: Org) -> None:
    assert seconds_between(org, 4) == pytest.approx([APART] * 3, abs=1e-3)


def test_a_throttle_is_tried_again_at_once_and_the_rest_of_the_message_is_slower(org: Org) -> None:
    waited = seconds_between(org, 3, (None, Fault.THROTTLED, Fault.THROTTLED))
    # the throttled attempts are part of the wait for the next mail
    assert waited == pytest.approx([APART, 0.2, 0.5, 4 * APART - 0.7], abs=1e-3)


def mailed_slowly(org: Org, happens: Callable[[PlannedSend], object], *, remaining_millis: int = 300_000) -> Counter[str]:
    """Two mails of an account that may send one in twenty seconds, and what happens while the second waits."""
    org.system.ses.account = Account(sends_per_second=names.MAIL_WORKERS / (20 * SHARE_OF_RATE))
    both, clock = plans(org, 2), [NOW]

    def pause(seconds: float) -> None:
        assert seconds == pytest.approx(20)
        clock[0] += timedelta(seconds=seconds)
        happens(both[1])

    left = lambda: remaining_millis - int((clock[0] - NOW).total_seconds() * 1_000)  # noqa: E731
    body = send_messages.encode(both)
    return execute_message(org.w, body, now=lambda: clock[0], remaining_millis=left, pause=pause).outcomes


def test_who_opts_out_while_his_mail_waits_for_the_rate_is_not_mailed(org: Org) -> None:
    def leaves(plan: PlannedSend) -> None:
        opt_out(org.w, org.name, plan.subscriber, status="unsubscribed", at=NOW, source="test")

    assert mailed_slowly(org, leaves) == {"sent": 1, "opted_out": 1}
    assert len(org.mails) == 1


def test_the_breaker_that_opens_while_a_mail_waits_for_the_rate_stops_it(org: Org) -> None:
    opens = lambda plan: org.w.control.trip(org.name, reason="test", now=NOW)  # noqa: E731
    assert mailed_slowly(org, opens) == {"sent": 1, "breaker_open": 1}
    assert len(org.mails) == 1


def test_a_mail_that_would_wait_longer_than_the_worker_lives_goes_back_unclaimed(org: Org) -> None:
    assert mailed_slowly(org, lambda plan: None, remaining_millis=30_000) == {"sent": 1}
    (body,) = org.drained(names.SENDS_QUEUE_URL)
    (plan,) = send_messages.decode(body)
    assert org.w.sends.get(plan.send_id) is None


# --- the velocity --------------------------------------------------------------------------------------------------------
def sent_at(org: Org, planned: list[PlannedSend], seconds: int) -> tuple[dict[str, int], int]:
    report = org.execute(planned, now=NOW + timedelta(seconds=seconds))
    return dict(report.outcomes), report.requeued


def test_a_backlog_leaves_at_the_velocity_whichever_worker_and_provider_it_is_of(org: Org) -> None:
    org.set_controls(sends_per_minute=10)
    waiting = [plans(org, 5, provider=provider) for _ in range(3) for provider in ("gmail", "other")]
    assert [sent_at(org, planned, 10 * i) for i, planned in enumerate(waiting[:3])] == [
        ({"sent": 5}, 0),
        ({"sent": 5}, 0),
        ({}, 5),
    ]
    assert sent_at(org, waiting[3], 59) == ({}, 5)
    assert [sent_at(org, planned, 60) for planned in waiting[2:5]] == [({"sent": 5}, 0), ({"sent": 5}, 0), ({}, 5)]
    assert len(org.mails) == 20


def left_from(org: Org, seconds: int, n: int) -> list[datetime]:
    """When n mails of one message leave that is begun so many seconds after the minute, one a second."""
    org.system.ses.account = Account(sends_per_second=names.MAIL_WORKERS / SHARE_OF_RATE)
    clock, times = [NOW + timedelta(seconds=seconds)], list[datetime]()

    def pause(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)

    def called(asked: object) -> None:
        times.append(clock[0])

    org.system.ses.fault = called
    body = send_messages.encode(plans(org, n))
    execute_message(org.w, body, now=lambda: clock[0], remaining_millis=lambda: 300_000, pause=pause)
    return times


def test_what_is_in_hand_of_a_minute_does_not_leave_in_the_next_beside_that_one_s(org: Org) -> None:
    org.set_controls(sends_per_minute=10)
    left = Counter(at.minute - NOW.minute for seconds in (58, 60) for at in left_from(org, seconds, 10))
    assert left == {0: 2, 1: 10}
    assert org.w.control.reserved(org.name, f"minute#{NOW + timedelta(minutes=1):%Y-%m-%dT%H:%M}") == 10


def test_the_rest_of_a_minute_comes_with_the_next(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    org.set_controls(sends_per_minute=10)
    queued: list[Message] = []
    monkeypatch.setattr(Queue, "send", lambda queue, messages: queued.extend(messages))
    planned = plans(org, 12)
    assert sent_at(org, planned, 20) == ({"sent": 10}, 2)
    assert [(message.delay_seconds, send_messages.decode(message.body)) for message in queued] == [(40, planned[10:])]


def test_a_velocity_that_has_braked_holds_for_mails_planned_before(org: Org) -> None:
    braked = {"sends_per_minute": 10, "begins_at": 100, "cycle_id": "c", "stepped_at": 0}
    org.w.control.keep_velocity(org.name, braked, before=100, now=NOW)
    assert sent_at(org, plans(org, 12), 0) == ({"sent": 10}, 2)


def test_what_does_not_leave_takes_nothing_of_the_minute_and_waits_for_none(org: Org) -> None:
    org.set_controls(sends_per_minute=10)
    strangers = [org.plan(f"{n:026d}") for n in range(9)]
    assert sent_at(org, strangers, 0) == ({"unknown_subscriber": 9}, 0)
    assert sent_at(org, plans(org, 10), 1) == ({"sent": 10}, 0)
    org.w.control.trip(org.name, reason="test", now=NOW)
    assert sent_at(org, plans(org, 3), 2) == ({"breaker_open": 3}, 0)


@pytest.mark.parametrize("account", [Account(enabled=False), Account(enforcement="SHUTDOWN"), Account(sends_per_second=0)])
def test_an_account_that_may_not_send_sends_nothing(org: Org, account: Account) -> None:
    org.system.ses.account = account
    planned = plans(org, 2)
    org.w.control.reserve(org.name, DAY, cycle_id="c", page=0, wanted=2, cap=10, expires_at=epoch_seconds(NOW))
    assert org.execute(planned).outcomes == {"provider_account_stopped": 2}
    assert (org.mails, org.reserved(), org.send(planned[0])["reason"]) == ([], 0, "provider_account_stopped")
    assert (org.w.control.breaker(org.name) or {})["failures_in_a_row"] == 1  # one a message: the judge opens the breaker


def test_an_account_that_nobody_can_read_sends_nothing(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(service: str) -> object:
        raise EndpointConnectionError(endpoint_url="https://email.example")

    monkeypatch.setattr(mailer, "client", broken)
    assert org.execute(plans(org, 1)).outcomes == {"provider_account_unreadable": 1}


def test_the_accounts_daily_quota_counts_what_other_workers_may_have_sent(org: Org) -> None:
    org.system.ses.account = Account(sends_per_day=1_000, sent_last_day=1_000 - 2 * names.MAIL_WORKERS)
    assert org.execute(plans(org, 4)).outcomes == {"sent": 2, "provider_daily_quota": 2}


def test_a_provider_that_does_not_know_us_gets_what_it_starts_with(org: Org) -> None:
    org.set_controls(warm_up_start_per_day=10)
    gmail = plans(org, 12, provider="gmail")
    assert org.execute(gmail[:6]).outcomes == {"sent": 6}
    assert used(org, "gmail") == 6  # what a message took and did not use went back
    assert org.execute(gmail[6:]).outcomes == {"sent": 4, "provider_warm_up": 2}
    assert org.execute(plans(org, 1, provider="yahoo")).outcomes == {"sent": 1}  # each provider by itself
    assert [org.send(plan)["state"] for plan in gmail[-2:]] == ["DROPPED"] * 2
    assert {org.send(plan)["reason"] for plan in gmail[-2:]} == {"provider_warm_up"}


def test_a_mail_that_was_not_claimed_uses_nothing_and_one_that_failed_does(org: Org) -> None:
    org.system.ses.fault = lambda asked: Fault.REJECTED
    known = plans(org, 2)
    assert org.execute([known[0], org.plan("a" * 26)]).outcomes == {"failed": 1, "unknown_subscriber": 1}
    assert used(org) == 1


def delivered(org: Org, day: datetime, n: int, name: str = "delivered") -> None:
    commit(org.w.counters.counting(org.name, day, {f"{name}#other": n}, zone="UTC", shard_by="x"))


def test_the_start_doubles_with_what_was_delivered_yesterday(org: Org) -> None:
    org.set_controls(warm_up_start_per_day=10)
    delivered(org, NOW - timedelta(days=1), 11)
    assert org.execute(plans(org, 24)).outcomes == {"sent": 22, "provider_warm_up": 2}


def test_a_provider_that_defers_our_mail_gets_half_of_yesterday(org: Org) -> None:
    delivered(org, NOW - timedelta(days=1), 30)
    delivered(org, NOW - timedelta(hours=1), 20, "deferrals")
    assert org.execute(plans(org, 17)).outcomes == {"sent": 15, "provider_warm_up": 2}


@pytest.mark.parametrize(
    ("delay", "counted"),
    [("SpamDetected", 1), ("IPFailure", 1), ("SendingDeferral", 1), ("MailboxFull", 0), ("TransientCommunicationFailure", 0)],
)
def test_a_delay_counts_as_a_deferral_where_it_is_about_us(org: Org, delay: str, counted: int) -> None:
    plan = org.mailed()
    engage_message(org.w, ses_event("ses-event-delivery-delay.json", plan, delayType=delay), now=NOW)
    assert (org.counters()["delivery_delays"], org.counters().get("deferrals#other", 0)) == (1, counted)
    (item,) = org.timeline(plan.subscriber)
    assert item["delay_type"] == delay
