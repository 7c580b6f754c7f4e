"""Which mails a mailbox provider put off or returned because of us: what warm-up and velocity brake for."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from revenue_engine.aws.sends import Sends
from revenue_engine.clock import epoch_seconds, iso_millis
from revenue_engine.pacing.window import HOURLY, delivery
from revenue_engine.records.send import PlannedSend
from revenue_engine.services.engage import engage_message
from revenue_engine.services.warm_up import allowances
from tests.builders import NOW, Org
from tests.ses_events import ses_event


def tell(org: Org, plan: PlannedSend, name: str, **changes: Any) -> str:
    return engage_message(org.w, ses_event(f"ses-event-{name}.json", plan, **changes), now=NOW)


def deferrals(org: Org) -> int:
    return org.counters().get("deferrals#other", 0)


def test_a_mail_is_deferred_once_however_often_and_after_whatever_other_delay_that_is_told(org: Org) -> None:
    """Twenty notices of one mail are no twenty mails that a provider wants less of."""
    plan, full_first = org.mailed(), org.mailed()
    for hours in range(1, 21):
        at = iso_millis(NOW + timedelta(hours=hours))
        tell(org, plan, "delivery-delay", delayType="SpamDetected", timestamp=at)
        tell(org, full_first, "delivery-delay", delayType="MailboxFull" if hours < 5 else "SpamDetected", timestamp=at)
    assert (org.counters()["delivery_delays"], org.counters()["deferrals#other"]) == (2, 2)
    row = org.send(full_first)
    assert (row["delivery_delay_at"], row["deferred_at"]) == (
        epoch_seconds(NOW + timedelta(hours=1)),
        epoch_seconds(NOW + timedelta(hours=5)),
    )


@pytest.mark.parametrize(
    ("delay", "bounce", "counted"),
    [
        ("SpamDetected", "General", 1),
        ("SpamDetected", "MailboxFull", 1),
        ("MailboxFull", "MailboxFull", 0),
        ("TransientCommunicationFailure", "AttachmentRejected", 0),
        ("RecipientServerError", "ContentRejected", 1),
        (None, "General", 1),  # blocked at once
        (None, "MessageTooLarge", 0),
    ],
)
def test_a_mail_that_is_put_off_and_then_returned_is_deferred_once_and_only_because_of_us(
    org: Org, delay: str | None, bounce: str, counted: int
) -> None:
    told = [("delivery-delay", {"delayType": delay})] if delay else []
    told.append(("bounce-transient", {"bounceSubType": bounce}))
    for order in (told, told[::-1]):
        before, plan = Counter(org.counters()), org.mailed()
        for name, changes in [*order, *order]:
            tell(org, plan, name, **changes)
        came = Counter(org.counters()) - before
        assert (came["deferrals#other"], came["soft_bounces"], came["delivery_delays"]) == (counted, 1, len(told) - 1)
        assert ("deferred_at" in org.send(plan)) == bool(counted)
    hours = org.w.counters.each_hour(org.name, since=NOW, until=NOW, only=HOURLY)
    by_hour = {datetime.fromisoformat(f"{hour}:00+00:00"): of for hour, of in hours.items()}
    seen = delivery(by_hour, stepped_at=NOW - timedelta(days=1), now=NOW + timedelta(hours=1))
    assert (seen.sent, seen.deferred) == (2, 2 * counted)


def test_two_deferrals_of_a_mail_that_meet_count_once(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, get = org.mailed(), Sends.get
    tell(org, plan, "delivery-delay", delayType="MailboxFull", timestamp=iso_millis(NOW))
    unaware = {**org.send(plan)}
    told = iter([unaware, unaware])
    monkeypatch.setattr(Sends, "get", lambda sends, send_id: next(told, None) or get(sends, send_id))
    for hours in (1, 2):
        tell(org, plan, "delivery-delay", delayType="SpamDetected", timestamp=iso_millis(NOW + timedelta(hours=hours)))
    assert (org.counters()["delivery_delays"], org.counters()["deferrals#other"]) == (1, 1)
    assert len(org.timeline(plan.subscriber)) == 3


REPLY = ("bounce-transient", {"bounceSubType": "General"})  # as SES tells an automatic reply, and a block alike
DELIVERED: tuple[str, dict[str, Any]] = ("delivery", {})
PUT_OFF = ("delivery-delay", {"delayType": "SpamDetected"})
FULL = ("delivery-delay", {"delayType": "MailboxFull"})


@pytest.mark.parametrize(
    ("told", "counted"),
    [((DELIVERED, REPLY), 0), ((DELIVERED, FULL, REPLY), 0), ((DELIVERED, PUT_OFF, REPLY), 1), ((DELIVERED, PUT_OFF), 1)],
    ids=["replied", "full_then_replied", "put_off_then_replied", "put_off"],
)
def test_what_comes_back_of_a_delivered_mail_is_no_deferral_in_whatever_order_that_is_told(
    org: Org, told: tuple[tuple[str, dict[str, Any]], ...], counted: int
) -> None:
    orders = list(permutations(told))
    for n, order in enumerate(orders, start=1):
        plan = org.mailed()
        for name, changes in [*order, *order]:
            tell(org, plan, name, **changes)
        tell(org, plan, "open")
        assert deferrals(org) == n * counted
        assert ("deferred_at" in org.send(plan)) == bool(counted)
    assert org.w.counters.hour_counters(org.name, since=NOW, until=NOW).get("deferrals#other", 0) == len(orders) * counted


@pytest.mark.parametrize("order", [(DELIVERED, REPLY), (REPLY, DELIVERED)])
def test_a_delivery_and_a_reply_that_meet_leave_no_deferral(
    org: Org, monkeypatch: pytest.MonkeyPatch, order: tuple[tuple[str, dict[str, Any]], ...]
) -> None:
    plan, get = org.mailed(), Sends.get
    unaware = {**org.send(plan)}
    told = iter([unaware, unaware])  # both have read the mail before either wrote
    monkeypatch.setattr(Sends, "get", lambda sends, send_id: next(told, None) or get(sends, send_id))
    for name, changes in order:
        tell(org, plan, name, **changes)
    assert deferrals(org) == 0
    assert "deferred_at" not in org.send(plan) and "delivered_at" in org.send(plan)


def test_automatic_replies_of_all_readers_take_nothing_of_what_their_provider_is_given(org: Org) -> None:
    for n in range(24):
        plan = org.mailed()
        for name, changes in (DELIVERED, REPLY) if n % 2 else (REPLY, DELIVERED):
            tell(org, plan, name, **changes)
    org.set_controls(warm_up_start_per_day=10)
    tomorrow = NOW.date() + timedelta(days=1)
    given = allowances(org.w, org.name, org.w.parameters.controls(org.name), day=tomorrow, providers=("other",))
    assert given == {"other": 48}


def test_a_return_that_ses_makes_nothing_of_is_no_deferral(org: Org) -> None:
    tell(org, org.mailed(), "bounce-transient", bounceType="Undetermined", bounceSubType="Undetermined")
    assert (deferrals(org), org.counters()["soft_bounces"]) == (0, 1)
