"""Add facts to the books: entries, counters, evidence, outcome and timeline in one transaction (M2), then tell the subscriber's row.

Everything that a conversion changes anywhere is a difference of two positions, so that no order, repetition or crash can leave books
that a clean replay would not give.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from revenue_engine.attribution.facts import Facts, merge
from revenue_engine.attribution.ledger import Change, Entry, Head, settle
from revenue_engine.attribution.position import Amounts, Cell, Rules, rules_of
from revenue_engine.aws import names, observe
from revenue_engine.aws.dynamo import commit
from revenue_engine.aws.queues import Message
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import day_in, epoch_seconds
from revenue_engine.records.controls import Controls

_PER_CURRENCY = ("provisional_micros", "approved_micros", "unattributed_micros", "held_micros")
_REPORTED = ("reported_provisional_micros", "reported_approved_micros", "conversions")


def add_facts(
    w: Wiring,
    org: str,
    key: str,
    read: Head | None,
    facts: Facts,
    *,
    controls: Controls,
    source: str,
    receipt_id: str,
    now: datetime,
    also: Sequence[dict[str, Any]] = (),
    touches_known: bool = False,
) -> Change | None:
    """One try on what the books said when `read` was read; `also` goes into the same transaction. None: no news, nothing written.

    Then the row is told all the same: the last attempt may have died between booking and telling. Telling twice is harmless.

    `touches_known`: the facts hold the timeline's already. Raises TransactionCancelled when the books moved under it.
    """
    books = w.control.books_currency(org)
    rules = read.rules if read else rules_of(controls, books or controls.currency)
    if not touches_known:
        facts = with_touches(w, org, read, facts, rules)
    change = settle(read, facts, rules=rules, source=source, receipt_id=receipt_id, booked_at=now)
    if change is not None:
        day = day_in(now, rules.zone).isoformat()
        opening = [] if books else [w.control.opening_books(org, rules.currency)]
        booking = w.ledger.booking(key, read=read, change=change, org=org, day=day)
        commit([*booking, *_effects(w, org, key, change), *also, *opening])
    elif also:
        commit(also)
    if change is not None and change.entries:
        for entry in change.entries:
            if entry.position.place.currency not in dict(change.head.facts.fx_rates):
                observe.count(names.METRIC_FX_RATE_MISSING, org)
        tell_row(w, org, key, change.head, change.entries)
    else:
        known = change.head if change else read
        assert known is not None
        # entries that others have added since are theirs to tell; counted from the wrong end, they would shift the numbers
        tell_row(w, org, key, known, w.ledger.entries(key)[: known.entries])
    return change


def with_touches(w: Wiring, org: str, read: Head | None, facts: Facts, rules: Rules) -> Facts:
    """With every touch of the credited person that the timeline knows by now; a touch that comes later is a fact of its own."""
    known = merge(read.facts, facts) if read else facts
    if known.credit is None:
        return facts
    at = known.converted_at
    touches = w.timeline.touches(org, known.credit.subscriber, start=at - timedelta(days=rules.window_days), end=at)
    return replace(facts, touches=tuple(touches))


def _effects(w: Wiring, org: str, key: str, change: Change) -> list[dict[str, Any]]:
    """What the entries mean elsewhere. Each item is written once: the entries of one change are added up first."""
    hours: dict[str, Counter[str]] = defaultdict(Counter)
    days: dict[str, Counter[str]] = defaultdict(Counter)
    capped: Counter[str] = Counter()
    campaigns: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    sends: dict[str, Counter[str]] = defaultdict(Counter)
    cells: dict[Cell, Counter[str]] = defaultdict(Counter)
    actions: list[dict[str, Any]] = []
    first = change.head.entries - len(change.entries) + 1
    for number, entry in enumerate(change.entries, start=first):
        place, amounts = entry.position.place, entry.position.amounts
        plain = {f"{name}#{place.currency}": getattr(amounts, name) for name in _PER_CURRENCY}
        reported = {name: getattr(amounts, name) for name in _REPORTED}
        reported["base_conversions"] = amounts.conversions if is_base(key) else 0
        hours[place.hour].update({**plain, **reported})
        days[place.day].update({**plain, **reported})
        # what counts towards the offer's caps, whoever's it is
        micros = amounts.reported_provisional_micros + amounts.reported_approved_micros
        filled = {f"capped_conversions@{place.offer}": amounts.conversions, f"capped_micros@{place.offer}": micros}
        days[place.day].update(filled)
        capped.update(filled)
        if place.send_id is None or place.subscriber is None or place.campaign is None:
            continue
        # what an offer or a policy earned with our mails, beside what we count of them
        of_offer = {f"{name}@{place.offer}": n for name, n in reported.items()}
        days[place.day].update({**of_offer, **{f"{name}%{place.policy}": n for name, n in reported.items()}})
        hours[place.hour].update(of_offer)  # the judge looks for pages that are down, and for money too good to be true
        hours[place.hour]["mailed_conversions"] += amounts.conversions  # what the velocity is held against
        days[place.day][f"held_conversions@{place.offer}"] += amounts.held_conversions
        campaigns[place.day, place.campaign].update(reported)
        sends[place.send_id].update(
            {
                f"revenue_micros#{place.currency}": amounts.total_micros,
                f"reward_micros#{place.currency}": amounts.reward_micros,
                "conversions": amounts.conversions,
            }
        )
        if place.cell is not None:
            cells[replace(place.cell, took="")].update(learned(place.cell, amounts))
        actions.append(_timeline(w, org, key, entry, number))
    for hour, added in _changed(hours):
        actions += w.counters.hour(org, hour, added, shard_by=key)
    for day, added in _changed(days):
        actions += w.counters.money(org, date.fromisoformat(day), added, shard_by=key)
    actions += w.counters.capping(org, capped, shard_by=key)
    for (day, campaign), added in _changed(campaigns):
        actions.append(w.counters.campaign(org, date.fromisoformat(day), campaign, added))
    for send_id, added in _changed(sends):
        actions.append(w.sends.outcome(send_id, add=added))
    for cell, added in _changed(cells):
        actions.append(
            w.offers.adding_evidence(
                org, day=cell.day, offer=cell.offer, variant=cell.variant, segment=cell.segment, amounts=added
            )
        )
    return actions


def learned(cell: Cell, amounts: Amounts) -> dict[str, int]:
    """What an entry adds to its cell's evidence."""
    return {
        "conversions": amounts.learned_conversions,
        "conversion_micros": amounts.learned_micros,
        "reversed": amounts.reversed_conversions,
        **({f"took_{cell.took}": amounts.learned_conversions} if cell.took else {}),
    }


