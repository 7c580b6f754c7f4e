"""The contract's SES events, as our own mails would cause them."""

from __future__ import annotations

import json
from typing import Any

from revenue_engine.records.send import PlannedSend
from tests.shared_data import shared_path

FIXTURES = (
    "send", "delivery", "open", "open-apple-mpp", "open-gmail-proxy", "click", "click-scanner", "bounce-permanent",
    "bounce-suppressed", "bounce-transient", "complaint", "complaint-not-spam", "reject", "rendering-failure", "delivery-delay",
    "subscription",
)  # fmt: skip


def ses_event(name: str, plan: PlannedSend, **changes: Any) -> str:
    """A fixture file's event with the tags of `plan`'s mail; `changes` replace members of the event's own object."""
    record = json.loads(shared_path(f"contracts/{name}").read_text())
    record["mail"]["tags"] |= {"send_id": [plan.send_id], "org": [plan.org], "offer": [plan.offer]}
    (own,) = [member for member in record if member not in ("eventType", "mail")]
    record[own] |= changes
    return json.dumps(record)
