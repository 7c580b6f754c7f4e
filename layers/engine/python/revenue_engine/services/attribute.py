"""Understand a postback and book it: entry, allocations, counters, evidence, outcome and timeline in one transaction (M1, M2)."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from revenue_engine.attribution.ledger import AlreadyBooked, Booked, Doubtful, Head, OtherConversion, key_for, on_arrival
from revenue_engine.aws.dynamo import TransactionCancelled, commit
from revenue_engine.aws.items import Item
from revenue_engine.aws.queues import Message
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds, from_epoch
from revenue_engine.errors import BadInput, Contention
from revenue_engine.intake.everflow import RawPostback, check_amount, classify_sub1, understand_postback
from revenue_engine.money import parse_currency
from revenue_engine.records.controls import Controls
from revenue_engine.records.conversion import Arrival, Entry
from revenue_engine.records.send import Touch
from revenue_engine.services import quarantine

log = logging.getLogger(__name__)

ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Credit:
    """Whose click it was: the deterministic one, proven by `sub1`. All None for money that cannot be attributed."""

    send_id: str | None = None
    subscriber: str | None = None
    send: Item | None = None
    currency: str | None = None  # of the offer that was mailed: its evidence is kept in that one


def attribute_message(w: Wiring, body: str, *, now: datetime) -> str:
    """One `postbacks` message. Returns what became of it: booked | already_booked | doubtful | quarantined.

    Raises on a broken world only: then the queue delivers again, and every step before was repeatable.
    """
    message = json.loads(body)
    stored = w.postbacks.get(message["raw_key"])
    if stored is None:
        raise LookupError(f"raw postback {message['raw_key']} is not there")
    raw = RawPostback.from_json(stored.decode())
    try:
        if message["token_state"] != "ok":
            raise BadInput("token" if message["token_state"] == "unchecked" else "request", message["token_state"])
        arrival = understand_postback(raw)
        controls = w.parameters.controls(raw.org)
        result = book(w, arrival, controls=controls, now=now)
    except BadInput as bad:
        log.warning("quarantined %s: %s %s", raw.receipt_id, bad.field, bad.reason)
        quarantine.keep(w, raw, raw_key=message["raw_key"], field=bad.field, reason=bad.reason, detail=bad.detail, now=now)
        return "quarantined"
    if result != "doubtful":
        w.ledger.release(raw.org, receipt_id=raw.receipt_id, received_at=raw.received_at)
    return result


def book(w: Wiring, arrival: Arrival, *, controls: Controls, now: datetime) -> str:
    """Books one arrival, from a postback or from the report. Raises BadInput for what an operator has to look at."""
    offer = w.offers.get(arrival.org, arrival.offer)
    if offer is None:
        raise BadInput("offer_id", "unknown_offer", arrival.offer)
    check_amount(arrival, max_payout_micros=controls.max_payout_micros, known_payout_micros=offer.payout_micros)
    currency = parse_currency(arrival.currency or offer.currency, field="currency")
    credit = _credit(w, arrival)
    touches: list[Touch] = []
    if credit.subscriber is not None:
        start = arrival.converted_at - timedelta(days=controls.attribution_window_days)
        touches = w.timeline.touches(arrival.org, credit.subscriber, start=start, end=arrival.converted_at)
    for _ in range(ATTEMPTS):
        try:
            return _book_once(w, arrival, currency, credit, touches, controls, now)
        except TransactionCancelled:
            continue  # somebody booked under the same key meanwhile: look again
    raise Contention(f"ledger key {arrival.key} kept changing")


def _book_once(
    w: Wiring, arrival: Arrival, currency: str, credit: Credit, touches: list[Touch], controls: Controls, now: datetime
) -> str:
    """One try on what the books say now. Raises TransactionCancelled when they moved under it."""
    arrival, naming = _resolve_event(w, arrival)
    for n in count():
        key = key_for(arrival, n)
        read = w.ledger.head(key)
        outcome = on_arrival(
            read,
            arrival,
            currency=currency,
            subscriber=credit.subscriber,
            send_id=credit.send_id,
            touches=touches,
            controls=controls,
            booked_at=now,
            first=w.ledger.entries(key)[0] if read is not None else None,
        )
        match outcome:
            case OtherConversion():
                continue
            case Doubtful():
                _keep_doubtful(w, arrival, key, read, outcome, now)
                _list_doubtful(w, arrival, currency, outcome, now)
                return "doubtful"
            case AlreadyBooked():
                # The crash may have been between booking and telling: telling twice is harmless, not telling is not.
                for number, entry in enumerate(w.ledger.entries(key), start=1):
                    _tell_row(w, arrival.org, key, entry, number, controls)
                return "already_booked"
            case Booked():
                commit(_booking(w, arrival, key, credit, read, outcome, controls) + naming)
                _tell_row(w, arrival.org, key, outcome.entry, outcome.head.entries, controls)
                return "booked"
    raise AssertionError("unreachable")


def _resolve_event(w: Wiring, arrival: Arrival) -> tuple[Arrival, list[dict[str, Any]]]:
    """A postback knows an event's id, the report only its name: both must meet under one key (M2).

    Whoever comes first writes down which key the name stands for, in the transaction that books.
    """
    if arrival.kind != "event" or not arrival.event_name:
        return arrival, []
    by_name = replace(arrival, event_id=f"name:{arrival.event_name}")
    known = w.ledger.event_key(by_name.key)
    if known is None:
        booked_as = arrival if arrival.event_id else by_name
        return booked_as, [w.ledger.naming_event(by_name.key, booked_as.key)]
    # Another id under a name already taken is another event, unless the name alone was known when it was booked.
    if not arrival.event_id or known == by_name.key:
        return replace(arrival, event_id=known.split("#", 3)[3]), []
    return arrival, []


def _credit(w: Wiring, arrival: Arrival) -> Credit:
    sub1 = classify_sub1(w.parameters.tracking_key(arrival.org), arrival.sub1, arrival.org)
    if sub1.status == "forged":
        raise BadInput("sub1", "forged_tracking_id")
    if sub1.send_id is None:
        return Credit()
    send = w.sends.get(sub1.send_id)
    if send is None or send["org"] != arrival.org:
        raise BadInput("sub1", "unknown_send")
    mailed = w.offers.get(arrival.org, send["offer"])
    return Credit(sub1.send_id, send["subscriber"], send, mailed.currency if mailed else None)


def _booking(
    w: Wiring, arrival: Arrival, key: str, credit: Credit, read: Head | None, booked: Booked, controls: Controls
) -> list[dict[str, Any]]:
    """Every write that the entry stands for: all of them, or none (M2)."""
    org, head, entry, conversions = arrival.org, booked.head, booked.entry, booked.conversions
    amounts = {
        f"provisional_micros#{entry.currency}": entry.provisional_delta_micros,
        f"approved_micros#{entry.currency}": entry.approved_delta_micros,
        f"unattributed_micros#{entry.currency}": entry.unattributed_micros,
        "conversions": conversions,
    }
    per_offer = {f"{name}@{entry.offer}": value for name, value in amounts.items() if not name.startswith("unattributed")}
    counted = {name: value for name, value in (amounts | per_offer).items() if value}
    day = day_in(entry.booked_at, controls.zone).isoformat()
    actions = w.ledger.booking(key, read=read, head=head, entry=entry, org=org, day=day)
    if counted:
        actions.append(w.control.counting(org, entry.booked_at, counted, shard_by=key))
    if credit.send is None or credit.send_id is None or credit.subscriber is None:
        return actions
    actions.append(
        w.sends.outcome(credit.send_id, add={f"revenue_micros#{entry.currency}": entry.delta_micros, "conversions": conversions})
    )
    facts = {"send_id": credit.send_id, "offer": entry.offer, "currency": entry.currency, "delta_micros": entry.delta_micros}
    event_id = hashlib.sha256(f"{key}#{head.entries}".encode()).hexdigest()[:16]
    actions.append(
        w.timeline.recording(org, credit.subscriber, at=entry.converted_at, kind="conversion", event_id=event_id, facts=facts)
    )
    click_at = credit.send.get("first_human_click_at") or credit.send["claimed_at"]
    actions.append(
        w.offers.adding_evidence(
            org,
            day=f"{from_epoch(click_at):%Y-%m-%d}",
            offer=credit.send["offer"],
            variant=credit.send["variant"],
            segment=credit.send["segment"],
            # M1: two currencies are never added up
            amounts={"conversions": conversions, "conversion_micros": _in_currency(entry, credit.currency)},
        )
    )
    return actions


def _in_currency(entry: Entry, currency: str | None) -> int:
    """The entry's amount in this currency, micros: 0 when it is money of another."""
    return entry.delta_micros if entry.currency == currency else 0


