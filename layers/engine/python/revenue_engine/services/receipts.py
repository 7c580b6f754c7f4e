"""Where a raw postback lies, and the message that makes attribute look at it."""

from __future__ import annotations

import json

from revenue_engine.aws.queues import Message
from revenue_engine.intake.everflow import RawPostback
from revenue_engine.records.conversion import Arrival


def raw_key(raw: RawPostback | Arrival) -> str:
    """The raw object's key, by the postback or what was understood of it."""
    return f"raw/{raw.org}/{raw.received_at:%Y-%m-%d}/{raw.receipt_id}.json"


def queue_message(org: str, receipt_id: str, key: str, *, token_state: str, replay: bool = False) -> Message:
    """A pointer to the raw object. `token_state`: ok | unchecked | too_long. A replay closes the quarantine's entry when it is booked."""
    body = {"org": org, "receipt_id": receipt_id, "raw_key": key, "token_state": token_state}
    return Message(json.dumps(body | {"replay": True} if replay else body))
