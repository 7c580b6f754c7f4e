"""Understand a postback or a row of the report, and add what it says to the books (M1, M2)."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from revenue_engine.attribution.facts import Claim, Credit, Facts, arrived
from revenue_engine.attribution.ledger import Head, is_news, is_other_conversion, key_for
from revenue_engine.attribution.position import frozen_rate
from revenue_engine.aws.dynamo import TransactionCancelled
from revenue_engine.aws.items import Item
from revenue_engine.aws.timeline import touches_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import from_epoch
from revenue_engine.errors import BadInput, Contention
from revenue_engine.fx import rate_for
from revenue_engine.intake.everflow import (
    RawPostback,
    check_amount,
    check_replay,
    classify_sub1,
    most_transactions,
    understand_postback,
)
from revenue_engine.money import parse_currency
from revenue_engine.records.anomaly import Flag
from revenue_engine.records.controls import Controls
from revenue_engine.records.conversion import Arrival
from revenue_engine.records.offer import Offer
from revenue_engine.services import anomalies, anomaly_desk, quarantine
from revenue_engine.services.booking import add_facts, with_touches

log = logging.getLogger(__name__)

ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class _Understood:
    """An arrival with all that its booking needs."""

    arrival: Arrival
    said: Facts
    offer: Offer
    currency: str
    controls: Controls
    now: datetime


def attribute_message(w: Wiring, body: str, *, now: datetime) -> str:
    """One `postbacks` message. Returns what became of it: booked | already_booked | doubtful | quarantined, or of a touch
    reattributed | unchanged, or of an operator's verdict decided | unchanged.

    Raises on a broken world only: then the queue delivers again, and every step before was repeatable.
    """
    message = json.loads(body)
    if message.get("kind") == "reattribute":
        return reattribute(w, message["org"], message["key"], now=now)
    if message.get("kind") == "verdict":
        return anomaly_desk.decide_message(w, message, now=now)
    stored = w.postbacks.get(message["raw_key"])
    if stored is None:
        raise LookupError(f"raw postback {message['raw_key']} is not there")
    raw = RawPostback.from_json(stored.decode())
    try:
        if message["token_state"] != "ok":
            raise BadInput("token" if message["token_state"] == "unchecked" else "request", message["token_state"])
        arrival = _understand(w, raw)
        controls = w.parameters.controls(raw.org)
        result = book(w, arrival, controls=controls, now=now)
    except BadInput as bad:
        log.warning("quarantined %s: %s %s", raw.receipt_id, bad.field, bad.reason)
        quarantine.keep(w, raw, raw_key=message["raw_key"], field=bad.field, reason=bad.reason, detail=bad.detail, now=now)
        return "quarantined"
    if message.get("replay") and result != "doubtful":
        w.quarantine.release(raw.org, receipt_id=raw.receipt_id, received_at=raw.received_at)
    return result


def _understand(w: Wiring, raw: RawPostback) -> Arrival:
    """The offer says which sub carries our id."""
    arrival = understand_postback(raw)
    offer = w.offers.get(arrival.org, arrival.offer)
    return understand_postback(raw, sub_slot=offer.sub_slot) if offer and offer.sub_slot != "sub1" else arrival


def book(w: Wiring, arrival: Arrival, *, controls: Controls, now: datetime) -> str:
    """Books one arrival, from a postback or from the report. Raises BadInput for what an operator has to look at."""
    offer = w.offers.get(arrival.org, arrival.offer)
    if offer is None:
        raise BadInput("offer_id", "unknown_offer", arrival.offer)
    currency = parse_currency(arrival.currency or offer.currency, field="currency")
    check_amount(
        arrival,
        currency=currency,
        offer_currency=offer.currency,
        org_currency=controls.currency,
        rate=rate_for(controls, currency),
        max_payout_micros=controls.max_payout_micros,
        known_payout_micros=offer.payout_micros,
    )
    books = w.control.books_currency(arrival.org) or controls.currency
    rates = frozen_rate(controls, currency, books=books)
    said = replace(arrived(arrival, currency=currency), credit=_credit(w, arrival, offer), fx_rates=rates)
    understood = _Understood(arrival, said, offer, currency, controls, now)
    for attempt in range(ATTEMPTS):
        try:
            return _book_once(w, understood, again=attempt > 0)
        except TransactionCancelled:
            continue  # somebody booked under the same key meanwhile: look again
    raise Contention(f"ledger key {arrival.key} kept changing")


def reattribute(w: Wiring, org: str, key: str, *, now: datetime) -> str:
    """A touch came to light after its conversion was booked: the shares are reckoned again. reattributed | unchanged."""
    controls = w.parameters.controls(org)
    for _ in range(ATTEMPTS):
        read = w.ledger.head(key)
        if read is None or read.facts.credit is None:
            return "unchanged"
        facts = Facts(credit=_credit_of(w, org, read.facts.credit.send_id))
        try:
            change = add_facts(w, org, key, read, facts, controls=controls, source="touch", receipt_id="", now=now)
        except TransactionCancelled:
            continue
        return "reattributed" if change and change.entries else "unchanged"
    raise Contention(f"ledger key {key} kept changing")


def _book_once(w: Wiring, what: _Understood, *, again: bool) -> str:
    """One try on what the books say now. Raises TransactionCancelled when they moved under it, or the mail has too many clicks."""
    arrival, key, read, also = _slot(w, what.arrival)
    if what.said.credit is not None:
        also += _bind(w, arrival, what.said.credit, again=again)
    facts = _authenticated(read, what.said)
    flags: tuple[Flag, ...] = ()
    if read is None or is_news(read, facts):
        history = _history(w, arrival, facts.credit, what.controls)
        flags = anomalies.flags_for(
            w,
            arrival,
            key,
            credit=facts.credit,
            history=history,
            offer=what.offer,
            currency=what.currency,
            controls=what.controls,
        )
        facts = replace(facts, held_for=anomalies.held_for(flags), touches=tuple(touches_of(history)))
        also += anomalies.listing(w, arrival, key, flags, currency=what.currency, now=what.now)
    change = add_facts(
        w,
        arrival.org,
        key,
        read,
        facts,
        controls=what.controls,
        source=arrival.source,
        receipt_id=(arrival.source == "report" and arrival.conversion_id) or arrival.receipt_id,
        now=what.now,
        also=also,
        touches_known=read is None,
    )
    head = change.head if change else read
    assert head is not None
    if change and change.entries:
        anomalies.after_booking(w, arrival, key, flags, currency=what.currency)
        if _touched_meanwhile(w, arrival.org, head):
            reattribute(w, arrival.org, key, now=what.now)
    for claim in head.facts.doubtful:  # also one that stood until this arrival, which was received before it
        told = replace(arrival, source="postback", receipt_id=claim.receipt_id, received_at=claim.received_at)
        _list_doubtful(w, told, claim, head, what.now)
    standing = head.facts.standing
    for claim in what.said.claims:
        stands = standing and (claim.amount_micros, claim.currency) == (standing.amount_micros, standing.currency)
        if not stands and head.facts.reported is None:
            _list_doubtful(w, arrival, claim, head, what.now)
            return "doubtful"
    return "booked" if change and change.entries else "already_booked"


def _history(w: Wiring, arrival: Arrival, credit: Credit | None, controls: Controls) -> list[Item]:
    """The credited subscriber's timeline of the attribution window."""
    if credit is None:
        return []
    start = arrival.converted_at - timedelta(days=controls.attribution_window_days)
    return w.timeline.between(arrival.org, credit.subscriber, start=start, end=arrival.converted_at)


