"""Import people: whole file understood first, then written one by one, idempotently; never resurrects an opt-out (P1, P3, D4)."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from revenue_engine import ids
from revenue_engine.aws import names
from revenue_engine.aws.dynamo import ConditionFailed, TransactionCancelled, commit
from revenue_engine.aws.items import Item
from revenue_engine.aws.subscribers import ACTIVE, GRANTED, due_shard, lot_key, row_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import Contention, Refused
from revenue_engine.intake.subscribers_csv import SubscriberRecord
from revenue_engine.records.controls import Controls
from revenue_engine.records.lots import lot_of
from revenue_engine.records.subscriber import ARMS, PROVIDERS, Row, country_number, pack, provider_of, source_number, topic_mask
from revenue_engine.records.zones import zone_number
from revenue_engine.services.engage import opt_out

ATTEMPTS = 5


@dataclass
class ImportReport:
    """What became of the people of a file: created | updated | unchanged | opted_out."""

    outcomes: Counter[str] = field(default_factory=Counter)


def import_subscribers(
    w: Wiring,
    org: str,
    people: Iterable[SubscriberRecord],
    *,
    now: datetime,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    progress: Callable[[], None] = lambda: None,
) -> ImportReport:
    """Writes people that have been validated. Stopped half-way, the same file again does the rest.

    Raises Refused while the controls are, after the opt-outs: they wait for nobody (P3), and need nothing that the controls say.
    """
    controls, refused = controls_or_refusal(w, org)
    key = w.parameters.address_key(org)
    report, left_out = ImportReport(), 0
    for record in people:
        if refused is not None and record.status == ACTIVE:
            left_out += 1
            continue
        report.outcomes[_one(w, org, record, controls, key, now, random_bytes)] += 1
        progress()
    if refused is not None and left_out:
        raise opt_outs_only(refused, taken=report.outcomes.total(), left_out=left_out)
    return report


def controls_or_refusal(w: Wiring, org: str) -> tuple[Controls, Refused | None]:
    """The org's controls, or the engine's own and why the org's are refused."""
    try:
        return w.parameters.controls(org), None
    except Refused as why:
        return Controls(), why


def opt_outs_only(refused: Refused, *, taken: int, left_out: int) -> Refused:
    """What is said of people who are left out while the controls are refused, by an import and by its dry run."""
    return Refused(refused.reason, f"{refused.detail}: {taken:,} opt-outs are taken, nobody else is imported ({left_out:,})")


def assign_arm(org: str, address_hash: str, controls: Controls) -> int:
    """D4: the permanent randomised arm, by keyed hash of the address, so that it survives an erased and re-imported person."""
    draw = ids.stable_hash("arm", org, address_hash) / 2**64
    if draw < controls.no_mail_share:
        return ARMS.index("no_mail")
    return ARMS.index("fixed" if draw < controls.no_mail_share + controls.fixed_policy_share else "engine")


def _one(
    w: Wiring,
    org: str,
    record: SubscriberRecord,
    controls: Controls,
    key: bytes,
    now: datetime,
    random_bytes: Callable[[int], bytes],
) -> str:
    digest = ids.address_hash(key, record.email)
    if record.status == ACTIVE:
        listing = w.suppression.checking(org, digest)
    else:
        listing = w.suppression.suppressing(org, digest, reason=record.status, at=epoch_seconds(now))
    for _ in range(ATTEMPTS):
        person = _person(org, record, digest, controls, now, random_bytes)
        try:
            commit([*w.subscribers.creating(person), *_counted(w, org, person, controls), listing])
        except TransactionCancelled as cancelled:
            known = w.subscribers.by_address(org, digest)
            if known is not None:
                return _again(w, org, known, record, now)
            if cancelled.codes[-1] == "ConditionalCheckFailed":
                return "opted_out"  # a person once erased or never imported, but on our list
            continue
        return "created"
    raise Contention("an address kept changing")


def _person(
    org: str, record: SubscriberRecord, digest: str, controls: Controls, now: datetime, random_bytes: Callable[[int], bytes]
) -> Item:
    subscriber = ids.new_subscriber_key(random_bytes)
    arm = assign_arm(org, digest, controls)
    at = epoch_seconds(now)
    row = Row(
        decayed_at=at,
        draw_key=ids.stable_hash("draw", org, subscriber),
        created_at=epoch_seconds(record.created_at) if record.created_at else at,
        provider=PROVIDERS.index(provider_of(record.email)),
        arm=arm,
        zone=zone_number(controls.zone),
    )
    active = record.status == ACTIVE
    person: Item = {
        "org": org,
        "subscriber": subscriber,
        "address": record.email,
        "address_hash": digest,
        "status": record.status,
        "consent_status": GRANTED if active else "withdrawn",
        "consent_source": record.consent_source,
        "consent_at": epoch_seconds(record.consent_at) if record.consent_at else None,
        "provider": provider_of(record.email),
        "arm": ARMS[arm],
        "row": pack(_declared(row, record)),
        "version": 1,
        "created_at": at,
        "zone": record.zone or controls.zone,
        "profile": _merge_fields(record),
    }
    if active:
        person[names.LOT] = lot_key(org, lot_of(controls))
    if active and ARMS[arm] != "no_mail":
        person |= {"due_shard": due_shard(org, subscriber), "next_decision_at": at}
    return person


def _counted(w: Wiring, org: str, person: Item, controls: Controls) -> list[dict[str, Any]]:
    """D4: whom an arm may have mailed at all. Somebody who comes opted out is nobody's result, and of no lot."""
    if person["status"] != ACTIVE:
        return []
    return [w.counters.person(org, person["arm"], lot=lot_of(controls), shard_by=person["subscriber"])]


def _merge_fields(record: SubscriberRecord) -> dict[str, str]:
    declared = {"first_name": record.first_name, "last_name": record.last_name, "country": record.country, **record.profile}
    return {name: value for name, value in declared.items() if value}


def _declared(row: Row, record: SubscriberRecord) -> Row:
    """The row with what the file declares about a person; what it does not say stays as it is."""
    given: dict[str, Any] = {
        "zone": zone_number(record.zone) if record.zone else None,
        "country": country_number(record.country) or None,
        "topics": topic_mask(record.topics) or None,
        "price_sensitivity": record.price_sensitivity,
        "peak_hour": record.peak_hour,
        "purchases": record.purchases,
        "last_purchase_at": epoch_seconds(record.last_purchase_at) if record.last_purchase_at else None,
        "source": source_number(record.consent_source) or None,
    }
    return replace(row, **{name: value for name, value in given.items() if value is not None})


def _again(w: Wiring, org: str, known: Item, record: SubscriberRecord, now: datetime) -> str:
    if known["status"] != ACTIVE:
        return "opted_out"
    for _ in range(ATTEMPTS):
        person = w.subscribers.get(org, known["subscriber"])
        if person is None or person["status"] != ACTIVE:
            return "opted_out"
        if record.status != ACTIVE:
            opt_out(w, org, known["subscriber"], status=record.status, at=now, source="import")
            return "opted_out"
        row = _declared(row_of(person), record)
        facts = {"zone": record.zone or person["zone"], "profile": person["profile"] | _merge_fields(record)}
        if pack(row) == person["row"] and all(person.get(name) == value for name, value in facts.items()):
            return "unchanged"
        try:
            w.subscribers.update_profile(org, known["subscriber"], version=person["version"], row=pack(row), facts=facts)
        except ConditionFailed:
            continue
        return "updated"
    raise Contention("a subscriber kept changing")
