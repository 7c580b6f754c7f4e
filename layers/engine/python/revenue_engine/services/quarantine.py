"""What could not be understood is kept, listed and replayed (M3)."""

from __future__ import annotations

from datetime import datetime

from revenue_engine.aws import names, observe
from revenue_engine.aws.items import Item
from revenue_engine.aws.wiring import Wiring
from revenue_engine.intake.everflow import RawPostback
from revenue_engine.services.receipts import queue_message


def keep(w: Wiring, raw: RawPostback, *, raw_key: str, field: str, reason: str, detail: str, now: datetime) -> None:
    """One entry per receipt: keeping the same receipt again changes its reason, not their number."""
    w.ledger.quarantine(
        raw.org,
        receipt_id=raw.receipt_id,
        received_at=raw.received_at,
        facts={
            "field": field,
            "reason": reason,
            "detail": detail,
            "raw_key": raw_key,
            "state": "open",
            "kept_at": int(now.timestamp()),
        },
    )
    observe.count(names.METRIC_QUARANTINED, raw.org)


def listed(w: Wiring, org: str, *, state: str = "open") -> list[Item]:
    """Entries in a state, oldest first."""
    return [item for item in w.ledger.quarantined(org) if item["state"] == state]


def replay(w: Wiring, org: str, receipt_id: str) -> bool:
    """Queues one entry again, as if it had just come with a good token. False when there is no open entry by that id.

    The entry closes only when the replay has been booked; what fails again stays, with its new reason.
    """
    entry = next((item for item in listed(w, org) if item["receipt_id"] == receipt_id), None)
    if entry is None or not entry["raw_key"]:  # a row of the report has no raw object: the next reconciliation reads it again
        return False
    w.postbacks_queue.send([queue_message(org, receipt_id, entry["raw_key"], token_state="ok")])
    return True