def _touched_meanwhile(w: Wiring, org: str, head: Head) -> bool:
    """A touch recorded while we booked may have looked for this conversion in vain: one of the two sees the other."""
    facts = head.facts
    if facts.credit is None:
        return False
    clicked = any(touch.send_id == facts.credit.send_id and touch.kind == "click" and touch.human for touch in facts.touches)
    if clicked and facts.credit.click_at is None:  # it came between our look at the mail and that at the timeline
        return True
    return is_news(head, with_touches(w, org, head, Facts(), head.rules))


def _slot(w: Wiring, arrival: Arrival) -> tuple[Arrival, str, Head | None, list[dict[str, Any]]]:
    """The arrival as it is booked, the key of its conversion, that key's head, and what else has to be remembered."""
    row = arrival.conversion_id if arrival.source == "report" else None
    if row:
        known = w.ledger.key_of_conversion(arrival.org, row)
        if known is not None:
            return arrival, known, w.ledger.head(known), []
    arrival, also = _resolve_event(w, arrival)
    for n in count():
        key = key_for(arrival, n)
        read = w.ledger.head(key)
        if not is_other_conversion(read, arrival):
            return arrival, key, read, [*also, *([w.ledger.naming_conversion(arrival.org, row, key)] if row else [])]
    raise AssertionError("unreachable")


