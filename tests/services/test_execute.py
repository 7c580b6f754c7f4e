"""A planned mail on its way out: what it looks like, and that it goes once (P1, P2)."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.items import Item
from revenue_engine.aws.subscribers import Subscribers
from revenue_engine.clock import cycle_id_at, epoch_seconds
from revenue_engine.records.send import PlannedSend
from revenue_engine.services import drops, send_messages
from revenue_engine.services.engage import engage_message, opt_out
from revenue_engine.services.judge import judge
from tests.builders import COUNTED_SENT, CYCLE, DAY, NOW, Org, parsed
from tests.ses_events import ses_event
from workbench.local.ses_recorder import Fault, Mail

T = epoch_seconds(NOW)


def header_lines(mail: Mail, name: str) -> list[str]:
    """Raw header lines by name; a folded one is not found whole."""
    head = mail.mime.split(b"\r\n\r\n", 1)[0].decode()
    return [line for line in head.split("\r\n") if line.startswith(f"{name}:")]


def fail_with(org: Org, *faults: Fault | None) -> None:
    """The provider's next answers; afterwards it is well again."""
    left: Iterator[Fault | None] = iter(faults)
    org.system.ses.fault = lambda request: next(left, None)


# --- the mail ---------------------------------------------------------------------------------------------------------
def test_a_mail_goes_to_one_person_through_our_set_with_our_tags(org: Org) -> None:
    plan = org.mailed(email="pat@recipient.example")
    (mail,) = org.mails
    assert (mail.sender, mail.recipients) == ("news@mail.example.com", ("pat@recipient.example",))
    assert mail.configuration_set == org.w.value(names.CONFIGURATION_SET)
    assert mail.tags == {"send_id": plan.send_id, "org": org.name, "offer": "1042", "campaign": plan.campaign}
    message = parsed(mail)
    assert (message["From"], message["To"]) == ("Daily Deals <news@mail.example.com>", "pat@recipient.example")
    assert (message["Subject"], message["Reply-To"]) == ("An offer for Pat", "hello@mail.example.com")


def test_the_one_click_headers_are_whole_and_lead_back_to_person_and_mail(org: Org) -> None:
    plan = org.mailed()
    (mail,) = org.mails
    assert header_lines(mail, "List-Unsubscribe-Post") == ["List-Unsubscribe-Post: List-Unsubscribe=One-Click"]
    (line,) = header_lines(mail, "List-Unsubscribe")
    found = re.fullmatch(r"List-Unsubscribe: <(https://[^<>\s]+)>", line)
    assert found is not None
    base, _, token = found[1].rpartition("/")
    assert base == f"{org.w.value(names.PUBLIC_BASE_URL)}/u/{org.name}"
    assert ids.verify_unsubscribe_token(org.key, token, org=org.name) == (plan.subscriber, plan.send_id)
    body = parsed(mail).get_body(("html",))
    assert body is not None
    assert f'<a ses:no-track href="{found[1]}">' in body.get_content()


def test_each_reader_has_a_link_of_his_own_that_carries_nothing_but_an_authentic_id(org: Org) -> None:
    plans = [org.plan(org.add_person()), org.plan(org.add_person())]
    org.execute(plans)
    subs = []
    for mail in org.mails:
        body = parsed(mail).get_body(("html",))
        text = parsed(mail).get_body(("plain",))
        assert body is not None
        assert text is not None
        (link,) = [html.unescape(u) for u in re.findall(r'href="([^"]+)"', body.get_content()) if "track.example" in u]
        assert link in text.get_content()
        query = parse_qs(urlsplit(link).query)
        assert query["sub2"] == ["c0412"]
        subs += query["sub1"]
    assert [ids.verify_tracking_id(org.key, sub, org=org.name) for sub in subs] == [plan.send_id for plan in plans]
    assert not any(plan.subscriber in sub for plan in plans for sub in subs)


def test_an_international_domain_travels_in_its_ascii_form(org: Org) -> None:
    org.mailed(email=ids.normalise_address("pat@bücher.example"))
    (mail,) = org.mails
    assert mail.recipients == ("pat@xn--bcher-kva.example",)
    assert parsed(mail)["To"] == "pat@xn--bcher-kva.example"


