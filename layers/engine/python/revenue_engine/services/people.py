"""What is known of one person, and forgetting it (data protection law's access and erasure; P3, P4, D4).

Everything but the person's own item and the way from the address to it is kept by the random key alone, so that after both are gone
nothing leads from the address to the rest. The hash of the address stays on our list: nobody is mailed again by an old file.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from revenue_engine import ids
from revenue_engine.aws.dynamo import TransactionCancelled, commit
from revenue_engine.aws.items import Item
from revenue_engine.aws.subscribers import row_of
from revenue_engine.aws.wiring import Wiring
from revenue_engine.clock import epoch_seconds
from revenue_engine.errors import Contention

ATTEMPTS = 8
_FROM, _TO = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_MONEY = ("state", "currency", "provisional_micros", "approved_micros")


def export_person(w: Wiring, org: str, address: str) -> dict[str, Any]:
    """All that is kept of an address, in plain values: `person`, `suppressed`, `events`, `mails`, `conversions`.

    `person` is None where there is none, or no more. Raises BadInput for what cannot be an address.
    """
    digest = _digest(w, org, address)
    listed = w.suppression.listed(org, digest)
    found: dict[str, Any] = {
        "person": None,
        "suppressed": {name: listed[name] for name in ("reason", "at")} if listed else None,
        "events": [],
        "mails": [],
        "conversions": [],
    }
    person = _by(w, org, digest)
    if person is None:
        return found
    events = w.timeline.between(org, person["subscriber"], start=_FROM, end=_TO)
    mails = dict.fromkeys(event["send_id"] for event in events if event.get("send_id"))
    keys = dict.fromkeys(event["key"] for event in events if event["kind"] == "conversion")
    return found | {
        "person": {**{k: v for k, v in person.items() if k not in ("pk", "row")}, "state": asdict(row_of(person))},
        "events": [{"at": event["sk"].split("#", 1)[0], **_plain(event)} for event in events],
        "mails": [_plain(send) for send in map(w.sends.get, mails) if send is not None],
        "conversions": [_conversion(w, key) for key in keys],
    }


def erase_person(w: Wiring, org: str, address: str, *, now: datetime) -> bool:
    """Forgets the person by this address, who is never mailed again. False: there was none; the address is on our list all the same.

    Raises BadInput for what cannot be an address.
    """
    digest, at = _digest(w, org, address), epoch_seconds(now)
    for _ in range(ATTEMPTS):
        person = _by(w, org, digest)
        entry = w.suppression.erasing(org, digest, at=at)
        try:
            commit([entry, *(w.subscribers.erasing(person, at=at) if person else [])])
        except TransactionCancelled:
            continue  # somebody wrote the person meanwhile
        if person is None and w.subscribers.by_address(org, digest) is not None:
            continue  # imported in between
        return person is not None
    raise Contention("a subscriber kept changing")


def _digest(w: Wiring, org: str, address: str) -> str:
    return ids.address_hash(w.parameters.address_key(org), ids.normalise_address(address))


def _by(w: Wiring, org: str, digest: str) -> Item | None:
    known = w.subscribers.by_address(org, digest)
    return w.subscribers.get(org, known["subscriber"]) if known else None


def _plain(item: Item) -> Item:
    return {
        name: value for name, value in item.items() if name not in ("pk", "sk", "expires_at") and not isinstance(value, bytes)
    }


def _conversion(w: Wiring, key: str) -> dict[str, Any]:
    item = w.ledger.table.get(key, "head") or {}
    return {"key": key, **{name: item[name] for name in _MONEY if name in item}}