def _authenticated(read: Head | None, said: Facts) -> Facts:
    """One conversion has one mail. A second authentic id under the same key is somebody else's link on this click."""
    known = read.facts.credit if read else None
    if known and said.credit and known.send_id != said.credit.send_id:
        raise BadInput("sub1", "transaction_of_another_mail")
    return said


def _bind(w: Wiring, arrival: Arrival, credit: Credit, *, again: bool) -> list[dict[str, Any]]:
    """A click is one mail's: every reader knows his own id, so an id proves nothing about somebody else's transaction.

    How many clicks a mail has is a condition of the transaction; it is read only when that was cancelled.
    """
    bound = w.ledger.mail_of(arrival.org, arrival.transaction_id)
    if bound is None:
        if again:
            check_replay(arrival, transactions=w.ledger.transactions_of(arrival.org, credit.send_id))
        return [
            w.ledger.binding(arrival.org, arrival.transaction_id, credit.send_id),
            w.ledger.counting_transaction(arrival.org, credit.send_id, most=most_transactions(arrival)),
        ]
    if bound != credit.send_id:
        raise BadInput("sub1", "transaction_of_another_mail")
    return []


def _resolve_event(w: Wiring, arrival: Arrival) -> tuple[Arrival, list[dict[str, Any]]]:
    """A postback knows an event's id, the report only its name: both must meet under one key (M2).

    Whoever comes first writes down which key the name stands for, in the transaction that books.
    """
    if arrival.kind != "event" or not arrival.event_name:
        return arrival, []
    name = arrival.event_name.replace("%", "%25").replace("#", "%23")  # `#` separates the parts of a key
    by_name = replace(arrival, event_id=f"name:{name}")
    known = w.ledger.event_key(by_name.key)
    if known is None:
        booked_as = arrival if arrival.event_id else by_name
        return booked_as, [w.ledger.naming_event(by_name.key, booked_as.key)]
    if not arrival.event_id:
        return replace(arrival, event_id=known.split("#", 3)[3]), []
    # Another id under a name already taken is another event, unless the name alone was known: then it belongs to the first id.
    if known == by_name.key and w.ledger.claimant_of(by_name.key) in (None, arrival.event_id):
        return by_name, [w.ledger.claiming_name(by_name.key, arrival.event_id)]
    return arrival, []


def _credit(w: Wiring, arrival: Arrival, offer: Offer) -> Credit | None:
    sub1 = classify_sub1(w.parameters.tracking_key(arrival.org), arrival.sub1, arrival.org)
    if sub1.status == "forged":
        raise BadInput("sub1", "forged_tracking_id")
    return None if sub1.send_id is None else _credit_of(w, arrival.org, sub1.send_id, offer)


def _credit_of(w: Wiring, org: str, send_id: str, known: Offer | None = None) -> Credit:
    send = w.sends.get(send_id)
    if send is None or send["org"] != org:
        raise BadInput("sub1", "unknown_send")
    mailed = known if known and known.offer == send["offer"] else w.offers.get(org, send["offer"])
    return Credit(
        send_id=send_id,
        subscriber=send["subscriber"],
        offer=send["offer"],
        variant=send["variant"],
        segment=send["segment"],
        campaign=send["campaign"],
        policy=send["policy"],
        evidence_currency=mailed.currency if mailed else "",
        claimed_at=from_epoch(send["claimed_at"]),
        click_at=from_epoch(send["first_human_click_at"]) if "first_human_click_at" in send else None,
        click_revision=send.get("first_click_revision", 0),
    )


def _list_doubtful(w: Wiring, arrival: Arrival, claim: Claim, head: Head, now: datetime) -> None:
    """Shows it to a person, every time: the last attempt may have died between the ledger and here."""
    booked = head.facts.standing
    assert booked is not None
    quarantine.keep_arrival(
        w,
        arrival,
        field="payout" if claim.currency == booked.currency else "currency",
        reason="contradicts_booked_amount",
        detail=f"{claim.amount_micros} micros {claim.currency}, booked are {booked.amount_micros} micros {booked.currency}",
        state="doubtful",
        now=now,
    )