def test_a_sent_mail_is_on_record_with_its_claim_its_counter_and_its_gap(org: Org) -> None:
    plan = org.mailed()
    row = org.send(plan)
    assert (row["state"], row["sent_at"], row["message_id"]) == ("SENT", T, org.mails[0].message_id)
    assert row["org_day"] == f"{org.name}#{DAY}"
    assert names.ORG_STATE not in row
    assert (row["p_click"], row["propensity"], row["predicted_revenue_micros"]) == (0.05, 0.5, 50_000)
    assert org.counters() == COUNTED_SENT
    after = org.row(plan.subscriber)
    assert (after.last_send_at, after.recent_sends[0], after.recent_offers[0], after.sends) == (T, T, 1042, 1.0)


# --- once -------------------------------------------------------------------------------------------------------------
def paid_on(moment: datetime, *plans: PlannedSend) -> list[PlannedSend]:
    """The same plans, as if the budget of another day paid for them."""
    return [replace(plan, budget_day=f"{moment:%Y-%m-%d}") for plan in plans]


def test_a_plan_leaves_on_the_day_that_pays_for_it_or_never(org: Org) -> None:
    plan = org.plan(org.add_person())
    org.w.control.reserve(org.name, DAY, cycle_id="c", page=0, wanted=1, cap=10, expires_at=T)
    org.w.control.heartbeat(org.name, at=T + 86_400)
    assert org.execute([plan], now=NOW + timedelta(days=1)).outcomes == {"day_over": 1}
    assert (org.send(plan)["state"], org.send(plan)["reason"], org.reserved()) == ("DROPPED", "day_over", 0)
    assert org.reserved(f"{NOW + timedelta(days=1):%Y-%m-%d}") == 0  # its own day has it back, and no other


def test_a_redelivered_message_mails_nobody_twice(org: Org) -> None:
    plans = [org.plan(org.add_person()) for _ in range(3)]
    assert org.execute(plans).outcomes == {"sent": 3}
    later = NOW + timedelta(days=3)  # no gap stands in the way any more
    org.w.control.heartbeat(org.name, at=epoch_seconds(later))
    assert org.execute(paid_on(later, *plans), now=later).outcomes == {"already_claimed": 3}
    assert len(org.mails) == 3
    assert org.counters()["sent"] == 3


class Interrupted(Subscribers):
    """Something is committed between execute's read and its claim."""

    def __init__(self, org: Org, meanwhile: Callable[[Org, str], object]) -> None:
        super().__init__(org.w.subscribers.table)
        object.__setattr__(self, "left", [lambda subscriber: meanwhile(org, subscriber)])

    def get(self, org: str, subscriber: str) -> Item | None:
        person = super().get(org, subscriber)
        left: list[Any] = vars(self)["left"]
        if left:
            left.pop()(subscriber)
        return person


def opts_out(org: Org, subscriber: str) -> None:
    opt_out(org.w, org.name, subscriber, status="unsubscribed", at=NOW, source="test")


def is_half_opted_out(org: Org, subscriber: str) -> None:
    Subscribers(org.w.subscribers.table).opt_out(org.name, subscriber, status="unsubscribed", at=T, source="test")


def withdraws_consent(org: Org, subscriber: str) -> None:
    person = Subscribers(org.w.subscribers.table).get(org.name, subscriber)
    assert person is not None
    org.w.subscribers.table.put(person | {"consent_status": "withdrawn"})


@pytest.mark.parametrize(
    ("meanwhile", "reason"), [(opts_out, "suppressed"), (is_half_opted_out, "opted_out"), (withdraws_consent, "no_consent")]
)
def test_an_opt_out_committed_between_read_and_claim_wins(org: Org, meanwhile: Callable[[Org, str], object], reason: str) -> None:
    plan = org.plan(org.add_person())
    vars(org.w)["subscribers"] = Interrupted(org, meanwhile)
    assert org.execute([plan]).outcomes == {reason: 1}
    assert org.mails == []
    assert org.send(plan)["state"] == "DROPPED"
    assert org.row(plan.subscriber).last_send_at == 0