def is_base(key: str) -> bool:
    """Whether the key is of a click's first conversion: no later event, no rebill."""
    return key.count("#") == 3 and key.split("#", 2)[1] == "conversion"


def _changed(totals: Mapping[Any, Counter[str]]) -> list[tuple[Any, dict[str, int]]]:
    changed = [(where, {name: n for name, n in added.items() if n}) for where, added in totals.items()]
    return [(where, added) for where, added in changed if added]


def _timeline(w: Wiring, org: str, key: str, entry: Entry, number: int) -> dict[str, Any]:
    place = entry.position.place
    assert place.subscriber is not None
    return w.timeline.recording(
        org,
        place.subscriber,
        at=entry.position.converted_at,
        kind="conversion",
        event_id=_digest(f"{key}#{number}"),
        facts={
            "key": key,
            "send_id": place.send_id,
            "offer": place.offer,
            "currency": place.currency,
            "delta_micros": entry.delta_micros,
        },
    )


def tell_row(w: Wiring, org: str, key: str, head: Head, entries: Sequence[Entry]) -> None:
    """The subscriber's row is engage's to write; it dedupes by ledger key and entry number, so telling again is harmless.

    The row holds money of the org's currency (M1), at the rate frozen in the ledger; without one a conversion is only counted.
    """
    first = head.entries - len(entries) + 1
    messages = []
    for number, entry in enumerate(entries, start=first):
        place, amounts = entry.position.place, entry.position.amounts
        micros = amounts.reported_provisional_micros + amounts.reported_approved_micros
        if place.subscriber is None or not (micros or amounts.conversions):
            continue
        body = {
            "kind": "conversion_applied",
            "org": org,
            "subscriber": place.subscriber,
            "at": epoch_seconds(entry.position.converted_at),
            "revenue_micros": micros,
            "conversions": amounts.conversions,
            "dedupe": _digest(f"{key}#{number}#row"),
        }
        messages.append(Message(json.dumps(body)))
    if messages:
        w.engagement_queue.send(messages)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