def _tell_row(w: Wiring, org: str, key: str, entry: Entry, number: int, controls: Controls) -> None:
    """The subscriber's row is engage's to write; it dedupes by ledger key and entry number.

    The row holds money of the org's currency alone (M1); a conversion in another one is counted, and its money is in the ledger.
    """
    if entry.subscriber is None:
        return
    body = {
        "kind": "conversion_applied",
        "org": org,
        "subscriber": entry.subscriber,
        "at": epoch_seconds(entry.converted_at),
        "revenue_micros": _in_currency(entry, controls.currency),
        "conversions": 1 if number == 1 else 0,
        "dedupe": hashlib.sha256(f"{key}#{number}#row".encode()).hexdigest()[:16],
    }
    w.engagement_queue.send([Message(json.dumps(body))])


def _keep_doubtful(w: Wiring, arrival: Arrival, key: str, read: Head | None, doubtful: Doubtful, now: datetime) -> None:
    if read is None or doubtful.head == read:
        return
    facts = {
        "reason": doubtful.reason,
        "payout_micros": arrival.payout_micros,
        "currency": arrival.currency,
        "offer": arrival.offer,
        "source": arrival.source,
        "receipt_id": arrival.receipt_id,
        "kept_at": epoch_seconds(now),
    }
    commit(w.ledger.keeping_doubtful(key, read=read, head=doubtful.head, doubtful_id=doubtful.doubtful_id, facts=facts))


def _list_doubtful(w: Wiring, arrival: Arrival, currency: str, doubtful: Doubtful, now: datetime) -> None:
    """Shows it to a person, every time: the last attempt may have died between the ledger and here."""
    head = doubtful.head
    quarantine.keep_arrival(
        w,
        arrival,
        field="currency" if doubtful.reason == "currency_differs" else "payout",
        reason="contradicts_booked_amount",
        detail=f"{arrival.payout_micros} micros {currency}, booked are {head.total_micros} micros {head.currency}",
        state="doubtful",
        now=now,
    )