def test_an_engagement_written_between_read_and_claim_costs_a_second_look_and_no_mail(org: Org) -> None:
    earlier = org.plan(org.add_person(), decision="d0")
    org.execute([earlier])
    later = NOW + timedelta(days=2)
    org.w.control.heartbeat(org.name, at=epoch_seconds(later))
    click = ses_event("ses-event-click.json", earlier)
    vars(org.w)["subscribers"] = Interrupted(org, lambda o, s: engage_message(o.w, click, now=later))
    assert org.execute(paid_on(later, org.plan(earlier.subscriber)), now=later).outcomes == {"sent": 1}
    row = org.row(earlier.subscriber)
    assert row.sends == pytest.approx(2.0, abs=0.1)
    assert row.human_clicks == pytest.approx(1.0, abs=0.1)
    assert row.last_send_at == epoch_seconds(later)


def test_the_same_message_delivered_to_several_workers_at_once_mails_nobody_twice(org: Org) -> None:
    plans = [org.plan(org.add_person()) for _ in range(6)]
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: org.execute(plans), range(4)))
    assert sorted(mail.tags["send_id"] for mail in org.mails) == sorted(plan.send_id for plan in plans)
    assert sum(report.outcomes["sent"] for report in reports) == org.counters()["sent"] == 6
    assert {org.row(plan.subscriber).sends for plan in plans} == {1.0}


