"""Apply what a mailbox provider reports: timeline, outcome, row, evidence, counters; opt-outs at once (P2, P3)."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from revenue_engine.aws.dynamo import Expression, TransactionCancelled, commit
from revenue_engine.aws.items import Item
from revenue_engine.aws.subscribers import ERASED, row_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds, from_epoch, utc_hour
from revenue_engine.errors import BadInput, Contention
from revenue_engine.intake.ses import SesEvent, parse_event
from revenue_engine.records.causes import counted_by_cause, sent_by_cause
from revenue_engine.records.send import NEXT_STATES, SendState, counted_as, counted_of_cycle, counted_when_sent
from revenue_engine.records.subscriber import Row, apply_conversion
from revenue_engine.services.touches import LOOK_AGAIN_SECONDS, SILENT_SECONDS, take_touch

log = logging.getLogger(__name__)

ATTEMPTS = 8
# Notices of SNS and SES about the subscription itself, no event of any mail.
_HARMLESS = ("validation_notice", "not_a_notification")


def engage_message(w: Wiring, body: str, *, now: datetime) -> str:
    """One `engagement` message. Returns what it did, for the metrics.

    What cannot be parsed raises BadInput and ends in the dead-letter queue, where an alarm and a person wait: nothing is lost.
    """
    internal = _internal(body)
    if internal is not None:
        return _apply_conversion(w, internal, now=now)
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
    if event.suppression_status is not None:
        # takes effect before anything is counted, and again on every repetition (P3)
        opt_out(w, send["org"], send["subscriber"], status=event.suppression_status, at=event.at, source=f"ses:{event.kind}")
    _settle(w, event, send)
    if event.kind == "send":
        return "send"
    if event.kind in ("delivery", "open", "click"):
        return take_touch(w, event, send, now=now)
    for _ in range(ATTEMPTS):
        try:
            commit(_actions(w, event, send))
        except TransactionCancelled as cancelled:
            if cancelled.codes[0] == "ConditionalCheckFailed":
                return "repeated"
            send = w.sends.get(send["pk"]) or send  # others wrote in the same places: once more
            continue
        return event.kind
    raise Contention(f"send {send['pk']} kept changing")


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
    row: Item | None = send
    while row and to is not None and to in NEXT_STATES[seen := SendState(row["state"])]:
        if _moved(w, event, row, seen=seen, to=to):
            return
        row = w.sends.get(send["pk"])  # somebody else moved it meanwhile; no state comes twice


def _moved(w: Wiring, event: SesEvent, send: Item, *, seen: SendState, to: SendState) -> bool:
    """The move, with what its cycle counts: the mail comes to one outcome, whatever it was counted as before."""
    facts = {"message_id": event.message_id, "sent_at": epoch_seconds(event.mail_at)}
    counted = counted_of_cycle(send["cycle_id"], to.value.lower())
    before = counted_as(seen, send.get("reason", ""))
    if before:
        counted |= counted_of_cycle(send["cycle_id"], before, -1)
    if to is SendState.SENT:
        predicted = {name: send[name] for name in ("predicted_revenue_micros", "p_click", "p_conversion")}
        amounts = counted_when_sent(offer=send["offer"], policy=send["policy"], **predicted)
        zone = w.parameters.last_zone(send["org"])
        by_cause = sent_by_cause(send) | counted
        counting = w.counters.counting(send["org"], event.mail_at, amounts, zone=zone, shard_by=send["pk"], by_cause=by_cause)
    else:
        facts["reason"] = event.kind
        counting = w.counters.hour(send["org"], utc_hour(event.mail_at), counted, shard_by=send["pk"])
    return w.sends.move(send["pk"], org=send["org"], to=to, facts=facts, counting=counting, seen=seen)


def _actions(w: Wiring, event: SesEvent, send: Item) -> list[dict[str, Any]]:
    """The writes of an event that no reader caused. The first is the timeline's: it refuses a repetition."""
    org, send_id, provider = send["org"], send["pk"], send["provider"]
    facts: Item = {"send_id": send_id, "offer": send["offer"], "variant": send["variant"]}
    counters: dict[str, int] = {}
    by_cause: dict[str, int] = {}
    outcome: dict[str, int] = {}
    marks: list[str] = []  # that the mail must not bear yet: what is counted once a mail
    evidence: dict[str, int] = {}
    at = epoch_seconds(event.at)
    match event.kind:
        case "bounce":
            facts |= {"bounce_type": event.bounce_type, "bounce_subtype": event.bounce_subtype}
            outcome = {"bounced_at": at}
            name = event.bounces_as
            counters = {name: 1, f"{name}#{provider}": 1}
            by_cause = counted_by_cause("bounces", send) if name == "bounces" else {}
            # a mail that was put off and then returned is one; of one that was delivered a reader's automatic reply came back
            if event.counts_as_deferral and not {"deferred_at", "delivered_at"} & send.keys():
                marks, outcome["deferred_at"], counters[f"deferrals#{provider}"] = ["deferred_at", "delivered_at"], at, 1
        case "complaint":
            facts |= {"feedback_type": event.feedback_type}
            if event.counts_as_complaint:
                counters, outcome = {"complaints": 1, f"complaints#{provider}": 1}, {"complained_at": at}
                by_cause = counted_by_cause("complaints", send)
                evidence = {"complaints": 1}
            else:
                counters = {f"other_complaints#{event.feedback_type or event.complaint_subtype}": 1}
        case "delivery_delay":
            facts |= {"delay_type": event.reason}
            outcome = {"delivery_delay_at": at}
            counts = {"delivery_delay_at": "delivery_delays"}
            if event.counts_as_deferral:  # the first notice may have been of another kind
                outcome["deferred_at"], counts["deferred_at"] = at, f"deferrals#{provider}"
            # SES tells of a delay again and again: a late mail is one late mail
            marks = [mark for mark in counts if mark not in send]
            counters = {counts[mark]: 1 for mark in marks}
        case "subscription":
            counters = {"subscription_changes": 1}
        case _:
            counters, outcome = {f"{event.kind}s": 1}, {f"{event.kind}_at": at}
    actions = [w.timeline.recording(org, send["subscriber"], at=event.at, kind=event.kind, event_id=event.dedupe_id, facts=facts)]
    if outcome:
        actions.append(w.sends.outcome(send_id, first=outcome, guard=_none_of(marks)))
    if evidence:
        arm = {"offer": send["offer"], "variant": send["variant"], "segment": send["segment"]}
        actions.append(w.offers.adding_evidence(org, day=f"{event.mail_at:%Y-%m-%d}", amounts=evidence, **arm))
    # what a mail did to us counts in the hour it was sent: a rate has one cohort above and below its line
    when = event.mail_at if event.kind in ("bounce", "complaint", "delivery_delay") else event.at
    zone = w.parameters.last_zone(org)
    return [*actions, *w.counters.counting(org, when, counters, zone=zone, shard_by=event.dedupe_id, by_cause=by_cause)]


def _none_of(marks: Sequence[str]) -> Expression | None:
    """The condition that a mail bears none of them yet."""
    condition = " AND ".join(f"attribute_not_exists(#m{i})" for i in range(len(marks)))
    return Expression(condition=condition, names={f"#m{i}": mark for i, mark in enumerate(marks)}) if marks else None


def _apply_conversion(w: Wiring, message: Item, *, now: datetime) -> str:
    """Attribute booked money for this person; the timeline item dedupes its repetitions."""
    org, subscriber, at = message["org"], message["subscriber"], from_epoch(message["at"])
    for _ in range(ATTEMPTS):
        person = w.subscribers.get(org, subscriber)
        if person is None or person["status"] == ERASED:
            return "erased"
        read = row_of(person)
        row: Row = apply_conversion(
            read, at=message["at"], revenue_micros=message["revenue_micros"], conversions=message["conversions"]
        )
        if row.last_conversion_at > read.last_conversion_at:  # an answer, as an open is
            again = message["at"] + LOOK_AGAIN_SECONDS
            w.subscribers.pull_forward(org, subscriber, at=again, now=epoch_seconds(now), if_beyond=SILENT_SECONDS)
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
