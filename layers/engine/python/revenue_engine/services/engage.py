"""Apply what a mailbox provider reports: timeline, outcome, row, evidence, counters; opt-outs at once (P2, P3)."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import Any

from revenue_engine.aws import names, observe
from revenue_engine.aws.dynamo import Expression, TransactionCancelled, commit
from revenue_engine.aws.items import Item
from revenue_engine.aws.queues import Message
from revenue_engine.aws.subscribers import row_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds, from_epoch
from revenue_engine.errors import BadInput, Contention
from revenue_engine.intake.human import judge
from revenue_engine.intake.ses import SesEvent, parse_event
from revenue_engine.records.causes import counted_by_cause, sent_by_cause
from revenue_engine.records.send import SendState, counted_when_sent
from revenue_engine.records.subscriber import Row, apply_conversion, apply_touch

log = logging.getLogger(__name__)

ATTEMPTS = 8
LOOK_AGAIN_SECONDS = 3_600
LONGEST_WINDOW_DAYS = 90  # of attribution, by the controls' own limit
# Notices of SNS and SES about the subscription itself, no event of any mail.
_HARMLESS = ("validation_notice", "not_a_notification")


def engage_message(w: Wiring, body: str, *, now: datetime) -> str:
    """One `engagement` message. Returns what it did, for the metrics.

    What cannot be parsed raises BadInput and ends in the dead-letter queue, where an alarm and a person wait: nothing is lost.
    """
    internal = _internal(body)
    if internal is not None:
        return _apply_conversion(w, internal)
    try:
        event = parse_event(body)
    except BadInput as bad:
        if bad.reason in _HARMLESS:
            return bad.reason
        raise
    if event.send_id is None:
        return "foreign"  # another sender of the same account
    send = w.sends.get(event.send_id)
    if send is None:
        raise LookupError(f"no outbox row {event.send_id} for a {event.kind} event")
    return apply_event(w, event, send, now=now)


def apply_event(w: Wiring, event: SesEvent, send: Item, *, now: datetime) -> str:
    """One event of one of our mails. Events come twice, late and out of order; applying one again changes nothing."""
    _settle(w, event, send)
    if event.kind == "send":
        return "send"
    if event.suppression_status is not None:
        # takes effect before anything is counted, and again on every repetition (P3)
        opt_out(w, send["org"], send["subscriber"], status=event.suppression_status, at=event.at, source=f"ses:{event.kind}")
    for _ in range(ATTEMPTS):
        touch, actions = _actions(w, event, send)
        if touch == "human_click":
            # interest is decided on while it is fresh; caps and gaps are the next decision's to keep
            w.subscribers.pull_forward(send["org"], send["subscriber"], at=epoch_seconds(event.at) + LOOK_AGAIN_SECONDS)
        try:
            commit(actions)
        except TransactionCancelled as cancelled:
            if cancelled.codes[0] == "ConditionalCheckFailed":
                _look_at_conversions(w, event, send)  # the last attempt may have died before it looked
                return "repeated"
            send = w.sends.get(send["pk"]) or send  # somebody wrote meanwhile: look again
            continue
        if touch in ("human_open", "human_click"):
            _look_at_conversions(w, event, send)
        if touch == "human_click":
            observe.count(names.METRIC_HUMAN_CLICKS, send["org"])
        return touch
    raise Contention(f"send {send['pk']} kept changing")


def _look_at_conversions(w: Wiring, event: SesEvent, send: Item) -> None:
    """A touch that comes to light after its conversion changes who gets credit: attribute reckons again."""
    if event.kind not in ("open", "click"):
        return
    until = event.at + timedelta(days=LONGEST_WINDOW_DAYS)
    later = w.timeline.between(send["org"], send["subscriber"], start=event.at, end=until)
    keys = dict.fromkeys(item["key"] for item in later if item["kind"] == "conversion")
    bodies = [json.dumps({"kind": "reattribute", "org": send["org"], "key": key}) for key in keys]
    if bodies:
        w.postbacks_queue.send([Message(body) for body in bodies])


def opt_out(w: Wiring, org: str, subscriber: str, *, status: str, at: datetime, source: str) -> None:
    """Subscriber first, since the claim looks there; then our suppression list, which outlives the subscriber."""
    person = w.subscribers.opt_out(org, subscriber, status=status, at=epoch_seconds(at), source=source)
    if person is not None:
        w.suppression.suppress(org, person["address_hash"], reason=status, at=epoch_seconds(at))


def _internal(body: str) -> Item | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) and document.get("kind") == "conversion_applied" else None


def _settle(w: Wiring, event: SesEvent, send: Item) -> None:
    """What the provider's event proves about the mail, whatever we believed (P2)."""
    to = event.settles_as
    if to is None or send["state"] in (SendState.SENT.value, to.value):
        return
    facts = {"message_id": event.message_id, "sent_at": epoch_seconds(event.mail_at)}
    counting: list[dict[str, Any]] = []
    if to is SendState.SENT:
        predicted = {name: send[name] for name in ("predicted_revenue_micros", "p_click", "p_conversion")}
        amounts = counted_when_sent(offer=send["offer"], policy=send["policy"], **predicted)
        zone = w.parameters.last_zone(send["org"])
        counting = w.counters.counting(
            send["org"], event.mail_at, amounts, zone=zone, shard_by=send["pk"], by_cause=sent_by_cause(send)
        )
    else:
        facts["reason"] = event.kind
    w.sends.move(send["pk"], org=send["org"], to=to, facts=facts, counting=counting)