def test_a_crash_after_the_provider_took_the_mail_sends_no_second_and_the_event_tells_the_truth(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = org.plan(org.add_person())

    def crash(*arguments: object, **named: object) -> bool:
        raise ConnectionError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(type(org.w.sends), "move", crash)
        with pytest.raises(ConnectionError):
            org.execute([plan])
    assert org.send(plan)["state"] == "CLAIMED"
    later = NOW + timedelta(days=2)
    org.w.control.heartbeat(org.name, at=epoch_seconds(later))
    assert org.execute(paid_on(later, plan), now=later).outcomes == {"already_claimed": 1}
    assert len(org.mails) == 1
    judge(org.w, org=org.name, now=later)
    assert org.send(plan)["state"] == "UNKNOWN"
    engage_message(org.w, ses_event("ses-event-delivery.json", plan), now=later)
    assert org.send(plan)["state"] == "SENT"
    assert org.counters()["sent"] == 1


def test_a_worker_that_dies_ending_a_plan_gives_its_budget_back_once(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = [org.plan(org.add_person()) for _ in range(3)]
    org.w.control.reserve(org.name, DAY, cycle_id="c", page=0, wanted=3, cap=10, expires_at=T)
    fail_with(org, Fault.REJECTED)

    def killed(actions: object) -> None:
        raise ConnectionError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(drops, "commit", killed)
        with pytest.raises(ConnectionError):
            org.execute(plans[:1])
    assert (org.send(plans[0])["state"], org.reserved()) == ("CLAIMED", 3)  # whether it left is not known here: the sweep ends it
    org.set_autonomy("off")
    with monkeypatch.context() as patch:
        patch.setattr(drops, "commit", killed)
        with pytest.raises(ConnectionError):
            org.execute(plans[1:])
    assert org.reserved() == 3
    for _ in range(2):
        assert org.execute(plans[1:]).outcomes == {"autonomy_off": 2}
        assert org.reserved() == 1


def test_many_plans_end_together_and_those_that_ended_before_give_nothing_back_again(org: Org) -> None:
    org.set_autonomy("off")
    plans = [org.plan("a" * 26, decision=f"d{n}") for n in range(2 * drops.TOGETHER + 7)]
    org.w.control.reserve(org.name, DAY, cycle_id="c", page=0, wanted=len(plans), cap=1_000, expires_at=T)
    org.execute(plans[::3])
    assert org.execute(plans).outcomes == {"autonomy_off": len(plans)}
    assert org.reserved() == 0
    assert {org.send(plan)["reason"] for plan in plans} == {"autonomy_off"}
    assert org.counters() == {"dropped#autonomy_off": len(plans)}


# --- the provider -----------------------------------------------------------------------------------------------------
def test_a_mail_whose_answer_was_lost_is_unknown_never_mailed_again_and_settled_by_the_event(org: Org) -> None:
    plan = org.plan(org.add_person())
    org.w.control.reserve(org.name, DAY, cycle_id="c", page=0, wanted=1, cap=10, expires_at=T)
    fail_with(org, Fault.LOST_ANSWER)
    assert org.execute([plan]).outcomes == {"unknown": 1}
    row = org.send(plan)
    assert (row["state"], row["reason"], row[names.ORG_STATE]) == ("UNKNOWN", "ReadTimeoutError", f"{org.name}#UNKNOWN")
    assert org.reserved() == 1
    assert org.counters() == {}
    later = NOW + timedelta(days=2)
    org.w.control.heartbeat(org.name, at=epoch_seconds(later))
    org.execute([plan], now=later)
    assert len(org.mails) == 1
    engage_message(org.w, ses_event("ses-event-send.json", plan), now=later)
    assert org.send(plan)["state"] == "SENT"
    assert org.counters()["sent"] == 1


def test_a_throttled_mail_is_tried_again(org: Org) -> None:
    fail_with(org, Fault.THROTTLED, Fault.THROTTLED)
    org.mailed()
    assert len(org.mails) == 1


def test_a_mail_throttled_to_the_end_has_failed_and_gives_its_budget_back_once(org: Org) -> None:
    plan = org.plan(org.add_person())
    org.w.control.reserve(org.name, DAY, cycle_id="c", page=0, wanted=5, cap=10, expires_at=T)
    fail_with(org, *[Fault.THROTTLED] * 4)
    assert org.execute([plan]).outcomes == {"failed": 1}
    row = org.send(plan)
    assert (row["state"], row["reason"]) == ("FAILED", "TooManyRequestsException")
    org.execute([plan])
    assert org.reserved() == 4
    assert org.mails == []


def test_a_refused_mail_fails_and_the_next_goes_out(org: Org) -> None:
    fail_with(org, Fault.REJECTED)
    plans = [org.plan(org.add_person()), org.plan(org.add_person())]
    assert org.execute(plans).outcomes == {"failed": 1, "sent": 1}
    assert org.send(plans[0])["reason"] == "MessageRejected"


def test_a_provider_that_stops_us_stops_the_rest_of_the_message(org: Org) -> None:
    plans = [org.plan(org.add_person()) for _ in range(3)]
    fail_with(org, Fault.PAUSED)
    assert org.execute(plans).outcomes == {"failed": 1, "provider_account_stopped": 2}
    assert org.mails == []


def test_failures_in_a_row_stop_the_rest_of_the_message_before_the_judge_looks(org: Org) -> None:
    fail_with(org, Fault.REJECTED, None, *[Fault.REJECTED] * 50)  # a mail in between begins the count anew
    plans = [org.plan(org.add_person()) for _ in range(10)]
    assert org.execute(plans).outcomes == {"failed": 6, "sent": 1, "consecutive_failures": 3}
    assert (org.w.control.breaker(org.name) or {})["failures_in_a_row"] == 5
    assert judge(org.w, org=org.name, now=NOW)["reason"] == "consecutive_failures"


def test_a_provider_that_stops_every_message_is_noticed_by_the_judge(org: Org) -> None:
    for _ in range(5):
        fail_with(org, Fault.PAUSED)
        org.execute([org.plan(org.add_person()), org.plan(org.add_person())])
    assert (org.w.control.breaker(org.name) or {})["failures_in_a_row"] == 5
    org.set_autonomy("off")
    org.execute([org.plan(org.add_person())])  # no attempt, so no success either
    assert (org.w.control.breaker(org.name) or {})["failures_in_a_row"] == 5
    org.set_autonomy("full")
    org.mailed()
    assert (org.w.control.breaker(org.name) or {})["failures_in_a_row"] == 0


# --- whoever counts first ---------------------------------------------------------------------------------------------
def test_a_mail_is_counted_once_when_the_send_event_overtakes_the_answer(org: Org) -> None:
    plan = org.plan(org.add_person())

    def event_first(request: Mapping[str, Any]) -> None:
        engage_message(org.w, ses_event("ses-event-send.json", plan), now=NOW)

    org.system.ses.fault = event_first
    assert org.execute([plan]).outcomes == {"sent": 1}
    assert org.send(plan)["state"] == "SENT"
    assert org.counters() == COUNTED_SENT


def test_a_mail_is_counted_once_when_the_send_event_comes_after(org: Org) -> None:
    plan = org.mailed()
    for _ in range(2):
        engage_message(org.w, ses_event("ses-event-send.json", plan), now=NOW)
    assert org.counters() == COUNTED_SENT


# --- time and budget --------------------------------------------------------------------------------------------------
def test_out_of_time_the_rest_goes_back_into_the_queue_and_is_mailed_later(org: Org) -> None:
    plans = [org.plan(org.add_person()) for _ in range(4)]
    left = iter([60_000, 60_000, 19_999])
    report = org.execute(plans, remaining_millis=lambda: next(left))
    assert (report.outcomes, report.requeued) == ({"sent": 2}, 2)
    (body,) = org.drained(names.SENDS_QUEUE_URL)
    assert send_messages.decode(body) == plans[2:]
    assert org.execute(send_messages.decode(body)).outcomes == {"sent": 2}
    assert {mail.tags["send_id"] for mail in org.mails} == {plan.send_id for plan in plans}


def test_the_switch_is_read_again_within_a_message(org: Org) -> None:
    plans = [org.plan(org.add_person()) for _ in range(3)]

    def switch_off(request: Mapping[str, Any]) -> None:
        org.set_autonomy("off")

    org.system.ses.fault = switch_off
    assert org.execute(plans).outcomes == {"sent": 1, "autonomy_off": 2}


def test_the_breaker_is_read_again_after_fifteen_seconds(org: Org) -> None:
    plans = [org.plan(org.add_person()) for _ in range(3)]
    org.w.control.heartbeat(org.name, at=T)
    seconds = 0

    def trip(request: Mapping[str, Any]) -> None:
        nonlocal seconds
        org.w.control.trip(org.name, reason="bounce_rate", now=NOW)
        seconds += 8

    org.system.ses.fault = trip
    assert org.execute(plans, now=lambda: NOW + timedelta(seconds=seconds)).outcomes == {"sent": 2, "breaker_open": 1}


def test_a_plan_dropped_after_midnight_takes_nothing_out_of_the_new_days_budget(org: Org) -> None:
    org.set_controls(zone="America/New_York", sending_hours_end=24)
    plan = org.plan(org.add_person(), budget_day="2026-03-04")
    org.w.control.reserve(org.name, "2026-03-05", cycle_id="next", page=0, wanted=10, cap=10, expires_at=T)
    after_midnight = NOW.replace(day=5, hour=5, minute=1)
    assert org.execute([plan], now=after_midnight).outcomes == {"breaker_stale": 1}
    assert org.reserved("2026-03-05") == 10


def test_the_cycle_a_plan_names_began_at_the_time_its_id_says() -> None:
    assert cycle_id_at(NOW + timedelta(minutes=14)) == CYCLE
    assert cycle_id_at(NOW + timedelta(minutes=15)) == "20260304T1015"


@pytest.mark.parametrize("rows", [1, 501, 1_200])
def test_messages_hold_one_minute_and_provider_and_at_most_five_hundred_rows(org: Org, rows: int) -> None:
    plans = [(n % 2, org.plan(f"{n:026d}", provider="gmail" if n % 3 else "other")) for n in range(rows)]
    messages = send_messages.messages(plans)
    back = [(message.delay_seconds // 60, plan) for message in messages for plan in send_messages.decode(message.body)]
    assert sorted(back, key=lambda p: p[1].subscriber) == plans
    for message in messages:
        inside = send_messages.decode(message.body)
        assert len(inside) <= 500
        assert len({plan.provider for plan in inside}) == 1
        assert len(message.body) < 256 * 1024
        arms = json.loads(message.body)["arms"]  # what an offer's mails share is written once
        assert [len(values) for values in arms.values()] == [1] * len(arms)


def test_minutes_run_from_the_cycles_beginning_and_not_from_the_queueing(org: Org) -> None:
    plans = [(minute, org.plan(f"{minute:026d}")) for minute in range(15)]
    delays = [message.delay_seconds for message in send_messages.messages(plans, late_seconds=250)]
    assert delays == [0] * 5 + [60 * minute - 250 for minute in range(5, 15)]