def _actions(w: Wiring, event: SesEvent, send: Item) -> tuple[str, list[dict[str, Any]]]:
    """What the event was, and its writes. The first is the timeline's: it refuses a repetition."""
    org, subscriber, send_id = send["org"], send["subscriber"], send["pk"]
    delivered_at = from_epoch(send["delivered_at"]) if "delivered_at" in send else None
    facts: Item = {"send_id": send_id, "offer": send["offer"], "variant": send["variant"]}
    touch = event.kind
    counters: dict[str, int] = {}
    by_cause: dict[str, int] = {}
    outcome_first: dict[str, int] = {}
    outcome_add: dict[str, int] = {}
    evidence: tuple[datetime, dict[str, int]] | None = None
    guard: Expression | None = None
    at = epoch_seconds(event.at)
    match event.kind:
        case "delivery":
            counters, outcome_first = {"delivered": 1, f"delivered#{send['provider']}": 1}, {"delivered_at": at}
            evidence = (event.mail_at, {"deliveries": 1})
        case "open" | "click":
            verdict = judge(event, delivered_at=delivered_at)
            who = "human" if verdict.human else "machine"
            touch = f"{who}_{event.kind}"
            facts |= {"human": verdict.human, "human_probability": verdict.probability, "signs": list(verdict.signs)}
            counters, outcome_add = {f"{touch}s": 1}, {f"{touch}s": 1}
            if touch == "human_open" and "first_human_open_at" not in send:
                evidence = (event.mail_at, {"opens": 1})
                counters |= {"opened_mails": 1}
                guard = _not_yet("first_human_open_at")
            if verdict.human:
                outcome_first = {f"first_human_{event.kind}_at": at}
            if touch == "human_click" and "first_human_click_at" not in send:
                # conversions per click are counted per mail that was clicked, so a second click is no new trial
                evidence = (event.at, {"clicks": 1})
                counters |= {"clicked_mails": 1, f"clicked_mails@{send['offer']}": 1}
                guard = _not_yet("first_human_click_at")
        case "bounce":
            facts |= {"bounce_type": event.bounce_type, "bounce_subtype": event.bounce_subtype}
            outcome_first = {"bounced_at": at}
            counters = {"bounces": 1, f"bounces#{send['provider']}": 1} if event.counts_as_bounce else {"soft_bounces": 1}
            by_cause = counted_by_cause("bounces", send) if event.counts_as_bounce else {}
        case "complaint":
            facts |= {"feedback_type": event.feedback_type}
            if event.counts_as_complaint:
                counters, outcome_first = {"complaints": 1, f"complaints#{send['provider']}": 1}, {"complained_at": at}
                by_cause = counted_by_cause("complaints", send)
                evidence = (event.mail_at, {"complaints": 1})
            else:
                counters = {f"other_complaints#{event.feedback_type or event.complaint_subtype}": 1}
        case "subscription":
            counters = {"subscription_changes": 1}
        case _:
            counters, outcome_first = {f"{event.kind}s": 1}, {f"{event.kind}_at": at}
    actions = [w.timeline.recording(org, subscriber, at=event.at, kind=event.kind, event_id=event.dedupe_id, facts=facts)]
    actions += _row_actions(w, org, subscriber, touch=touch, at=at)
    if outcome_first or outcome_add:
        actions.append(w.sends.outcome(send_id, first=outcome_first, add=outcome_add, guard=guard))
    if evidence is not None:
        when, amounts = evidence
        arm = {"offer": send["offer"], "variant": send["variant"], "segment": send["segment"]}
        actions.append(w.offers.adding_evidence(org, day=f"{when:%Y-%m-%d}", amounts=amounts, **arm))
    if counters:
        # what a mail did to us counts in the hour it was sent: a rate has one cohort above and below its line
        when = event.mail_at if event.kind in ("bounce", "complaint") else event.at
        zone = w.parameters.last_zone(org)
        actions += w.counters.counting(org, when, counters, zone=zone, shard_by=event.dedupe_id, by_cause=by_cause)
    return touch, actions


def _not_yet(outcome: str) -> Expression:
    return Expression(condition="attribute_not_exists(#not_yet)", names={"#not_yet": outcome})


def _row_actions(w: Wiring, org: str, subscriber: str, *, touch: str, at: int) -> list[dict[str, Any]]:
    if touch not in ("delivery", "human_open", "machine_open", "human_click"):
        return []
    person = w.subscribers.get(org, subscriber)
    if person is None:  # erased: the mail's outcome still counts
        return []
    row = apply_touch(row_of(person), kind=touch, at=at)
    return [w.subscribers.writing_row(org, subscriber, row=row, read_version=person["version"], must_be_mailable=False)]


def _apply_conversion(w: Wiring, message: Item) -> str:
    """Attribute booked money for this person; the timeline item dedupes its repetitions."""
    org, subscriber, at = message["org"], message["subscriber"], from_epoch(message["at"])
    for _ in range(ATTEMPTS):
        person = w.subscribers.get(org, subscriber)
        if person is None:
            return "erased"
        row: Row = apply_conversion(
            row_of(person), at=message["at"], revenue_micros=message["revenue_micros"], conversions=message["conversions"]
        )
        try:
            commit(
                [
                    w.timeline.recording(org, subscriber, at=at, kind="row_conversion", event_id=message["dedupe"], facts={}),
                    w.subscribers.writing_row(org, subscriber, row=row, read_version=person["version"], must_be_mailable=False),
                ]
            )
        except TransactionCancelled as cancelled:
            if cancelled.codes[0] == "ConditionalCheckFailed":
                return "repeated"
            continue
        return "conversion_applied"
    raise Contention(f"the row of conversion {message['dedupe']} kept changing")
